//! Counts by word, and how long things took: bounded, and exact within the bound.

use serde::Serialize;
use std::collections::BTreeMap;

/// Most words that one tally tells apart: zones, agencies and causes of a large site.
const WORDS_MAX: usize = 500;
/// Most lengths of time that are kept for the median; beyond, they are counted.
const KEPT_MAX: usize = 100_000;

/// How often each word came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// By word.
    pub words: BTreeMap<String, u64>,
    /// Under words that found no room.
    pub beyond: u64,
}

impl Tally {
    pub(super) fn count(&mut self, word: &str) {
        if let Some(n) = self.words.get_mut(word) {
            *n += 1;
        } else if self.words.len() < WORDS_MAX {
            self.words.insert(word.to_owned(), 1);
        } else {
            self.beyond += 1;
        }
    }

    /// How often a word came.
    pub fn of(&self, word: &str) -> u64 {
        self.words.get(word).copied().unwrap_or(0)
    }
}

/// Lengths of time, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Lengths {
    kept_ms: Vec<u64>,
    beyond: u64,
    longest: Option<(u64, u64)>,
}

/// What they come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many.
    pub n: u64,
    /// Half of them took no longer (nearest rank).
    pub median_ms: Option<u64>,
    /// 95 of a hundred took no longer (nearest rank).
    pub p95_ms: Option<u64>,
    /// The longest.
    pub max_ms: Option<u64>,
    /// Number of the record that ended the longest.
    pub max_record: Option<u64>,
    /// Of them found no room: they are in `n` and in the longest alone.
    pub beyond: u64,
}

impl Lengths {
    /// One more, which a record ended.
    pub(super) fn take(&mut self, ms: u64, seq: u64) {
        if self.longest.is_none_or(|(longest, _)| ms > longest) {
            self.longest = Some((ms, seq));
        }
        if self.kept_ms.len() < KEPT_MAX { self.kept_ms.push(ms) } else { self.beyond += 1 }
    }

    pub(super) fn spread(mut self) -> Spread {
        self.kept_ms.sort_unstable();
        // Nearest rank: the smallest that at least so many of a hundred do not exceed.
        let rank = |percent: usize| {
            let rank = (self.kept_ms.len() * percent).div_ceil(100).max(1);
            self.kept_ms.get(rank - 1).copied()
        };
        Spread {
            n: self.kept_ms.len() as u64 + self.beyond,
            median_ms: rank(50),
            p95_ms: rank(95),
            max_ms: self.longest.map(|(ms, _)| ms),
            max_record: self.longest.map(|(_, seq)| seq),
            beyond: self.beyond,
        }
    }
}
