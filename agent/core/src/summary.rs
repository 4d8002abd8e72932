//! What each day brought to every piece of equipment, as `summary.day` records: trends, recurrence and look-back outlive
//! the records that they were counted from.
//!
//! A fold of stored records, read back from the journal in slices: it survives any restart without a row of its own but
//! the number that the last summary went to. Refuses to date anything by a clock that is not synchronised.

mod count;

use crate::statement::Statement;
use crate::time::{Now, ms, s};
use crate::wire::{Past, Rebased, StateRow};
use count::Counts;
use picket_record::kind::{Kind, Severity};
use picket_record::wall;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::register::EquipmentId;

/// Most records of one look back: a few milliseconds of the journal's thread.
pub const SLICE: u64 = 256;
/// Looked back so often where fewer records than a slice are new.
const IDLE_US: u64 = s(600);
/// The first look after a start: nothing that watches equipment waits for it.
const START_US: u64 = s(5);
/// Between two slices, so that appends and batches go first.
const PAUSE_US: u64 = ms(25);
/// After a look back that the journal did not answer with anything.
const RETRY_US: u64 = s(10);
/// A summary of a day holds so many records at least, else it goes on into the next: a clock that flaps around midnight
/// must not fill the journal with summaries. A quiet gateway writes 1,440 heartbeats a day.
const RECORDS_MIN: u64 = 600;
/// Without a synchronised clock no day ends: then a summary goes over so many records, a little more than a quiet gateway
/// writes in a day. The journal would keep them for ever, or dispose of what nobody summed up.
const UNDATED_MAX: u64 = 1_500;
/// The journal disposes only of what is summed up. Where it wants to and cannot (its share of the budget in thousandths,
/// a little before it begins to make room), a day is summed up in parts ...
const PART_FROM_PERMILLE: u16 = 550;
/// ... of so many records at least ...
const PART_MIN: u64 = 256;
/// ... as soon as so few of the oldest records are summed up: what the journal disposes of in two steps.
const PART_AHEAD: u64 = 1_000;
/// Most pieces of equipment of one summary, fewer than one append holds; the rest are counted in its last record.
const EQUIPMENT_MAX: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

/// Key of the row that says how far the last summary went.
pub const ROW: &str = "summary";
/// The field of a summary that names the record which the chain had gone on behind when it was counted; none where it had
/// not since the start.
pub const BEHIND: &str = "behind";
/// The field of a summary that counts records of a branch that was left before it was stored: they are counted anew.
pub const VOID: &str = "void";

/// Sums up days.
#[derive(Debug)]
pub struct Summaries {
    /// Up to here the records are summed up and the summary is drafted.
    said: u64,
    /// Up to here they are counted.
    folded: u64,
    head: u64,
    fill_permille: u16,
    open: Span,
    /// A look back is open, from this number on.
    asked: Option<u64>,
    next_us: u64,
}

/// Records in a row, counted.
#[derive(Debug, Default)]
struct Span {
    records: u64,
    /// The record that the chain last went on behind since the start.
    behind: Option<u64>,
    /// First and last day since 1970, by a synchronised clock; `None` where there was none.
    days: Option<(i64, i64)>,
    /// Records in a row without a day, the last one included.
    undated: u64,
    by_severity: [u64; 5],
    dropped: u64,
    equipment: BTreeMap<String, Counts>,
    own: Counts,
    beyond: u64,
}

impl Summaries {
    /// Goes on behind the last summary.
    pub fn new(now: &Now, rows: &[StateRow], head: u64) -> Self {
        let row = rows.iter().find(|row| row.key == ROW);
        let body = row.and_then(|row| serde_json::from_str::<Value>(&row.body).ok());
        let said = body.and_then(|body| body.get("to").and_then(Value::as_u64)).unwrap_or(0).min(head);
        let next_us = now.mono_us + START_US;
        let open = Span::default();
        Self { said, folded: said, head, fill_permille: 0, open, asked: None, next_us }
    }

    /// Records up to `head` are stored.
    pub fn stored(&mut self, head: u64, fill_permille: u16) {
        self.head = head;
        self.fill_permille = fill_permille;
    }

    /// The chain goes on behind a record of the central side. What is not summed up in the chain that stays is counted
    /// anew: what was counted may be of the branch that was left, whose numbers are given again. Summaries that wait to be
    /// stored do not name this record, and the journal marks them void.
    pub fn went_back(&mut self, now: &Now, rebased: &Rebased) {
        (self.said, self.folded, self.head) = (rebased.summed_up, rebased.summed_up, rebased.head);
        self.open = Span { behind: Some(rebased.upto), ..Span::default() };
        self.asked = None;
        self.next_us = now.mono_us + PAUSE_US;
    }

    /// The number behind which the journal shall look back, if it is time.
    pub fn next(&mut self, now: &Now) -> Option<u64> {
        let due = self.deadline().is_some_and(|at| now.mono_us >= at);
        due.then(|| *self.asked.insert(self.folded))
    }

    /// Whether a look back is open.
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// When [`Summaries::next`] wants to be asked.
    pub fn deadline(&self) -> Option<u64> {
        (self.asked.is_none() && self.head > self.folded).then_some(self.next_us)
    }

    /// The journal looked back from `after` to `through`; `oldest` is the oldest record that it holds. Groups of
    /// statements, each to be stored whole: a group that were cut would be counted again.
    pub fn looked_back(
        &mut self,
        now: &Now,
        (after, through): (u64, u64),
        oldest: u64,
        past: &[Past],
    ) -> Vec<Vec<Statement>> {
        if self.asked.take_if(|asked| *asked == after).is_none() {
            return Vec::new();
        }
        let mut groups = Vec::new();
        let known = self.folded;
        for record in past.iter().filter(|record| record.seq > known) {
            if self.open.ends_before(record) {
                groups.push(self.close());
            }
            self.open.take(record);
            self.folded = record.seq;
        }
        self.folded = self.folded.max(through);
        let wanted = self.fill_permille >= PART_FROM_PERMILLE && self.said < oldest.saturating_add(PART_AHEAD);
        if wanted && self.open.records >= PART_MIN {
            groups.push(self.close());
        }
        self.next_us = now.mono_us
            + match self.head.saturating_sub(self.folded) {
                _ if through <= after => RETRY_US,
                SLICE.. => PAUSE_US,
                _ => IDLE_US,
            };
        groups
    }

    fn close(&mut self) -> Vec<Statement> {
        let (from, to) = (self.said + 1, self.folded);
        self.said = to;
        let next = Span { behind: self.open.behind, ..Span::default() };
        std::mem::replace(&mut self.open, next).statements(from, to)
    }
}

impl Span {
    /// Whether a record is of another day, and this span is long enough to be one; or nobody knows of days any more.
    fn ends_before(&self, record: &Past) -> bool {
        let other = self.days.zip(day(record)).is_some_and(|((_, last), day)| day != last);
        (other && self.records >= RECORDS_MIN) || self.undated >= UNDATED_MAX
    }

    fn take(&mut self, record: &Past) {
        self.records += 1;
        match day(record) {
            Some(day) => {
                let (first, last) = self.days.unwrap_or((day, day));
                self.days = Some((first.min(day), last.max(day)));
                self.undated = 0;
            }
            None => self.undated += 1,
        }
        self.by_severity[record.severity as usize] += 1;
        if record.kind == Kind::GapDropped {
            let n = record.data.get("n").and_then(Value::as_u64).unwrap_or(0);
            self.dropped = self.dropped.saturating_add(n);
        }
        // What was summed up yesterday is nothing that happened today.
        if record.kind == Kind::SummaryDay {
            return;
        }
        let counts = match &record.equipment {
            None => &mut self.own,
            Some(id) if self.equipment.len() < EQUIPMENT_MAX || self.equipment.contains_key(id) => {
                self.equipment.entry(id.clone()).or_default()
            }
            Some(_) => {
                self.beyond += 1;
                return;
            }
        };
        counts.take(record);
    }

    /// One for each piece of equipment that was spoken of, and one of the gateway behind them, with which the span is
    /// over.
    fn statements(self, from: u64, to: u64) -> Vec<Statement> {
        let mut place = Map::new();
        if let Some((first, last)) = self.days {
            place.insert("day".into(), date(first).into());
            if last != first {
                place.insert("to_day".into(), date(last).into());
            }
        }
        place.insert("from".into(), from.into());
        place.insert("to".into(), to.into());
        // Numbers within it whose records are not here.
        let missing = (to + 1 - from).saturating_sub(self.records);
        if missing > 0 {
            place.insert("missing".into(), missing.into());
        }
        if let Some(behind) = self.behind {
            place.insert(BEHIND.into(), behind.into());
        }
        let with = |counts: Counts| {
            let mut data = place.clone();
            data.extend(counts.data());
            data
        };
        let equipment = self.equipment.len();
        let mut statements: Vec<Statement> = self
            .equipment
            .into_iter()
            .filter_map(|(id, counts)| Some(statement(with(counts)).about(&EquipmentId::parse(&id)?)))
            .collect();
        let mut own = with(self.own);
        own.insert("records".into(), self.records.into());
        own.insert("by_sev".into(), json!(self.by_severity));
        own.insert("dropped".into(), self.dropped.into());
        own.insert("equipment".into(), equipment.into());
        if self.beyond > 0 {
            own.insert("beyond".into(), self.beyond.into());
        }
        statements.push(statement(own));
        statements
    }
}

fn statement(data: Map<String, Value>) -> Statement {
    Statement::new(Kind::SummaryDay, Severity::Info, Value::Object(data)).routine()
}

/// Day since 1970 UTC, where the clock was synchronised.
fn day(record: &Past) -> Option<i64> {
    record.wall_ms.filter(|_| record.synced).map(|ms| ms.div_euclid(DAY_MS))
}

/// `YYYY-MM-DD`; empty outside the years that can be written.
fn date(day: i64) -> String {
    wall::to_text(day.saturating_mul(DAY_MS)).map(|text| text[..10].to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
