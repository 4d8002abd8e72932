//! One bit of a row's header changes what SQLite takes a value for, and not one byte of it.

use super::damage::{starts_twice_more, written};
use super::*;
use picket_core::wire::Input;
use std::fs;

#[test]
fn texts_that_one_bit_makes_bytes_say_what_they_said() {
    let bytes = |table: &str, text: &str, key: &str| format!("UPDATE {table} SET {text} = CAST({text} AS BLOB) {key};");
    for sql in [
        bytes("receipt", "line", ""),
        bytes("meta", "value", "WHERE key = 'origin'"),
        bytes("meta", "value", "WHERE key = 'identity'"),
        bytes("meta", "value", "WHERE key = 'declared'"),
        bytes("meta", "value", "WHERE key = 'untold'"),
        bytes("meta", "value", "") + &bytes("receipt", "line", "") + "PRAGMA user_version=7",
    ] {
        let mut site = written(20);
        let (mut journal, _) = site.start();
        receive(&mut journal, 1, 5);
        drop(journal);
        site.by_hand("INSERT INTO meta(key, value) VALUES('declared', '[20]'), ('untold', '[{\"what\":\"lost\"}]')");
        site.by_hand(&sql);
        for whats in [if sql.ends_with('7') { vec!["lost", "file"] } else { vec!["lost"] }, vec![]] {
            let (mut journal, recovered) = site.start();
            let found: Vec<Value> = found(&journal).iter().map(|found| found["what"].clone()).collect();
            assert_eq!((found, recovered.receipted), (whats.into_iter().map(Value::from).collect(), 5), "{sql}");
            assert_eq!(journal.declared(), Some(vec![20]), "{sql}");
        }
    }
}

/// The first bit of the type of a stored line: turned over, it is a number, or nothing.
const TO_NUMBER: [u8; 2] = [0x80, 0];
/// The last one: a text of the same bytes.
const TO_TEXT: [u8; 2] = [0, 1];

/// Turns a bit of the type of a stored line over, in the file, as a card may. What SQLite takes it for then.
fn retyped(site: &Site, seq: u64, bit: [u8; 2]) -> String {
    let read = |sql: &str| Connection::open(site.file()).unwrap().query_row(sql, [seq], |row| row.get(0)).unwrap();
    let line: Vec<u8> = match read("SELECT line FROM record WHERE seq = ?1") {
        rusqlite::types::Value::Blob(line) => line,
        other => panic!("{other:?}"),
    };
    let kind = line.len() * 2 + 12;
    let begin = [&[(kind >> 7) as u8 | 0x80, (kind & 0x7F) as u8], &line[..64]].concat();
    let mut file = fs::read(site.file()).unwrap();
    let at = file.windows(begin.len()).position(|bytes| bytes == begin).unwrap();
    file[at] ^= bit[0];
    file[at + 1] ^= bit[1];
    fs::write(site.file(), file).unwrap();
    match read("SELECT typeof(line) FROM record WHERE seq = ?1") {
        rusqlite::types::Value::Text(kind) => kind,
        other => panic!("{other:?}"),
    }
}

/// Bodies whose lines take 64 bytes more each: their types differ in the bits that are left.
fn growing() -> Vec<Body> {
    (0..6).map(|n| body(Kind::Heartbeat, Severity::Info, json!({ "x": "x".repeat(n * 64) }))).collect()
}

#[test]
fn a_line_that_one_bit_makes_a_number_or_nothing_is_a_damaged_line_to_everybody() {
    let mut kinds = std::collections::BTreeSet::new();
    for nth in 0..6 {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        journal.append(&growing()).unwrap();
        journal.append(&vec![beat(); 320]).unwrap();
        stop(journal);
        let seq = 3 + nth;
        kinds.insert(retyped(&site, seq, TO_NUMBER));
        let (mut journal, _) = site.start();
        assert_eq!(found(&journal), Vec::<Value>::new(), "{seq}: behind the tail nothing is looked at");
        assert_eq!(read(&journal, &Batch::Range { from: 1, to: 12 }).unwrap().1, 12, "{seq}");
        assert!(journal.lines(&Batch::Urgent { seqs: vec![seq], receipted: 0 }).is_ok(), "{seq}");
        let Input::LookedBack { through, past, .. } = journal.look_back(0) else { panic!("{seq}: nothing") };
        assert!(through > 12 && past.len() as u64 == through - 1, "{seq}: {through}, {}", past.len());
        assert!(journal.slice(0).unwrap().is_some_and(|(through, _)| through > 12), "{seq}");
        let asked = Receipt { resend: vec![(seq, seq)], ..receipt(&journal, 1, seq - 1) };
        journal.receipt(&signed(&asked), &at(5)).unwrap();
        assert_eq!(journal.declared(), Some(vec![head(&journal)]), "{seq}: it is declared as lost");
        let asked = receipt(&journal, 2, seq - 1);
        let asked = Receipt { rebase: Some((seq - 1, asked.head)), state: State::Fork, ..asked };
        journal.handed = 0;
        journal.receipt(&signed(&asked), &at(5)).unwrap();
        let left = journal.rebased().unwrap_or_else(|| panic!("{seq}: it is not left"));
        assert!(left.left > 320 && journal.branch_lines(0, true).unwrap().is_some(), "{seq}");
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["integer", "null", "real"]);
}

#[test]
fn a_line_that_one_bit_makes_a_text_is_whole_to_everybody_and_in_a_new_file_too() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&growing()).unwrap();
    let (whole, last) = (lines(&journal), head(&journal));
    drop(journal);
    for seq in [4, last] {
        assert_eq!(retyped(&site, seq, TO_TEXT), "text");
    }
    let (journal, _) = site.start();
    assert_eq!((lines(&journal)[..whole.len()] == whole, found(&journal)), (true, Vec::new()));
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    let (journal, _) = site.start();
    assert_eq!((lines(&journal)[..whole.len()] == whole, count(&journal, "quarantine")), (true, 0));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_last_line_that_one_bit_makes_a_number_or_nothing_is_set_aside_whatever_the_stop_was() {
    let mut kinds = std::collections::BTreeSet::new();
    for nth in 0..6 {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        journal.append(&growing()[..=nth]).unwrap();
        let last = head(&journal);
        drop(journal);
        let kind = retyped(&site, last, TO_NUMBER);
        let (journal, _) = site.start();
        let found = found(&journal);
        assert!(["tail", "file"].contains(&found[0]["what"].as_str().unwrap()), "{kind}: {found:?}");
        assert_eq!(lines(&journal)[last as usize - 2..].len(), 3, "{kind}: those before are there");
        kinds.insert(kind);
        drop(journal);
        starts_twice_more(&mut site);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["integer", "null", "real"]);
}
