//! ONVIF events over MQTT (`onvif-ej`, Core specification chapter "Event Broker") as observations.

mod meaning;
mod topic;

use crate::payload;
use crate::quantity::{Observation, Quality, Signal, Value};
use serde_json::Value as Json;

/// Longest payload that is parsed, in bytes: an event is a few hundred; more is a fault.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Longest point name in bytes: any topic Picket knows with a source of a sensible length.
pub const MAX_POINT_NAME: usize = 96;

/// Longest `UtcTime` that is kept, in bytes: XML Schema `dateTime` with fractions and a zone takes 35.
const MAX_TIME: usize = 64;

/// One camera event, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraEvent {
    /// Topic prefix in front of `onvif-ej`: the camera's name at the broker.
    pub prefix: String,
    /// ONVIF topic without namespaces, such as `VideoSource/GlobalSceneChange/ImagingService`.
    pub topic: String,
    /// What it means, one at most: its point is the [`point_name`] of topic and source, its signal [`signal_of`] the
    /// topic. Empty for topics that mean nothing to Picket.
    pub observations: Vec<Observation>,
    /// `UtcTime` of the camera, as sent: untrusted.
    pub device_time: Option<String>,
}

/// Why a message is not a camera event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CameraFault {
    /// No `onvif-ej` level in the topic, or nothing in front of it.
    #[error("no camera name and onvif-ej level in the topic")]
    NotAnEvent,
    /// More than [`MAX_PAYLOAD`] bytes.
    #[error("payload of {0} bytes is above {MAX_PAYLOAD}")]
    TooLarge(usize),
    /// Not the JSON that the specification describes.
    #[error("unreadable payload: {0}")]
    Unreadable(String),
}

/// Decodes one message. A zero-byte payload (the property was deleted) gives [`crate::quantity::Value::Unknown`]. The
/// source is the one in the topic, else the one in the payload: a property whose topic names no source cannot be
/// matched to it when it is deleted. A state that is none of the words of its topic is a fault.
pub fn decode(topic: &str, payload: &[u8]) -> Result<CameraEvent, CameraFault> {
    let levels = topic::split(topic).ok_or(CameraFault::NotAnEvent)?;
    let mut event = CameraEvent {
        prefix: levels.prefix.to_owned(),
        topic: levels.local,
        observations: Vec::new(),
        device_time: None,
    };
    let meaning = meaning::of(&event.topic);
    if payload.is_empty() {
        let point = point_name(&event.topic, levels.source.unwrap_or(""));
        let deleted = Observation { point, value: Value::Unknown, quality: Quality::Good };
        event.observations.extend(meaning.map(|_| deleted));
        return Ok(event);
    }
    let body = payload::parse(payload)?;
    let fields = body.as_object().ok_or_else(|| CameraFault::Unreadable("not an object".to_owned()))?;
    event.device_time = fields.get("UtcTime").and_then(Json::as_str).filter(|t| t.len() <= MAX_TIME).map(str::to_owned);
    if let Some(meaning) = meaning {
        let source = levels.source.map_or_else(|| source_of(fields.get("Source")), str::to_owned);
        let (value, quality) = value_of(meaning, &items(fields.get("Data")))?;
        event.observations.push(Observation { point: point_name(&event.topic, &source), value, quality });
    }
    Ok(event)
}

/// The prefix in front of `onvif-ej`, if the topic has one.
pub fn prefix(topic: &str) -> Option<&str> {
    topic::prefix(topic)
}

/// What a topic without namespaces stands for; `None` where the site binds it (a digital input, a relay), where it has
/// no security meaning (a lock, a date), and for topics that mean nothing to Picket.
pub fn signal_of(topic: &str) -> Option<Signal> {
    meaning::of(topic).and_then(|meaning| meaning.signal)
}

/// What a point named by [`point_name`] stands for: the same as the topic it was named after.
pub fn signal_of_point(point: &str) -> Option<Signal> {
    meaning::of_point(point).and_then(|meaning| meaning.signal)
}

/// The point of a topic without namespaces and a source: `[a-z0-9_]`, at most [`MAX_POINT_NAME`] bytes, the same for
/// the same two for ever. Letters are lowered and runs of ASCII punctuation become one `_`
/// (`device_trigger_relay_relay_1`); names that would lose more end in eight digits of a hash of the whole.
pub fn point_name(topic: &str, source: &str) -> String {
    let whole = if source.is_empty() { topic.to_owned() } else { format!("{topic}/{source}") };
    let mut name = String::new();
    for c in whole.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    if whole.is_ascii() && (1..=MAX_POINT_NAME).contains(&name.len()) {
        return name;
    }
    name.truncate(MAX_POINT_NAME - 9);
    format!("{name}_{:08x}", fnv1a(whole.as_bytes()))
}

/// FNV-1a with 32 bits (Fowler, Noll, Vo: offset basis 2166136261, prime 16777619).
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Name and value of the items in `Source` or `Data`: an object of them (the specification), or `SimpleItem` with one
/// or a list of `Name` and `Value` (Hanwha).
fn items(part: Option<&Json>) -> Vec<(&str, &Json)> {
    let Some(fields) = part.and_then(Json::as_object) else { return Vec::new() };
    match fields.get("SimpleItem") {
        Some(Json::Array(list)) => list.iter().filter_map(simple_item).collect(),
        Some(item @ Json::Object(_)) => simple_item(item).into_iter().collect(),
        Some(_) | None => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
    }
}

fn simple_item(item: &Json) -> Option<(&str, &Json)> {
    item.get("Name").and_then(Json::as_str).zip(item.get("Value"))
}

fn source_of(part: Option<&Json>) -> String {
    items(part).iter().filter_map(|(_, value)| payload::leaf_text(value)).collect::<Vec<_>>().join("/")
}

/// The item that the topic names, else the only one.
fn value_of(meaning: &meaning::Meaning, data: &[(&str, &Json)]) -> Result<(Value, Quality), CameraFault> {
    let named = |name: &&str| data.iter().find(|(item, _)| item.eq_ignore_ascii_case(name));
    let item = meaning.items.iter().find_map(named).or(if let [only] = data { Some(only) } else { None });
    let expected = meaning.items[0];
    let Some((name, leaf)) = item else {
        return Err(CameraFault::Unreadable(format!("no {expected} in Data")));
    };
    let text = payload::leaf_text(leaf)
        .ok_or_else(|| CameraFault::Unreadable(format!("{} is no plain value", payload::quote(name))))?;
    meaning.read(&text).ok_or_else(|| {
        CameraFault::Unreadable(format!(
            "{} is {}, which this topic does not allow",
            payload::quote(name),
            payload::quote(&text)
        ))
    })
}

#[cfg(test)]
mod tests;
