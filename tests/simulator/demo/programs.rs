//! Programs beside the demo: asked while the simulated devices go on answering, or run with their output in a file.
//! Whatever way the demo ends, what it started ends with it.

use crate::failure::{Doing, Failure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use simulator::process::{Log, Process};
use simulator::product::output;
use simulator::shells;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Runs a program to its end, while the simulated devices go on answering, and gives what it printed.
pub(crate) async fn ask_aside(program: PathBuf, arguments: Vec<OsString>) -> Result<String, Failure> {
    let asked = tokio::task::spawn_blocking(move || output(Command::new(&program).args(arguments))).await;
    asked.doing("waiting for a program")?.doing("asking a program")
}

/// A program that runs beside the demo.
#[derive(Debug)]
pub(crate) struct Program {
    process: Process,
    handle: AsyncFd<OwnedFd>,
}

impl Program {
    /// Starts `program run --config settings`; its output is added to a file.
    pub(crate) fn run(program: &Path, settings: &Path, log: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        let process = Process::start(command.arg("run").arg("--config").arg(settings), log, Log::Continued);
        let process = process.doing("starting a program")?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("a process without a number"))?;
        let what = format!("watching {}", process.name());
        let handle = pidfd_open(pid, PidfdFlags::empty()).doing(what.clone())?;
        let handle = shells::watched(handle, Interest::READABLE).doing(what)?;
        Ok(Self { process, handle })
    }

    /// Ends with the program, by itself or not.
    pub(crate) async fn ended(&self) {
        // Readable once the process has ended (pidfd_open(2)); an error means that it can no longer be watched.
        let _ = self.handle.readable().await;
    }

    /// SIGTERM, and waits for it to stop in order.
    pub(crate) async fn stop(mut self, within: Duration) -> Result<ExitStatus, Failure> {
        self.process.signal(Signal::TERM).doing("stopping a program")?;
        if tokio::time::timeout(within, self.ended()).await.is_err() {
            let late = format!("{} did not stop within {} s", self.process.name(), within.as_secs());
            return Err(Failure::new(late));
        }
        self.process.wait().doing("stopping a program")
    }

    /// SIGKILL: no last words.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.process.kill().doing("killing a program")
    }
}
