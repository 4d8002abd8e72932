//! Last value of every point, and `readings` records of what changed.

use crate::memory;
use crate::plan::{self, DeviceSpeech, ReadingsPolicy};
use crate::statement::{Commit, Evidence, Statement};
use crate::wire::StateRow;
use picket_device::quantity::{Observation, Quality, Value};
use picket_record::body;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

mod messages;

pub use messages::{Mark, Remembered};
use messages::{Messages, Told};

/// Most bytes of points in one record: leaves room for everything else in the 8 KiB of a payload.
const MAX_BYTES: usize = 6_000;
/// Most points of one device that are kept. A profile has fewer; a camera names its points itself.
const MAX_POINTS: usize = 2_048;

/// Most points of one message of something unlisted that are stated; a camera event has one.
const MAX_UNLISTED_POINTS: usize = 8;

/// What was last seen of each device.
#[derive(Debug)]
pub struct Readings {
    devices: Vec<Device>,
}

#[derive(Debug, Default)]
struct Device {
    points: BTreeMap<String, Last>,
    messages: Messages,
}

/// Last value of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Value.
    pub value: Value,
    /// Quality.
    pub quality: Quality,
    device_time: Option<String>,
    /// Record that the journal recovered it from; 0 where it was seen since the start.
    pub seq: u64,
}

impl Last {
    /// Whether an observation is no news. What a device dates itself is told apart by that alone: a value that was stale
    /// and is kept by the broker comes again as it was.
    fn says(&self, seen: &Observation, time: Option<&String>) -> bool {
        let same_moment = match time {
            Some(time) => self.device_time.as_ref() == Some(time),
            None => self.quality == seen.quality,
        };
        self.value == seen.value && same_moment
    }
}

impl Readings {
    /// From the rows the journal recovered: what speaking devices said last. `head`: number of its last record.
    pub fn new(devices: &[plan::Device], rows: &[StateRow], head: u64) -> Self {
        let mut readings = Self { devices: Vec::new() };
        for device in devices {
            let mut known = Device { points: BTreeMap::new(), messages: Messages::recover(&device.name, rows, head) };
            let prefix = memory::heard_key(&device.name, "");
            for row in rows {
                let Some(point) = row.key.strip_prefix(&prefix) else { continue };
                if let Some(last) = read_row(row) {
                    known.points.insert(point.to_owned(), last);
                }
            }
            readings.devices.push(known);
        }
        readings
    }

    /// Last value of a point.
    pub fn last(&self, device: usize, point: &str) -> Option<&Last> {
        self.devices.get(device)?.points.get(point)
    }

    /// Last values of a device.
    pub fn of(&self, device: usize) -> impl Iterator<Item = (&str, &Last)> {
        self.devices.get(device).into_iter().flat_map(|d| &d.points).map(|(point, last)| (point.as_str(), last))
    }

    /// Whether a message was taken before in a session that is gone, see `Messages`. Inside one session nothing is
    /// delivered twice.
    pub fn is_second_delivery(&mut self, device: usize, seen: &[Observation], mark: Option<Mark<'_>>) -> bool {
        let (Some(known), Some(mark)) = (self.devices.get_mut(device), mark) else { return false };
        known.messages.is_known(seen, mark)
    }

    /// The session of a device's line is gone: what was not confirmed comes again in the next one.
    pub fn session_lost(&mut self, device: usize) {
        if let Some(known) = self.devices.get_mut(device) {
            known.messages.session_lost();
        }
    }

    /// Whether all of these points are kept, or may be.
    pub fn has_room(&self, device: usize, seen: &[Observation]) -> bool {
        let Some(known) = self.devices.get(device) else { return false };
        let fresh = seen.iter().filter(|o| !known.points.contains_key(&o.point)).count();
        known.points.len() + fresh <= MAX_POINTS
    }

    /// Remembers a message; how its record says so. `is_news`: a record tells of it.
    pub fn remember(
        &mut self,
        device: usize,
        seen: &[Observation],
        mark: Option<Mark<'_>>,
        is_news: bool,
    ) -> Option<Remembered> {
        let messages = &mut self.devices.get_mut(device)?.messages;
        messages.remember(Told::of(seen, mark?), is_news)
    }

    /// Takes what was seen; gives what is news: another value, or the same at another time of the device. A broker may
    /// hand messages over in another order than they were said in, so the value alone does not tell.
    pub fn take<'a>(&mut self, device: usize, seen: &'a [Observation], time: Option<&String>) -> Vec<&'a Observation> {
        let Some(points) = self.devices.get_mut(device).map(|known| &mut known.points) else { return Vec::new() };
        let mut changed = Vec::new();
        for observation in seen {
            match points.get_mut(&observation.point) {
                Some(last) if last.says(observation, time) => last.quality = observation.quality,
                last => {
                    let fresh = Last {
                        value: observation.value.clone(),
                        quality: observation.quality,
                        device_time: time.cloned(),
                        seq: 0,
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
        for last in self.devices.get_mut(device).into_iter().flat_map(|d| d.points.values_mut()) {
            last.quality = Quality::Stale;
        }
    }

    /// Observations of something that is no device of the plan, as a record states them.
    pub fn points(seen: &[Observation]) -> Map<String, Json> {
        seen.iter().take(MAX_UNLISTED_POINTS).map(|o| (o.point.clone(), json_value(o, ""))).collect()
    }

    /// The records of a change, within the size limit of one. `message` as [`Readings::remember`] gives it.
    pub fn statements(
        device: &plan::Device,
        changed: &[&Observation],
        message: Option<&Remembered>,
        evidence: &Evidence,
    ) -> Vec<Statement> {
        let commit = match device.readings {
            ReadingsPolicy::Off => return Vec::new(),
            ReadingsPolicy::Routine => Commit::Routine,
            ReadingsPolicy::Now => Commit::Now,
        };
        let parts = parts(device, changed);
        let of = parts.len();
        parts
            .into_iter()
            .enumerate()
            .map(|(part, points)| {
                let mut data = json!({ "dev": device.name, "p": points });
                if of > 1 {
                    data["part"] = json!([part + 1, of]);
                } else if let Some(message) = message {
                    message.state_in(&mut data);
                }
                let mut statement = Statement::new(Kind::Readings, Severity::Info, data);
                statement.commit = commit;
                statement.about(&device.equipment).from(Some(evidence))
            })
            .collect()
    }
}

fn parts(device: &plan::Device, changed: &[&Observation]) -> Vec<Map<String, Json>> {
    let mut parts: Vec<Map<String, Json>> = Vec::new();
    let mut bytes = MAX_BYTES;
    for observation in changed {
        let value = json_value(observation, unit(device, &observation.point));
        let size = observation.point.len() + value.to_string().len() + 4;
        if bytes + size > MAX_BYTES {
            parts.push(Map::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.insert(observation.point.clone(), value);
        }
    }
    parts
}

fn unit<'a>(device: &'a plan::Device, point: &str) -> &'a str {
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
fn read_row(row: &StateRow) -> Option<Last> {
    let parsed: (Json, Option<String>) = serde_json::from_str(&row.body).ok()?;
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
    Some(Last { value, quality, device_time: parsed.1, seq: row.seq })
}

#[cfg(test)]
mod tests;
