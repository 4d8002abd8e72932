//! The agent's memory as a fold of its own records: which state rows a record writes or drops.
//!
//! The journal applies the same function in the transaction of the record, and again over old records when the rows do
//! not match their signed digest. A row is therefore never more than what records say.

use crate::wire::StateRow;
use crate::{
    affected, changes, duty, exercise, incident, level, measure, nonconformity, seals, temporary, threat, work,
};
use picket_record::body::Body;
use picket_record::encode::{base64url, bytes32};
use picket_record::kind::Kind;
use picket_record::personal::{Commitment, Personal};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// One change of a state row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row says this from here on.
    Put {
        /// Its key, such as `alarm/door-forced/DOOR-N1`.
        key: String,
        /// JSON text.
        body: String,
    },
    /// The row says what it said, and since the same record; only where that stands is new.
    Again(StateRow),
    /// The row is gone.
    Drop {
        /// Its key.
        key: String,
    },
    /// Every row is gone: those that hold are said again from here on.
    Clear,
}

/// The parts of a record that memory depends on: taken from a draft, or from a stored line.
#[derive(Debug, Clone, Copy)]
pub struct Stated<'a> {
    /// Kind.
    pub kind: Kind,
    /// Severity as integer.
    pub severity: u64,
    /// Equipment id.
    pub equipment: Option<&'a str>,
    /// Standing word.
    pub standing: Option<&'a str>,
    /// Driver of the source.
    pub driver: Option<&'a str>,
    /// Time of the device.
    pub device_time: Option<&'a str>,
    /// What it commits to of personal data.
    pub personal: Option<Commitment>,
    /// Data of the kind.
    pub data: &'a Map<String, Value>,
}

impl<'a> Stated<'a> {
    /// Of a draft.
    pub fn of(body: &'a Body) -> Self {
        let about = body.about.as_ref();
        Self {
            kind: body.kind,
            severity: body.severity as u64,
            equipment: about.map(|a| a.equipment.as_str()),
            standing: about.map(|a| a.standing.st),
            driver: about.and_then(|a| a.source.as_ref()).map(|s| s.driver),
            device_time: body.device_time.as_deref(),
            personal: body.personal.as_ref().and_then(committed),
            data: &body.data,
        }
    }

    /// Of a stored payload. `None` where it is no record of this version.
    pub fn read(payload: &'a Map<String, Value>, data: &'a Map<String, Value>) -> Option<Self> {
        Some(Self {
            kind: Kind::parse(payload.get("kind")?.as_str()?)?,
            severity: payload.get("sev")?.as_u64()?,
            equipment: payload.get("eq").and_then(Value::as_str),
            standing: payload.get("standing").and_then(|s| s.get("st")).and_then(Value::as_str),
            driver: payload.get("src").and_then(|s| s.get("drv")).and_then(Value::as_str),
            device_time: payload.get("dev_ts").and_then(Value::as_str),
            personal: payload.get("pii").and_then(Value::as_str).and_then(|text| bytes32(text, "pii").ok()),
            data,
        })
    }

    fn text(&self, field: &str) -> &'a str {
        self.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a record changes in memory, in order.
pub fn changes(stated: Stated<'_>) -> Vec<Change> {
    if let Some(rows) = rows_of(stated) {
        return rows.into_iter().map(change).collect();
    }
    match stated.kind {
        // What is raised anew was not seen by a guard yet.
        Kind::AlarmRaised => vec![alarm_row(stated), Change::Drop { key: format!("ack/{}", stated.text("alarm")) }],
        Kind::AlarmCleared if stated.data.get("guard_must_close") == Some(&Value::Bool(true)) => {
            vec![alarm_row(stated), Change::Drop { key: format!("ack/{}", stated.text("alarm")) }]
        }
        Kind::AlarmCleared => vec![alarm_row(stated)],
        Kind::AlarmClosed => {
            let id = stated.text("alarm");
            vec![Change::Drop { key: format!("alarm/{id}") }, Change::Drop { key: format!("ack/{id}") }]
        }
        Kind::ActAcknowledged => vec![put(format!("ack/{}", stated.text("alarm")), &seen_row(stated))],
        kind if nonconformity::tells(kind) => {
            let rows = nonconformity::rows(stated.kind, with_about(stated));
            // What a trusted clock has seen expire stays expired, whatever the clock is worth after the next start.
            let floor = stated.data.get("judged_ms").map(|ms| put("floor".into(), ms));
            let over =
                stated.kind == Kind::NonconformityClosed && stated.text("reason") == nonconformity::OUT_OF_TOLERANCE;
            let over = over.then(|| change(affected::dropped(stated.equipment.unwrap_or_default())));
            rows.into_iter().map(change).chain(floor).chain(over).collect()
        }
        Kind::Readings if stated.driver == Some("mqtt") => heard_rows(stated),
        Kind::GapDropped => {
            let ever = stated.data.get(crate::drafts::TOTALS);
            ever.map(|ever| put(crate::drafts::ROW.into(), ever)).into_iter().collect()
        }
        Kind::RegisterApplied => vec![put("register".into(), &Value::Object(stated.data.clone()))],
        Kind::OrderApplied => vec![put("order".into(), &Value::Object(stated.data.clone()))],
        Kind::RootApplied => vec![put("root".into(), &Value::Object(stated.data.clone()))],
        Kind::OrderRejected => commanded(stated).into_iter().collect(),
        Kind::SettingsApplied => vec![put("settings".into(), &Value::Object(stated.data.clone()))],
        // Rows said again, because the records that said them are disposed of.
        Kind::Snapshot if stated.data.get(ANEW) == Some(&Value::Bool(true)) => {
            [vec![Change::Clear], kept_rows(stated)].concat()
        }
        Kind::Snapshot => kept_rows(stated),
        // The record of the gateway is the last one of a summary.
        Kind::SummaryDay if stated.equipment.is_none() && stated.data.get(crate::summary::VOID).is_none() => {
            let to = stated.data.get("to").and_then(Value::as_u64).unwrap_or(0);
            vec![put(crate::summary::ROW.into(), &json!({ "to": to }))]
        }
        Kind::Heartbeat => {
            let floor = stated.data.get("judged_ms").map(|ms| put("floor".into(), ms));
            floor.into_iter().chain(commanded(stated)).collect()
        }
        _ => by_people(stated),
    }
}

/// What people do beside equipment: drills and what follows them, shifts, the level of the site.
fn by_people(stated: Stated<'_>) -> Vec<Change> {
    match stated.kind {
        Kind::ExerciseStarted => {
            let row = json!({ "id": stated.data.get("id"), "auth": stated.data.get("auth") });
            [put("drill".into(), &row)].into_iter().chain(commanded(stated)).collect()
        }
        Kind::ExerciseEnded => {
            let waits = exercise::rows(stated.kind, stated.data).into_iter().map(change);
            [Change::Drop { key: "drill".into() }].into_iter().chain(waits).chain(commanded(stated)).collect()
        }
        kind if exercise::tells(kind) => exercise::rows(kind, stated.data).into_iter().map(change).collect(),
        kind if duty::tells(kind) => duty::row(kind, stated.data).map(change).into_iter().collect(),
        Kind::LevelChanged => level::row(stated.data).map(change).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The rows of what people report and of what machines of their own keep: each knows its own.
fn rows_of(stated: Stated<'_>) -> Option<Vec<(String, Option<Value>)>> {
    let (kind, data, equipment) = (stated.kind, stated.data, stated.equipment.unwrap_or_default());
    let one = |row: Option<(String, Option<Value>)>| Some(row.into_iter().collect());
    match kind {
        kind if changes::tells(kind) => Some(changes::rows(kind, equipment, data)),
        kind if work::tells(kind) => one(work::rows(kind, equipment, data)),
        kind if temporary::tells(kind) => one(temporary::row(kind, equipment, data)),
        kind if incident::tells(kind) => Some(incident::rows(kind, equipment, with_about(stated))),
        kind if seals::tells(kind) => Some(seals::rows(kind, stated.equipment, data)),
        Kind::AffectedListed => one(affected::row(equipment, data)),
        Kind::ThreatChanged => one(threat::row(data)),
        Kind::Readings if data.contains_key(measure::DAYS) => one(measure::row(data)),
        _ => None,
    }
}

/// The number of the command that a record answers: none that is not higher is acted on again.
fn commanded(stated: Stated<'_>) -> Option<Change> {
    stated.data.get("command").map(|n| put("command".into(), n))
}

/// That a guard has seen it. Who it was stands beside the record; a row is signed and sent, and leads there by the
/// commitment alone. Records without one state the name themselves.
fn seen_row(stated: Stated<'_>) -> Value {
    match (stated.personal, stated.data.get("by")) {
        (Some(commitment), _) => json!({ "pii": base64url(&commitment) }),
        (None, Some(by)) => json!({ "by": by }),
        (None, None) => json!({}),
    }
}

fn committed(personal: &Personal) -> Option<Commitment> {
    match personal {
        Personal::Committed(commitment) => Some(*commitment),
        Personal::Said(_) => None,
    }
}

fn put(key: String, body: &Value) -> Change {
    Change::Put { key, body: body.to_string() }
}

/// A row with what it says, or without where it is gone.
fn change((key, body): (String, Option<Value>)) -> Change {
    match body {
        Some(body) => put(key, &body),
        None => Change::Drop { key },
    }
}

fn alarm_row(stated: Stated<'_>) -> Change {
    put(format!("alarm/{}", stated.text("alarm")), &Value::Object(with_about(stated)))
}

fn with_about(stated: Stated<'_>) -> Map<String, Value> {
    let mut row = stated.data.clone();
    row.insert("sev".into(), stated.severity.into());
    row.insert("eq".into(), stated.equipment.unwrap_or_default().into());
    row.insert("st".into(), stated.standing.unwrap_or_default().into());
    row
}

/// Last value heard per point with the device's own time; and, where the record counts its message, the message as one
/// of the last [`MESSAGES`]: tells a message delivered twice from a new one.
fn heard_rows(stated: Stated<'_>) -> Vec<Change> {
    // What is unlisted names itself: it may not grow the rows.
    if stated.text("dev").is_empty() {
        return Vec::new();
    }
    let device = stated.text("dev");
    let Some(points) = stated.data.get("p").and_then(Value::as_object) else { return Vec::new() };
    let values = points.iter().map(|(point, value)| put(heard_key(device, point), &json!([value, stated.device_time])));
    let mut rows: Vec<Change> = values.collect();
    if let Some(n) = stated.data.get("message").and_then(Value::as_u64) {
        let packet = || Some((stated.data.get("packet")?.get(0)?, stated.data.get("packet")?.get(1)?));
        let row = match stated.device_time {
            Some(time) => Some(json!([n, message_digest(time, points)])),
            // Without a device time only the wire knows it again, and the record may state a part of it.
            None => packet().map(|(packet, digest)| json!([n, digest, packet])),
        };
        rows.extend(row.map(|row| put(message_key(device, n), &row)));
    }
    rows
}

/// The field of a `snapshot` that says rows again: by key, number of the record that said it first, and body.
pub const KEPT: &str = "kept";

/// The field of the first `snapshot` behind a branch that was left: what it and those behind it say is all that holds.
pub const ANEW: &str = "anew";

/// The field of every `snapshot` that belongs to such a statement of all rows: `[which, of how many]`.
pub const PART: &str = "part";

fn kept_rows(stated: Stated<'_>) -> Vec<Change> {
    let kept = stated.data.get(KEPT).and_then(Value::as_object);
    let row = |(key, said): (&String, &Value)| {
        let (seq, body) = (said.get(0)?.as_u64()?, said.get(1)?.as_str()?.to_owned());
        Some(Change::Again(StateRow { key: key.clone(), body, seq }))
    };
    kept.into_iter().flatten().filter_map(row).collect()
}

/// Messages of one device that are remembered: many times what a carrier may have unconfirmed, because a broker may give
/// those again behind others that waited. About 20 KiB of rows for a camera that talks.
pub const MESSAGES: u64 = 256;

/// A message told apart by what it says and when its device says so: 128 bits of SHA-256, base64url.
pub fn message_digest(time: &str, points: &Map<String, Value>) -> String {
    let hash = Sha256::digest(json!([time, points]).to_string());
    base64url(&hash[..16])
}

/// Key of the row that remembers the `n`th message of a device.
pub fn message_key(device: &str, n: u64) -> String {
    format!("message/{device}/{:03}", n % MESSAGES)
}

/// Key of the row that remembers a heard point.
pub fn heard_key(device: &str, point: &str) -> String {
    format!("heard/{device}/{point}")
}
