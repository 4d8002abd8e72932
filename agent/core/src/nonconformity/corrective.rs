//! What a person does about a nonconformity (ISO 28000, 10.2): read from named texts, and stated as a record.

use super::{DAY_MS, Life, Step as Taken};
use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person;
use crate::statement::Statement;
use crate::time::Now;
use jiff::civil::Date;
use picket_record::kind::Kind;
use serde_json::{Map, Value};

/// Longest id of a nonconformity: reason and equipment.
const ID: usize = 160;

/// Steps that people take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// What it may do is contained.
    Contain,
    /// An action is agreed.
    Agree,
    /// The action was done.
    Done,
    /// Its effect was looked at.
    Verify,
}

impl Step {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Contain, Self::Agree, Self::Done, Self::Verify];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contain => "contain",
            Self::Agree => "agree",
            Self::Done => "done",
            Self::Verify => "verify",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    fn kind(self) -> Kind {
        match self {
            Self::Contain => Kind::NonconformityContained,
            Self::Agree => Kind::NonconformityAgreed,
            Self::Done => Kind::NonconformityDone,
            Self::Verify => Kind::NonconformityVerified,
        }
    }
}

const SAW: Field = ("saw", "the step and times that you saw, such as opened/1; left out: as it stands now");
const WHAT: Field = ("what", "what was done");
const CONTAIN: &[Field] = &[WHAT, SAW];
const AGREE: &[Field] = &[
    ("action", "what is to be done"),
    ("until", "by when, YYYY-MM-DD"),
    ("risk", "what was thought about the risk of the action; needed unless life is at stake"),
    ("cause", "what the cause was found to be"),
    ("post", "who is to do it: a post or a firm, no person"),
    SAW,
];
const DONE: &[Field] = &[WHAT, ("cause", "what the cause was found to be"), SAW];
const VERIFY: &[Field] = &[("effective", "yes or no: whether it had its effect"), WHAT, SAW];

/// The form of a step.
#[derive(Debug, Clone, Copy)]
pub struct CorrectiveForm(Step);

impl CorrectiveForm {
    /// Of a step.
    pub fn of(step: Step) -> Self {
        Self(step)
    }

    fn own(self) -> &'static [Field] {
        match self.0 {
            Step::Contain => CONTAIN,
            Step::Agree => AGREE,
            Step::Done => DONE,
            Step::Verify => VERIFY,
        }
    }

    /// Every field, those about the person last.
    pub fn fields(self) -> Vec<Field> {
        self.own().iter().chain(&person::FIELDS).copied().collect()
    }
}

/// A step that a person takes.
#[derive(Clone, PartialEq, Eq)]
pub struct Corrective {
    step: Step,
    id: String,
    saw: Option<(Taken, u32)>,
    until: Option<Date>,
    data: Map<String, Value>,
    person: person::Person,
}

/// Whoever acted is never printed.
impl std::fmt::Debug for Corrective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corrective").field("step", &self.step).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Corrective {
    /// From named texts. Every fault at once.
    pub fn read(step: Step, id: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let form = CorrectiveForm(step);
        let mut reader = Reader::new(fields, &form.fields(), &[]);
        if id.is_empty() || id.len() > ID || !id.contains('/') {
            let cause = format!("{:?} is no id of a nonconformity", shown(id));
            reader.fault("", cause, "name one as picket status shows it: REASON/EQUIPMENT");
        }
        let needed: &[(&str, &str)] = match step {
            Step::Contain | Step::Done => &[("what", "say in a few words what was done")],
            Step::Agree => &[("action", "say what is to be done"), ("until", "say by when: until=YYYY-MM-DD")],
            Step::Verify => &[],
        };
        for (field, remedy) in needed {
            reader.needed(field, remedy);
        }
        let until = reader.date("until", "YYYY-MM-DD (day and month are never guessed)");
        let saw = reader.parsed("saw", saw, "the step and times that you saw, such as opened/1");
        let mut data = Map::new();
        for (name, _) in form.own().iter().filter(|(name, _)| *name != SAW.0) {
            let text = reader.text(name);
            if !text.is_empty() {
                data.insert((*name).into(), text.into());
            }
        }
        if step == Step::Verify {
            let effective = reader.word("effective", &[("yes", true), ("no", false)], None);
            data.insert("effective".into(), effective.unwrap_or(false).into());
        }
        let person = person::Person::read(&mut reader);
        let faults = reader.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { step, id: id.to_owned(), saw, until, data, person })
    }

    /// Which step.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Of which nonconformity.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn kind(&self) -> Kind {
        self.step.kind()
    }

    pub(super) fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_effective(&self) -> bool {
        self.data.get("effective") == Some(&Value::Bool(true))
    }

    /// Whether it is about the state that stands.
    pub(super) fn has_seen(&self, life: &Life) -> bool {
        self.saw.is_none_or(|(step, times)| step == life.step && times == life.times)
    }

    /// By when the agreed action is due; or why it cannot be agreed so.
    pub(super) fn agreed(&self, now: &Now, life_at_stake: bool) -> Result<i64, String> {
        if self.text("risk").is_empty() && !life_at_stake {
            return Err("say what was thought about the risk of the action: risk=\"...\"".into());
        }
        let until = self.until.map(crate::register::Due::end_of).map(crate::register::Due::at_ms);
        let Some(until) = until else { return Err("say by when: until=YYYY-MM-DD".into()) };
        // The day at the site may end behind the day in UTC.
        if now.judged_ms().is_some_and(|judged| until + DAY_MS <= judged) {
            return Err("until is over already: say by when it will be done".into());
        }
        Ok(until)
    }

    /// With what identifies the person.
    pub(super) fn said(&self, statement: Statement) -> Statement {
        statement.said(self.person.text())
    }
}

/// As much of an id as a message needs.
fn shown(id: &str) -> String {
    id.chars().take(ID).collect()
}

fn saw(text: &str) -> Option<(Taken, u32)> {
    let (step, times) = text.split_once('/')?;
    Some((Taken::parse(step)?, times.parse().ok()?))
}
