use super::*;
use crate::plan::LineId;
use crate::testbed::id;
use crate::wire::Delivery;
use picket_device::pointer_map::PointerMap;

fn device(readings: ReadingsPolicy) -> plan::Device {
    plan::Device {
        name: "board".into(),
        line: LineId(0),
        equipment: id("BOARD-1"),
        speech: DeviceSpeech::Json {
            prefix: "board".into(),
            map: PointerMap { points: Vec::new(), quality: None, will: None, silence_s: 0 },
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
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &[], 8);
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
    let readings = Readings::new(&[device(ReadingsPolicy::Now)], &rows, 8);
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

fn remember(readings: &mut Readings, time: &str) -> Option<u64> {
    readings.remember(0, &[bit("a", true)], Some(Mark::Time(time)), true).map(|remembered| remembered.n)
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
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &rows, 8);
    assert_eq!(remember(&mut readings, "new"), Some(300 + memory::MESSAGES));
    readings.session_lost(0);
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time("t300"))));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time("t301"))));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time("new"))));
}

#[test]
fn only_the_last_messages_are_remembered() {
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &[], 8);
    let time = |n: u64| format!("2026-11-22T08:00:00.{n:03}Z");
    let said = memory::MESSAGES + 36;
    for n in 0..said {
        assert_eq!(remember(&mut readings, &time(n)), Some(n));
    }
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time(&time(said - 1)))));
    readings.session_lost(0);
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time(&time(35)))));
    assert!(readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time(&time(36)))));
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], Some(Mark::Time(&time(36)))));
    assert!(!readings.is_second_delivery(0, &[bit("a", true)], None));
}

fn packet(readings: &mut Readings, id: u16, again: bool, on: bool) -> bool {
    let mark = Some(Mark::Packet(Delivery { packet: id, again }));
    let known = readings.is_second_delivery(0, &[bit("a", on)], mark);
    if !known {
        readings.remember(0, &[bit("a", on)], mark, true);
    }
    known
}

fn told(packets: &[(u16, bool)]) -> Readings {
    let mut readings = Readings::new(&[device(ReadingsPolicy::Now)], &[], 8);
    for (id, on) in packets {
        assert!(!packet(&mut readings, *id, false, *on));
    }
    readings.session_lost(0);
    readings
}

#[test]
fn a_message_without_a_time_is_known_by_its_packet_where_the_broker_says_that_it_comes_again() {
    let mut readings = told(&[(7, true), (8, false)]);
    for _ in 0..2 {
        assert!(packet(&mut readings, 7, true, true) && packet(&mut readings, 8, true, false));
        readings.session_lost(0);
    }
    assert!(!packet(&mut readings, 7, false, true), "the broker says that it is new");
    assert!(!packet(&mut readings, 8, true, false), "what was owed came before what is new");
}

#[test]
fn what_says_the_same_in_another_packet_or_another_in_the_same_is_news() {
    assert!(!packet(&mut told(&[(7, true), (8, false)]), 9, true, true));
    assert!(!packet(&mut told(&[(7, true), (8, false)]), 8, true, true));
}

#[test]
fn behind_one_that_was_not_taken_everything_is_taken_again() {
    let mut readings = told(&[(7, true), (9, false)]);
    assert!(packet(&mut readings, 7, true, true));
    assert!(!packet(&mut readings, 8, true, true));
    assert!(!packet(&mut readings, 9, true, false));
}

#[test]
fn packets_from_before_a_broker_began_anew_or_long_ago_are_not_known() {
    assert!(!packet(&mut told(&[(4, true), (5, false), (1, true), (2, false)]), 4, true, true));
    let many: Vec<(u16, bool)> = (1..=40).map(|id| (id, id % 2 == 1)).collect();
    assert!(!packet(&mut told(&many), 7, true, true));
    assert!(packet(&mut told(&many), 9, true, true));
}

#[test]
fn after_a_start_a_packet_is_known_only_where_its_record_is_among_the_last() {
    let points = serde_json::Map::from_iter([("a".to_owned(), serde_json::Value::Bool(true))]);
    let body = serde_json::json!([0, memory::message_digest("", &points), 3]).to_string();
    let known = |seq: u64| {
        let rows = [StateRow { key: memory::message_key("board", 0), body: body.clone(), seq }];
        packet(&mut Readings::new(&[device(ReadingsPolicy::Now)], &rows, 1_000), 3, true, true)
    };
    assert!(known(1_000 - 127) && !known(1_000 - 128));
}

#[test]
fn what_the_session_before_the_last_one_told_is_not_known_once_the_last_one_told_something() {
    let mut readings = told(&[(3, true), (4, false)]);
    readings.session_lost(0);
    assert!(packet(&mut readings, 3, true, true), "a session in which nothing was told forgets nothing");
    readings.session_lost(0);
    assert!(!packet(&mut readings, 5, false, false));
    readings.session_lost(0);
    assert!(!packet(&mut readings, 4, true, false));
}
