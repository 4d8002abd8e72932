//! How far the answer to a nonconformity has come, and by when the next step is due.

use super::DAY_MS;
use super::corrective::{Corrective, Step as Act};
use crate::register::Criticality;
use crate::time::Now;
use serde_json::{Map, Value, json};

/// A nonconformity that nobody answers is reported upward so often: to the shift, the site and the organisation.
const ESCALATIONS: u32 = 3;
/// Somebody looks at the effect within so many days.
const VERIFY_DAYS: i64 = 14;
/// After something was contained, an action is agreed within so many times the days of the first answer.
const AGREE_TIMES: i64 = 2;

/// The last step that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nobody has answered.
    Opened,
    /// What it may do is contained: tag-out, guard, compensating measure.
    Contained,
    /// An action was agreed, and by when.
    Agreed,
    /// It was done.
    Done,
    /// It had its effect.
    Verified,
}

impl Step {
    /// Every one, with its word.
    const ALL: [(&'static str, Self); 5] = [
        ("opened", Self::Opened),
        ("contained", Self::Contained),
        ("agreed", Self::Agreed),
        ("done", Self::Done),
        ("verified", Self::Verified),
    ];

    /// The word in records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, step)| *step == self).map_or("", |(word, _)| word)
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, step)| *step)
    }
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The last step.
    pub step: Step,
    /// How often it was opened within the watch period, from 1.
    pub times: u32,
    /// Its reason no longer holds: what is left is to verify.
    pub ended: bool,
    /// The next step is due by then, milliseconds since 1970 UTC; `None` where no trusted time was known.
    pub due_ms: Option<i64>,
    /// How often it was reported upward at this step.
    pub escalated: u32,
    /// Days of the first answer, which follow from how much depends on the equipment.
    answer_days: i64,
    /// What was agreed, as it was told.
    action: String,
}

/// When the first answer is due, and after how many days.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    due_ms: Option<i64>,
    days: i64,
}

impl Life {
    pub(super) fn answer_by(now: &Now, criticality: Option<Criticality>) -> Deadline {
        let days = match criticality {
            Some(Criticality::Life) => 1,
            Some(Criticality::High) => 3,
            Some(Criticality::Normal) | None => 7,
            Some(Criticality::Low) => 30,
        };
        Deadline { due_ms: in_days(now, days), days }
    }

    pub(super) fn new(times: u32, deadline: Deadline, ended: bool) -> Self {
        let Deadline { due_ms, days } = deadline;
        let action = String::new();
        Self { step: Step::Opened, times, ended, due_ms, escalated: 0, answer_days: days, action }
    }

    pub(super) fn reopened(&mut self, deadline: Deadline, ended: bool) {
        *self = Self::new(self.times.saturating_add(1), deadline, ended);
    }

    pub(super) fn contained(&mut self, now: &Now) {
        self.to(Step::Contained, in_days(now, self.answer_days * AGREE_TIMES));
    }

    pub(super) fn ended_by_evidence(&mut self, now: &Now) {
        self.ended = true;
        self.to(Step::Done, in_days(now, VERIFY_DAYS));
    }

    /// A person takes a step; or why it is not the next one.
    pub(super) fn step_on(&mut self, now: &Now, act: &Corrective, life_at_stake: bool) -> Result<(), String> {
        match (act.step(), self.step) {
            (Act::Contain, Step::Opened | Step::Contained) => {
                self.contained(now);
                Ok(())
            }
            (Act::Agree, Step::Opened | Step::Contained | Step::Agreed) => {
                let due = act.agreed(now, life_at_stake)?;
                act.text("action").clone_into(&mut self.action);
                self.to(Step::Agreed, Some(due));
                Ok(())
            }
            (Act::Done, Step::Agreed) => {
                self.to(Step::Done, in_days(now, VERIFY_DAYS));
                Ok(())
            }
            (Act::Verify, Step::Done) if !act.is_effective() => {
                self.to(Step::Contained, in_days(now, self.answer_days));
                Ok(())
            }
            (Act::Verify, Step::Done) if self.ended => {
                self.step = Step::Verified;
                Ok(())
            }
            (Act::Verify, Step::Done) => {
                Err("its reason holds still: it closes once it does not; effective=no asks for another action".into())
            }
            (act, step) => Err(format!("it is {}: {} is not the next step", step.as_str(), act.as_str())),
        }
    }

    /// Whether its next step is overdue and that has not been said often enough. Said now. Where no trusted time was known,
    /// or a clock that was years ahead, the step is due from the beginning on; where that is not known either, from now on,
    /// which no record says: a restart counts anew.
    pub(super) fn escalate(&mut self, judged_ms: i64, since_ms: Option<i64>) -> bool {
        let longest = self.answer_days.max(VERIFY_DAYS) * AGREE_TIMES * DAY_MS;
        let is_sound = |due: i64| self.step == Step::Agreed || due <= judged_ms.saturating_add(longest);
        if !self.due_ms.is_some_and(is_sound) {
            let began = since_ms.filter(|since| *since <= judged_ms).unwrap_or(judged_ms);
            self.due_ms = Some(began.saturating_add(self.answer_days * DAY_MS));
        }
        let is_late = self.due_ms.is_some_and(|due| judged_ms >= due) && self.escalated < ESCALATIONS;
        if is_late {
            self.escalated += 1;
            self.due_ms = Some(judged_ms + self.answer_days * DAY_MS);
        }
        is_late
    }

    fn to(&mut self, step: Step, due_ms: Option<i64>) {
        (self.step, self.due_ms, self.escalated) = (step, due_ms, 0);
    }

    pub(super) fn stated(&self) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("step".into(), self.step.as_str().into());
        data.insert("times".into(), self.times.into());
        data.insert("due_ms".into(), self.due_ms.into());
        data.insert("answer_days".into(), self.answer_days.into());
        if self.ended {
            data.insert("ended".into(), true.into());
        }
        if self.escalated > 0 {
            data.insert("escalated".into(), self.escalated.into());
        }
        if !self.action.is_empty() {
            data.insert("action".into(), self.action.as_str().into());
        }
        data
    }

    /// From a row. One that an earlier agent wrote has just been opened.
    pub(super) fn read(row: &Value) -> Self {
        let number = |field: &str| row.get(field).and_then(Value::as_i64);
        let count = |field: &str| number(field).and_then(|n| u32::try_from(n).ok());
        Self {
            step: row.get("step").and_then(Value::as_str).and_then(Step::parse).unwrap_or(Step::Opened),
            times: count("times").unwrap_or(1),
            ended: row.get("ended") == Some(&json!(true)),
            due_ms: number("due_ms"),
            escalated: count("escalated").unwrap_or(0),
            answer_days: number("answer_days").unwrap_or(7).clamp(1, 30),
            action: row.get("action").and_then(Value::as_str).unwrap_or_default().to_owned(),
        }
    }
}

fn in_days(now: &Now, days: i64) -> Option<i64> {
    now.judged_ms().map(|ms| ms.saturating_add(days * DAY_MS))
}
