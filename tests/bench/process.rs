//! A process that the driver started: its log, its signals, its use of the machine, and its end with the guard.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// Clock ticks per second in /proc (proc(5): `sysconf(_SC_CLK_TCK)`, 100 on every Linux this runs on).
const TICKS: f64 = 100.0;

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

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
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let open = || File::options().create(true).append(true).open(log);
        let opened = open().and_then(|out| Ok((out, open()?)));
        let (out, error) = opened.map_err(|error| format!("{}: {error}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(error).spawn();
        let child = child.map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { name, child })
    }

    /// Sends a signal, if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), String> {
        if !self.is_running()? {
            return Err(format!("{} has ended by itself: see its log", self.name));
        }
        kill_process(Pid::from_child(&self.child), signal).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool, String> {
        let ended = self.child.try_wait().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(ended.is_none())
    }

    /// SIGKILL, and until it is gone. An error where it had ended before.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.signal(Signal::KILL)?;
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.name))?;
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(format!("{} ended by itself with {status} before it was killed", self.name)),
        }
    }

    /// SIGTERM, and until it is gone; how it ended.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<ExitStatus, String> {
        self.signal(Signal::TERM)?;
        let name = self.name.clone();
        wait::until(&format!("{name} stops"), patience, || {
            self.child.try_wait().map_err(|error| format!("{name}: {error}"))
        })
    }

    /// What it took so far.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.child.id());
            std::fs::read_to_string(&path).map_err(|error| format!("{} is gone: {path}: {error}", self.name))
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

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start {name}: {error}"))?;
    if !done.status.success() {
        let told = [done.stdout, done.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        return Err(format!("{name}: {}: {}", done.status, told.trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}
