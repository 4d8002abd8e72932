//! Errors of the disk: the writer under strace, which lets one call after the other fail. Nothing acknowledged is lost
//! by it, nothing told twice in two ways, and the journal goes on by itself.

use crate::book::Book;
use crate::check::{Allowed, Checker, Found};
use crate::runs::{Failure, Run, Runs, Scratch, kept, own};
use crate::scene::DATABASE;
use crate::writer::{End, Mix, Task};
use std::path::Path;
use std::process::{Command, Stdio};

/// Small enough that records are disposed of.
const BUDGET: u64 = 260_000;
/// Files of the journal, beside the folder itself; faults elsewhere are not the disk's.
const FILES: [&str; 6] = ["", "-wal", "-journal", ".new", ".new-wal", ".damaged-1"];
/// The call that syncs a folder: where a file takes the place of a damaged one, and nowhere else.
const OF_A_FOLDER: &str = "fsync";
/// What the short sweep fails, and how often the writer makes it at least.
const SHORT: [(&str, u64); 3] = [("pwrite64", 10), ("fdatasync", 10), (OF_A_FOLDER, 1)];
/// A burst fails so many calls in a row.
const BURST: u64 = 6;

/// One commit size and what fails under it.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    mix: Mix,
    steps: u64,
    seed: u64,
    call: &'static str,
    error: &'static str,
    /// How many calls fail from the chosen one on.
    length: u64,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    sweep: Sweep,
    /// Which call fails, counted from 1.
    at: u64,
}

impl Job {
    fn name(&self) -> String {
        let Sweep { mix, seed, call, error, length, .. } = self.sweep;
        format!("{mix:?}:{seed}:{call}:{error}:{}x{length}", self.at).to_lowercase()
    }
}

fn sweeps(run: &Run) -> Vec<Sweep> {
    let errors = ["EIO", "ENOSPC", "EINTR"];
    let sweep = |mix, steps, call, error, length| Sweep { mix, steps, seed: run.seed, call, error, length };
    let mut all: Vec<Sweep> = Vec::new();
    for (call, _) in SHORT {
        all.extend(errors.map(|error| sweep(Mix::Mixed, 12, call, error, 1)));
    }
    if run.long {
        for mix in [Mix::Mixed, Mix::Small, Mix::Large] {
            for call in ["pwrite64", "fdatasync", OF_A_FOLDER, "pread64", "openat", "ftruncate", "unlink", "rename"] {
                for length in [1, BURST] {
                    all.extend(errors.map(|error| sweep(mix, 40, call, error, length)));
                }
            }
            all.extend([1, BURST].map(|length| sweep(mix, 40, "openat", "EMFILE", length)));
        }
    }
    all
}

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let mut counted = Vec::new();
    let mut runs = run.parallel(Checker::default, check, |out| {
        for sweep in sweeps(run) {
            let calls = count(&sweep)?;
            counted.push((sweep, calls));
            for at in 1..=calls {
                let job = Job { sweep, at };
                if run.only.as_deref().is_none_or(|only| only == job.name()) {
                    out(job)?;
                }
            }
        }
        Ok(())
    })?;
    for (call, least) in SHORT {
        // A run that failed too often ends before it has counted every call.
        if run.only.is_none()
            && runs.failed == 0
            && counted.iter().all(|(sweep, calls)| sweep.call != call || *calls < least)
        {
            return Err(format!("hardly any {call} is seen: the sweep is empty"));
        }
    }
    let mut by_call: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    counted.iter().for_each(|(sweep, calls)| *by_call.entry(sweep.call).or_default() += calls);
    runs.note(format!("calls that failed: {by_call:?}"));
    Ok(runs)
}

fn task(sweep: &Sweep, folder: &Path) -> Task {
    let Sweep { mix, steps, seed, .. } = *sweep;
    let folder = folder.join("site");
    Task { folder, book: None, seed, steps, budget: BUDGET, mix, end: End::Abandoned, pause_ms: 0 }
}

/// The writer with a fault, or with none and its calls counted; what it told.
fn write(sweep: &Sweep, task: &Task, folder: &Path, filter: &[String]) -> Result<(String, bool), String> {
    let mut made = std::fs::create_dir_all(&task.folder);
    if sweep.call == OF_A_FOLDER {
        // An empty file is a damaged one.
        made = made.and_then(|()| std::fs::write(task.folder.join(DATABASE), ""));
    }
    made.map_err(|error| format!("{}: {error}", task.folder.display()))?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(folder.join("trace")).args(filter);
    for suffix in FILES {
        strace.arg("-P").arg(task.folder.join(format!("{DATABASE}{suffix}")));
    }
    strace.arg("-P").arg(&task.folder).arg(own()?).args(task.arguments());
    let done = strace.stdin(Stdio::null()).output().map_err(|error| format!("strace: {error}"))?;
    Ok((String::from_utf8_lossy(&done.stdout).into_owned(), done.status.success()))
}

/// How often the call is made where nothing fails.
fn count(sweep: &Sweep) -> Result<u64, String> {
    let scratch = Scratch::in_memory("count")?;
    let task = task(sweep, scratch.path());
    let (told, ended) = write(sweep, &task, scratch.path(), &["-e".into(), format!("trace={}", sweep.call)])?;
    if !ended || !Book::read(&told).ended {
        return Err(format!("without a fault the writer does not end: {told}"));
    }
    let trace = std::fs::read_to_string(scratch.path().join("trace")).map_err(|error| format!("trace: {error}"))?;
    Ok(trace.lines().filter(|line| line.contains(&format!("{}(", sweep.call))).count() as u64)
}

fn check(checker: &mut Checker, job: &Job, folder: &Path) -> Result<Found, Failure> {
    let fail = |why: String| {
        let to = kept(&job.name()).and_then(|to| copy(&folder.join("site"), &to).map(|()| to));
        Failure::new(job.name(), why).kept(to.ok())
    };
    let Sweep { call, error, length, .. } = job.sweep;
    let when = if length == 1 { job.at.to_string() } else { format!("{}..{}", job.at, job.at + length - 1) };
    let filter =
        ["-e".into(), format!("trace={call}"), "-e".into(), format!("inject={call}:error={error}:when={when}")];
    let task = task(&job.sweep, folder);
    let (told, _) = write(&job.sweep, &task, folder, &filter).map_err(fail)?;
    let trace = std::fs::read_to_string(folder.join("trace")).unwrap_or_default();
    if !trace.contains("(INJECTED)") {
        return Err(fail("nothing was injected".into()));
    }
    let book = Book::read(&told);
    if !book.ended {
        return Err(fail(format!(
            "it does not go on by itself; the last faults: {:?}",
            book.faults.iter().rev().take(3).collect::<Vec<_>>()
        )));
    }
    checker.check(&task.folder, BUDGET, &book, Allowed::Stated).map_err(fail)
}

/// The files of a folder into another.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", from.display());
    for entry in std::fs::read_dir(from).map_err(told)? {
        let entry = entry.map_err(told)?;
        std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(told)?;
    }
    Ok(())
}
