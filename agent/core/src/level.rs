//! The security level of the site: set by somebody who may, and what it changes (ISO 28000, 8.6). Never lowers what rings.

use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use crate::statement::Statement;
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::PersonalText;
use serde_json::{Map, Value, json};

/// How much the site is on its guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// As on any day.
    #[default]
    Normal = 1,
    /// Something may happen.
    Heightened = 2,
    /// Something is about to happen, or does.
    Exceptional = 3,
}

impl Level {
    /// Every one, by its digit in commands.
    pub const ALL: [(&'static str, Self); 3] = [("1", Self::Normal), ("2", Self::Heightened), ("3", Self::Exceptional)];

    /// The number in records.
    pub fn number(self) -> u64 {
        self as u64
    }

    /// From the number.
    pub fn parse(number: u64) -> Option<Self> {
        Self::ALL.iter().map(|(_, level)| *level).find(|level| level.number() == number)
    }

    /// The level of the site by the rows the journal recovered; normal where none says so.
    pub fn recover(rows: &[StateRow]) -> Self {
        let row = rows.iter().find(|row| row.key == ROW);
        row.and_then(|row| Self::parse(row.body.parse().ok()?)).unwrap_or_default()
    }
}

/// The word in commands.
pub const WORD: &str = "level";
/// Longest name of a site that is looked at, in bytes.
const SITE: usize = 64;
const FIELDS: &[Field] = &[("to", "1 normal, 2 heightened, 3 exceptional"), ("why", "what it rests on")];

/// A person sets the level.
#[derive(Clone, PartialEq, Eq)]
pub struct SetLevel {
    site: String,
    to: Level,
    why: String,
    person: Person,
}

/// Whoever it was is never printed.
impl std::fmt::Debug for SetLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetLevel").field("site", &self.site).field("to", &self.to).finish_non_exhaustive()
    }
}

impl SetLevel {
    /// Every field, those about the person last.
    pub fn fields() -> Vec<Field> {
        FIELDS.iter().chain(&person::FIELDS).copied().collect()
    }

    /// From named texts. Every fault at once.
    pub fn read(site: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let mut reader = Reader::new(fields, &Self::fields(), &[]);
        if site.is_empty() || site.len() > SITE {
            reader.fault("", "this is no name of a site", "name the site as the settings do: 1 to 64 bytes");
        }
        let to = reader.word("to", &Level::ALL, None);
        let why = reader.needed("why", "say in a few words what it rests on").to_owned();
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (to, faults.is_empty()) {
            (Some(to), true) => Ok(Self { site: site.to_owned(), to, why, person }),
            _ => Err(faults),
        }
    }

    /// To which level.
    pub fn to(&self) -> Level {
        self.to
    }

    pub(crate) fn person(&self) -> PersonalText {
        self.person.text()
    }

    /// What states it, at a site that is at a level; or why it cannot be taken.
    pub(crate) fn stated(&self, site: &str, was: Level) -> Result<Statement, String> {
        if self.site != site {
            return Err(format!("this site is {site}, not {}: name it as it is", self.site));
        }
        if self.to == was {
            return Err(format!("the level is {} already", was.number()));
        }
        let data = json!({ "to": self.to.number(), "was": was.number(), "why": self.why });
        Ok(Statement::new(Kind::LevelChanged, Severity::Notice, data))
    }
}

const ROW: &str = "level";

/// The row that a record writes.
pub(crate) fn row(data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    Some((ROW.to_owned(), Some(data.get("to")?.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_form_names_its_field() {
        for (site, fields, wanted) in [
            ("", &[("to", "2")][..], "this is no name of a site"),
            ("yard", &[("to", "4")], "to: unknown to \"4\"; one of 1, 2, 3"),
            ("yard", &[("why", "threat")], "to: to is missing"),
            ("yard", &[("to", "2")], "why: why is missing"),
            ("yard", &[("to", "2"), ("why", "threat")], "by: by is missing"),
        ] {
            let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let faults = SetLevel::read(site, &fields).unwrap_err();
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
        }
    }
}
