//! Reads tables of a TOML file key by key, and goes on after each fault.

use super::TEXT_MAX;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A file that is being read, with what is wrong in it.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    /// Each with where it begins.
    faults: Vec<(usize, String)>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, faults: Vec::new() }
    }

    pub(super) fn parse(&mut self) -> Option<DeTable<'a>> {
        match DeTable::parse(self.text) {
            Ok(root) => Some(root.into_inner()),
            Err(error) => {
                let cause = format!("not TOML: {}", error.message());
                self.refuse(error.span().unwrap_or(0..0), &cause, "write key = value, texts in double quotes");
                None
            }
        }
    }

    /// Folder that paths are relative to.
    pub(super) fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// In the order of the file.
    pub(super) fn into_faults(mut self) -> Vec<String> {
        self.faults.sort_by_key(|(at, _)| *at);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    fn refuse(&mut self, span: Range<usize>, cause: &str, remedy: &str) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        self.faults.push((span.start, format!("  {}:{line}: {cause}; {remedy}", self.path.display())));
    }
}

/// A table of it. A value that was refused reads as absent.
pub(super) struct Section<'s, 't, 'a> {
    source: &'s mut Source<'a>,
    table: &'t DeTable<'a>,
    span: Range<usize>,
    what: &'static str,
}

impl<'s, 't, 'a> Section<'s, 't, 'a> {
    /// Opens a table; a key that it does not know is a fault.
    pub(super) fn open(
        source: &'s mut Source<'a>,
        table: &'t DeTable<'a>,
        span: Range<usize>,
        what: &'static str,
        keys: &[&str],
    ) -> Self {
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let cause = format!("unknown key {:?} in {what}", key.get_ref());
            let remedy = match key.get_ref().as_ref() {
                "password" => "write it into a file of mode 0600 and name that in password_file".to_owned(),
                _ => format!("known here: {}", keys.join(", ")),
            };
            source.refuse(key.span(), &cause, &remedy);
        }
        Self { source, table, span, what }
    }

    pub(super) fn refuse(&mut self, span: Range<usize>, cause: &str, remedy: &str) {
        self.source.refuse(span, cause, remedy);
    }

    /// A text with its place.
    pub(super) fn text(&mut self, key: &str) -> Option<(String, Range<usize>)> {
        let value = self.table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) if (1..=TEXT_MAX).contains(&text.len()) && !text.contains(char::is_control) => {
                Some((text.to_owned(), value.span()))
            }
            _ => {
                let cause = format!("{key} of {} is no text of 1 to {TEXT_MAX} bytes on one line", self.what);
                self.refuse(value.span(), &cause, &format!("write {key} = \"...\""));
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, key: &str, remedy: &str) -> Option<(String, Range<usize>)> {
        if !self.table.contains_key(key) {
            let cause = format!("{} has no {key}", self.what);
            self.refuse(self.span.clone(), &cause, remedy);
        }
        self.text(key)
    }

    /// A table that must be there.
    pub(super) fn table(&mut self, key: &str, remedy: &str) -> Option<(&'t DeTable<'a>, Range<usize>)> {
        let Some(value) = self.table.get(key) else {
            let cause = format!("{} has no [{key}]", self.what);
            self.refuse(self.span.clone(), &cause, remedy);
            return None;
        };
        match value.get_ref() {
            DeValue::Table(table) => Some((table, value.span())),
            _ => {
                self.refuse(value.span(), &format!("{key} is no table"), remedy);
                None
            }
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let cause = format!("{key} of {} is neither true nor false", self.what);
            self.refuse(value.span(), &cause, &format!("write {key} = true, without quotes"));
        }
        flag
    }

    /// A port, or the usual one where none is given.
    pub(super) fn port(&mut self, key: &str, usual: u16) -> Option<u16> {
        let Some(value) = self.table.get(key) else { return Some(usual) };
        let port = value.get_ref().as_integer().and_then(|n| u16::from_str_radix(n.as_str(), n.radix()).ok());
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            let remedy = format!("write {key} = {usual}, without quotes");
            self.refuse(value.span(), &format!("{key} of {} is not 1 to 65535", self.what), &remedy);
        }
        port
    }
}
