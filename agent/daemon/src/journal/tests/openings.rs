//! Rows that say where epochs open, damaged: the right type, and another number.

use super::damage::starts_twice_more;
use super::*;

/// Three epochs, of which the second and the third are longer than the tail that a start looks at. Where they open.
fn written() -> (Site, [u64; 3]) {
    let mut site = Site::new();
    let mut opened = [0; 3];
    for (place, n) in opened.iter_mut().zip([20, 700, 700]) {
        let (mut journal, _) = site.start();
        *place = journal.sealer.opened();
        journal.append(&[raised("door/A")]).unwrap();
        journal.append(&vec![beat(); n]).unwrap();
    }
    (site, opened)
}

/// Epochs and where they open, as rows say.
fn places(journal: &Journal) -> Vec<(u64, u64)> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    journal.store.rows("SELECT ep, seq FROM epoch ORDER BY seq", [], "test", row).unwrap()
}

/// Starts with rows damaged by hand: every record is kept, the damage is told once, and the rows are right again.
fn costs_nothing(sql: &str) {
    let (mut site, opened) = written();
    let (before, last) = {
        let db = Connection::open(site.file()).unwrap();
        let mut select = db.prepare("SELECT line FROM record ORDER BY seq").unwrap();
        let lines = select.query_map([], |row| Ok(row.get::<_, at_rest::Line>(0)?.0)).unwrap();
        let lines: Vec<Vec<u8>> = lines.map(Result::unwrap).collect();
        (lines.clone(), lines.len() as u64)
    };
    site.by_hand(sql);
    let (journal, recovered) = site.start();
    assert_eq!((recovered.head, recovered.tail.as_str()), (last + 2, "crash"), "{sql}");
    assert!(lines(&journal)[..before.len()] == before, "{sql}: the records are others");
    assert_eq!((count(&journal, "quarantine"), checked(&journal).contradictions), (0, 0), "{sql}");
    let found = found(&journal);
    assert_eq!((found.len(), &found[0]["what"]), (1, &json!("epoch")), "{sql}: {found:?}");
    let there: Vec<(u64, u64)> = (1..).zip(opened.into_iter().chain([last + 1])).collect();
    assert_eq!(places(&journal), there, "{sql}");
    assert_eq!(site.names(), ["journal.db", "journal.db-wal"], "{sql}: nothing was set aside");
    drop(journal);
    assert!(super::found(&starts_twice_more(&mut site)).is_empty(), "{sql}: it is told twice");
}

#[test]
fn every_bit_of_where_the_last_epoch_opens_may_turn_over_and_no_record_is_lost() {
    // So many bits have the numbers that this place may take in a row.
    for bit in 0..16 {
        costs_nothing(&format!("UPDATE epoch SET seq = (seq | {0}) - (seq & {0}) WHERE ep = 3", 1 << bit));
    }
    costs_nothing("UPDATE epoch SET seq = seq - 32768 WHERE ep = 3");
}

#[test]
fn rows_of_epochs_that_are_gone_are_made_again_from_the_records() {
    for sql in [
        "DELETE FROM epoch WHERE ep = 3",
        "DELETE FROM epoch WHERE ep = 2",
        "DELETE FROM epoch WHERE ep = 1",
        "DELETE FROM epoch WHERE ep > 1",
        "DELETE FROM epoch",
    ] {
        costs_nothing(sql);
    }
}

#[test]
fn rows_whose_epoch_or_place_is_another_ones_are_made_again_from_the_records() {
    for sql in [
        // The number that the next epoch takes.
        "UPDATE epoch SET ep = 4 WHERE ep = 3",
        "UPDATE epoch SET ep = 1048578 WHERE ep = 2",
        "UPDATE epoch SET ep = -3 WHERE ep = 3",
        "UPDATE epoch SET ep = 0 WHERE ep = 1",
        "UPDATE epoch SET ep = ep + 4",
        "UPDATE epoch SET seq = 1 WHERE ep = 3",
        "UPDATE epoch SET seq = seq + 256",
        "UPDATE epoch SET seq = 9007199254740993 WHERE ep = 2",
        "INSERT INTO epoch(ep, seq) VALUES(4, 500)",
    ] {
        costs_nothing(sql);
    }
}

#[test]
fn behind_a_stop_in_order_and_a_long_tail_that_does_not_read_the_row_that_is_gone_is_made_again() {
    let (mut site, opened) = written();
    stop(site.start().0);
    let (journal, _) = site.start();
    drop(journal);
    site.by_hand(&format!(
        "UPDATE record SET line = 'x' WHERE seq > {0}; DELETE FROM epoch WHERE ep > 2",
        opened[2] + 330
    ));
    let (journal, _) = site.start();
    // Two windows of the tail do not read, and what lies before them is whole.
    assert_eq!(head(&journal), opened[2] + 332);
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn an_opening_that_does_not_read_keeps_its_row_and_the_row_is_no_news() {
    let (mut site, opened) = written();
    site.by_hand(&format!("UPDATE record SET line = 'x' WHERE seq = {}", opened[1]));
    for _ in 0..2 {
        let (journal, _) = site.start();
        assert_eq!(found(&journal), Vec::<Value>::new());
        assert_eq!(places(&journal)[1], (2, opened[1]));
    }
    site.by_hand(&format!("UPDATE record SET line = 'x' WHERE seq = {}", opened[1] + 64));
    site.by_hand("UPDATE epoch SET seq = seq + 64 WHERE ep = 2");
    let (journal, _) = site.start();
    assert_eq!(found(&journal)[0]["what"], "epoch", "its first record speaks against it");
    drop(journal);
    assert_eq!(found(&site.start().0), Vec::<Value>::new());
}

#[test]
fn a_row_that_is_damaged_while_the_agent_runs_declares_no_record_lost_and_stops_no_new_epoch() {
    for sql in ["UPDATE epoch SET seq = seq + 8 WHERE ep = 2", "DELETE FROM epoch WHERE ep = 2"] {
        let (mut site, opened) = written();
        let (mut journal, _) = site.start();
        receive(&mut journal, 1, 5);
        journal.store.by_hand(sql);
        let asked = Receipt { resend: vec![(opened[1] + 1, opened[1] + 40)], ..receipt(&journal, 2, 5) };
        journal.receipt(&signed(&asked), &at(9)).unwrap();
        assert_eq!((journal.declared(), &found(&journal)[0]["what"]), (None, &json!("epoch")), "{sql}");
        assert_eq!(places(&journal)[1], (2, opened[1]), "{sql}");
        drop(journal);
        assert_eq!(found(&site.start().0), Vec::<Value>::new(), "{sql}: it is told twice");
    }
    let (mut site, opened) = written();
    let (mut journal, _) = site.start();
    journal.store.by_hand("UPDATE epoch SET ep = 5 WHERE ep = 1");
    journal.rotate(&at(9)).unwrap();
    let rotated = journal.sealer.opened();
    drop(journal);
    let (journal, _) = site.start();
    assert_eq!(found(&journal)[0]["what"], "epoch");
    assert_eq!((places(&journal)[0], places(&journal)[1], places(&journal)[4]), ((1, 1), (2, opened[1]), (5, rotated)));
}

#[test]
fn of_more_epochs_than_a_start_looks_at_rows_that_do_not_rise_are_made_again_and_the_others_stay() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for n in 0..330 {
        journal.rotate(&at(n)).unwrap();
    }
    let there = places(&journal);
    drop(journal);
    assert_eq!(there.len(), 331);
    for sql in ["UPDATE epoch SET seq = seq + 8 WHERE ep = 9", "UPDATE epoch SET seq = -seq WHERE ep = 9"] {
        site.by_hand(sql);
        let (journal, _) = site.start();
        assert_eq!((&places(&journal)[..331], &found(&journal)[0]["rows"]), (&there[..], &json!(1)), "{sql}");
    }
    let (journal, _) = site.start();
    assert_eq!((&places(&journal)[..331], found(&journal)), (&there[..], Vec::new()));
}
