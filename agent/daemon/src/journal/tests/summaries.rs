//! What the journal gives back to be summed up, and what it keeps until that is done.

use super::branches::{put_back, told};
use super::*;
use picket_core::summary::SLICE;
use picket_core::wire::{Input, Past};

fn look(journal: &Journal, after: u64) -> (u64, u64, Vec<Past>) {
    let Input::LookedBack { after: asked, through, oldest, past } = journal.look_back(after) else {
        panic!("an answer")
    };
    assert_eq!(asked, after);
    (through, oldest, past)
}

pub(super) fn summed_up(to: u64) -> Body {
    body(Kind::SummaryDay, Severity::Info, json!({ "day": "2026-11-22", "from": 1, "to": to }))
}

#[test]
fn a_slice_holds_what_records_say_and_goes_on_behind_the_last_of_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for _ in 0..3 {
        journal.append(&vec![raised("door/A"); 100]).unwrap();
    }
    let (through, oldest, past) = look(&journal, 2);
    assert_eq!((through, oldest, past.len() as u64), (2 + SLICE, 1, SLICE));
    let first = &past[0];
    assert_eq!((first.seq, first.kind, first.severity, first.synced), (3, Kind::AlarmRaised, Severity::Security, true));
    assert_eq!(
        (first.data["alarm"].as_str(), first.mode.as_str(), first.wall_ms),
        (Some("door/A"), "live", at(1).wall_ms)
    );
    let last = head(&journal);
    let (through, _, rest) = look(&journal, through);
    assert_eq!((through, rest.len() as u64), (last, 300 - SLICE));
    assert_eq!(look(&journal, last), (last, 1, Vec::new()));
}

#[test]
fn a_damaged_record_is_passed_over() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 5]).unwrap();
    journal.store.run("UPDATE record SET line = 'x' WHERE seq = 4", [], "test").unwrap();
    let (through, _, past) = look(&journal, 0);
    assert_eq!((through, past.len() as u64), (head(&journal), head(&journal) - 1));
}

#[test]
fn what_is_not_summed_up_is_not_disposed_of() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    journal.append(&vec![large(); 30]).unwrap();
    journal.append(&[summed_up(20)]).unwrap();
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    let last = head(&journal);
    receive(&mut journal, 1, last);
    let oldest = |journal: &Journal| look(journal, 0).1;
    assert_eq!(oldest(&journal), 21);
    journal.append(&[large()]).unwrap();
    assert_eq!(oldest(&journal), 21);
    journal.append(&[summed_up(40)]).unwrap();
    while journal.store.fill_permille() < 600 {
        journal.append(&[large()]).unwrap();
    }
    journal.append(&[beat()]).unwrap();
    assert_eq!(oldest(&journal), 41);
}

fn last(journal: &Journal, kind: Kind) -> serde_json::Map<String, Value> {
    let all = lines(journal);
    let mut read = all.iter().rev().filter_map(|line| Parsed::read_bytes(line).ok());
    read.find(|record| record.kind == kind).unwrap().data()
}

fn row(journal: &Journal) -> Option<u64> {
    let rows = crate::journal::memory::rows(&journal.store).unwrap();
    let row = rows.into_iter().find(|row| row.key == picket_core::summary::ROW)?;
    serde_json::from_str::<Value>(&row.body).unwrap()["to"].as_u64()
}

#[test]
fn what_is_looked_back_at_after_a_rollback_is_the_chain_alone() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 9]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    told(&mut journal);
    let (through, _, past) = look(&journal, 0);
    let seqs: Vec<u64> = past.iter().map(|record| record.seq).collect();
    assert_eq!((through, seqs), (head(&journal), [(1..=4).collect(), vec![21, 22]].concat()));
}

#[test]
fn a_summary_of_the_branch_that_was_left_is_none_of_the_chain_and_its_records_are_to_be_summed_up_again() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&[summed_up(4)]).unwrap();
    assert_eq!(row(&journal), Some(4));
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(told(&mut journal).summed_up, 0);
    assert_eq!((row(&journal), count(&journal, "summary")), (Some(0), 0));
    crate::journal::memory::refold(&journal.store).unwrap();
    assert_eq!((row(&journal), count(&journal, "summary")), (Some(0), 0));
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal), recovered.rows.iter().any(|row| row.key == "summary")), (vec![], true));
}

#[test]
fn a_summary_of_the_chain_that_stays_still_counts_after_a_rollback() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 6]).unwrap();
    journal.append(&[summed_up(5)]).unwrap();
    receive(&mut journal, 1, 9);
    journal.append(&[summed_up(10)]).unwrap();
    let other = Receipt { n: 2, upto: 40, head: [7; 32], ..receipt(&journal, 1, 9) };
    journal.receipt(&signed(&other), &at(9)).unwrap();
    assert_eq!((told(&mut journal).summed_up, row(&journal)), (5, Some(5)));
}

#[test]
fn a_summary_that_was_made_before_the_rollback_and_stored_after_it_is_void() {
    let (_site, mut journal, line) = put_back();
    journal.receipt(&line, &at(9)).unwrap();
    told(&mut journal);
    journal.append(&[summed_up(6)]).unwrap();
    assert_eq!(last(&journal, Kind::SummaryDay)["void"], true);
    assert_eq!((row(&journal), count(&journal, "summary")), (None, 0));
    // The site has heard of it.
    let counted = json!({ "from": 1, "to": 22, "missing": 16, "behind": 20 });
    journal.append(&[body(Kind::SummaryDay, Severity::Info, counted)]).unwrap();
    assert_eq!(last(&journal, Kind::SummaryDay).get("void"), None);
    assert_eq!((row(&journal), count(&journal, "summary")), (Some(22), 1));
}
