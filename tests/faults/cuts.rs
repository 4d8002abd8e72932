//! Power cuts on a real ext4: the writer is stopped, its file system shut down without its log, the writer killed, the
//! image mounted again and what is left opened with the product's journal.
//!
//! The writer is stopped first: a sync in flight may report success after the shutdown.

use crate::book::Book;
use crate::check::{Allowed, Checker, Found};
use crate::halt::halt;
use crate::runs::{Failure, Run, Runs, Scratch, kept, own};
use crate::volume::Volume;
use crate::wait;
use crate::writer::{End, Mix, Task};
use picket_core::time::Chance;
use simulator::process::{Log, Process};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Size of the image; the small one holds records only as long as some are disposed of.
const MIB: u64 = 32;
const BUDGETS: [u64; 2] = [2_000_000, 16_000_000];
/// A cut falls so many microseconds after the start of the writer; the earliest within its start. No wait for anything:
/// the moment is drawn from the seed, and that enough was acknowledged before is counted at the end.
const CUT_AFTER_US: (u64, u64) = (2_000, 450_000);

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let wanted = run.count.unwrap_or(if run.long { 500 } else { 50 });
    let scratch = Scratch::in_memory("cuts")?;
    let (mut runs, mut checker, began) = (Runs::default(), Checker::default(), Instant::now());
    let mut acknowledged = 0;
    for seed in run.seeds(wanted as u64)? {
        let outcome = cut(seed, scratch.path(), &mut checker);
        acknowledged += outcome.as_ref().map_or(0, |(told, _)| *told);
        runs.took(outcome.map(|(_, found)| found).map_err(|why| Failure::new(seed.to_string(), why)));
    }
    runs.took = began.elapsed();
    runs.note(format!("{acknowledged} records acknowledged before the cuts"));
    if run.only.is_none() && acknowledged < wanted as u64 * 20 {
        return Err(format!("only {acknowledged} records were acknowledged: the cuts show nothing"));
    }
    Ok(runs)
}

/// One cut; how many records were told before it.
fn cut(seed: u64, scratch: &Path, checker: &mut Checker) -> Result<(u64, Found), String> {
    let mut chance = Chance::new(seed);
    let mut volume = Volume::make(scratch, MIB, "")?;
    let (folder, told) = (volume.path().join("site"), scratch.join("told"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let budget = BUDGETS[chance.below(2) as usize];
    let mix = [Mix::Mixed, Mix::Small, Mix::Large][chance.below(3) as usize];
    let task = Task { folder: folder.clone(), book: None, seed, steps: 0, budget, mix, end: End::Closed, pause_ms: 1 };
    let mut writer =
        Process::start(Command::new(own()?).args(task.arguments()), &told, Log::Fresh).map_err(crate::told)?;
    wait::pause(Duration::from_micros(CUT_AFTER_US.0 + chance.below(CUT_AFTER_US.1 - CUT_AFTER_US.0)))?;
    halt(&mut writer)?;
    volume.cut()?;
    writer.kill().map_err(crate::told)?;
    let text = std::fs::read_to_string(&told).map_err(|error| format!("{}: {error}", told.display()))?;
    let book = Book::read(&text);
    volume.unmount()?;
    volume.mount("")?;
    // Before the check changes anything.
    let left = scratch.join("left");
    let _ = std::fs::remove_dir_all(&left);
    std::fs::create_dir_all(&left).map_err(|error| format!("{}: {error}", left.display()))?;
    let checked = match folder.exists() {
        true => {
            crate::inject::copy(&folder, &left).and_then(|()| checker.check(&left, budget, &book, Allowed::Nothing))
        }
        false if book.records.is_empty() => Ok(Found::default()),
        false => Err("the folder is gone".into()),
    };
    if checked.is_err() && folder.exists() {
        crate::inject::copy(&folder, &kept(&seed.to_string())?)?;
    }
    volume.unmount()?;
    volume.is_sound()?;
    checked.map(|found| (book.records.len() as u64, found))
}
