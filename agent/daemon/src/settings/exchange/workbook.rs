//! Workbooks of spreadsheets (XLSX, ECMA-376) as tables of text. An archive is looked through before it is opened: how many
//! parts it has and how large they really are, because a few kilobytes may unpack to gigabytes.

use super::cells::{Spoils, Spoilt, Table};
use super::mapping::Mapping;
use crate::settings::Findings;
use crate::settings::codes::Code;
use crate::settings::sheet::{Cell, MAX_CELL, MAX_COLUMNS};
use crate::settings::source::{Place, Source};
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use parts::Parts;
use picket_core::register::rows::MAX_ROWS;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;

mod parts;

/// Rows before the header that may be there beside those of the register.
const MAX_PREAMBLE: usize = 10;
/// From here on a spreadsheet no longer keeps every digit of a number.
const MAX_EXACT: f64 = 1e15;
/// Characters of a cell that are shown with a finding.
const SHOWN: usize = 60;

/// A cell that says something.
struct Value {
    text: String,
    spoils: Option<Spoils>,
}

/// Rows with something in them, by number from 1; each cell by column from 0.
type Rows = BTreeMap<u32, BTreeMap<usize, Value>>;

/// Reads one sheet, and says how.
pub(super) fn table(
    path: &Path,
    bytes: Vec<u8>,
    wanted: Option<&str>,
    mapping: &Mapping,
    findings: &mut Findings,
) -> Option<(Table, String)> {
    let (name, rows, others) = match sheet(&bytes, wanted) {
        Ok(read) => read,
        Err(Refused { cause, remedy }) => {
            let cause = format!("{}: {cause}", path.display());
            findings.add(Code::BadWorkbook, Place::file(path), cause, remedy);
            return None;
        }
    };
    let how = match others.as_slice() {
        [] => format!("read as a workbook, its sheet `{name}`"),
        others => format!("read as a workbook, its sheet `{name}`; not its others: {}", others.join(", ")),
    };
    Some((laid_out(path, name, rows, mapping, findings)?, how))
}

/// Why a workbook cannot be read.
struct Refused {
    cause: String,
    remedy: String,
}

fn refused(cause: impl Display, remedy: impl Display) -> Refused {
    Refused { cause: cause.to_string(), remedy: remedy.to_string() }
}

fn unreadable(why: impl Display) -> Refused {
    refused(
        format_args!("cannot be read as a workbook: {why}"),
        "open it in a spreadsheet and save it anew, or as CSV UTF-8",
    )
}

/// A sheet by its name, or the first; with the names of the others.
fn sheet(bytes: &[u8], wanted: Option<&str>) -> Result<(String, Rows, Vec<String>), Refused> {
    let mut parts = Parts::look_through(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
    let names = book.sheet_names();
    let name = match wanted {
        Some(wanted) => names.iter().find(|name| *name == wanted),
        None => names.first(),
    };
    let Some(name) = name.cloned() else {
        let cause = format!("there is no sheet {:?}", wanted.unwrap_or_default());
        return Err(refused(cause, format_args!("--sheet, one of: {}", names.join(", "))));
    };
    let unvalued = parts.formulas_without_value(&name)?;
    let mut rows = Rows::new();
    let mut cells = book.worksheet_cells_reader(&name).map_err(unreadable)?;
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (row, column) =
            (cell.get_position().0.saturating_add(1), usize::try_from(cell.get_position().1).unwrap_or(usize::MAX));
        let value =
            if unvalued.contains(&cell.get_position()) { Some(unvalued_cell()) } else { value(cell.get_value()) };
        let Some(value) = value else { continue };
        if column >= MAX_COLUMNS {
            let cause = format!("sheet `{name}` has a cell in row {row}, column {}", column + 1);
            return Err(refused(cause, format_args!("at most {MAX_COLUMNS} columns are read: clear what lies beyond")));
        }
        if value.text.len() > MAX_CELL {
            let cause = format!("sheet `{name}`, row {row}: a cell of {} bytes", value.text.len());
            return Err(refused(cause, format_args!("at most {MAX_CELL} are read: shorten the text")));
        }
        rows.entry(row).or_default().insert(column, value);
        if rows.len() > MAX_ROWS + MAX_PREAMBLE {
            let cause = format!("sheet `{name}` has more than {MAX_ROWS} rows");
            return Err(refused(cause, "split the site"));
        }
    }
    let others = names.into_iter().filter(|other| *other != name).collect();
    Ok((name, rows, others))
}

fn unvalued_cell() -> Value {
    let cause = "a formula whose value was never saved";
    let remedy = "open the workbook in a spreadsheet, let it calculate, and save; or copy the column as values";
    Value { text: String::new(), spoils: Some(Spoils::always(Code::Formula, cause, remedy)) }
}

fn value(read: &DataRef<'_>) -> Option<Value> {
    let plain = |text: String| Value { text, spoils: None };
    let value = match read {
        DataRef::Empty => return None,
        DataRef::String(text) => plain(text.clone()),
        DataRef::SharedString(text) => plain((*text).to_owned()),
        DataRef::Int(number) => plain(number.to_string()),
        DataRef::Float(number) => self::number(*number),
        DataRef::Bool(flag) => plain(flag.to_string()),
        DataRef::DateTime(moment) => date(moment),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => plain(text.clone()),
        DataRef::Error(error) => {
            let spoils = Spoils::always(
                Code::BadWorkbook,
                "the result of a formula that failed",
                "mend the formula, or write the value",
            );
            Value { text: error.to_string(), spoils: Some(spoils) }
        }
    };
    (!value.text.trim().is_empty()).then_some(value)
}

fn number(number: f64) -> Value {
    let spoils = (number.abs() >= MAX_EXACT).then(|| {
        let cause = "a number of more than 15 digits, of which a spreadsheet keeps 15";
        Spoils::always(Code::LostDigits, cause, "give the column the number format Text, and enter the number again")
    });
    Value { text: number.to_string(), spoils }
}

/// `YYYY-MM-DD`, with the time where that is not midnight.
fn date(moment: &ExcelDateTime) -> Value {
    if moment.is_duration() {
        let spoils =
            Spoils::always(Code::UnclearDate, "a time span where a date or text belongs", "change the number format");
        return Value { text: moment.as_f64().to_string(), spoils: Some(spoils) };
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let time = match (hour, minute, second) {
        (0, 0, 0) => String::new(),
        _ => format!("T{hour:02}:{minute:02}:{second:02}"),
    };
    let cause = "a spreadsheet has made a date of this text";
    let remedy = "give the column the number format Text, and enter the text again";
    let spoils = Spoils::outside_dates(Code::LostDigits, cause, remedy);
    Value { text: format!("{year:04}-{month:02}-{day:02}{time}"), spoils: Some(spoils) }
}

/// As a table whose lines are the rows of the sheet, so that a finding shows the row it means.
fn laid_out(path: &Path, name: String, rows: Rows, mapping: &Mapping, findings: &mut Findings) -> Option<Table> {
    let width = rows.values().filter_map(|row| row.keys().next_back()).max().map_or(0, |last| last + 1);
    let mut text = String::new();
    let (mut line, mut read, mut spoils) = (1, Vec::new(), Vec::new());
    for (number, mut row) in rows {
        text.extend(std::iter::repeat_n('\n', usize::try_from(number.saturating_sub(line)).unwrap_or(0)));
        line = number;
        let mut cells = Vec::new();
        for column in 0..width {
            let value = row.remove(&column);
            let start = text.len();
            let shown = value.iter().flat_map(|value| value.text.chars()).take(SHOWN);
            text.extend(shown.map(|c| if c.is_control() { ' ' } else { c }));
            let span = start..text.len();
            text.push_str(" | ");
            let (said, spoilt) = value.map_or((String::new(), None), |value| (value.text, value.spoils));
            spoils.extend(spoilt.map(|spoilt| (read.len(), column, spoilt)));
            cells.push(Cell { text: said, span });
        }
        read.push((usize::try_from(number).unwrap_or(usize::MAX), cells));
    }
    let header = read.iter().take(MAX_PREAMBLE).position(|(_, cells)| mapping.is_header(cells)).unwrap_or(0);
    read.drain(..header);
    // Rows are counted from the one behind the header.
    let below = |at: usize| at.checked_sub(header + 1);
    let spoilt: Spoilt = spoils.into_iter().filter_map(|(at, column, s)| Some(((below(at)?, column), s))).collect();
    let source = Source::new(path, text);
    let sheet = super::sheet_of(&source, read, findings)?;
    Some(Table { source, sheet, name: Some(name), spoilt })
}
