//! How far a long run is, on standard error: one line that moves at a terminal, else a line now and then.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// At a terminal it moves so often.
const MOVES: Duration = Duration::from_millis(200);
/// Elsewhere a line is written so often.
const TELLS: Duration = Duration::from_secs(10);
/// Lines between two looks at the clock.
const LOOK: u64 = 1_024;

/// Counts, and tells.
pub(crate) struct Progress {
    what: &'static str,
    terminal: bool,
    count: u64,
    looked: u64,
    started: Instant,
    told: Instant,
    shown: bool,
}

impl Progress {
    /// Nothing yet.
    pub(crate) fn new(what: &'static str) -> Self {
        let now = Instant::now();
        Self { what, terminal: stderr().is_terminal(), count: 0, looked: 0, started: now, told: now, shown: false }
    }

    /// So many lines more.
    pub(crate) fn lines(&mut self, more: u64) {
        self.count += more;
        if self.count - self.looked < LOOK {
            return;
        }
        self.looked = self.count;
        let every = if self.terminal { MOVES } else { TELLS };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let seconds = self.started.elapsed().as_secs();
        let (begin, end) = if self.terminal { ("\r", "") } else { ("", "\n") };
        let _ = write!(stderr(), "{begin}{} {} records in {seconds} s{end}", self.what, self.count);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.terminal {
            let _ = writeln!(stderr());
        }
    }
}
