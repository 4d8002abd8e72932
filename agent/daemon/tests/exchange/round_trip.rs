//! What is exported is read back as it was.

use crate::{read, row};
use picket::settings::exchange::{self, Format, Wish};
use picket_core::register::rows::{FIELDS, Row};
use proptest::collection::btree_map;
use proptest::prelude::*;
use std::path::Path;

/// Texts with everything that CSV and TOML write in a way of their own; none begins as a formula does.
fn text() -> impl Strategy<Value = String> {
    "[A-Za-z0-9äß€漢#'][A-Za-z0-9äß€漢 ,;|\"'\\\\#\\[\\]={}().:/_+@-]{0,20}[A-Za-z0-9\"'\\\\]"
}

fn day() -> impl Strategy<Value = String> {
    (1990..2090_i32, 1..=12, 1..=28).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}"))
}

/// A text that a field may hold.
fn field(name: &'static str) -> BoxedStrategy<String> {
    let words = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned).boxed();
    match name {
        "kind" => words(&["door", "camera", "alarm-panel", "seal-reader", "module", "sensor", "power"]),
        "commissioning" => words(&["required"]),
        // A register of its own has none, and a row may name only what is listed.
        "scenario" => Just(String::new()).boxed(),
        "criticality" => words(&["low", "normal", "high", "life"]),
        "owner" => prop_oneof![Just("own".to_owned()), text().prop_map(|name| format!("contractor:{name}"))].boxed(),
        name if name.ends_with("_last") => prop_oneof![day(), Just("unknown".to_owned())].boxed(),
        name if name.ends_with("_due") || name.ends_with("_until") => {
            prop_oneof![day(), day().prop_map(|day| format!("{day}T10:00:00Z"))].boxed()
        }
        name if name.ends_with("_interval") => (1..60_u16, prop::sample::select(&["days", "weeks", "months"][..]))
            .prop_map(|(n, unit)| format!("{n} {unit}"))
            .boxed(),
        _ => text().boxed(),
    }
}

/// Rows with an id, a kind and any of the other fields.
fn register() -> impl Strategy<Value = Vec<Row>> {
    let others: Vec<_> = FIELDS[2..].iter().map(|(name, _)| prop::option::weighted(0.3, field(name))).collect();
    let row = (field("kind"), others).prop_map(|(kind, others)| {
        let named = FIELDS[2..].iter().zip(others).filter_map(|((name, _), text)| Some(((*name).to_owned(), text?)));
        let named = named.filter(|(_, text)| !text.is_empty());
        named.chain([("kind".to_owned(), kind)]).collect::<Row>()
    });
    btree_map("[A-Za-z0-9._:/-]{1,20}", row, 1..12).prop_map(|rows| {
        let with_id = |(id, mut row): (String, Row)| {
            row.insert("id".to_owned(), format!("E{id}"));
            row
        };
        rows.into_iter().map(with_id).collect()
    })
}

/// Without what is not stated.
fn stated(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| row.into_iter().filter(|(_, text)| !text.is_empty()).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn r01_every_register_comes_back_from_its_own_table(rows in register()) {
        let text = exchange::csv(&rows).expect("no formulas");
        let taken = read("register.csv", text.as_bytes(), &Wish::default(), None);
        prop_assert_eq!(taken.map(|taken| stated(taken.rows)), Ok(rows));
    }

    #[test]
    fn r01_every_register_comes_back_from_its_own_toml(rows in register()) {
        let text = exchange::toml(&rows);
        let taken = read("register.toml", text.as_bytes(), &Wish::default(), None);
        prop_assert_eq!(taken.map(|taken| taken.rows), Ok(rows));
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for format in [Format::Csv, Format::Toml, Format::Xlsx] {
            let wish = Wish { format: Some(format), ..Wish::default() };
            let _ = read("any", &bytes, &wish, None);
        }
    }
}

#[test]
fn the_shipped_registers_are_no_change_of_each_other() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let toml = exchange::in_force(&config).expect("shipped");
    let csv = exchange::read(&config.join("csv/register.csv"), &Wish::default(), None).expect("shipped");
    let difference = exchange::compare(&toml.rows, &csv.rows);
    assert_eq!((difference.changes.len(), difference.unchanged), (0, 18), "{difference}");
}

#[test]
fn a_text_that_a_spreadsheet_would_run_is_exported_as_toml_alone() {
    let rows = vec![row(&[("id", "A"), ("kind", "door"), ("place", "-1st floor")])];
    assert!(exchange::csv(&rows).is_err());
    let taken = read("register.toml", exchange::toml(&rows).as_bytes(), &Wish::default(), None).expect("right");
    assert_eq!(taken.rows, rows);
}
