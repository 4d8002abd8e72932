//! Nonconformities of equipment: opened once per reason, answered step by step, closed when the reason no longer holds and
//! what was agreed has been verified.
//!
//! A nonconformity that nobody has agreed an action for closes by evidence, as soon as its reason no longer holds. With an
//! action it is done by evidence, and a person verifies. What comes back within [`WATCH_DAYS`] is the same one, reopened.

mod corrective;
mod life;

pub use corrective::{Corrective, CorrectiveForm, Step as CorrectiveStep};
pub use life::{Life, Step};

use crate::register::{EquipmentId, Register};
use crate::statement::{Facts, Statement};
use crate::time::Now;
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most that are reported upward at a time: what is left follows within a minute, and alarms find room between them.
const AT_ONCE: usize = 64;
/// A reason that comes back within so many days is no new one: what was done had no effect, or nothing was done.
pub const WATCH_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

/// One open nonconformity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonconformity {
    /// Reason, such as `calibration-overdue`.
    pub reason: String,
    /// Equipment that does not conform.
    pub equipment: EquipmentId,
    /// Opened.
    pub since_ms: Option<i64>,
    /// Arguments of the text.
    pub facts: Facts,
    /// How far it has come.
    pub life: Life,
}

impl Nonconformity {
    /// Unique while open.
    pub fn id(&self) -> String {
        format!("{}/{}", self.reason, self.equipment)
    }

    /// A record states the whole of it, so that the newest one is its row.
    fn statement(&self, kind: Kind) -> Statement {
        let mut data = json!({
            "nonconformity": self.id(),
            "reason": self.reason,
            "since_ms": self.since_ms,
            "facts": self.facts,
        });
        if let Value::Object(data) = &mut data {
            data.append(&mut self.life.stated());
        }
        Statement::new(kind, Severity::Fault, data).about(&self.equipment)
    }

    fn read(row: &StateRow) -> Option<Self> {
        row.key.strip_prefix("nonconformity/")?;
        let body: Value = serde_json::from_str(&row.body).ok()?;
        let facts = body.get("facts").and_then(Value::as_object);
        Some(Self {
            reason: body.get("reason")?.as_str()?.to_owned(),
            equipment: EquipmentId::parse(body.get("eq")?.as_str()?)?,
            since_ms: body.get("since_ms").and_then(Value::as_i64),
            facts: facts.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.into()))).collect(),
            life: Life::read(&body),
        })
    }
}

/// One that was closed, for as long as its return counts as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watched {
    closed_ms: Option<i64>,
    times: u32,
}

/// Every open nonconformity, and those that were closed lately.
#[derive(Debug, Default)]
pub struct Nonconformities {
    open: BTreeMap<String, Nonconformity>,
    /// At most one for each reason of each piece of equipment.
    watched: BTreeMap<String, Watched>,
}

impl Nonconformities {
    /// From the rows the journal recovered (`nonconformity/...` and `watched/...`).
    pub fn recover(rows: &[StateRow]) -> Self {
        let watched = |row: &StateRow| {
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let times = body.get("times").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
            let closed_ms = body.get("closed_ms").and_then(Value::as_i64);
            Some((row.key.strip_prefix("watched/")?.to_owned(), Watched { closed_ms, times }))
        };
        Self {
            open: rows.iter().filter_map(Nonconformity::read).map(|nc| (nc.id(), nc)).collect(),
            watched: rows.iter().filter_map(watched).collect(),
        }
    }

    /// A reason holds. A statement, unless it was known to hold.
    pub fn open(
        &mut self,
        now: &Now,
        register: &Register,
        reason: &str,
        equipment: &EquipmentId,
        facts: Facts,
    ) -> Option<Statement> {
        // One that is over waits for somebody to verify: its reason has come back before.
        let holds = self.get(reason, equipment).is_some_and(|open| !open.life.ended);
        if holds { None } else { Some(self.opened(now, register, (reason, equipment), facts, false)) }
    }

    /// `ended`: it has happened, and does not last.
    fn opened(
        &mut self,
        now: &Now,
        register: &Register,
        (reason, equipment): (&str, &EquipmentId),
        facts: Facts,
        ended: bool,
    ) -> Statement {
        let key = format!("{reason}/{equipment}");
        let deadline = Life::answer_by(now, register.get(equipment).map(|row| row.criticality));
        if let Some(open) = self.open.get_mut(&key) {
            open.life.reopened(deadline, ended);
            open.facts = facts;
            return with_similar(open.statement(Kind::NonconformityReopened), register, equipment);
        }
        let again = self.watched.remove(&key).filter(|watched| watched.is_fresh(now));
        let life = Life::new(again.map_or(1, |watched| watched.times.saturating_add(1)), deadline, ended);
        let fresh = Nonconformity {
            reason: reason.to_owned(),
            equipment: equipment.clone(),
            since_ms: now.utc_ms,
            facts,
            life,
        };
        let kind = if again.is_some() { Kind::NonconformityReopened } else { Kind::NonconformityOpened };
        let statement = fresh.statement(kind);
        self.open.insert(key, fresh);
        with_similar(statement, register, equipment)
    }

    /// Something that happened, and no condition that could end by itself: people answer and verify. A statement, unless
    /// the same is open already.
    pub fn happened(
        &mut self,
        now: &Now,
        register: &Register,
        reason: &str,
        equipment: &EquipmentId,
        facts: Facts,
    ) -> Option<Statement> {
        let key = format!("{reason}/{equipment}");
        if let Some(open) = self.open.get_mut(&key).filter(|open| open.life.step < Step::Done) {
            if open.facts == facts {
                return None;
            }
            // It happened again before anybody had done something about it.
            open.facts = facts;
            return Some(open.statement(Kind::NonconformityReopened));
        }
        Some(self.opened(now, register, (reason, equipment), facts, true))
    }

    /// The one of a reason that is open.
    pub fn get(&self, reason: &str, equipment: &EquipmentId) -> Option<&Nonconformity> {
        self.open.get(&format!("{reason}/{equipment}"))
    }

    /// A reason no longer holds: closed, or done where an action was agreed.
    pub fn close(&mut self, now: &Now, reason: &str, equipment: &EquipmentId) -> Option<Statement> {
        let key = format!("{reason}/{equipment}");
        let open = self.open.get_mut(&key).filter(|open| !open.life.ended)?;
        if open.life.step >= Step::Agreed {
            open.life.ended_by_evidence(now);
            let mut statement = open.statement(Kind::NonconformityDone);
            statement.data.insert("how".into(), "evidence".into());
            return Some(statement);
        }
        self.closed(now, &key)
    }

    /// What it was about is gone from the plan: closed, however far it had come, and not watched for, because anybody may
    /// have given it its name.
    pub fn removed(&mut self, reason: &str, equipment: &EquipmentId) -> Option<Statement> {
        let closed = self.open.remove(&format!("{reason}/{equipment}"))?;
        Some(closed.statement(Kind::NonconformityClosed))
    }

    fn closed(&mut self, now: &Now, key: &str) -> Option<Statement> {
        let closed = self.open.remove(key)?;
        let mut statement = closed.statement(Kind::NonconformityClosed);
        statement.data.insert("closed_ms".into(), now.judged_ms().into());
        self.watched.insert(key.to_owned(), Watched { closed_ms: now.judged_ms(), times: closed.life.times });
        Some(statement)
    }

    /// A person answers. What is stated; or why it cannot be.
    pub fn answer(&mut self, now: &Now, register: &Register, act: &Corrective) -> Result<Vec<Statement>, String> {
        let Some(open) = self.open.get_mut(act.id()) else {
            return Err(format!("{} is not open; picket status lists what is", act.id()));
        };
        if !act.has_seen(&open.life) {
            // Somebody else was quicker: what was meant is kept, and changes nothing.
            let mut late = open.statement(act.kind());
            late.data.extend(act.data().clone());
            late.data.insert("late".into(), true.into());
            return Ok(vec![act.said(late)]);
        }
        let life_at_stake = register.get(&open.equipment).is_some_and(crate::register::Equipment::protects_lives);
        open.life.step_on(now, act, life_at_stake)?;
        let mut statement = open.statement(act.kind());
        statement.data.extend(act.data().clone());
        let mut statements = vec![act.said(statement)];
        if open.life.step == Step::Verified {
            statements.extend(self.closed(now, act.id()));
        }
        Ok(statements)
    }

    /// Equipment was taken out of use, or something stands in for it: that contains what is open about it. `how` is the
    /// word in the record.
    pub fn contained_by(&mut self, now: &Now, equipment: &EquipmentId, how: &str) -> Vec<Statement> {
        let open = self.open.values_mut().filter(|nc| nc.equipment == *equipment && nc.life.step == Step::Opened);
        let contained = open.map(|nc| {
            nc.life.contained(now);
            let mut statement = nc.statement(Kind::NonconformityContained);
            statement.data.insert("how".into(), how.into());
            statement
        });
        contained.collect()
    }

    /// Those whose next answer is overdue are reported upward, each a few times.
    pub fn escalate(&mut self, now: &Now) -> Vec<Statement> {
        let Some(judged) = now.judged_ms() else { return Vec::new() };
        let late = self.open.values_mut().filter_map(|nc| {
            let is_late = nc.life.escalate(judged, nc.since_ms);
            is_late.then(|| nc.statement(Kind::NonconformityEscalated))
        });
        late.take(AT_ONCE).collect()
    }

    /// Equipment that was found out of its tolerance, with since when it is in doubt.
    pub fn doubts(&self) -> impl Iterator<Item = (EquipmentId, Facts)> {
        self.of(OUT_OF_TOLERANCE).map(|nc| (nc.equipment.clone(), nc.facts.clone()))
    }

    /// Every open one of a reason.
    pub fn of(&self, reason: &str) -> impl Iterator<Item = &Nonconformity> {
        let prefix = format!("{reason}/");
        let from = self.open.range(prefix.clone()..);
        from.take_while(move |(id, _)| id.starts_with(&prefix)).map(|(_, nc)| nc)
    }

    /// Every open one, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Nonconformity> {
        self.open.values()
    }
}

impl Watched {
    /// Without a time that can be trusted it counts as fresh: it is not known to be old.
    fn is_fresh(self, now: &Now) -> bool {
        match (now.judged_ms(), self.closed_ms) {
            (Some(now), Some(closed)) => now - closed <= WATCH_DAYS * DAY_MS,
            (None, _) | (_, None) => true,
        }
    }
}

/// Names equipment of the same make, model and firmware: what failed here may fail there.
fn with_similar(mut statement: Statement, register: &Register, equipment: &EquipmentId) -> Statement {
    let similar: Vec<&EquipmentId> = register.similar(equipment).collect();
    if !similar.is_empty() {
        let named: Vec<&str> = similar.iter().take(SIMILAR_MAX).map(|id| id.as_str()).collect();
        statement.data.insert("similar".into(), json!({ "n": similar.len(), "eqs": named }));
    }
    statement
}

/// Reason: as a calibration found the equipment.
pub const OUT_OF_TOLERANCE: &str = "out-of-tolerance";

/// Most pieces of similar equipment that a record names; it counts them all.
const SIMILAR_MAX: usize = 32;

/// Whether records of a kind tell of nonconformities.
pub(crate) fn tells(kind: Kind) -> bool {
    kind.as_str().starts_with("nonconformity.")
}

/// What a record of a nonconformity leaves in memory: the key of its row with its body, or without one where it is gone;
/// and the same of what is watched. Nothing for an answer that came late.
pub(crate) fn rows(kind: Kind, mut row: Map<String, Value>) -> Vec<(String, Option<Value>)> {
    if row.get("late").is_some() {
        return Vec::new();
    }
    let id = row.get("nonconformity").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (open, watched) = (format!("nonconformity/{id}"), format!("watched/{id}"));
    if kind == Kind::NonconformityClosed {
        let kept = row.get("closed_ms").map(|closed| json!({ "closed_ms": closed, "times": row.get("times") }));
        return vec![(open, None), (watched, kept)];
    }
    // A register tells it again.
    row.remove("similar");
    vec![(open, Some(Value::Object(row))), (watched, None)]
}

#[cfg(test)]
mod tests;
