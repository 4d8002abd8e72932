//! Reads tables of a TOML file key by key, and goes on after each fault: unknown keys, missing keys, wrong types, ranges.
//!
//! A value that was refused reads as absent; whoever reads builds only where no error was found.

use super::codes::Code;
use super::diagnose::Findings;
use super::nearest::{did_you_mean, nearest};
use super::source::{Place, Source};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest text of a setting, in bytes.
const MAX_TEXT: usize = 400;
/// Syntax faults of one file that are told; the rest follows from the first ones.
const MAX_SYNTAX: usize = 8;

/// A table that is being read.
pub(super) struct Section<'a, 'f> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// As messages name it, such as `[journal]` or "line `gate-lan`".
    what: String,
    /// Keys that a mistyped one was taken for: not missing, but misspelt.
    misspelt: Vec<&'static str>,
    pub(super) findings: &'f mut Findings,
}

/// Parses a file; every syntax fault is a finding.
pub(super) fn parse<'a>(source: &'a Source, findings: &mut Findings) -> Option<Spanned<DeTable<'a>>> {
    let (root, faults) = DeTable::parse_recoverable(&source.text);
    // Behind a table that could not be read, keys look as if they were there twice.
    let twice = |fault: &toml::de::Error| fault.message().contains("duplicate key");
    let broken = faults.iter().position(|fault| !twice(fault)).unwrap_or(faults.len());
    let told = faults.iter().enumerate().filter(|(at, fault)| *at <= broken || !twice(fault)).map(|(_, fault)| fault);
    for fault in told.take(MAX_SYNTAX) {
        let place = source.at(fault.span().unwrap_or(0..0), "here");
        let message = fault.message();
        findings.add(Code::Syntax, place, format!("not TOML: {message}"), syntax_remedy(message));
    }
    faults.is_empty().then_some(root)
}

fn syntax_remedy(message: &str) -> &'static str {
    match message {
        text if text.contains("duplicate key") => "keep one of the two",
        text if text.contains("string") || text.contains("quot") => "put texts in double quotes: key = \"text\"",
        text if text.contains("table") => "write tables as [name], and [[line]], [[device]], [[device.bind]] as lists",
        _ => {
            "write key = value on a line of its own, texts in double quotes (key = \"text\"), tables as [name] or [[name]]"
        }
    }
}

/// A list's table as messages name it: "line `gate-lan`", or "a line" where it has no name that can be shown.
pub(super) fn called(kind: &str, table: &DeTable<'_>) -> String {
    let name = table.get("name").and_then(|value| value.get_ref().as_str());
    name.filter(|name| (1..=63).contains(&name.len())).map_or(format!("a {kind}"), |name| format!("{kind} `{name}`"))
}

impl<'a, 'f> Section<'a, 'f> {
    /// Opens a table; a key outside `keys` is a finding.
    pub(super) fn open(
        source: &'a Source,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        what: impl Into<String>,
        keys: &[&'static str],
        findings: &'f mut Findings,
    ) -> Self {
        let mut section = Self { source, table, span, what: what.into(), misspelt: Vec::new(), findings };
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            section.refuse_unknown(key.get_ref(), key.span(), keys);
        }
        section
    }

    fn refuse_unknown(&mut self, key: &str, span: Range<usize>, keys: &[&'static str]) {
        let near = nearest(key, keys.iter().copied().filter(|known| !self.table.contains_key(*known)));
        self.misspelt.extend(near);
        let known = format!("known here: {}", keys.join(", "));
        let remedy = match (key, near) {
            ("password" | "passwd" | "secret" | "token", _) => {
                "no secret stands in the settings: write it into a file of mode 0600 and name it in password_file"
                    .to_owned()
            }
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (_, None) => did_you_mean(key, keys.iter().copied(), &known),
        };
        let what = self.what.clone();
        self.findings.add(
            Code::UnknownKey,
            self.source.at(span, "unknown"),
            format!("unknown key `{key}` in {what}"),
            remedy,
        );
    }

    /// As messages name it.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Its header.
    pub(super) fn header(&self, label: &str) -> Place {
        self.source.at(self.span.clone(), label)
    }

    /// A place in its file.
    pub(super) fn at(&self, span: Range<usize>, label: impl Into<String>) -> Place {
        self.source.at(span, label)
    }

    /// A finding in its file.
    pub(super) fn refuse(
        &mut self,
        code: Code,
        span: Range<usize>,
        label: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.add(code, self.source.at(span, label), cause, remedy);
    }

    /// The value of a key, unread.
    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// Keys that are there out of `keys`, with their places.
    pub(super) fn present<'k>(&self, keys: &'k [&'static str]) -> Vec<(&'k &'static str, Range<usize>)> {
        let there = |key: &&'static str| self.table.get_key_value(*key).map(|(name, _)| name.span());
        keys.iter().filter_map(|key| Some((key, there(key)?))).collect()
    }

    /// The table of a key; `None` where it is absent or no table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<(&'a DeTable<'a>, Range<usize>)> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, "a table", &format!("write [{key}] on a line of its own"));
            return None;
        };
        Some((table, value.span()))
    }

    /// The tables of `[[key]]`, in the order of the file.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(&'a DeTable<'a>, Range<usize>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let remedy = format!("write [[{key}]], in double brackets, above each");
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong_type(key, value, "a list of tables", &remedy);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in list.iter() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((table, item.span())),
                _ => self.wrong_type(key, item, "a table", &remedy),
            }
        }
        tables
    }

    /// Says that a key is missing, unless it is there misspelt.
    pub(super) fn missing(&mut self, key: &'static str, remedy: &str) {
        if self.misspelt.contains(&key) || self.table.contains_key(key) {
            return;
        }
        let cause = format!("`{key}` is missing in {}", self.what);
        let place = self.header("it belongs here");
        self.findings.add(Code::MissingKey, place, cause, remedy);
    }

    /// A text, or `None` where it is absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Spanned<&'a str>> {
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(key, value, "a text", &format!("put it in double quotes: {key} = \"...\""));
            return None;
        };
        self.checked_text(key, text, value.span())
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, key: &'static str, remedy: &str) -> Option<Spanned<&'a str>> {
        self.missing(key, remedy);
        self.text(key)
    }

    /// A list of texts; empty where it is absent.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Spanned<&'a str>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let remedy = format!("write {key} = [\"one\", \"two\"]");
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong_type(key, value, "a list of texts", &remedy);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in list.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.extend(self.checked_text(key, text, item.span())),
                _ => self.wrong_type(key, item, "a text", &remedy),
            }
        }
        texts
    }

    fn checked_text(&mut self, key: &str, text: &'a str, span: Range<usize>) -> Option<Spanned<&'a str>> {
        let why = if text.trim().is_empty() {
            "is empty".to_owned()
        } else if text.len() > MAX_TEXT {
            format!("is longer than {MAX_TEXT} bytes")
        } else if text.chars().any(char::is_control) {
            "has control characters".to_owned()
        } else {
            return Some(Spanned::new(span, text));
        };
        let cause = format!("`{key}` of {} {why}", self.what);
        self.refuse(Code::BadText, span, "this text", cause, "write a short plain text, or remove the key");
        None
    }

    /// A whole number in a range.
    pub(super) fn whole(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        let value = self.value(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number", &format!("write {key} = {}, without quotes", range.start()));
            return None;
        };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        let inside = number.and_then(|n| u64::try_from(n).ok()).filter(|n| range.contains(n));
        if inside.is_none() {
            let allowed = format!("{} to {}", range.start(), range.end());
            let cause = format!("`{key}` of {} is {digits}, outside {allowed}", self.what);
            self.refuse(Code::OutOfRange, value.span(), "outside", cause, format!("allowed: {allowed}"));
        }
        inside.map(|number| Spanned::new(value.span(), number))
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let DeValue::Boolean(flag) = value.get_ref() else {
            self.wrong_type(key, value, "true or false", "write true or false, without quotes");
            return None;
        };
        Some(*flag)
    }

    /// One of a closed list of words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| word == text.get_ref()).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let cause = format!("`{key}` of {} is `{}`", self.what, text.get_ref());
            let one_of = format!("one of: {}", all.join(", "));
            let near = nearest(text.get_ref(), all.iter().copied());
            let remedy = near.map_or(one_of.clone(), |near| format!("did you mean `{near}`? {one_of}"));
            self.refuse(Code::UnknownWord, text.span(), "unknown", cause, remedy);
        }
        found
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, remedy: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let cause = format!("`{key}` of {} is {found}, not {wanted}", self.what);
        self.refuse(Code::WrongType, value.span(), format!("this is {found}"), cause, remedy);
    }
}
