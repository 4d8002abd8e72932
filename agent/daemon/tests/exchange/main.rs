//! Tables of others as the register takes them, or refuses them.

mod faults;
mod presets;
mod round_trip;
mod tables;
mod workbooks;

use picket::settings::Faults;
use picket::settings::exchange::{self, Taken, Wish};
use picket_core::register::rows::Row;
use std::fs;

/// Reads bytes as a file of this name, in a folder that vanishes; findings name the file alone.
fn read(name: &str, bytes: &[u8], wish: &Wish, base: Option<&[Row]>) -> Result<Taken, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("written");
    let bare = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
    exchange::read(&path, wish, base).map_err(|faults| bare(&told(&faults)))
}

/// Each finding on two lines: code, place and cause; and the remedy.
fn told(faults: &Faults) -> String {
    let place = |line: Option<usize>, column: Option<usize>| match (line, column) {
        (Some(line), Some(column)) => format!(" {line}:{column}"),
        _ => String::new(),
    };
    let each = faults.findings().iter().map(|found| {
        let place = place(found.line(), found.column());
        format!("{}{place} {}\n    -> {}\n", found.code(), found.cause(), found.remedy())
    });
    each.collect()
}

fn row(fields: &[(&str, &str)]) -> Row {
    fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

fn preset(name: &str) -> Wish {
    Wish { preset: Some(name.to_owned()), ..Wish::default() }
}
