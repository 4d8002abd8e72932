//! A register that a person has put in place: who did it stands beside the record, what it changed within. It comes into
//! force with the next start, which states so by itself.

use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use crate::statement::Statement;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

/// The word by which it is reported.
pub const WORD: &str = "register-import";

/// Most rows that one import may name: more than two registers have.
const MAX_COUNT: u32 = 100_000;

const COUNTS: [Field; 4] = [
    ("equipment", "rows of the register"),
    ("added", "rows that were not there"),
    ("changed", "rows that are others"),
    ("gone", "rows that are no longer there"),
];

/// An import, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Imported {
    digest: String,
    counts: [u32; 4],
    person: Person,
}

/// Whoever did it is never printed.
impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imported").field("digest", &self.digest).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Imported {
    /// Of the SHA-256 of the register's text, 64 digits of 0-9 a-f, and the fields `equipment`, `added`, `changed`, `gone` and
    /// those of a person; else every fault.
    pub fn read(digest: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let known: Vec<Field> = COUNTS.into_iter().chain(person::FIELDS).collect();
        let mut reader = Reader::new(fields, &known, &[]);
        let is_digest = digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if !is_digest {
            reader.fault("", format!("{digest:?} is no SHA-256"), "64 digits of 0-9 a-f: sha256sum register.toml");
        }
        let count = |text: &str| text.parse::<u32>().ok().filter(|count| *count <= MAX_COUNT);
        let counts = COUNTS.map(|(name, holds)| {
            reader.needed(name, holds);
            reader.parsed(name, count, &format!("a number up to {MAX_COUNT}")).unwrap_or(0)
        });
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        if faults.is_empty() { Ok(Self { digest: digest.to_owned(), counts, person }) } else { Err(faults) }
    }

    /// The record that states it.
    pub(crate) fn statement(&self) -> Statement {
        let [equipment, added, changed, gone] = self.counts;
        let digest = &self.digest;
        let data =
            json!({ "digest": digest, "equipment": equipment, "added": added, "changed": changed, "gone": gone });
        Statement::new(Kind::RegisterImported, Severity::Notice, data).said(self.person.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(changes: &[(&str, &str)]) -> Fields {
        let whole = [("equipment", "18"), ("added", "1"), ("changed", "2"), ("gone", "0"), ("by", "N. N.")];
        whole.iter().chain(changes).map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_fault_of_a_report_names_its_field() {
        let digest = "0f".repeat(32);
        let table = [
            (digest.as_str(), ("added", "-1"), "added: cannot read \"-1\"; a number up to 100000"),
            (&digest, ("gone", ""), "gone: gone is missing; rows that are no longer there"),
            (&digest, ("changed", "100001"), "changed: cannot read"),
            (&digest, ("by", ""), "by: by is missing"),
            (&digest, ("colour", "red"), "colour: unknown field colour"),
            ("0F", ("added", "1"), "\"0F\" is no SHA-256; 64 digits of 0-9 a-f"),
        ];
        for (digest, change, wanted) in table {
            let faults = Imported::read(digest, &fields(&[change])).expect_err(wanted);
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(told.len() == 1 && told[0].contains(wanted), "{told:?}");
        }
    }
}
