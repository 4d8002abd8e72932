//! Last value of every point, and `readings` records of what changed.

use crate::memory;
use crate::plan::{Device, DeviceSpeech, ReadingsPolicy};
use crate::statement::{Commit, Evidence, Statement};
use crate::wire::StateRow;
use picket_device::quantity::{Observation, Quality, Value};
use picket_record::body;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Most points of one record: keeps it under 8 KiB with the longest names and values a profile may have.
const MAX_POINTS: usize = 100;

/// What was last seen of each device.
#[derive(Debug)]
pub struct Readings {
    devices: Vec<BTreeMap<String, Last>>,
}

/// Last value of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Value.
    pub value: Value,
    /// Quality.
    pub quality: Quality,
    device_time: Option<String>,
}

impl Readings {
    /// From the rows the journal recovered: what speaking devices said last.
    pub fn new(devices: &[Device], rows: &[StateRow]) -> Self {
        let mut readings = Self { devices: vec![BTreeMap::new(); devices.len()] };
        for (index, device) in devices.iter().enumerate() {
            let prefix = memory::heard_key(&device.name, "");
            for row in rows {
                let Some(point) = row.key.strip_prefix(&prefix) else { continue };
                if let Some(last) = read_row(&row.body) {
                    readings.devices[index].insert(point.to_owned(), last);
                }
            }
        }
        readings
    }

    /// Last values of a device.
    pub fn of(&self, device: usize) -> impl Iterator<Item = (&str, &Last)> {
        self.devices.get(device).into_iter().flatten().map(|(point, last)| (point.as_str(), last))
    }

    /// Takes what was seen; gives the changed ones. A message that says the same at the same device time was delivered
    /// twice and changes nothing.
    pub fn take<'a>(&mut self, device: usize, seen: &'a [Observation], time: Option<&String>) -> Vec<&'a Observation> {
        let Some(points) = self.devices.get_mut(device) else { return Vec::new() };
        let mut changed = Vec::new();
        for observation in seen {
            match points.get_mut(&observation.point) {
                Some(last) if last.value == observation.value && last.quality == observation.quality => {
                    last.device_time = time.cloned();
                }
                last => {
                    let fresh = Last {
                        value: observation.value.clone(),
                        quality: observation.quality,
                        device_time: time.cloned(),
                    };
                    match last {
                        Some(last) => *last = fresh,
                        None => drop(points.insert(observation.point.clone(), fresh)),
                    }
                    changed.push(observation);
                }
            }
        }
        changed
    }

    /// Every value of a device is old from here on.
    pub fn stale(&mut self, device: usize) {
        for last in self.devices.get_mut(device).into_iter().flat_map(BTreeMap::values_mut) {
            last.quality = Quality::Stale;
        }
    }

    /// The records of a change, within the size limit of one.
    pub fn statements(device: &Device, changed: &[&Observation], evidence: &Evidence) -> Vec<Statement> {
        let commit = match device.readings {
            ReadingsPolicy::Off => return Vec::new(),
            ReadingsPolicy::Routine => Commit::Routine,
            ReadingsPolicy::Now => Commit::Now,
        };
        let parts = changed.chunks(MAX_POINTS);
        let of = parts.len();
        parts
            .enumerate()
            .map(|(part, chunk)| {
                let points: Map<String, Json> =
                    chunk.iter().map(|o| (o.point.clone(), json_value(o, unit(device, &o.point)))).collect();
                let mut data = json!({ "dev": device.name, "p": points });
                if of > 1 {
                    data["part"] = json!([part + 1, of]);
                }
                let mut statement = Statement::new(Kind::Readings, Severity::Info, data);
                statement.commit = commit;
                statement.about(&device.equipment).from(Some(evidence))
            })
            .collect()
    }
}

fn unit<'a>(device: &'a Device, point: &str) -> &'a str {
    match &device.speech {
        DeviceSpeech::Modbus { speech, .. } => {
            speech.points.iter().find(|p| p.name == point).map_or("", |p| p.unit.as_str())
        }
        DeviceSpeech::SealReader | DeviceSpeech::Camera { .. } | DeviceSpeech::Json { .. } => "",
    }
}

fn json_value(observation: &Observation, unit: &str) -> Json {
    if observation.quality != Quality::Good {
        return json!({ "q": "bad" });
    }
    match &observation.value {
        Value::Bit(bit) => Json::Bool(*bit),
        Value::Number { mantissa, exponent } => body::measured(*mantissa, *exponent, unit),
        Value::Text(text) => Json::String(text.clone()),
        Value::Unknown => Json::Null,
    }
}

/// `[value, device time]` as [`crate::memory`] writes it.
fn read_row(row: &str) -> Option<Last> {
    let parsed: (Json, Option<String>) = serde_json::from_str(row).ok()?;
    let (value, quality) = match parsed.0 {
        Json::Bool(bit) => (Value::Bit(bit), Quality::Good),
        Json::String(text) => (Value::Text(text), Quality::Good),
        Json::Null => (Value::Unknown, Quality::Good),
        Json::Object(map) => match map.get("v").and_then(Json::as_i64) {
            Some(mantissa) => {
                let exponent = map.get("e").and_then(Json::as_i64).and_then(|e| i8::try_from(e).ok()).unwrap_or(0);
                (Value::Number { mantissa, exponent }, Quality::Good)
            }
            None => (Value::Unknown, Quality::Bad),
        },
        Json::Number(_) | Json::Array(_) => return None,
    };
    Some(Last { value, quality, device_time: parsed.1 })
}
