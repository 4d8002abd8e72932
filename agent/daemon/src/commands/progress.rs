//! How far a long run is, on standard error: one line that moves at a terminal, else a line now and then.

use super::counted;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

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
            Self::Records => counted(count, "record", "records"),
            Self::Bytes => format!("{} MiB", count >> 20),
        }
    }
}

/// Where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One line, written over again and again.
    Terminal,
    /// Lines one after the other: a file, or a pipe.
    Log,
}

impl Place {
    /// Time between two lines.
    fn every(self) -> Duration {
        match self {
            Self::Terminal => Duration::from_millis(200),
            Self::Log => Duration::from_secs(10),
        }
    }
}

/// Counts, and tells.
pub(crate) struct Progress {
    teller: Teller,
    unit: Unit,
    looked: u64,
    started: Instant,
}

impl Progress {
    /// Nothing yet of so much; 0 where that is not known.
    pub(crate) fn new(what: &'static str, unit: Unit, whole: u64) -> Self {
        let place = if stderr().is_terminal() { Place::Terminal } else { Place::Log };
        Self { teller: Teller::new(what, unit, whole, place), unit, looked: 0, started: Instant::now() }
    }

    /// What is counted has another name, or another end, from here on.
    pub(crate) fn turn(&mut self, what: &'static str, whole: u64) {
        self.teller.turn(what, whole);
        self.looked = 0;
    }

    /// So many more.
    pub(crate) fn step(&mut self, more: u64) {
        self.teller.count += more;
        if self.teller.count - self.looked < self.unit.look() {
            return;
        }
        self.looked = self.teller.count;
        if let Some(line) = self.teller.line(self.started.elapsed()) {
            let _ = write!(stderr(), "{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _ = write!(stderr(), "{}", self.teller.cleared());
    }
}

/// Makes the lines. Time is an argument.
#[derive(Debug)]
struct Teller {
    what: &'static str,
    unit: Unit,
    /// 0 where it is not known.
    whole: u64,
    place: Place,
    count: u64,
    /// When the last line was made, since the beginning.
    told: Duration,
    /// Columns that the last line takes at a terminal.
    width: usize,
}

impl Teller {
    fn new(what: &'static str, unit: Unit, whole: u64, place: Place) -> Self {
        Self { what, unit, whole, place, count: 0, told: Duration::ZERO, width: 0 }
    }

    fn turn(&mut self, what: &'static str, whole: u64) {
        (self.what, self.whole, self.count) = (what, whole, 0);
    }

    /// What is written now, so long after the beginning; nothing where the last line is too young.
    fn line(&mut self, passed: Duration) -> Option<String> {
        if passed - self.told < self.place.every() {
            return None;
        }
        self.told = passed;
        let mut line = format!("{} {}", self.what, self.unit.shown(self.count));
        if let Some(percent) = self.count.saturating_mul(100).checked_div(self.whole) {
            line += &format!(" of {}, {} %", self.unit.shown(self.whole), percent.min(100));
        }
        line += &format!(", {} s", passed.as_secs());
        Some(match self.place {
            Place::Log => line + "\n",
            Place::Terminal => {
                // What a longer line before has left goes.
                let width = std::mem::replace(&mut self.width, line.len());
                format!("\r{line:<width$}")
            }
        })
    }

    /// Nothing is left of the line that moved.
    fn cleared(&self) -> String {
        if self.width == 0 { String::new() } else { format!("\r{:width$}\r", "", width = self.width) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn at_a_terminal_one_line_moves_five_times_a_second_and_nothing_is_left_of_it() {
        let mut teller = Teller::new("exported", Unit::Records, 4_000, Place::Terminal);
        teller.count = 1_024;
        assert_eq!(teller.line(at(199)), None);
        assert_eq!(teller.cleared(), "", "nothing was written");
        let line = "exported 1024 records of 4000 records, 25 %, 12 s";
        assert_eq!(teller.line(at(12_200)), Some(format!("\r{line}")));
        assert_eq!(teller.line(at(12_399)), None);
        teller.turn("signed", 0);
        teller.count = 1;
        let shorter = "signed 1 record, 12 s";
        let blanks = " ".repeat(line.len() - shorter.len());
        assert_eq!(teller.line(at(12_400)), Some(format!("\r{shorter}{blanks}")), "the longer line before is gone");
        assert_eq!(teller.cleared(), format!("\r{}\r", " ".repeat(shorter.len())));
    }

    #[test]
    fn elsewhere_a_line_of_its_own_tells_every_ten_seconds() {
        let mut teller = Teller::new("verified", Unit::Bytes, 8 << 20, Place::Log);
        teller.count = 2 << 20;
        assert_eq!(teller.line(at(9_999)), None);
        assert_eq!(teller.line(at(10_000)).unwrap(), "verified 2 MiB of 8 MiB, 25 %, 10 s\n");
        assert_eq!(teller.line(at(19_999)), None);
        assert_eq!(teller.line(at(20_000)).unwrap(), "verified 2 MiB of 8 MiB, 25 %, 20 s\n");
        assert_eq!(teller.cleared(), "", "nothing is written over");
    }

    #[test]
    fn where_the_end_is_not_known_or_was_passed_no_share_above_the_whole_is_told() {
        let told = |count, whole| {
            let mut teller = Teller::new("looked at", Unit::Records, whole, Place::Log);
            teller.count = count;
            teller.line(at(10_000)).unwrap()
        };
        assert_eq!(told(2_048, 0), "looked at 2048 records, 10 s\n");
        assert_eq!(told(30, 20), "looked at 30 records of 20 records, 100 %, 10 s\n");
        assert_eq!(told(u64::MAX, u64::MAX), format!("looked at {0} records of {0} records, 1 %, 10 s\n", u64::MAX));
    }
}
