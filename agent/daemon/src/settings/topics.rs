//! Topic filters of a broker line: what its devices publish, and every camera that nobody listed.

use picket_core::plan::DeviceSpeech;
use std::collections::BTreeSet;

/// Cameras publish below `<name>/onvif-ej/`; one level in front of it is what nearly all of them use.
const ANY_CAMERA: &str = "+/onvif-ej/#";

/// Filters that do not overlap: a message that matches two would be delivered twice (MQTT 3.1.1, section 3.3.5).
pub(super) fn filters(speeches: Vec<&DeviceSpeech>) -> Vec<String> {
    let mut wanted = BTreeSet::from([ANY_CAMERA.to_owned()]);
    for speech in speeches {
        match speech {
            DeviceSpeech::Camera { prefix } => {
                wanted.insert(format!("{prefix}/onvif-ej/#"));
            }
            DeviceSpeech::Json { prefix, map } => {
                let points = map.points.iter().map(|point| point.topic.as_str());
                let will = map.will.iter().map(|will| will.topic.as_str());
                wanted.extend(points.chain(will).map(|topic| format!("{prefix}/{topic}")));
            }
            DeviceSpeech::Modbus { .. } | DeviceSpeech::SealReader => {}
        }
    }
    let wide: Vec<&String> = wanted.iter().filter(|filter| filter.contains(['+', '#'])).collect();
    let covered = |filter: &String| wide.iter().any(|other| *other != filter && covers(other, filter));
    wanted.iter().filter(|filter| !covered(filter)).cloned().collect()
}

/// Whether every topic that `narrow` matches is matched by `wide` (MQTT 3.1.1, section 4.7.1).
fn covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = narrow.split('/');
    for level in wide.split('/') {
        match (level, narrow.next()) {
            ("#", _) => return true,
            ("+", Some(other)) if other != "#" => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    narrow.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_device::pointer_map::{PointerMap, PointerPoint, Will};

    fn camera(prefix: &str) -> DeviceSpeech {
        DeviceSpeech::Camera { prefix: prefix.into() }
    }

    #[test]
    fn the_wildcard_covers_cameras_with_one_level() {
        assert_eq!(filters(vec![&camera("cam-1"), &camera("cam-2")]), ["+/onvif-ej/#"]);
    }

    #[test]
    fn a_camera_below_a_folder_gets_its_own_filter() {
        assert_eq!(filters(vec![&camera("yard/cam-1")]), ["+/onvif-ej/#", "yard/cam-1/onvif-ej/#"]);
    }

    #[test]
    fn json_equipment_is_heard_at_each_of_its_topics_once() {
        let point = |topic: &str| PointerPoint {
            name: "p".into(),
            topic: topic.into(),
            pointer: String::new(),
            signal: None,
            true_when: None,
        };
        let will = Some(Will { topic: "status".into(), pointer: String::new(), gone: "off".into() });
        let map = PointerMap {
            points: vec![point("data"), point("data"), point("status")],
            quality: None,
            will,
            silence_s: 0,
        };
        let speech = DeviceSpeech::Json { prefix: "io/1".into(), map };
        assert_eq!(filters(vec![&speech]), ["+/onvif-ej/#", "io/1/data", "io/1/status"]);
    }

    #[test]
    fn a_line_without_devices_still_hears_cameras() {
        assert_eq!(filters(Vec::new()), ["+/onvif-ej/#"]);
    }

    #[test]
    fn a_filter_covers_what_is_below_it_only() {
        assert!(covers("a/#", "a/b/c") && covers("a/+", "a/b") && covers("+/x/#", "a/x/y"));
        assert!(!covers("a/+", "a/#") && !covers("a/b", "a/b/c") && !covers("+/x/#", "a/b/x/y"));
    }
}
