//! A process that the driver started, its errors in words: its signals, its use of the machine, its end.

use crate::wait;
use rustix::process::Signal;
use simulator::process::{self, Log};
use simulator::product;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Clock ticks per second in /proc (proc(5): `sysconf(_SC_CLK_TCK)`, 100 on every Linux this runs on).
const TICKS: f64 = 100.0;

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(process::Process);

/// What a process took so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time in seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory in MiB.
    pub(crate) resident_mib: f64,
    /// Most that ever was resident, in MiB.
    pub(crate) peak_mib: f64,
}

impl Process {
    /// Starts a command whose output is appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        process::Process::start(command, log, Log::Continued).map(Self).map_err(told)
    }

    /// Sends a signal, if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), String> {
        self.0.signal(signal).map_err(told)
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool, String> {
        Ok(self.0.ended().map_err(told)?.is_none())
    }

    /// SIGKILL, and until it is gone. An error where it had ended before.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.0.kill().map_err(told)
    }

    /// SIGTERM, and until it is gone; how it ended.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<ExitStatus, String> {
        self.0.signal(Signal::TERM).map_err(told)?;
        let what = format!("{} stops", self.0.name());
        wait::until(&what, patience, || self.0.ended().map_err(told))
    }

    /// What it took so far.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.0.id());
            std::fs::read_to_string(&path).map_err(|error| format!("{} is gone: {path}: {error}", self.0.name()))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        // The name in brackets may hold anything; utime and stime are the 12th and 13th field behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        let cpu_s = (ticks(11) + ticks(12)) / TICKS;
        Ok(Usage { cpu_s, resident_mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") })
    }
}

/// Runs a command to its end; what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    product::output(command).map_err(told)
}

/// An error with its causes.
pub(crate) fn told(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
