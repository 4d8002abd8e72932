//! `register.toml` or `register.csv`: rows of text with their places, for `picket_core::register::rows`.

use super::codes::Code;
use super::reader::{self, Section};
use super::sheet;
use super::source::{MAX_REGISTER_BYTES, Place, Source};
use super::{Findings, file_digest, register_points, register_scenarios};
use picket_core::register::Register;
use picket_core::register::points::MAX_POINTS;
use picket_core::register::rows::{self, FIELDS, MAX_ROWS, Row, RowFault};
use picket_core::register::scenarios;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a row stands, and each of its fields.
pub(super) struct Spot {
    pub(super) whole: Range<usize>,
    pub(super) fields: BTreeMap<String, Range<usize>>,
}

/// Rows with their places.
pub(super) type Read = Vec<(Row, Spot)>;

/// The tables of a register text.
struct Tables {
    equipment: Read,
    points: Read,
    scenarios: Read,
}

/// How a register text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Toml,
    Csv,
}

/// The rows of a register text, and what they make.
pub(super) struct Written {
    pub(super) rows: Vec<Row>,
    pub(super) register: Register,
}

/// Reads the one of both files that is there.
pub(super) fn find(dir: &Path, findings: &mut Findings) -> Option<Source> {
    let (toml, csv) = (dir.join("register.toml"), dir.join("register.csv"));
    let found = match (toml.exists(), csv.exists()) {
        (true, true) => {
            let cause = format!("both register.toml and register.csv are in {}", dir.display());
            findings.add(Code::TwoRegisters, Place::file(&toml), cause, "keep the one that is maintained");
            return None;
        }
        (false, false) => {
            let cause = format!("neither register.toml nor register.csv is in {}", dir.display());
            let remedy = format!("copy the annotated example: cp config/register.toml {}", toml.display());
            findings.add(Code::FileMissing, Place::file(&toml), cause, remedy);
            return None;
        }
        (true, false) => toml,
        (false, true) => csv,
    };
    Source::read(&found, MAX_REGISTER_BYTES, "put it back", findings)
}

/// Reads the rows of a register text; the ending of its name tells TOML from CSV.
pub(super) fn parse(source: &Source, version: u64, findings: &mut Findings) -> Option<Register> {
    read(source, version, findings).map(|written| written.register)
}

/// The same, with the rows as they were written.
pub(super) fn read(source: &Source, version: u64, findings: &mut Findings) -> Option<Written> {
    let is_csv = source.path.extension().is_some_and(|ending| ending == "csv");
    read_as(source, if is_csv { Form::Csv } else { Form::Toml }, version, findings)
}

/// The same, whatever the file is called.
pub(super) fn read_as(source: &Source, form: Form, version: u64, findings: &mut Findings) -> Option<Written> {
    let errors = findings.errors();
    let Tables { equipment: read, points, scenarios } = match form {
        // A table of a spreadsheet lists one kind of thing: points and scenarios stand in TOML alone.
        Form::Csv => Tables { equipment: from_csv(source, findings)?, points: Vec::new(), scenarios: Vec::new() },
        Form::Toml => from_toml(source, findings)?,
    };
    let (rows, spots): (Vec<Row>, Vec<Spot>) = read.into_iter().unzip();
    let points = register_points::build(source, points, &rows, findings);
    let scenarios = register_scenarios::build(source, scenarios, (&rows, &spots), findings);
    let register = match rows::build(version, file_digest(&source.text), &rows) {
        Ok(register) => register.with_points(points?).with_scenarios(scenarios?),
        Err(faults) => {
            let first = first_rows(&rows);
            for fault in faults {
                tell(source, &rows, &spots, &first, fault, findings);
            }
            return None;
        }
    };
    if rows.is_empty() && findings.errors() == errors {
        let place = source.at(0..0, "no rows");
        findings.add(
            Code::RegisterEmpty,
            place,
            "the register lists no equipment: all that is heard will be unlisted",
            "add a row for each piece of equipment",
        );
    }
    (findings.errors() == errors).then_some(Written { rows, register })
}

/// The first row of each id.
fn first_rows(rows: &[Row]) -> BTreeMap<&str, usize> {
    let ids = rows.iter().enumerate().rev();
    ids.filter_map(|(index, row)| Some((row.get("id")?.trim(), index))).collect()
}

fn tell(
    source: &Source,
    rows: &[Row],
    spots: &[Spot],
    first: &BTreeMap<&str, usize>,
    fault: RowFault,
    findings: &mut Findings,
) {
    let RowFault { row, field, cause, remedy } = fault;
    let spot = spots.get(row);
    let code = if row >= MAX_ROWS {
        Code::RegisterSize
    } else if !field.is_empty() && !FIELDS.iter().any(|(known, _)| *known == field) {
        Code::RegisterField
    } else {
        Code::RegisterRow
    };
    let span = spot.map_or(0..0, |spot| spot.fields.get(&field).unwrap_or(&spot.whole).clone());
    let mut place = source.at(span, if field.is_empty() { String::new() } else { format!("field {field}") });
    let id = rows.get(row).and_then(|row| row.get("id")).filter(|_| field == "id");
    let earlier = id.and_then(|id| first.get(id.trim())).filter(|earlier| **earlier < row);
    if let Some(span) = earlier.and_then(|earlier| spots[*earlier].fields.get("id")) {
        place = place.and(source.at(span.clone(), "first here"));
    }
    findings.add(code, place, cause, remedy);
}

fn from_csv(source: &Source, findings: &mut Findings) -> Option<Read> {
    let sheet = sheet::parse(source, MAX_ROWS, findings)?;
    let known: Vec<&'static str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let columns = sheet::columns(source, &sheet.header, &known, Code::RegisterField, findings);
    if !columns.contains(&Some("id")) {
        let place = source.at(sheet.header[0].span.clone(), "the header");
        findings.add(
            Code::BadColumns,
            place,
            "there is no column id",
            "add a column id with the unique id of each row",
        );
        return None;
    }
    let mut read = Vec::new();
    for cells in sheet.rows {
        let whole = cells[0].span.start..cells[cells.len() - 1].span.end;
        let mut row = Row::new();
        let mut fields = BTreeMap::new();
        for (name, cell) in columns.iter().zip(cells) {
            if let Some(name) = name {
                row.insert((*name).to_owned(), cell.text);
                fields.insert((*name).to_owned(), cell.span);
            }
        }
        read.push((row, Spot { whole, fields }));
    }
    Some(read)
}

/// How many tables a text seems to have, where those are more than a register may have. Counted before it is parsed: a parsed
/// table takes fifty times the memory of its text. A register has no inline tables; the braces in its texts are fewer than its
/// rows, because one field alone has any.
pub(super) fn crowd(text: &str) -> Option<usize> {
    let headers = text.lines().filter(|line| line.trim_start().starts_with('[')).count();
    let tables = headers.max(text.bytes().filter(|byte| *byte == b'{').count());
    (tables > MAX_ROWS + MAX_POINTS + scenarios::MAX).then_some(tables)
}

/// Rows of equipment, and of points.
fn from_toml(source: &Source, findings: &mut Findings) -> Option<Tables> {
    if let Some(tables) = crowd(&source.text) {
        let cause = format!("{tables} rows; at most {MAX_ROWS} of equipment and {MAX_POINTS} of points are allowed");
        findings.add(Code::RegisterSize, Place::file(&source.path), cause, "split the site");
        return None;
    }
    let root = reader::parse(source, findings)?;
    let what = "the register";
    let mut section = Section::open(source, root.get_ref(), 0..0, what, &["equipment", "point", "scenario"], findings);
    let tables = section.tables("equipment");
    let rows = tables.into_iter().map(|(table, span)| toml_row(&mut section, table, span));
    let equipment = rows.collect();
    let points = register_points::from_toml(&mut section);
    Some(Tables { equipment, points, scenarios: register_scenarios::from_toml(&mut section) })
}

fn toml_row(section: &mut Section<'_, '_>, table: &DeTable<'_>, whole: Range<usize>) -> (Row, Spot) {
    let mut row = Row::new();
    let mut fields = BTreeMap::new();
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        let known = FIELDS.iter().any(|(field, _)| *field == name);
        fields.insert(name.to_owned(), if known { value.span() } else { key.span() });
        if let Some(text) = cell(section, name, value) {
            row.insert(name.to_owned(), text);
        }
    }
    (row, Spot { whole, fields })
}

fn cell(section: &mut Section<'_, '_>, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => return Some(text.clone().into_owned()),
        DeValue::Datetime(moment) => return Some(moment.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {}
    }
    let cause = format!("field {name} is neither a text nor a date");
    section.refuse(Code::WrongType, value.span(), "not a text", cause, format!("put it in quotes: {name} = \"...\""));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_counted_however_they_are_written() {
        let most = MAX_ROWS + MAX_POINTS + scenarios::MAX;
        for (one, before, behind) in [("[[point]]\n", "", ""), ("{},", "point = [", "]\n"), ("  [a]\n", "", "")] {
            let text = |count: usize| format!("{before}{}{behind}", one.repeat(count));
            assert_eq!(crowd(&text(most - 1)), None, "{one}");
            assert_eq!(crowd(&text(most + 2)).map(|tables| tables > most), Some(true), "{one}");
        }
        let mut findings = Findings::default();
        let source = Source::new(Path::new("register.toml"), format!("point = [{}]\n", "{},".repeat(most + 1)));
        assert!(read(&source, 0, &mut findings).is_none());
        assert!(findings.errors() == 1, "it was parsed");
    }
}
