//! What an attacker can and cannot do, as the central side decides it: the rows of the table in the design of records.

use crate::scene::*;
use picket_central::ingest::Tally;
use picket_central::status;
use picket_record::chain::{Head, Sealed, Sealer, TailState};
use picket_record::receipt::{Receipt, State};

fn lines(sealed: &[Sealed]) -> Vec<&[u8]> {
    sealed.iter().map(|one| one.line.as_bytes()).collect()
}

fn send(scene: &mut Scene, sealed: &[Sealed], ms: u64) -> Tally {
    scene.ingest.batch(GW, &lines(sealed), at(ms)).unwrap()
}

fn receipt(scene: &mut Scene, ms: u64) -> Receipt {
    scene.receipt(ms).expect("a receipt is due").0
}

fn details(scene: &Scene) -> String {
    status::details(&scene.path(), &name(GW)).unwrap()
}

/// Opens an epoch behind a record and seals so many heartbeats.
fn history(seed: u8, behind: Head, tail_state: TailState, beats: usize) -> (Sealer, Vec<Sealed>) {
    let (mut sealer, opening) = open(seed, behind, tail_state);
    let mut sealed = vec![opening];
    sealed.extend((0..beats).map(|_| sealer.seal(&beat()).unwrap()));
    (sealer, sealed)
}

fn head(scene: &Scene, seq: usize, ep: u64) -> Head {
    Head { ep, seq: seq as u64, link: scene.sent[seq - 1].link }
}

#[test]
fn what_the_network_edits_drops_reorders_and_repeats_is_refused_asked_for_sorted_and_ignored() {
    let mut scene = Scene::new();
    scene.fill(10);
    let mut edited = scene.sent[2].line.clone();
    let at_payload = edited.find('.').unwrap() + 40;
    let other = if edited.as_bytes()[at_payload] == b'A' { "B" } else { "A" };
    edited.replace_range(at_payload..=at_payload, other);
    let tally = scene.ingest.batch(GW, &[scene.sent[0].line.as_bytes(), edited.as_bytes()], at(0)).unwrap();
    assert_eq!((tally.stored, tally.refused), (1, 1));
    scene.send([9, 8, 2, 2, 6], 10);
    let gap = receipt(&mut scene, 2_000);
    assert_eq!((gap.upto, &gap.have[..], &gap.resend[..]), (2, &[(6, 6), (8, 9)][..], &[(3, 5), (7, 7)][..]));
    scene.send([7, 5, 4, 3, 10, 1], 3_000);
    let healed = receipt(&mut scene, 4_000);
    assert_eq!((healed.upto, healed.state, healed.rebase), (10, State::Ok, None));
}

#[test]
fn a_thief_who_rewrites_what_has_a_receipt_makes_a_fork_and_the_gateway_goes_on_behind_the_head() {
    let mut scene = Scene::new();
    scene.fill(9);
    scene.send(1..=9, 0);
    let (_, rewritten) = history(9, head(&scene, 4, 1), TailState::Crash, 3);
    assert_eq!(send(&mut scene, &rewritten, 100), Tally { forks: 4, ..Tally::default() });
    for ms in [200, 5_000] {
        scene.send([9], ms);
        let told = receipt(&mut scene, ms);
        assert_eq!((told.state, told.rebase), (State::Fork, Some((9, scene.sent[8].link))), "until it goes on");
        scene.reopen();
    }
    assert!(
        details(&scene).contains("second history from record 5: 4 records to number 8, epoch 2"),
        "{}",
        details(&scene)
    );
    assert!(details(&scene).contains("NOT gone on"));
    let (_, on) = history(10, Head { ep: 2, ..head(&scene, 9, 1) }, TailState::Rollback, 2);
    assert_eq!(send(&mut scene, &on, 6_000), Tally { stored: 3, ..Tally::default() });
    let told = receipt(&mut scene, 6_000);
    assert_eq!((told.state, told.rebase, told.upto, told.ep), (State::Ok, None, 12, 3));
    // What was left comes once more, its opening in front, and more of it: kept, and nobody has to go back.
    let (_, longer) = history(9, head(&scene, 4, 1), TailState::Crash, 20);
    assert_eq!(send(&mut scene, &longer, 7_000).forks, 21);
    assert_eq!(receipt(&mut scene, 8_000).state, State::Ok);
    let told = details(&scene);
    assert!(told.contains("second history from record 5: 21 records to number 25, epoch 2"), "{told}");
    assert!(told.contains("the gateway went on behind record 9"), "{told}");
}

#[test]
fn a_thief_with_records_of_a_known_epoch_is_refused_by_signature() {
    let mut scene = Scene::new();
    scene.fill(5);
    scene.send(1..=5, 0);
    // He has no key of epoch 1, and makes one: without its opening nobody believes him.
    let (mut own, _) = open(77, Head { ep: 0, ..head(&scene, 5, 1) }, TailState::Crash);
    let forged = own.seal(&raised("forged")).unwrap();
    assert_eq!(send(&mut scene, &[forged], 100), Tally { refused: 1, ..Tally::default() });
    assert_eq!(receipt(&mut scene, 200).state, State::Bad);
    assert_eq!(scene.ask_store::<String>("SELECT reason FROM quarantine"), "the signature is not by the epoch key");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 0);
}

#[test]
fn a_thief_who_cuts_the_tail_without_receipt_leaves_an_epoch_that_is_not_closed() {
    let mut scene = Scene::new();
    scene.fill(9);
    scene.send(1..=6, 0);
    // Records 7 to 9 were never sent and are cut off.
    let (_, on) = history(9, head(&scene, 6, 1), TailState::Crash, 1);
    assert_eq!(send(&mut scene, &on, 100), Tally { stored: 2, ..Tally::default() });
    assert_eq!(receipt(&mut scene, 200).state, State::Ok, "the amount is unknown, and nothing contradicts");
    let told = details(&scene);
    assert!(told.contains("epoch 1 was not closed: what came after record 6, if anything, is lost"), "{told}");
}

#[test]
fn a_restored_image_that_asks_first_is_a_finding_and_no_fork() {
    let mut scene = Scene::new();
    scene.fill(10);
    scene.send(1..=10, 0);
    receipt(&mut scene, 0);
    let (mut sealer, opening) = open_after(9, head(&scene, 10, 1), TailState::Rollback, head(&scene, 6, 1));
    let on = [opening, sealer.seal(&beat()).unwrap()];
    assert_eq!(send(&mut scene, &on, 100), Tally { stored: 2, ..Tally::default() });
    let told = receipt(&mut scene, 200);
    assert_eq!((told.state, told.rebase, told.upto), (State::Ok, None, 12));
    let told = details(&scene);
    assert!(
        told.contains("found record 6 as its last, as it is here; went on behind record 10 with epoch 2"),
        "{told}"
    );
}

#[test]
fn a_restored_image_that_went_on_first_is_a_fork_and_both_branches_are_kept() {
    let mut scene = Scene::new();
    scene.fill(10);
    scene.send(1..=10, 0);
    let (mut branch, mut written) = history(9, head(&scene, 6, 1), TailState::Crash, 2);
    let alarm = branch.seal(&raised("of-the-branch")).unwrap();
    // Far beyond the head as well, and its next epoch there.
    written.extend([alarm]);
    written.extend((0..8).map(|_| branch.seal(&beat()).unwrap()));
    let (_, next) = history(10, branch.head(), TailState::Crash, 1);
    // The alarm lane first: an opening that may come, and what stands behind it.
    assert_eq!(send(&mut scene, &next, 90).ahead, 2);
    assert_eq!(send(&mut scene, &written, 100).forks, 12);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM quarantine"), 0);
    let told = receipt(&mut scene, 200);
    assert_eq!((told.state, told.rebase), (State::Fork, Some((10, scene.sent[9].link))));
    let (_, on) = history(11, Head { ep: 3, ..head(&scene, 10, 1) }, TailState::Rollback, 1);
    assert_eq!(send(&mut scene, &on, 300).stored, 2);
    let told = receipt(&mut scene, 400);
    assert_eq!((told.state, told.have, told.upto), (State::Ok, vec![], 12));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM fork"), 14, "what waited of it is kept with it");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 0);
}

#[test]
fn a_cloned_identity_shows_as_a_fork_with_both_openings() {
    let mut scene = Scene::new();
    scene.fill(5);
    scene.send(1..=5, 0);
    let (_, first) = history(8, head(&scene, 5, 1), TailState::Crash, 3);
    let (_, clone) = history(9, head(&scene, 5, 1), TailState::Crash, 2);
    assert_eq!(send(&mut scene, &first, 100).stored, 4);
    assert_eq!(send(&mut scene, &clone, 110), Tally { forks: 3, ..Tally::default() });
    assert_eq!(receipt(&mut scene, 200).state, State::Fork);
    let told = details(&scene);
    assert!(told.contains("it opens epoch 2 with record 6, here that is record 6"), "{told}");
}

#[test]
fn a_clone_that_goes_on_after_the_gateway_left_its_history_is_a_fork_also_after_a_restart() {
    let mut scene = Scene::new();
    scene.fill(5);
    scene.send(1..=5, 0);
    let (clone, written) = history(9, head(&scene, 3, 1), TailState::Crash, 2);
    send(&mut scene, &written, 10);
    assert_eq!(receipt(&mut scene, 10).state, State::Fork);
    let (_, on) = history(10, Head { ep: 2, ..head(&scene, 5, 1) }, TailState::Rollback, 1);
    assert_eq!(send(&mut scene, &on, 20).stored, 2);
    assert_eq!(receipt(&mut scene, 1_000).state, State::Ok);
    // Beyond the epoch with which the gateway left.
    let (_, more) = history(11, Head { ep: 3, ..clone.head() }, TailState::Crash, 1);
    assert_eq!(send(&mut scene, &more, 2_000).forks, 2);
    for ms in [2_000, 4_000] {
        scene.ingest.ask(GW, None, at(ms)).unwrap();
        assert_eq!(receipt(&mut scene, ms).state, State::Fork, "{ms}");
        assert!(details(&scene).contains("NOT gone on"), "{}", details(&scene));
        scene.reopen();
    }
}

#[test]
fn an_insider_who_deletes_the_newest_records_is_seen_by_the_gateway_and_healed_by_it() {
    let mut scene = Scene::new();
    scene.fill(8);
    scene.send(1..=8, 0);
    let before = receipt(&mut scene, 0);
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    db.execute_batch("DELETE FROM record WHERE seq>5; DELETE FROM receipt WHERE n=1").unwrap();
    drop(db);
    scene.reopen();
    scene.ingest.ask(GW, Some(before.n), at(1_000)).unwrap();
    let after = receipt(&mut scene, 1_000);
    assert!(
        after.n > before.n && after.upto < before.upto,
        "newer, and it says less: the gateway holds the contradiction"
    );
    assert_eq!(scene.send(6..=8, 1_100).stored, 3);
    let healed = receipt(&mut scene, 3_000);
    assert_eq!((healed.upto, healed.head, healed.state), (8, before.head, State::Ok));
}

#[test]
fn an_opening_that_was_taken_for_another_history_and_is_of_the_chain_is_no_longer_listed() {
    let mut scene = Scene::new();
    scene.fill(4);
    scene.send(1..=3, 0);
    let (_, stray) = open(8, Head { ep: 1, seq: 4, link: [7; 32] }, TailState::Crash);
    let (_, own) = history(9, head(&scene, 4, 1), TailState::Crash, 1);
    let stray_link = stray.link.to_vec();
    assert_eq!(send(&mut scene, &[stray], 10).ahead, 1);
    assert_eq!(send(&mut scene, &own[..1], 20).forks, 1, "another one waits under its number");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM branch"), 1);
    assert_eq!(scene.send([4], 30), Tally { stored: 1, forks: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM branch"), 2, "what waited is of another history");
    assert_eq!(send(&mut scene, &own, 40).stored, 2);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM branch"), 1);
    let kept: Vec<u8> = scene.ask_store("SELECT link FROM fork");
    assert_eq!(kept, stray_link);
}

#[test]
fn a_flood_of_forks_and_openings_is_bounded_and_counted() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=3, 0);
    for seed in 0..80 {
        let (_, one) = history(100 + seed, Head { ep: 0, ..head(&scene, 1, 1) }, TailState::Crash, 3);
        send(&mut scene, &one, 10);
    }
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM branch"), 64);
    let (_, many) = history(9, head(&scene, 1, 1), TailState::Crash, 10_050);
    send(&mut scene, &many, 20);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM fork"), 10_000);
    let told: u64 = scene.ask_store("SELECT sum(records)+sum(beyond) FROM branch");
    assert!(told >= 10_051, "{told}");
    assert_eq!(scene.ask_store::<u64>("SELECT sum(records) FROM branch"), 10_000);
    scene.fill(6);
    assert_eq!(scene.send(4..=6, 30).stored, 3, "the first history goes on");
}
