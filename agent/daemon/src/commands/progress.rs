//! How far a long run is, on standard error: one line that moves at a terminal, else a line now and then.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// At a terminal it moves so often.
const MOVES: Duration = Duration::from_millis(200);
/// Elsewhere a line is written so often.
const TELLS: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Records.
    Records,
    /// Bytes, shown as MiB.
    Bytes,
}

impl Unit {
    /// Steps between two looks at the clock.
    fn look(self) -> u64 {
        match self {
            Self::Records => 1_024,
            Self::Bytes => 1 << 20,
        }
    }

    fn shown(self, count: u64) -> String {
        match self {
            Self::Records => format!("{count} records"),
            Self::Bytes => format!("{} MiB", count >> 20),
        }
    }
}

/// Counts, and tells.
pub(crate) struct Progress {
    what: &'static str,
    unit: Unit,
    /// 0 where it is not known.
    whole: u64,
    terminal: bool,
    count: u64,
    looked: u64,
    started: Instant,
    told: Instant,
    width: usize,
}

impl Progress {
    /// Nothing yet of so much; 0 where that is not known.
    pub(crate) fn new(what: &'static str, unit: Unit, whole: u64) -> Self {
        let now = Instant::now();
        let terminal = stderr().is_terminal();
        Self { what, unit, whole, terminal, count: 0, looked: 0, started: now, told: now, width: 0 }
    }

    /// What is counted has another name, or another end, from here on.
    pub(crate) fn turn(&mut self, what: &'static str, whole: u64) {
        (self.what, self.whole, self.count, self.looked) = (what, whole, 0, 0);
    }

    /// So many more.
    pub(crate) fn step(&mut self, more: u64) {
        self.count += more;
        if self.count - self.looked < self.unit.look() {
            return;
        }
        self.looked = self.count;
        let every = if self.terminal { MOVES } else { TELLS };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let mut line = format!("{} {}", self.what, self.unit.shown(self.count));
        if let Some(percent) = self.count.saturating_mul(100).checked_div(self.whole) {
            line += &format!(" of {}, {} %", self.unit.shown(self.whole), percent.min(100));
        }
        line += &format!(", {} s", self.started.elapsed().as_secs());
        let (begin, end) = if self.terminal { ("\r", "") } else { ("", "\n") };
        let width = std::mem::replace(&mut self.width, line.len());
        let width = if self.terminal { width } else { 0 };
        let _ = write!(stderr(), "{begin}{line:<width$}{end}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.width > 0 && self.terminal {
            let _ = write!(stderr(), "\r{:width$}\r", "", width = self.width);
        }
    }
}
