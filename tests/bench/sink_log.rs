//! Reading the log of `bench-sink`.

use crate::logs::Tail;
use std::path::{Path, PathBuf};

/// A batch of the backlog at its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When.
    pub(crate) t: u64,
    /// Number of its first record.
    pub(crate) first: u64,
    /// Number of its last.
    pub(crate) last: u64,
    /// Bytes of its text.
    pub(crate) text: u64,
    /// Bytes of its MQTT packet.
    pub(crate) wire: u64,
    /// Records without a receipt behind it.
    pub(crate) open: u64,
    /// Bytes of their text.
    pub(crate) open_bytes: u64,
}

/// Messages of the peer that came between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Messages {
    /// The first.
    pub(crate) first: u64,
    /// The last.
    pub(crate) last: u64,
    /// How many.
    pub(crate) count: u64,
}

/// A log that is followed while it grows.
#[derive(Debug)]
pub(crate) struct SinkLog {
    path: PathBuf,
    tail: Tail,
    /// How often it subscribed.
    pub(crate) subscribed: usize,
    /// Batches, in the order of arrival.
    pub(crate) batches: Vec<Arrival>,
    /// Time and last record of each receipt.
    pub(crate) receipts: Vec<(u64, u64)>,
    /// Messages of the peer.
    pub(crate) messages: Vec<Messages>,
    /// Records of the urgent lane.
    pub(crate) urgent: u64,
    /// What must not be.
    pub(crate) strange: Vec<String>,
}

impl SinkLog {
    /// From its beginning.
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            tail: Tail::of(path),
            subscribed: 0,
            batches: Vec::new(),
            receipts: Vec::new(),
            messages: Vec::new(),
            urgent: 0,
            strange: Vec::new(),
        }
    }

    /// Takes what came since the last look; nothing where the log is not there yet.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        if self.path.exists() {
            self.tail.lines()?.iter().for_each(|line| self.take(line));
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<u64> = rest.split(' ').map_while(|field| field.parse().ok()).collect();
        match (what, numbers.as_slice()) {
            ("L", [_]) => self.subscribed += 1,
            ("P", &[t, first, last, text, wire, open, open_bytes]) => {
                self.batches.push(Arrival { t, first, last, text, wire, open, open_bytes });
            }
            ("U", &[_, lines, ..]) => self.urgent += lines,
            ("Q", &[t, upto]) => self.receipts.push((t, upto)),
            ("N", &[first, last, count, _]) => self.messages.push(Messages { first, last, count }),
            ("E", _) => {}
            _ => self.strange.push(line.to_owned()),
        }
    }

    /// Highest number behind which nothing is missing, from a record that is not missing.
    pub(crate) fn reached(&self) -> u64 {
        let mut ranges: Vec<(u64, u64)> = self.batches.iter().map(|batch| (batch.first, batch.last)).collect();
        ranges.sort_unstable();
        ranges.iter().fold(0, |reached, (first, last)| if *first <= reached + 1 { reached.max(*last) } else { reached })
    }

    /// Highest record with a receipt.
    pub(crate) fn receipted(&self) -> u64 {
        self.receipts.last().map_or(0, |(_, upto)| *upto)
    }

    /// Messages of the peer that arrived.
    pub(crate) fn counted(&self) -> u64 {
        self.messages.iter().map(|messages| messages.count).sum()
    }

    /// Messages of the peer per second, from the first to the last.
    pub(crate) fn messages_per_s(&self) -> f64 {
        let [Some(first), Some(last)] = [self.messages.first(), self.messages.last()] else { return f64::NAN };
        (self.counted() - 1) as f64 / ((last.last - first.first) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> SinkLog {
        let mut log = SinkLog::of(Path::new("none"));
        lines.iter().for_each(|line| log.take(line));
        log
    }

    #[test]
    fn a_hole_ends_what_was_reached_until_it_is_filled() {
        let mut log = read(&["L 1", "P 2 1 4 400 100 4 400", "P 3 7 9 300 80 7 700", "Q 4 4", "E 5 gone"]);
        assert_eq!((log.subscribed, log.reached(), log.receipted()), (1, 4, 4));
        log.take("P 6 5 6 200 60 5 500");
        assert_eq!((log.reached(), log.strange.len()), (9, 0));
        log.take("X 7 3 lines from record 1 to 2");
        assert_eq!(log.strange.len(), 1);
    }

    #[test]
    fn messages_count_from_the_first_to_the_last() {
        let log = read(&["N 1000000000 1010000000 11 900", "N 1500000000 2000000000 90 900"]);
        assert_eq!((log.counted(), log.messages_per_s()), (101, 100.0));
    }
}
