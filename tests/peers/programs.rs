//! Programs beside the tests: found or named with their remedy, bounded in time, ended with the test.

use rustix::process::{Pid, Signal, kill_process};
use simulator::product::{python, repository};
use simulator::shells::broker;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// Nothing in these tests takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: UnboundedReceiver<String>,
    name: String,
}

impl Program {
    /// Starts a program; its standard output and error are read line by line.
    pub(crate) fn start(command: &mut Command, remedy: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name}: {error}; {remedy}"));
        let (sender, lines) = unbounded_channel();
        let out: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|out| Box::new(out) as _)];
        for out in out.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, name }
    }

    /// Waits for a line that contains `what`; gives what follows it.
    pub(crate) async fn wait_for(&mut self, what: &str) -> String {
        let end = Instant::now() + DEADLINE;
        let mut said = Vec::new();
        loop {
            match timeout_at(end, self.lines.recv()).await {
                Ok(Some(line)) => match line.split_once(what) {
                    Some((_, rest)) => return rest.trim().to_owned(),
                    None => said.push(line),
                },
                Ok(None) | Err(_) => panic!("{} never said {what:?}, only {said:#?}", self.name),
            }
        }
    }
}

impl Program {
    /// Asks it to end, and waits until it did.
    pub(crate) fn terminate(mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(id, Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    broker::free_port().expect("a free port").port()
}

/// pymodbus as a device of unit 1, by its arguments; ready when this returns.
pub(crate) async fn modbus_device(arguments: &[&str]) -> Program {
    let python = python().unwrap_or_else(|fault| panic!("{fault}"));
    let script = repository().join("tests/peers/modbus_device.py");
    let mut device = Program::start(Command::new(python).arg(script).args(arguments), "tests/run install");
    device.wait_for("ready").await;
    device
}

/// Two terminals that socat wires together.
pub(crate) async fn wire() -> (Program, String, String) {
    let mut command = Command::new("socat");
    command.args(["-d", "-d", "pty,raw,echo=0", "pty,raw,echo=0"]);
    let mut socat = Program::start(&mut command, "apt-get install socat");
    let ends = (socat.wait_for("PTY is").await, socat.wait_for("PTY is").await);
    socat.wait_for("starting data transfer loop").await;
    (socat, ends.0, ends.1)
}
