//! What a person reports of a unit and its seal: the forms, read from named texts.

use super::number;
use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use crate::work;
use jiff::civil::Date;
use picket_device::seal::{Container, SealClass, container};
use picket_record::kind::Kind;
use serde_json::{Map, Value};

/// What is reported of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitTask {
    /// Inspected before it is loaded.
    Inspection,
    /// A seal was put on.
    Sealing,
    /// Its seal was looked at.
    SealCheck,
    /// It went from one hand to the next.
    Custody,
    /// Its seal was taken off.
    Unsealing,
}

impl UnitTask {
    /// Every one, in the order of a unit's life.
    pub const ALL: [Self; 5] = [Self::Inspection, Self::Sealing, Self::SealCheck, Self::Custody, Self::Unsealing];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inspection => "unit-inspection",
            Self::Sealing => "sealing",
            Self::SealCheck => "seal-check",
            Self::Custody => "custody",
            Self::Unsealing => "unsealing",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == text)
    }

    fn own(self) -> &'static [Field] {
        match self {
            Self::Inspection => INSPECTION,
            Self::Sealing => SEALING,
            Self::SealCheck => CHECK,
            Self::Custody => CUSTODY,
            Self::Unsealing => UNSEALING,
        }
    }

    /// What stands in the record as it was written.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Inspection => &["method", "certificate"],
            Self::Sealing => &["why", "inspection"],
            Self::SealCheck => &[],
            Self::Custody => &["from", "to"],
            Self::Unsealing => &["why"],
        }
    }
}

const DAY: Field = ("on", "the day it was done, YYYY-MM-DD; today where it is left out");
const CLASS: &str = "class on the seal: I, S or H (ISO 17712)";
const SEAL_OR_NONE: Field = ("seal", "number on the seal that is on it; none where there is none");
const INSPECTION: &[Field] = &[
    ("result", "pass or fail; left out: as the items say"),
    ("method", "name of the checklist"),
    ("certificate", "number of the report"),
];
const SEALING: &[Field] = &[
    ("seal", "number on the seal that was put on"),
    ("class", CLASS),
    ("instead", "number of the seal that it takes the place of"),
    ("why", "why that was exchanged"),
    ("inspection", "record or report of the inspection before"),
];
const CHECK: &[Field] = &[
    SEAL_OR_NONE,
    ("class", CLASS),
    ("view", "pass or fail: seal and lock looked at"),
    ("verify", "pass or fail: number held against the papers"),
    ("tug", "pass or fail: pulled, and it holds"),
    ("twist", "pass or fail: turned, and it holds"),
];
const CUSTODY: &[Field] = &[
    ("from", "post or firm that hands it over; no person"),
    ("to", "post or firm that takes it over; no person"),
    SEAL_OR_NONE,
    ("class", CLASS),
    ("leaves", "yes or no: whether it leaves the site by it; no where it is left out"),
];
const UNSEALING: &[Field] =
    &[("seal", "number on the seal that was taken off"), ("why", "what for, such as unloading")];

/// Items of every inspection: the seven points of a container, and contamination by pests, plants, soil or anything else.
pub const ITEMS: [&str; 8] = [
    "front-wall",
    "left-side",
    "right-side",
    "floor",
    "ceiling-roof",
    "inside-outside-doors",
    "outside-undercarriage",
    CONTAMINATION,
];
const CONTAMINATION: &str = "contamination";
/// Items that say more of it; one that failed is a contamination.
const CONTAMINANTS: [&str; 3] = ["pests", "plants", "soil"];
const ITEM: Field = (
    "item.",
    "and front-wall, left-side, right-side, floor, ceiling-roof, inside-outside-doors, outside-undercarriage, \
     contamination (these all), or pests, plants, soil, or another: pass, fail or n/a",
);
/// A seal is viewed, verified, tugged and twisted (CTPAT minimum security criteria, 6.7).
pub(super) const VIEW_VERIFY_TUG_TWIST: [&str; 4] = ["view", "verify", "tug", "twist"];

/// The form of one report.
#[derive(Debug, Clone, Copy)]
pub struct UnitForm(UnitTask);

impl UnitForm {
    /// Of what is reported.
    pub fn of(task: UnitTask) -> Self {
        Self(task)
    }

    /// Every field, those that all forms have last.
    pub fn fields(self) -> Vec<Field> {
        self.0.own().iter().chain([&DAY]).chain(&person::FIELDS).copied().collect()
    }

    /// Families of fields, such as `item.`: a name stands behind.
    pub fn families(self) -> &'static [Field] {
        if self.0 == UnitTask::Inspection { &[ITEM] } else { &[] }
    }
}

/// What was reported, not yet held against anything.
#[derive(Clone, PartialEq, Eq)]
pub struct UnitReport {
    pub(super) task: UnitTask,
    /// Number of the unit, normalised.
    pub(super) unit: String,
    pub(super) on: Option<Date>,
    /// Number of the seal, normalised; none where there was none.
    pub(super) seal: Option<String>,
    pub(super) class: Option<SealClass>,
    pub(super) data: Map<String, Value>,
    pub(super) person: Person,
}

/// Whoever reported is never printed.
impl std::fmt::Debug for UnitReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnitReport").field("task", &self.task).field("unit", &self.unit).finish_non_exhaustive()
    }
}

impl UnitReport {
    /// From named texts, such as `seal` = `ML-CN 4471902`; see [`UnitForm`]. Every fault at once.
    pub fn read(task: UnitTask, unit: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let form = UnitForm(task);
        let mut reader = Reader::new(fields, &form.fields(), form.families());
        let unit = unit_number(&mut reader, unit);
        let on = reader.date(DAY.0, "YYYY-MM-DD (day and month are never guessed)");
        let mut data = Map::new();
        for name in task.texts() {
            let text = reader.text(name);
            if !text.is_empty() {
                data.insert((*name).into(), text.into());
            }
        }
        let seal = if task == UnitTask::Inspection { None } else { seal(&mut reader, "seal", task) };
        let class = class(&mut reader, task);
        match task {
            UnitTask::Inspection => inspected(&mut reader, &mut data),
            UnitTask::Sealing => exchanged(&mut reader, seal.as_deref(), &mut data),
            UnitTask::SealCheck => looked_at(&mut reader, seal.is_none(), &mut data),
            UnitTask::Custody => handed_over(&mut reader, &mut data),
            UnitTask::Unsealing => drop(reader.needed("why", "say it in a few words")),
        }
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (unit, faults.is_empty()) {
            (Some(unit), true) => Ok(Self { task, unit, on, seal, class, data, person }),
            _ => Err(faults),
        }
    }

    /// What was reported.
    pub fn task(&self) -> UnitTask {
        self.task
    }

    /// Of which unit.
    pub fn unit(&self) -> &str {
        &self.unit
    }
}

const NUMBERS: &str = "up to 40 of A-Z 0-9 . _ / : (blanks and - do not count)";

/// A container number must be right to its last digit: what is mistyped would be another unit.
fn unit_number(reader: &mut Reader<'_>, text: &str) -> Option<String> {
    let shown: String = text.chars().take(64).collect();
    let unit = number(text);
    match (&unit, container(text)) {
        (None, _) => reader.fault("", format!("{shown:?} is no number of a unit"), NUMBERS),
        (Some(_), Container::WrongDigit { should_be }) => {
            let cause = format!("container number {shown} has a wrong check digit (ISO 6346)");
            let remedy = format!("compare it with the door of the container: as it stands it would end in {should_be}");
            reader.fault("", cause, &remedy);
        }
        (Some(_), Container::Right | Container::No) => {}
    }
    unit
}

/// `none` is no seal, where somebody looked for one.
fn seal(reader: &mut Reader<'_>, field: &str, task: UnitTask) -> Option<String> {
    let text = reader.needed(field, "write the number as it stands on the seal");
    let may_be_none = matches!(task, UnitTask::SealCheck | UnitTask::Custody);
    if text.is_empty() || (may_be_none && text.eq_ignore_ascii_case("none")) {
        return None;
    }
    let seal = number(text).filter(|seal| seal != "NONE");
    if seal.is_none() {
        reader.fault(field, format!("{text:?} is no number of a seal"), NUMBERS);
    }
    seal
}

fn class(reader: &mut Reader<'_>, task: UnitTask) -> Option<SealClass> {
    if matches!(task, UnitTask::Inspection | UnitTask::Unsealing) {
        return None;
    }
    if task == UnitTask::Sealing {
        reader.needed("class", "one of I, S, H, as it stands on the seal");
    }
    reader.parsed("class", SealClass::parse, "one of I, S, H, as it stands on the seal")
}

fn exchanged(reader: &mut Reader<'_>, seal: Option<&str>, data: &mut Map<String, Value>) {
    if reader.text("instead").is_empty() {
        if !reader.text("why").is_empty() {
            reader.fault("why", "no seal is named that was exchanged", "add instead=NUMBER, or leave why out");
        }
        return;
    }
    reader.needed("why", "say why the seal was exchanged");
    let Some(instead) = self::seal(reader, "instead", UnitTask::Sealing) else { return };
    if Some(instead.as_str()) == seal {
        reader.fault("instead", "it is the number of the new seal", "a seal is used once: look at both again");
    }
    data.insert("instead".into(), instead.into());
}

fn looked_at(reader: &mut Reader<'_>, none: bool, data: &mut Map<String, Value>) {
    for name in VIEW_VERIFY_TUG_TWIST {
        // What is not there is neither pulled nor turned.
        let missing = none.then_some("n/a");
        if let Some(word) = reader.word(name, &[("pass", "pass"), ("fail", "fail")], missing) {
            data.insert(name.into(), word.into());
        }
    }
}

fn handed_over(reader: &mut Reader<'_>, data: &mut Map<String, Value>) {
    reader.needed("from", "name the post or firm that hands it over");
    reader.needed("to", "name the post or firm that takes it over");
    if reader.word("leaves", &[("yes", true), ("no", false)], Some(false)) == Some(true) {
        data.insert("leaves".into(), true.into());
    }
}

fn inspected(reader: &mut Reader<'_>, data: &mut Map<String, Value>) {
    let items = work::checklist(reader);
    for name in ITEMS.iter().filter(|name| !items.contains_key(**name)) {
        let field = format!("{}{name}", ITEM.0);
        // One that cannot be read is a fault already.
        if reader.text(&field).is_empty() {
            reader.fault(&field, format!("{field} is missing"), "one of pass, fail, n/a");
        }
    }
    if !items.is_empty() && items.values().all(|word| word == "n/a") {
        reader.fault("", "every item is n/a: nothing was looked at", "say what was");
    }
    let failed = |name: &str| items.get(name).is_some_and(|word| word == "fail");
    if CONTAMINANTS.iter().any(|name| failed(name)) && !failed(CONTAMINATION) {
        reader.fault("item.contamination", "pests, plants or soil were found", "write fail, or look at them again");
    }
    let all_good = !items.values().any(|word| word == "fail");
    data.insert("result".into(), work::stated_result(reader, Some(all_good)).into());
    data.insert("items".into(), Value::Object(items));
}

impl UnitTask {
    /// The record that states it, where nothing was found.
    pub fn kind(self) -> Kind {
        match self {
            Self::Inspection => Kind::UnitInspected,
            Self::Sealing => Kind::SealAffixed,
            Self::SealCheck => Kind::SealChecked,
            Self::Custody => Kind::CustodyChanged,
            Self::Unsealing => Kind::SealRemoved,
        }
    }
}

#[cfg(test)]
mod tests;
