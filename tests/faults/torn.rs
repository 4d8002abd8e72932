//! Torn pages: the last two pages of log and database, cut off at every byte.
//!
//! In the log the last two frames are on their way, and what they hold was told to nobody. In the database pages are
//! torn while they are folded back: their log is still there, so that nothing may be missing. A page of a closed
//! database is torn by nothing but a failing card: that may cost records, and must be stated.

use crate::check::{Allowed, Checker, Found};
use crate::disk::Files;
use crate::lived::{Lived, lay_down, live};
use crate::runs::{Failure, Run, Runs, Scratch, kept};
use crate::scene::DATABASE;
use crate::writer::{End, Mix, Task};
use picket_core::time::Chance;
use std::collections::BTreeMap;
use std::path::Path;

const PAGE: usize = picket::journal::PAGE_BYTES as usize;
/// A frame of the log: 24 bytes of header and a page (sqlite.org, "WAL-mode File Format").
const FRAME: usize = 24 + PAGE;
const LOG_HEADER: usize = 32;
/// Offsets of the short tier are this far apart: no multiple of a sector.
const SHORT_STEP: usize = 61;

/// What is torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Log,
    FoldedBack,
    Closed,
}

/// What stands behind the tear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Zeros,
    Noise,
}

#[derive(Debug, Clone, Copy)]
struct Tear {
    place: Place,
    behind: Behind,
    at: usize,
}

impl Tear {
    fn name(&self) -> String {
        format!("{:?}:{:?}:{}", self.place, self.behind, self.at).to_lowercase()
    }
}

struct Scene {
    seed: u64,
    open: Lived,
    /// The book without what the last two frames hold.
    before: Lived,
    closed: Lived,
}

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let scene = Scene::make(run.seed)?;
    let (log, pages) = (scene.open.log()?, scene.open.folded()?);
    let mut step = if run.long || run.only.is_some() { 1 } else { SHORT_STEP };
    if let Some(count) = run.count {
        step = (2 * (FRAME + PAGE * 2) / count.max(1)).max(1);
    }
    let check = |checker: &mut Checker, tear: &Tear, folder: &Path| scene.check(checker, *tear, folder, &log, &pages);
    run.parallel(Checker::default, check, |out| {
        for (place, behind, length) in [
            (Place::Log, Behind::Nothing, 2 * FRAME),
            (Place::Log, Behind::Zeros, 2 * FRAME),
            (Place::Log, Behind::Noise, 2 * FRAME),
            (Place::FoldedBack, Behind::Nothing, 2 * PAGE),
            (Place::Closed, Behind::Nothing, 2 * PAGE),
            (Place::Closed, Behind::Zeros, 2 * PAGE),
        ] {
            for at in (0..length).step_by(step) {
                let tear = Tear { place, behind, at };
                if run.only.as_deref().is_none_or(|only| only == tear.name()) {
                    out(tear)?;
                }
            }
        }
        Ok(())
    })
}

impl Scene {
    fn make(seed: u64) -> Result<Self, String> {
        let task = |end| Task {
            folder: Default::default(),
            book: None,
            seed,
            steps: 30,
            budget: 64 << 20,
            mix: Mix::Large,
            end,
            pause_ms: 0,
        };
        let (open, closed) = (live(&task(End::Abandoned))?, live(&task(End::Closed))?);
        let mut before = open.clone();
        let (valid, _) = open.log()?;
        before.files.get_mut(&log_name()).ok_or("no log")?.truncate(valid - 2 * FRAME);
        // What the journal itself finds in the log without its last two frames.
        let scratch = Scratch::in_memory("before")?;
        lay_down(&before.files, scratch.path())?;
        let (journal, recovered) =
            crate::scene::open(scratch.path(), before.budget, 1, 1 << 50).map_err(|fault| fault.to_string())?;
        drop(journal);
        let told = before.book.records.len();
        before.book.records.retain(|seq, _| *seq < recovered.head);
        if before.book.records.is_empty() || before.book.records.len() == told {
            return Err("the last two frames hold nothing".into());
        }
        Ok(Self { seed, open, before, closed })
    }

    fn check(
        &self,
        checker: &mut Checker,
        tear: Tear,
        folder: &Path,
        (valid, _): &(usize, usize),
        pages: &BTreeMap<usize, Vec<u8>>,
    ) -> Result<Found, Failure> {
        let (lived, allowed) = match tear.place {
            Place::Log => (&self.before, Allowed::Nothing),
            Place::FoldedBack => (&self.open, Allowed::Nothing),
            Place::Closed => (&self.closed, Allowed::Loss),
        };
        let mut files = if tear.place == Place::Log { self.open.files.clone() } else { lived.files.clone() };
        match tear.place {
            Place::Log => self.tear(&mut files, &log_name(), valid - 2 * FRAME + tear.at, *valid, tear.behind),
            Place::FoldedBack => fold_back(&mut files, pages, tear.at),
            Place::Closed => {
                let end = files.get(DATABASE).map_or(0, Vec::len);
                self.tear(&mut files, DATABASE, end - 2 * PAGE + tear.at, end, tear.behind);
            }
        }
        let laid = lay_down(&files, folder);
        let checked = laid.and_then(|()| checker.check(folder, lived.budget, &lived.book, allowed));
        checked.map_err(|why| {
            let to = kept(&tear.name()).and_then(|to| lay_down(&files, &to).map(|()| to));
            Failure::new(tear.name(), why).kept(to.ok())
        })
    }

    fn tear(&self, files: &mut Files, file: &str, at: usize, end: usize, behind: Behind) {
        let Some(bytes) = files.get_mut(file) else { return };
        let mut chance = Chance::new(self.seed ^ at as u64);
        match behind {
            Behind::Nothing => bytes.truncate(at),
            Behind::Zeros => bytes[at..end].fill(0),
            Behind::Noise => bytes[at..end].iter_mut().for_each(|byte| *byte = chance.below(256) as u8),
        }
    }
}

fn log_name() -> String {
    format!("{DATABASE}-wal")
}

/// The pages of the log, up to a byte of the last two, in the database; the log stays.
fn fold_back(files: &mut Files, pages: &BTreeMap<usize, Vec<u8>>, at: usize) {
    let Some(database) = files.get_mut(DATABASE) else { return };
    let last = pages.len() - 2;
    for (index, (number, page)) in pages.iter().enumerate() {
        let written = if index < last { PAGE } else { at.saturating_sub((index - last) * PAGE).min(PAGE) };
        if written > 0 {
            let begin = (number - 1) * PAGE;
            if database.len() < begin + written {
                database.resize(begin + written, 0);
            }
            database[begin..begin + written].copy_from_slice(&page[..written]);
        }
    }
}

impl Lived {
    fn frames(&self) -> Result<Vec<&[u8]>, String> {
        let log = self.files.get(&log_name()).ok_or("there is no log")?;
        let salts = log.get(16..24).ok_or("the log has no header")?;
        // Frames of an older turn of the log stand behind those that count.
        Ok(log[LOG_HEADER..].chunks_exact(FRAME).take_while(|frame| &frame[8..16] == salts).collect())
    }

    /// Where the log ends that counts, and its frames.
    fn log(&self) -> Result<(usize, usize), String> {
        let frames = self.frames()?.len();
        if frames < 4 { Err(format!("{frames} frames in the log")) } else { Ok((LOG_HEADER + frames * FRAME, frames)) }
    }

    /// The newest content of each page in the log.
    fn folded(&self) -> Result<BTreeMap<usize, Vec<u8>>, String> {
        let number = |frame: &[u8]| u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        Ok(self.frames()?.into_iter().map(|frame| (number(frame), frame[24..].to_vec())).collect())
    }
}
