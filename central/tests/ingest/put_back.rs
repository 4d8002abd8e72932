//! Open alarms of a gateway whose disk was put back: what it says anew holds, and what it no longer knows does not vanish.

use crate::scene::*;
use picket_central::status;
use picket_central::store::Store;
use picket_record::body::Body;
use picket_record::chain::{Head, TailState};
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};

fn row(alarm: &str, active: bool) -> (String, Value) {
    let body =
        json!({ "alarm": alarm, "rule": "door-held", "active": active, "since_ms": 5, "sev": 2, "eq": "DOOR-1" });
    (format!("alarm/{alarm}"), json!([3, body.to_string()]))
}

fn ack(alarm: &str) -> (String, Value) {
    (format!("ack/{alarm}"), json!([4, json!({ "by": "Ines" }).to_string()]))
}

fn said(rows: impl IntoIterator<Item = (String, Value)>, part: u64, of: u64) -> Body {
    let kept: serde_json::Map<String, Value> = rows.into_iter().collect();
    let mut data = json!({ "kept": kept, "part": [part, of] });
    if part == 1 {
        data["anew"] = true.into();
    }
    body(Kind::Snapshot, Severity::Info, data)
}

/// Alarms `known`, `over`, `seen` and `lost` are open here when the gateway is put back to an older state.
fn scene() -> Scene {
    let mut scene = Scene::new();
    for alarm in ["known", "over", "seen", "lost"] {
        scene.seal(&raised(alarm));
    }
    scene.seal(&about_alarm(Kind::ActAcknowledged, "known"));
    scene.send(1..=6, 0);
    let (sealer, opening) = open(9, Head { ep: 1, ..scene.sealer.head() }, TailState::Rollback);
    scene.sealer = sealer;
    scene.sent.push(opening);
    scene
}

/// Each open alarm with what is said of it: `holds`, `acked`, `unknown`.
fn alarms(scene: &Scene) -> String {
    scene.ask_store(
        "SELECT coalesce(group_concat(alarm_id||iif(cleared_seq IS NULL,' holds','')||iif(acked_seq IS NULL,'',' acked')
           ||iif(unknown_seq IS NULL,'',' unknown'), ', '), '') FROM (SELECT * FROM open_alarm ORDER BY alarm_id)",
    )
}

fn details(scene: &Scene) -> String {
    status::details(&scene.path(), &name(GW)).unwrap()
}

#[test]
fn after_a_rollback_the_open_alarms_are_those_of_the_gateway_and_the_ones_it_lost_stay_marked() {
    let mut scene = scene();
    // Two parts: what guards did comes behind the alarms.
    scene.seal(&said([row("known", true), row("over", false), row("older", true)], 1, 2));
    scene.seal(&said([row("seen", true), ack("seen"), ack("older")], 2, 2));
    scene.send(7..=9, 10);
    assert_eq!(alarms(&scene), "known holds, lost holds unknown, older holds acked, over, seen holds acked");
    let told = details(&scene);
    assert!(told.contains("lost: severity 3, raised by record 5"), "{told}");
    assert!(told.contains("since record 8 the gateway NO LONGER KNOWS it"), "{told}");
    // It goes on as everywhere.
    scene.seal(&about_alarm(Kind::AlarmClosed, "older"));
    scene.seal(&about_alarm(Kind::AlarmCleared, "known"));
    scene.send(10..=11, 20);
    assert_eq!(alarms(&scene), "known, lost holds unknown, over, seen holds acked");
}

#[test]
fn an_alarm_that_is_no_longer_known_is_closed_by_a_person_or_known_again_when_it_rings() {
    let mut scene = scene();
    scene.seal(&said([], 1, 1));
    scene.send(7..=8, 10);
    assert_eq!(alarms(&scene), "known holds acked unknown, lost holds unknown, over holds unknown, seen holds unknown");
    scene.seal(&raised("over"));
    scene.send([9], 20);
    let mut store = Store::open(&scene.path()).unwrap();
    let mut close = |alarm: &str| store.close_alarm(&name(GW), alarm, "N. N.", 7).unwrap();
    assert_eq!(["lost", "lost", "over", "never"].map(&mut close), [true, false, false, false]);
    assert_eq!(alarms(&scene), "known holds acked unknown, over holds, seen holds unknown");
    let kept: String =
        scene.ask_store("SELECT alarm_id||' '||raised_seq||' '||unknown_seq||' '||closed_by FROM closed_alarm");
    assert_eq!(kept, "lost 5 8 N. N.");
}

#[test]
fn rows_that_pruning_says_again_change_nothing_here() {
    let mut scene = Scene::new();
    scene.seal(&raised("a"));
    scene.seal(&about_alarm(Kind::ActAcknowledged, "a"));
    let (key, body_of) = row("gone", true);
    scene.seal(&body(Kind::Snapshot, Severity::Info, json!({ "kept": { key: body_of } })));
    scene.send(1..=4, 0);
    assert_eq!(alarms(&scene), "a holds acked");
}

#[test]
fn a_revocation_leaves_alarms_as_they_stood_with_what_was_said_anew() {
    let mut scene = scene();
    scene.seal(&said([row("older", true)], 1, 1));
    scene.seal(&about_alarm(Kind::AlarmClosed, "older"));
    scene.send(7..=9, 10);
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 8, "N. N.", 7).unwrap();
    let told = alarms(&scene);
    assert!(told.contains("older holds") && told.contains("lost holds unknown"), "{told}");
}

#[test]
fn an_alarm_that_turns_up_late_brings_no_other_one_back_that_was_closed_since() {
    let mut scene = Scene::new();
    scene.seal(&raised("known"));
    scene.seal(&raised("late"));
    scene.seal(&raised("named"));
    scene.seal(&body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": [[3, 4]] })));
    scene.fill(6);
    scene.send([1, 2, 6, 5], 0);
    let (sealer, opening) = open(9, Head { ep: 1, ..scene.sealer.head() }, TailState::Rollback);
    scene.sealer = sealer;
    scene.sent.push(opening);
    scene.seal(&said([row("known", true), row("named", false), ack("known")], 1, 1));
    scene.seal(&about_alarm(Kind::AlarmClosed, "known"));
    scene.send(7..=9, 10);
    assert_eq!(alarms(&scene), "named");
    assert_eq!(scene.send([3, 4], 20).found, 2);
    assert_eq!(alarms(&scene), "late holds unknown, named");
    let mut store = Store::open(&scene.path()).unwrap();
    assert!(store.close_alarm(&name(GW), "late", "N. N.", 7).unwrap());
}

#[test]
fn an_alarm_that_a_person_closed_is_open_again_where_the_reason_for_that_is_not_trusted() {
    let mut scene = scene();
    scene.seal(&said([row("known", true), row("over", false), row("seen", true)], 1, 1));
    scene.fill(9);
    scene.send(7..=9, 10);
    let mut store = Store::open(&scene.path()).unwrap();
    assert!(store.close_alarm(&name(GW), "lost", "N. N.", 7).unwrap());
    store.revoke(&name(GW), 8, "N. N.", 8).unwrap();
    assert_eq!(alarms(&scene), "known holds, over, seen holds", "record 8 is trusted");
    store.revoke(&name(GW), 7, "N. N.", 9).unwrap();
    assert_eq!(alarms(&scene), "known holds acked, lost holds, over holds, seen holds");
}

/// Puts the gateway back once more, and sends what it says anew.
fn back_again(scene: &mut Scene, seed: u8, rows: Vec<(String, Value)>) {
    let (sealer, opening) = open(seed, scene.sealer.head(), TailState::Rollback);
    scene.sealer = sealer;
    scene.sent.push(opening);
    scene.seal(&said(rows, 1, 1));
    let end = scene.sent.len();
    assert_eq!(scene.send([end - 1, end], 20).stored, 2);
}

#[test]
fn an_alarm_that_a_person_closed_stays_closed_however_often_its_gateway_goes_back() {
    // The second time the gateway knows it again, or not; it is closed whenever it is not known.
    for knows in [false, true] {
        let mut scene = scene();
        scene.seal(&said([row("known", true)], 1, 1));
        scene.send(7..=8, 10);
        let mut store = Store::open(&scene.path()).unwrap();
        assert!(store.close_alarm(&name(GW), "lost", "N. N.", 7).unwrap());
        let named = if knows { vec!["known", "lost"] } else { vec!["known"] };
        back_again(&mut scene, 10, named.into_iter().map(|alarm| row(alarm, true)).collect());
        back_again(&mut scene, 11, vec![row("known", true)]);
        assert_eq!(store.close_alarm(&name(GW), "lost", "N. N.", 8).unwrap(), knows);
        let before = alarms(&scene);
        assert_eq!(before, "known holds, over holds unknown, seen holds unknown");
        scene.fill(13);
        scene.send([13], 30);
        store.revoke(&name(GW), 12, "N. N.", 9).unwrap();
        assert_eq!(alarms(&scene), before, "{knows}");
    }
}

/// The gateway is put back, and what it says anew is in a hole that it declares; it closes `older` after that.
fn with_words_in_a_hole(rows: Vec<(String, Value)>) -> Scene {
    let mut scene = scene();
    scene.seal(&said(rows, 1, 1));
    scene.seal(&body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": [[8, 8]] })));
    scene.seal(&about_alarm(Kind::AlarmClosed, "older"));
    scene.send([7, 9, 10], 10);
    assert_eq!(alarms(&scene), "known holds acked, lost holds, over holds, seen holds");
    scene
}

#[test]
fn what_a_gateway_says_anew_holds_also_where_it_turns_up_late() {
    let mut scene = with_words_in_a_hole(vec![row("known", true), row("over", false), row("older", true), ack("over")]);
    assert_eq!(scene.send([8], 20).found, 1);
    assert_eq!(alarms(&scene), "known holds, lost holds unknown, over acked, seen holds unknown");
}

#[test]
fn what_turns_up_late_stands_over_nothing_that_was_said_or_done_since() {
    let mut scene = with_words_in_a_hole(vec![row("known", true), row("lost", true), row("seen", true)]);
    back_again(&mut scene, 10, vec![row("known", false), row("over", true)]);
    let before = "known, lost holds unknown, over holds, seen holds unknown";
    assert_eq!(alarms(&scene), before);
    let mut store = Store::open(&scene.path()).unwrap();
    assert!(store.close_alarm(&name(GW), "lost", "N. N.", 7).unwrap());
    assert_eq!(scene.send([8], 30).found, 1);
    assert_eq!(alarms(&scene), before.replace("lost holds unknown, ", ""));
}

#[test]
fn what_was_done_and_turns_up_late_stands_over_nothing_that_was_said_since() {
    for done in [Kind::AlarmClosed, Kind::AlarmCleared, Kind::ActAcknowledged] {
        let mut scene = scene();
        scene.seal(&about_alarm(done, "known"));
        scene.seal(&about_alarm(done, "over"));
        scene.seal(&body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": [[8, 9]] })));
        scene.send([7, 10], 10);
        back_again(&mut scene, 10, vec![row("known", true), row("over", false), row("seen", true)]);
        let before = "known holds, lost holds unknown, over, seen holds";
        assert_eq!(alarms(&scene), before);
        assert_eq!(scene.send([8, 9], 30).found, 2);
        assert_eq!(alarms(&scene), before, "{done:?}");
        Store::open(&scene.path()).unwrap().revoke(&name(GW), 12, "N. N.", 7).unwrap();
        assert_eq!(alarms(&scene), before, "{done:?}, folded once more");
    }
}

#[test]
fn what_turns_up_late_is_shown_as_it_would_be_in_its_turn() {
    let mut scene = scene();
    scene.seal(&raised("over"));
    scene.seal(&about_alarm(Kind::ActAcknowledged, "seen"));
    scene.seal(&about_alarm(Kind::AlarmClosed, "lost"));
    scene.seal(&raised("late"));
    scene.seal(&body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": [[8, 11]] })));
    scene.send([7, 12], 10);
    // Not one of them is known any more, and one is cleared all the same.
    back_again(&mut scene, 10, vec![]);
    scene.seal(&about_alarm(Kind::AlarmCleared, "late"));
    scene.send([15], 20);
    // Each alone, the last one first.
    assert_eq!([11, 10, 9, 8].map(|seq| scene.send([seq], 30).found), [1; 4]);
    let shown = "known holds acked unknown, late unknown, over holds unknown, seen holds acked unknown";
    assert_eq!(alarms(&scene), shown);
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 15, "N. N.", 7).unwrap();
    assert_eq!(alarms(&scene), shown, "folded once more");
}
