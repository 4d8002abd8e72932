//! A receipt with a mark: the central side holds another history, and waits for the chain to go on behind its head.

use super::branches::{put_back, told};
use super::*;
use crate::journal::ReceiptFault;

#[test]
fn what_is_on_its_way_to_the_central_side_is_waited_for_before_the_chain_goes_on_behind_its_mark() {
    use crate::journal::thread::{Request, serve};
    use picket_core::wire::Input;
    use tokio::sync::{mpsc, watch};
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 8]).unwrap();
    let asked = |n, upto| {
        let paper = receipt(&journal, n, upto);
        signed(&Receipt { rebase: Some((upto, paper.head)), state: State::Fork, ..paper })
    };
    let papers = [asked(1, 4), asked(2, 7), asked(3, 9)];
    let (requests, wanted) = mpsc::channel(8);
    let (inputs, mut taken) = mpsc::channel(32);
    let (parcels, _carried) = mpsc::channel(8);
    let (mending, _seen) = watch::channel(None);
    requests.try_send(Request::Send { session: 1, batch: Batch::Range { from: 1, to: 9 } }).unwrap();
    for line in papers {
        requests.try_send(Request::Receipt { line, when: at(9) }).unwrap();
    }
    drop(requests);
    serve(journal, wanted, &inputs, &parcels, &mending);
    drop(inputs);
    let mut told = Vec::new();
    while let Some(input) = taken.blocking_recv() {
        match input {
            Input::Rebased(rebased) => told.push(format!("behind {}, {} left", rebased.upto, rebased.left)),
            Input::Receipted(receipted) => told.push(format!("receipted to {}", receipted.upto)),
            _ => {}
        }
    }
    assert_eq!(told, ["receipted to 4", "receipted to 7", "behind 9, 1 left", "receipted to 9"]);
}

#[test]
fn a_mark_that_there_is_no_room_to_go_on_behind_is_a_receipt_like_any_other() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![large(); 40]).unwrap();
    let own = head(&journal);
    let paper = receipt(&journal, 1, 2);
    let asked = |n| signed(&Receipt { n, rebase: Some((2, paper.head)), state: State::Fork, ..paper.clone() });
    journal.store.by_hand("PRAGMA max_page_count=1");
    assert_eq!(journal.receipt(&asked(1), &at(9)).unwrap().upto, 2);
    assert_eq!((journal.newest_receipt(), head(&journal), journal.rebased()), (1, own, None));
    journal.store.by_hand("PRAGMA max_page_count=100000");
    journal.append(&[beat()]).unwrap();
    assert_eq!((count(&journal, "receipt"), count(&journal, "leaving")), (1, 0));
    // Each attempt moves all that is left: with room or without, not with every receipt.
    journal.receipt(&asked(2), &at(60_000_008)).unwrap();
    assert_eq!((journal.newest_receipt(), journal.rebased()), (2, None));
    journal.receipt(&asked(3), &at(60_000_009)).unwrap();
    assert_eq!(told(&mut journal).left, own + 1 - 2);
}

#[test]
fn a_receipt_of_another_history_that_there_is_no_room_for_is_refused_for_a_minute_without_another_attempt() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![large(); 40]).unwrap();
    let full = |answer| matches!(answer, Err(ReceiptFault::Journal(Fault::Full { .. })));
    journal.store.by_hand("PRAGMA max_page_count=1");
    assert!(full(journal.receipt(&line, &at(9))));
    journal.store.by_hand("PRAGMA max_page_count=100000");
    assert!(full(journal.receipt(&line, &at(60_000_008))));
    assert_eq!((journal.newest_receipt(), count(&journal, "leaving")), (1, 0));
    assert_eq!(journal.receipt(&line, &at(60_000_009)).unwrap().upto, 20);
    assert_eq!(told(&mut journal).upto, 20);
}

#[test]
fn what_was_on_its_way_before_a_start_is_waited_for_too() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 8]).unwrap();
    let last = head(&journal);
    drop(journal);
    let (mut journal, _) = site.start();
    for (n, upto) in [(1, 4), (2, last - 1), (3, last)] {
        let paper = receipt(&journal, n, upto);
        let paper = Receipt { rebase: Some((upto, paper.head)), state: State::Fork, ..paper };
        assert_eq!(journal.receipt(&signed(&paper), &at(9)).unwrap().upto, upto);
        assert_eq!(journal.rebased().map(|rebased| rebased.upto), (upto == last).then_some(last), "behind {upto}");
    }
}

#[test]
fn one_whose_last_record_is_the_mark_goes_on_with_an_opening_and_leaves_nothing() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[beat()]).unwrap();
    let paper = receipt(&journal, 1, 3);
    let paper = Receipt { rebase: Some((3, paper.head)), state: State::Fork, ..paper };
    journal.receipt(&signed(&paper), &at(9)).unwrap();
    let rebased = told(&mut journal);
    assert_eq!((rebased.found, rebased.upto, rebased.left, rebased.branch), (3, 3, 0, None));
    assert_eq!(kinds(&journal)[3], Kind::EpochOpen);
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_long_backlog_is_not_left_because_the_central_side_asks_and_stays_the_chain() {
    for (backlog, leaves) in [(990, true), (1_010, false)] {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        let paper = receipt(&journal, 1, 2);
        let paper = Receipt { rebase: Some((2, paper.head)), state: State::Fork, ..paper };
        journal.append(&vec![beat(); backlog]).unwrap();
        let own = head(&journal);
        assert_eq!(journal.receipt(&signed(&paper), &at(9)).unwrap().upto, 2);
        assert_eq!(journal.rebased().is_some(), leaves, "{backlog}");
        assert_eq!((head(&journal) == own, checked(&journal).contradictions), (!leaves, 0));
    }
}
