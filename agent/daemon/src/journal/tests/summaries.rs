//! What the journal gives back to be summed up, and what it keeps until that is done.

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

fn summed_up(to: u64) -> Body {
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
