//! Seals: read by readers, reported by people, and held against the manifest and what was put on here. A reader may read
//! the number of a container or another unit first; then that unit's seal is expected within a minute.

mod awaited;
mod book;
mod form;
mod judge;
mod report;

pub use book::{SPENT_MAX, UNITS_MAX};
pub use form::{ITEMS, UnitForm, UnitReport, UnitTask};

use crate::alarm::Rule;
use crate::plan::ManifestRow;
use crate::register::EquipmentId;
use crate::rules::Turn;
use crate::statement::{Evidence, Statement};
use crate::time::{Now, s};
use crate::wire::StateRow;
use awaited::Awaited;
use book::Book;
use jiff::civil::Date;
use judge::{Check, Look, Papers};
use picket_device::seal::{Container, container, normalise_seal};
use picket_device::seal_reader::Scan;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A unit's number counts for the seals read within this time after it; without one its seal is missing.
const UNIT_HOLDS_US: u64 = s(60);
/// Longest number of a unit or seal that people write, in characters: twice what papers have room for.
const NUMBER: usize = 40;

/// A number of a unit or a seal as it is compared: without blanks and hyphens, upper case. None where it is none.
pub fn number(text: &str) -> Option<String> {
    let number = normalise_seal(text.trim());
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | ':');
    ((1..=NUMBER).contains(&number.len()) && number.chars().all(fits)).then_some(number)
}

/// Seal checks of every reader and of people.
#[derive(Debug)]
pub struct Seals {
    manifest: Vec<ManifestRow>,
    book: Book,
    /// What each reader read last of a unit.
    held: BTreeMap<EquipmentId, Held>,
    awaited: Awaited,
}

#[derive(Debug)]
struct Held {
    at_us: u64,
    unit: Unit,
}

#[derive(Debug)]
enum Unit {
    Read(String),
    /// A container number whose check digit is wrong: which unit it was is not known.
    Misread(String),
}

/// Which alarm a check turns: its rule, what it is about, and which way. An alarm is about the unit whose seal is wrong, so
/// that the good seal of the next one does not clear it; about the seal where nobody said which unit.
pub type SealTurn = (Rule, String, Turn);

/// A check as it is recorded, and what follows.
#[derive(Debug)]
pub struct Told {
    /// Its record.
    pub statement: Statement,
    /// At the reader, or at the gateway where a person looked.
    pub turns: Vec<SealTurn>,
}

impl Seals {
    /// With the papers, and what the journal recovered. What a reader waited for before the start, it waits for anew.
    pub fn new(now: &Now, manifest: Vec<ManifestRow>, rows: &[StateRow]) -> Self {
        let awaited = Awaited::recover(rows, now.mono_us + UNIT_HOLDS_US);
        Self { manifest, book: Book::recover(rows), held: BTreeMap::new(), awaited }
    }

    fn papers(&self) -> Papers<'_> {
        Papers { manifest: &self.manifest, book: &self.book }
    }

    /// One scan.
    pub fn scanned(&mut self, now: &Now, reader: &EquipmentId, scan: &Scan, by: &Evidence) -> Told {
        let read = normalise_seal(&scan.text);
        let told = match self.unit_of(&read) {
            Some(Unit::Read(unit)) => self.unit_read(now, reader, unit),
            Some(Unit::Misread(number)) => self.misread(now, reader, number),
            None => self.seal_read(now, reader, &read),
        };
        let Told { mut statement, turns } = told;
        statement.data.insert("read".into(), read.into());
        statement.data.insert("aim".into(), json!(scan.aim));
        Told { statement: statement.about(reader).from(Some(by)), turns }
    }

    /// Whether a number is that of a unit. One whose check digit is wrong is none, and no seal either, unless it is known
    /// as one.
    fn unit_of(&self, read: &str) -> Option<Unit> {
        let listed = self.manifest.iter().any(|row| row.unit == read) || self.book.in_force(read).is_some();
        let is_seal = || {
            let on_papers = self.manifest.iter().any(|row| row.seal == read);
            on_papers || self.book.units_of(read).next().is_some() || self.book.spent(read).is_some()
        };
        match container(read) {
            Container::Right => Some(Unit::Read(read.to_owned())),
            _ if listed => Some(Unit::Read(read.to_owned())),
            Container::WrongDigit { .. } if !is_seal() => Some(Unit::Misread(read.to_owned())),
            Container::WrongDigit { .. } | Container::No => None,
        }
    }

    fn unit_read(&mut self, now: &Now, reader: &EquipmentId, unit: String) -> Told {
        let mut data = json!({ "is": "unit" });
        if self.papers().expected(Some(reader), &unit).is_some() {
            data["awaits"] = true.into();
            self.awaited.wait(reader, &unit, now.mono_us, UNIT_HOLDS_US);
        }
        self.held.insert(reader.clone(), Held { at_us: now.mono_us, unit: Unit::Read(unit) });
        Told { statement: Statement::new(Kind::SealChecked, Severity::Info, data), turns: Vec::new() }
    }

    fn misread(&mut self, now: &Now, reader: &EquipmentId, number: String) -> Told {
        let should_be = match container(&number) {
            Container::WrongDigit { should_be } => Some(should_be),
            Container::Right | Container::No => None,
        };
        let data = json!({ "is": "container", "found": ["check-digit"], "should_be": should_be });
        self.held.insert(reader.clone(), Held { at_us: now.mono_us, unit: Unit::Misread(number) });
        Told { statement: Statement::new(Kind::SealMismatch, Severity::Notice, data), turns: Vec::new() }
    }

    fn seal_read(&mut self, now: &Now, reader: &EquipmentId, read: &str) -> Told {
        let held = self.held.get(reader).filter(|held| now.mono_us.saturating_sub(held.at_us) <= UNIT_HOLDS_US);
        let (unit, misread) = match held.map(|held| &held.unit) {
            Some(Unit::Read(unit)) => (Some(unit.as_str()), None),
            Some(Unit::Misread(number)) => (None, Some(number.clone())),
            None => (None, None),
        };
        let check = self.papers().judge(Look { reader: Some(reader), unit, read: Some(read), class: None });
        let mut data = json!({ "unit": check.unit, "is": "seal" });
        if let Some(misread) = &misread {
            data["misread"] = misread.as_str().into();
        }
        if let Some(unit) = &check.unit {
            self.awaited.over(reader, unit);
        }
        let about = check.unit.clone().unwrap_or_else(|| read.to_owned());
        if check.found.is_empty() {
            let turns = Rule::OF_SEALS.iter().filter(|rule| self::reader_sees(**rule));
            let turns = turns.map(|rule| (*rule, about.clone(), Turn::Ended)).collect();
            return Told { statement: Statement::new(Kind::SealChecked, Severity::Info, data), turns };
        }
        data["expected"] = json!(check.expected);
        data["found"] = json!(check.words());
        let severity = severity(&check);
        let turns = check.found.into_iter().map(|(rule, mut facts)| {
            facts.extend(misread.clone().map(|number| ("misread".to_owned(), number)));
            (rule, about.clone(), Turn::Began(facts))
        });
        Told { statement: Statement::new(Kind::SealMismatch, severity, data), turns: turns.collect() }
    }

    /// Time passed: at each reader, the units whose seal was not read.
    pub fn timeout(&mut self, now: &Now) -> Vec<(EquipmentId, Told)> {
        let over = self.awaited.timeout(now.mono_us);
        let told = over.into_iter().map(|(reader, unit)| {
            let look = Look { reader: Some(&reader), unit: Some(&unit), read: None, class: None };
            let check = self.papers().judge(look);
            let data = json!({
                "read": null, "is": "seal", "unit": unit, "expected": check.expected, "found": check.words(),
            });
            // Other papers may have come in force since.
            let kind = if check.found.is_empty() { Kind::SealChecked } else { Kind::SealMismatch };
            let statement = Statement::new(kind, severity(&check), data).about(&reader);
            let turns = check.found.into_iter().map(|(rule, facts)| (rule, unit.clone(), Turn::Began(facts))).collect();
            (reader, Told { statement, turns })
        });
        told.collect()
    }

    /// When [`Seals::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        self.awaited.deadline()
    }

    /// The record of a report, or why it cannot be taken.
    pub(crate) fn reported(&self, report: &UnitReport, on: Date) -> Result<Told, String> {
        report::told(self.papers(), report, on)
    }

    /// A report was recorded.
    pub(crate) fn stated(&mut self, kind: Kind, data: &Map<String, Value>) {
        self.book.stated(kind, data);
    }
}

impl UnitReport {
    /// The day that it states.
    pub(crate) fn on(&self) -> Option<Date> {
        self.on
    }
}

/// Whether records of a kind are reports of people on units and their seals, which memory follows from.
pub(crate) fn are_reports(kind: Kind) -> bool {
    matches!(kind, Kind::SealAffixed | Kind::SealRemoved | Kind::CustodyChanged | Kind::UnitInspected)
}

/// Whether records of a kind tell of units and seals.
pub(crate) fn tells(kind: Kind) -> bool {
    are_reports(kind) || matches!(kind, Kind::SealChecked | Kind::SealMismatch)
}

/// The rows that a record writes, or drops where there is no body, in order.
pub(crate) fn rows(kind: Kind, equipment: Option<&str>, data: &Map<String, Value>) -> Vec<(String, Option<Value>)> {
    match equipment {
        Some(reader) => awaited::row(kind, reader, data).into_iter().collect(),
        None => book::rows(kind, data),
    }
}

/// A reader reads numbers; whether a seal is whole, and of which class, people see.
fn reader_sees(rule: Rule) -> bool {
    rule.is_of_seals() && !matches!(rule, Rule::SealBroken | Rule::SealClass)
}

fn severity(check: &Check) -> Severity {
    check.found.iter().map(|(rule, _)| rule.severity()).max().unwrap_or(Severity::Info)
}

#[cfg(test)]
mod tests;
