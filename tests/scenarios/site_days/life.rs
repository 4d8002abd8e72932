//! The agent's process: started on what the last one left, and killed as SIGKILL kills. What SQLite had handed to the
//! kernel is there, and nothing is closed in order.

use super::queue::Event;
use super::run::Day;
use super::script::CrashPoint;
use super::setup::{credentials, place};
use picket::journal::{Journal, Stored};
use picket_core::plan::{Driver, LineId};
use picket_core::site::{Site, Start};
use picket_core::time::Chance;
use picket_core::wire::Input;
use picket_record::body::Body;
use std::fs;
use std::path::{Path, PathBuf};

/// The running agent.
pub(crate) struct Agent {
    pub(crate) site: Site,
    pub(crate) journal: Journal,
}

/// The database and its log, byte for byte, read beside the open connection: the lock is on the file, not on its bytes.
pub(crate) struct Left {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Left {
    pub(crate) fn read(journal: &Path) -> Self {
        Self {
            database: fs::read(journal).expect("the journal is there"),
            log: fs::read(log(journal)).unwrap_or_default(),
        }
    }

    /// What a kill within the commit leaves that led from `self` to `after`: SQLite writes the log from its front to its
    /// back, and the database only when the commit is done.
    fn torn(self, after: &Self, chance: &mut Chance) -> Self {
        let differs = |at: &usize| self.log.get(*at) != after.log.get(*at);
        let begin = (0..after.log.len()).find(differs).expect("a commit writes to the log");
        let end = (0..after.log.len()).rfind(differs).expect("a commit writes to the log");
        let cut = begin + chance.below((end - begin) as u64) as usize + 1;
        let log = [&after.log[..cut], self.log.get(cut..).unwrap_or_default()].concat();
        Self { database: self.database, log }
    }

    pub(crate) fn write(&self, journal: &Path) {
        fs::write(journal, &self.database).expect("the database is put back");
        fs::write(log(journal), &self.log).expect("the log is put back");
    }
}

fn log(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

impl Day {
    /// The agent dies at an append of `bodies`. What it had told nobody yet may be stored or not; what it had told is.
    /// What the journal stored where the agent lives on: SQLite folded its log into the database behind the commit, so
    /// there is no moment within that commit to go back to.
    pub(crate) fn kill(&mut self, point: CrashPoint, bodies: &[Body]) -> Option<Stored> {
        let mut agent = self.agent.take()?;
        let journal = place(self.folder.path(), self.seed).file;
        let before = Left::read(&journal);
        let mut append = || agent.journal.append(bodies).expect("the journal stores");
        let left = match point {
            CrashPoint::Before => {
                self.done.crashes_before_a_commit += 1;
                before
            }
            CrashPoint::Within => {
                let stored = append();
                let after = Left::read(&journal);
                if before.database != after.database {
                    self.agent = Some(agent);
                    return Some(stored);
                }
                self.done.crashes_within_a_commit += 1;
                before.torn(&after, &mut self.chance)
            }
            CrashPoint::After => {
                self.done.crashes_after_a_commit += 1;
                append();
                Left::read(&journal)
            }
        };
        assert!(!left.log.is_empty(), "seed {}: a kill that leaves no log is an end in order", self.seed);
        if point == CrashPoint::After {
            self.agent = Some(agent);
            self.read_new();
            self.agent = None;
        } else {
            drop(agent);
        }
        // Dropped, the journal was closed in order; what the kill left takes the place of that.
        left.write(&journal);
        self.killed += 1;
        self.life += 1;
        self.linked = false;
        self.broker.lost();
        self.soon(500_000, 20_000_000, Event::Restart);
        None
    }

    /// Starts the agent where none runs.
    pub(crate) fn start(&mut self) {
        if self.agent.is_some() {
            return;
        }
        self.life += 1;
        let now = self.now();
        let mut seeds = Chance::new(self.seed ^ self.now_us);
        let entropy = Box::new(move || {
            let mut seed = [0; 32];
            seed.iter_mut().for_each(|byte| *byte = seeds.below(256) as u8);
            seed
        });
        let place = place(self.folder.path(), self.seed);
        let credentials = credentials(&self.plan);
        let opened = Journal::open(&place, credentials, entropy, &now.when(), "sim");
        let (journal, recovered) = opened.unwrap_or_else(|fault| panic!("seed {}: {fault:?}", self.seed));
        let tail = if self.killed + self.done.images_put_back == 0 { "genesis" } else { "crash" };
        assert_eq!(recovered.tail, tail, "seed {}: how the last run ended", self.seed);
        let start = Start {
            plan: self.plan.clone(),
            register: self.register.clone(),
            register_refused: None,
            recovered,
            seed: self.seed,
            version: "sim",
        };
        let site = Site::new(&now, start);
        self.agent = Some(Agent { site, journal });
        if !self.restored.apart {
            self.check_kept((self.oracle.len() as u64).saturating_sub(400));
        }
        self.read_new();
        for (index, line) in self.plan.lines.clone().iter().enumerate() {
            if line.driver == Driver::Serial {
                self.soon(1_000, 10_000, Event::Input(Input::Line { line: LineId(index as u16), fault: None }));
            }
        }
        self.soon(100_000, 1_000_000, Event::LinkTry);
        self.soon(100_000, 1_000_000, Event::BrokerTry);
    }
}
