use super::*;
use crate::journal::{ReceiptFault, memory};
use picket_record::chain::Head;

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

/// The same with an open alarm at its beginning and a receipt for nearly all: the next append disposes of that. What
/// its rows say.
fn due() -> (Site, Journal, Vec<(String, String)>) {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A")]).unwrap();
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    let last = head(&journal) - 2;
    journal.receipt(&signed(&receipt(&journal, 1, last)), &at(2)).unwrap();
    let told = memory_of(&journal);
    (site, journal, told)
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
        journal.receipt(&signed(&receipt(&journal, n, last)), &at(2)).unwrap();
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
fn a_row_keeps_the_number_of_the_record_that_said_it_first() {
    let (_site, mut journal) = filled();
    journal.append(&[raised("door/A")]).unwrap();
    let said = memory::rows(&journal.store).unwrap()[0].seq;
    for n in 1.. {
        journal.append(&[large()]).unwrap();
        let last = head(&journal);
        journal.receipt(&signed(&receipt(&journal, n, last)), &at(2)).unwrap();
        if first(&journal) > said {
            break;
        }
    }
    assert_eq!(memory::rows(&journal.store).unwrap()[0].seq, said);
    memory::refold(&journal.store).unwrap();
    assert_eq!(memory::rows(&journal.store).unwrap()[0].seq, said);
}

#[test]
fn a_disposal_that_was_reported_as_failed_but_is_done_costs_no_row_and_is_stated() {
    let (mut site, mut journal, told) = due();
    // The last commit of the disposal is there, and the journal does not know it.
    journal.prune_if_needed(&at(2)).unwrap();
    let disposed = Parsed::read_bytes(lines(&journal).last().unwrap()).unwrap().data();
    let before = Head::after(&Parsed::read_bytes(&lines(&journal)[lines(&journal).len() - 2]).unwrap());
    journal.sealer.rewind(before);
    journal.store.disk("cannot commit", rusqlite::Error::QueryReturnedNoRows);
    journal.append(&[beat()]).unwrap();
    assert_eq!(memory_of(&journal), told);
    let stated = found(&journal);
    let gone = stated.iter().find(|fault| fault["what"] == "disposed").expect("the disposal is stated");
    assert_eq!((&gone["from"], &gone["to"]), (&disposed["from"], &disposed["to"]));
    assert!(stated.iter().all(|fault| fault["what"] != "state"), "{stated:?}");
    drop(journal);
    let (_, recovered) = site.start();
    assert_eq!(recovered.rows.into_iter().map(|row| (row.key, row.body)).collect::<Vec<_>>(), told);
}

#[test]
fn a_disposal_that_is_set_aside_is_stated_though_the_mending_is_cut_off() {
    let (mut site, mut journal, _) = due();
    // Done and reported as failed, as above; the power goes before a record tells what was found.
    journal.prune_if_needed(&at(2)).unwrap();
    let disposed = Parsed::read_bytes(lines(&journal).last().unwrap()).unwrap().data();
    let before = Head::after(&Parsed::read_bytes(&lines(&journal)[lines(&journal).len() - 2]).unwrap());
    journal.sealer.rewind(before);
    journal.match_head(&mut Vec::new()).unwrap();
    drop(journal);
    let (journal, _) = site.start();
    let stated = found(&journal);
    let gone = stated.iter().find(|fault| fault["what"] == "disposed").expect("the disposal is stated");
    assert_eq!((&gone["from"], &gone["to"]), (&disposed["from"], &disposed["to"]));
    drop(journal);
    assert_eq!(found(&site.start().0), Vec::<Value>::new(), "it is stated once");
}

#[test]
fn rows_said_again_by_a_commit_that_was_reported_as_failed_are_folded_from_their_records() {
    let (_site, mut journal, told) = due();
    let before = journal.sealer.head();
    journal.say_rows_again(&at(2), u64::MAX).unwrap();
    journal.sealer.rewind(before);
    journal.store.disk("cannot commit", rusqlite::Error::QueryReturnedNoRows);
    journal.append(&[beat()]).unwrap();
    assert_eq!(memory_of(&journal), told);
    assert!(first(&journal) > 1, "and the disposal goes on");
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
    journal.receipt(&signed(&again), &at(2)).unwrap();
    for _ in 0..3 {
        journal.append(&[beat()]).unwrap();
    }
    drop(journal);
    let (mut journal, _) = site.start();
    journal.store.run("DELETE FROM record WHERE seq <= ?1", [upto], "test").unwrap();
    journal.receipt(&signed(&Receipt { n: 3, ..again.clone() }), &at(2)).unwrap();
    let other = Receipt { n: 4, head: [7; 32], ..again };
    assert!(matches!(journal.receipt(&signed(&other), &at(2)), Err(ReceiptFault::Refused(_))));
}

/// The chain from the first record that an export begins with.
fn exported(journal: &Journal) -> Summary {
    let mut check = ChainCheck::new(IdentityKey::from_seed([1; 32]).public());
    let mut after = journal.papers(crate::journal::bundle::Range::default()).unwrap().from - 1;
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
