//! From rows of text, as TOML and CSV give them, to a register: every fault at once, each with row and field.

use super::{
    Assurance, Commissioning, Criticality, Due, Equipment, EquipmentId, EquipmentKind, Interval, Register, Scheme, Work,
};
use crate::fields::{FieldFault, Fields, Reader};
use std::collections::BTreeMap;

/// One row as it was written.
pub type Row = Fields;

/// What is wrong with one field of one row. The daemon adds file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// Index of the row, from 0.
    pub row: usize,
    /// Field name; empty = the row as a whole.
    pub field: String,
    /// What is wrong, lower-case, no full stop.
    pub cause: String,
    /// What to do, lower-case, no full stop.
    pub remedy: String,
}

/// Every field a row may have, with what it holds: the one list behind TOML, CSV and messages.
pub const FIELDS: &[(&str, &str)] = &[
    ("id", "unique id: GIAI or site id"),
    ("kind", "door, camera, alarm-panel, seal-reader, module, sensor or power"),
    ("place", "where it is"),
    ("zone", "zone that it watches; alarms of one zone are told together; empty = its place"),
    ("clip", "where recordings of it are; {utc} stands for the moment in seconds since 1970"),
    ("scenario", "ids of the threat scenarios that it is a measure against, with commas"),
    ("owner", "own or contractor:<name>"),
    ("make", "make on the type plate"),
    ("model", "model on the type plate"),
    ("serial", "serial number or MAC"),
    ("firmware", "firmware that was commissioned"),
    ("criticality", "low, normal, high or life"),
    ("calibration_last", "date of the last calibration, YYYY-MM-DD, or 'unknown'"),
    ("calibration_interval", "such as '12 months'; empty = needs no calibration"),
    ("calibration_due", "stated end of validity, date or RFC 3339 moment"),
    ("calibration_certificate", "number of the certificate"),
    ("calibration_method", "how it is done: procedure or checklist"),
    ("calibration_reference", "ids of the reference equipment"),
    ("calibration_action", "what is done where it is overdue or failed"),
    ("calibration_traceability", "what the reference equipment leads to: its certificate, or a national standard"),
    ("calibration_basis", "what the calibration stands on where no national standard is behind it"),
    ("maintenance_last", "date of the last maintenance, YYYY-MM-DD, or 'unknown'"),
    ("maintenance_interval", "such as '12 months'; empty = needs no maintenance"),
    ("maintenance_due", "stated end of validity, date or RFC 3339 moment"),
    ("maintenance_certificate", "number of the report"),
    ("maintenance_method", "how it is done: procedure or checklist"),
    ("maintenance_reference", "ids of the reference equipment"),
    ("maintenance_action", "what is done where it is overdue or failed"),
    ("inspection_last", "date of the last inspection, YYYY-MM-DD, or 'unknown'"),
    ("inspection_interval", "such as '12 months'; empty = needs no inspection"),
    ("inspection_due", "stated end of validity, date or RFC 3339 moment"),
    ("inspection_certificate", "number of the report"),
    ("inspection_method", "how it is done: procedure or checklist"),
    ("inspection_reference", "ids of the reference equipment"),
    ("inspection_action", "what is done where it is overdue or failed"),
    ("test_last", "date of the last test, YYYY-MM-DD, or 'unknown'"),
    ("test_interval", "such as '12 months'; empty = needs no test"),
    ("test_due", "stated end of validity, date or RFC 3339 moment"),
    ("test_certificate", "number of the report"),
    ("test_method", "how it is done: procedure or checklist"),
    ("test_reference", "ids of the reference equipment"),
    ("test_action", "what is done where it is overdue or failed"),
    ("assurance", "document that assures a contractor's equipment"),
    ("assurance_until", "end of its validity, date or RFC 3339 moment"),
    ("commissioning", "required where it counts only once its commissioning has passed; else empty"),
    ("withdrawn", "tag number and reason while out of use"),
];

/// Most rows of one register: the largest site asked for has ten thousand pieces of equipment.
pub const MAX_ROWS: usize = 20_000;

/// Builds a register, or tells every fault.
pub fn build(version: u64, digest: [u8; 32], rows: &[Row]) -> Result<Register, Vec<RowFault>> {
    let mut faults = Vec::new();
    let mut built_rows: BTreeMap<EquipmentId, Equipment> = BTreeMap::new();
    let mut first_row: BTreeMap<EquipmentId, usize> = BTreeMap::new();
    if rows.len() > MAX_ROWS {
        let cause = format!("{} rows; at most {MAX_ROWS} are allowed", rows.len());
        return Err(vec![RowFault { row: MAX_ROWS, field: String::new(), cause, remedy: "split the site".into() }]);
    }
    for (index, row) in rows.iter().enumerate() {
        let of_row =
            |fault: FieldFault| RowFault { row: index, field: fault.field, cause: fault.cause, remedy: fault.remedy };
        let built = match equipment(row) {
            Ok(built) => built,
            Err(found) => {
                faults.extend(found.into_iter().map(of_row));
                continue;
            }
        };
        if let Some(first) = first_row.get(&built.id) {
            let cause = format!("id {} is used twice; first in row {}", built.id, first + 1);
            let remedy = "give each piece of equipment its own id".to_owned();
            faults.push(RowFault { row: index, field: "id".into(), cause, remedy });
            continue;
        }
        first_row.insert(built.id.clone(), index);
        built_rows.insert(built.id.clone(), built);
    }
    if faults.is_empty() { Ok(Register::new(version, digest, built_rows)) } else { Err(faults) }
}

fn equipment(row: &Row) -> Result<Equipment, Vec<FieldFault>> {
    let mut reader = Reader::new(row, FIELDS, &[]);
    let id = id(&mut reader);
    let kind = reader.word("kind", EquipmentKind::ALL, None);
    let criticality = reader.word("criticality", CRITICALITIES, Some(Criticality::Normal));
    let commissioning =
        reader.word("commissioning", &[("required", Commissioning::Required)], Some(Commissioning::Waived));
    let owner = owner(&mut reader);
    let scenarios = scenario_ids(&mut reader);
    let schemes = Work::ALL.map(|work| scheme(&mut reader, work));
    let own = |field: &str| reader.text(field).to_owned();
    let texts = ["place", "zone", "clip", "make", "model", "serial", "firmware", "withdrawn"].map(own);
    let [traceability, basis, assurance] = ["calibration_traceability", "calibration_basis", "assurance"].map(own);
    let traceability = if traceability.is_empty() { basis } else { traceability };
    let until = reader.parsed("assurance_until", Due::parse, "YYYY-MM-DD, or an RFC 3339 moment with Z");
    let faults = reader.faults();
    let all = (id, kind, criticality, commissioning);
    let ((Some(id), Some(kind), Some(criticality), Some(commissioning)), true) = (all, faults.is_empty()) else {
        return Err(faults);
    };
    let [place, zone, clip, make, model, serial, firmware, withdrawn] = texts;
    let withdrawn = Some(withdrawn).filter(|tag| !tag.is_empty());
    Ok(Equipment {
        id,
        kind,
        criticality,
        owner,
        scenarios,
        schemes,
        place,
        zone,
        clip,
        make,
        model,
        serial,
        firmware,
        commissioning,
        withdrawn,
        traceability,
        assurance: Assurance { document: assurance, until },
    })
}

/// Most scenarios that one piece of equipment is a measure against.
const MAX_SCENARIOS: usize = 8;

fn scenario_ids(reader: &mut Reader<'_>) -> Vec<String> {
    let text = reader.text("scenario");
    let ids: Vec<String> = text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    if let Some(wrong) = ids.iter().find(|id| !super::scenarios::is_id(id)) {
        reader.fault(
            "scenario",
            format!("{wrong:?} is no id of a scenario"),
            "1 to 32 of a-z 0-9 and -, with commas between",
        );
    }
    if ids.len() > MAX_SCENARIOS {
        reader.fault(
            "scenario",
            format!("{} scenarios", ids.len()),
            &format!("name the {MAX_SCENARIOS} that matter most"),
        );
    }
    ids
}

fn id(reader: &mut Reader<'_>) -> Option<EquipmentId> {
    let text = reader.text("id");
    let id = EquipmentId::parse(text).filter(|_| !text.starts_with("unlisted:"));
    if id.is_none() {
        let cause = if text.is_empty() { "id is missing".into() } else { format!("{text:?} is no equipment id") };
        reader.fault("id", cause, "1 to 64 of A-Z a-z 0-9 . _ : / - (not starting with unlisted:)");
    }
    id
}

fn owner(reader: &mut Reader<'_>) -> String {
    let text = reader.text("owner");
    let stated = text.is_empty() || text == "own" || text.strip_prefix("contractor:").is_some_and(|n| !n.is_empty());
    if !stated {
        reader.fault("owner", format!("unknown owner {text:?}"), "own, or contractor:<name>");
    }
    if text.is_empty() { "own".into() } else { text.to_owned() }
}

fn scheme(reader: &mut Reader<'_>, work: Work) -> Option<Scheme> {
    let name = |part: &str| format!("{}_{part}", work.as_str());
    let last = match reader.text(&name("last")) {
        "unknown" => None,
        _ => reader.date(&name("last"), "YYYY-MM-DD (day and month are never guessed), or 'unknown'"),
    };
    let interval = "a number and days, weeks, months or years";
    let interval = reader.parsed(&name("interval"), Interval::parse, interval);
    let stated = reader.parsed(&name("due"), Due::parse, "YYYY-MM-DD, or an RFC 3339 moment with Z");
    let texts = ["certificate", "method", "reference", "action"].map(|part| reader.text(&name(part)).to_owned());
    let needed = ["last", "interval", "due"].iter().any(|part| !reader.text(&name(part)).is_empty());
    let [certificate, method, reference, action] = texts;
    needed.then_some(Scheme { last, interval, stated, certificate, method, reference, action })
}

const CRITICALITIES: &[(&str, Criticality)] = &[
    ("low", Criticality::Low),
    ("normal", Criticality::Normal),
    ("high", Criticality::High),
    ("life", Criticality::Life),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::MAX_FIELD;

    fn row(fields: &[(&str, &str)]) -> Row {
        let whole = [("id", "DOOR-1"), ("kind", "door")];
        whole.iter().chain(fields).map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
    }

    fn faults(rows: &[Row]) -> Vec<RowFault> {
        build(1, [0; 32], rows).err().unwrap_or_default()
    }

    /// The one fault of a row that is right but for one field: field, cause and remedy.
    fn only(field: &str, text: &str) -> (String, String, String) {
        let found = faults(&[row(&[("id", "DOOR-0")]), row(&[(field, text)])]);
        assert_eq!(found.len(), 1, "{field} = {text:?}: {found:?}");
        assert_eq!(found[0].row, 1);
        (found[0].field.clone(), found[0].cause.clone(), found[0].remedy.clone())
    }

    #[test]
    fn each_fault_names_its_field_and_what_to_do() {
        let long = "x".repeat(MAX_FIELD + 1);
        let table: &[(&str, &str, &str, &str)] = &[
            ("id", "", "id is missing", "1 to 64 of"),
            ("id", "DOOR 1", "\"DOOR 1\" is no equipment id", "1 to 64 of"),
            ("id", "unlisted:x", "no equipment id", "not starting with unlisted:"),
            ("kind", "", "kind is missing", "one of door, camera"),
            ("kind", "Door", "unknown kind \"Door\"", "one of door, camera"),
            ("criticality", "urgent", "unknown criticality \"urgent\"", "one of low, normal, high, life"),
            ("commissioning", "yes", "unknown commissioning \"yes\"", "one of required"),
            ("owner", "contractor:", "unknown owner \"contractor:\"", "contractor:<name>"),
            ("owner", "Miller", "unknown owner \"Miller\"", "own, or contractor:<name>"),
            ("calibration_last", "31.01.2026", "cannot read \"31.01.2026\"", "never guessed"),
            ("calibration_last", "2026-02-30", "cannot read \"2026-02-30\"", "YYYY-MM-DD"),
            ("calibration_last", "2026-1-2", "cannot read", "YYYY-MM-DD"),
            ("calibration_interval", "yearly", "cannot read \"yearly\"", "a number and days"),
            ("calibration_interval", "0 months", "cannot read", "a number and days"),
            ("calibration_interval", "12 moons", "cannot read", "weeks, months or years"),
            ("calibration_due", "2026-11-22 10:00", "cannot read", "RFC 3339"),
            ("calibration_due", "unknown", "cannot read \"unknown\"", "YYYY-MM-DD"),
            ("maintenance_last", "2026/01/02", "cannot read", "YYYY-MM-DD"),
            ("maintenance_interval", "12", "cannot read \"12\"", "a number and days"),
            ("inspection_due", "tomorrow", "cannot read \"tomorrow\"", "YYYY-MM-DD"),
            ("inspection_interval", "-3 months", "cannot read", "a number and days"),
            ("place", &long, "longer than 200 bytes", "shorten"),
            ("model", "a\u{7}b", "control characters", "shorten"),
            ("serail", "1", "unknown field serail", "did you mean serial?"),
            ("colour", "red", "unknown field colour", "the fields are id, kind, place"),
        ];
        for (field, text, cause, remedy) in table {
            let found = only(field, text);
            assert_eq!(found.0, *field, "{text:?}");
            assert!(found.1.contains(cause) && found.2.contains(remedy), "{field} = {text:?}: {found:?}");
        }
    }

    #[test]
    fn an_id_that_is_there_twice_names_the_first_row() {
        let found = faults(&[row(&[]), row(&[("id", "DOOR-2")]), row(&[])]);
        let wanted = "id DOOR-1 is used twice; first in row 1";
        assert_eq!((found[0].row, found[0].field.as_str(), found[0].cause.as_str()), (2, "id", wanted));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn every_fault_of_every_row_is_told_at_once() {
        let found = faults(&[
            row(&[("kind", "dor"), ("owner", "me"), ("calibration_last", "soon")]),
            row(&[("id", "D2")]),
            row(&[("id", "?"), ("serail", "1")]),
        ]);
        let places: Vec<(usize, &str)> = found.iter().map(|fault| (fault.row, fault.field.as_str())).collect();
        assert_eq!(places, [(0, "kind"), (0, "owner"), (0, "calibration_last"), (2, "serail"), (2, "id")]);
    }

    #[test]
    fn too_many_rows_are_one_fault() {
        let rows = vec![Row::new(); MAX_ROWS + 1];
        let found = faults(&rows);
        assert_eq!((found.len(), found[0].row, found[0].field.as_str()), (1, MAX_ROWS, ""));
        assert!(found[0].cause.contains("20001 rows"));
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let register = build(3, [7; 32], &[row(&[("place", "  Gate  ")])]).expect("right");
        let door = register.iter().next().expect("a row");
        assert_eq!((register.version(), door.place.as_str(), door.owner.as_str()), (3, "Gate", "own"));
        assert_eq!((door.kind, door.criticality), (EquipmentKind::Door, Criticality::Normal));
        assert!(door.schemes().next().is_none() && door.withdrawn.is_none());
    }

    #[test]
    fn an_unknown_date_is_a_scheme_without_a_due_date() {
        let register = build(1, [0; 32], &[row(&[("calibration_last", "unknown")])]).expect("right");
        let scheme = register.iter().next().and_then(|door| door.scheme(Work::Calibration).cloned()).expect("a scheme");
        assert_eq!((scheme.last, scheme.due(None)), (None, None));
    }

    #[test]
    fn a_stated_end_of_validity_wins_over_the_interval() {
        let fields =
            [("calibration_last", "2026-01-01"), ("calibration_interval", "1 year"), ("calibration_due", "2026-06-30")];
        let register = build(1, [0; 32], &[row(&fields)]).expect("right");
        let scheme = register.iter().next().and_then(|door| door.scheme(Work::Calibration).cloned()).expect("a scheme");
        assert_eq!(scheme.due(None).map(|due| due.date().to_string()), Some("2026-06-30".to_owned()));
    }
}
