//! Nonconformities of equipment: opened once per reason, closed when the reason no longer holds.

use crate::register::EquipmentId;
use crate::statement::{Facts, Statement};
use crate::time::Now;
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
}

impl Nonconformity {
    /// Unique while open.
    pub fn id(&self) -> String {
        format!("{}/{}", self.reason, self.equipment)
    }

    fn statement(&self, kind: Kind) -> Statement {
        let data = json!({
            "nonconformity": self.id(),
            "reason": self.reason,
            "since_ms": self.since_ms,
            "facts": self.facts,
        });
        Statement::new(kind, Severity::Fault, data).about(&self.equipment)
    }
}

/// Every open nonconformity.
#[derive(Debug, Default)]
pub struct Nonconformities {
    open: BTreeMap<String, Nonconformity>,
}

impl Nonconformities {
    /// From the rows the journal recovered (`nonconformity/...`).
    pub fn recover(rows: &[StateRow]) -> Self {
        let read = |row: &StateRow| -> Option<Nonconformity> {
            row.key.strip_prefix("nonconformity/")?;
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let facts = body.get("facts").and_then(Value::as_object);
            Some(Nonconformity {
                reason: body.get("reason")?.as_str()?.to_owned(),
                equipment: EquipmentId::parse(body.get("eq")?.as_str()?)?,
                since_ms: body.get("since_ms").and_then(Value::as_i64),
                facts: facts.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.into()))).collect(),
            })
        };
        Self { open: rows.iter().filter_map(read).map(|nc| (nc.id(), nc)).collect() }
    }

    /// A reason holds. A statement, unless it was known to hold.
    pub fn open(&mut self, now: &Now, reason: &str, equipment: &EquipmentId, facts: Facts) -> Option<Statement> {
        let fresh =
            Nonconformity { reason: reason.to_owned(), equipment: equipment.clone(), since_ms: now.utc_ms, facts };
        let key = fresh.id();
        if self.open.contains_key(&key) {
            return None;
        }
        let statement = fresh.statement(Kind::NonconformityOpened);
        self.open.insert(key, fresh);
        Some(statement)
    }

    /// A reason no longer holds.
    pub fn close(&mut self, reason: &str, equipment: &EquipmentId) -> Option<Statement> {
        let closed = self.open.remove(&format!("{reason}/{equipment}"))?;
        Some(closed.statement(Kind::NonconformityClosed))
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

#[cfg(test)]
mod tests;
