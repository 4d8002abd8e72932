//! When receipts go out, what numbers they have, and what is kept of them.

use crate::scene::*;
use picket_central::ingest::Ingest;
use picket_record::receipt::State;

#[test]
fn a_routine_receipt_waits_a_second_and_an_alarm_does_not() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=1, 0);
    assert!(scene.receipt(0).is_some(), "an opening is receipted at once");
    scene.send(2..=3, 10);
    assert!(scene.receipt(900).is_none());
    assert!(scene.receipt(1000).is_some());
    assert!(scene.receipt(9000).is_none(), "nothing was heard since");
    scene.seal(&raised("a"));
    scene.send(4..=4, 9000);
    assert!(scene.receipt(9000).is_some());
}

#[test]
fn receipts_form_a_chain_over_a_restart_in_the_middle() {
    let mut scene = Scene::new();
    scene.fill(6);
    scene.send([1, 2, 5], 0);
    let (first, link) = scene.receipt(0).unwrap();
    scene.reopen();
    scene.send([3, 4, 6], 10_000);
    let (second, _) = scene.receipt(10_000).unwrap();
    assert_eq!((first.n, second.n, second.prev), (1, 2, link));
    assert_eq!((second.upto, second.head, second.state), (6, scene.sent[5].link, State::Ok));
}

#[test]
fn who_asks_is_answered_at_once() {
    let mut scene = Scene::new();
    scene.ingest.ask(GW, None, at(0)).unwrap();
    let (receipt, _) = scene.receipt(0).unwrap();
    assert_eq!((receipt.n, receipt.upto, receipt.head), (1, 0, scene.acceptance));
    scene.ingest.ask("gate-9", None, at(0)).unwrap();
    assert_eq!(scene.receipt(500), None);
}

#[test]
fn questions_that_nobody_signs_move_the_count_once_and_fill_no_disk() {
    let mut scene = Scene::new();
    scene.ingest.ask(GW, Some(5_000_000), at(0)).unwrap();
    assert_eq!(scene.receipt(0).unwrap().0.n, 1_000_002);
    for n in 1..=1_300 {
        scene.ingest.ask(GW, Some(2_000_000), at(n * 50)).unwrap();
        assert_eq!(scene.receipt(n * 50).unwrap().0.n, 1_000_002 + n, "believed once");
    }
    let kept: u64 = scene.ask_store("SELECT count(*) FROM receipt");
    assert!((1_000..=1_065).contains(&kept), "{kept}");
    // A new connection, and a day later.
    scene.ingest.repeat(at(90_000_000));
    scene.ingest.ask(GW, Some(2_000_000), at(90_000_000)).unwrap();
    assert_eq!(scene.receipt(90_000_000).unwrap().0.n, 2_000_002);
    for n in 1..=1_100 {
        scene.ingest.ask(GW, None, at(90_000_000 + n * 50)).unwrap();
        scene.receipt(90_000_000 + n * 50).unwrap();
    }
    let newest = "SELECT count(*) FROM receipt WHERE n=1001302";
    assert_eq!(scene.ask_store::<u64>(newest), 1, "the newest of a day stays");
    assert!(scene.ask_store::<u64>("SELECT count(*) FROM receipt") <= 1_066);
}

#[test]
fn a_store_restored_from_a_backup_says_less_and_is_healed() {
    let mut scene = Scene::new();
    scene.fill(8);
    scene.send(1..=3, 0);
    scene.receipt(0).unwrap();
    let backup = scene.home.path().join("backup.db");
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    db.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(db);
    scene.send(4..=8, 10);
    let (newest, _) = scene.receipt(2000).unwrap();
    assert_eq!((newest.n, newest.upto), (2, 8));
    scene.ingest = Ingest::open(&backup, name("sms"), key()).unwrap();
    scene.ingest.ask(GW, Some(2), at(9000)).unwrap();
    let (lower, _) = scene.receipt(9000).unwrap();
    assert_eq!(
        (lower.n, lower.upto, lower.head),
        (4, 3, scene.sent[2].link),
        "a receipt that is not here is not named"
    );
    assert_eq!(scene.send(4..=8, 9100).stored, 5);
}
