//! The writer: drives the product's journal by seed and tells on its standard output, unbuffered, what an append has
//! acknowledged. It is what is traced, killed, cut off and starved.

use crate::book::{self, Book};
use crate::scene;
use clap::{Args, ValueEnum};
use picket::journal::{Fault, Journal, told};
use picket_core::time::{Chance, s};
use picket_core::wire::Batch;
use picket_record::body::Body;
use picket_record::chain::Parsed;
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// How often what failed is tried again where nothing pauses; the agent does so for ever, with a second between.
const TRIES: usize = 12;
/// The same with a pause: long enough for whoever frees a disk.
const PATIENT: usize = 6_000;

/// What is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Task {
    /// Where the journal lies.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// What has been told already, by a life before.
    #[arg(long)]
    pub(crate) book: Option<PathBuf>,
    /// Everything follows from it.
    #[arg(long)]
    pub(crate) seed: u64,
    /// Steps; 0 = until it is killed.
    #[arg(long, default_value_t = 0)]
    pub(crate) steps: u64,
    /// Most bytes of the journal.
    #[arg(long, default_value_t = 64 << 20)]
    pub(crate) budget: u64,
    /// What the steps are.
    #[arg(long, value_enum, default_value_t = Mix::Mixed)]
    pub(crate) mix: Mix,
    /// How it ends.
    #[arg(long, value_enum, default_value_t = End::Closed)]
    pub(crate) end: End,
    /// Pause between two tries of what failed, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) pause_ms: u64,
}

/// What the steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mix {
    /// Small and large appends, receipts, rotation, starts.
    Mixed,
    /// Small appends with a receipt now and then.
    Small,
    /// One large record for each append, and receipts.
    Large,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    /// The database is closed.
    Closed,
    /// The process ends as if it were killed.
    Abandoned,
}

impl Task {
    /// As arguments of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut arguments = vec!["writer".to_owned(), format!("--folder={}", self.folder.display())];
        arguments.extend(self.book.iter().map(|book| format!("--book={}", book.display())));
        arguments.push(format!("--seed={}", self.seed));
        arguments.push(format!("--steps={}", self.steps));
        arguments.push(format!("--budget={}", self.budget));
        arguments.push(format!("--mix={}", name(&|| self.mix.to_possible_value())));
        arguments.push(format!("--end={}", name(&|| self.end.to_possible_value())));
        arguments.push(format!("--pause-ms={}", self.pause_ms));
        arguments
    }
}

struct Writer {
    task: Task,
    chance: Chance,
    out: File,
    book: Book,
    mono_us: u64,
    journal: Option<Journal>,
    starts: u64,
}

/// Runs to the end of the task.
pub(crate) fn run(task: Task) -> Result<(), String> {
    let out = std::io::stdout().as_fd().try_clone_to_owned().map_err(|error| format!("no standard output: {error}"))?;
    let known = task.book.as_ref().map(std::fs::read_to_string).transpose().map_err(|error| error.to_string())?;
    let book = Book::read(&known.unwrap_or_default());
    // A clock that goes on over the lives.
    let mono_us = s(book.last() + 1);
    let chance = Chance::new(task.seed ^ book.last());
    let mut writer = Writer { task, chance, out: out.into(), book, mono_us, journal: None, starts: 0 };
    writer.start()?;
    let mut step = 0;
    while writer.task.steps == 0 || step < writer.task.steps {
        writer.step()?;
        step += 1;
    }
    writer.say("E\n")?;
    if writer.task.end == End::Abandoned {
        std::process::exit(0);
    }
    Ok(())
}

impl Writer {
    fn tries(&self) -> usize {
        if self.task.pause_ms == 0 { TRIES } else { PATIENT }
    }

    fn say(&mut self, text: &str) -> Result<(), String> {
        self.out.write_all(text.as_bytes()).map_err(|error| format!("cannot tell: {error}"))
    }

    fn fault(&mut self, fault: &Fault) -> Result<(), String> {
        self.say(&format!("F {}\n", told(fault)))?;
        let (lock, bell) = (std::sync::Mutex::new(()), std::sync::Condvar::new());
        let Ok(held) = lock.lock() else { return Ok(()) };
        drop(bell.wait_timeout(held, Duration::from_millis(self.task.pause_ms)));
        Ok(())
    }

    /// As the agent starts: what fails ends the process, and it is started again.
    fn start(&mut self) -> Result<(), String> {
        drop(self.journal.take());
        for _ in 0..self.tries() {
            self.starts += 1;
            let seed = self.task.seed ^ (self.starts << 32) ^ self.mono_us;
            match scene::open(&self.task.folder, self.task.budget, seed, self.mono_us) {
                Ok((journal, recovered)) => {
                    self.journal = Some(journal);
                    self.say("O\n")?;
                    return self.tell(recovered.head);
                }
                Err(fault) => self.fault(&fault)?,
            }
        }
        Err("the journal does not open".into())
    }

    fn step(&mut self) -> Result<(), String> {
        self.mono_us += 1_000;
        let kind = match self.task.mix {
            Mix::Mixed => self.chance.below(100),
            Mix::Small => [10, 10, 10, 10, 10, 10, 10, 10, 70, 80][self.chance.below(10) as usize],
            Mix::Large => [50, 50, 50, 50, 50, 50, 50, 10, 80, 80][self.chance.below(10) as usize],
        };
        let mono_us = self.mono_us;
        match kind {
            0..45 => {
                let count = 1 + self.chance.below(6);
                let bodies: Vec<Body> = (0..count).map(|_| scene::small(mono_us, &mut self.chance)).collect();
                self.append(&bodies)
            }
            45..68 => {
                let count = 1 + self.chance.below(3);
                let bodies: Vec<Body> = (0..count).map(|_| scene::large(mono_us, &mut self.chance)).collect();
                self.append(&bodies)
            }
            68..72 => {
                let bodies: Vec<Body> = (0..40).map(|_| scene::small(mono_us, &mut self.chance)).collect();
                self.append(&bodies)
            }
            72..92 => self.receipt(),
            // A day passes: the epoch is closed and another one opened.
            92..94 => {
                self.mono_us += s(86_400);
                self.append(&[scene::small(self.mono_us, &mut self.chance.clone())])
            }
            94..97 => self.start(),
            _ => {
                let words = [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose];
                let bodies = words.map(|kind| scene::body(mono_us, kind, Severity::Info, json!({})));
                self.append(&bodies)?;
                self.start()
            }
        }
    }

    /// The same bodies again until they are stored, as the agent does; a full journal takes the next ones later.
    fn append(&mut self, bodies: &[Body]) -> Result<(), String> {
        for _ in 0..self.tries() {
            let Some(journal) = self.journal.as_mut() else { return Err("no journal is open".into()) };
            match journal.append(bodies) {
                Ok(stored) => return self.tell(stored.head),
                Err(fault) => {
                    let full = matches!(fault, Fault::Full { .. });
                    self.fault(&fault)?;
                    if full {
                        return Ok(());
                    }
                }
            }
        }
        Err("an append is never stored".into())
    }

    fn receipt(&mut self) -> Result<(), String> {
        let last = self.book.last();
        // Mostly of late, sometimes of long ago.
        let back = if self.chance.below(4) == 0 { self.chance.below(last) } else { self.chance.below(4).min(last - 1) };
        let upto = (last - back).max(self.book.receipted);
        let Some(link) = self.book.records.get(&upto) else { return Ok(()) };
        let n = self.book.receipts + 1;
        let line = scene::receipt(n, upto, *link, self.mono_us);
        let Some(journal) = self.journal.as_mut() else { return Ok(()) };
        let taken = journal.receipt(&line, &scene::at(self.mono_us)).map(drop).map_err(|fault| fault.to_string());
        self.book.receipts = n;
        let text = match taken {
            Ok(()) => {
                self.book.receipted = upto;
                format!("R {n} {upto}\n")
            }
            Err(fault) => format!("F receipt: {fault}\n"),
        };
        self.say(&text)
    }

    /// Tells all records after the last one told, read back from the journal.
    fn tell(&mut self, head: u64) -> Result<(), String> {
        let mut text = String::new();
        let mut from = self.book.last() + 1;
        while from <= head {
            let Some(journal) = self.journal.as_ref() else { return Err("no journal is open".into()) };
            let read = match journal.lines(&Batch::Range { from, to: head }) {
                Ok(read) => read,
                // They are told with the next ones.
                Err(fault) => {
                    self.fault(&fault)?;
                    break;
                }
            };
            let Some(lines) = read else { break };
            let mut bytes = Vec::new();
            if lines.deflated {
                let done = flate2::read::ZlibDecoder::new(lines.payload.as_slice()).read_to_end(&mut bytes);
                done.map_err(|error| format!("a batch: {error}"))?;
            } else {
                bytes = lines.payload;
            }
            // What stands beside a record follows it, and begins with a brace.
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"{")) {
                let record = Parsed::read_bytes(line).map_err(|refusal| format!("a stored line: {refusal}"))?;
                book::record(&mut text, record.seq, &record.link);
            }
            from = lines.through + 1;
        }
        self.book.more(&text);
        if let Some(seq) = self.book.forked {
            text.push_str(&format!("F forked {seq}\n"));
        }
        self.say(&text)
    }
}
