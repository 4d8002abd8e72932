//! Alarms as the central side shows them, whatever order their records come in.

use crate::scene::*;
use picket_central::ingest::Tally;
use picket_record::chain::TailState;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

#[test]
fn an_alarm_with_its_opening_is_shown_before_the_backlog_and_folded_once() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=1, 0);
    scene.receipt(0).unwrap();
    scene.seal(&about_alarm(Kind::EpochClose, "-"));
    let (sealer, opening) = open(3, scene.sealer.head(), TailState::Rotate);
    scene.sealer = sealer;
    scene.sent.push(opening);
    let alarm = scene.seal(&raised("a1")) + 1;
    assert_eq!(scene.send([5, alarm], 100), Tally { ahead: 2, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT ahead FROM open_alarm WHERE alarm_id='a1'"), 1);
    let (receipt, _) = scene.receipt(100).unwrap();
    assert_eq!((receipt.upto, receipt.have, receipt.resend), (1, vec![(5, 6)], vec![]), "the backlog is on its way");
    scene.send(2..=6, 200);
    assert_eq!(scene.ask_store::<u64>("SELECT ahead FROM open_alarm WHERE alarm_id='a1'"), 0);
    assert_eq!(scene.ask_store::<i64>("SELECT received_ms FROM record WHERE seq=6"), at(100).wall_ms);
    scene.seal(&about_alarm(Kind::AlarmClosed, "a1"));
    scene.send([7, 6], 300);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
}

#[test]
fn alarms_are_folded_in_the_order_of_their_numbers() {
    let mut scene = Scene::new();
    scene.seal(&raised("a"));
    scene.seal(&about_alarm(Kind::AlarmCleared, "a"));
    scene.seal(&about_alarm(Kind::ActAcknowledged, "a"));
    scene.seal(&about_alarm(Kind::AlarmClosed, "a"));
    scene.seal(&raised("a"));
    // The second alarm overtakes the whole life of the first.
    scene.send([1, 6], 0);
    scene.send(2..=4, 10);
    assert_eq!(scene.ask_store::<u64>("SELECT raised_seq FROM open_alarm WHERE cleared_seq IS NULL"), 6);
    scene.send(5..=5, 20);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm WHERE raised_seq=6 AND ahead=0"), 1);
}

#[test]
fn an_acknowledgement_that_the_gateway_took_back_is_taken_back_here() {
    let mut scene = Scene::new();
    let acked = "SELECT acked_seq FROM open_alarm WHERE alarm_id='a'";
    scene.seal(&raised("a"));
    scene.seal(&about_alarm(Kind::ActAcknowledged, "a"));
    // Trusted equipment: the acknowledgement stays.
    scene.seal(&body(Kind::AlarmCleared, Severity::Info, json!({"alarm": "a", "guard_must_close": false})));
    scene.send(1..=4, 0);
    assert_eq!(scene.ask_store::<Option<u64>>(acked), Some(3));
    // Raised anew, it was seen by no guard yet.
    scene.seal(&raised("a"));
    scene.send([5], 10);
    assert_eq!(scene.ask_store::<Option<u64>>(acked), None);
    scene.seal(&about_alarm(Kind::ActAcknowledged, "a"));
    scene.seal(&body(Kind::AlarmCleared, Severity::Info, json!({"alarm": "a", "guard_must_close": true})));
    scene.send([6], 20);
    assert_eq!(scene.ask_store::<Option<u64>>(acked), Some(6));
    scene.send([7], 30);
    assert_eq!(scene.ask_store::<Option<u64>>(acked), None);
    assert_eq!(scene.ask_store::<Option<u64>>("SELECT cleared_seq FROM open_alarm WHERE alarm_id='a'"), Some(7));
}

#[test]
fn an_alarm_taken_back_leaves_the_older_one_of_its_name() {
    let mut scene = Scene::new();
    scene.seal(&raised("a"));
    let head = scene.sealer.head();
    scene.seal(&beat());
    let stray = scene.seal(&raised("a")) + 1;
    scene.sealer.rewind(head);
    let other = scene.seal(&about_alarm(Kind::Snapshot, "-")) + 1;
    scene.send([1, 2, stray], 0);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 2);
    scene.send([other], 10);
    assert_eq!(scene.ask_store::<u64>("SELECT raised_seq FROM open_alarm WHERE ahead=0"), 2);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 1);
}
