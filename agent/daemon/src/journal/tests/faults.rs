use super::*;

#[test]
fn an_append_stores_all_or_nothing_and_comes_again_when_there_is_room() {
    let mut site = Site::new();
    site.budget = 400_000;
    let (mut journal, _) = site.start();
    while journal.append(&[large()]).is_ok() {}
    let before = (head(&journal), lines(&journal).len());
    let fault = journal.append(&[raised("door/A"), beat()]).unwrap_err();
    assert!(matches!(fault, Fault::Full { .. }), "{fault}");
    assert_eq!((head(&journal), lines(&journal).len()), before);
    assert_eq!(rows(&journal), [""; 0]);
    drop(journal);
    site.budget = BUDGET;
    let (mut journal, recovered) = site.start();
    let stored = journal.append(&[raised("door/A"), beat()]).unwrap();
    assert_eq!((stored.head, stored.urgent), (recovered.head + 2, vec![recovered.head + 1]));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_full_journal_is_opened_again_and_again() {
    let mut site = Site::new();
    site.budget = 400_000;
    let (mut journal, _) = site.start();
    while journal.append(&[large()]).is_ok() {}
    drop(journal);
    for _ in 0..20 {
        assert!(matches!(site.start().0.append(&[beat()]), Err(Fault::Full { .. })));
    }
}

#[test]
fn what_does_not_fit_in_the_middle_of_an_append_takes_the_rest_with_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.store.db.execute_batch(BREAK).unwrap();
    let before = head(&journal);
    let fault = journal.append(&[raised("door/A"), beat()]).unwrap_err();
    assert!(matches!(fault, Fault::Disk { .. }), "{fault}");
    assert_eq!((head(&journal), lines(&journal).len() as u64), (before, before));
    assert_eq!((rows(&journal).len(), count(&journal, "urgent")), (0, 0));
}

/// Lives and dies with the connection, as the faults of a disk do.
const BREAK: &str = "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.record WHEN new.seq > 3
                     BEGIN SELECT RAISE(ABORT, 'input/output error'); END";

#[test]
fn after_a_fault_the_file_is_opened_again_and_the_epoch_goes_on() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.store.db.execute_batch(BREAK).unwrap();
    let bodies = [raised("door/A"), beat()];
    journal.append(&bodies).unwrap_err();
    let stored = journal.append(&bodies).unwrap();
    assert_eq!((stored.head, stored.urgent), (5, vec![4]));
    assert_eq!(kinds(&journal)[2..], [Kind::JournalRecovered, Kind::AlarmRaised, Kind::Heartbeat]);
    assert_eq!(found(&journal), [json!({ "what": "reopened" })]);
    let summary = checked(&journal);
    assert_eq!((summary.epochs, summary.contradictions), (1, 0));
    assert_eq!(journal.append(&[beat()]).unwrap().head, 6);
}

#[test]
fn a_commit_that_was_reported_as_failed_but_lies_there_is_set_aside() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let before = journal.sealer.head();
    journal.append(&[raised("door/A"), beat()]).unwrap();
    journal.sealer.rewind(before);
    journal.store.disk("cannot commit", rusqlite::Error::QueryReturnedNoRows);
    let stored = journal.append(&[raised("door/A"), beat()]).unwrap();
    assert_eq!((stored.head, count(&journal, "quarantine")), (5, 2));
    assert_eq!(found(&journal)[1]["what"], "tail");
    assert_eq!((rows(&journal), count(&journal, "urgent")), (vec!["alarm/door/A".to_owned()], 1));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_stored_record_that_is_gone_after_a_fault_leaves_its_number_used() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[beat(), beat()]).unwrap();
    journal.store.run("DELETE FROM record WHERE seq = 4", [], "test").unwrap();
    journal.store.disk("test", rusqlite::Error::QueryReturnedNoRows);
    // The epoch is closed, another opened, and the finding stated before the heartbeat.
    assert_eq!(journal.append(&[beat()]).unwrap().head, 8);
    assert_eq!(found(&journal)[1], json!({ "what": "lost", "from": 4, "to": 4 }));
    drop(journal);
    assert_eq!(site.start().1.head, 9, "what is lost is told once");
}

#[test]
fn a_file_deleted_under_a_running_agent_costs_its_records_and_no_number_is_given_again() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A"), beat()]).unwrap();
    for name in site.names() {
        std::fs::remove_file(site.folder.path().join(name)).unwrap();
    }
    journal.store.disk("injected", rusqlite::Error::QueryReturnedNoRows);
    let stored = journal.append(&[beat()]).unwrap();
    assert_eq!(found(&journal)[1], json!({ "what": "lost", "from": 1, "to": 4 }));
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!(recovered.head, stored.head + 1);
    assert_eq!(count(&journal, "quarantine"), 0);
}

#[test]
fn a_full_journal_starts_and_a_receipt_makes_room_in_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for _ in 0..10 {
        journal.append(&vec![large(); 100]).unwrap();
    }
    drop(journal);
    site.budget = 400_000;
    let (mut journal, recovered) = site.start();
    assert!(recovered.fill_permille > 1_000);
    assert!(matches!(journal.append(&[beat()]), Err(Fault::Full { .. })));
    drop(journal);
    // A damaged one is exchanged for a file that may be as large.
    super::damage::spoil(&site, 500);
    let (mut journal, again) = site.start();
    assert!(again.head >= recovered.head && again.fill_permille > 1_000, "{}", again.head);
    let upto = again.head - 1;
    journal.receipt(&signed(&receipt(&journal, 1, upto)), &at(2)).unwrap();
    // 500 records are disposed of at a time, before each try.
    let tried: Vec<String> =
        (0..5).filter_map(|_| journal.append(&[beat()]).err()).map(|fault| fault.to_string()).collect();
    assert!(tried.len() < 5, "{tried:?} {}", lines(&journal).len());
    assert!(lines(&journal).len() < 20);
}
