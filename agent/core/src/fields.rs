//! Named texts as a person writes them in a table, a form or a command: read field by field, every fault told at once.

use jiff::civil::Date;
use std::collections::BTreeMap;

/// Field name to text, as it was written. Empty text = not stated.
pub type Fields = BTreeMap<String, String>;

/// A field that may be there, and what it holds: messages, forms and the annotated examples say the same.
pub type Field = (&'static str, &'static str);

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// Its name; empty = the whole.
    pub field: String,
    /// What is wrong, lower-case, no full stop.
    pub cause: String,
    /// What to do, lower-case, no full stop.
    pub remedy: String,
}

impl std::fmt::Display for FieldFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, cause, remedy } = self;
        let mark = if field.is_empty() { "" } else { ": " };
        write!(f, "{field}{mark}{cause}; {remedy}")
    }
}

/// Longest text of a field, in bytes.
pub const MAX_FIELD: usize = 200;

/// Reads fields, and keeps what is wrong with them.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    fields: &'a Fields,
    faults: Vec<FieldFault>,
}

impl<'a> Reader<'a> {
    /// Of fields that all are `known`, or begin with one of the `families`.
    pub(crate) fn new(fields: &'a Fields, known: &[Field], families: &[Field]) -> Self {
        let mut reader = Self { fields, faults: Vec::new() };
        for (field, text) in fields {
            let is_known = known.iter().any(|(name, _)| name == field);
            if !is_known && !families.iter().any(|(family, _)| field.starts_with(family)) {
                let near = nearest(field, known);
                let near = near.map_or_else(|| the_known(known), |known| format!("did you mean {known}?"));
                reader.fault(field, format!("unknown field {field}"), &near);
            } else if text.len() > MAX_FIELD || text.chars().any(char::is_control) {
                let cause = format!("longer than {MAX_FIELD} bytes or with control characters");
                reader.fault(field, cause, "shorten the text");
            }
        }
        reader
    }

    /// Notes what is wrong.
    pub(crate) fn fault(&mut self, field: &str, cause: impl Into<String>, remedy: &str) {
        self.faults.push(FieldFault { field: field.into(), cause: cause.into(), remedy: remedy.into() });
    }

    /// What was wrong so far.
    pub(crate) fn faults(self) -> Vec<FieldFault> {
        self.faults
    }

    /// The text of a field without blanks around it.
    pub(crate) fn text(&self, field: &str) -> &'a str {
        self.fields.get(field).map_or("", |text| text.trim())
    }

    /// The text of a field that must be there.
    pub(crate) fn needed(&mut self, field: &str, remedy: &str) -> &'a str {
        let text = self.text(field);
        if text.is_empty() {
            self.fault(field, format!("{field} is missing"), remedy);
        }
        text
    }

    /// One of some words; `missing` where nothing is stated.
    pub(crate) fn word<T: Copy>(&mut self, field: &str, words: &[(&str, T)], missing: Option<T>) -> Option<T> {
        let text = self.text(field);
        if text.is_empty() && missing.is_some() {
            return missing;
        }
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let cause =
                if text.is_empty() { format!("{field} is missing") } else { format!("unknown {field} {text:?}") };
            self.fault(field, cause, &format!("one of {}", all.join(", ")));
        }
        found
    }

    /// A day; none where nothing is stated.
    pub(crate) fn date(&mut self, field: &str, remedy: &str) -> Option<Date> {
        self.parsed(field, iso_date, remedy)
    }

    /// What a text is read as; none where nothing is stated.
    pub(crate) fn parsed<T>(&mut self, field: &str, parse: impl Fn(&str) -> Option<T>, remedy: &str) -> Option<T> {
        let text = self.text(field);
        if text.is_empty() {
            return None;
        }
        let found = parse(text);
        if found.is_none() {
            self.fault(field, format!("cannot read {text:?}"), remedy);
        }
        found
    }

    /// Fields of a family, such as `point.range`: what stands behind its name, and the text.
    pub(crate) fn family(&self, family: &str) -> Vec<(&'a str, &'a str)> {
        let of_it = self.fields.iter().filter_map(|(field, text)| Some((field.strip_prefix(family)?, text.trim())));
        of_it.filter(|(_, text)| !text.is_empty()).collect()
    }
}

/// `YYYY-MM-DD`: which of two numbers is the month is never guessed.
pub(crate) fn iso_date(text: &str) -> Option<Date> {
    if text.len() == 10 { text.parse::<Date>().ok() } else { None }
}

fn the_known(known: &[Field]) -> String {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    format!("the fields are {}", names.join(", "))
}

/// The known field that a mistyped one is nearest to: same letters but one or two.
fn nearest(field: &str, known: &[Field]) -> Option<&'static str> {
    let near = known.iter().map(|(name, _)| (distance(field, name), *name)).filter(|(d, _)| *d <= 2);
    near.min().map(|(_, name)| name)
}

/// Levenshtein distance; fields are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(MAX_FIELD).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
