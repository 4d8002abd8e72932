use super::*;

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
fn a_record_that_a_row_stands_on_stays_and_so_does_what_follows_it() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    journal.append(&[beat(), raised("door/A")]).unwrap();
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    let last = head(&journal) - 2;
    receive(&mut journal, 1, last);
    journal.append(&[beat()]).unwrap();
    assert_eq!(first(&journal), 4);
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!(recovered.rows.len(), 1);
    assert!(found(&journal).iter().all(|fault| fault["what"] != "state"));
}
