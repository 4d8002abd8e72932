use super::*;
use crate::testbed::{at, id};

fn seals() -> Seals {
    let row = |unit: &str, seal: &str, reader: &str| ManifestRow {
        unit: unit.into(),
        seal: seal.into(),
        reader: reader.into(),
        class: None,
    };
    Seals::new(&at(0), vec![row("CSQU3054383", "AB123456", ""), row("MSCU6639870", "CD777", "READER-2")], &[])
}

fn scan(seals: &mut Seals, now_us: u64, reader: &str, text: &str) -> (Kind, Option<Turn>) {
    let scan = Scan { text: text.into(), aim: None, raw: text.as_bytes().to_vec() };
    let by = Evidence { driver: "serial", raw: [0; 32], device_time: None };
    let told = seals.scanned(&at(now_us), &id(reader), &scan, &by);
    (
        told.statement.kind,
        told.turns.into_iter().find(|(rule, ..)| *rule == Rule::SealMismatch).map(|(_, _, turn)| turn),
    )
}

fn about(seals: &mut Seals, text: &str) -> Option<String> {
    let scan = Scan { text: text.into(), aim: None, raw: text.as_bytes().to_vec() };
    let by = Evidence { driver: "serial", raw: [0; 32], device_time: None };
    seals.scanned(&at(0), &id("READER-1"), &scan, &by).turns.into_iter().next().map(|(_, about, _)| about)
}

#[test]
fn a_check_is_about_its_unit_and_about_the_seal_where_nobody_said_which() {
    let mut seals = seals();
    assert_eq!(about(&mut seals, "XX999").as_deref(), Some("XX999"));
    assert_eq!(about(&mut seals, "AB123456").as_deref(), Some("CSQU3054383"));
    assert_eq!(about(&mut seals, "CSQU3054383"), None);
    assert_eq!(about(&mut seals, "XX999").as_deref(), Some("CSQU3054383"));
}

#[test]
fn a_seal_of_the_manifest_is_a_record_and_ends_a_mismatch() {
    assert_eq!(scan(&mut seals(), 0, "READER-1", " ab-123456"), (Kind::SealChecked, Some(Turn::Ended)));
}

#[test]
fn a_seal_that_no_row_names_is_a_mismatch() {
    let (kind, turn) = scan(&mut seals(), 0, "READER-1", "XX999");
    let Some(Turn::Began(facts)) = turn else { panic!("{turn:?}") };
    assert_eq!((kind, facts["read"].as_str()), (Kind::SealMismatch, "XX999"));
    assert_eq!(facts["expected"], "not in the manifest");
}

#[test]
fn after_a_container_number_only_its_own_seal_is_right_for_a_minute() {
    let mut seals = seals();
    assert_eq!(scan(&mut seals, 0, "READER-2", "CSQU3054383"), (Kind::SealChecked, None));
    let (kind, turn) = scan(&mut seals, s(60), "READER-2", "CD777");
    let Some(Turn::Began(facts)) = turn else { panic!("{turn:?}") };
    assert_eq!((kind, facts["expected"].as_str()), (Kind::SealMismatch, "AB123456"));
    assert_eq!(scan(&mut seals, s(60) + 1, "READER-2", "CD777").0, Kind::SealChecked);
}

#[test]
fn a_seal_expected_at_another_reader_is_a_mismatch_here() {
    assert_eq!(scan(&mut seals(), 0, "READER-1", "CD777").0, Kind::SealMismatch);
    assert_eq!(scan(&mut seals(), 0, "READER-2", "CD777").0, Kind::SealChecked);
}
