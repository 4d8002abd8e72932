//! Crash states: a history of lives of the writer is recorded; what a power cut may have left at each of its points is
//! laid down and opened with the product's own journal (after ALICE, OSDI 2014).

use crate::book::Book;
use crate::check::{Allowed, Checker, Found};
use crate::disk::{Disk, Files, Op, Variant};
use crate::lived::lay_down;
use crate::runs::{Failure, Run, Runs, Scratch};
use crate::trace;
use crate::writer::{End, Mix, Task};
use picket_core::time::Chance;
use std::path::Path;

/// Steps of one life. Short lives: every record is verified again in every state.
const STEPS: u64 = 14;
const LIVES: u64 = 3;
/// Small enough that records are disposed of within a history.
const SMALL_BUDGET: u64 = 260_000;
const LARGE_BUDGET: u64 = 64 << 20;
/// Draws of each variant that chance decides, at points before a sync and elsewhere.
const DRAWS: (u64, u64) = (6, 2);

/// One history: what happened to the folder, and what was told.
struct History {
    seed: u64,
    budget: u64,
    ops: Vec<Op>,
}

/// A state, laid down by whoever checks it.
struct State {
    seed: u64,
    budget: u64,
    point: usize,
    variant: Variant,
    draw: u64,
    files: Files,
    book: Book,
}

impl State {
    fn name(&self) -> String {
        format!("{}:{}:{}:{}", self.seed, self.point, self.variant.name(), self.draw)
    }
}

fn budget(seed: u64) -> u64 {
    if seed.is_multiple_of(4) { LARGE_BUDGET } else { SMALL_BUDGET }
}

/// Runs the part: histories by seeds that follow each other until there are enough states.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let scratch = Scratch::in_memory("states")?;
    let wanted = run.count.unwrap_or(if run.long { 50_000 } else { 3_000 });
    // In the short tier each history gives so many at most, so that several are looked at.
    let each = if run.long { usize::MAX } else { 500 };
    let only = run.only.as_deref();
    let (mut seed, mut made) = (run.seed, 0);
    if let Some(named) = only.and_then(|only| only.split(':').next()) {
        seed = named.parse().map_err(|_| format!("no state is named {named}"))?;
    }
    let (mut disposed, mut ops, mut histories, mut broken) = (0, 0, 0, None);
    let mut runs = run.parallel(Checker::default, check, |out| {
        while made < wanted {
            let history = History::record(seed, scratch.path())?;
            if let Err(failure) = history.whole() {
                broken = Some(failure);
                return Ok(());
            }
            ops += history.ops.len();
            histories += 1;
            disposed += history.told().receipted;
            made += history.states(each.min(wanted - made), only, out)?;
            seed += 1;
            if only.is_some() {
                return if made == 1 { Ok(()) } else { Err(format!("there is no state {only:?}")) };
            }
        }
        Ok(())
    })?;
    broken.into_iter().for_each(|failure| runs.took(Err(failure)));
    runs.note(format!("{histories} histories of {LIVES} lives, {ops} operations, receipts for {disposed} records"));
    Ok(runs)
}

fn check(checker: &mut Checker, state: &State, folder: &Path) -> Result<Found, Failure> {
    lay_down(&state.files, folder).map_err(|why| Failure::new(state.name(), why))?;
    let checked = checker.check(folder, state.budget, &state.book, Allowed::Nothing);
    checked.map_err(|why| {
        // As it was before it was opened.
        let kept = crate::runs::kept(&state.name()).and_then(|kept| lay_down(&state.files, &kept).map(|()| kept));
        Failure::new(state.name(), why).kept(kept.ok())
    })
}

impl History {
    fn record(seed: u64, scratch: &Path) -> Result<Self, String> {
        let lived = scratch.join("lived");
        std::fs::create_dir_all(&lived).map_err(|error| format!("{}: {error}", lived.display()))?;
        let (folder, book) = (lived.join("site"), lived.join("book"));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        std::fs::write(&book, "").map_err(|error| format!("{}: {error}", book.display()))?;
        let mut ops = Vec::new();
        for life in 0..LIVES {
            let task = Task {
                folder: folder.clone(),
                book: Some(book.clone()),
                seed: seed * LIVES + life,
                steps: STEPS,
                budget: budget(seed),
                mix: Mix::Mixed,
                end: if life % 2 == 0 { End::Abandoned } else { End::Closed },
                pause_ms: 0,
            };
            let mut command = vec![crate::runs::own()?];
            command.extend(task.arguments());
            let more = trace::record(&command, &folder, &lived.join("trace"))?;
            let told: String = more.iter().filter_map(told).collect();
            let before = std::fs::read_to_string(&book).map_err(|error| format!("{}: {error}", book.display()))?;
            std::fs::write(&book, before + &told).map_err(|error| format!("{}: {error}", book.display()))?;
            ops.extend(more);
        }
        std::fs::remove_dir_all(&lived).map_err(|error| format!("{}: {error}", lived.display()))?;
        Ok(Self { seed, budget: budget(seed), ops })
    }

    /// Nothing went wrong while it was lived: the disk was sound.
    fn whole(&self) -> Result<(), Failure> {
        let told = self.told();
        if told.ended && told.faults.is_empty() && told.records.len() >= 20 {
            return Ok(());
        }
        let why = format!("a journal on a sound disk did not come to its end: {:?}", told.faults);
        Err(Failure::new(self.seed.to_string(), why))
    }

    fn told(&self) -> Book {
        let mut book = Book::default();
        self.ops.iter().filter_map(told).for_each(|text| book.more(text));
        book
    }

    /// Sends states out, at most so many, spread over the whole history; how many.
    fn states(
        &self,
        most: usize,
        only: Option<&str>,
        out: &dyn Fn(State) -> Result<(), String>,
    ) -> Result<usize, String> {
        let all = self.walk(|_| Ok(()))?;
        // A step that shares no factor with the number of states visits each once.
        let skip = if only.is_some() { 1 } else { all.div_ceil(most.max(1)) };
        let (mut at, mut sent) = (0, 0);
        self.walk(|state| {
            let wanted = match only {
                Some(only) => state.name() == only,
                None => at % skip == self.seed as usize % skip,
            };
            at += 1;
            if wanted && sent < most {
                sent += 1;
                out(state.filled())?;
            }
            Ok(())
        })?;
        Ok(sent)
    }

    /// Every point, every variant, every draw; how many.
    fn walk(&self, mut take: impl FnMut(Point<'_>) -> Result<(), String>) -> Result<usize, String> {
        let (mut disk, mut book, mut count) = (Disk::default(), Book::default(), 0);
        for (point, op) in self.ops.iter().enumerate() {
            disk.apply(op);
            if let Some(text) = told(op) {
                book.more(text);
            }
            let before_sync = self.ops.get(point + 1).is_some_and(Op::is_sync);
            let draws = if before_sync { DRAWS.0 } else { DRAWS.1 };
            for variant in Variant::EVERY {
                let draws = if !disk.is_uncertain() {
                    u64::from(variant == Variant::None)
                } else if variant.is_drawn() {
                    draws
                } else {
                    1
                };
                for draw in 0..draws {
                    count += 1;
                    take(Point { history: self, point, variant, draw, disk: &disk, book: &book })?;
                }
            }
        }
        Ok(count)
    }
}

/// A state that is not made yet.
struct Point<'h> {
    history: &'h History,
    point: usize,
    variant: Variant,
    draw: u64,
    disk: &'h Disk,
    book: &'h Book,
}

impl Point<'_> {
    fn name(&self) -> String {
        format!("{}:{}:{}:{}", self.history.seed, self.point, self.variant.name(), self.draw)
    }

    fn filled(&self) -> State {
        let Self { history, point, variant, draw, .. } = *self;
        let mut chance = Chance::new(history.seed << 40 ^ (point as u64) << 12 ^ (variant as u64) << 8 ^ draw);
        let files = self.disk.cut(variant, &mut chance);
        State { seed: history.seed, budget: history.budget, point, variant, draw, files, book: self.book.clone() }
    }
}

fn told(op: &Op) -> Option<&str> {
    match op {
        Op::Told(text) => Some(text),
        _ => None,
    }
}
