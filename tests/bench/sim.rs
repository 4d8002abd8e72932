//! `bench-sim`: Modbus TCP devices that log every change and the first read of it. No Modbus library, one thread: the
//! order of the log is the true order.
//!
//! One port per device on 127.0.0.1 (`base-port + n`), any unit. Functions 1 and 2 read one table of bits, 3 and 4 one
//! table of registers. Nothing changes until SIGUSR1, nothing changes any more after SIGUSR2, SIGTERM ends.
//!
//! Log, times in CLOCK_MONOTONIC nanoseconds: `C t dev kind addr value` a value changed; `R t dev kind addr value` that
//! value was read for the first time (kind `r` register, `b` bit); `S t requests connections changes` once a second;
//! `D t` the changes ended. A `C` without `R` was never polled; an `R` that never arrives was lost behind the wire.

mod device;
mod stopwatch;

use clap::Parser;
use device::{Shared, World};
use picket_core::time::Chance;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use stopwatch::mono_ns;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};

/// Modbus TCP devices on loopback that log what changed and what was read.
#[derive(Debug, Parser)]
struct Options {
    /// How many devices.
    #[arg(long, default_value_t = 10)]
    devices: usize,
    /// Port of the first device.
    #[arg(long)]
    base_port: u16,
    /// Registers of each device.
    #[arg(long, default_value_t = 100)]
    registers: usize,
    /// Bits of each device.
    #[arg(long, default_value_t = 64)]
    bits: usize,
    /// Event log.
    #[arg(long)]
    log: PathBuf,
    /// The log is written out so often.
    #[arg(long, default_value_t = 1_000)]
    flush_ms: u64,
    /// So many registers of every device change each second, from 1 on, one after the other.
    #[arg(long, default_value_t = 0)]
    background: u64,
    /// Register 0 of every device counts up so often; the devices are staggered.
    #[arg(long, default_value_t = 0)]
    count_ms: u64,
    /// Input 0 of device 0 flips so many times at random intervals.
    #[arg(long, default_value_t = 0)]
    flips: u64,
    /// Each flip is the first of another input of device 0, and none goes back.
    #[arg(long)]
    each_once: bool,
    /// Shortest time between two flips.
    #[arg(long, default_value_t = 250_000)]
    flip_min_us: u64,
    /// Longest time between two flips.
    #[arg(long, default_value_t = 450_000)]
    flip_max_us: u64,
    /// Same seed, same sequence.
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let local = LocalSet::new();
        runtime.block_on(local.run_until(simulate(options)))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench-sim: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn simulate(options: Options) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let file = File::create(&options.log).map_err(|error| format!("{}: {error}", options.log.display()))?;
    let log = BufWriter::with_capacity(1 << 20, file);
    let world = World::shared(options.devices, options.registers, options.bits, log);
    let mut start = signal(SignalKind::user_defined1()).map_err(told)?;
    let mut end = signal(SignalKind::user_defined2()).map_err(told)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    for index in 0..options.devices {
        let port = options.base_port + u16::try_from(index).map_err(|_| "too many devices")?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| format!("port {port}: {error}"))?;
        spawn_local(device::listen(world.clone(), index, listener));
    }
    spawn_local(keep_log(world.clone(), options.flush_ms));
    tokio::select! {
        _ = start.recv() => {}
        _ = terminate.recv() => return world.borrow_mut().flush(),
    }
    let changes = generators(&world, &options);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = end.recv() => {
            changes.iter().for_each(JoinHandle::abort);
            world.borrow_mut().ended();
            terminate.recv().await;
        }
    }
    world.borrow_mut().flush()
}

/// Writes the log out, and once a second how much was asked.
async fn keep_log(world: Shared, flush_ms: u64) {
    let mut tick = interval(Duration::from_millis(flush_ms.clamp(1, 1_000)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut summed = 0;
    loop {
        tick.tick().await;
        let mut world = world.borrow_mut();
        if mono_ns() - summed >= 1_000_000_000 {
            summed = mono_ns();
            world.sum_up();
        }
        if let Err(why) = world.flush() {
            eprintln!("bench-sim: {why}");
        }
    }
}

fn generators(world: &Shared, options: &Options) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    if options.count_ms > 0 {
        let step = options.count_ms;
        let stagger = |device: usize| step * device as u64 / options.devices as u64;
        tasks.extend((0..options.devices).map(|d| spawn_local(count(world.clone(), d, stagger(d), step))));
    }
    if options.background > 0 {
        tasks.push(spawn_local(background(world.clone(), options.background, options.registers, options.seed)));
    }
    if options.flips > 0 {
        let range = (options.flip_min_us, options.flip_max_us);
        tasks.push(spawn_local(flip(world.clone(), options.flips, options.each_once, range, options.seed)));
    }
    tasks
}

async fn count(world: Shared, device: usize, after_ms: u64, step_ms: u64) {
    let first = Instant::now() + Duration::from_millis(after_ms);
    let mut tick = interval_at(first, Duration::from_millis(step_ms));
    let mut value = 0_u16;
    loop {
        tick.tick().await;
        value = value.wrapping_add(1);
        world.borrow_mut().set_register(device, 0, value);
    }
}

/// One register after the other, so that none changes twice within one round.
async fn background(world: Shared, per_second: u64, registers: usize, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut tick = interval(Duration::from_micros(1_000_000 / per_second));
    for turn in 0.. {
        tick.tick().await;
        let mut world = world.borrow_mut();
        let address = 1 + turn % (registers - 1);
        for device in 0..world.devices() {
            let value = u16::try_from(1 + chance.below(65_535)).expect("below 65,536");
            let old = world.register(device, address);
            world.set_register(device, address, if value == old { value ^ 1 } else { value });
        }
    }
}

async fn flip(world: Shared, flips: u64, each_once: bool, (least_us, most_us): (u64, u64), seed: u64) {
    let mut chance = Chance::new(seed);
    let mut next = Instant::now();
    for turn in 0..flips {
        next += Duration::from_micros(least_us + chance.below(most_us.saturating_sub(least_us)));
        sleep_until(next).await;
        let (input, on) = if each_once { (turn as usize, true) } else { (0, turn % 2 == 0) };
        world.borrow_mut().set_bit(0, input, on);
    }
    world.borrow_mut().ended();
}
