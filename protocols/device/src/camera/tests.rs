use super::*;
use proptest::prelude::*;

fn only(topic: &str, payload: &str) -> Observation {
    let mut event = decode(topic, payload.as_bytes()).unwrap();
    assert_eq!(event.observations.len(), 1, "{event:?}");
    event.observations.remove(0)
}

fn unreadable(topic: &str, payload: &str) -> String {
    match decode(topic, payload.as_bytes()) {
        Err(CameraFault::Unreadable(why)) => why,
        other => panic!("{other:?} should be unreadable"),
    }
}

const SCENE: &str = "cam-07/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1";

#[test]
fn a_changed_scene_is_a_lost_view() {
    let payload = r#"{"UtcTime":"2026-01-31T10:15:00Z","Source":{"Source":"VS1"},"Data":{"State":true}}"#;
    let event = decode(SCENE, payload.as_bytes()).unwrap();
    assert_eq!(event.prefix, "cam-07");
    assert_eq!(event.topic, "VideoSource/GlobalSceneChange/ImagingService");
    assert_eq!(event.device_time.as_deref(), Some("2026-01-31T10:15:00Z"));
    let seen = Observation {
        point: "videosource_globalscenechange_imagingservice_vs1".to_owned(),
        value: Value::Bit(true),
        quality: Quality::Good,
    };
    assert_eq!(event.observations, [seen]);
    assert_eq!(signal_of(&event.topic), Some(Signal::ViewLost));
}

#[test]
fn a_deleted_property_is_unknown_and_not_cleared() {
    let seen = only(SCENE, "");
    assert_eq!(seen.point, "videosource_globalscenechange_imagingservice_vs1");
    assert_eq!(seen.value, Value::Unknown);
}

#[test]
fn a_topic_without_meaning_is_told_without_an_observation() {
    let topic = "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1";
    let payload = r#"{"UtcTime":"2008-10-10T12:24:57.321Z","Source":{"VideoSource":"1","AnalyticsConfiguration":"2","Rule":"MyImportantFence1"},"Data":{"ObjectId":"15"}}"#;
    let event = decode(topic, payload.as_bytes()).unwrap();
    assert_eq!((event.observations, event.device_time.as_deref()), (vec![], Some("2008-10-10T12:24:57.321Z")));
    assert_eq!(decode(topic, b"").unwrap().observations, []);
}

#[test]
fn hanwha_relays_are_read_in_both_shapes() {
    let topic = "E4:30:22:F3:31:AA/onvif-ej/Device/tns1:Trigger/tns1:Relay/&Relay-1";
    let flat =
        r#"{"UtcTime":"2026-01-31T10:15:00Z","Source":{"RelayToken":"Relay-1"},"Data":{"LogicalState":"active"}}"#;
    let listed = r#"{"Data":{"SimpleItem":[{"Name":"State","Value":"true"}]}}"#;
    let single = r#"{"Data":{"SimpleItem":{"Name":"LogicalState","Value":"Inactive"}}}"#;
    for (payload, on) in [(flat, true), (listed, true), (single, false)] {
        let seen = only(topic, payload);
        assert_eq!((seen.point.as_str(), seen.value), ("device_trigger_relay_relay_1", Value::Bit(on)), "{payload}");
    }
    assert_eq!(signal_of("Device/Trigger/Relay"), None);
}

#[test]
fn a_source_in_the_payload_tells_the_point_where_the_topic_has_none() {
    let topic = "cam/onvif-ej/Device/Trigger/DigitalInput";
    let flat = r#"{"Source":{"InputToken":"DI-2"},"Data":{"LogicalState":false}}"#;
    let listed = r#"{"Source":{"SimpleItem":[{"Name":"InputToken","Value":"DI-2"}]},"Data":{"LogicalState":0}}"#;
    for payload in [flat, listed] {
        let seen = only(topic, payload);
        assert_eq!((seen.point.as_str(), seen.value), ("device_trigger_digitalinput_di_2", Value::Bit(false)));
    }
}

#[test]
fn two_sources_and_two_topics_are_separate_points() {
    let names = [
        point_name("VideoSource/SignalLoss", "VS1"),
        point_name("VideoSource/SignalLoss", "VS2"),
        point_name("VideoSource/ImageTooDark/ImagingService", "VS1"),
        point_name("VideoSource/SignalLoss", ""),
        point_name("Device/Trigger/DigitalInput", "门一"),
        point_name("Device/Trigger/DigitalInput", "门二"),
        point_name("Device/Trigger/DigitalInput", &format!("{}1", "x".repeat(200))),
        point_name("Device/Trigger/DigitalInput", &format!("{}2", "x".repeat(200))),
    ];
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn the_name_of_a_point_never_changes() {
    assert_eq!(point_name("VideoSource/SignalLoss", "VS1"), "videosource_signalloss_vs1");
    assert_eq!(point_name("Device/Trigger/DigitalInput", "Tür 1"), "device_trigger_digitalinput_t_r_1_46e60842");
}

/// Test vectors of the authors (`test_fnv.c`, 32 bits).
#[test]
fn the_hash_is_fnv_1a() {
    assert_eq!(fnv1a(b""), 0x811c_9dc5);
    assert_eq!(fnv1a(b"a"), 0xe40c_292c);
    assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
}

#[test]
fn every_topic_of_the_table_has_its_signal() {
    for (topic, signal) in [
        ("VideoSource/GlobalSceneChange/AnalyticsService", Some(Signal::ViewLost)),
        ("VideoSource/ImageTooBlurry/RecordingService", Some(Signal::ViewLost)),
        ("VideoSource/ImageTooDark/ImagingService", Some(Signal::ViewLost)),
        ("VideoSource/ImageTooBright/ImagingService", Some(Signal::ViewLost)),
        ("VideoSource/SignalLoss", Some(Signal::ViewLost)),
        ("VideoSource/ImpairedVisibility", Some(Signal::Fault)),
        ("VideoSource/MotionAlarm", Some(Signal::Motion)),
        ("Device/HardwareFailure/StorageFailure", Some(Signal::Fault)),
        ("Device/HardwareFailure/acme:LensFailure", Some(Signal::Fault)),
        ("Device/Trigger/DigitalInput", None),
        ("Door/State/DoorAlarm", Some(Signal::Alarm)),
        ("Door/State/DoorTamper", Some(Signal::Tamper)),
        ("Door/State/DoorFault", Some(Signal::Fault)),
        ("Door/State/DoorPhysicalState", Some(Signal::Open)),
        ("Door/State/DoorMode", None),
        ("Monitoring/BatteryCapacity", Some(Signal::Measured)),
        ("Something/Else", None),
    ] {
        assert_eq!(signal_of(topic), signal, "{topic}");
    }
}

#[test]
fn a_failure_a_date_a_charge_and_a_door_are_read_by_their_own_words() {
    let failed = r#"{"Source":{"Token":"fan0"},"Data":{"Failed":"true"}}"#;
    assert_eq!(only("c/onvif-ej/Device/HardwareFailure/FanFailure", failed).value, Value::Bit(true));
    let critical = r#"{"Data":{"Critical":false}}"#;
    assert_eq!(only("c/onvif-ej/Device/HardwareFailure/TemperatureCritical", critical).value, Value::Bit(false));
    let last = r#"{"Data":{"Status":"2025-07-15T14:30:00Z"}}"#;
    assert_eq!(only("c/onvif-ej/Monitoring/Maintenance/Last", last).value, Value::Text("2025-07-15T14:30:00Z".into()));
    let charge = r#"{"Data":{"PercentageRemainingCapacity":28.65}}"#;
    let number = Value::Number { mantissa: 2865, exponent: -2 };
    assert_eq!(only("c/onvif-ej/Monitoring/BatteryCapacity", charge).value, number);
    let door = r#"{"Source":{"DoorToken":"D1"},"Data":{"State":"DoorForcedOpen"}}"#;
    assert_eq!(only("c/onvif-ej/Door/State/DoorAlarm/&D1", door).value, Value::Bit(true));
}

#[test]
fn the_only_item_is_taken_where_its_name_is_not_the_specified_one() {
    assert_eq!(only("c/onvif-ej/VideoSource/SignalLoss/&1", r#"{"Data":{"Lost":"ON"}}"#).value, Value::Bit(true));
    assert!(unreadable("c/onvif-ej/VideoSource/SignalLoss/&1", r#"{"Data":{"A":"on","B":"off"}}"#).contains("State"));
}

#[test]
fn a_state_that_is_neither_on_nor_off_is_unreadable() {
    assert!(unreadable(SCENE, r#"{"Data":{"State":"maybe"}}"#).contains("maybe"));
    assert!(unreadable(SCENE, r#"{"Data":{"State":2}}"#).contains('2'));
    assert!(unreadable(SCENE, r#"{"Data":{"State":null}}"#).contains("plain"));
    assert!(unreadable(SCENE, r#"{"Data":{"State":{"a":1}}}"#).contains("plain"));
}

#[test]
fn a_payload_that_is_no_event_is_unreadable() {
    for payload in ["not json", "[]", "true", "{", r#"{"Data":5}"#, r#"{"UtcTime":"x"}"#] {
        unreadable(SCENE, payload);
    }
    assert_eq!(decode("cam/heartbeat", b""), Err(CameraFault::NotAnEvent));
}

#[test]
fn a_fault_repeats_little_of_what_the_camera_sent() {
    let payload = format!(r#"{{"Data":{{"State":"{}"}}}}"#, "x".repeat(10_000));
    assert!(unreadable(SCENE, &payload).len() < 200);
}

proptest! {
    #[test]
    fn any_bytes_on_any_topic_are_decoded_or_refused(
        topic in "(c/onvif-ej/VideoSource/SignalLoss(/&.{0,10})?)|.{0,40}",
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = decode(&topic, &payload);
    }

    #[test]
    fn any_state_is_a_value_or_a_fault(state in "[a-zA-Z0-9]{0,8}|\\PC{0,8}") {
        let payload = serde_json::json!({ "Data": { "State": state } }).to_string();
        match decode(SCENE, payload.as_bytes()) {
            Ok(event) => prop_assert!(matches!(event.observations[0].value, Value::Bit(_))),
            Err(fault) => prop_assert!(matches!(fault, CameraFault::Unreadable(_))),
        }
    }

    #[test]
    fn a_point_name_keeps_to_its_letters_and_length(topic in ".{0,80}", source in ".{0,80}") {
        let name = point_name(&topic, &source);
        prop_assert!((1..=MAX_POINT_NAME).contains(&name.len()), "{}", name);
        prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", name);
    }
}
