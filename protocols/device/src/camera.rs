//! ONVIF events over MQTT (`onvif-ej`, Core specification chapter "Event Broker") as observations.

use crate::quantity::Observation;

/// Longest payload that is parsed, in bytes: an event is a few hundred; more is a fault.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// One camera event, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraEvent {
    /// Topic prefix in front of `onvif-ej`: the camera's name at the broker.
    pub prefix: String,
    /// ONVIF topic without namespaces, such as `VideoSource/GlobalSceneChange/ImagingService`.
    pub topic: String,
    /// What it means; point names are [`point_name`] of the topic. Empty for topics that mean nothing to Picket.
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

/// Decodes one message. A zero-byte payload (the property was deleted) gives [`crate::quantity::Value::Unknown`].
pub fn decode(topic: &str, payload: &[u8]) -> Result<CameraEvent, CameraFault> {
    let _ = (topic, payload);
    Err(CameraFault::NotAnEvent)
}

/// The prefix in front of `onvif-ej`, if the topic has one.
pub fn prefix(topic: &str) -> Option<&str> {
    let _ = topic;
    None
}

/// What a point of a camera stands for, by its name; `None` for points that mean nothing by themselves.
pub fn signal_of_point(point: &str) -> Option<crate::quantity::Signal> {
    let _ = point;
    None
}
