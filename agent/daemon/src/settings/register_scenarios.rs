//! The `[[scenario]]` tables of `register.toml`: threats of the site, which rows of equipment name.

use super::Findings;
use super::codes::Code;
use super::reader::Section;
use super::register_file::{Read, Spot};
use super::register_points::toml_row;
use super::source::Source;
use picket_core::register::rows::{Row, RowFault};
use picket_core::register::scenarios::{self, FIELDS, MAX, Scenario};
use std::collections::BTreeMap;

/// Reads the tables.
pub(super) fn from_toml(section: &mut Section<'_, '_>) -> Read {
    let tables = section.tables("scenario");
    tables.into_iter().map(|(table, span)| toml_row(section, FIELDS, table, span)).collect()
}

/// Builds the scenarios, and looks whether each one that equipment names is among them.
pub(super) fn build(
    source: &Source,
    read: Read,
    (rows, spots): (&[Row], &[Spot]),
    findings: &mut Findings,
) -> Option<BTreeMap<String, Scenario>> {
    let (scenarios, own): (Vec<Row>, Vec<Spot>) = read.into_iter().unzip();
    let built = match scenarios::build(&scenarios) {
        Ok(built) => built,
        Err(faults) => {
            faults.into_iter().for_each(|fault| tell(source, &own, fault, findings));
            return None;
        }
    };
    let strangers = scenarios::strangers(rows, &built);
    let all_known = strangers.is_empty();
    strangers.into_iter().for_each(|fault| tell(source, spots, fault, findings));
    all_known.then_some(built)
}

fn tell(source: &Source, spots: &[Spot], fault: RowFault, findings: &mut Findings) {
    let RowFault { row, field, cause, remedy } = fault;
    let code = match field.as_str() {
        _ if row >= MAX && spots.len() > MAX && field.is_empty() => Code::RegisterSize,
        "" | "scenario" => Code::RegisterRow,
        name if FIELDS.iter().any(|(known, _)| *known == name) => Code::RegisterRow,
        _ => Code::RegisterField,
    };
    let span = spots.get(row).map_or(0..0, |spot| spot.fields.get(&field).unwrap_or(&spot.whole).clone());
    let label = if field.is_empty() { "[[scenario]]".to_owned() } else { format!("field {field}") };
    findings.add(code, source.at(span, label), cause, remedy);
}
