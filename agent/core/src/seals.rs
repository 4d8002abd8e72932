//! Seals against the manifest. A reader may read the number of a container or another unit first; then that unit's
//! seal is expected.

use crate::alarm::Rule;
use crate::plan::ManifestRow;
use crate::register::EquipmentId;
use crate::rules::Turn;
use crate::statement::{Evidence, Facts, Statement};
use crate::time::{Now, s};
use picket_device::seal::{is_container_number, normalise_seal};
use picket_device::seal_reader::Scan;
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::collections::BTreeMap;

/// A unit's number counts for the seals read within this time after it.
const UNIT_HOLDS_US: u64 = s(60);

/// Seal checks of every reader.
#[derive(Debug)]
pub struct Seals {
    manifest: Vec<ManifestRow>,
    units: BTreeMap<EquipmentId, (u64, String)>,
}

impl Seals {
    /// With the papers.
    pub fn new(manifest: Vec<ManifestRow>) -> Self {
        Self { manifest, units: BTreeMap::new() }
    }

    /// One scan: its record, and what it means for which alarm of the reader. An alarm is about the unit whose seal is
    /// wrong, so that the good seal of the next one does not clear it; about the seal where nobody said which unit.
    pub fn scanned(
        &mut self,
        now: &Now,
        reader: &EquipmentId,
        scan: &Scan,
        by: &Evidence,
    ) -> (Statement, Option<(String, Turn)>) {
        let read = normalise_seal(&scan.text);
        let listed = self.manifest.iter().any(|row| row.unit == read);
        if listed || is_container_number(&read) {
            let data = json!({ "read": read, "is": "unit", "aim": scan.aim });
            self.units.insert(reader.clone(), (now.mono_us, read));
            return (Statement::new(Kind::SealChecked, Severity::Info, data).about(reader).from(Some(by)), None);
        }
        let held = self.units.get(reader).filter(|(at, _)| now.mono_us.saturating_sub(*at) <= UNIT_HOLDS_US);
        let unit = held.map(|(_, unit)| unit.clone());
        let rows = || self.manifest.iter().filter(|row| row.reader.is_empty() || row.reader == reader.as_str());
        let found = match &unit {
            Some(unit) => rows().find(|row| row.unit == *unit && row.seal == read),
            None => rows().find(|row| row.seal == read),
        };
        if let Some(row) = found {
            let data = json!({ "read": read, "unit": row.unit, "is": "seal", "aim": scan.aim });
            let statement = Statement::new(Kind::SealChecked, Severity::Info, data).about(reader).from(Some(by));
            return (statement, Some((row.unit.clone(), Turn::Ended)));
        }
        let expected = unit.as_ref().and_then(|unit| rows().find(|row| row.unit == *unit)).map(|row| row.seal.clone());
        let mut facts = Facts::from([("read".to_owned(), read.clone())]);
        facts.insert("expected".into(), expected.clone().unwrap_or_else(|| "not in the manifest".into()));
        facts.extend(unit.clone().map(|unit| ("unit".to_owned(), unit)));
        let data = json!({ "read": read, "expected": expected, "unit": unit, "is": "seal", "aim": scan.aim });
        let statement = Statement::new(Kind::SealMismatch, Severity::Security, data).about(reader).from(Some(by));
        (statement, Some((unit.unwrap_or(read), Turn::Began(facts))))
    }

    /// The rule behind its alarms.
    pub const RULE: Rule = Rule::SealMismatch;
}

#[cfg(test)]
mod tests;
