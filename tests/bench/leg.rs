//! One leg of a job: broker, devices and subscriber of its own, and one product among them.

use crate::broker::{Broker, free_ports};
use crate::gateway::{Gateway, Points, Task};
use crate::logs::{SimLog, SubLog};
use crate::process::Process;
use crate::stopwatch::mono_ns;
use crate::wait;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A product has published its first value after this, also in a debug build on a busy machine.
const FIRST_VALUE: Duration = Duration::from_secs(60);
/// A stop in order: the agent finishes its asks, stores its last words and gives the link two seconds.
pub(crate) const STOPS_IN: Duration = Duration::from_secs(30);
const READY_IN: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// `picket`, with `picket-central` behind the broker so that receipts flow.
    Picket,
    /// `bench-barepoll --durable`.
    Floor,
}

impl Product {
    /// For tables and folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Picket => "picket",
            Self::Floor => "barepoll-durable",
        }
    }
}

/// Everything around a product.
#[derive(Debug)]
pub(crate) struct Leg {
    programs: PathBuf,
    folder: PathBuf,
    base_port: u16,
    task: Task,
    /// The broker, so that a job can stop it.
    pub(crate) broker: Broker,
    sim: Process,
    sub: Process,
}

/// A product that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// The process that is measured.
    pub(crate) agent: Process,
    central: Option<Process>,
    /// The product's folders, where it has any.
    pub(crate) gateway: Option<Gateway>,
}

impl Leg {
    /// Starts broker, subscriber and devices; `changes` are options of `bench-sim`. Nothing changes yet.
    pub(crate) fn start(programs: &Path, folder: &Path, task: Task, changes: &[String]) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let broker = Broker::start(folder)?;
        let base_port = free_ports(task.devices)?;
        let mut sub = Command::new(programs.join("bench-sub"));
        sub.args(["--port", &broker.port().to_string(), "--log"]).arg(folder.join("sub.log"));
        let sub = Process::start(&mut sub, &folder.join("sub.err"))?;
        let mut sim = Command::new(programs.join("bench-sim"));
        sim.args(["--devices", &task.devices.to_string(), "--base-port", &base_port.to_string(), "--log"]);
        let sim = Process::start(sim.arg(folder.join("sim.log")).args(changes), &folder.join("sim.err"))?;
        let leg = Self { programs: programs.into(), folder: folder.into(), base_port, task, broker, sim, sub };
        wait::until("bench-sub is subscribed", READY_IN, || {
            let log = std::fs::read_to_string(leg.sub_log()).unwrap_or_default();
            Ok(log.contains("\tsubscribed\n").then_some(()))
        })?;
        wait::until("bench-sim listens", READY_IN, || {
            let last = leg.base_port + leg.task.devices - 1;
            Ok(std::net::TcpStream::connect(("127.0.0.1", last)).ok().map(drop))
        })?;
        Ok(leg)
    }

    /// Starts a product and waits for its first value at the subscriber.
    pub(crate) fn run(&self, product: Product) -> Result<Running, String> {
        let mut running = match product {
            Product::Picket => {
                let port = self.broker.port();
                let gateway = Gateway::set_up(&self.programs, &self.folder, self.task, self.base_port, port)?;
                let central = Some(gateway.central()?);
                Running { agent: gateway.agent()?, central, gateway: Some(gateway) }
            }
            Product::Floor => Running { agent: self.floor()?, central: None, gateway: None },
        };
        wait::until("the first value", FIRST_VALUE, || {
            if !running.agent.is_running()? {
                return Err(format!("{} ended: see its log in {}", product.name(), self.folder.display()));
            }
            Ok((!SubLog::read(&self.sub_log())?.values.is_empty()).then_some(()))
        })?;
        Ok(running)
    }

    fn floor(&self) -> Result<Process, String> {
        let Task { devices, points, poll_ms, .. } = self.task;
        let mut command = Command::new(self.programs.join("bench-barepoll"));
        command.args(["--base-port", &self.base_port.to_string(), "--devices", &devices.to_string()]);
        command.args(["--poll-ms", &poll_ms.to_string(), "--broker", &self.broker.port().to_string()]);
        match points {
            Points::Registers(count) => command.args(["--points", &count.to_string()]),
            Points::Input => command.args(["--points", "1", "--inputs"]),
            Points::Alarms(count) => command.args(["--points", &count.to_string(), "--inputs"]),
        };
        command.arg("--durable").arg(self.folder.join("floor.db"));
        Process::start(&mut command, &self.folder.join("floor.log"))
    }

    /// The changes begin.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        self.sim.signal(Signal::USR1)
    }

    /// The changes end.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.sim.signal(Signal::USR2)
    }

    /// Until no record has arrived for `quiet`, at most for `limit`.
    pub(crate) fn settle(&self, quiet: Duration, limit: Duration) -> Result<(), String> {
        let mut last = (0, mono_ns());
        wait::until("arrivals end", limit, || {
            let arrived = SubLog::read(&self.sub_log())?.values.len();
            if arrived != last.0 {
                last = (arrived, mono_ns());
            }
            wait::pause(Duration::from_millis(200))?;
            Ok((u128::from(mono_ns() - last.1) >= quiet.as_nanos()).then_some(()))
        })
    }

    /// Ends devices, subscriber and broker; what was logged.
    pub(crate) fn finish(mut self) -> Result<(SimLog, SubLog), String> {
        let logs = (self.folder.join("sim.log"), self.sub_log());
        self.sim.stop(STOPS_IN)?;
        self.sub.stop(STOPS_IN)?;
        self.broker.stop()?;
        Ok((SimLog::read(&logs.0)?, SubLog::read(&logs.1)?))
    }

    /// Log of the devices.
    pub(crate) fn sim_log(&self) -> PathBuf {
        self.folder.join("sim.log")
    }

    /// Log of the arrivals.
    pub(crate) fn sub_log(&self) -> PathBuf {
        self.folder.join("sub.log")
    }
}

impl Running {
    /// SIGKILL, and until it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.agent.kill()
    }

    /// Starts the agent again after a kill.
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        self.agent = self.gateway.as_ref().ok_or("only picket is started again")?.agent()?;
        Ok(())
    }

    /// Stops the agent in order, then the central side as soon as it holds every record, or has had its time.
    pub(crate) fn stop(self) -> Result<Option<Gateway>, String> {
        let Self { agent, central, gateway } = self;
        let ended = agent.stop(STOPS_IN)?;
        let (Some(central), Some(gateway)) = (central, gateway) else { return Ok(None) };
        if !ended.success() {
            return Err(format!("picket did not stop in order: {ended}"));
        }
        let head = crate::stores::journal(&gateway.journal())?.records.last().map_or(0, |record| record.seq);
        // Whether all of it came is for the job to say.
        let _ = wait::until("the central side holds every record", STOPS_IN, || {
            let held = crate::stores::central_head(&gateway.store())?;
            Ok((held >= head).then_some(()))
        });
        central.stop(STOPS_IN)?;
        Ok(Some(gateway))
    }
}
