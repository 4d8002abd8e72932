//! The forms: which fields each kind of work has. One list behind the command, the page and every message.

use super::{Report, change, points};
use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use crate::register::{EquipmentId, Work};
use picket_record::kind::Kind;
use serde_json::{Map, Value};

/// Longest tag and reason together, in bytes: well below what a reason of a standing may have.
const TAG_MAX: usize = 180;
/// Longest report as JSON, in bytes: what is left of a payload is for standing, time and the place in the chain.
const DATA_MAX: usize = 5_600;
/// Most items of a checklist and most measured points of one report: with their texts well below a payload.
const ITEMS: usize = 40;

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Work that comes back.
    Scheme(Work),
    /// Checked before it counts.
    Commissioning,
    /// Taken out of use and tagged.
    Withdrawal,
    /// In use again.
    Return,
    /// Considered, and planned for a time.
    Change,
}

impl Task {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Scheme(Work::Calibration),
        Self::Scheme(Work::Maintenance),
        Self::Scheme(Work::Inspection),
        Self::Scheme(Work::Test),
        Self::Commissioning,
        Self::Withdrawal,
        Self::Return,
        Self::Change,
    ];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheme(work) => work.as_str(),
            Self::Commissioning => "commissioning",
            Self::Withdrawal => "withdrawal",
            Self::Return => "return",
            Self::Change => "change",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == text)
    }

    /// The record that states it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Scheme(Work::Calibration) => Kind::CalibrationDone,
            Self::Scheme(Work::Maintenance) => Kind::MaintenanceDone,
            Self::Scheme(Work::Inspection) => Kind::InspectionDone,
            Self::Scheme(Work::Test) => Kind::TestDone,
            Self::Commissioning => Kind::EquipmentCommissioned,
            Self::Withdrawal => Kind::EquipmentWithdrawn,
            Self::Return => Kind::EquipmentReturned,
            Self::Change => Kind::ChangePlanned,
        }
    }
}

/// Every form of what was done has it.
const DAY: Field = ("on", "the day it was done, YYYY-MM-DD; today where it is left out");
const ON: &str = "YYYY-MM-DD (day and month are never guessed)";

/// Texts that go into the record as they are.
const CALIBRATION: &[Field] = &[
    ("method", "procedure"),
    ("reference", "ids of the reference equipment"),
    ("traceability", "certificate of the reference equipment, or the national standard it leads to"),
    ("basis", "what the calibration stands on where no national standard is behind it"),
    ("laboratory", "who calibrated"),
    ("accreditation", "number of the accreditation"),
    ("certificate", "number of the certificate"),
];
const MAINTENANCE: &[Field] =
    &[("method", "procedure"), ("certificate", "number of the report"), ("parts", "what was exchanged")];
const INSPECTION: &[Field] = &[("method", "name of the checklist"), ("certificate", "number of the report")];
const TEST: &[Field] = &[("method", "procedure"), ("certificate", "number of the report")];
const COMMISSIONING: &[Field] = &[
    ("method", "name of the checklist"),
    ("certificate", "number of the report"),
    ("change", "id of the change that it belongs to"),
    ("firmware", "firmware that was commissioned"),
];
const WITHDRAWAL: &[Field] = &[("tag", "number of the tag on it"), ("why", "why it is out of use")];
const RETURN: &[Field] = &[("why", "what makes it fit for use")];

/// Further fields, which are read as something.
const UNTIL: Field = ("until", "stated end of validity, YYYY-MM-DD");
const FOUND: Field = ("found", "as found: in-tolerance or out-of-tolerance");
const LEFT: Field = ("left", "as left: in-tolerance or out-of-tolerance");
const RESULT: Field = ("result", "pass or fail");
/// Durations of a test: from the cause to its detection, to a person, to its acknowledgement, to the end.
const DURATIONS: [&str; 4] = ["detect_ms", "tell_ms", "acknowledge_ms", "stand_down_ms"];
/// Family of fields: `item.lens=pass`.
const ITEM: Field = ("item.", "and the name of an item: pass, fail or n/a");
/// Family of fields: `point.range=10.0 10.4 10.0 0.2 m`.
const POINT: Field = ("point.", "and the name of a point: nominal, as found, as left, tolerance, unit");

/// The form of one kind of work.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    task: Task,
    texts: &'static [Field],
    read: &'static [Field],
    families: &'static [Field],
}

impl Form {
    /// Of a kind of work.
    pub fn of(task: Task) -> Self {
        const DURATION: &str = "milliseconds, from the cause on";
        const TESTED: &[Field] = &[
            RESULT,
            UNTIL,
            (DURATIONS[0], DURATION),
            (DURATIONS[1], DURATION),
            (DURATIONS[2], DURATION),
            (DURATIONS[3], DURATION),
        ];
        let (texts, read, families): (_, &'static [Field], &'static [Field]) = match task {
            Task::Scheme(Work::Calibration) => (CALIBRATION, &[UNTIL, FOUND, LEFT], &[POINT]),
            Task::Scheme(Work::Maintenance) => (MAINTENANCE, &[RESULT, UNTIL], &[]),
            Task::Scheme(Work::Inspection) => (INSPECTION, &[RESULT, UNTIL], &[ITEM]),
            Task::Scheme(Work::Test) => (TEST, TESTED, &[]),
            Task::Commissioning => (COMMISSIONING, &[RESULT], &[ITEM]),
            Task::Withdrawal => (WITHDRAWAL, &[], &[]),
            Task::Return => (RETURN, &[], &[]),
            Task::Change => (change::TEXTS, change::TIMES, &[]),
        };
        Self { task, texts, read, families }
    }

    /// Every field, those that all forms have last.
    pub fn fields(&self) -> Vec<Field> {
        let day = Some(&DAY).filter(|_| self.task != Task::Change);
        self.texts.iter().chain(self.read).chain(day).chain(&person::FIELDS).copied().collect()
    }

    /// Families of fields, such as `item.`: a name of one's own stands behind.
    pub fn families(&self) -> &'static [Field] {
        self.families
    }

    pub(super) fn read(self, equipment: &str, fields: &Fields) -> Result<Report, Vec<FieldFault>> {
        let mut reader = Reader::new(fields, &self.fields(), self.families);
        let id = EquipmentId::parse(equipment);
        if id.is_none() {
            let cause = format!("{:?} is no equipment id", equipment.chars().take(64).collect::<String>());
            reader.fault("", cause, "name one of the register: 1 to 64 of A-Z a-z 0-9 . _ : / -");
        }
        let on = reader.date("on", ON);
        let mut data = Map::new();
        for (name, _) in self.texts {
            let text = reader.text(name);
            if !text.is_empty() {
                data.insert((*name).into(), text.into());
            }
        }
        if self.task == Task::Change {
            change::read(&mut reader, &mut data);
        } else if let Some(until) = reader.date(UNTIL.0, ON) {
            if on.is_some_and(|on| until < on) {
                reader.fault(UNTIL.0, "it ends before it was done", "look at both dates");
            }
            data.insert(UNTIL.0.into(), until.to_string().into());
        }
        self.ended(&mut reader, &mut data);
        if self.task == Task::Withdrawal {
            reader.needed("tag", "write the number on the tag that hangs on it");
        }
        if matches!(self.task, Task::Withdrawal | Task::Return) {
            reader.needed("why", "say it in a few words");
        }
        // Both stand in every record about the equipment while it is out of use.
        if self.task == Task::Withdrawal && reader.text("tag").len() + reader.text("why").len() > TAG_MAX {
            reader.fault("why", format!("with the tag longer than {TAG_MAX} bytes"), "shorten it; the note holds more");
        }
        let bytes = Value::Object(data.clone()).to_string().len();
        if bytes > DATA_MAX {
            let cause = format!("{bytes} bytes in all; at most {DATA_MAX} fit a record");
            reader.fault("", cause, "shorten the texts, or report the rest under a second certificate");
        }
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (id, faults.is_empty()) {
            (Some(equipment), true) => Ok(Report { task: self.task, equipment, on, data, person }),
            _ => Err(faults),
        }
    }

    /// How it ended, with what says so.
    fn ended(self, reader: &mut Reader<'_>, data: &mut Map<String, Value>) {
        match self.task {
            Task::Scheme(Work::Calibration) => calibrated(reader, data),
            Task::Scheme(Work::Inspection) | Task::Commissioning => {
                let items = checklist(reader);
                let failed = items.values().any(|word| word == "fail");
                // Where nothing applied nothing was looked at.
                let stated = items.values().any(|word| word != "n/a").then_some(!failed);
                let result = stated_result(reader, stated);
                if !items.is_empty() {
                    data.insert("items".into(), Value::Object(items));
                }
                data.insert("result".into(), result.into());
            }
            Task::Scheme(Work::Maintenance | Work::Test) => {
                for name in DURATIONS.iter().filter(|_| self.task == Task::Scheme(Work::Test)) {
                    let parse = |text: &str| text.parse::<u64>().ok().filter(|ms| *ms <= 86_400_000);
                    if let Some(ms) = reader.parsed(name, parse, "whole milliseconds, a day at most") {
                        data.insert((*name).into(), ms.into());
                    }
                }
                let result = stated_result(reader, None);
                data.insert("result".into(), result.into());
            }
            Task::Withdrawal | Task::Return | Task::Change => {}
        }
    }
}

/// As found and as left, as the points measured or, where none were, as it is stated.
fn calibrated(reader: &mut Reader<'_>, data: &mut Map<String, Value>) {
    let measured = points::read(reader, POINT.0, ITEMS);
    let words = [("in-tolerance", true), ("out-of-tolerance", false)];
    for (n, field) in [FOUND.0, LEFT.0].into_iter().enumerate() {
        let by_points = measured.as_ref().map(|measured| if n == 0 { measured.found } else { measured.left });
        let stated = reader.word(field, &words, by_points);
        if let (Some(stated), Some(measured)) = (stated, by_points) {
            if stated != measured {
                reader.fault(field, "the points say otherwise", "leave it out, or look at the points again");
            }
        }
        // What is not stated is a fault by now, and no report.
        let good = stated.unwrap_or(false);
        data.insert(field.into(), words[usize::from(!good)].0.into());
    }
    if let Some(measured) = measured {
        data.insert("points".into(), Value::Object(measured.data));
    }
}

/// How a checklist or a piece of work ended, as its items say or, without them, as it is stated.
pub(crate) fn stated_result(reader: &mut Reader<'_>, by_items: Option<bool>) -> &'static str {
    let stated = reader.word(RESULT.0, &[("pass", true), ("fail", false)], by_items);
    if stated == Some(true) && by_items == Some(false) {
        reader.fault(RESULT.0, "an item failed", "leave the result out, or look at the items again");
    }
    if stated == Some(true) { "pass" } else { "fail" }
}

/// The items of a checklist: name to `pass`, `fail` or `n/a`.
pub(crate) fn checklist(reader: &mut Reader<'_>) -> Map<String, Value> {
    let mut items = Map::new();
    for (name, text) in reader.family(ITEM.0) {
        let field = format!("{}{name}", ITEM.0);
        if !points::is_name(name) {
            reader.fault(&field, "this is no name of an item", points::NAMES);
        }
        if items.len() == ITEMS {
            reader.fault(&field, format!("more than {ITEMS} items"), "report the rest under a second checklist");
            break;
        }
        if let Some(word) = reader.word(&field, &[("pass", "pass"), ("fail", "fail"), ("n/a", "n/a")], None) {
            debug_assert_eq!(word, text);
            items.insert(name.to_owned(), word.into());
        }
    }
    items
}
