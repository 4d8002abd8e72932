//! A program that runs beside a driver or a test, with its output in a file. It ends with its handle, by its own number.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What becomes of a log that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// It is begun anew.
    Fresh,
    /// It goes on: a program that is started again tells one story.
    Continued,
}

/// What could not be done to a program.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFault {
    /// The system refuses.
    #[error("{doing} {name}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The program.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// It is not there any more.
    #[error("{name} ended by itself with {status}: see its log")]
    Ended {
        /// The program.
        name: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a command; its output goes to `log`.
    pub fn start(command: &mut Command, log: &Path, kept: Log) -> Result<Self, ProcessFault> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fault = |doing| {
            let name = name.clone();
            move |source| ProcessFault::Io { doing, name, source }
        };
        let mut options = File::options();
        options.create(true).append(true);
        if kept == Log::Fresh {
            // Appended to all the same: two handles must not write over each other.
            File::create(log).map_err(fault("opening the log of"))?;
        }
        let out = options.open(log).map_err(fault("opening the log of"))?;
        let error = out.try_clone().map_err(fault("opening the log of"))?;
        command.stdin(Stdio::null()).stdout(out).stderr(error).env("NO_COLOR", "1");
        let child = command.spawn().map_err(fault("starting"))?;
        Ok(Self { name, child })
    }

    /// The program's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ProcessFault> {
        let ended = self.child.try_wait();
        ended.map_err(|source| ProcessFault::Io { doing: "looking at", name: self.name.clone(), source })
    }

    /// Sends a signal; a fault where it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessFault> {
        if let Some(status) = self.ended()? {
            return Err(ProcessFault::Ended { name: self.name.clone(), status });
        }
        kill_process(Pid::from_child(&self.child), signal).map_err(|source| ProcessFault::Io {
            doing: "signalling",
            name: self.name.clone(),
            source: source.into(),
        })
    }

    /// SIGKILL, no last words, and until it is gone; a fault where it had ended before.
    pub fn kill(&mut self) -> Result<(), ProcessFault> {
        self.signal(Signal::KILL)?;
        let status = self.wait()?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(());
        }
        Err(ProcessFault::Ended { name: self.name.clone(), status })
    }

    /// Until it is gone. Only for who knows that it ends.
    pub fn wait(&mut self) -> Result<ExitStatus, ProcessFault> {
        let ended = self.child.wait();
        ended.map_err(|source| ProcessFault::Io { doing: "waiting for", name: self.name.clone(), source })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
