//! What waits to be journaled. One append is open at a time; under pressure routine changes are dropped first, alarms
//! last, and every drop is counted into a signed gap.

use crate::statement::Commit;
use crate::time::{Now, s};
use crate::wire::StateRow;
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most drafts that wait: ten minutes of a site at sixteen events a second, about 8 MiB.
pub const MAX_WAITING: usize = 10_000;
/// Above this many, routine records and readings are dropped and counted, so that room is left for alarms.
const ROUTINE_MARK: usize = 5_000;
/// Above this many, everything below severity 3 is dropped and counted: alarms go last.
const ALARM_MARK: usize = 9_000;
/// Drops are stated at once, then at most so often (as often as a heartbeat): a gap record for every dropped event
/// would fill the disk as fast as the events.
const GAP_PAUSE_US: u64 = s(60);
/// Routine records are stored at the latest after this time ...
const ROUTINE_WAIT_US: u64 = s(3);
/// ... or when so many wait.
const ROUTINE_GROUP: usize = 64;
/// Most records of one transaction: bounds how long an alarm waits behind one.
const MAX_APPEND: usize = 256;
/// Most records of one transaction where one group is longer: a message of 64 KiB tells a few hundred points.
pub const MAX_GROUP: usize = 1_024;
/// Pause before a failed append is tried again.
const RETRY_US: u64 = s(1);
/// Most kinds and pieces of equipment that a gap names; the rest are in its sums.
const NAMED_IN_GAP: usize = 16;

/// Key of the row that says how many events of each severity were ever dropped.
pub const ROW: &str = "dropped";
/// The field of a gap that says so.
pub const TOTALS: &str = "total_by_sev";

/// The queue in front of the journal.
#[derive(Debug)]
pub struct Drafts {
    waiting: VecDeque<Draft>,
    /// A group is being filled; whether it has its first draft.
    group: Option<bool>,
    /// Number of the last draft that was handed out in an append.
    handed: u64,
    open: Option<Open>,
    routine_since: Option<u64>,
    now_waiting: usize,
    fill_permille: u16,
    gap: Gap,
    /// The next gap record is stated from here on.
    gap_from: u64,
    /// Ever, by severity.
    dropped: [u64; 5],
}

#[derive(Debug)]
struct Draft {
    body: Body,
    commit: Commit,
    /// It belongs to the one before it: both are stored, or neither.
    joined: bool,
}

#[derive(Debug)]
struct Open {
    through: u64,
    bodies: Arc<Vec<Body>>,
    retry_at: Option<u64>,
}

/// Counters of what was dropped since the last gap record.
#[derive(Debug, Default)]
struct Gap {
    count: u64,
    by_severity: [u64; 5],
    by_kind: BTreeMap<&'static str, u64>,
    equipment: BTreeMap<String, u64>,
    first_us: u64,
    last_us: u64,
}

impl Drafts {
    /// Nothing waits; drafts count from 1.
    pub fn new(fill_permille: u16) -> Self {
        Self {
            waiting: VecDeque::new(),
            group: None,
            handed: 0,
            open: None,
            routine_since: None,
            now_waiting: 0,
            fill_permille,
            gap: Gap::default(),
            gap_from: 0,
            dropped: [0; 5],
        }
    }

    /// With what was dropped before this start, as the last gap stated it.
    pub fn recover(mut self, rows: &[StateRow]) -> Self {
        let row = rows.iter().find(|row| row.key == ROW);
        if let Some(dropped) = row.and_then(|row| serde_json::from_str(&row.body).ok()) {
            self.dropped = dropped;
        }
        self
    }

    /// Takes a draft. Its number, or `None` where it was dropped and counted.
    pub fn push(&mut self, now: &Now, body: Body, commit: Commit) -> Option<u64> {
        if !self.admits(&body, commit) {
            self.gap.count(now, &body);
            let ever = &mut self.dropped[body.severity as usize];
            *ever = ever.saturating_add(1);
            return None;
        }
        match commit {
            Commit::Now => self.now_waiting += 1,
            Commit::Routine => {
                self.routine_since.get_or_insert(now.mono_us);
            }
        }
        let joined = self.group == Some(true);
        self.group = self.group.map(|_| true);
        self.waiting.push_back(Draft { body, commit, joined });
        Some(self.last_number())
    }

    /// What is pushed from here on follows from one message or poll, and is stored whole: a message that is known as
    /// heard by its first record would be taken for a repeat, and the alarm in its second one would be lost.
    pub fn begin_group(&mut self) {
        self.group = Some(false);
    }

    /// What is pushed from here on stands for itself.
    pub fn end_group(&mut self) {
        self.group = None;
    }

    /// How many drafts the next append takes: no group is cut, unless it alone is longer than [`MAX_GROUP`].
    fn cut(&self) -> usize {
        let begins = |at: &usize| self.waiting.get(*at).is_none_or(|draft| !draft.joined);
        let whole = (1..=self.waiting.len().min(MAX_APPEND)).rev().find(begins);
        whole.unwrap_or_else(|| (1..=MAX_GROUP).find(begins).unwrap_or(MAX_GROUP))
    }

    /// Number of the newest draft.
    pub fn last_number(&self) -> u64 {
        self.handed + self.waiting.len() as u64
    }

    /// Whether so many vital drafts would be taken: what takes effect is stated, or does not take effect.
    pub fn has_room(&self, count: usize) -> bool {
        self.waiting.len() + count <= MAX_WAITING
    }

    /// The disk budget: from 70 % no severity 0, from 85 % severity 3 and up
    /// only, with heartbeats and gaps, and what a start would otherwise misread (a register whose version is not
    /// declared, a stop in order); and the length of the queue.
    fn admits(&self, body: &Body, commit: Commit) -> bool {
        let floor = match self.fill_permille {
            0..=699 => Severity::Info,
            700..=849 => Severity::Notice,
            _ => Severity::Security,
        };
        let vital = is_vital(body.kind);
        let most = match commit {
            Commit::Now if vital || body.severity >= Severity::Security => MAX_WAITING,
            Commit::Now if body.kind != Kind::Readings => ALARM_MARK,
            Commit::Now | Commit::Routine => ROUTINE_MARK,
        };
        self.waiting.len() < most && (vital || body.severity >= floor)
    }

    /// The next append, if one is due and none is open.
    pub fn next_append(&mut self, now: &Now) -> Option<(u64, Arc<Vec<Body>>)> {
        if let Some(open) = &mut self.open {
            let due = open.retry_at.is_some_and(|at| now.mono_us >= at);
            open.retry_at = open.retry_at.filter(|_| !due);
            return due.then(|| (open.through, Arc::clone(&open.bodies)));
        }
        if now.mono_us >= self.gap_from && self.waiting.len() < ROUTINE_MARK {
            self.state_gap(now);
        }
        let routine_due = self.routine_since.is_some_and(|since| now.mono_us >= since + ROUTINE_WAIT_US);
        if self.now_waiting == 0 && !routine_due && self.waiting.len() < ROUTINE_GROUP {
            return None;
        }
        let count = self.cut();
        let taken: Vec<Draft> = self.waiting.drain(..count).collect();
        self.now_waiting -= taken.iter().filter(|draft| draft.commit == Commit::Now).count();
        let routine = |draft: &Draft| draft.commit == Commit::Routine;
        self.routine_since = self.routine_since.filter(|_| self.waiting.iter().any(routine));
        self.handed += count as u64;
        let bodies = Arc::new(taken.into_iter().map(|draft| draft.body).collect::<Vec<_>>());
        self.open = Some(Open { through: self.handed, bodies: Arc::clone(&bodies), retry_at: None });
        Some((self.handed, bodies))
    }

    /// Everything waiting shall be stored without waiting for company.
    pub fn flush(&mut self, now: &Now) {
        self.routine_since = (!self.waiting.is_empty()).then(|| now.mono_us.saturating_sub(ROUTINE_WAIT_US));
    }

    /// The open append is stored.
    pub fn stored(&mut self, through: u64, fill_permille: u16) {
        if self.open.as_ref().is_some_and(|open| open.through <= through) {
            self.open = None;
        }
        self.fill_permille = fill_permille;
    }

    /// The open append was not stored: the same again after a pause.
    pub fn failed(&mut self, now: &Now) {
        if let Some(open) = &mut self.open {
            open.retry_at = Some(now.mono_us + RETRY_US);
        }
    }

    /// When [`Drafts::next_append`] wants to be asked again.
    pub fn deadline(&self) -> Option<u64> {
        match &self.open {
            Some(open) => open.retry_at,
            None if self.now_waiting > 0 => Some(0),
            None => {
                let routine = self.routine_since.map(|since| since + ROUTINE_WAIT_US);
                let gap = (self.gap.count > 0).then_some(self.gap_from);
                routine.into_iter().chain(gap).min()
            }
        }
    }

    /// Number up to which everything handed out is stored.
    pub fn stored_through(&self) -> u64 {
        self.handed - self.open.as_ref().map_or(0, |open| open.bodies.len() as u64)
    }

    /// Drafts not yet stored.
    pub fn not_stored(&self) -> u64 {
        self.waiting.len() as u64 + self.open.as_ref().map_or(0, |open| open.bodies.len() as u64)
    }

    /// Events dropped ever.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// The same by severity.
    pub fn dropped_by_severity(&self) -> [u64; 5] {
        self.dropped
    }

    /// Share of the journal's budget in use.
    pub fn fill_permille(&self) -> u16 {
        self.fill_permille
    }

    /// Turns the counters into a record, whatever its turn: before the last words of a stop, and when it is due.
    pub fn state_gap(&mut self, now: &Now) {
        if self.gap.count == 0 {
            return;
        }
        self.gap_from = now.mono_us + GAP_PAUSE_US;
        let gap = std::mem::take(&mut self.gap);
        let data = gap.data(self.dropped);
        let body = Body::new(now.when(), Kind::GapDropped, Severity::Fault, data);
        self.waiting.push_back(Draft { body, commit: Commit::Now, joined: false });
        self.now_waiting += 1;
    }
}

/// What is stated whatever its severity: signs of life, and everything that memory follows from. There is little of it,
/// and an act of a guard that is not written down did not happen.
fn is_vital(kind: Kind) -> bool {
    let by_family = crate::nonconformity::tells(kind)
        || crate::work::tells(kind)
        || crate::incident::tells(kind)
        || crate::temporary::tells(kind)
        || crate::duty::tells(kind)
        || crate::exercise::tells(kind)
        || crate::changes::tells(kind)
        || crate::seals::are_reports(kind);
    by_family
        || matches!(
            kind,
            Kind::ActAcknowledged
                | Kind::AlarmRaised
                | Kind::AlarmCleared
                | Kind::AlarmClosed
                | Kind::Heartbeat
                | Kind::GapDropped
                | Kind::Snapshot
                | Kind::SummaryDay
                | Kind::ActStopped
                | Kind::PersonalErased
                | Kind::EpochClose
                | Kind::RegisterApplied
                | Kind::RegisterImported
                | Kind::SettingsApplied
                | Kind::OrderApplied
                | Kind::RootApplied
                | Kind::ThreatChanged
                | Kind::LevelChanged
                | Kind::AffectedListed
                | Kind::ExerciseStarted
                | Kind::ExerciseEnded
        )
}

impl Gap {
    fn count(&mut self, now: &Now, body: &Body) {
        if self.count == 0 {
            self.first_us = now.mono_us;
        }
        self.last_us = now.mono_us;
        self.count += 1;
        self.by_severity[body.severity as usize] += 1;
        *self.by_kind.entry(body.kind.as_str()).or_default() += 1;
        if let Some(about) = &body.about {
            if self.equipment.len() < NAMED_IN_GAP || self.equipment.contains_key(&about.equipment) {
                *self.equipment.entry(about.equipment.clone()).or_default() += 1;
            }
        }
    }

    fn data(self, ever: [u64; 5]) -> Map<String, Value> {
        let json = json!({
            "n": self.count,
            "total": ever.iter().sum::<u64>(),
            (TOTALS): ever,
            "by_sev": self.by_severity,
            "by_kind": self.by_kind,
            "eqs": self.equipment,
            "first_us": self.first_us,
            "last_us": self.last_us,
        });
        match json {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests;
