//! J1: 10 devices with 100 registers each at 1 Hz, 6,000 changes a minute, every change recorded, signed, durable and
//! forwarded. CPU and memory of the product alone, beside the floor in the same run.

use crate::Bench;
use crate::gateway::{Points, Task};
use crate::leg::{Leg, Product};
use crate::logs::{SimLog, SubLog};
use crate::process::Usage;
use crate::stopwatch::mono_ns;
use crate::table::{Figures, Judged, Table};
use crate::wait;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const TASK: Task = Task { devices: 10, points: Points::Registers(100), poll_ms: 1_000, readings: "routine" };
/// Registers of each device that change every second.
const CHANGES_PER_SECOND: u64 = 10;
/// The start is not measured.
const WARM: Duration = Duration::from_secs(5);
/// A poll, the longest wait of a routine record, and the way to the subscriber.
const LATEST: Duration = Duration::from_secs(8);

/// What one product did in one round.
struct Measured {
    cpu_s_per_min: f64,
    at_end: Usage,
    changes: u64,
    missing: u64,
    late_ms: Figures,
}

/// Runs the job.
pub(crate) fn j1(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let window = Duration::from_secs(if bench.quick { 20 } else { 60 });
    let mut picket = Vec::new();
    let mut floor = Vec::new();
    for round in 0..bench.rounds(3) {
        for (product, measured) in [(Product::Picket, &mut picket), (Product::Floor, &mut floor)] {
            let folder = folder.join(format!("{round}-{}", product.name()));
            measured.push(leg(bench, &folder, product, bench.seed.wrapping_add(round as u64), window)?);
        }
    }
    Ok(table(&picket, &floor, window).print())
}

fn leg(bench: &Bench, folder: &Path, product: Product, seed: u64, window: Duration) -> Result<Measured, String> {
    let changes = [format!("--background={CHANGES_PER_SECOND}"), format!("--seed={seed}")];
    let mut leg = Leg::start(bench.programs.path(), folder, TASK, &changes)?;
    let running = leg.run(product)?;
    leg.begin()?;
    wait::pause(WARM)?;
    let (from, before) = (mono_ns(), running.agent.usage()?);
    wait::pause(window)?;
    let (to, at_end) = (mono_ns(), running.agent.usage()?);
    leg.end()?;
    wait::pause(LATEST)?;
    running.stop()?;
    let (sim, sub) = leg.finish()?;
    let (changes, late_ms) = arrivals(&sim, &sub, from, to);
    let minutes = (to - from) as f64 / 60e9;
    Ok(Measured {
        cpu_s_per_min: (at_end.cpu_s - before.cpu_s) / minutes,
        at_end,
        changes,
        missing: changes - late_ms.0.len() as u64,
        late_ms,
    })
}

/// Changes of the window, and for each that arrived how late it was.
fn arrivals(sim: &SimLog, sub: &SubLog, from: u64, to: u64) -> (u64, Figures) {
    let mut arrived: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for (t, event) in &sub.values {
        arrived.entry(*event).or_default().push(*t);
    }
    let changes: Vec<_> = sim.changes.iter().filter(|(t, _)| (from..to).contains(t)).collect();
    // The same value may have stood in the same register before.
    let first_after = |t: u64, event| arrived.get(event)?.iter().find(|arrival| **arrival >= t).map(|a| a - t);
    let late = changes.iter().filter_map(|(t, event)| first_after(*t, event)).map(|late| late as f64 / 1e6);
    (changes.len() as u64, Figures(late.collect()))
}

fn table(picket: &[Measured], floor: &[Measured], window: Duration) -> Table {
    let mut table = Table::new(format!("J1, {} rounds of {} s each", picket.len(), window.as_secs()));
    let figures = |measured: &[Measured], figure: fn(&Measured) -> f64| Figures(measured.iter().map(figure).collect());
    let (cpu, floor_cpu) = (figures(picket, |m| m.cpu_s_per_min), figures(floor, |m| m.cpu_s_per_min));
    let ratio = cpu.over(&floor_cpu);
    table.row("CPU s/min, picket", cpu.told(2));
    table.row("CPU s/min, barepoll-durable", floor_cpu.told(2));
    table.against("CPU, times the floor, by rounds", ratio.told(2), "at most 2", ratio.median() <= 2.0);
    let peak = figures(picket, |m| m.at_end.peak_mib);
    table.row("resident MiB, picket", figures(picket, |m| m.at_end.resident_mib).told(1));
    table.against("resident peak MiB, picket", peak.told(1), "at most 20", peak.quantile(1.0) <= 20.0);
    table.row("resident peak MiB, barepoll-durable", figures(floor, |m| m.at_end.peak_mib).told(1));
    for (name, measured) in [("picket", picket), ("barepoll-durable", floor)] {
        let late = Figures(measured.iter().flat_map(|m| m.late_ms.0.clone()).collect());
        let figure = format!("{:.0} / {:.0}", late.median(), late.quantile(0.99));
        table.row(format!("change to arrival ms p50 / p99, {name}"), figure);
    }
    table.row("changes in the windows, picket", picket.iter().map(|m| m.changes).sum::<u64>());
    table.row("changes missing, barepoll-durable", floor.iter().map(|m| m.missing).sum::<u64>());
    table.zero("changes missing, picket", picket.iter().map(|m| m.missing).sum());
    table
}
