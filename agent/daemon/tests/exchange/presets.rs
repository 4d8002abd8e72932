//! Exports of known systems, and of others by a file of the site.

use crate::{preset, read, row};
use picket::settings::exchange::{DateOrder, Wish};
use picket_core::register::rows::Row;
use std::fs;
use std::path::Path;

fn field<'r>(row: &'r Row, name: &str) -> &'r str {
    row.get(name).map_or("", String::as_str)
}

const GAGETRAK: &str = "Gage ID;Status;Type;Manufacturer;Model No.;Serial No.;Calibration Frequency;Frequency Units;Next Due Date;NIST No.;Notes\n\
    TH-1;1-Active;sensor;Vaisala;HMP110;K123;12;Months;03/04/2026;821/2209;x\n\
    TH-2;1-Active;sensor;Vaisala;HMP110;K124;90;Day(s);11/30/2026;821/2209;=bad but not read\n";

#[test]
fn r05_an_export_of_gagetrak_is_read_with_its_intervals_and_traceability() {
    let wish = Wish { order: Some(DateOrder::MonthDayYear), ..preset("gagetrak") };
    let taken = read("gages.csv", GAGETRAK.as_bytes(), &wish, None).expect("right");
    let first = &taken.rows[0];
    let found = ["id", "kind", "make", "model", "serial", "calibration_interval", "calibration_due", "withdrawn"]
        .map(|name| field(first, name));
    assert_eq!(found, ["TH-1", "sensor", "Vaisala", "HMP110", "K123", "12 months", "2026-03-04", ""]);
    assert_eq!(field(first, "calibration_traceability"), "821/2209");
    assert_eq!(field(&taken.rows[1], "calibration_interval"), "90 days");
    assert_eq!(taken.notes, ["read as CSV with semicolons, UTF-8", "left out: Notes"]);
}

#[test]
fn the_order_of_dates_is_asked_for_once_and_never_guessed() {
    let told = read("gages.csv", GAGETRAK.as_bytes(), &preset("gagetrak"), None).expect_err("the order is not said");
    let wanted = "PK-0607 2:52 row 2, column I `Next Due Date`: 03/04/2026 is 3 April 2026 or 4 March 2026: the order of day \
        and month is not said (2 cells, first here)\n    -> say the order that the whole file has: --date-order dmy, mdy or \
        ymd; or write dates as YYYY-MM-DD\n";
    assert_eq!(told, wanted);
    let wish = Wish { order: Some(DateOrder::DayMonthYear), ..preset("gagetrak") };
    let told = read("gages.csv", GAGETRAK.as_bytes(), &wish, None).expect_err("30 is no month");
    assert!(told.contains("11/30/2026 is no day in the order dmy; as mdy it would be 30 November 2026"), "{told}");
}

#[test]
fn r01_an_export_of_snipe_it_is_read_by_its_tag_and_not_by_the_number_of_its_database() {
    // The list of assets and the template of the import call the same column otherwise.
    for (serial, model) in [("Serial", "Model"), ("Serial number", "Model name")] {
        let text = format!(
            "ID,Asset Tag,{serial},{model},Category,Manufacturer,Location,Status\n\
             17,CAM-9,B8A44F,P1468,Camera,Axis,Yard,Deployed\n\
             18,CAM-10,B8A450,P1468,Camera,Axis,Store,Out for Repair\n"
        );
        let taken = read("assets.csv", text.as_bytes(), &preset("snipe-it"), None).expect("right");
        let found = ["id", "serial", "model", "kind", "place", "withdrawn"].map(|name| field(&taken.rows[0], name));
        assert_eq!(found, ["CAM-9", "B8A44F", "P1468", "camera", "Yard", ""]);
        assert_eq!(field(&taken.rows[1], "withdrawn"), "Snipe-IT: out for repair");
        assert!(taken.notes.contains(&"left out: ID".to_owned()), "{:?}", taken.notes);
    }
}

#[test]
fn r01_an_export_of_maximo_is_read_behind_the_line_of_its_interface() {
    let text = "SRM_SaaS_ES,MXASSETInterface,AddChange,EN\nASSETNUM,DESCRIPTION,SERIALNUM,LOCATION,STATUS,CLASSSTRUCTUREID\n\
        100261,Gate contact,77-1,GATE,OPERATING,door\n";
    let taken = read("assets.csv", text.as_bytes(), &preset("maximo"), None).expect("right");
    let found = ["id", "serial", "place", "withdrawn", "kind"].map(|name| field(&taken.rows[0], name));
    assert_eq!(found, ["100261", "77-1", "GATE", "", "door"]);
}

#[test]
fn a_word_that_nobody_has_translated_is_asked_for_once() {
    let text = "Asset Tag,Category,Status\nA,Kettle,Deployed\nB,kettle,Deployed\nC,Camera,On loan\n";
    let told = read("assets.csv", text.as_bytes(), &preset("snipe-it"), None).expect_err("two words");
    assert_eq!(told.matches("PK-0608").count(), 2, "{told}");
    assert!(told.contains("\"Kettle\" has no meaning for kind yet (2 cells, first here)"), "{told}");
    assert!(told.contains("[words.withdrawn], \"On loan\" = "), "{told}");
}

#[test]
fn a_file_of_the_site_says_what_columns_and_words_mean() {
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("map.toml");
    let text = "date_order = \"dmy\"\n[columns]\n\"Kostenstelle\" = \"ignore\"\n\"Bezeichnung\" = \"place\"\n\"ID\" = \"id\"\n\
        [words.kind]\n\"Wasserkocher\" = \"sensor\"\n[words.withdrawn]\n\"On loan\" = \"\"\n[constants]\nowner = \"contractor:Miller\"\n\
        assurance = \"annex C\"\n";
    fs::write(&map, text).expect("written");
    let wish = Wish { map: Some(map), ..preset("snipe-it") };
    let table = "ID,Asset Tag,Category,Status,Bezeichnung,Kostenstelle\n7,A,Wasserkocher,ON LOAN,Küche,9\n";
    let taken = read("t.csv", table.as_bytes(), &wish, None).expect("right");
    let wanted = row(&[
        ("id", "7"),
        ("kind", "sensor"),
        ("owner", "contractor:Miller"),
        ("place", "Küche"),
        ("assurance", "annex C"),
    ]);
    assert_eq!(taken.rows, [wanted]);
    assert_eq!(taken.notes[1], "left out: Kostenstelle, Asset Tag");
}

#[test]
fn an_update_keeps_what_the_table_says_nothing_of() {
    let base = [
        row(&[("id", "A"), ("kind", "camera"), ("place", "Yard"), ("calibration_last", "2025-01-01")]),
        row(&[("id", "B"), ("kind", "door")]),
    ];
    let table = "id,calibration_last\nA,2026-01-01\n";
    let taken = read("t.csv", table.as_bytes(), &Wish::default(), Some(&base)).expect("right");
    let wanted = row(&[("id", "A"), ("kind", "camera"), ("place", "Yard"), ("calibration_last", "2026-01-01")]);
    assert_eq!(taken.rows, [wanted, base[1].clone()]);
    // A row that is new needs all that a row needs.
    let told =
        read("t.csv", b"id,calibration_last\nC,2026-01-01\n", &Wish::default(), Some(&base)).expect_err("no kind");
    assert!(told.contains("row 2: kind is missing"), "{told}");
}

#[test]
fn the_shipped_map_reads_a_table_of_its_columns() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/register-map.toml");
    let wish = Wish { map: Some(map), ..Wish::default() };
    let table = "inventory no;Device Type;State;Last calibrated;Every;Every (unit);Cost centre;Room\n\
        0815;Motion detector;In operation;18.09.2025;12;Months;4711;2\n";
    let taken = read("t.csv", table.as_bytes(), &wish, None).expect("right");
    let found = ["id", "kind", "withdrawn", "calibration_last", "calibration_interval", "criticality"]
        .map(|name| field(&taken.rows[0], name));
    assert_eq!(found, ["0815", "sensor", "", "2025-09-18", "12 months", "normal"]);
    assert_eq!(taken.notes[1], "left out: Cost centre, Room");
}
