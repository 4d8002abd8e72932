use super::*;
use crate::plan::LineId;
use crate::testbed::id;
use picket_device::pointer_map::PointerMap;

fn device(readings: ReadingsPolicy) -> plan::Device {
    plan::Device {
        name: "board".into(),
        line: LineId(0),
        equipment: id("BOARD-1"),
        speech: DeviceSpeech::Json {
            prefix: "board".into(),
            map: PointerMap { points: Vec::new(), will: None, silence_s: 0 },
        },
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings,
    }
}

fn seen(point: &str, value: Value) -> Observation {
    Observation { point: point.into(), value, quality: Quality::Good }
}

fn bit(point: &str, on: bool) -> Observation {
    seen(point, Value::Bit(on))
}

fn evidence() -> Evidence {
    Evidence { driver: "mqtt", raw: [0; 32], device_time: None }
}

#[test]
fn only_what_changed_is_told_and_a_stale_value_counts_as_changed_when_it_comes_back() {
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &[]);
    let first = [bit("a", true), bit("b", false)];
    assert_eq!(readings.take(0, &first, None).len(), 2);
    assert_eq!(readings.take(0, &first, None).len(), 0);
    assert_eq!(readings.take(0, &[bit("a", false), bit("b", false)], None), [&bit("a", false)]);
    readings.stale(0);
    assert_eq!(readings.take(0, &[bit("b", false)], None), [&bit("b", false)]);
}

#[test]
fn the_policy_decides_whether_and_how_soon_a_change_is_stored() {
    let commits = |policy| {
        let observation = bit("a", true);
        let statements = Readings::statements(&device(policy), &[&observation], None, &evidence());
        statements.iter().map(|s| s.commit).collect::<Vec<_>>()
    };
    assert_eq!(commits(ReadingsPolicy::Off), []);
    assert_eq!(commits(ReadingsPolicy::Routine), [Commit::Routine]);
    assert_eq!(commits(ReadingsPolicy::Now), [Commit::Now]);
}

#[test]
fn a_change_of_many_long_texts_is_split_so_that_every_record_has_room() {
    let quoted = "\"".repeat(256);
    let many: Vec<Observation> = (0..100).map(|n| seen(&format!("{n:032}"), Value::Text(quoted.clone()))).collect();
    let changed: Vec<&Observation> = many.iter().collect();
    let statements = Readings::statements(&device(ReadingsPolicy::Now), &changed, None, &evidence());
    let sizes: Vec<usize> = statements.iter().map(|s| Json::Object(s.data.clone()).to_string().len()).collect();
    assert!(sizes.iter().all(|size| *size < 6_200), "{sizes:?}");
    let points: usize = statements.iter().map(|s| s.data["p"].as_object().unwrap().len()).sum();
    assert_eq!((points, &statements[0].data["part"]), (100, &json!([1, statements.len()])));
}

#[test]
fn rows_give_back_what_was_heard_last() {
    let row = |point: &str, body: &str| StateRow { key: format!("heard/board/{point}"), body: body.into(), seq: 1 };
    let rows = [
        row("bad", r#"[{"q":"bad"},null]"#),
        row("gone", "[null,null]"),
        row("level", r#"[{"v":215,"e":-1,"u":"Cel"},null]"#),
        row("open", "[true,null]"),
        row("torn", "[true"),
    ];
    let readings = Readings::new(&[device(ReadingsPolicy::Now)], &rows);
    let told: Vec<(&str, &Value, Quality)> = readings.of(0).map(|(p, l)| (p, &l.value, l.quality)).collect();
    let level = Value::Number { mantissa: 215, exponent: -1 };
    assert_eq!(
        told,
        [
            ("bad", &Value::Unknown, Quality::Bad),
            ("gone", &Value::Unknown, Quality::Good),
            ("level", &level, Quality::Good),
            ("open", &Value::Bit(true), Quality::Good),
        ]
    );
}

#[test]
fn after_a_start_messages_go_on_in_their_order_whatever_record_their_rows_stand_on() {
    let points = serde_json::Map::from_iter([("a".to_owned(), serde_json::Value::Bool(true))]);
    let row = |n: u64| {
        let digest = memory::message_digest(&format!("t{n}"), &points);
        let key = memory::message_key("board", n);
        StateRow { key, body: serde_json::json!([n, digest]).to_string(), seq: 7 }
    };
    let rows: Vec<StateRow> = (300..300 + memory::MESSAGES).map(row).collect();
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &rows);
    let oldest = "t300".to_owned();
    assert_eq!(readings.remember(0, &[bit("a", true)], Some(&"new".to_owned())), Some(300 + memory::MESSAGES));
    readings.session_lost(0);
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(&oldest)));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(&"t301".to_owned())));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(&"new".to_owned())));
}

#[test]
fn only_the_last_messages_are_remembered() {
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &[]);
    let time = |n: u64| format!("2026-11-22T08:00:00.{n:03}Z");
    let said = memory::MESSAGES + 36;
    for n in 0..said {
        assert_eq!(readings.remember(0, &[bit("a", true)], Some(&time(n))), Some(n));
    }
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(&time(said - 1))));
    readings.session_lost(0);
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(&time(35))));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(&time(36))));
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(&time(36))));
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], None));
}
