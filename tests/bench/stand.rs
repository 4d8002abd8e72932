//! What the jobs with a backlog stand on: a broker, devices, and one gateway that is set up and does not run yet.

use crate::Bench;
use crate::backlog;
use crate::broker::{Broker, free_ports};
use crate::gateway::{GATEWAY, Gateway, Task};
use crate::leg::STOPS_IN;
use crate::logs::Tail;
use crate::process::Process;
use crate::sink_log::SinkLog;
use crate::stopwatch::mono_ns;
use crate::table::Figures;
use crate::wait;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A program of ours is ready within this on a busy machine.
const READY_IN: Duration = Duration::from_secs(20);
/// The agent polls within this, whatever it has to read first.
const POLLS_IN: Duration = Duration::from_secs(120);

/// Everything around the agent.
#[derive(Debug)]
pub(crate) struct Stand {
    programs: PathBuf,
    folder: PathBuf,
    /// The broker, so that a job can stop it.
    pub(crate) broker: Broker,
    /// The gateway.
    pub(crate) gateway: Gateway,
    sim: Process,
    reads: Tail,
}

/// A sink that runs, and what it has logged.
#[derive(Debug)]
pub(crate) struct Sink {
    process: Process,
    /// Its log.
    pub(crate) log: SinkLog,
}

impl Stand {
    /// Starts broker and devices, whose values begin to change, and sets the gateway up in a folder of its own, which
    /// may be there already. `changes` are options of `bench-sim`.
    pub(crate) fn start(bench: &Bench, folder: &Path, task: Task, changes: &[String]) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let programs = bench.programs.path().to_owned();
        let broker = Broker::start(folder)?;
        let base_port = free_ports(task.devices)?;
        let log = folder.join("sim.log");
        let mut sim = Command::new(programs.join("bench-sim"));
        sim.args(["--devices", &task.devices.to_string(), "--base-port", &base_port.to_string(), "--flush-ms=5"]);
        sim.arg("--log").arg(&log).args(changes);
        let sim = Process::start(&mut sim, &folder.join("sim.err"))?;
        wait::until("bench-sim listens", READY_IN, || {
            let last = base_port + task.devices - 1;
            Ok(std::net::TcpStream::connect(("127.0.0.1", last)).ok().map(drop))
        })?;
        let gateway = Gateway::set_up(&programs, &folder.join("gateway"), task, base_port, broker.port())?;
        Ok(Self { programs, folder: folder.to_owned(), broker, gateway, sim, reads: Tail::of(&log) })
    }

    /// The changes begin.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        self.sim.signal(Signal::USR1)
    }

    /// The changes end.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.sim.signal(Signal::USR2)
    }

    /// Log of the devices.
    pub(crate) fn sim_log(&self) -> PathBuf {
        self.folder.join("sim.log")
    }

    /// Fills the gateway's journal as [`backlog::fill`] does; number of the last record.
    pub(crate) fn backlog(&self, records: u64, changes: u64) -> Result<u64, String> {
        let from = mono_ns();
        let head = backlog::fill(&self.gateway, records, changes)?;
        println!("a backlog of {records} records made in {:.0} s", (mono_ns() - from) as f64 / 1e9);
        Ok(head)
    }

    /// Starts a sink that signs receipts as the gateway's central side, or one that watches it.
    pub(crate) fn sink(&self, name: &str, signs: bool) -> Result<Sink, String> {
        let signs_for = signs.then_some(&self.gateway);
        Sink::start(&self.programs, &self.folder, name, self.broker.port(), signs_for)
    }

    /// Starts the agent; with it the nanoseconds from exec to the first value that a device gave it. Values must be
    /// changing, and nobody else must read them.
    pub(crate) fn agent(&mut self) -> Result<(Process, u64), String> {
        // What was read before is of no interest.
        self.reads.lines()?;
        let from = mono_ns();
        let mut agent = self.gateway.agent()?;
        let first = wait::until("the agent polls", POLLS_IN, || {
            if !agent.is_running()? {
                return Err(format!("the agent ended by itself: see its log in {}", self.folder.display()));
            }
            let read = |line: &String| line.strip_prefix("R ")?.split(' ').next()?.parse::<u64>().ok();
            Ok(self.reads.lines()?.iter().filter_map(read).find(|t| *t > from))
        })?;
        Ok((agent, first - from))
    }

    /// Ends devices and broker.
    pub(crate) fn finish(mut self) -> Result<Gateway, String> {
        self.sim.stop(STOPS_IN)?;
        self.broker.stop()?;
        Ok(self.gateway)
    }
}

impl Sink {
    /// Starts one that is subscribed; with a gateway it signs as its central side.
    pub(crate) fn start(
        programs: &Path,
        folder: &Path,
        name: &str,
        port: u16,
        signs_for: Option<&Gateway>,
    ) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(programs.join("bench-sink"));
        command.args(["--port", &port.to_string(), "--gateway", GATEWAY, "--client", name, "--log"]).arg(&log);
        if let Some(gateway) = signs_for.map(Gateway::folder) {
            command.arg("--central").arg(gateway.join("central"));
            command.arg("--acceptance").arg(gateway.join("acceptance.jws"));
        }
        let process = Process::start(&mut command, &folder.join(format!("{name}.err")))?;
        let mut sink = Self { process, log: SinkLog::of(&log) };
        wait::until("bench-sink is subscribed", READY_IN, || {
            sink.look()?;
            Ok((sink.log.subscribed > 0).then_some(()))
        })?;
        Ok(sink)
    }

    /// Takes what came since the last look.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        if !self.process.is_running()? {
            return Err("bench-sink ended by itself: see its .err".into());
        }
        self.log.look()
    }

    /// Waits until its log says so.
    pub(crate) fn until(&mut self, what: &str, limit: Duration, so: impl Fn(&SinkLog) -> bool) -> Result<(), String> {
        wait::until(what, limit, || {
            self.look()?;
            if !so(&self.log) {
                wait::pause(Duration::from_millis(20))?;
                return Ok(None);
            }
            Ok(Some(()))
        })
    }

    /// Ends it; its whole log.
    pub(crate) fn stop(self) -> Result<SinkLog, String> {
        let Self { process, mut log } = self;
        process.stop(STOPS_IN)?;
        log.look()?;
        Ok(log)
    }
}

/// A median of figures in nanoseconds, told in milliseconds.
pub(crate) fn in_ms(nanoseconds: &[u64]) -> Figures {
    Figures(nanoseconds.iter().map(|t| *t as f64 / 1e6).collect())
}
