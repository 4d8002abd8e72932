//! Holes that a gateway declares, and a store that was restored from a backup under a sender that keeps its window.

use crate::scene::*;
use picket_central::ingest::{Ingest, Tally};
use picket_central::status;
use picket_record::body::{Body, Drill, Mode};
use picket_record::chain::TailState;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::{Disclosure, Personal};
use picket_record::receipt::{Receipt, State};
use serde_json::json;

fn recovered(ranges: &[(u64, u64)]) -> picket_record::body::Body {
    body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": ranges }))
}

/// Records 1 to 10, of which 5 to 7 are gone for good; 11 declares that, 12 is a heartbeat.
fn with_hole() -> Scene {
    let mut scene = Scene::new();
    scene.fill(10);
    scene.seal(&recovered(&[(5, 7)]));
    scene.fill(12);
    scene
}

#[test]
fn the_chain_goes_over_a_declared_hole_once_the_record_behind_it_is_there() {
    for order in [vec![11, 8, 9, 10, 12], vec![8, 9, 10, 11, 12], vec![12, 11, 10, 9, 8]] {
        let mut scene = with_hole();
        scene.send(1..=4, 0);
        for (index, seq) in order.iter().enumerate() {
            if index == 3 {
                scene.reopen();
            }
            scene.send([*seq], 10);
        }
        let (receipt, _) = scene.receipt(2_000).unwrap();
        assert_eq!((receipt.upto, receipt.state, receipt.head), (12, State::Ok, scene.sent[11].link), "{order:?}");
        assert_eq!(scene.ask_store::<String>("SELECT from_seq||'-'||to_seq||' '||declared_by FROM lost"), "5-7 11");
        scene.reopen();
        scene.fill(13);
        assert_eq!(scene.send([13], 3_000).stored, 1);
    }
}

#[test]
fn a_hole_that_is_larger_than_declared_or_that_nobody_verified_stays() {
    let mut scene = with_hole();
    scene.send(1..=3, 0);
    scene.send(8..=12, 10);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM lost"), 0, "record 4 is missing and not declared");
    let (receipt, _) = scene.receipt(2_000).unwrap();
    assert_eq!((receipt.upto, receipt.state), (3, State::Gap));
    assert_eq!(scene.send([4], 2_100).stored, 6);
    // Behind the hole a record of another history, by a key that nobody knows here.
    let mut scene = with_hole();
    let (mut stranger, _) = open(9, picket_record::chain::Head { ep: 0, seq: 6, link: [3; 32] }, TailState::Crash);
    let forged = stranger.seal(&beat()).unwrap();
    scene.send(1..=4, 0);
    scene.send([11], 10);
    assert_eq!(scene.ingest.batch(GW, &[forged.line.as_bytes()], at(20)).unwrap().refused, 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM lost"), 0);
}

#[test]
fn a_hole_with_an_opening_in_it_ends_before_the_next_opening() {
    let mut scene = Scene::new();
    scene.fill(4);
    for seed in [7, 8] {
        let (sealer, opening) = open(seed, scene.sealer.head(), TailState::Crash);
        scene.sealer = sealer;
        scene.sent.push(opening);
        scene.fill(scene.sent.len() + 2);
    }
    // Epoch 2 (5 to 7) is gone with its opening; 8 opens epoch 3.
    scene.seal(&recovered(&[(4, 7)]));
    let all = scene.sent.len();
    scene.send(1..=3, 0);
    scene.send(8..=all, 10);
    let (receipt, _) = scene.receipt(2_000).unwrap();
    assert_eq!((receipt.upto, receipt.ep, receipt.state), (all as u64, 3, State::Ok));
    // The opening of epoch 2 turns up, and then what it signed.
    assert_eq!(scene.send([4, 5, 6], 3_000), Tally { found: 3, ..Tally::default() });
    assert_eq!(scene.send([5, 7], 3_100), Tally { found: 1, duplicates: 1, ..Tally::default() });
}

#[test]
fn what_turns_up_of_a_declared_hole_is_evidence_if_it_fits_and_else_another_history() {
    let mut scene = with_hole();
    scene.send(1..=4, 0);
    scene.send(8..=12, 10);
    assert_eq!(scene.send([6, 7, 6], 20), Tally { found: 2, duplicates: 1, ..Tally::default() });
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains("records 5 to 7, declared by record 11; 2 of them came all the same"), "{details}");
    // Of the same epoch and number, and not what record 6 names.
    let head = picket_record::chain::Head { ep: 0, seq: 4, link: scene.sent[3].link };
    let (_, other) = open(9, head, TailState::Crash);
    assert_eq!(scene.ingest.batch(GW, &[other.line.as_bytes()], at(30)).unwrap().forks, 1);
    assert_eq!(scene.send([5], 40).found, 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM record"), 12);
}

#[test]
fn more_holes_than_are_held_are_crossed_one_after_the_other() {
    let mut scene = Scene::new();
    scene.fill(600);
    let holes: Vec<(u64, u64)> = (1..=299).map(|n| (2 * n, 2 * n)).collect();
    // The farthest first, so that the nearest ones come when there is no more room.
    for part in holes.chunks(32).rev() {
        scene.seal(&recovered(part));
    }
    let all = scene.sent.len();
    scene.send([1], 0);
    scene.send((3..=599).step_by(2).chain([600]), 10);
    scene.send(601..=all, 20);
    let (receipt, _) = scene.receipt(2_000).unwrap();
    assert_eq!((receipt.upto, receipt.state), (all as u64, State::Ok));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM lost"), 299);
}

#[test]
fn what_a_history_declared_that_was_left_is_not_crossed() {
    let mut scene = Scene::new();
    scene.fill(4);
    scene.send(1..=4, 0);
    // A history that goes on behind record 4, loses 6 and 7 and says so; only what it says about that comes here.
    let head = scene.sealer.head();
    scene.fill(7);
    let declared = scene.seal(&recovered(&[(6, 7)])) + 1;
    scene.send([declared], 10);
    // The disk is restored: the gateway goes on behind 4.
    let (sealer, opening) = open(8, head, TailState::Rollback);
    scene.sealer = sealer;
    scene.sent.truncate(4);
    scene.sent.push(opening);
    scene.fill(9);
    scene.send([5], 20);
    scene.send([8, 9], 30);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM lost"), 0);
    assert_eq!(scene.send([6, 7], 40).stored, 4);
}

#[test]
fn alarms_that_turn_up_in_a_hole_are_shown_and_ended_as_what_followed_says() {
    let mut scene = Scene::new();
    scene.seal(&raised("closed-in-hole"));
    scene.seal(&raised("closed-behind"));
    scene.fill(4);
    scene.seal(&about_alarm(Kind::AlarmClosed, "closed-in-hole"));
    scene.seal(&raised("open"));
    scene.seal(&raised("closed-later"));
    scene.seal(&recovered(&[(5, 7)]));
    scene.seal(&about_alarm(Kind::AlarmClosed, "closed-later"));
    scene.seal(&about_alarm(Kind::AlarmCleared, "open"));
    let names = "SELECT coalesce(group_concat(alarm_id),'') FROM (SELECT * FROM open_alarm ORDER BY alarm_id)";
    scene.send(1..=4, 0);
    scene.send(8..=10, 10);
    assert_eq!(scene.ask_store::<String>(names), "closed-behind,closed-in-hole", "as far as anybody knows");
    assert_eq!(scene.send([5, 6, 7], 20).found, 3);
    assert_eq!(scene.ask_store::<String>(names), "closed-behind,open");
    assert_eq!(scene.ask_store::<Option<u64>>("SELECT cleared_seq FROM open_alarm WHERE alarm_id='open'"), Some(10));
}

#[test]
fn an_erasure_that_turns_up_in_a_hole_erases_and_what_comes_of_it_later_is_not_kept() {
    const TEXT: &str = r#"{"by":"N. Adeyemi"}"#;
    let opening = Disclosure { salt: [5; 16], text: TEXT.into() };
    let commits = |alarm| Body {
        personal: Some(Personal::Committed(opening.commitment())),
        ..about_alarm(Kind::ActAcknowledged, alarm)
    };
    let mut scene = Scene::new();
    scene.seal(&commits("a"));
    scene.seal(&commits("b"));
    scene.seal(&body(Kind::PersonalErased, Severity::Info, json!({"records": [[2, 3]], "authority": "office"})));
    scene.seal(&recovered(&[(4, 4)]));
    scene.fill(6);
    scene.send([1, 2, 3, 6, 5], 0);
    let lines = [opening.to_line(2), opening.to_line(3)];
    assert_eq!(scene.ingest.batch(GW, &[lines[0].as_bytes()], at(10)).unwrap().personal, 1);
    assert_eq!(scene.send([4], 20).found, 1);
    let tally = scene.ingest.batch(GW, &[lines[0].as_bytes(), lines[1].as_bytes()], at(30)).unwrap();
    assert_eq!(tally, Tally { refused: 2, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM personal WHERE text IS NOT NULL"), 0);
    assert_eq!(scene.ask_store::<u64>("SELECT erased_by FROM personal WHERE seq=2"), 4);
}

#[test]
fn what_turns_up_in_a_hole_brings_about_what_it_would_have_in_its_turn_and_never_over_newer_words() {
    let mut scene = Scene::new();
    let applied = |ver: u64| body(Kind::OrderApplied, Severity::Info, json!({"ver": ver, "root": 1}));
    scene.seal(&applied(1));
    scene.seal(&applied(2));
    let drill = Mode::Drill(Drill { id: "spring".into(), auth: [7; 32] });
    scene.seal(&Body { mode: drill, ..raised("a") });
    scene.seal(&recovered(&[(2, 2), (4, 4)]));
    scene.seal(&beat());
    scene.send([1, 6, 5, 3], 0);
    let order = "SELECT n||' by '||seq FROM answered WHERE about='order'";
    assert_eq!(scene.ask_store::<String>(order), "2 by 3");
    assert_eq!(scene.send([2, 4], 10).found, 2);
    assert_eq!(scene.ask_store::<String>(order), "2 by 3");
    assert_eq!(scene.ask_store::<String>("SELECT id||' '||from_seq FROM unordered_drill"), "spring 4");
}

#[test]
fn an_order_whose_word_was_in_a_hole_is_known_to_be_in_force() {
    let mut scene = Scene::new();
    scene.seal(&body(Kind::OrderApplied, Severity::Info, json!({"ver": 3, "root": 1})));
    scene.seal(&recovered(&[(2, 2)]));
    scene.send([1, 3], 0);
    assert_eq!(scene.send([2], 10).found, 1);
    assert_eq!(scene.ask_store::<String>("SELECT n||' by '||seq FROM answered WHERE about='order'"), "3 by 2");
}

/// A journal with its window, as far as a central side can tell.
struct Sender {
    newest: u64,
    upto: usize,
    sent: usize,
    refused: u64,
}

impl Sender {
    fn take(&mut self, scene: &Scene, receipt: &Receipt) {
        let own = receipt.upto == 0 || scene.sent[receipt.upto as usize - 1].link == receipt.head;
        if receipt.n <= self.newest || !own {
            self.refused += 1;
            return;
        }
        (self.newest, self.upto) = (receipt.n, receipt.upto as usize);
        self.sent = self.upto;
    }

    fn drain(&mut self, scene: &mut Scene, to: usize, ms: &mut u64) {
        let end = *ms + 60_000;
        while self.upto < to {
            assert!(*ms < end, "nothing moves behind {} of {to}", self.upto);
            let last = to.min(self.sent + 512).min(self.upto + 8_192);
            if last > self.sent {
                let tally = scene.send(self.sent + 1..=last, *ms);
                assert_eq!(tally.refused + tally.forks, 0);
                self.sent = last;
            }
            *ms += 20;
            while let Some((receipt, _)) = scene.receipt(*ms) {
                self.take(scene, &receipt);
            }
        }
    }
}

#[test]
fn a_store_restored_under_a_running_sender_is_brought_forward_by_its_question_and_healed() {
    let mut scene = Scene::new();
    scene.fill(5_000);
    let (mut sender, mut ms) = (Sender { newest: 0, upto: 0, sent: 0, refused: 0 }, 0);
    sender.drain(&mut scene, 1_500, &mut ms);
    let backup = scene.home.path().join("backup.db");
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    db.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(db);
    sender.drain(&mut scene, 4_000, &mut ms);
    let before = (sender.newest, sender.upto);
    scene.ingest = Ingest::open(&backup, name("sms"), key()).unwrap();
    // Without the question its receipts are older than what the gateway holds: it believes none of them.
    scene.ingest.repeat(at(ms));
    scene.ingest.ask(GW, Some(sender.newest), at(ms)).unwrap();
    let (answer, _) = scene.receipt(ms).unwrap();
    assert!(answer.n > before.0 + 1 && answer.upto == 1_500, "behind the number that it did not sign itself");
    sender.take(&scene, &answer);
    sender.drain(&mut scene, 5_000, &mut ms);
    assert_eq!((sender.upto, sender.refused), (5_000, 0));
    let db = rusqlite::Connection::open(&backup).unwrap();
    let count: u64 = db.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
    let refused: u64 = db.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0)).unwrap();
    assert_eq!((count, refused), (5_000, 0));
}
