//! What is in doubt once a calibration has found equipment out of its tolerance: every record about it since the last good
//! one, told as numbers (ISO 28004-1, 4.5.1 d3). The journal is asked for slices of what it holds; nothing here reads it.

use crate::register::{Due, EquipmentId};
use crate::statement::{Facts, Statement};
use crate::summary::SLICE;
use crate::time::{Now, s};
use crate::wire::{Past, StateRow};
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Most pieces of equipment whose records are still looked for; of further ones everything is listed.
const WAITING: usize = 64;
/// A journal that did not answer is asked again after this time.
const RETRY_US: u64 = s(5);
/// The day in doubt at the site may have begun so long before the day in UTC.
const ZONES_MS: i64 = 14 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Looks for the first record in doubt, one piece of equipment at a time.
#[derive(Debug, Default)]
pub struct Affected {
    /// The facts that were listed last, by equipment.
    listed: BTreeMap<EquipmentId, Facts>,
    waiting: VecDeque<(EquipmentId, Facts)>,
    search: Option<Search>,
    next_us: u64,
}

/// Halves the numbers between a record from before the doubt and one from within it.
#[derive(Debug)]
struct Search {
    from_ms: i64,
    head: u64,
    /// Records up to here are older.
    low: u64,
    /// From here on they are not.
    high: u64,
    /// What was asked for.
    asked: Option<u64>,
}

impl Affected {
    /// With what was listed before the start; `open` are the nonconformities that ask for a list.
    pub fn recover(rows: &[StateRow], open: impl Iterator<Item = (EquipmentId, Facts)>) -> Self {
        let listed = rows.iter().filter_map(|row| {
            let id = row.key.strip_prefix(ROW).and_then(EquipmentId::parse)?;
            Some((id, serde_json::from_str(&row.body).ok()?))
        });
        let mut affected = Self { listed: listed.collect(), ..Self::default() };
        open.for_each(|(id, facts)| affected.doubt(id, facts));
        affected
    }

    /// Equipment is in doubt, as the facts of its nonconformity say: `in_doubt_from`, a day, or nobody knows since when.
    pub fn doubt(&mut self, equipment: EquipmentId, facts: Facts) {
        if self.listed.get(&equipment) != Some(&facts) {
            if self.waiting.front().is_some_and(|(looked_for, _)| *looked_for == equipment) {
                self.search = None;
            }
            self.waiting.retain(|(waiting, _)| *waiting != equipment);
            self.waiting.push_back((equipment, facts));
        }
    }

    /// Whether the journal is being asked.
    pub fn is_asking(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.asked.is_some())
    }

    /// The number behind which the journal shall look, or what states the next list: records up to `head` are stored.
    pub fn next(&mut self, now: &Now, head: u64) -> Option<Result<u64, Statement>> {
        if self.is_asking() || now.mono_us < self.next_us {
            return None;
        }
        let (_, facts) = self.waiting.front()?;
        let search = match &mut self.search {
            Some(search) => search,
            None => {
                let from_ms = facts.get("in_doubt_from").and_then(|day| begins_ms(day));
                let known = from_ms.filter(|_| self.waiting.len() <= WAITING);
                let Some(from_ms) = known else { return Some(Err(self.list(1, head))) };
                self.search.insert(Search { from_ms, head, low: 0, high: head + 1, asked: None })
            }
        };
        match search.step() {
            Some(after) => {
                search.asked = Some(after);
                Some(Ok(after))
            }
            None => {
                let (first, head) = (search.high, search.head);
                Some(Err(self.list(first, head)))
            }
        }
    }

    /// When [`Affected::next`] wants to be asked.
    pub fn deadline(&self) -> Option<u64> {
        (!self.waiting.is_empty() && !self.is_asking()).then_some(self.next_us)
    }

    /// The journal looked. False where it was not asked for this.
    pub fn looked_back(&mut self, now: &Now, (after, through): (u64, u64), oldest: u64, past: &[Past]) -> bool {
        let Some(search) = self.search.as_mut().filter(|search| search.asked == Some(after)) else { return false };
        search.asked = None;
        if through <= after {
            self.next_us = now.mono_us + RETRY_US;
            return true;
        }
        // What is gone is in nobody's list.
        search.low = search.low.max(oldest.saturating_sub(1)).min(search.high.saturating_sub(1));
        search.found(after, past);
        true
    }

    /// The chain goes on behind a record of the central side: numbers are others by now, and what was listed may have been
    /// left. `open` as for [`Affected::recover`].
    pub fn went_back(&mut self, open: impl Iterator<Item = (EquipmentId, Facts)>) {
        *self = Self::recover(&[], open);
    }

    fn list(&mut self, first: u64, head: u64) -> Statement {
        let (equipment, facts) = self.waiting.pop_front().expect("whoever lists has something that waits");
        self.search = None;
        let records: Vec<[u64; 2]> = if first <= head { vec![[first, head]] } else { Vec::new() };
        let data = json!({ "records": records, "facts": facts });
        self.listed.insert(equipment.clone(), facts);
        Statement::new(Kind::AffectedListed, Severity::Fault, data).about(&equipment)
    }
}

impl Search {
    /// Behind which number to look next; `None` where it is found.
    fn step(&self) -> Option<u64> {
        let left = self.high - self.low - 1;
        match left {
            0 => None,
            // One slice shows them all.
            _ if left <= SLICE => Some(self.low),
            _ => Some(self.low + left / 2),
        }
    }

    /// A slice behind `after`. A record without a time, and what cannot be read, is taken to be in doubt.
    fn found(&mut self, after: u64, past: &[Past]) {
        // A clock that nobody had set proves nothing.
        let is_older = |record: &&Past| record.synced && record.wall_ms.is_some_and(|ms| ms < self.from_ms);
        let older = past.iter().take_while(is_older).last().map(|record| record.seq);
        match older {
            None => self.high = self.high.min(after.max(self.low) + 1),
            Some(older) => {
                self.low = self.low.max(older);
                if past.last().is_some_and(|last| last.seq > older) {
                    self.high = self.low + 1;
                }
            }
        }
    }
}

/// When a day began, wherever the site is.
fn begins_ms(day: &str) -> Option<i64> {
    let day = crate::fields::iso_date(day)?;
    Some(Due::end_of(day).at_ms() - DAY_MS - ZONES_MS)
}

const ROW: &str = "affected/";

/// The row that a record writes.
pub(crate) fn row(equipment: &str, data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    Some((format!("{ROW}{equipment}"), Some(data.get("facts")?.clone())))
}

/// The row of a piece of equipment about which nothing is in doubt any more.
pub(crate) fn dropped(equipment: &str) -> (String, Option<Value>) {
    (format!("{ROW}{equipment}"), None)
}

#[cfg(test)]
mod tests;
