//! How people review a drill, and say that an agreed action was done: read from named texts.

use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use jiff::civil::Date;
use picket_record::personal::PersonalText;
use std::collections::BTreeMap;

/// Most actions of one review.
const ACTIONS: usize = 16;
/// Longest text of an action, in bytes: sixteen of them fit one record, whatever their letters.
const ACTION_MAX: usize = 120;
/// Longest name of a drill and of an action, in bytes.
const DRILL: usize = 64;
const NAME: usize = 32;
/// No duration of a drill is longer, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Reviews a drill.
    Review,
    /// Says that an action was done.
    Action,
}

impl Task {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Review, Self::Action];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Action => "action",
        }
    }
}

const DURATIONS: [&str; 4] = ["detect_ms", "tell_ms", "acknowledge_ms", "stand_down_ms"];
const FROM: &str = "milliseconds, from the cause on";
const REVIEW: &[Field] = &[
    ("result", "pass or fail"),
    ("what", "what the drill showed"),
    (DURATIONS[0], FROM),
    (DURATIONS[1], FROM),
    (DURATIONS[2], FROM),
    (DURATIONS[3], FROM),
];
const AGREED: Field = ("action.", "an action that was agreed, by a name: action.bell=\"a louder bell\"");
const UNTIL: Field = ("until.", "by when that action is to be done, YYYY-MM-DD");
const ACTION: &[Field] = &[("what", "what was done")];

/// The form of a task.
#[derive(Debug, Clone, Copy)]
pub struct ExerciseForm(Task);

impl ExerciseForm {
    /// Of a task.
    pub fn of(task: Task) -> Self {
        Self(task)
    }

    /// Every field, those about the person last.
    pub fn fields(self) -> Vec<Field> {
        let own = match self.0 {
            Task::Review => REVIEW,
            Task::Action => ACTION,
        };
        own.iter().chain(&person::FIELDS).copied().collect()
    }

    /// Families of fields.
    pub fn families(self) -> &'static [Field] {
        match self.0 {
            Task::Review => &[AGREED, UNTIL],
            Task::Action => &[],
        }
    }
}

/// What a review says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Review {
    pub(super) result: &'static str,
    pub(super) what: String,
    /// Milliseconds, as far as they were measured.
    pub(super) measured: Vec<(&'static str, u64)>,
    /// By name: what, and by when.
    pub(super) actions: BTreeMap<String, (String, Date)>,
}

/// An action that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) name: String,
    pub(super) what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Reviewed(Review),
    Done(Done),
}

/// What a person said of a drill.
#[derive(Clone, PartialEq, Eq)]
pub struct Exercise {
    pub(super) id: String,
    pub(super) said: Said,
    person: Person,
}

/// Whoever it was is never printed.
impl std::fmt::Debug for Exercise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exercise").field("id", &self.id).field("said", &self.said).finish_non_exhaustive()
    }
}

impl Exercise {
    /// From named texts; `subject`: a drill, or a drill and an action, such as `fire/bell`. Every fault at once.
    pub fn read(task: Task, subject: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let form = ExerciseForm(task);
        let mut reader = Reader::new(fields, &form.fields(), form.families());
        let shown: String = subject.chars().take(DRILL).collect();
        let (id, name) = match task {
            Task::Review => (subject, None),
            Task::Action => subject.rsplit_once('/').map_or((subject, None), |(id, name)| (id, Some(name))),
        };
        if id.is_empty() || id.len() > DRILL {
            reader.fault("", format!("{shown:?} is no name of a drill"), "name one that has ended: 1 to 64 bytes");
        }
        let said = match task {
            Task::Review => reviewed(&mut reader).map(Said::Reviewed),
            Task::Action => {
                let what = reader.needed("what", "say in a few words what was done").to_owned();
                let name = name.filter(|name| is_name(name)).map(str::to_owned);
                if name.is_none() {
                    reader.fault("", format!("{shown:?} names no action"), "write DRILL/NAME, such as fire/bell");
                }
                name.map(|name| Said::Done(Done { name, what }))
            }
        };
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (said, faults.is_empty()) {
            (Some(said), true) => Ok(Self { id: id.to_owned(), said, person }),
            _ => Err(faults),
        }
    }

    /// Which drill.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn person(&self) -> PersonalText {
        self.person.text()
    }
}

fn reviewed(reader: &mut Reader<'_>) -> Option<Review> {
    let result = reader.word("result", &[("pass", "pass"), ("fail", "fail")], None);
    let what = reader.needed("what", "say in a few words what the drill showed").to_owned();
    let mut measured = Vec::new();
    for name in DURATIONS {
        let parse = |text: &str| text.parse::<u64>().ok().filter(|ms| *ms <= DAY_MS);
        measured.extend(reader.parsed(name, parse, "whole milliseconds, a day at most").map(|ms| (name, ms)));
    }
    let actions = actions(reader);
    Some(Review { result: result?, what, measured, actions })
}

fn actions(reader: &mut Reader<'_>) -> BTreeMap<String, (String, Date)> {
    let mut actions = BTreeMap::new();
    let agreed = reader.family(AGREED.0);
    for (name, what) in &agreed {
        let field = format!("{}{name}", AGREED.0);
        if !is_name(name) {
            reader.fault(&field, "this is no name of an action", "1 to 32 of a-z 0-9 -");
        }
        if what.len() > ACTION_MAX {
            reader.fault(&field, format!("longer than {ACTION_MAX} bytes"), "shorten it; the note holds more");
        }
        let until = format!("{}{name}", UNTIL.0);
        reader.needed(&until, "say by when: YYYY-MM-DD");
        if let Some(day) = reader.date(&until, "write YYYY-MM-DD") {
            actions.insert((*name).to_owned(), ((*what).to_owned(), day));
        }
    }
    if agreed.len() > ACTIONS {
        reader.fault(AGREED.0, format!("more than {ACTIONS} actions"), "take together what is done together");
    }
    for (name, _) in reader.family(UNTIL.0) {
        if !agreed.iter().any(|(agreed, _)| *agreed == name) {
            let field = format!("{}{name}", UNTIL.0);
            reader.fault(&field, "no action of that name", &format!("add {}{name}, or leave it out", AGREED.0));
        }
    }
    actions
}

fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    plain && (1..=NAME).contains(&text.len())
}
