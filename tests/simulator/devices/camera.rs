//! A camera with the ONVIF event broker: topics and payloads after the samples of the Core specification, chapter "Event
//! Broker", and the message descriptions of the Imaging and Device IO specifications.

use serde_json::json;

/// What a camera tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The whole picture changed: covered, turned away, or uncovered again (`false`).
    SceneChange(bool),
    /// Something moves in the picture.
    Motion(bool),
    /// A contact on one of its inputs.
    DigitalInput {
        /// Token of the input.
        input: &'a str,
        /// Active or inactive.
        active: bool,
    },
}

/// A message for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
}

/// One camera, known by the prefix of its topics.
#[derive(Debug, Clone)]
pub struct Camera {
    prefix: String,
}

impl Camera {
    /// A camera that publishes below `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The message of an event; `utc` is the camera's own time, such as `2026-01-31T10:15:00.000Z`.
    pub fn message(&self, utc: &str, event: Event<'_>) -> Message {
        let (local, token, source, data) = match event {
            Event::SceneChange(state) => (
                "VideoSource/GlobalSceneChange/ImagingService",
                "VS1",
                json!({ "Source": "VS1" }),
                json!({ "State": state }),
            ),
            Event::Motion(state) => {
                ("VideoSource/MotionAlarm", "VS1", json!({ "Source": "VS1" }), json!({ "State": state }))
            }
            Event::DigitalInput { input, active } => {
                let word = if active { "active" } else { "inactive" };
                let source = json!({ "InputToken": input });
                ("Device/Trigger/DigitalInput", input, source, json!({ "LogicalState": word }))
            }
        };
        let payload = json!({ "UtcTime": utc, "Source": source, "Data": data });
        Message { topic: format!("{}/onvif-ej/{local}/&{token}", self.prefix), payload: payload.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covered_camera_says_what_the_specification_describes() {
        let message = Camera::new("cam-07").message("2026-01-31T10:15:00Z", Event::SceneChange(true));
        assert_eq!(message.topic, "cam-07/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1");
        let told: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
        let sample = r#"{"UtcTime":"2026-01-31T10:15:00Z","Source":{"Source":"VS1"},"Data":{"State":true}}"#;
        assert_eq!(told, serde_json::from_str::<serde_json::Value>(sample).unwrap());
    }
}
