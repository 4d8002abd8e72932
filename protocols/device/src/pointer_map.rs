//! Plain JSON messages: points by JSON pointer (RFC 6901), liveness by last will.

use crate::camera::CameraFault;
use crate::payload;
use crate::quantity::{Observation, Quality, Signal, Value};
use serde::Deserialize;
use serde_json::Value as Json;

/// How one kind of message becomes observations. Topics are relative to the device's topic prefix in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerMap {
    /// Points and where they stand.
    #[serde(default, rename = "point")]
    pub points: Vec<PointerPoint>,
    /// What the device says of its own readings.
    #[serde(default)]
    pub quality: Option<Doubt>,
    /// Topic that carries the device's birth and last will.
    #[serde(default)]
    pub will: Option<Will>,
    /// Longest silence in seconds; 0 = no limit.
    #[serde(default)]
    pub silence_s: u32,
}

/// One point of a JSON message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerPoint {
    /// Unique in the profile.
    pub name: String,
    /// Topic below the prefix, such as `data`.
    pub topic: String,
    /// JSON pointer, such as `/di1`; empty for the whole payload.
    pub pointer: String,
    /// What it stands for. A measured point is never read as true or false, a seal always as text.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// The value that means true; booleans, numbers and strings are compared by their text, case ignored. Left out:
    /// active, true, 1, on are true and inactive, false, 0, off are false, anything else is a number or text.
    #[serde(default)]
    pub true_when: Option<String>,
}

/// Where a device says how good its readings are: every point of a message on this topic that does not say `good` there
/// is bad, also of one that says nothing there. The point that tells the quality itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// Topic below the prefix.
    pub topic: String,
    /// JSON pointer into the message.
    pub pointer: String,
    /// Text that means good, such as `192`.
    pub good: String,
}

/// Where a device says that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Will {
    /// Topic below the prefix.
    pub topic: String,
    /// JSON pointer; empty for the whole payload as text.
    #[serde(default)]
    pub pointer: String,
    /// Text that means gone, such as `offline`.
    pub gone: String,
}

/// What one message said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Observations; empty where the topic is not mapped.
    pub observations: Vec<Observation>,
    /// The device said it is gone (`Some(false)`), or present (`Some(true)`).
    pub present: Option<bool>,
}

impl PointerMap {
    /// Decodes a message on `topic` (below the prefix). An empty payload makes every point of that topic unknown, and
    /// says nothing of presence. A point that the message does not have is not observed; one whose value is no plain
    /// value, or too long, is unknown and bad. A payload that is not JSON is a text where no pointer looks into it.
    pub fn decode(&self, topic: &str, payload: &[u8]) -> Result<Heard, CameraFault> {
        let points: Vec<&PointerPoint> = self.points.iter().filter(|point| point.topic == topic).collect();
        let will = self.will.as_ref().filter(|will| will.topic == topic);
        if points.is_empty() && will.is_none() {
            return Ok(Heard::default());
        }
        if payload.is_empty() {
            let observations = points.iter().map(|point| observation(point, Value::Unknown, Quality::Good)).collect();
            return Ok(Heard { observations, present: None });
        }
        let looks_inside =
            points.iter().any(|point| !point.pointer.is_empty()) || will.is_some_and(|will| !will.pointer.is_empty());
        let body = body(payload, looks_inside)?;
        let doubt = self.quality.as_ref().filter(|doubt| doubt.topic == topic && !doubt.is_good(&body));
        let mut observations = Vec::new();
        for point in points {
            let doubted = doubt.is_some_and(|doubt| doubt.pointer != point.pointer);
            observations.extend(point.observe(&body).map(|seen| if doubted { bad(point) } else { seen }));
        }
        Ok(Heard { observations, present: will.and_then(|will| will.present(&body)) })
    }
}

/// The message as a tree; a payload that is not JSON is one text where that is allowed.
fn body(payload: &[u8], must_be_json: bool) -> Result<Json, CameraFault> {
    payload::within_size(payload)?;
    match payload::parse(payload) {
        Err(_) if !must_be_json => std::str::from_utf8(payload)
            .map(|text| Json::String(text.to_owned()))
            .map_err(|fault| CameraFault::Unreadable(fault.to_string())),
        parsed => parsed,
    }
}

impl PointerPoint {
    fn observe(&self, body: &Json) -> Option<Observation> {
        let leaf = body.pointer(&self.pointer)?;
        let value = match payload::leaf_text(leaf) {
            Some(text) => self.value(&text),
            None if leaf.is_null() => Some(Value::Unknown),
            None => None,
        };
        Some(match value {
            Some(value) => observation(self, value, Quality::Good),
            None => bad(self),
        })
    }

    fn value(&self, text: &str) -> Option<Value> {
        if let Some(word) = &self.true_when {
            return Some(Value::Bit(same(word, text)));
        }
        match self.signal {
            Some(Signal::Seal) => Value::text(text),
            Some(Signal::Measured) => payload::number_or_text(text),
            Some(_) | None => payload::flag(text).map(Value::Bit).or_else(|| payload::number_or_text(text)),
        }
    }
}

impl Doubt {
    fn is_good(&self, body: &Json) -> bool {
        let said = body.pointer(&self.pointer).and_then(payload::leaf_text);
        said.is_some_and(|text| same(&self.good, &text))
    }
}

impl Will {
    /// `None` where the message does not have the value.
    fn present(&self, body: &Json) -> Option<bool> {
        let text = body.pointer(&self.pointer).and_then(payload::leaf_text)?;
        Some(!same(&self.gone, &text))
    }
}

fn same(word: &str, text: &str) -> bool {
    word.trim().to_lowercase() == text.to_lowercase()
}

fn bad(point: &PointerPoint) -> Observation {
    observation(point, Value::Unknown, Quality::Bad)
}

fn observation(point: &PointerPoint, value: Value, quality: Quality) -> Observation {
    Observation { point: point.name.clone(), value, quality }
}

#[cfg(test)]
mod tests;
