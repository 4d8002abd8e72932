use super::*;

/// Ranges that `journal.recovered` records declare, in order.
fn declared(journal: &Journal) -> Vec<Vec<(u64, u64)>> {
    let all = lines(journal);
    let records = all.iter().filter_map(|line| Parsed::read_bytes(line).ok());
    records.map(|record| record.lost()).filter(|lost| !lost.is_empty()).collect()
}

/// 3 heartbeats without a receipt behind one for the first records, and a second epoch.
fn written(changes: &str) -> (Site, Journal) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    journal.append(&vec![beat(); 400]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 400]).unwrap();
    drop(journal);
    site.by_hand(changes);
    let (journal, _) = site.start();
    (site, journal)
}

fn asked(journal: &mut Journal, n: u64, upto: u64, resend: Vec<(u64, u64)>) {
    let paper = Receipt { n, resend, ..receipt(journal, n, upto) };
    journal.receipt(&signed(&paper), &at(9)).unwrap();
}

#[test]
fn a_damaged_record_that_is_asked_for_is_declared_lost_once() {
    for change in [
        "DELETE FROM record WHERE seq = 50",
        "UPDATE record SET line = CAST(x'ff41' AS TEXT) WHERE seq = 50",
        "UPDATE record SET line = (SELECT line FROM record WHERE seq = 51) WHERE seq = 50",
        // The signature alone.
        "UPDATE record SET line = CAST(substr(line, 1, length(line) - 6) || zeroblob(6) AS BLOB) WHERE seq = 50",
    ] {
        let (_site, mut journal) = written(change);
        assert_eq!(declared(&journal), [[]; 0], "{change}");
        asked(&mut journal, 2, 49, vec![(50, 50)]);
        assert_eq!(declared(&journal), [[(50, 50)]], "{change}");
        let before = head(&journal);
        asked(&mut journal, 3, 49, vec![(50, 300)]);
        assert_eq!((declared(&journal).len(), head(&journal)), (1, before), "{change}");
        // The central side crosses the hole, and its receipts count.
        asked(&mut journal, 4, 300, vec![]);
        assert_eq!(journal.receipts.upto(), 300, "{change}");
    }
}

#[test]
fn what_is_asked_for_and_good_is_no_loss_however_often() {
    let (_site, mut journal) = written("");
    let before = head(&journal);
    asked(&mut journal, 2, 10, vec![(11, 700)]);
    asked(&mut journal, 3, 10, vec![(11, 700), (701, 90_000)]);
    assert_eq!((head(&journal), declared(&journal)), (before, vec![]));
}

#[test]
fn many_holes_are_told_in_one_record_up_to_32_and_the_rest_when_they_are_asked_for() {
    let (_site, mut journal) = written("DELETE FROM record WHERE seq BETWEEN 50 AND 200 AND seq % 3 = 0");
    asked(&mut journal, 2, 49, vec![(50, 400)]);
    let first = declared(&journal);
    assert_eq!((first.len(), first[0].len(), first[0][31]), (1, 32, (144, 144)));
    asked(&mut journal, 3, 49, vec![(50, 400)]);
    assert_eq!(declared(&journal)[1].first(), Some(&(147, 147)));
    assert_eq!(declared(&journal)[1].len(), 18);
}

#[test]
fn an_opening_that_cannot_be_read_takes_its_epoch_along_up_to_the_next_one() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    for _ in 0..2 {
        drop(journal);
        journal = site.start().0;
        journal.append(&vec![beat(); 400]).unwrap();
    }
    drop(journal);
    let opened: u64 = {
        let db = Connection::open(site.file()).unwrap();
        db.query_row("SELECT seq FROM epoch WHERE ep = 2", [], |row| row.get(0)).unwrap()
    };
    site.by_hand(&format!("UPDATE record SET line = 'x' WHERE seq = {opened}"));
    let (mut journal, _) = site.start();
    asked(&mut journal, 2, opened - 1, vec![(opened, opened + 400)]);
    assert_eq!(declared(&journal), [[(opened, opened + 400)]]);
    asked(&mut journal, 3, opened + 400, vec![]);
}

#[test]
fn the_opening_of_the_running_epoch_takes_it_along_and_another_one_opens() {
    let (_site, mut journal) = written("");
    let opened = journal.sealer.opened();
    journal.append(&vec![beat(); 5]).unwrap();
    journal.store.run("UPDATE record SET line = 'x' WHERE seq = ?1", [opened], "test").unwrap();
    asked(&mut journal, 2, opened - 1, vec![(opened, opened + 5)]);
    let next = journal.sealer.opened();
    assert_eq!((declared(&journal), next > opened), (vec![vec![(opened, next - 1)]], true));
    assert_eq!(kinds_from(&journal, next), [Kind::EpochOpen, Kind::JournalRecovered]);
}

fn kinds_from(journal: &Journal, from: u64) -> Vec<Kind> {
    let all = lines(journal);
    let records = all.iter().filter_map(|line| Parsed::read_bytes(line).ok());
    records.filter(|record| record.seq >= from).map(|record| record.kind).collect()
}

#[test]
fn a_start_that_finds_damage_in_the_tail_declares_it_without_being_asked() {
    for change in ["DELETE FROM record WHERE seq", "UPDATE record SET line = 'x' WHERE seq"] {
        let (mut site, journal) = written(&format!("{change} BETWEEN 700 AND 702"));
        assert_eq!(declared(&journal), [[(700, 702)]], "{change}");
        assert_eq!(found(&journal)[0]["what"], "record");
        drop(journal);
        drop(site.start());
        let (journal, _) = site.start();
        assert_eq!(declared(&journal), [[(700, 702)]], "{change}: once, and not at every start");
        drop(journal);
        site.by_hand("DELETE FROM record WHERE seq = 703");
        assert_eq!(declared(&site.start().0), [[(700, 702)], [(703, 703)]], "{change}: what is new is told");
    }
}

#[test]
fn records_that_were_told_and_are_gone_after_a_fault_of_the_disk_are_declared() {
    let (site, mut journal) = written("");
    journal.append(&vec![beat(); 5]).unwrap();
    let last = head(&journal);
    journal.store.run("DELETE FROM record WHERE seq > ?1", [last - 3], "test").unwrap();
    journal.store.disk("cannot commit", rusqlite::Error::QueryReturnedNoRows);
    journal.append(&[beat()]).unwrap();
    assert_eq!(declared(&journal), [[(last - 2, last)]]);
    drop(site);
}

#[test]
fn a_record_that_declares_a_loss_goes_first_until_it_has_a_receipt() {
    let (mut site, mut journal) = written("DELETE FROM record WHERE seq = 50");
    assert_eq!(journal.declared(), None);
    asked(&mut journal, 2, 49, vec![(50, 50)]);
    let said = head(&journal);
    assert_eq!((journal.declared(), journal.declared()), (Some(vec![said]), None));
    journal.append(&[beat()]).unwrap();
    drop(journal);
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.urgent.as_slice(), journal.declared()), ([said].as_slice(), Some(vec![said])));
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.urgent[0], journal.declared().unwrap()[0]), (said, said), "in a new file too");
    let last = head(&journal);
    receive(&mut journal, 3, last);
    drop(journal);
    assert_eq!(site.start().0.declared(), None);
}

#[test]
fn a_long_epoch_whose_opening_cannot_be_read_is_declared_whole_at_once() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    for n in [1_400, 3] {
        drop(journal);
        journal = site.start().0;
        journal.append(&vec![beat(); n]).unwrap();
    }
    let opened = journal.sealer.opened() - 1_401;
    journal.store.run("UPDATE record SET line = 'x' WHERE seq = ?1", [opened], "test").unwrap();
    asked(&mut journal, 2, opened - 1, vec![(opened, opened + 1_402)]);
    assert_eq!(declared(&journal), [[(opened, opened + 1_400)]]);
}

#[test]
fn more_damage_than_one_look_takes_in_is_declared_step_by_step() {
    // 404 opens the second epoch: without it none of its records could be verified.
    let (_site, mut journal) =
        written("UPDATE record SET line = 'x' WHERE seq BETWEEN 50 AND 780 AND seq NOT IN (61, 404)");
    assert_eq!(Parsed::read_bytes(&journal.store.line(404).unwrap().unwrap()).unwrap().kind, Kind::EpochOpen);
    for n in 2..6 {
        asked(&mut journal, n, 49, vec![(50, 790)]);
    }
    let all: Vec<(u64, u64)> = declared(&journal).concat();
    let is_declared = |seq: &u64| all.iter().any(|(first, last)| (first..=last).contains(&seq));
    let good: Vec<u64> = (50..=790).filter(|seq| !is_declared(seq)).collect();
    assert_eq!(good, [vec![61, 404], (781..=790).collect()].concat(), "{all:?}");
}

#[test]
fn good_records_are_no_loss_where_the_opening_of_their_epoch_was_disposed_of() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 50]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 100]).unwrap();
    let paper = receipt(&journal, 1, 100);
    assert_eq!(paper.ep, 2);
    journal.receipt(&signed(&paper), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
    drop(journal);
    // A third epoch, whose opening stays.
    drop(site.start());
    site.by_hand("DELETE FROM record WHERE seq <= 100; DELETE FROM epoch WHERE seq <= 100");
    let (mut journal, _) = site.start();
    let line = journal.store.line(101).unwrap().unwrap();
    assert_eq!((Parsed::read_bytes(&line).unwrap().ep, count(&journal, "quarantine")), (2, 0));
    let paper = Receipt { n: 2, resend: vec![(101, 140)], ..paper };
    journal.receipt(&signed(&paper), &at(9)).unwrap();
    assert_eq!(declared(&journal), [[]; 0]);
}
