//! A full disk: a small ext4 filled up to a few blocks, before a start and in service; one that turns read-only; and the
//! budget of the journal, with the queue in front of it that drops by severity. No death by signal, nothing acknowledged
//! is lost, and once there is space the writer goes on by itself.

use crate::book::Book;
use crate::check::{Allowed, Checker, Found};
use crate::halt::halt;
use crate::runs::{Failure, Run, Runs, Scratch, kept, own};
use crate::volume::Volume;
use crate::wait;
use crate::writer::{End, Mix, Task};
use rustix::process::Signal;
use simulator::process::{Log, Process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Size of the file system, and of the journal that has more room in its budget than that.
const MIB: u64 = 8;
const BUDGET: u64 = 64 << 20;
/// Blocks that are left free.
const FREE: [u64; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
/// A writer in service has told so many records before the disk fills.
const TOLD_FIRST: usize = 60;
/// It tells so many more once there is space.
const TOLD_AFTER: usize = 20;
const WAITS: Duration = Duration::from_secs(60);
/// On a full or failed disk the writer has tried so often before anything else happens: each try tells a fault or a record.
const TRIES: usize = 3;

/// When the disk fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// No journal was ever there.
    First,
    /// The journal is there, the writer is not.
    Start,
    /// It writes.
    Service,
}

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let (mut runs, mut checker, began) = (Runs::default(), Checker::default(), Instant::now());
    let rounds = run.count.unwrap_or(if run.long { 6 } else { 1 }) as u64;
    let wanted = |name: &str| run.only.as_ref().is_none_or(|only| only == name);
    for seed in (0..rounds).map(|round| run.seed * 1_000 + round) {
        let mut one = |name: String, case: &mut dyn FnMut(&mut Checker) -> Result<Found, String>| {
            if wanted(&name) {
                runs.took(case(&mut checker).map_err(|why| Failure::new(name, why)));
            }
        };
        for free in FREE {
            for when in [When::First, When::Start, When::Service] {
                let name = format!("{seed}:{when:?}:{free}").to_lowercase();
                one(name, &mut |checker| filled(seed, free, when, checker));
            }
        }
        one(format!("{seed}:read-only"), &mut |checker| read_only(seed, checker));
        one(format!("{seed}:budget"), &mut |_| crate::budget::run(seed));
    }
    runs.took = began.elapsed();
    Ok(runs)
}

/// A writer on a volume, its book followed.
struct Scene {
    volume: Volume,
    writer: Option<Process>,
    scratch: Scratch,
    task: Task,
}

impl Scene {
    fn make(seed: u64, options: &str) -> Result<Self, String> {
        let scratch = Scratch::in_memory("full")?;
        let volume = Volume::make(scratch.path(), MIB, options)?;
        let folder = volume.path().join("site");
        let task = Task {
            folder: folder.clone(),
            book: None,
            seed,
            steps: 0,
            budget: BUDGET,
            mix: Mix::Small,
            end: End::Abandoned,
            pause_ms: 10,
        };
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { volume, writer: None, scratch, task })
    }

    fn told(&self) -> PathBuf {
        self.scratch.path().join("told")
    }

    fn book(&self) -> Result<Book, String> {
        let text =
            std::fs::read_to_string(self.told()).map_err(|error| format!("{}: {error}", self.told().display()))?;
        Ok(Book::read(&text))
    }

    fn start(&mut self) -> Result<(), String> {
        let known = self.scratch.path().join("known");
        if self.told().exists() {
            std::fs::copy(self.told(), &known).map_err(|error| format!("{}: {error}", known.display()))?;
            self.task.book = Some(known);
        }
        let mut command = Command::new(own()?);
        let writer = Process::start(command.args(self.task.arguments()), &self.told(), Log::Continued);
        self.writer = Some(writer.map_err(crate::told)?);
        Ok(())
    }

    /// Until the book is so; an error where the writer ends.
    fn until(&mut self, what: &str, so: impl Fn(&Book) -> bool) -> Result<Book, String> {
        let told = self.told();
        let Some(writer) = self.writer.as_mut() else { return Err("no writer runs".into()) };
        let mut last = Book::default();
        let found = wait::until(what, WAITS, || {
            if let Some(status) = writer.ended().map_err(crate::told)? {
                return Err(format!("the writer ended by itself: {status}"));
            }
            let text = std::fs::read_to_string(&told).map_err(|error| format!("{}: {error}", told.display()))?;
            last = Book::read(&text);
            Ok(so(&last).then(|| last.clone()))
        });
        found.map_err(|why| {
            format!("{why}; the last faults: {:?}", last.faults.iter().rev().take(3).collect::<Vec<_>>())
        })
    }

    fn kill(&mut self) -> Result<(), String> {
        self.writer.take().map_or(Ok(()), |mut writer| writer.kill().map_err(crate::told))
    }

    fn halt(&mut self) -> Result<(), String> {
        self.writer.as_mut().map_or(Err("no writer runs".into()), halt)
    }

    fn go_on(&mut self) -> Result<(), String> {
        let Some(writer) = self.writer.as_mut() else { return Err("no writer runs".into()) };
        writer.signal(Signal::CONT).map_err(crate::told)
    }

    /// Unmounts the volume while the writer is stopped: it would begin a new journal in the empty mount point.
    fn take_away(&mut self) -> Result<(), String> {
        let end = Instant::now() + WAITS;
        loop {
            self.halt()?;
            match self.volume.try_unmount() {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > end => return Err(why),
                // It was stopped in the middle of a try, with a file open.
                Err(_) => self.go_on()?,
            }
            wait::pause(Duration::from_millis(3))?;
        }
    }

    /// The book against what is on the volume.
    fn check(&mut self, name: &str, checker: &mut Checker) -> Result<Found, String> {
        let book = self.book()?;
        let left = self.scratch.path().join("left");
        std::fs::create_dir_all(&left).map_err(|error| format!("{}: {error}", left.display()))?;
        crate::inject::copy(&self.task.folder, &left)?;
        let checked = checker.check(&left, BUDGET, &book, Allowed::Stated);
        if checked.is_err() {
            crate::inject::copy(&self.task.folder, &kept(name)?)?;
        }
        checked
    }
}

fn filled(seed: u64, free: u64, when: When, checker: &mut Checker) -> Result<Found, String> {
    let mut scene = Scene::make(seed, "")?;
    let filler = scene.volume.path().join("filler");
    if when != When::First {
        scene.start()?;
        scene.until("records are told", |book| book.records.len() >= TOLD_FIRST)?;
    }
    if when == When::Start {
        scene.kill()?;
    }
    fill(&scene.volume, &filler, free)?;
    if when != When::Service {
        scene.start()?;
    }
    // It goes on, or tells of the fault, and does not die either way.
    let met = scene.book()?;
    let noticed = free == 0 && when == When::Service;
    let before = scene.until("it goes on, or tells of the full disk", |book| {
        let told = book.records.len().saturating_sub(met.records.len());
        let faults = book.faults.len().saturating_sub(met.faults.len());
        if noticed { faults >= TRIES } else { told + faults >= TRIES }
    })?;
    std::fs::remove_dir_all(&filler).map_err(|error| format!("{}: {error}", filler.display()))?;
    let (told, opened) = (before.records.len(), before.opens);
    scene.until("it goes on once there is space", |book| book.records.len() >= told + TOLD_AFTER)?;
    if when == When::Service && scene.book()?.opens != opened {
        return Err("it was started anew".into());
    }
    scene.kill()?;
    scene.check(&format!("full-{seed}-{when:?}-{free}"), checker)
}

/// Takes space until no more than so many blocks are free.
pub(crate) fn fill(volume: &Volume, filler: &Path, free: u64) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", filler.display());
    std::fs::create_dir_all(filler).map_err(told)?;
    let mut size = 1_024;
    for n in 0..10_000 {
        let found = volume.free_blocks()?;
        if found <= free {
            return Ok(());
        }
        size = size.min(found - free);
        let file = File::create(filler.join(n.to_string()));
        let taken = file.map_err(told).and_then(|file| {
            let bytes = size * volume.block()?;
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)
                .map_err(|error| told(error.into()))
        });
        // What is left is less than its own bookkeeping takes, or the writer was faster.
        match taken {
            Ok(()) => {}
            Err(_) if size > 1 => size /= 2,
            Err(_) => return Ok(()),
        }
    }
    Err("the disk does not fill".into())
}

/// The file system turns read-only below the writer, as after an error of the card; it is unmounted, checked and mounted
/// again, first read-only, while the writer tries on.
fn read_only(seed: u64, checker: &mut Checker) -> Result<Found, String> {
    let mut scene = Scene::make(seed, "errors=remount-ro")?;
    scene.start()?;
    scene.until("records are told", |book| book.records.len() >= TOLD_FIRST)?;
    scene.halt()?;
    scene.volume.fail()?;
    scene.go_on()?;
    let before = scene.until("it tells of the fault", |book| !book.faults.is_empty())?;
    let after = scene.until("it tries on", |book| book.faults.len() >= before.faults.len() + TRIES)?;
    if after.records.len() != before.records.len() {
        return Err("it acknowledges on a disk that takes nothing".into());
    }
    // A journal that saw a fault holds no file: the volume can be taken away and checked.
    scene.take_away()?;
    scene.volume.repair()?;
    // The loop device of a volume that is mounted read-only stays so.
    scene.volume.mount("")?;
    scene.volume.remount("ro")?;
    scene.go_on()?;
    let faults = after.faults.len();
    scene.until("it tells that it cannot write", |book| book.faults.len() > faults + 2)?;
    scene.volume.remount("rw")?;
    scene.until("it goes on once it can write", |book| book.records.len() >= after.records.len() + TOLD_AFTER)?;
    scene.kill()?;
    scene.check(&format!("read-only-{seed}"), checker)
}
