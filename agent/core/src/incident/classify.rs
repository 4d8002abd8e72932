//! What a person finds an incident to be (ISO 28004-1, 4.5.3): read from named texts.

use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use picket_record::personal::PersonalText;
use serde_json::{Map, Value};

/// What an incident was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What it looked like.
    Genuine,
    /// Nothing: equipment told of something that was not there.
    FalseAlarm,
    /// It could have become one.
    NearMiss,
    /// Equipment that is out of order.
    Fault,
    /// A test or a drill.
    Test,
    /// Somebody who was allowed to.
    Authorised,
    /// What its words say.
    Other,
}

impl Class {
    /// Every one, with its word in records.
    pub const ALL: [(&'static str, Self); 7] = [
        ("genuine", Self::Genuine),
        ("false-alarm", Self::FalseAlarm),
        ("near-miss", Self::NearMiss),
        ("fault", Self::Fault),
        ("test", Self::Test),
        ("authorised", Self::Authorised),
        ("other", Self::Other),
    ];

    /// The word in records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, class)| *class == self).map_or("", |(word, _)| word)
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, class)| *class)
    }
}

/// Who or what was behind it.
const AGENCIES: [&str; 9] =
    ["outsider", "staff", "contractor", "driver", "visitor", "animal", "weather", "equipment", "unknown"];
/// What harm it did.
const DEGREES: [&str; 4] = ["none", "minor", "serious", "major"];
/// The word in commands.
pub const WORD: &str = "classify";

const FIELDS: &[Field] = &[
    ("as", "genuine, false-alarm, near-miss, fault, test, authorised or other"),
    ("what", "what happened; needed where it is other"),
    ("cause", "what the cause was found to be"),
    ("activity", "what went on there: loading, handover, closed"),
    ("agency", "outsider, staff, contractor, driver, visitor, animal, weather, equipment or unknown"),
    ("degree", "what harm it did: none, minor, serious or major"),
];

/// What a person found an incident to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Classify {
    pub(super) n: u64,
    pub(super) class: Class,
    /// As far as they were given: `what`, `cause`, `activity`, `agency`, `degree`.
    pub(super) said: Map<String, Value>,
    person: Person,
}

/// Whoever it was is never printed.
impl std::fmt::Debug for Classify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classify").field("n", &self.n).field("class", &self.class).finish_non_exhaustive()
    }
}

impl Classify {
    /// Every field, those about the person last.
    pub fn fields() -> Vec<Field> {
        FIELDS.iter().chain(&person::FIELDS).copied().collect()
    }

    /// From named texts; `id` such as `I-12`. Every fault at once.
    pub fn read(id: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let mut reader = Reader::new(fields, &Self::fields(), &[]);
        let n = super::number(id);
        if n.is_none() {
            let shown: String = id.chars().take(32).collect();
            reader.fault("", format!("{shown:?} is no id of an incident"), "name one as picket status shows it: I-12");
        }
        let class = reader.word("as", &Class::ALL, None);
        if class == Some(Class::Other) {
            reader.needed("what", "say in a few words what it was");
        }
        for (field, words) in [("agency", &AGENCIES[..]), ("degree", &DEGREES[..])] {
            let words: Vec<(&str, ())> = words.iter().map(|word| (*word, ())).collect();
            reader.word(field, &words, Some(()));
        }
        let told = FIELDS[1..].iter().map(|(name, _)| (*name, reader.text(name)));
        let said =
            told.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text.into())).collect();
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (n, class, faults.is_empty()) {
            (Some(n), Some(class), true) => Ok(Self { n, class, said, person }),
            _ => Err(faults),
        }
    }

    /// Which incident.
    pub fn id(&self) -> String {
        super::id(self.n)
    }

    pub(super) fn person(&self) -> PersonalText {
        self.person.text()
    }
}
