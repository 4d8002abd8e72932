//! The ingest without a socket, on a real SQLite file.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

mod alarms;
mod attacks;
mod drain;
mod drills;
mod forks;
mod losses;
mod ordering;
mod put_back;
mod receipts;
mod rot;
mod scene;
mod trust;

use picket_central::ingest::Tally;
use picket_central::status;
use picket_central::store::{Accepted, Store};
use picket_record::chain::{Head, Parsed, TailState};
use picket_record::kind::Kind;
use picket_record::receipt::State;
use scene::*;

#[test]
fn records_in_order_are_stored_and_receipted() {
    let mut scene = Scene::new();
    scene.fill(5);
    assert_eq!(scene.send(1..=5, 0), Tally { stored: 5, ..Tally::default() });
    let (receipt, _) = scene.receipt(0).unwrap();
    let head = scene.sent[4].link;
    assert_eq!((receipt.n, receipt.prev, receipt.upto, receipt.head), (1, scene.acceptance, 5, head));
    assert_eq!((receipt.ep, receipt.state, receipt.have, receipt.resend), (1, State::Ok, vec![], vec![]));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM record WHERE gw='gate-7' AND line LIKE 'ey%'"), 5);
}

#[test]
fn a_record_twice_is_stored_once_and_receipted_again() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=3, 0);
    scene.receipt(0).unwrap();
    assert_eq!(scene.send(1..=3, 10), Tally { duplicates: 3, ..Tally::default() });
    assert_eq!(scene.receipt(1010).unwrap().0.upto, 3);
}

#[test]
fn records_ahead_wait_are_asked_for_and_take_their_place() {
    let mut scene = Scene::new();
    scene.fill(9);
    scene.send(1..=2, 0);
    scene.receipt(0).unwrap();
    assert_eq!(scene.send([5, 6, 9], 10), Tally { ahead: 3, ..Tally::default() });
    let (early, _) = scene.receipt(1000).unwrap();
    assert_eq!((early.state, &early.have[..]), (State::Gap, &[(5, 6), (9, 9)][..]));
    assert_eq!(early.resend, vec![(3, 4), (7, 8)]);
    scene.send([6], 2000);
    assert_eq!(scene.receipt(2000).unwrap().0.resend, vec![], "not asked for again before five seconds");
    scene.send([6], 6000);
    assert_eq!(scene.receipt(6000).unwrap().0.resend, vec![(3, 4), (7, 8)]);
    assert_eq!(scene.send(3..=8, 7000), Tally { stored: 7, duplicates: 2, ..Tally::default() });
    let (healed, _) = scene.receipt(8000).unwrap();
    assert_eq!((healed.upto, healed.state, healed.have), (9, State::Ok, vec![]));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 0);
}

#[test]
fn another_history_is_kept_as_a_fork_and_the_first_stays() {
    let mut scene = Scene::new();
    scene.fill(2);
    let head = scene.sealer.head();
    scene.fill(3);
    scene.send(1..=3, 0);
    scene.receipt(0).unwrap();
    let first = scene.sent[2].link;
    scene.sealer.rewind(head);
    scene.seal(&raised("other"));
    assert_eq!(scene.send([4], 100), Tally { forks: 1, ..Tally::default() });
    let (receipt, _) = scene.receipt(100).unwrap();
    assert_eq!((receipt.state, receipt.upto, receipt.head), (State::Fork, 3, first));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM fork WHERE seq=3"), 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
}

#[test]
fn a_second_opening_of_an_epoch_is_a_fork_and_its_key_is_never_believed() {
    let mut scene = Scene::new();
    scene.fill(2);
    scene.send(1..=2, 0);
    let (mut other, opening) = open(9, Head::genesis(scene.acceptance), TailState::Genesis);
    let beat = other.seal(&beat()).unwrap();
    let lines = [opening.line.as_bytes(), beat.line.as_bytes()];
    let tally = scene.ingest.batch(GW, &lines, at(10)).unwrap();
    assert_eq!(tally, Tally { forks: 2, ..Tally::default() });
    assert_eq!(scene.receipt(60).unwrap().0.state, State::Fork);
}

#[test]
fn a_record_that_cannot_continue_the_chain_is_kept_beside_it() {
    let mut scene = Scene::new();
    scene.fill(2);
    scene.send(1..=2, 0);
    scene.receipt(0).unwrap();
    let (_, stray) = open(3, Head { ep: 1, seq: 2, link: [7; 32] }, TailState::Crash);
    scene.sent.push(stray);
    assert_eq!(scene.send([3], 100), Tally { forks: 1, ..Tally::default() });
    let (receipt, _) = scene.receipt(100).unwrap();
    assert_eq!((receipt.state, receipt.rebase), (State::Fork, Some((2, scene.sent[1].link))));
    let why: String = scene.ask_store("SELECT why FROM branch WHERE gw='gate-7' AND records=1");
    assert_eq!(why, "record 3 does not name the record before it");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM epoch"), 1, "the key of a stray opening is not kept");
}

#[test]
fn a_waiting_record_that_breaks_the_chain_is_taken_back_and_kept_as_another_history() {
    let mut scene = Scene::new();
    scene.fill(2);
    let head = scene.sealer.head();
    scene.fill(3);
    let other = scene.seal(&raised("stray")) + 1;
    scene.sealer.rewind(head);
    scene.seal(&about_alarm(Kind::Snapshot, "-"));
    scene.send([1, 2, other], 0);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 1);
    assert_eq!(scene.send([5], 10), Tally { stored: 1, forks: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
    let (receipt, _) = scene.receipt(60).unwrap();
    assert_eq!((receipt.state, receipt.resend), (State::Fork, vec![(4, 4)]), "what really stood there is asked for");
    assert_eq!(receipt.rebase, Some((3, scene.sent[4].link)));
    assert_eq!(scene.ask_store::<u64>("SELECT seq FROM fork"), 4);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM quarantine"), 0);
}

#[test]
fn what_waited_of_an_epoch_that_has_passed_is_kept_and_contradicts_nothing() {
    let mut scene = Scene::new();
    scene.fill(3);
    let head = scene.sealer.head();
    scene.fill(5);
    let lost = scene.seal(&raised("lost")) + 1;
    scene.send([1, 2, 3, lost], 0);
    // The disk lost what it had said was stored: the next start goes on behind record 3.
    let (sealer, opening) = open(7, head, TailState::Crash);
    (scene.sealer, scene.sent[3]) = (sealer, opening);
    for at in [4, 5, 6] {
        let sealed = scene.sealer.seal(&beat()).unwrap();
        if at < 6 { scene.sent[at] = sealed } else { scene.sent.push(sealed) }
    }
    let tally = scene.send([4, 5], 10);
    assert_eq!((tally.stored, tally.forks, tally.refused), (2, 1, 0));
    let (receipt, _) = scene.receipt(60).unwrap();
    assert_eq!((receipt.upto, receipt.resend, receipt.rebase), (5, vec![(6, 6)], None));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
    assert_eq!(scene.send([6, 7], 100).stored, 2);
}

#[test]
fn a_bad_signature_and_an_unreadable_line_are_refused_and_the_gateway_is_told() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=2, 0);
    scene.receipt(0).unwrap();
    let mut forged = scene.sent[2].line.clone();
    let tail = forged.split_off(forged.len() - 10);
    forged.push_str(&tail.chars().rev().collect::<String>());
    let lines = [forged.as_bytes(), b"\xff\xfe", scene.sent[2].line.as_bytes()];
    let tally = scene.ingest.batch(GW, &lines, at(100)).unwrap();
    assert_eq!(tally, Tally { stored: 1, refused: 2, ..Tally::default() });
    let (receipt, _) = scene.receipt(100).unwrap();
    assert_eq!((receipt.state, receipt.upto), (State::Bad, 3));
    scene.send([3], 5000);
    assert_eq!(scene.receipt(5000).unwrap().0.state, State::Ok, "what was refused is said once");
}

#[test]
fn a_record_of_an_unknown_epoch_is_refused_and_its_opening_asked_for() {
    let mut scene = Scene::new();
    scene.fill(4);
    assert_eq!(scene.send([3], 0), Tally { refused: 1, ..Tally::default() });
    let (receipt, _) = scene.receipt(0).unwrap();
    assert_eq!((receipt.state, receipt.upto, receipt.head), (State::Gap, 0, scene.acceptance));
    assert_eq!(receipt.resend, vec![(1, 3)]);
    assert_eq!(scene.send(1..=4, 10).stored, 4);
}

#[test]
fn a_gateway_never_accepted_gets_no_receipt_until_it_is() {
    let mut scene = Scene::new();
    let line = scene.sent[0].line.clone();
    let tally = scene.ingest.batch("gate-8", &[line.as_bytes()], at(0)).unwrap();
    assert_eq!(tally.refused, 1);
    assert_eq!(scene.receipt(5000), None);
    assert_eq!(scene.ask_store::<String>("SELECT gw FROM quarantine"), "?");
    let accepted = Accepted { site: name("harbour"), gw: name("gate-8"), identity: identity().public(), link: [1; 32] };
    Store::open(&scene.path()).unwrap().accept("line", &accepted).unwrap();
    let tally = scene.ingest.batch("gate-8", &[line.as_bytes()], at(6000)).unwrap();
    assert_eq!(tally.refused, 1, "the record names gate-7");
    assert_eq!(scene.ingest.receipts(at(6000)).unwrap()[0].gw, name("gate-8"));
}

#[test]
fn the_store_is_read_by_another_process_beside_the_ingest_and_after_it() {
    let mut scene = Scene::new();
    scene.fill(4);
    scene.send([1, 2, 4], 0);
    let seen = status::gateways(&scene.path()).unwrap();
    assert_eq!((seen[0].upto, seen[0].ahead, seen[0].missing, seen[0].ep), (2, 1, 1, 1));
    let path = scene.path();
    let Scene { home, ingest, .. } = scene;
    drop(ingest);
    assert_eq!(status::gateways(&path).unwrap(), seen);
    assert!(status::table(&seen).contains("gate-7"));
    let details = status::details(&path, &name(GW)).unwrap();
    assert!(details.contains("\nmissing\n  3 to 3\n\nsecond histories\n  none\n"), "{details}");
    drop(home);
}

/// A small generator with a seed, so that a failure is played again.
fn next(state: &mut u64) -> u64 {
    // Knuth, MMIX.
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn any_order_with_repetitions_and_restarts_ends_in_the_same_store() {
    for seed in 0..5 {
        let mut state = seed;
        let mut scene = Scene::new();
        for i in 0..60_u64 {
            let alarm = format!("a{}", i % 4);
            let kinds = [Kind::AlarmCleared, Kind::ActAcknowledged, Kind::AlarmClosed, Kind::Heartbeat];
            match next(&mut state) % 6 {
                0 | 1 => scene.seal(&raised(&alarm)),
                other => scene.seal(&about_alarm(kinds[other as usize - 2], &alarm)),
            };
            if i % 25 == 24 {
                scene.seal(&about_alarm(Kind::EpochClose, "-"));
                let (sealer, opening) = open(10 + i as u8, scene.sealer.head(), TailState::Rotate);
                scene.sealer = sealer;
                scene.sent.push(opening);
            }
        }
        let all = scene.sent.len();
        let mut ordered = Scene::new();
        ordered.sent = scene.sent.clone();
        ordered.send(1..=all, 0);
        // Openings first, as an urgent lane sends them, then anything in any order; at the end what was asked for.
        let opens = |seq: &usize| Parsed::read(&scene.sent[seq - 1].line).unwrap().kind == Kind::EpochOpen;
        let openings: Vec<usize> = (1..=all).filter(opens).collect();
        scene.send(openings, 0);
        for ms in 0..50 {
            let picked: Vec<usize> = (0..5).map(|_| next(&mut state) as usize % all + 1).collect();
            scene.send(picked, ms * 100);
            if next(&mut state).is_multiple_of(10) {
                scene.reopen();
            }
            scene.receipt(ms * 100);
        }
        scene.send(1..=all, 20_000);
        let (receipt, _) = scene.receipt(30_000).unwrap();
        assert_eq!((receipt.upto, receipt.state), (all as u64, State::Ok), "seed {seed}");
        for sql in [
            "SELECT group_concat(line) FROM (SELECT line FROM record ORDER BY seq)",
            "SELECT count(*)||'/'||count(DISTINCT seq)||'/'||max(seq) FROM record",
            "SELECT coalesce(group_concat(alarm_id||raised_seq||coalesce(cleared_seq,'')||coalesce(acked_seq,'')||ahead),'')
             FROM (SELECT * FROM open_alarm ORDER BY alarm_id)",
        ] {
            assert_eq!(scene.ask_store::<String>(sql), ordered.ask_store::<String>(sql), "seed {seed}: {sql}");
        }
    }
}

#[test]
fn an_epoch_opened_again_after_its_tail_was_lost_goes_on() {
    for restart in [false, true] {
        let mut scene = Scene::new();
        scene.fill(10);
        scene.send(1..=6, 0);
        let kept = Head { ep: 1, seq: 8, link: scene.sent[7].link };
        let (mut lost, opening) = open(3, scene.sealer.head(), TailState::Crash);
        let alarm = lost.seal(&raised("lost")).unwrap();
        let lines = [opening.line.as_bytes(), alarm.line.as_bytes()];
        assert_eq!(scene.ingest.batch(GW, &lines, at(10)).unwrap().ahead, 2);
        assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM epoch"), 1, "not before the chain reaches it");
        scene.sent.truncate(8);
        let (sealer, again) = open(4, kept, TailState::Crash);
        scene.sealer = sealer;
        scene.sent.push(again);
        scene.fill(14);
        // Its alarm lane first: the opening under another key, before the backlog.
        scene.send([9, 13], 20);
        if restart {
            scene.reopen();
        }
        scene.send(7..=14, 30);
        scene.receipt(2000);
        scene.send(7..=14, 3000);
        let (receipt, _) = scene.receipt(9000).unwrap();
        assert_eq!((receipt.upto, receipt.head), (14, scene.sent[13].link), "restart {restart}");
        assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 0);
        assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
        assert_eq!(scene.ask_store::<u64>("SELECT open_seq FROM epoch WHERE ep=2"), 9);
    }
}

#[test]
fn nothing_but_an_opening_follows_a_close() {
    let mut scene = Scene::new();
    scene.seal(&about_alarm(Kind::EpochClose, "-"));
    scene.fill(3);
    scene.send(1..=2, 0);
    scene.reopen();
    assert_eq!(scene.send([3], 10), Tally { forks: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<String>("SELECT why FROM branch"), "record 3 follows the close of epoch 1");
}

#[test]
fn an_acceptance_given_before_is_found_by_equal_values_only() {
    let scene = Scene::new();
    let store = Store::open(&scene.path()).unwrap();
    let line = store.acceptance(&name("harbour"), &name(GW), &identity().public()).unwrap();
    assert_eq!(line, Some(scene.ask_store("SELECT accepted_line FROM gateway")));
    assert_eq!(store.acceptance(&name("quarry"), &name(GW), &identity().public()).unwrap(), None);
}
