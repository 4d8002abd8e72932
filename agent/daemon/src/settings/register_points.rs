//! The `[[point]]` tables of `register.toml`: rows of text with their places, for `picket_core::register::points`.

use super::Findings;
use super::codes::Code;
use super::reader::Section;
use super::register_file::{Read, Spot};
use super::source::{Place, Source};
use picket_core::fields::Field;
use picket_core::measure;
use picket_core::plan::Device;
use picket_core::register::Register;
use picket_core::register::points::{self, FIELDS, MAX_POINTS, Point};
use picket_core::register::rows::{Row, RowFault};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Points that nothing watches and that are told one by one; of the rest only how many.
const MAX_TOLD: usize = 20;

/// Reads the tables.
pub(super) fn from_toml(section: &mut Section<'_, '_>) -> Read {
    let tables = section.tables("point");
    tables.into_iter().map(|(table, span)| toml_row(section, FIELDS, table, span)).collect()
}

/// Builds the points; `rows` of equipment, wrong ones too: a point of one is no second fault.
pub(super) fn build(source: &Source, read: Read, rows: &[Row], findings: &mut Findings) -> Option<Vec<Point>> {
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| Some(row.get("id")?.trim())).collect();
    let (points, spots): (Vec<Row>, Vec<Spot>) = read.into_iter().unzip();
    let faults = match points::build(&points, |id| ids.contains(id)) {
        Ok(points) => return Some(points),
        Err(faults) => faults,
    };
    for fault in faults {
        tell(source, &spots, fault, findings);
    }
    None
}

fn tell(source: &Source, spots: &[Spot], fault: RowFault, findings: &mut Findings) {
    let RowFault { row, field, cause, remedy } = fault;
    let code = if row >= MAX_POINTS {
        Code::RegisterSize
    } else if !field.is_empty() && !FIELDS.iter().any(|(known, _)| *known == field) {
        Code::RegisterField
    } else {
        Code::RegisterRow
    };
    let span = spots.get(row).map_or(0..0, |spot| spot.fields.get(&field).unwrap_or(&spot.whole).clone());
    let label = if field.is_empty() { "[[point]]".to_owned() } else { format!("field {field} of this [[point]]") };
    findings.add(code, source.at(span, label), cause, remedy);
}

/// One table: its fields as text, those of `known` where their value stands.
pub(super) fn toml_row(
    section: &mut Section<'_, '_>,
    known: &[Field],
    table: &DeTable<'_>,
    whole: Range<usize>,
) -> (Row, Spot) {
    let mut row = Row::new();
    let mut fields = BTreeMap::new();
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        let is_known = known.iter().any(|(field, _)| *field == name);
        fields.insert(name.to_owned(), if is_known { value.span() } else { key.span() });
        if let Some(text) = cell(section, name, value) {
            row.insert(name.to_owned(), text);
        }
    }
    (row, Spot { whole, fields })
}

/// A text, or a number as it is written.
fn cell(section: &mut Section<'_, '_>, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => return Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => return Some(number.as_str().to_owned()),
        DeValue::Float(number) => return Some(number.as_str().to_owned()),
        DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {}
    }
    let cause = format!("field {name} is neither a text nor a decimal number");
    let remedy = format!("write {name} = \"...\", or a number with a point");
    section.refuse(Code::WrongType, value.span(), "neither text nor number", cause, remedy);
    None
}

/// Warns of points that no device of the settings gives. The register stands on its own: it may be there first.
pub(super) fn warn_unwatched(
    source: &Source,
    register: &Register,
    devices: Option<&[Device]>,
    findings: &mut Findings,
) {
    let Some(devices) = devices else { return };
    let unwatched = register.points().iter().filter_map(|point| Some((point, measure::unwatched(devices, point)?)));
    let mut rest = 0_usize;
    for (told, (point, cause)) in unwatched.enumerate() {
        if told >= MAX_TOLD {
            rest += 1;
            continue;
        }
        let cause = format!("nothing watches point {}/{}: {cause}", point.device, point.name);
        let remedy = "write device, point and unit as the settings and the device's profile have them";
        findings.add(Code::Unwatched, Place::file(&source.path), cause, remedy);
    }
    if rest > 0 {
        let cause = format!("nothing watches {rest} more points");
        findings.add(Code::Unwatched, Place::file(&source.path), cause, "correct the first ones, and check again");
    }
}
