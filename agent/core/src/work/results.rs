//! What was done last to each piece of equipment: rows of the journal's state, `work/<kind>/<id>` and `tag/<id>`.

use super::Task;
use crate::fields::iso_date;
use crate::register::{EquipmentId, Work};
use crate::wire::StateRow;
use jiff::civil::Date;
use picket_record::kind::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Work as it was done last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The day.
    pub on: Date,
    /// It ended well.
    pub good: bool,
    /// Its own end of validity, where it states one.
    pub until: Option<Date>,
    /// Certificate or report.
    pub certificate: String,
    /// What its reference equipment leads to was stated.
    pub traceable: bool,
}

/// What was done, and what is out of use.
#[derive(Debug, Clone, Default)]
pub struct Results {
    done: BTreeMap<(EquipmentId, Work), Done>,
    commissioned: BTreeMap<EquipmentId, Done>,
    tags: BTreeMap<EquipmentId, String>,
}

impl Results {
    /// From the rows that the journal recovered.
    pub fn recover(rows: &[StateRow]) -> Self {
        let mut results = Self::default();
        for row in rows.iter().filter(|row| row.key.starts_with(WORK) || row.key.starts_with(TAG)) {
            let body = serde_json::from_str(&row.body).ok();
            body.and_then(|body| results.take_row(&row.key, &body));
        }
        results
    }

    fn take_row(&mut self, key: &str, body: &Value) -> Option<()> {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        if let Some(id) = key.strip_prefix(TAG).and_then(EquipmentId::parse) {
            self.tags.insert(id, text("tag")?.to_owned());
            return Some(());
        }
        let (work, id) = key.strip_prefix(WORK)?.split_once('/')?;
        let done = Done {
            on: iso_date(text("on")?)?,
            good: body.get("good")?.as_bool()?,
            until: text("until").and_then(iso_date),
            certificate: text("certificate").unwrap_or_default().to_owned(),
            traceable: body.get("traceable").is_some(),
        };
        let id = EquipmentId::parse(id)?;
        if work == Task::Commissioning.as_str() {
            self.commissioned.insert(id, done);
            return Some(());
        }
        self.done.insert((id, Work::parse(work)?), done);
        Some(())
    }

    /// What was done last.
    pub fn done(&self, id: &EquipmentId, work: Work) -> Option<&Done> {
        self.done.get(&(id.clone(), work))
    }

    /// Whether it passed the checks before it counts, as they were done last.
    pub fn commissioned(&self, id: &EquipmentId) -> Option<&Done> {
        self.commissioned.get(id)
    }

    /// What hangs on it while it is out of use: number of the tag and why.
    pub fn tag(&self, id: &EquipmentId) -> Option<&str> {
        self.tags.get(id).map(String::as_str)
    }

    /// Whether later work of the kind is known. Work of a day that is still to come, as a trusted clock shows, is none.
    pub(crate) fn is_late(&self, task: Task, id: &EquipmentId, on: Date, today: Option<Date>) -> bool {
        let last = match task {
            Task::Scheme(work) => self.done(id, work),
            Task::Commissioning => self.commissioned(id),
            Task::Withdrawal | Task::Return | Task::Change => None,
        };
        let tomorrow = today.and_then(|today| today.tomorrow().ok());
        let is_sound = |done: &&Done| tomorrow.is_none_or(|tomorrow| done.on <= tomorrow);
        last.filter(is_sound).is_some_and(|done| done.on > on)
    }

    /// What a record changes, as it does in the journal.
    pub(crate) fn stated(&mut self, kind: Kind, equipment: &str, data: &Map<String, Value>) {
        if let Some((key, body)) = rows(kind, equipment, data) {
            match body {
                Some(body) => drop(self.take_row(&key, &body)),
                None => drop(key.strip_prefix(TAG).and_then(EquipmentId::parse).and_then(|id| self.tags.remove(&id))),
            }
        }
    }
}

const WORK: &str = "work/";
const TAG: &str = "tag/";

/// A calibration ends as it leaves the equipment, other work as it says; a tag is no result.
pub(super) fn ended_well(data: &Map<String, Value>) -> bool {
    let end = data.get("left").or_else(|| data.get("result")).and_then(Value::as_str);
    end.is_none_or(|end| matches!(end, "in-tolerance" | "pass"))
}

/// The row that a record writes, or drops where there is no body. A late report changes none.
pub(crate) fn rows(kind: Kind, equipment: &str, data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let work = match kind {
        Kind::EquipmentWithdrawn => {
            let tag = format!("tag {}: {}", text("tag")?, text("why")?);
            return Some((format!("{TAG}{equipment}"), Some(json!({ "tag": tag }))));
        }
        Kind::EquipmentReturned => return Some((format!("{TAG}{equipment}"), None)),
        Kind::CalibrationDone => Work::Calibration.as_str(),
        Kind::MaintenanceDone => Work::Maintenance.as_str(),
        Kind::InspectionDone => Work::Inspection.as_str(),
        Kind::TestDone => Work::Test.as_str(),
        Kind::EquipmentCommissioned => Task::Commissioning.as_str(),
        _ => return None,
    };
    if data.get("late").is_some() {
        return None;
    }
    let mut row = json!({ "on": text("on")?, "good": ended_well(data) });
    for field in ["until", "certificate"] {
        if let Some(text) = text(field) {
            row[field] = text.into();
        }
    }
    if text("traceability").or(text("basis")).is_some() {
        row["traceable"] = true.into();
    }
    Some((format!("{WORK}{work}/{equipment}"), Some(row)))
}
