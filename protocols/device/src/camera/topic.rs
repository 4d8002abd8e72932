//! The levels of an event topic:
//!
//! ```text
//! Topic  = TopicPrefix "/" "onvif-ej" "/" LocalTopic [ "/&" Source ]
//! Source = value *("/" value)
//! ```
//!
//! ONVIF Core specification, chapter "Event Broker". The prefix may contain `/`; some cameras keep the namespace
//! `tns1:` that the specification cuts.

/// The level that marks an event in JSON.
const EVENT_LEVEL: &str = "onvif-ej";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventTopic<'a> {
    pub(super) prefix: &'a str,
    /// Without `tnsN:`.
    pub(super) local: String,
    /// Source values joined by `/`, where the topic tells them.
    pub(super) source: Option<&'a str>,
}

/// `None` without a prefix, the event level and a local topic.
pub(super) fn split(topic: &str) -> Option<EventTopic<'_>> {
    let (prefix, rest) = halves(topic)?;
    let (local, source) = match rest.split_once("/&") {
        Some((local, source)) => (local, Some(source).filter(|source| !source.is_empty())),
        None => (rest, None),
    };
    let local = local.split('/').map(without_namespace).collect::<Vec<_>>().join("/");
    (!local.is_empty() && !local.starts_with('&')).then_some(EventTopic { prefix, local, source })
}

pub(super) fn prefix(topic: &str) -> Option<&str> {
    halves(topic).map(|(prefix, _)| prefix)
}

/// Cut at the first level `onvif-ej` that has a level in front of it.
fn halves(topic: &str) -> Option<(&str, &str)> {
    let mut start = 0;
    for level in topic.split('/') {
        if level == EVENT_LEVEL && start > 1 {
            let rest = topic[start + level.len()..].strip_prefix('/').unwrap_or("");
            return Some((&topic[..start - 1], rest));
        }
        start += level.len() + 1;
    }
    None
}

/// Cuts `tns1:`; a vendor's own namespace (`acme:LensFailure`) is part of the name.
fn without_namespace(level: &str) -> &str {
    let Some((namespace, name)) = level.split_once(':') else { return level };
    let number = namespace.strip_prefix("tns").unwrap_or("");
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) { name } else { level }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(topic: &str) -> (&str, String, Option<&str>) {
        let topic = split(topic).unwrap();
        (topic.prefix, topic.local, topic.source)
    }

    #[test]
    fn the_samples_of_the_specification_are_cut_at_their_seams() {
        let crossed = "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1";
        let local = "RuleEngine/LineDetector/Crossed".to_owned();
        assert_eq!(levels(crossed), ("MyDevice", local, Some("1/2/MyImportantFence1")));
        let high = "MyDevice/onvif-ej/Device/Sensor/Temperature/High";
        assert_eq!(levels(high), ("MyDevice", "Device/Sensor/Temperature/High".to_owned(), None));
    }

    #[test]
    fn the_namespace_that_hanwha_keeps_is_cut() {
        let relay = "E4:30:22:F3:31:AA/onvif-ej/Device/tns1:Trigger/tns1:Relay/&Relay-1";
        assert_eq!(levels(relay), ("E4:30:22:F3:31:AA", "Device/Trigger/Relay".to_owned(), Some("Relay-1")));
    }

    #[test]
    fn the_namespace_of_a_vendor_stays() {
        let lens = "cam/onvif-ej/Device/HardwareFailure/acme:LensFailure";
        assert_eq!(levels(lens).1, "Device/HardwareFailure/acme:LensFailure");
        assert_eq!(levels("cam/onvif-ej/tns1:Device/tnsaxis:Sensor/PIR").1, "Device/tnsaxis:Sensor/PIR");
    }

    #[test]
    fn a_prefix_may_have_several_levels() {
        assert_eq!(prefix("site/gate 2/cam/onvif-ej/VideoSource/MotionAlarm"), Some("site/gate 2/cam"));
        assert_eq!(prefix("onvif-ej/onvif-ej/VideoSource/MotionAlarm"), Some("onvif-ej"));
    }

    #[test]
    fn a_topic_without_prefix_event_level_or_local_topic_is_no_event() {
        for topic in
            ["", "onvif-ej/A", "/onvif-ej/A", "E4:30:22:F3:31:AA/heartbeat", "cam/onvif-mj/A", "cam/xonvif-ej/A"]
        {
            assert_eq!(prefix(topic), None, "{topic}");
            assert_eq!(split(topic), None, "{topic}");
        }
        for topic in ["cam/onvif-ej", "cam/onvif-ej/", "cam/onvif-ej/&VS1"] {
            assert_eq!(split(topic), None, "{topic}");
        }
    }
}
