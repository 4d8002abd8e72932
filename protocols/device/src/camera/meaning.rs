//! What the topics of ONVIF events mean to a site. Topics that are not here give no observation.

use crate::payload;
use crate::quantity::{Quality, Signal, Value};

/// How the data item of a topic is read.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// On or off.
    Flag,
    /// One of the words of a state; the first list is on, the second off.
    States(&'static [&'static str], &'static [&'static str]),
    /// A text, such as a date.
    Text,
    /// A number.
    Number,
}

/// One topic, or a family of topics below it.
#[derive(Debug)]
pub(super) struct Meaning {
    topic: &'static str,
    /// Names of the data item, the specified one first; vendors differ.
    pub(super) items: &'static [&'static str],
    reading: Reading,
    pub(super) signal: Option<Signal>,
}

const fn flag(topic: &'static str, items: &'static [&'static str], signal: Option<Signal>) -> Meaning {
    Meaning { topic, items, reading: Reading::Flag, signal }
}

const fn text(topic: &'static str, items: &'static [&'static str]) -> Meaning {
    Meaning { topic, items, reading: Reading::Text, signal: None }
}

const fn door(
    topic: &'static str,
    on: &'static [&'static str],
    off: &'static [&'static str],
    signal: Signal,
) -> Meaning {
    Meaning { topic, items: &["State"], reading: Reading::States(on, off), signal: Some(signal) }
}

/// ONVIF specifications as of commit ae44f9e (2026-07-23) of `onvif/specs`: Imaging (VideoSource), Core
/// (HardwareFailure, Monitoring), Device IO (Trigger), Door Control (Door; the words of its states are the enumerations
/// of `doorcontrol.wsdl`), Analytics (CellMotionDetector). Fog and smoke (ImpairedVisibility) degrade a view and are a
/// fault of it, no tampering.
static MEANINGS: [Meaning; 21] = [
    flag("VideoSource/GlobalSceneChange", &["State"], Some(Signal::ViewLost)),
    flag("VideoSource/ImageTooBlurry", &["State"], Some(Signal::ViewLost)),
    flag("VideoSource/ImageTooDark", &["State"], Some(Signal::ViewLost)),
    flag("VideoSource/ImageTooBright", &["State"], Some(Signal::ViewLost)),
    flag("VideoSource/SignalLoss", &["State"], Some(Signal::ViewLost)),
    flag("VideoSource/ImpairedVisibility", &["State"], Some(Signal::Fault)),
    flag("VideoSource/MotionAlarm", &["State"], Some(Signal::Motion)),
    flag("RuleEngine/CellMotionDetector/Motion", &["IsMotion", "State"], Some(Signal::Motion)),
    flag("Device/HardwareFailure", &["Failed", "Critical", "State"], Some(Signal::Fault)),
    flag("Device/Trigger/DigitalInput", &["LogicalState", "State"], None),
    flag("Device/Trigger/Relay", &["LogicalState", "State"], None),
    door("Door/State/DoorAlarm", &["DoorForcedOpen", "DoorOpenTooLong"], &["Normal"], Signal::Alarm),
    door("Door/State/DoorTamper", &["TamperDetected"], &["NotInTamper"], Signal::Tamper),
    door("Door/State/DoorFault", &["FaultDetected"], &["NotInFault"], Signal::Fault),
    door("Door/State/DoorPhysicalState", &["Open"], &["Closed"], Signal::Open),
    text("Door/State/LockPhysicalState", &["State"]),
    text("Door/State/DoubleLockPhysicalState", &["State"]),
    text("Door/State/DoorMode", &["State"]),
    text("Monitoring/Maintenance", &["Status"]),
    text("Monitoring/OperatingTime", &["Status"]),
    Meaning {
        topic: "Monitoring/BatteryCapacity",
        items: &["PercentageRemainingCapacity"],
        reading: Reading::Number,
        signal: Some(Signal::Measured),
    },
];

/// The meaning of a topic without namespaces; a family covers its topics at any depth.
pub(super) fn of(topic: &str) -> Option<&'static Meaning> {
    let is_or_below = |meaning: &&Meaning| {
        topic.strip_prefix(meaning.topic).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    MEANINGS.iter().find(is_or_below)
}

/// The meaning of a point, by the topic that its name begins with.
pub(super) fn of_point(point: &str) -> Option<&'static Meaning> {
    let is_or_below = |meaning: &&Meaning| {
        let folded = meaning.topic.bytes().map(|b| if b == b'/' { b'_' } else { b.to_ascii_lowercase() });
        let same = folded.clone().zip(point.bytes()).all(|(a, b)| a == b) && point.len() >= meaning.topic.len();
        same && matches!(point.as_bytes().get(meaning.topic.len()), None | Some(b'_'))
    };
    MEANINGS.iter().find(is_or_below)
}

impl Meaning {
    /// The value of a data item's text; `None` where it is none of the words the topic allows.
    pub(super) fn read(&self, text: &str) -> Option<(Value, Quality)> {
        match self.reading {
            Reading::Flag => payload::flag(text).map(|on| (Value::Bit(on), Quality::Good)),
            Reading::States(on, off) => state(text, on, off),
            Reading::Text => Value::text(text).map(|value| (value, Quality::Good)),
            Reading::Number => Value::decimal(text).map(|value| (value, Quality::Good)),
        }
    }
}

/// A door that does not know its state says `Unknown`; one whose contact is broken says `Fault` (Door Control).
fn state(text: &str, on: &[&str], off: &[&str]) -> Option<(Value, Quality)> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(on) || is(off) {
        Some((Value::Bit(is(on)), Quality::Good))
    } else if is(&["Unknown"]) {
        Some((Value::Unknown, Quality::Good))
    } else if is(&["Fault"]) {
        Some((Value::Unknown, Quality::Bad))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_covers_the_topics_below_it_and_no_neighbour() {
        assert!(of("VideoSource/GlobalSceneChange/ImagingService").is_some());
        assert!(of("Device/HardwareFailure/FanFailure").is_some());
        assert!(of("VideoSource/GlobalSceneChangeX").is_none());
        assert!(of("VideoSource").is_none());
    }

    #[test]
    fn a_point_means_what_its_topic_means() {
        for (topic, source) in [("VideoSource/GlobalSceneChange/ImagingService", "VS1"), ("Door/State/DoorTamper", "")]
        {
            let point = super::super::point_name(topic, source);
            assert_eq!(of_point(&point).map(|m| m.signal), of(topic).map(|m| m.signal), "{point}");
        }
        assert!(of_point("videosource_globalscenechangex").is_none());
    }

    #[test]
    fn no_topic_is_listed_twice() {
        for meaning in &MEANINGS {
            assert_eq!(of(meaning.topic).map(|found| std::ptr::eq(found, meaning)), Some(true), "{}", meaning.topic);
        }
    }

    #[test]
    fn a_door_state_is_on_off_unknown_or_faulty() {
        let door = of("Door/State/DoorPhysicalState").unwrap();
        assert_eq!(door.read("Open"), Some((Value::Bit(true), Quality::Good)));
        assert_eq!(door.read("Closed"), Some((Value::Bit(false), Quality::Good)));
        assert_eq!(door.read("Unknown"), Some((Value::Unknown, Quality::Good)));
        assert_eq!(door.read("Fault"), Some((Value::Unknown, Quality::Bad)));
        assert_eq!(door.read("Ajar"), None);
        let alarm = of("Door/State/DoorAlarm").unwrap();
        assert_eq!(alarm.read("DoorOpenTooLong"), Some((Value::Bit(true), Quality::Good)));
    }
}
