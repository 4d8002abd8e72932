//! How people begin and end temporary measures: read from named texts.

use super::Measure;
use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use crate::register::EquipmentId;
use picket_record::personal::PersonalText;

/// Longest text of a measure, in bytes: a bypass stands in the facts of each alarm that it silences.
const WHAT_MAX: usize = 120;

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something stands in for the equipment.
    Compensate,
    /// Its alarms do not ring for a time.
    Bypass,
    /// A temporary measure is over.
    StandDown,
}

impl Step {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Compensate, Self::Bypass, Self::StandDown];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compensate => "compensate",
            Self::Bypass => "bypass",
            Self::StandDown => "stand-down",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

const FOR: Field = ("for", "how long it holds: 45m, 12h or 3d; a bypass 7d at most, what stands in 31d");
const COMPENSATE: &[Field] = &[("what", "what stands in for the equipment"), FOR];
const BYPASS: &[Field] = &[("what", "why its alarms do not ring"), FOR];
const STAND_DOWN: &[Field] = &[("of", "compensating or bypass")];

/// The form of a step.
#[derive(Debug, Clone, Copy)]
pub struct TemporaryForm(Step);

impl TemporaryForm {
    /// Of a step.
    pub fn of(step: Step) -> Self {
        Self(step)
    }

    /// Every field, those about the person last.
    pub fn fields(self) -> Vec<Field> {
        let own = match self.0 {
            Step::Compensate => COMPENSATE,
            Step::Bypass => BYPASS,
            Step::StandDown => STAND_DOWN,
        };
        own.iter().chain(&person::FIELDS).copied().collect()
    }
}

/// What a person said.
#[derive(Clone, PartialEq, Eq)]
pub struct Temporary {
    /// Of which equipment.
    pub(crate) equipment: EquipmentId,
    pub(crate) measure: Measure,
    /// What it is and how long it holds, in seconds; `None` where it is over.
    pub(crate) begins: Option<(String, u64)>,
    person: Person,
}

/// Whoever it was is never printed.
impl std::fmt::Debug for Temporary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { equipment, measure, begins, .. } = self;
        f.debug_struct("Temporary")
            .field("equipment", equipment)
            .field("measure", measure)
            .field("begins", begins)
            .finish_non_exhaustive()
    }
}

impl Temporary {
    /// From named texts. Every fault at once.
    pub fn read(step: Step, equipment: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let mut reader = Reader::new(fields, &TemporaryForm(step).fields(), &[]);
        let id = EquipmentId::parse(equipment);
        if id.is_none() {
            let cause = format!("{:?} is no equipment id", equipment.chars().take(64).collect::<String>());
            reader.fault("", cause, "name one of the register: 1 to 64 of A-Z a-z 0-9 . _ : / -");
        }
        let kinds = [Measure::Compensating, Measure::Bypass].map(|measure| (measure.as_str(), measure));
        let measure = match step {
            Step::Compensate => Some(Measure::Compensating),
            Step::Bypass => Some(Measure::Bypass),
            Step::StandDown => reader.word("of", &kinds, None),
        };
        let begins = measure.filter(|_| step != Step::StandDown).map(|measure| begins(&mut reader, measure));
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (id, measure, faults.is_empty()) {
            (Some(equipment), Some(measure), true) => Ok(Self { equipment, measure, begins, person }),
            _ => Err(faults),
        }
    }

    /// Of which equipment.
    pub fn equipment(&self) -> &EquipmentId {
        &self.equipment
    }

    /// Which measure.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    pub(crate) fn person(&self) -> PersonalText {
        self.person.text()
    }
}

fn begins(reader: &mut Reader<'_>, measure: Measure) -> (String, u64) {
    let what = reader.needed("what", "say it in a few words");
    if what.len() > WHAT_MAX {
        reader.fault("what", format!("longer than {WHAT_MAX} bytes"), "shorten it; the note holds more");
    }
    let most = measure.most_s();
    reader.needed("for", "say how long: for=12h");
    let for_s = reader.parsed("for", duration_s, "a number with m, h or d, such as 45m, 12h or 3d").unwrap_or(0);
    if for_s > most {
        let remedy = format!("{}d at most; say it again then", most / 86_400);
        reader.fault("for", "longer than a temporary measure may last", &remedy);
    }
    (what.to_owned(), for_s)
}

/// `45m`, `12h`, `3d`, in seconds; never nothing.
fn duration_s(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number = number.bytes().all(|c| c.is_ascii_digit()).then(|| number.parse::<u64>().ok()).flatten()?;
    number.checked_mul(unit).filter(|s| *s > 0)
}
