//! SIGKILL at any moment, one life after the other on the same small journal: inside a start, inside a commit, inside a
//! disposal. The book goes on over all lives. (`bench kills` does the same to the whole agent, and `bench kills-central` to
//! its central side.)

use crate::book::Book;
use crate::check::{Allowed, Checker, Found};
use crate::runs::{Failure, Run, Runs, Scratch, kept, own};
use crate::wait;
use crate::writer::{End, Mix, Task};
use picket_core::time::Chance;
use simulator::process::{Log, Process};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const BUDGET: u64 = 300_000;
/// Half of the kills fall so early that the start is not over, the others up to the later time (microseconds). No wait for
/// anything: the moment is drawn from the seed, and that some kills fell into a start and some did not is counted.
const STARTING_US: u64 = 12_000;
const LATER_US: u64 = 90_000;
/// After so many lives the next ones begin with an empty folder: a book of thousands would be read at every start.
const LIVES: u64 = 100;

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let wanted = run.count.unwrap_or(if run.long { 1_000 } else { 100 }) as u64;
    let (mut runs, mut checker, began) = (Runs::default(), Checker::default(), Instant::now());
    let (mut unopened, mut told) = (0, 0);
    for first in (0..wanted).step_by(LIVES as usize) {
        let scratch = Scratch::in_memory("kills")?;
        let mut before = Book::default();
        for turn in first..wanted.min(first + LIVES) {
            let outcome = kill(run.seed * 1_000_000 + turn, scratch.path(), &mut checker);
            let outcome = outcome.map(|(book, found)| {
                unopened += u64::from(book.opens == before.opens);
                before = book;
                found
            });
            let failed = outcome.is_err();
            runs.took(outcome.map_err(|why| Failure::new(format!("seed {} kill {turn}", run.seed), why)));
            if failed {
                break;
            }
        }
        told += before.records.len();
    }
    runs.took = began.elapsed();
    runs.note(format!("{told} records told, {unopened} kills before the journal was open"));
    if wanted >= 50 && (unopened == 0 || unopened == wanted || runs.found.disposed == 0) {
        return Err("no kill fell into a start, or none of the journals disposed of anything".into());
    }
    Ok(runs)
}

/// One life; the book after it.
fn kill(seed: u64, scratch: &Path, checker: &mut Checker) -> Result<(Book, Found), String> {
    let mut chance = Chance::new(seed);
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| format!("{}: {error}", path.display())
    };
    let (folder, told, known, left) =
        (scratch.join("site"), scratch.join("told"), scratch.join("known"), scratch.join("left"));
    std::fs::create_dir_all(&folder).map_err(fault(&folder))?;
    if !told.exists() {
        std::fs::write(&told, "").map_err(fault(&told))?;
    }
    std::fs::copy(&told, &known).map_err(fault(&known))?;
    let mix = [Mix::Mixed, Mix::Large][chance.below(2) as usize];
    let task = Task {
        folder: folder.clone(),
        book: Some(known),
        seed,
        steps: 0,
        budget: BUDGET,
        mix,
        end: End::Closed,
        pause_ms: 1,
    };
    let mut command = Command::new(own()?);
    let mut writer = Process::start(command.args(task.arguments()), &told, Log::Continued).map_err(crate::told)?;
    let within = if chance.below(2) == 0 { STARTING_US } else { LATER_US };
    wait::pause(Duration::from_micros(chance.below(within)))?;
    writer.kill().map_err(crate::told)?;
    // What was cut off in the middle of a line was told to nobody; the next life begins a line of its own.
    let mut text = std::fs::read_to_string(&told).map_err(fault(&told))?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    std::fs::write(&told, &text).map_err(fault(&told))?;
    let book = Book::read(&text);
    if let Some(why) = book.faults.iter().find(|why| !why.contains("is full")) {
        return Err(format!("the journal told of a fault: {why}"));
    }
    let _ = std::fs::remove_dir_all(&left);
    std::fs::create_dir_all(&left).map_err(fault(&left))?;
    crate::inject::copy(&folder, &left)?;
    let checked = checker.check(&left, BUDGET, &book, Allowed::Nothing);
    if checked.is_err() {
        crate::inject::copy(&folder, &kept(&format!("kill-{seed}"))?)?;
    }
    checked.map(|found| (book, found))
}
