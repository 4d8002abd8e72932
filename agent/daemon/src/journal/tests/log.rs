//! A log of the database that rots while the agent is off.

use super::*;
use std::fs;

/// A log of several appends, cut off with the journal open; its last record and the receipt for that.
fn cut_off() -> (Site, u64, String) {
    let mut site = Site::new();
    // What a life before wrote is in the database: it was closed.
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    drop(journal);
    let (mut journal, _) = site.start();
    for _ in 0..8 {
        journal.append(&[beat()]).unwrap();
    }
    let (head, line) = (head(&journal), signed(&receipt(&journal, 2, head(&journal))));
    (site.cut(), head, line)
}

fn rot(site: &Site, at: impl FnOnce(usize) -> usize) {
    let log = site.folder.path().join("journal.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(log, bytes).unwrap();
}

#[test]
fn a_log_whose_header_rots_is_set_aside_and_told_once() {
    for at in 0..32 {
        let (mut site, ..) = cut_off();
        rot(&site, |_| at);
        let log = fs::read(site.folder.path().join("journal.db-wal")).unwrap();
        let (journal, recovered) = site.start();
        assert_eq!((found(&journal)[0]["what"].as_str(), recovered.tail.as_str()), (Some("log"), "crash"), "byte {at}");
        assert_eq!(fs::read(found(&journal)[0]["aside"].as_str().unwrap()).unwrap(), log, "byte {at}");
        drop(journal);
        let (journal, recovered) = site.start();
        assert_eq!((found(&journal).len(), recovered.tail.as_str()), (0, "crash"), "byte {at}");
    }
}

#[test]
fn a_whole_log_and_none_are_no_damage() {
    let (mut site, head, _) = cut_off();
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal).len(), recovered.tail.as_str(), recovered.head), (0, "crash", head + 1));
    drop(journal);
    assert_eq!(found(&site.start().0).len(), 0);
}

#[test]
fn a_log_that_rots_before_its_last_commit_is_told_with_how_many_are_gone() {
    let (mut site, head, receipt) = cut_off();
    // A frame is a page and 24 bytes, and an append of one record changes one page at least.
    rot(&site, |bytes| bytes - 3 * (2_048 + 24) + 100);
    let (mut journal, recovered) = site.start();
    let cause = found(&journal)[0]["cause"].as_str().unwrap_or_default().to_owned();
    assert!(cause.ends_with("commits from there on are gone"), "{cause}");
    assert!(recovered.head <= head, "{} of {head}", recovered.head);
    journal.receipt(&receipt, &at(2)).unwrap();
    let left = journal.rebased().expect("it went back");
    assert_eq!((left.tail.as_str(), left.upto), ("rollback", head));
}

#[test]
fn limit_a_last_commit_that_rots_looks_like_a_crash_until_a_receipt_names_it() {
    let (mut site, head, receipt) = cut_off();
    rot(&site, |bytes| bytes - 5);
    let (mut journal, recovered) = site.start();
    // The epoch was not closed, what its end was is not known, and the number is given again.
    assert_eq!((found(&journal).len(), recovered.tail.as_str(), recovered.head), (0, "crash", head));
    journal.receipt(&receipt, &at(2)).unwrap();
    let left = journal.rebased().expect("it went back");
    assert_eq!((left.tail.as_str(), left.upto), ("rollback", head));
}
