//! The header of the file, bit by bit, and keys of small tables that are out of their order.

use super::super::told;
use super::damage::written;
use super::*;
use std::fs;

/// Bytes that are alike in every journal, as SQLite documents them.
const ALIKE: [std::ops::Range<usize>; 5] = [0..24, 28..32, 44..48, 52..60, 64..92];

/// Starts on a file with this byte changed by these bits: what was found. Every record is there, and it is told
/// once: by the next start where a stop in order hid it from this one.
fn starts(site: &mut Site, whole: &[u8], before: &[Vec<u8>], (at, bits): (usize, u8)) -> Vec<Value> {
    // Each file goes on from the same lives, so keys may come again.
    site.starts = 10;
    for name in site.names() {
        fs::remove_file(site.folder.path().join(name)).unwrap();
    }
    let mut bytes = whole.to_vec();
    bytes[at] ^= bits;
    fs::write(site.file(), bytes).unwrap();
    let (mut journal, _) = site.try_start().unwrap_or_else(|fault| panic!("byte {at}, {bits:#x}: {}", told(&fault)));
    assert!(lines(&journal)[..before.len()] == *before, "byte {at}, {bits:#x}: records are gone");
    // Enough for pages to be taken. What could not be stored comes again, and meets another file.
    let beats = vec![beat(); 20];
    if journal.append(&beats).is_err() {
        journal.append(&beats).unwrap_or_else(|fault| panic!("byte {at}, {bits:#x}: {}", told(&fault)));
    }
    assert!(lines(&journal)[..before.len()] == *before, "byte {at}, {bits:#x}: records are gone");
    let first = found(&journal);
    drop(journal);
    let second = found(&site.start().0);
    assert!(first.is_empty() || second.is_empty(), "byte {at}, {bits:#x}: it is told twice: {second:?}");
    assert_eq!(found(&site.start().0), Vec::<Value>::new(), "byte {at}, {bits:#x}: it is told again and again");
    let db = Connection::open(site.file()).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "byte {at}, {bits:#x}");
    first
}

#[test]
fn bits_of_every_byte_of_the_header_may_turn_over_and_no_record_is_lost() {
    // Two or three of each byte; a stop that was not in order checks much besides the header: a sample there.
    for (in_order, step) in [(true, 3), (false, 7)] {
        let mut site = written(60);
        // Pages that are free are what some bytes are about.
        site.by_hand("CREATE TABLE much(x); INSERT INTO much VALUES(zeroblob(20000)); DROP TABLE much");
        let (journal, _) = site.start();
        let before = lines(&journal);
        if in_order {
            stop(journal)
        } else {
            drop(journal)
        }
        let whole = fs::read(site.file()).unwrap();
        for bit in (0..800).step_by(step) {
            let found = starts(&mut site, &whole, &before, (bit / 8, 1 << (bit % 8)));
            if ALIKE.iter().any(|alike| alike.contains(&(bit / 8))) {
                assert_eq!(
                    (found.len(), &found[0]["what"], &found[0]["aside"]),
                    (1, &json!("file"), &Value::Null),
                    "bit {bit}"
                );
            }
        }
    }
}

#[test]
fn a_key_of_a_small_table_that_is_out_of_its_order_is_damage_and_the_owner_is_noted_once() {
    let mut site = written(60);
    let (journal, _) = site.start();
    let before = lines(&journal);
    stop(journal);
    let whole = fs::read(site.file()).unwrap();
    let key = b"identity";
    let at = (2_048..4_096).find(|at| whole[*at..].starts_with(key)).expect("meta lies on the second page");
    for bit in 0..key.len() * 8 {
        starts(&mut site, &whole, &before, (at + bit / 8, 1 << (bit % 8)));
    }
}

#[test]
fn a_key_of_the_state_that_is_out_of_its_order_costs_no_open_alarm() {
    let mut site = written(20);
    let (mut journal, _) = site.start();
    journal.append(&["door/B", "door/C"].map(raised)).unwrap();
    let rows = super::super::memory::rows(&journal.store).unwrap();
    stop(journal);
    let whole = fs::read(site.file()).unwrap();
    let key = rows[1].key.as_bytes();
    let pages = whole.len() / 2_048;
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'state'";
    let state: usize = Connection::open(site.file()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!((3..=pages).contains(&state) && rows.len() == 3);
    let page = (state - 1) * 2_048..state * 2_048;
    let at = page.clone().find(|at| whole[*at..].starts_with(key)).expect("the row lies on the page of its table");
    for bit in 0..key.len() * 8 {
        let mut bytes = whole.clone();
        bytes[at + bit / 8] ^= 1 << (bit % 8);
        fs::write(site.file(), bytes).unwrap();
        site.starts = 10;
        let (journal, recovered) = site.start();
        assert_eq!((recovered.rows, &found(&journal)[0]["what"]), (rows.clone(), &json!("file")), "bit {bit}");
        drop(journal);
        assert_eq!(found(&site.start().0), Vec::<Value>::new(), "bit {bit}");
    }
}
