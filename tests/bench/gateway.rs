//! The product as an installer would set it up: a folder with settings, register, profile and keys for `picket`, one for
//! `picket-central`, and both as processes.

use crate::process::{Process, output, told};
use simulator::product::{Parties, Product, central_settings};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names in every record.
pub(crate) const GATEWAY: &str = "gw-bench";
pub(crate) const SITE: &str = "bench";

/// A month without the central side takes less than half of it, so nothing is pruned and no record refused.
pub(crate) const BUDGET: &str = "budget_mib = 8192";

/// Which points the devices have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Points {
    /// So many holding registers from 0, named `r0` and on.
    Registers(u16),
    /// Discrete input 0, named `d0`.
    Input,
    /// So many discrete inputs, each the alarm contact of a panel of its own, `PANEL-0` and on.
    Alarms(u16),
}

impl Points {
    /// Alarm contacts among them.
    fn alarms(self) -> u16 {
        match self {
            Self::Alarms(count) => count,
            Self::Registers(_) | Self::Input => 0,
        }
    }
}

/// What is polled and how it is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    /// How many devices, each on a line of its own.
    pub(crate) devices: u16,
    /// Of each device.
    pub(crate) points: Points,
    /// From poll to poll.
    pub(crate) poll_ms: u64,
    /// `routine` or `now`.
    pub(crate) readings: &'static str,
}

/// The folders of a gateway and its central side.
#[derive(Debug)]
pub(crate) struct Gateway {
    product: Product,
    folder: PathBuf,
    /// The control socket: its path must be short.
    runtime: tempfile::TempDir,
}

impl Gateway {
    /// Writes everything that both sides need.
    pub(crate) fn set_up(
        programs: &Path,
        folder: &Path,
        task: Task,
        base_port: u16,
        broker: u16,
    ) -> Result<Self, String> {
        let runtime = tempfile::tempdir().map_err(|error| format!("no folder for the control socket: {error}"))?;
        let product = Product::in_folder(programs).map_err(told)?;
        let gateway = Self { product, folder: folder.to_owned(), runtime };
        gateway.write("profiles/bench.toml", &profile(task.points))?;
        gateway.write("register.toml", &register(task))?;
        gateway.write("agent.toml", &gateway.settings(task, base_port, broker))?;
        gateway.accept(broker)?;
        Ok(gateway)
    }

    fn accept(&self, broker: u16) -> Result<(), String> {
        let (key, central, settings) = (self.folder.join("identity.key"), self.folder.join("central"), &self.folder);
        let parties = Parties {
            site: SITE,
            gateway: GATEWAY,
            sms: "sms-bench",
            by: "bench",
            key: &key,
            central: &central,
            settings,
        };
        self.product.make_known(&parties).map_err(told)?;
        self.write("central.toml", &central_settings(&central, "127.0.0.1", broker))?;
        output(Command::new(&self.product.picket).args(["check", "--config"]).arg(&self.folder)).map(drop)
    }

    /// Starts the agent.
    pub(crate) fn agent(&self) -> Result<Process, String> {
        let mut command = Command::new(&self.product.picket);
        Process::start(command.args(["run", "--config"]).arg(&self.folder), &self.folder.join("picket.log"))
    }

    /// Starts the central side.
    pub(crate) fn central(&self) -> Result<Process, String> {
        let mut command = Command::new(&self.product.central);
        let log = self.folder.join("central.log");
        Process::start(command.args(["run", "--config"]).arg(self.folder.join("central.toml")), &log)
    }

    /// Where the agent's control socket lies.
    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// Where its settings lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The agent's database.
    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal.db")
    }

    /// The central side's database.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("central/central.db")
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(&path, text)).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn settings(&self, task: Task, base_port: u16, broker: u16) -> String {
        let mut text = format!(
            "[site]\nname = \"{SITE}\"\ngateway = \"{GATEWAY}\"\n\
             [clock]\naccept_unsynchronised = true\n\
             [journal]\nfile = \"journal.db\"\n{BUDGET}\n\
             [identity]\nkey = \"identity.key\"\nacceptance = \"acceptance.jws\"\naccept_key = \"accept.pub\"\n\
             root = \"root.jws\"\n\
             [central]\nbroker = \"mqtt://127.0.0.1:{broker}\"\n\
             [control]\nruntime = {:?}\n",
            self.runtime.path().display()
        );
        let Task { poll_ms, readings, .. } = task;
        // The longest wait that the settings allow for this poll, and no more than their default.
        let patience_ms = poll_ms.min(300);
        for n in 0..task.devices {
            let port = base_port + n;
            let _ = write!(
                text,
                "[[line]]\nname = \"line{n}\"\nkind = \"modbus-tcp\"\nhost = \"127.0.0.1\"\nport = {port}\n\
                 [[device]]\nname = \"dev{n}\"\nline = \"line{n}\"\nprofile = \"bench\"\nequipment = \"BENCH-{n}\"\n\
                 poll_ms = {poll_ms}\npatience_ms = {patience_ms}\nreadings = \"{readings}\"\n"
            );
            for panel in 0..task.points.alarms() {
                let _ = write!(
                    text,
                    "[[device.bind]]\npoint = \"d{panel}\"\nequipment = \"PANEL-{panel}\"\nsignal = \"alarm\"\n"
                );
            }
        }
        text
    }
}

fn profile(points: Points) -> String {
    let mut text = String::from(
        "name = \"bench\"\nmake = \"bench\"\nmodel = \"bench-sim\"\n\
         manual = \"no manual: Modbus Application Protocol 1.1b3, sections 6.2 and 6.3\"\n",
    );
    let mut point = |name: String, table: &str, coding: &str, address: u16| {
        let _ = write!(text, "[[modbus.point]]\nname = \"{name}\"\ntable = \"{table}\"\n");
        let _ = write!(text, "coding = \"{coding}\"\naddress = {address}\n");
    };
    match points {
        Points::Registers(count) => (0..count).for_each(|n| point(format!("r{n}"), "holding-register", "u16", n)),
        Points::Input => point("d0".into(), "discrete-input", "bit", 0),
        Points::Alarms(count) => (0..count).for_each(|n| point(format!("d{n}"), "discrete-input", "bit", n)),
    }
    text
}

fn register(task: Task) -> String {
    let row = |id| format!("[[equipment]]\nid = \"{id}\"\nkind = \"module\"\nplace = \"on the bench\"\n");
    let devices = (0..task.devices).map(|n| format!("BENCH-{n}"));
    devices.chain((0..task.points.alarms()).map(|n| format!("PANEL-{n}"))).map(row).collect()
}
