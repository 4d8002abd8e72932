//! Changes of equipment: what each piece says of itself, remembered, and held against what people planned.
//!
//! Rows of the journal's state: `identity/<id>` as it was told last, `change/<id>` with the plans that hold. A change that
//! no plan covers is a nonconformity. Where no clock is trusted and a plan may cover it, it waits until one is.

mod told;
mod window;

use crate::nonconformity::Nonconformities;
use crate::register::{EquipmentId, Register};
use crate::statement::{Facts, Statement};
use crate::time::Now;
use crate::wire::StateRow;
use crate::work::Report;
use picket_device::profile::Identity;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use told::{Told, Unjudged};
use window::{Span, Window};

/// Reason of a nonconformity: equipment changed, and nobody had planned it.
pub(crate) const UNAUTHORISED: &str = "unauthorised-change";

/// What equipment says of itself, and which changes of it are planned.
#[derive(Debug)]
pub struct Changes {
    told: BTreeMap<EquipmentId, Told>,
    windows: BTreeMap<EquipmentId, Vec<Window>>,
    /// A change is seen so much later than it was made, at most: from one question who it is to the next.
    lag_ms: i64,
}

impl Changes {
    /// From the rows that the journal recovered. Devices are asked who they are each `identity_s` seconds.
    pub fn recover(rows: &[StateRow], identity_s: u64) -> Self {
        let of = |row: &StateRow, family: &str| {
            let id = row.key.strip_prefix(family).and_then(EquipmentId::parse)?;
            Some((id, serde_json::from_str::<Value>(&row.body).ok()?))
        };
        let told = rows.iter().filter_map(|row| of(row, IDENTITY)).map(|(id, body)| (id, Told::read(&body)));
        let windows = rows.iter().filter_map(|row| of(row, CHANGE)).map(|(id, body)| (id, Window::list(&body)));
        let lag_ms = i64::try_from(identity_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Self { told: told.collect(), windows: windows.collect(), lag_ms }
    }

    /// The record that states a planned change, or why it cannot be taken. `floor_ms` is the latest trusted time ever.
    pub(crate) fn stated(
        &self,
        now: &Now,
        floor_ms: Option<i64>,
        register: &Register,
        plan: &Report,
    ) -> Result<Statement, String> {
        let id = plan.equipment();
        if register.get(id).is_none() {
            return Err(format!("no row of the register names {id}: add it there first"));
        }
        let fresh = Window::planned(plan, now.judged_ms(), floor_ms)?;
        let over = now.judged_ms().or(floor_ms).map(|ms| ms - self.lag_ms);
        let before = self.windows.get(id).into_iter().flatten();
        let is_over = |window: &Window| over.is_some_and(|over| window.until_ms <= over);
        let holds = before.filter(|window| window.id != fresh.id && !is_over(window));
        let mut windows: Vec<Window> = holds.cloned().collect();
        windows.push(fresh);
        if windows.len() > window::MOST {
            let most = window::MOST;
            return Err(format!(
                "{id} has {most} planned changes: wait for one to be over, or plan it anew under its id"
            ));
        }
        Ok(plan.planned(Map::from_iter([(window::LIST.to_owned(), window::stated(&windows))])))
    }

    /// A record states it.
    pub(crate) fn planned(&mut self, id: &EquipmentId, data: &Map<String, Value>) {
        self.windows.insert(id.clone(), Window::list(&Value::Object(data.clone())));
    }

    /// A device said who it is: stated the first time and where it differs from last time. Case and blanks do not count.
    pub fn identified(
        &mut self,
        now: &Now,
        (floor_ms, register): (Option<i64>, &Register),
        (id, identity): (&EquipmentId, &Identity),
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        if register.get(id).is_none() {
            return Vec::new();
        }
        let mut statements = self.judge(now, register, book);
        let last = self.told.get(id).cloned().unwrap_or_default();
        let Some((mut told, before)) = last.heard(identity) else { return statements };
        let span = now.judged_ms().map_or(Span { from_ms: floor_ms, to_ms: None }, Span::moment);
        let planned = self.covering(id, span).map(|window| window.id.clone());
        let waits = now.judged_ms().is_none() && (planned.is_some() || told.unjudged.is_some());
        let mut opened = None;
        let mut data = told.stated();
        if before.is_empty() {
            // More is known of it, and nothing differs.
        } else if waits {
            told.unjudged = Some(Unjudged::and(told.unjudged.take(), before, floor_ms));
            data = told.stated();
        } else {
            data.insert("before".into(), json!(before));
            opened = self.concluded(now, register, (id, &told, &before), (planned, "open"), &mut data, book);
        }
        let severity = if data.contains_key("before") { Severity::Notice } else { Severity::Info };
        self.told.insert(id.clone(), told);
        statements.push(Statement::new(Kind::EquipmentIdentified, severity, Value::Object(data)).about(id));
        statements.extend(opened);
        statements
    }

    /// Judges what was seen while no clock was trusted, once one is; forgets equipment whose row is gone.
    pub fn judge(&mut self, now: &Now, register: &Register, book: &mut Nonconformities) -> Vec<Statement> {
        let mut statements = self.forget(register);
        let Some(judged) = now.judged_ms() else { return statements };
        let waits = self.told.iter().filter(|(_, told)| told.unjudged.is_some());
        let waits: Vec<EquipmentId> = waits.map(|(id, _)| id.clone()).collect();
        for id in waits {
            let Some(mut told) = self.told.remove(&id) else { continue };
            let Unjudged { before, from_ms } = told.unjudged.take().unwrap_or_default();
            let before = told.differing(before);
            let planned = self.covering(&id, Span { from_ms, to_ms: Some(judged) }).map(|window| window.id.clone());
            let mut data = told.stated();
            let mut opened = None;
            // It may be as it was by now: then nothing is left to judge.
            if !before.is_empty() {
                data.insert("before".into(), json!(before));
                opened = self.concluded(now, register, (&id, &told, &before), (planned, "possible"), &mut data, book);
            }
            self.told.insert(id.clone(), told);
            let statement = Statement::new(Kind::EquipmentIdentified, Severity::Notice, Value::Object(data));
            statements.push(statement.about(&id));
            statements.extend(opened);
        }
        statements
    }

    /// Says in the data whether a plan covers a change, and opens a nonconformity where none does.
    fn concluded(
        &self,
        now: &Now,
        register: &Register,
        (id, told, before): (&EquipmentId, &Told, &Facts),
        (planned, word): (Option<String>, &str),
        data: &mut Map<String, Value>,
        book: &mut Nonconformities,
    ) -> Option<Statement> {
        if let Some(change) = planned {
            data.insert("window".into(), word.into());
            data.insert("change".into(), change.into());
            return None;
        }
        data.insert("window".into(), "none".into());
        let named = |fields: &Facts, when: &str| -> Vec<(String, String)> {
            fields.iter().map(|(field, text)| (format!("{field}_{when}"), text.clone())).collect()
        };
        let is_now = told.only(before.keys());
        let facts = named(before, "before").into_iter().chain(named(&is_now, "now")).collect();
        book.happened(now, register, UNAUTHORISED, id, facts)
    }

    fn covering(&self, id: &EquipmentId, span: Span) -> Option<&Window> {
        self.windows.get(id)?.iter().find(|window| window.covers(span, self.lag_ms))
    }

    fn forget(&mut self, register: &Register) -> Vec<Statement> {
        let known = self.told.keys().chain(self.windows.keys());
        let gone: BTreeSet<EquipmentId> = known.filter(|id| register.get(id).is_none()).cloned().collect();
        let forgotten = gone.into_iter().map(|id| {
            self.told.remove(&id);
            self.windows.remove(&id);
            Statement::new(Kind::EquipmentIdentified, Severity::Info, json!({ GONE: true })).about(&id)
        });
        forgotten.collect()
    }
}

const IDENTITY: &str = "identity/";
const CHANGE: &str = "change/";
/// The row of the register is gone.
const GONE: &str = "gone";

/// Whether records of a kind tell of changes.
pub(crate) fn tells(kind: Kind) -> bool {
    matches!(kind, Kind::EquipmentIdentified | Kind::ChangePlanned)
}

/// The rows that a record writes, or drops where there is no body.
pub(crate) fn rows(kind: Kind, equipment: &str, data: &Map<String, Value>) -> Vec<(String, Option<Value>)> {
    let (identity, change) = (format!("{IDENTITY}{equipment}"), format!("{CHANGE}{equipment}"));
    match kind {
        Kind::EquipmentIdentified if data.contains_key(GONE) => vec![(identity, None), (change, None)],
        Kind::EquipmentIdentified => vec![(identity, Some(told::row(data)))],
        Kind::ChangePlanned => vec![(change, Some(json!({ (window::LIST): data.get(window::LIST) })))],
        _ => Vec::new(),
    }
}
