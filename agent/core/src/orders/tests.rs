use super::*;
use crate::testbed::{MIDNIGHT_MS, at};
use crate::time::ms;
use picket_record::command::{Act, Command};
use picket_record::encode::Name;
use picket_record::order;
use serde_json::Map;
use sha2::{Digest, Sha256};

const TEXT: &str = "[[equipment]]\nid = \"DOOR-1\"\nkind = \"door\"\n";
const HOUR_MS: i64 = 3_600_000;

fn window(id: &str) -> Window {
    Window { id: id.into(), from_ms: MIDNIGHT_MS, to_ms: MIDNIGHT_MS + HOUR_MS, equipment: vec!["DOOR-1".into()] }
}

fn order(ver: u64) -> Order {
    Order {
        sms: Name::parse("hq").unwrap(),
        gw: Name::parse("gw-1").unwrap(),
        ver,
        prev: [1; 32],
        iat_ms: MIDNIGHT_MS,
        exp_ms: MIDNIGHT_MS + 24 * HOUR_MS,
        root: 1,
        register: None,
        settings: Map::new(),
        drills: vec![window("fire")],
    }
}

fn with_register(ver: u64) -> Order {
    let sha256 = Sha256::digest(TEXT).into();
    Order { register: Some(order::Register { sha256, bytes: TEXT.len() as u64 }), ..order(ver) }
}

fn checked(order: Order) -> Checked {
    let ver = order.ver;
    let link = [u8::try_from(ver).unwrap(); 32];
    Checked::Order { order: Box::new(order), link, judgement: Judgement::Next, line: format!("order {ver}") }
}

fn command(n: u64, act: Act) -> Checked {
    let (sms, gw) = (Name::parse("hq").unwrap(), Name::parse("gw-1").unwrap());
    // Each has a link of its own.
    let link = [u8::try_from(n).unwrap() + 6; 32];
    Checked::Command { command: Box::new(Command { sms, gw, n, seq: 9, on: [9; 32], act }), link, judged: Ok(()) }
}

fn unfit(n: u64, act: Act, reason: &'static str) -> Checked {
    let Checked::Command { command, link, .. } = command(n, act) else { unreachable!() };
    Checked::Command { command, link, judged: Err((reason, "why".into())) }
}

fn start(id: &str, equipment: &[&str]) -> Act {
    DrillStart { id: id.into(), for_s: 600, equipment: equipment.iter().map(|id| (*id).to_owned()).collect() }
}

use Act::DrillStart;

fn lines(text: &str) -> (Option<&'static str>, Vec<u8>) {
    (Some("application/jose-lines"), text.as_bytes().to_vec())
}

fn part(text: &str, at: usize, to: usize) -> (Option<&'static str>, Vec<u8>) {
    let head = format!("{} {at} {}\n", base64url(&Sha256::digest(text)), text.len());
    (Some("application/picket-part"), [head.as_bytes(), &text.as_bytes()[at..to]].concat())
}

fn hear(orders: &mut Orders, (content_type, payload): (Option<&str>, Vec<u8>)) -> Option<Output> {
    orders.heard(content_type, payload).unwrap()
}

fn fresh() -> Orders {
    Orders::recover(None, 0, &[]).0
}

/// An order that is in force.
fn in_force(order: Order) -> Orders {
    let mut orders = fresh();
    hear(&mut orders, lines("order"));
    let (said, output) = orders.checked(&at(0), None, checked(order));
    let Some(Output::KeepOrder { link, .. }) = output else { panic!("{output:?}") };
    assert!(said.is_empty());
    assert!(orders.kept(&at(0), &link, Ok(None)).0.is_ok());
    orders
}

/// What is said, by kind and one field.
fn said(said: &[Commanded], field: &str) -> Vec<(Kind, Value)> {
    let one = |one: &Commanded| match one {
        Commanded::Say(statement) => (statement.kind, statement.data.get(field).cloned().unwrap_or(Value::Null)),
        Commanded::Heartbeat(n) => (Kind::Heartbeat, json!(n)),
    };
    said.iter().map(one).collect()
}

#[test]
fn an_order_with_a_register_waits_for_its_text_and_comes_into_force_with_it() {
    let mut orders = fresh();
    let asked = hear(&mut orders, lines("the order\n"));
    assert!(matches!(asked, Some(Output::CheckOrder { text }) if text == "the order"));
    let (_, output) = orders.checked(&at(0), None, checked(with_register(1)));
    assert!(output.is_none(), "its text is not there yet");
    assert!(hear(&mut orders, part(TEXT, 0, 20)).is_none());
    let Some(Output::KeepOrder { line, register, .. }) = hear(&mut orders, part(TEXT, 20, TEXT.len())) else {
        panic!("the text is whole")
    };
    assert_eq!((line.as_str(), register.as_deref()), ("order 1", Some(TEXT)));
    assert_eq!(orders.version(), 0, "nothing is in force before it is kept");
    let listed = crate::testbed::register(&[&[("id", "DOOR-1"), ("kind", "door")]]);
    let (applied, _) = orders.kept(&at(0), &[1; 32], Ok(Some(listed)));
    let applied = applied.unwrap();
    assert_eq!((orders.version(), applied.statement.kind), (1, Kind::OrderApplied));
    assert_eq!(applied.register.unwrap().iter().count(), 1);
    assert_eq!(applied.statement.data["register"]["bytes"], json!(TEXT.len()));
}

#[test]
fn parts_in_disorder_or_of_another_text_are_told_and_an_edited_text_is_not_taken() {
    let mut orders = fresh();
    let give = |orders: &mut Orders, (kind, payload): (Option<&str>, Vec<u8>)| orders.heard(kind, payload).map(drop);
    assert!(give(&mut orders, part(TEXT, 10, 20)).is_err(), "no beginning");
    assert!(give(&mut orders, part(TEXT, 0, 20)).is_ok());
    assert!(give(&mut orders, part(TEXT, 0, 20)).is_ok(), "begun anew");
    assert!(give(&mut orders, part("another text", 5, 12)).is_err());
    let mut edited = part(TEXT, 20, TEXT.len());
    let last = edited.1.len() - 1;
    edited.1[last] ^= 1;
    assert!(give(&mut orders, edited).is_ok());
    hear(&mut orders, lines("order"));
    let (_, output) = orders.checked(&at(0), None, checked(with_register(1)));
    assert!(output.is_none(), "its hash is not the one that is named");
    for wrong in ["", "x", "AA 0 5\n", &format!("{} 0 {}\nx", base64url(&[0; 32]), REGISTER_MAX + 1)] {
        assert!(give(&mut orders, (Some("application/picket-part"), wrong.as_bytes().to_vec())).is_err(), "{wrong:?}");
    }
    assert!(give(&mut orders, (None, Vec::new())).is_err());
    assert!(give(&mut orders, (Some("text/plain"), Vec::new())).is_err());
}

#[test]
fn a_setting_that_is_not_known_refuses_the_whole_order_and_is_recorded() {
    let mut orders = in_force(order(1));
    hear(&mut orders, lines("order"));
    let mut next = order(2);
    next.settings.insert("colour".into(), "red".into());
    let (told, output) = orders.checked(&at(0), None, checked(next));
    assert!(output.is_none());
    assert_eq!(said(&told, "reason"), [(Kind::OrderRejected, json!("settings"))]);
    assert_eq!(orders.version(), 1);
}

#[test]
fn an_order_that_has_ended_before_it_comes_is_refused_where_the_time_is_known() {
    let over = Some(MIDNIGHT_MS + 24 * HOUR_MS);
    for (trusted, taken) in [(over, false), (Some(MIDNIGHT_MS), true), (None, true)] {
        let mut orders = fresh();
        hear(&mut orders, lines("order"));
        let (told, output) = orders.checked(&at(0), trusted, checked(order(1)));
        assert_eq!((output.is_some(), told.is_empty()), (taken, taken), "{trusted:?}");
    }
}

#[test]
fn a_register_that_cannot_be_read_leaves_the_order_before_in_force() {
    let mut orders = in_force(order(1));
    hear(&mut orders, lines("order"));
    orders.checked(&at(0), None, checked(order(2)));
    let unreadable = Unkept::Unreadable("line 3: no kind".into());
    let refused = orders.kept(&at(0), &[2; 32], Err(unreadable)).0.unwrap_err();
    assert_eq!(said(&refused, "cause"), [(Kind::OrderRejected, json!("line 3: no kind"))]);
    assert_eq!(said(&refused, "reason"), [(Kind::OrderRejected, json!("register"))], "for good");
    assert_eq!(orders.version(), 1);
}

#[test]
fn an_order_that_the_disk_did_not_keep_is_refused_for_a_while_and_taken_when_it_comes_again() {
    let mut orders = in_force(order(1));
    let give = |orders: &mut Orders, result| {
        hear(orders, lines("order"));
        orders.checked(&at(0), None, checked(order(2)));
        orders.kept(&at(0), &[2; 32], result).0
    };
    let full = Unkept::NoPlace("the disk is full".into());
    let refused = give(&mut orders, Err(full)).unwrap_err();
    assert_eq!(
        said(&refused, "reason"),
        [(Kind::OrderRejected, json!("disk"))],
        "it passes, and the order is sent again"
    );
    assert!(give(&mut orders, Ok(None)).is_ok());
    assert_eq!(orders.version(), 2);
}

#[test]
fn refusals_are_recorded_once_a_minute_and_counted() {
    let mut orders = fresh();
    let mut refuse = |now| {
        let refused =
            Checked::Refused { what: "order", n: 0, reason: "signature", cause: "not by the order key".into() };
        said(&orders.checked(&now, None, refused).0, "times")
    };
    assert_eq!(refuse(at(0)), [(Kind::OrderRejected, json!(1))]);
    assert!((1..60).all(|second| refuse(at(s(second))).is_empty()));
    assert_eq!(refuse(at(s(60))), [(Kind::OrderRejected, json!(60))]);
}

#[test]
fn the_refusal_of_a_verified_document_is_recorded_whatever_was_refused_before_it() {
    let mut orders = fresh();
    let refuse = |orders: &mut Orders, n, reason| {
        let refused = Checked::Refused { what: "order", n, reason, cause: "why".into() };
        said(&orders.checked(&at(1), None, refused).0, "n").len()
    };
    assert_eq!(refuse(&mut orders, 0, "signature"), 1);
    assert_eq!(refuse(&mut orders, 0, "signature"), 0, "anybody may send that");
    assert_eq!([refuse(&mut orders, 4, "order-prev"), refuse(&mut orders, 4, "order-prev")], [1, 0]);
    assert_eq!(refuse(&mut orders, 4, "disk"), 1, "another rule");
    let recorded: usize = (5..100).map(|n| refuse(&mut orders, n, "order-back")).sum();
    assert_eq!(recorded, VERIFIED_MAX - 2, "whoever kept old orders fills no journal with them");
    let (told, _) = orders.checked(&at(s(61)), None, command(1, Act::DrillEnd { id: "x".into() }));
    assert_eq!(said(&told, "command"), [(Kind::OrderRejected, json!(1))]);
}

#[test]
fn a_command_that_could_not_be_recorded_takes_effect_when_it_comes_again_and_once() {
    let mut orders = fresh();
    let mut give = |command| said(&orders.checked(&at(1), None, command).0, "reason");
    assert_eq!(give(unfit(1, Act::Heartbeat, "disk")), [(Kind::OrderRejected, json!("disk"))]);
    assert_eq!(give(command(1, Act::Heartbeat)), [(Kind::Heartbeat, json!(1))]);
    assert!(give(command(1, Act::Heartbeat)).is_empty(), "it comes once more");
    assert!(give(unfit(1, Act::Heartbeat, "command-stale")).is_empty(), "however old it is by then");
    let Checked::Command { command: twin, judged, .. } = command(1, Act::Heartbeat) else { unreachable!() };
    let twin = Checked::Command { command: twin, link: [99; 32], judged };
    assert_eq!(give(twin), [(Kind::OrderRejected, json!("command-back"))]);
    assert_eq!(give(unfit(2, Act::Heartbeat, "command-stale")), [(Kind::OrderRejected, json!("command-stale"))]);
}

#[test]
fn a_command_whose_refusal_could_not_be_recorded_is_not_known_when_it_comes_again() {
    let mut orders = fresh();
    let end = |n| command(n, Act::DrillEnd { id: "x".into() });
    let told = |orders: &mut Orders, now, n| said(&orders.checked(&now, None, end(n)).0, "n").len();
    let recorded: usize = (1..=10).map(|n| told(&mut orders, at(0), n)).sum();
    assert_eq!(recorded, VERIFIED_MAX);
    assert_eq!([9, 10].map(|n| told(&mut orders, at(s(60)), n)), [1, 1], "none is swallowed");
    assert_eq!([9, 10].map(|n| told(&mut orders, at(s(200)), n)), [0, 0]);
}

#[test]
fn a_command_that_a_record_answered_is_known_after_a_start() {
    let row = StateRow { key: "command".into(), body: "4".into(), seq: 9 };
    let (mut orders, _) = Orders::recover(None, 0, &[row]);
    let mut give = |n| said(&orders.checked(&at(0), None, command(n, Act::Heartbeat)).0, "reason");
    assert_eq!(give(3), [(Kind::OrderRejected, json!("command-back"))]);
    assert!(give(4).is_empty());
    assert_eq!(give(5), [(Kind::Heartbeat, json!(5))]);
}

#[test]
fn what_waits_is_bounded_and_one_document_is_looked_at_at_a_time() {
    let mut orders = fresh();
    let asked = (0..50).filter_map(|n| hear(&mut orders, lines(&n.to_string()))).count();
    assert_eq!(asked, 1);
    let mut looked = 1;
    while orders.checked(&at(0), None, Checked::Root { ver: 1, hash: [1; 32] }).1.is_some() {
        looked += 1;
    }
    assert_eq!(looked, 1 + WAITING_MAX);
}

#[test]
fn a_drill_begins_only_inside_its_window_and_with_its_equipment() {
    let mut orders = in_force(order(1));
    let inside = Some(MIDNIGHT_MS + 1);
    let cases = [
        (None, start("fire", &["DOOR-1"])),
        (Some(MIDNIGHT_MS - 1), start("fire", &["DOOR-1"])),
        (Some(MIDNIGHT_MS + HOUR_MS), start("fire", &["DOOR-1"])),
        (inside, start("flood", &["DOOR-1"])),
        (inside, start("fire", &["DOOR-1", "DOOR-2"])),
    ];
    for (n, (trusted, act)) in (1..).zip(cases) {
        let (told, _) = orders.checked(&at(s(n * 60)), trusted, command(n, act));
        assert_eq!(said(&told, "command"), [(Kind::OrderRejected, json!(n))], "case {n}");
        assert!(orders.drill().is_none());
    }
    let (told, _) = orders.checked(&at(0), inside, command(9, start("fire", &["DOOR-1"])));
    assert_eq!(said(&told, "command"), [(Kind::ExerciseStarted, json!(9))]);
    let drill = orders.drill().unwrap();
    assert_eq!(drill.of(&at(0), "DOOR-1").unwrap(), picket_record::body::Drill { id: "fire".into(), auth: [15; 32] });
    assert_eq!(drill.of(&at(0), "DOOR-2"), None, "what does not take part is live");
}

#[test]
fn a_drill_ends_by_command_by_its_time_or_with_its_window() {
    let begin = |trusted_ms| {
        let mut orders = in_force(order(1));
        orders.checked(&at(0), Some(trusted_ms), command(1, start("fire", &["DOOR-1"])));
        orders
    };
    let mut orders = begin(MIDNIGHT_MS);
    assert_eq!(orders.deadline(), Some(s(600)));
    assert!(orders.timeout(&at(s(599))).is_none());
    let ended = orders.timeout(&at(s(600))).unwrap();
    assert_eq!((ended.kind, &ended.data["why"]), (Kind::ExerciseEnded, &json!("time")));
    assert!(orders.drill().is_none() && orders.deadline().is_none());

    assert_eq!(begin(MIDNIGHT_MS + HOUR_MS - 5_000).deadline(), Some(ms(5_000)), "the window ends first");

    let mut orders = begin(MIDNIGHT_MS);
    let (told, _) = orders.checked(&at(1), None, command(2, Act::DrillEnd { id: "fire".into() }));
    assert_eq!(said(&told, "command"), [(Kind::ExerciseEnded, json!(2))]);
    let (told, _) = orders.checked(&at(2), None, command(3, Act::DrillEnd { id: "fire".into() }));
    assert_eq!(said(&told, "n"), [(Kind::OrderRejected, json!(3))]);
}

#[test]
fn an_order_that_ended_or_that_is_passed_over_for_an_hour_is_stale_and_stays_in_force() {
    let mut orders = in_force(order(3));
    let end = MIDNIGHT_MS + 24 * HOUR_MS;
    assert_eq!(orders.stale(&at(0), None), None, "an untrusted clock judges nothing");
    assert_eq!(orders.stale(&at(0), Some(end - 1)), None);
    assert_eq!(orders.stale(&at(0), Some(end)), Some("expired"));
    orders.named(&at(0), 3);
    orders.named(&at(s(10)), 4);
    orders.named(&at(s(20)), 5);
    assert_eq!(orders.stale(&at(s(3_609)), None), None);
    assert_eq!(orders.stale(&at(s(3_610)), None), Some("a newer one did not arrive"));
    orders.named(&at(s(3_611)), 3);
    assert_eq!(orders.stale(&at(s(9_999)), None), None, "the central side went back");
    assert_eq!(orders.version(), 3);
}

#[test]
fn a_lost_link_gives_up_what_was_not_whole() {
    let mut orders = fresh();
    hear(&mut orders, lines("order"));
    orders.checked(&at(0), None, checked(with_register(1)));
    hear(&mut orders, part(TEXT, 0, 20));
    orders.link_lost();
    assert!(orders.heard(Some("application/picket-part"), part(TEXT, 20, TEXT.len()).1).is_err());
    assert!(hear(&mut orders, lines("order")).is_some(), "it is looked at anew");
}

#[test]
fn no_record_is_of_a_drill_behind_its_end_outside_its_window_or_after_an_order_without_it() {
    let begun = || {
        let mut orders = in_force(order(1));
        orders.checked(&at(0), Some(MIDNIGHT_MS), command(1, start("fire", &["DOOR-1"])));
        orders
    };
    let marked = |orders: &Orders, now: &Now| orders.drill().is_some_and(|drill| drill.of(now, "DOOR-1").is_some());
    let orders = begun();
    assert!(marked(&orders, &at(s(599))));
    assert!(!marked(&orders, &at(s(600))), "also before anybody looked at the time");

    // The clock is set behind the end of the window.
    let mut orders = begun();
    let behind = Now { utc_ms: Some(MIDNIGHT_MS + HOUR_MS), ..at(s(1)) };
    assert!(behind.quality.sync && !marked(&orders, &behind));
    assert_eq!(orders.timeout(&behind).unwrap().data["why"], json!("window"));
    let (told, _) = begun().checked(&behind, Some(MIDNIGHT_MS), command(2, start("fire", &["DOOR-1"])));
    assert_eq!(said(&told, "command"), [(Kind::OrderRejected, json!(2))]);

    for (windows, why) in [(vec![window("fire")], None), (vec![window("flood")], Some(json!("order")))] {
        let mut orders = begun();
        orders.checked(&at(1), None, checked(Order { drills: windows, ..order(2) }));
        orders.kept(&at(1), &[2; 32], Ok(None)).0.unwrap();
        assert_eq!(marked(&orders, &at(2)), why.is_none());
        assert_eq!(orders.timeout(&at(2)).map(|ended| ended.data["why"].clone()), why);
    }
}

#[test]
fn an_order_that_waits_for_its_text_holds_up_nothing_that_comes_behind_it() {
    let mut orders = in_force(order(1));
    hear(&mut orders, lines("order 2"));
    assert!(orders.checked(&at(0), None, checked(with_register(2))).1.is_none());
    let asked = hear(&mut orders, lines("command"));
    assert!(matches!(asked, Some(Output::CheckOrder { text }) if text == "command"));
    let (told, _) = orders.checked(&at(0), None, command(1, Act::Heartbeat));
    assert_eq!(said(&told, ""), [(Kind::Heartbeat, json!(1))]);
    hear(&mut orders, lines("root"));
    let (told, _) = orders.checked(&at(0), None, Checked::Root { ver: 1, hash: [1; 32] });
    assert_eq!(said(&told, "ver"), [(Kind::RootApplied, json!(1))]);
    hear(&mut orders, lines("order 2"));
    assert!(orders.checked(&at(0), None, checked(with_register(2))).1.is_none(), "looked at again under the new root");
    assert!(hear(&mut orders, lines("order 2")).is_none(), "the same one is waited for already");
    hear(&mut orders, lines("order 3"));
    let (_, output) = orders.checked(&at(0), None, checked(order(3)));
    assert!(matches!(output, Some(Output::KeepOrder { link, .. }) if link == [3; 32]), "a newer one takes its place");
}

#[test]
fn an_answer_about_another_order_puts_none_into_force() {
    let mut orders = fresh();
    hear(&mut orders, lines("order"));
    orders.checked(&at(0), None, checked(order(1)));
    let (done, output) = orders.kept(&at(0), &[2; 32], Ok(None));
    assert!(done.unwrap_err().is_empty() && output.is_none());
    assert_eq!(orders.version(), 0);
    assert!(orders.kept(&at(0), &[1; 32], Ok(None)).0.is_ok(), "its own answer is still waited for");
    assert_eq!(orders.version(), 1);
}

#[test]
fn what_comes_once_more_is_silent() {
    let mut orders = fresh();
    hear(&mut orders, lines("order"));
    orders.checked(&at(0), None, checked(with_register(1)));
    hear(&mut orders, part(TEXT, 0, 20));
    assert!(hear(&mut orders, part(TEXT, 5, 15)).is_none(), "a second delivery");
    let Some(Output::KeepOrder { link, .. }) = hear(&mut orders, part(TEXT, 20, TEXT.len())) else {
        panic!("the text is whole")
    };
    assert!(orders.kept(&at(0), &link, Ok(None)).0.is_ok());
    // The record is on its way: the journal still takes it for the next one.
    hear(&mut orders, lines("order"));
    let (told, output) = orders.checked(&at(0), None, checked(with_register(1)));
    assert!(told.is_empty() && output.is_none());
    for (from, to) in [(0, 20), (20, TEXT.len())] {
        assert!(hear(&mut orders, part(TEXT, from, to)).is_none());
    }
    let (told, _) = orders.checked(&at(0), None, Checked::Root { ver: 0, hash: [1; 32] });
    assert!(told.is_empty(), "that root document is in force");
}

#[test]
fn two_orders_of_one_version_are_told() {
    let mut orders = fresh();
    for (link, told) in [([1; 32], 0), ([9; 32], 1)] {
        hear(&mut orders, lines("order"));
        let Checked::Order { order, judgement, line, .. } = checked(with_register(1)) else { unreachable!() };
        let (refused, output) = orders.checked(&at(0), None, Checked::Order { order, link, judgement, line });
        assert!(output.is_none());
        assert_eq!(said(&refused, "reason"), vec![(Kind::OrderRejected, json!("order-twice")); told]);
    }
}
