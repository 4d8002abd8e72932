//! Running many: on all processors, each in a folder of its own, and what failed with the words that replay it.

use crate::check::Found;
use simulator::product::own_folder;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Failures that are told in full; more are counted.
const TOLD: u64 = 10;
/// After so many failures a part ends.
const ENOUGH: u64 = 40;

/// Single runs under one seed have seeds of their own from this many times it on.
pub(crate) const SEEDS_EACH: u64 = 1_000_000;

/// What is asked of a part.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The long tier.
    pub(crate) long: bool,
    /// Everything follows from it.
    pub(crate) seed: u64,
    /// How many, instead of what the tier says.
    pub(crate) count: Option<usize>,
    /// Only the one with this name.
    pub(crate) only: Option<String>,
}

/// One that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    name: String,
    why: String,
    kept: Option<PathBuf>,
}

impl Failure {
    /// Its name replays it.
    pub(crate) fn new(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), why: why.into(), kept: None }
    }

    /// Where its files lie.
    pub(crate) fn kept(self, kept: Option<PathBuf>) -> Self {
        Self { kept, ..self }
    }
}

/// What a part did.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// How many were looked at.
    pub(crate) done: u64,
    /// How many failed.
    pub(crate) failed: u64,
    /// What the journals that were opened held, summed.
    pub(crate) found: Found,
    /// For how long.
    pub(crate) took: Duration,
    /// What else is to be told.
    pub(crate) notes: Vec<String>,
}

impl Runs {
    /// Says more about the part.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// One more was looked at.
    pub(crate) fn took(&mut self, outcome: Result<Found, Failure>) {
        self.done += 1;
        match outcome {
            Ok(found) => self.found.add(&found),
            Err(failure) => {
                self.failed += 1;
                if self.failed <= TOLD {
                    println!("  FAILED {}: {}", failure.name, failure.why);
                }
                if let Some(kept) = failure.kept.filter(|_| self.failed <= TOLD) {
                    println!("         kept: {}", kept.display());
                }
            }
        }
    }

    /// Two parts of one.
    pub(crate) fn join(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.found.add(&other.found);
        self.took += other.took;
        self.notes.extend(other.notes);
    }
}

impl Run {
    /// Seeds of so many single runs, or the one that is asked for.
    pub(crate) fn seeds(&self, count: u64) -> Result<Vec<u64>, String> {
        match &self.only {
            Some(only) => only.parse().map(|seed| vec![seed]).map_err(|_| format!("no run is named {only}")),
            None => Ok((0..count).map(|n| self.seed * SEEDS_EACH + n).collect()),
        }
    }

    /// Makes jobs on this thread and does them on all processors; each in an empty folder in memory.
    pub(crate) fn parallel<J: Send, C>(
        &self,
        context: impl Fn() -> C + Sync,
        work: impl Fn(&mut C, &J, &Path) -> Result<Found, Failure> + Sync,
        make: impl FnOnce(&dyn Fn(J) -> Result<(), String>) -> Result<(), String>,
    ) -> Result<Runs, String> {
        let started = Instant::now();
        let workers = std::thread::available_parallelism().map_or(2, |count| count.get());
        let (send, receive) = sync_channel::<J>(workers * 2);
        let receive = Mutex::new(receive);
        let runs = Mutex::new(Runs::default());
        let failed = AtomicU64::new(0);
        let made = std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut context = context();
                    loop {
                        let job = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(job) = job else { return };
                        let outcome = match Scratch::in_memory("check") {
                            Ok(folder) => work(&mut context, &job, folder.path()),
                            Err(why) => Err(Failure::new("-", why)),
                        };
                        failed.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
                        runs.lock().unwrap_or_else(PoisonError::into_inner).took(outcome);
                    }
                });
            }
            let out = |job: J| -> Result<(), String> {
                if failed.load(Ordering::Relaxed) >= ENOUGH {
                    return Err("too many failures".into());
                }
                crate::wait::pause(Duration::ZERO)?;
                hand_over(&send, job)
            };
            let made = make(&out);
            drop(send);
            made
        });
        let mut runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
        runs.took = started.elapsed();
        if runs.failed == 0 {
            made?;
        } else if let Err(why) = made {
            runs.note(why);
        }
        Ok(runs)
    }
}

fn hand_over<J>(send: &SyncSender<J>, job: J) -> Result<(), String> {
    send.send(job).map_err(|_| "no worker is left".into())
}

/// A folder that goes when it is dropped.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Where a sync costs nothing.
    pub(crate) fn in_memory(name: &str) -> Result<Self, String> {
        let made = tempfile::Builder::new().prefix(&format!("picket-faults-{name}-")).tempdir_in("/dev/shm");
        made.map(Self).map_err(|error| format!("/dev/shm: {error}"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn faults_folder() -> Result<PathBuf, String> {
    let folder = own_folder().map_err(crate::told)?.join("faults-runs");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// An empty folder that stays, for the files of a failure.
pub(crate) fn kept(name: &str) -> Result<PathBuf, String> {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let folder = faults_folder()?.join("kept").join(plain);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// What root leaves in the folders of another user is given to him: he could neither write into it nor remove it.
pub(crate) fn hand_back() -> Result<(), String> {
    let own = own_folder().map_err(crate::told)?;
    let folder = own.join("faults-runs");
    if !rustix::process::geteuid().is_root() || !folder.exists() {
        return Ok(());
    }
    let mut chown = std::process::Command::new("chown");
    chown.arg("-Rh").arg(format!("--reference={}", own.display())).arg(folder);
    simulator::product::output(&mut chown).map(drop).map_err(crate::told)
}

/// This program.
pub(crate) fn own() -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| format!("no own program: {error}"))?;
    own.into_os_string().into_string().map_err(|_| "the program's path is no plain text".into())
}
