//! What is to be thought of a seal: held against what was put on here, the papers, and what is known to be used up.

use super::book::{Book, Spent};
use crate::alarm::Rule;
use crate::plan::ManifestRow;
use crate::register::EquipmentId;
use crate::statement::Facts;
use picket_device::seal::SealClass;

/// What was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// The reader; none where a person looked.
    pub(super) reader: Option<&'a EquipmentId>,
    /// The unit, where it is known.
    pub(super) unit: Option<&'a str>,
    /// The number on the seal; none where there was no seal.
    pub(super) read: Option<&'a str>,
    /// The class on it, where somebody read it.
    pub(super) class: Option<SealClass>,
}

/// What it came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// The unit that it is about.
    pub(super) unit: Option<String>,
    /// The seal that should be there: the one put on here, else the one of the papers.
    pub(super) expected: Option<String>,
    /// What is wrong, each with the arguments of its text.
    pub(super) found: Vec<(Rule, Facts)>,
    /// Somebody says what should be there. Without that, nothing found is not good.
    pub(super) known: bool,
    /// Class of the seal, as far as it is known.
    pub(super) class: Option<SealClass>,
}

/// What seals are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Papers<'a> {
    pub(super) manifest: &'a [ManifestRow],
    pub(super) book: &'a Book,
}

impl<'a> Papers<'a> {
    /// Judges one look.
    pub(super) fn judge(self, look: Look<'a>) -> Check {
        let by_number = look.read.and_then(|read| {
            let rows = self.rows(look.reader).find(|row| row.seal == read).map(|row| row.unit.as_str());
            self.book.units_of(read).next().or(rows)
        });
        let unit = look.unit.or(by_number);
        let on = unit.and_then(|unit| self.book.in_force(unit));
        let expected = unit.and_then(|unit| self.expected(look.reader, unit)).map(str::to_owned);
        let same = on.filter(|on| Some(on.seal.as_str()) == look.read);
        let class = look.class.or(same.and_then(|on| on.class));
        let known = expected.is_some();
        let mut check = Check { unit: unit.map(str::to_owned), expected, found: Vec::new(), known, class };
        match look.read {
            None if check.expected.is_some() => check.add(Rule::SealMissing, "none", &[]),
            None => {}
            Some(read) => {
                self.number(&mut check, look, unit, read);
                self.class(&mut check, read);
            }
        }
        check
    }

    /// The seal that a unit should have: what was put on here, else what the papers say.
    pub(super) fn expected(self, reader: Option<&EquipmentId>, unit: &str) -> Option<&'a str> {
        let on = self.book.in_force(unit).map(|on| on.seal.as_str());
        on.or_else(|| self.rows(reader).find(|row| row.unit == unit).map(|row| row.seal.as_str()))
    }

    /// Whether the papers name this seal for this unit.
    pub(super) fn names(self, reader: Option<&'a EquipmentId>, unit: &str, seal: &str) -> bool {
        self.rows(reader).any(|row| row.unit == unit && row.seal == seal)
    }

    fn rows(self, reader: Option<&EquipmentId>) -> impl Iterator<Item = &'a ManifestRow> {
        let here = move |row: &&ManifestRow| reader.is_none_or(|id| row.reader.is_empty() || row.reader == id.as_str());
        self.manifest.iter().filter(here)
    }

    fn number(self, check: &mut Check, look: Look<'a>, unit: Option<&str>, read: &str) {
        // One that left with its unit may come back on it.
        let came_back = |(was_on, how): &(&str, Spent)| *how == Spent::Left && unit.is_none_or(|unit| unit == *was_on);
        if let Some(other) = self.book.units_of(read).find(|other| Some(*other) != unit) {
            return check.add(Rule::SealDuplicate, read, &[("also_on", other)]);
        }
        if let Some((was_on, _)) = self.book.spent(read).filter(|spent| !came_back(spent)) {
            return check.add(Rule::SealDuplicate, read, &[("was_on", was_on)]);
        }
        let on = unit.and_then(|unit| self.book.in_force(unit));
        if on.is_some_and(|on| on.seal == read) || unit.is_some_and(|unit| self.names(look.reader, unit, read)) {
            return;
        }
        if on.is_some() {
            return check.add(Rule::SealReseal, read, &[]);
        }
        // A reader stands where seals are expected. Of what a person saw, nothing is wrong where no paper says otherwise.
        if look.reader.is_some() || check.known || self.manifest.iter().any(|row| row.seal == read) {
            check.add(Rule::SealMismatch, read, &[]);
        }
    }

    /// Of a class that nobody read, nothing is said.
    fn class(self, check: &mut Check, read: &str) {
        let of_unit = self.manifest.iter().filter(|row| Some(&row.unit) == check.unit.as_ref());
        let needed = of_unit.filter_map(|row| row.class).max();
        if let (Some(class), Some(needed)) = (check.class, needed) {
            if class < needed {
                check.add(Rule::SealClass, read, &[("class", class.as_str()), ("needed", needed.as_str())]);
            }
        }
    }
}

impl Check {
    /// Adds a finding: what was read, what was expected, the unit, and what else there is to say.
    pub(super) fn add(&mut self, rule: Rule, read: &str, facts: &[(&str, &str)]) {
        let unit = self.unit.as_deref().map(|unit| ("unit", unit));
        let expected = self.expected.as_deref().unwrap_or("not in the manifest");
        let common = [("read", read), ("expected", expected)].into_iter().chain(unit);
        let facts = common.chain(facts.iter().copied()).map(|(name, text)| (name.to_owned(), text.to_owned()));
        self.found.push((rule, facts.collect()));
    }

    /// The words of what is wrong.
    pub(super) fn words(&self) -> Vec<&'static str> {
        self.found.iter().map(|(rule, _)| rule.as_str()).collect()
    }
}
