//! Large tables, and every way in which text is written.

use crate::{read, row};
use picket::settings::exchange::{self, Change, Wish};
use std::time::{Duration, Instant};

/// A table of ten thousand pieces of equipment with a fault in every hundredth row.
fn large(with_faults: bool) -> String {
    let mut text = "id,kind,place,calibration_last,calibration_interval\r\n".to_owned();
    for n in 1..=10_000 {
        let last = if with_faults && n % 100 == 0 { "31.02.2026" } else { "2026-01-31" };
        text += &format!("E-{n},sensor,\"Hall {}, bay {n}\",{last},12 months\r\n", n % 40);
    }
    text
}

#[test]
fn r01_ten_thousand_rows_are_taken_or_every_fault_of_them_is_told() {
    let begun = Instant::now();
    let taken = read("large.csv", large(false).as_bytes(), &Wish::default(), None).expect("right");
    assert_eq!(taken.rows.len(), 10_000);
    let told = read("large.csv", large(true).as_bytes(), &Wish::default(), None).expect_err("100 faults");
    assert_eq!(told.matches("PK-0607").count(), 100);
    assert!(told.contains("row 10001, column D `calibration_last`: 31.02.2026 is no day in any order"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn the_difference_of_ten_thousand_rows_names_the_one_cell() {
    let old = read("large.csv", large(false).as_bytes(), &Wish::default(), None).expect("right").rows;
    let text = large(false).replace("E-77,sensor", "E-77,camera");
    let new = read("large.csv", text.as_bytes(), &Wish::default(), None).expect("right").rows;
    let difference = exchange::compare(&old, &new);
    let wanted = Change::Changed(vec![("kind", "sensor".to_owned(), "camera".to_owned())]);
    assert_eq!((difference.changes.len(), difference.changes.get("E-77")), (1, Some(&wanted)));
}

#[test]
fn every_way_in_which_spreadsheets_write_text_gives_the_same_rows() {
    let plain = "ID;Kind;Place\r\nA;door;Tür 1\r\n";
    let utf_16 = |unit: fn(u16) -> [u8; 2], mark: [u8; 2]| -> Vec<u8> {
        mark.into_iter().chain(plain.replace(';', "\t").encode_utf16().flat_map(unit)).collect()
    };
    let written: [(Vec<u8>, &str); 5] = [
        (plain.as_bytes().to_vec(), "read as CSV with semicolons, UTF-8"),
        (format!("\u{feff}{plain}").into_bytes(), "read as CSV with semicolons, UTF-8 with a byte order mark"),
        (utf_16(u16::to_le_bytes, [0xff, 0xfe]), "read as CSV with tabs, UTF-16"),
        (utf_16(u16::to_be_bytes, [0xfe, 0xff]), "read as CSV with tabs, UTF-16"),
        (format!("\"Register\"\n\n{}", plain.replace(';', ",")).into_bytes(), "read as CSV with commas, UTF-8"),
    ];
    for (bytes, how) in written {
        let taken = read("t.csv", &bytes, &Wish::default(), None).expect(how);
        assert_eq!(taken.rows, [row(&[("id", "A"), ("kind", "door"), ("place", "Tür 1")])]);
        assert_eq!(taken.notes, [how]);
    }
}

#[test]
fn empty_columns_at_the_end_are_none() {
    let taken = read("t.csv", b"id,kind,,\nA,door,,\n", &Wish::default(), None).expect("right");
    assert_eq!(taken.rows, [row(&[("id", "A"), ("kind", "door")])]);
}
