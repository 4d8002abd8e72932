//! The shipped programs: built, asked for one answer, or run beside the demo with their output in a file. Whatever way
//! the demo ends, what it started ends with it.

use crate::failure::{Doing, Failure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use simulator::shells;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The two programs that are shipped.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// The agent.
    pub(crate) picket: PathBuf,
    /// The central side.
    pub(crate) central: PathBuf,
}

impl Binaries {
    /// In a folder.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Failure> {
        let binaries = Self { picket: folder.join("picket"), central: folder.join("picket-central") };
        for binary in [&binaries.picket, &binaries.central] {
            if !binary.is_file() {
                return Err(Failure::new(format!("{} is not there", binary.display())));
            }
        }
        Ok(binaries)
    }

    /// Builds both in release, beside the demo; Cargo shows its progress.
    pub(crate) fn build() -> Result<Self, Failure> {
        let own = std::env::current_exe().doing("looking for the demo's own place")?;
        let target = own.parent().and_then(Path::parent);
        let target = target.ok_or_else(|| Failure::new("the demo does not lie in a target folder"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new(cargo)
            .args(["build", "--release", "-p", "picket", "-p", "picket-central", "--target-dir"])
            .arg(target)
            .current_dir(root)
            .status()
            .doing("building picket and picket-central")?;
        if !built.success() {
            return Err(Failure::new("picket and picket-central do not build"));
        }
        Self::in_folder(&target.join("release"))
    }
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn ask<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Result<String, Failure> {
    let what = || {
        let words = arguments.iter().map(|argument| argument.as_ref().to_string_lossy().into_owned());
        let words: Vec<String> = std::iter::once(program.display().to_string()).chain(words).collect();
        words.join(" ")
    };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().doing(what())?;
    if !output.status.success() {
        let told = [output.stdout, output.stderr].concat();
        return Err(Failure::new(format!("{}: {}\n{}", what(), output.status, String::from_utf8_lossy(&told))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As [`ask`], while the simulated devices go on answering.
pub(crate) async fn ask_aside(program: PathBuf, arguments: Vec<OsString>) -> Result<String, Failure> {
    let asked = tokio::task::spawn_blocking(move || ask(&program, &arguments)).await;
    asked.doing("waiting for a program")?
}

/// A program that runs beside the demo.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    handle: AsyncFd<OwnedFd>,
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end by itself in between; then there is nothing to kill.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Program {
    /// Starts it; its output is added to a file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        arguments: &[A],
        log: &Path,
    ) -> Result<Self, Failure> {
        let file =
            OpenOptions::new().create(true).append(true).open(log).doing(format!("opening {}", log.display()))?;
        let copy = file.try_clone().doing(format!("opening {}", log.display()))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(copy).stderr(file).env("NO_COLOR", "1");
        let mut child = command.spawn().doing(format!("starting {}", program.display()))?;
        let handle = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| Failure::new("a process without a number"))
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).doing(format!("watching {name}")))
            .and_then(|handle| shells::watched(handle, Interest::READABLE).doing(format!("watching {name}")));
        match handle {
            Ok(handle) => Ok(Self { name, child, handle }),
            Err(failure) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failure)
            }
        }
    }

    /// Ends with the program, by itself or not.
    pub(crate) async fn ended(&self) {
        // Readable once the process has ended (pidfd_open(2)); an error means that it can no longer be watched.
        let _ = self.handle.readable().await;
    }

    /// SIGTERM, and waits for it to stop in order.
    pub(crate) async fn stop(mut self, within: Duration) -> Result<ExitStatus, Failure> {
        pidfd_send_signal(&self.handle, Signal::TERM).doing(format!("stopping {}", self.name))?;
        if tokio::time::timeout(within, self.ended()).await.is_err() {
            return Err(Failure::new(format!("{} did not stop within {} s", self.name, within.as_secs())));
        }
        self.child.wait().doing(format!("waiting for {}", self.name))
    }

    /// SIGKILL: no last words.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().doing(format!("killing {}", self.name))?;
        self.child.wait().doing(format!("waiting for {}", self.name)).map(drop)
    }
}
