//! What follows a drill: it is reviewed, and the actions that were agreed stay open until they are done (ISO 28004-1, 4.4.7;
//! ISO 28000, 8.6).

mod form;

pub use form::{Exercise, ExerciseForm, Task};

use crate::fields::iso_date;
use crate::statement::Statement;
use crate::status::ReviewStatus;
use crate::time::{Now, s};
use crate::wire::StateRow;
use form::{Done, Review, Said};
use jiff::civil::Date;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
/// A drill is reviewed while people still remember it.
const REVIEW_MS: i64 = 14 * DAY_MS;
/// An overdue action is told once a week, and so often at most: who has not heard it by then does not.
const AGAIN_MS: i64 = 7 * DAY_MS;
const TOLD: u64 = 3;
/// Most drills that wait for a review, and most actions that are open: bounds the rows.
const AWAITED: usize = 64;
const OPEN: usize = 64;
/// Dates are held against the clock so often.
const LOOK_US: u64 = s(60);

/// A drill that ended and waits for its review. Times in milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Awaited {
    ended_ms: Option<i64>,
    /// Due by then; `None` where no trusted time was known when it ended.
    review_ms: Option<i64>,
    told: bool,
}

/// An action that was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    what: String,
    until: Date,
    /// How often it was told as late, and when last.
    times: u64,
    late_ms: Option<i64>,
}

impl Open {
    /// The end of the day by which it is to be done.
    fn over_ms(&self) -> Option<i64> {
        let next = self.until.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(next.timestamp().as_millisecond())
    }

    /// When it is to be told as late.
    fn due_ms(&self) -> Option<i64> {
        match self.late_ms {
            None => self.over_ms(),
            Some(late_ms) => (self.times < TOLD).then_some(late_ms.saturating_add(AGAIN_MS)),
        }
    }
}

/// Drills that wait for a review, and actions that wait to be done.
#[derive(Debug, Default)]
pub struct Exercises {
    awaited: BTreeMap<String, Awaited>,
    /// By drill and name.
    open: BTreeMap<(String, String), Open>,
    look_us: u64,
}

impl Exercises {
    /// From the rows the journal recovered.
    pub fn recover(rows: &[StateRow]) -> Self {
        let awaited = |row: &StateRow| {
            let id = row.key.strip_prefix(ENDED)?.to_owned();
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let number = |field: &str| body.get(field).and_then(Value::as_i64);
            let told = body.get("told") == Some(&json!(true));
            Some((id, Awaited { ended_ms: number("ended_ms"), review_ms: number("review_ms"), told }))
        };
        let open = |row: &StateRow| {
            let (id, name) = row.key.strip_prefix(ACTION)?.rsplit_once('/')?;
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let text = |field: &str| body.get(field).and_then(Value::as_str);
            let (what, until) = (text("what")?.to_owned(), text("until").and_then(iso_date)?);
            let times = body.get("times").and_then(Value::as_u64).unwrap_or(0);
            let late_ms = body.get("late_ms").and_then(Value::as_i64);
            Some(((id.to_owned(), name.to_owned()), Open { what, until, times, late_ms }))
        };
        let (awaited, open) = (rows.iter().filter_map(awaited).collect(), rows.iter().filter_map(open).collect());
        Self { awaited, open, look_us: 0 }
    }

    /// A drill has ended: it waits for a review from here on. Adds to the data of its record what follows from that.
    pub fn ended(&mut self, now: &Now, data: &mut Map<String, Value>) {
        let Some(id) = data.get("id").and_then(Value::as_str).map(str::to_owned) else { return };
        if self.awaited.len() >= AWAITED && !self.awaited.contains_key(&id) {
            let oldest = self.awaited.iter().min_by_key(|(_, one)| one.ended_ms).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                self.awaited.remove(&oldest);
                data.insert("forgets".into(), oldest.into());
            }
        }
        if self.look_us <= now.mono_us {
            self.look_us = now.mono_us.saturating_add(LOOK_US);
        }
        let review_ms = now.judged_ms().map(|ms| ms.saturating_add(REVIEW_MS));
        data.insert("review_ms".into(), review_ms.into());
        self.awaited.insert(id, Awaited { ended_ms: now.utc_ms, review_ms, told: false });
    }

    /// A person reviewed a drill, or did an action. What states it; or why it cannot be taken.
    pub fn report(&mut self, act: &Exercise) -> Result<Statement, String> {
        match &act.said {
            Said::Reviewed(review) => self.reviewed(&act.id, review),
            Said::Done(done) => self.done(&act.id, done),
        }
    }

    fn reviewed(&mut self, id: &str, review: &Review) -> Result<Statement, String> {
        let Some(awaited) = self.awaited.get(id) else {
            let names: Vec<&str> = self.awaited.keys().map(String::as_str).take(4).collect();
            let waits = if names.is_empty() { "none does".to_owned() } else { format!("{} do", names.join(", ")) };
            return Err(format!("no drill {id:?} has ended and waits for a review: {waits}"));
        };
        if self.open.len() + review.actions.len() > OPEN {
            return Err(format!("more than {OPEN} actions would be open: say first which are done"));
        }
        let taken = review.actions.keys().find(|name| self.open.contains_key(&(id.to_owned(), (*name).clone())));
        if let Some(name) = taken {
            return Err(format!("the action {id}/{name} is still open: do it first, or give this one another name"));
        }
        let actions: Map<String, Value> = review
            .actions
            .iter()
            .map(|(name, (what, until))| (name.clone(), json!([what, until.to_string()])))
            .collect();
        let mut data = json!({ "id": id, "ended_ms": awaited.ended_ms, "result": review.result, "what": review.what,
            "actions": actions });
        review.measured.iter().for_each(|(name, ms)| data[*name] = (*ms).into());
        self.awaited.remove(id);
        for (name, (what, until)) in &review.actions {
            let open = Open { what: what.clone(), until: *until, times: 0, late_ms: None };
            self.open.insert((id.to_owned(), name.clone()), open);
        }
        Ok(Statement::new(Kind::ExerciseReviewed, Severity::Notice, data))
    }

    fn done(&mut self, id: &str, done: &Done) -> Result<Statement, String> {
        let Done { name, what } = done;
        let Some(open) = self.open.remove(&(id.to_owned(), name.clone())) else {
            let names: Vec<String> = self.open.keys().map(|(id, name)| format!("{id}/{name}")).take(4).collect();
            let waits = if names.is_empty() { "none is".to_owned() } else { format!("{} are", names.join(", ")) };
            return Err(format!("no action {id}/{name} is open: {waits}"));
        };
        let data =
            json!({ "id": id, "name": name, "action": open.what, "until": open.until.to_string(), "what": what });
        Ok(Statement::new(Kind::ExerciseActionDone, Severity::Notice, data))
    }

    /// Time passed: reviews and actions that are overdue. Without a trusted time none is.
    pub fn look(&mut self, now: &Now) -> Vec<Statement> {
        self.look_us = now.mono_us.saturating_add(LOOK_US);
        let Some(now_ms) = now.judged_ms() else { return Vec::new() };
        let mut stated = Vec::new();
        for (id, one) in &mut self.awaited {
            if !one.told && one.review_ms.is_some_and(|due| now_ms >= due) {
                one.told = true;
                let data = json!({ "id": id, "ended_ms": one.ended_ms, "review_ms": one.review_ms });
                stated.push(Statement::new(Kind::ExerciseUnreviewed, Severity::Fault, data));
            }
        }
        for ((id, name), open) in &mut self.open {
            if open.due_ms().is_some_and(|due| now_ms >= due) {
                (open.times, open.late_ms) = (open.times + 1, Some(now_ms));
                let data = json!({ "id": id, "name": name, "what": open.what, "until": open.until.to_string(),
                    "times": open.times, "late_ms": now_ms });
                stated.push(Statement::new(Kind::ExerciseActionLate, Severity::Fault, data));
            }
        }
        stated
    }

    /// For people: what waits to be reviewed or done.
    pub fn waiting(&self) -> Vec<ReviewStatus> {
        let review = |(id, one): (&String, &Awaited)| ReviewStatus {
            id: id.clone(),
            what: None,
            due_ms: one.review_ms,
            late: one.told,
        };
        let action = |((id, name), open): (&(String, String), &Open)| ReviewStatus {
            id: format!("{id}/{name}"),
            what: Some(open.what.clone()),
            due_ms: open.over_ms().map(|ms| ms - 1),
            late: open.times > 0,
        };
        self.awaited.iter().map(review).chain(self.open.iter().map(action)).collect()
    }

    /// The journal has to catch up first.
    pub fn postpone(&mut self, now: &Now) {
        self.look_us = now.mono_us.saturating_add(LOOK_US);
    }

    /// When [`Exercises::look`] wants to be asked.
    pub fn deadline(&self) -> Option<u64> {
        let waits = self.awaited.values().any(|one| !one.told && one.review_ms.is_some());
        let late = self.open.values().any(|open| open.times < TOLD);
        (waits || late).then_some(self.look_us)
    }
}

const ENDED: &str = "drill-ended/";
const ACTION: &str = "drill-action/";

/// Whether records of a kind tell of reviews and their actions.
pub(crate) fn tells(kind: Kind) -> bool {
    use Kind as K;
    matches!(kind, K::ExerciseReviewed | K::ExerciseUnreviewed | K::ExerciseActionDone | K::ExerciseActionLate)
}

/// What a record leaves in memory: keys of rows with their bodies, or without one where they are gone.
pub(crate) fn rows(kind: Kind, data: &Map<String, Value>) -> Vec<(String, Option<Value>)> {
    let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
    let ended = format!("{ENDED}{}", text("id"));
    let action = |name: &str| format!("{ACTION}{}/{name}", text("id"));
    match kind {
        Kind::ExerciseEnded if data.contains_key("review_ms") => {
            let gone = data.get("forgets").and_then(Value::as_str).map(|id| (format!("{ENDED}{id}"), None));
            let body = json!({ "ended_ms": data.get("ended_ms"), "review_ms": data.get("review_ms") });
            gone.into_iter().chain([(ended, Some(body))]).collect()
        }
        Kind::ExerciseUnreviewed => {
            let body = json!({ "ended_ms": data.get("ended_ms"), "review_ms": data.get("review_ms"), "told": true });
            vec![(ended, Some(body))]
        }
        Kind::ExerciseReviewed => {
            let agreed = data.get("actions").and_then(Value::as_object).into_iter().flatten();
            let row = |(name, said): (&String, &Value)| {
                (action(name), Some(json!({ "what": said.get(0), "until": said.get(1) })))
            };
            [(ended, None)].into_iter().chain(agreed.map(row)).collect()
        }
        Kind::ExerciseActionLate => {
            let kept = ["what", "until", "times", "late_ms"].into_iter();
            let body = kept.filter_map(|name| Some((name.to_owned(), data.get(name)?.clone()))).collect();
            vec![(action(text("name")), Some(Value::Object(body)))]
        }
        Kind::ExerciseActionDone => vec![(action(text("name")), None)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
