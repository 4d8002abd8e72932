use super::*;
use crate::journal::{ReceiptFault, memory};

/// A journal of 2 MB whose second epoch is the current one, filled to 61 % by records of the first.
fn filled() -> (Site, Journal) {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    while journal.append(&[large()]).unwrap().fill_permille < 590 {}
    drop(journal);
    let (mut journal, _) = site.start();
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    (site, journal)
}

fn first(journal: &Journal) -> u64 {
    Parsed::read_bytes(&lines(journal)[0]).unwrap().seq
}

#[test]
fn nothing_without_a_receipt_is_disposed_of() {
    let (_site, mut journal) = filled();
    while journal.append(&[large()]).is_ok() {}
    assert_eq!((first(&journal), lines(&journal).len() as u64), (1, head(&journal)));
}

#[test]
fn what_has_a_receipt_makes_room_and_the_range_is_stated() {
    let (_site, mut journal) = filled();
    let before = head(&journal);
    receive(&mut journal, 1, 20);
    // What is disposed of is stated before the heartbeat.
    assert_eq!((first(&journal), head(&journal)), (21, before + 2));
    assert!(journal.store.fill_permille() < 600);
    let all = lines(&journal);
    let stated = all.iter().map(|line| Parsed::read_bytes(line).unwrap()).find(|r| r.kind == Kind::RecordsDisposed);
    let data = stated.unwrap().data();
    assert_eq!((&data["from"], &data["to"]), (&json!(1), &json!(20)));
}

#[test]
fn the_current_epoch_stays_whole() {
    let (_site, mut journal) = filled();
    let last = head(&journal);
    receive(&mut journal, 1, last);
    journal.append(&[beat()]).unwrap();
    assert_eq!(kinds(&journal)[0], Kind::EpochOpen);
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_row_whose_record_goes_is_said_again_word_for_word_and_outlives_everything() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    let quoted = json!({ "alarm": "door/B", "facts": { "said": "\"opened\" \\ \u{e9}" } });
    journal.append(&[raised("door/A"), body(Kind::AlarmRaised, Severity::Security, quoted)]).unwrap();
    let told = memory_of(&journal);
    for n in 1..=1_500 {
        journal.append(&[large()]).unwrap();
        let last = head(&journal);
        journal.receipt(&signed(&receipt(&journal, n, last))).unwrap();
        assert!(journal.store.fill_permille() < 650, "{} of the budget after {n}", journal.store.fill_permille());
    }
    assert!(first(&journal) > 1_000);
    assert_eq!(memory_of(&journal), told);
    assert_eq!(memory::refold(&journal.store).unwrap(), 2);
    assert_eq!(memory_of(&journal), told);
    stop(journal);
    let (journal, recovered) = site.start();
    assert_eq!(recovered.rows.iter().map(|row| (row.key.clone(), row.body.clone())).collect::<Vec<_>>(), told);
    assert_eq!(found(&journal), Vec::<Value>::new());
    assert_eq!(exported(&journal).contradictions, 0);
}

#[test]
fn a_row_too_large_to_be_said_again_keeps_its_record() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    // Quotes count twice in a row that is quoted once more.
    journal
        .append(&[beat(), body(Kind::AlarmRaised, Severity::Security, json!({ "alarm": "\"".repeat(1_700) }))])
        .unwrap();
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    let last = head(&journal) - 2;
    receive(&mut journal, 1, last);
    journal.append(&[beat()]).unwrap();
    assert_eq!(first(&journal), 4);
}

#[test]
fn an_epoch_that_alone_fills_the_journal_is_closed_before_its_time() {
    let mut site = Site::new();
    site.budget = 8_000_000;
    let (mut journal, _) = site.start();
    while journal.append(&vec![large(); 20]).unwrap().fill_permille < 610 {}
    let last = head(&journal);
    receive(&mut journal, 1, last);
    assert!(journal.store.fill_permille() < 600, "{}", journal.store.fill_permille());
    assert_eq!(first(&journal), 501);
    assert!(head(&journal) - 300 < last, "the tail that a start checks begins in the older epoch");
    drop(journal);
    // The opening of the epoch before is gone, and its last record is no damage for that.
    let (journal, _) = site.start();
    assert_eq!(found(&journal), Vec::<Value>::new());
}

#[test]
fn a_receipt_for_records_that_are_disposed_of_is_known_by_the_one_before() {
    let (mut site, mut journal) = filled();
    let upto = head(&journal) - 1;
    receive(&mut journal, 1, 20);
    let again = receipt(&journal, 2, upto);
    journal.receipt(&signed(&again)).unwrap();
    for _ in 0..3 {
        journal.append(&[beat()]).unwrap();
    }
    drop(journal);
    let (mut journal, _) = site.start();
    journal.store.run("DELETE FROM record WHERE seq <= ?1", [upto], "test").unwrap();
    journal.receipt(&signed(&Receipt { n: 3, ..again.clone() })).unwrap();
    let other = Receipt { n: 4, head: [7; 32], ..again };
    assert!(matches!(journal.receipt(&signed(&other)), Err(ReceiptFault::Refused(_))));
}

/// The chain from the first record that an export begins with.
fn exported(journal: &Journal) -> Summary {
    let mut check = ChainCheck::new(IdentityKey::from_seed([1; 32]).public());
    let mut after = journal.export_from().unwrap();
    while let Some((last, lines)) = journal.slice(after).unwrap() {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let _ = check.line(line);
        }
        after = last;
    }
    check.finish()
}

fn memory_of(journal: &Journal) -> Vec<(String, String)> {
    memory::rows(&journal.store).unwrap().into_iter().map(|row| (row.key, row.body)).collect()
}
