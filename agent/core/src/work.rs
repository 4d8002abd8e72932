//! Work done on equipment, as a person reports it: checked against the register and trusted time, stated as a record, and
//! kept as state rows. The register is the plan; what was done stands here, and no plan writes over it.

mod change;
mod form;
mod points;
mod results;

pub use form::{Form, Task};
pub(crate) use form::{checklist, stated_result};
pub(crate) use results::rows;
pub use results::{Done, Results};

use crate::fields::{FieldFault, Fields};
use crate::person::Person;
use crate::register::{EquipmentId, Register};
use crate::statement::Statement;
use jiff::civil::Date;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value};

/// Work is dated by the day at the site, which may have begun before the day in UTC.
const AHEAD_OF_UTC_DAYS: i64 = 1;
/// No site is without a trusted clock for so long: a later day is a slip of the pen.
const OFFLINE_DAYS: i64 = 366;

/// Work that was done, as it is stated: read, but not yet held against the register.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    task: Task,
    equipment: EquipmentId,
    /// The day it was done; none = today.
    on: Option<Date>,
    data: Map<String, Value>,
    person: Person,
}

/// Whoever did it is never printed.
impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("task", &self.task).field("equipment", &self.equipment).finish_non_exhaustive()
    }
}

/// Whether records of a kind tell of work.
pub(crate) fn tells(kind: Kind) -> bool {
    Task::ALL.iter().any(|task| task.kind() == kind)
}

impl Report {
    /// From named texts, such as `on` = `2026-11-20`; see [`Form`]. Every fault at once.
    pub fn read(task: Task, equipment: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        Form::of(task).read(equipment, fields)
    }

    /// What was done.
    pub fn task(&self) -> Task {
        self.task
    }

    /// To what.
    pub fn equipment(&self) -> &EquipmentId {
        &self.equipment
    }

    /// A text of it; empty where it has none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A planned change as it is stated, with what follows from the plans before it.
    pub(crate) fn planned(&self, follows: Map<String, Value>) -> Statement {
        let mut data = self.data.clone();
        data.extend(follows);
        Statement::new(self.task.kind(), Severity::Notice, Value::Object(data))
            .about(&self.equipment)
            .said(self.person.text())
    }

    /// The day of it, held against the register and trusted wall times, of now and the latest ever; or why it cannot be
    /// taken.
    pub(crate) fn day(
        &self,
        register: &Register,
        results: &Results,
        (judged_ms, floor_ms): (Option<i64>, Option<i64>),
    ) -> Result<Date, String> {
        let id = &self.equipment;
        if register.get(id).is_none() {
            return Err(format!("no row of the register names {id}: add it there first"));
        }
        let on = dated(self.on, judged_ms, floor_ms)?;
        match (self.task, results.tag(id)) {
            (Task::Withdrawal, Some(tag)) => Err(format!("{id} is out of use already: {tag}")),
            (Task::Return, None) => Err(match register.get(id).and_then(|row| row.withdrawn.as_ref()) {
                Some(why) => format!("the register has {id} out of use, {why}: take that out of its row"),
                None => format!("{id} carries no tag: nothing took it out of use here"),
            }),
            _ => Ok(on),
        }
    }

    /// The record that states it. `late` where later work of the kind was reported before: it changes no standing.
    pub(crate) fn statement(&self, on: Date, late: bool) -> Statement {
        let mut data = self.data.clone();
        data.insert("on".into(), on.to_string().into());
        if late {
            data.insert("late".into(), true.into());
        }
        let severity = if results::ended_well(&self.data) { Severity::Notice } else { Severity::Fault };
        Statement::new(self.task.kind(), severity, Value::Object(data)).about(&self.equipment).said(self.person.text())
    }
}

/// The day that a report states, or today, held against trusted wall times, of now and the latest ever.
pub(crate) fn dated(on: Option<Date>, judged_ms: Option<i64>, floor_ms: Option<i64>) -> Result<Date, String> {
    let today = judged_ms.and_then(day_of);
    let on = on.or(today).ok_or("the clock is not trusted now: say which day it was, on=YYYY-MM-DD")?;
    let ahead = |day: Date, days: i64| day.checked_add(jiff::Span::new().days(days)).ok();
    let known = floor_ms.and_then(day_of).and_then(|day| ahead(day, OFFLINE_DAYS));
    let latest = today.and_then(|day| ahead(day, AHEAD_OF_UTC_DAYS)).or(known);
    if latest.is_some_and(|latest| on > latest) {
        return Err(format!("on={on} is in the future: report work once it is done"));
    }
    Ok(on)
}

/// The day of a moment, in UTC.
pub(crate) fn day_of(ms: i64) -> Option<Date> {
    let moment = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(moment).date())
}

#[cfg(test)]
mod tests;
