//! Nonconformities: how many were opened, closed and reported upward, and which are open at the end.

use super::course::{Moment, month};
use super::tally::{Lengths, Spread, Tally};
use picket_record::kind::Kind;
use picket_record::wall;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most that are open at once and told apart: one for each piece of equipment of the largest site, and more.
const OPEN_MAX: usize = 60_000;
/// Open ones that are listed; the rest is counted.
const LISTED: usize = 200;

#[derive(Debug, Clone, Default)]
struct Matter {
    reason: String,
    equipment: String,
    step: String,
    since_ms: Option<i64>,
    due_ms: Option<i64>,
    ended: bool,
    escalated: u64,
    seq: u64,
}

/// The fold.
#[derive(Debug, Default)]
pub(super) struct Matters {
    open: BTreeMap<String, Matter>,
    reasons: BTreeMap<String, Row>,
    open_for: Lengths,
    opened_by_month: Tally,
    closed_by_month: Tally,
    of_drills: u64,
    beyond: u64,
}

/// What it comes to.
#[derive(Debug, Serialize)]
pub struct Nonconformities {
    /// By reason.
    pub reasons: BTreeMap<String, Row>,
    /// All of them together.
    pub all: Row,
    /// From opening to closing, of those closed in the period whose beginning is known.
    pub open_for: Spread,
    /// Open at the end, those overdue longest first, 200 at most.
    pub listed: Vec<Open>,
    /// Not listed.
    pub more: u64,
    /// Opened in drills, tests and maintenance: in no other count.
    pub of_drills: u64,
    /// Found no room.
    pub beyond: u64,
}

/// Counts of the period, and of its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Opened in the period.
    pub opened: u64,
    /// Came back within their watch period.
    pub reopened: u64,
    /// Closed in the period.
    pub closed: u64,
    /// Times that an overdue step was reported upward.
    pub escalated: u64,
    /// Open at the end.
    pub open: u64,
    /// Open at the end, and their next step is overdue by then.
    pub overdue: u64,
}

/// One that is open at the end.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Its id: reason and equipment.
    pub nonconformity: String,
    /// Last step taken.
    pub step: String,
    /// Since when, as text.
    pub since: Option<String>,
    /// By when the next step is due, as text.
    pub due: Option<String>,
    /// That is past by the end of the period.
    pub overdue: bool,
    /// How often it was reported upward at this step.
    pub escalated: u64,
    /// The last record about it.
    pub record: u64,
}

impl Matters {
    /// The next record. What was opened in a drill stays apart to its end, and what was opened before one goes on in it.
    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        let kind = moment.record.kind;
        if !kind.as_str().starts_with("nonconformity.") || moment.flag("late") {
            return;
        }
        let id = moment.text("nonconformity");
        let opens = matches!(kind, Kind::NonconformityOpened | Kind::NonconformityReopened);
        if opens && !moment.is_live() && !self.open.contains_key(id) {
            self.of_drills += u64::from(moment.within);
            return;
        }
        let known = opens || moment.is_live() || self.open.contains_key(id);
        if !known {
            return;
        }
        if moment.within {
            self.count(moment);
        }
        if kind == Kind::NonconformityClosed {
            self.open.remove(id);
        } else if self.open.len() < OPEN_MAX || self.open.contains_key(id) {
            self.open.insert(id.to_owned(), Matter::read(moment));
        } else {
            self.beyond += 1;
        }
    }

    fn count(&mut self, moment: &Moment<'_>) {
        let row = self.reasons.entry(moment.text("reason").to_owned()).or_default();
        let month = moment.at_ms.and_then(month);
        match moment.record.kind {
            Kind::NonconformityOpened | Kind::NonconformityReopened => {
                let again = moment.record.kind == Kind::NonconformityReopened;
                *(if again { &mut row.reopened } else { &mut row.opened }) += 1;
                month.iter().for_each(|month| self.opened_by_month.count(month));
            }
            Kind::NonconformityEscalated => row.escalated += 1,
            Kind::NonconformityClosed => {
                row.closed += 1;
                month.iter().for_each(|month| self.closed_by_month.count(month));
                let open_for = moment.at_ms.zip(moment.number("since_ms")).map(|(to, from)| to.saturating_sub(from));
                if let Some(ms) = open_for.and_then(|ms| u64::try_from(ms).ok()) {
                    self.open_for.take(ms, moment.record.seq);
                }
            }
            _ => {}
        }
    }

    /// Ids of equipment with an open one of this reason.
    pub(super) fn open_of(&self, reason: &str) -> impl Iterator<Item = &str> {
        let matters = self.open.values().filter(move |matter| !matter.ended && matter.reason == reason);
        matters.map(|matter| matter.equipment.as_str())
    }

    /// Opened, and closed, by month.
    pub(super) fn months(&self) -> (Tally, Tally) {
        (self.opened_by_month.clone(), self.closed_by_month.clone())
    }

    pub(super) fn finish(mut self, end_ms: Option<i64>) -> Nonconformities {
        let mut listed = Vec::new();
        for (id, matter) in self.open {
            let open = matter.told(id, end_ms);
            let row = self.reasons.entry(matter.reason).or_default();
            row.open += 1;
            row.overdue += u64::from(open.overdue);
            listed.push(open);
        }
        listed.sort_by(|a, b| (!a.overdue, &a.due, &a.nonconformity).cmp(&(!b.overdue, &b.due, &b.nonconformity)));
        let more = listed.len().saturating_sub(LISTED) as u64;
        listed.truncate(LISTED);
        let mut all = Row::default();
        self.reasons.values().for_each(|row| all.add(row));
        Nonconformities {
            all,
            reasons: self.reasons,
            open_for: self.open_for.spread(),
            listed,
            more,
            of_drills: self.of_drills,
            beyond: self.beyond,
        }
    }
}

impl Matter {
    fn read(moment: &Moment<'_>) -> Self {
        let step = match moment.text("step") {
            "" => moment.record.kind.as_str().rsplit('.').next().unwrap_or_default(),
            step => step,
        };
        Self {
            reason: moment.text("reason").to_owned(),
            equipment: moment.record.equipment.clone().unwrap_or_default(),
            step: step.to_owned(),
            since_ms: moment.number("since_ms"),
            due_ms: moment.number("due_ms"),
            ended: moment.flag("ended"),
            escalated: moment.number("escalated").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            seq: moment.record.seq,
        }
    }

    fn told(&self, nonconformity: String, end_ms: Option<i64>) -> Open {
        Open {
            nonconformity,
            step: self.step.clone(),
            since: self.since_ms.and_then(wall::to_text),
            due: self.due_ms.and_then(wall::to_text),
            overdue: self.due_ms.zip(end_ms).is_some_and(|(due, end)| end >= due),
            escalated: self.escalated,
            record: self.seq,
        }
    }
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.closed += other.closed;
        self.escalated += other.escalated;
        self.open += other.open;
        self.overdue += other.overdue;
    }
}
