use super::*;
use proptest::prelude::*;

/// A map like the one for the Advantech ADAM-6050.
fn adam() -> PointerMap {
    toml::from_str(
        r#"
        [[point]]
        name = "di1"
        topic = "data"
        pointer = "/di1"
        [[point]]
        name = "do6"
        topic = "data"
        pointer = "/do6"
        [[point]]
        name = "q"
        topic = "data"
        pointer = "/q"
        signal = "measured"
        [[point]]
        name = "bad"
        topic = "data"
        pointer = "/q"
        true_when = "0"
        [quality]
        topic = "data"
        pointer = "/q"
        good = "192"
        [will]
        topic = "Device_Status"
        pointer = "/status"
        gone = "disconnect"
        "#,
    )
    .unwrap()
}

fn one(signal: Option<Signal>, true_when: Option<&str>, payload: &str) -> (Value, Quality) {
    let point = PointerPoint {
        name: "p".to_owned(),
        topic: "t".to_owned(),
        pointer: String::new(),
        signal,
        true_when: true_when.map(str::to_owned),
    };
    let map = PointerMap { points: vec![point], quality: None, will: None, silence_s: 0 };
    let mut heard = map.decode("t", payload.as_bytes()).unwrap();
    let seen = heard.observations.remove(0);
    (seen.value, seen.quality)
}

fn number(mantissa: i64, exponent: i8) -> (Value, Quality) {
    (Value::Number { mantissa, exponent }, Quality::Good)
}

fn bit(on: bool) -> (Value, Quality) {
    (Value::Bit(on), Quality::Good)
}

const DATA: &[u8] = br#"{"s":1,"t":0,"q":192,"c":1,"di1":true,"di12":true,"do1":true,"do6":false}"#;

#[test]
fn the_data_of_an_adam_6050_is_found_by_pointer() {
    let heard = adam().decode("data", DATA).unwrap();
    let values: Vec<(&str, Value)> =
        heard.observations.iter().map(|seen| (seen.point.as_str(), seen.value.clone())).collect();
    let expected = [
        ("di1", Value::Bit(true)),
        ("do6", Value::Bit(false)),
        ("q", Value::Number { mantissa: 192, exponent: 0 }),
        ("bad", Value::Bit(false)),
    ];
    assert_eq!(values, expected);
    assert_eq!(heard.present, None);
}

#[test]
fn the_last_will_of_an_adam_6050_says_that_it_is_gone() {
    let gone = br#"{"status":"disconnect","name":"ADAM6050","macid":"00D0C9EFDBBD","ipaddr":"192.168.178.10"}"#;
    assert_eq!(adam().decode("Device_Status", gone).unwrap(), Heard { observations: vec![], present: Some(false) });
    let here = br#"{"status":"connect","name":"ADAM6050"}"#;
    assert_eq!(adam().decode("Device_Status", here).unwrap().present, Some(true));
    assert_eq!(adam().decode("Device_Status", b"{}").unwrap().present, None);
    assert_eq!(adam().decode("Device_Status", b"").unwrap().present, None);
}

#[test]
fn what_a_device_does_not_call_good_itself_is_bad_but_for_the_quality() {
    let uncertain = r#"{"s":1,"t":0,"q":0,"c":1,"di1":false,"do6":false}"#;
    for payload in [uncertain, r#"{"di1":false,"do6":false,"q":null}"#, r#"{"di1":false,"do6":false}"#] {
        let heard = adam().decode("data", payload.as_bytes()).unwrap();
        let doubted = (Value::Unknown, Quality::Bad);
        let points: Vec<_> = heard.observations.iter().map(|seen| (seen.value.clone(), seen.quality)).take(2).collect();
        assert_eq!(points, [doubted.clone(), doubted], "{payload}");
    }
    let heard = adam().decode("data", uncertain.as_bytes()).unwrap();
    let quality: Vec<_> = heard.observations[2..].iter().map(|seen| (seen.value.clone(), seen.quality)).collect();
    assert_eq!(quality, [number(0, 0), bit(true)]);
    let good = adam().decode("data", DATA).unwrap();
    assert!(good.observations.iter().all(|seen| seen.quality == Quality::Good));
}

#[test]
fn a_will_in_plain_text_is_compared_whole() {
    let will = Will { topic: "available".to_owned(), pointer: String::new(), gone: "offline".to_owned() };
    let map = PointerMap { points: vec![], quality: None, will: Some(will), silence_s: 0 };
    for (payload, present) in [("offline", false), (" Offline\n", false), ("\"offline\"", false), ("online", true)] {
        assert_eq!(map.decode("available", payload.as_bytes()).unwrap().present, Some(present), "{payload}");
    }
}

#[test]
fn an_empty_payload_makes_every_point_of_its_topic_unknown() {
    let heard = adam().decode("data", b"").unwrap();
    assert_eq!(heard.observations.len(), 4);
    assert!(heard.observations.iter().all(|seen| seen.value == Value::Unknown));
}

#[test]
fn a_topic_that_is_not_mapped_says_nothing_whatever_it_holds() {
    assert_eq!(adam().decode("other", b"\xff"), Ok(Heard::default()));
}

#[test]
fn a_point_that_the_message_does_not_have_is_not_observed() {
    let heard = adam().decode("data", br#"{"di1":false}"#).unwrap();
    assert_eq!(heard.observations.len(), 1);
}

#[test]
fn words_are_bits_and_the_rest_is_number_or_text() {
    for payload in ["ON", "\"Active\"", "true", "1"] {
        assert_eq!(one(None, None, payload), bit(true), "{payload}");
    }
    assert_eq!(one(None, None, "off"), bit(false));
    assert_eq!(one(None, None, "28.65"), number(2865, -2));
    assert_eq!(one(None, None, "\"28.65\""), number(2865, -2));
    assert_eq!(one(None, None, "excellent"), (Value::Text("excellent".to_owned()), Quality::Good));
}

#[test]
fn a_measured_one_is_a_number_and_a_seal_a_text() {
    assert_eq!(one(Some(Signal::Measured), None, "1"), number(1, 0));
    assert_eq!(one(Some(Signal::Seal), None, "\"000123\""), (Value::Text("000123".to_owned()), Quality::Good));
}

#[test]
fn true_when_is_compared_by_text_without_case() {
    assert_eq!(one(Some(Signal::Open), Some("OPEN"), "\"open\""), bit(true));
    assert_eq!(one(Some(Signal::Open), Some("open"), "closed"), bit(false));
    assert_eq!(one(None, Some("0"), "0"), bit(true));
    assert_eq!(one(None, Some("false"), "false"), bit(true));
}

#[test]
fn what_is_no_plain_value_is_unknown_and_bad() {
    let long = "x".repeat(300);
    for payload in ["[1]", "{\"a\":1}", "a\u{7}b", &long] {
        assert_eq!(one(None, None, payload), (Value::Unknown, Quality::Bad), "{payload}");
    }
    assert_eq!(one(None, None, "null"), (Value::Unknown, Quality::Good));
}

#[test]
fn a_payload_that_cannot_be_looked_into_is_a_fault() {
    assert!(matches!(adam().decode("data", b"di1=1"), Err(CameraFault::Unreadable(_))));
    let large = vec![b' '; crate::camera::MAX_PAYLOAD + 1];
    assert_eq!(adam().decode("data", &large), Err(CameraFault::TooLarge(large.len())));
    let deep = "[".repeat(100);
    assert!(matches!(adam().decode("data", deep.as_bytes()), Err(CameraFault::Unreadable(_))));
}

proptest! {
    #[test]
    fn any_payload_is_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = adam().decode("data", &payload);
        let _ = adam().decode("Device_Status", &payload);
    }

    #[test]
    fn any_state_of_a_point_is_one_observation(state in "\\PC{0,20}") {
        let payload = serde_json::json!({ "di1": state }).to_string();
        prop_assert_eq!(adam().decode("data", payload.as_bytes()).unwrap().observations.len(), 1);
    }
}
