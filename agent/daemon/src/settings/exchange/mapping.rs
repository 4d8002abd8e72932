//! Which column gives which field, and which word means what: the register's own names, a preset, or a file of the site.

use super::dates::DateOrder;
use super::presets;
use crate::settings::codes::Code;
use crate::settings::diagnose::Findings;
use crate::settings::nearest::did_you_mean;
use crate::settings::reader::{self, Section};
use crate::settings::sheet::{Cell, bare_name};
use crate::settings::source::{MAX_SETTINGS_BYTES, Source};
use picket_core::register::rows::{FIELDS, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::de::DeTable;

/// Most columns or words of one kind in a file: more than any table may have.
const MAX_ENTRIES: usize = 1_000;
/// What a column is mapped to that nobody wants.
const IGNORE: &str = "ignore";

/// What a column gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gives {
    /// `None` where it is left out.
    pub(super) field: Option<&'static str>,
    /// Of two columns for one field the one with the lower rank counts; a file of the site goes before a preset.
    pub(super) rank: usize,
}

/// How a table is read.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    /// Name of the column without case, blanks and joints, and what it gives.
    columns: BTreeMap<String, Gives>,
    words: BTreeMap<&'static str, Vec<(String, String)>>,
    /// What holds for every row that does not say otherwise.
    pub(super) constants: Row,
    pub(super) order: Option<DateOrder>,
    foreign: bool,
}

impl Mapping {
    /// The register's own names, and no others.
    pub(super) fn own() -> Self {
        let gives = |field| Gives { field: Some(field), rank: 0 };
        let columns = FIELDS.iter().map(|(field, _)| (bare_name(field), gives(*field))).collect();
        Self { columns, ..Self::default() }
    }

    /// A known system.
    pub(super) fn preset(name: &str) -> Option<Self> {
        let preset = presets::ALL.iter().find(|preset| preset.name == name)?;
        let gives = |(rank, (column, field)): (usize, &(&str, &'static str))| {
            (bare_name(column), Gives { field: Some(*field), rank: rank + 1 })
        };
        let columns = preset.columns.iter().enumerate().map(gives).collect();
        let owned = |(foreign, ours): &(&str, &str)| ((*foreign).to_owned(), (*ours).to_owned());
        let words = preset.words.iter().map(|(field, words)| (*field, words.iter().map(owned).collect())).collect();
        Some(Self { columns, words, foreign: true, ..Self::default() })
    }

    /// Names of the presets, for messages.
    pub(super) fn presets() -> String {
        let names: Vec<&str> = presets::ALL.iter().map(|preset| preset.name).collect();
        names.join(", ")
    }

    /// With what a file says on top.
    pub(super) fn with_file(mut self, path: &Path, findings: &mut Findings) -> Option<Self> {
        let errors = findings.errors();
        let source = Source::read(path, MAX_SETTINGS_BYTES, "name a file that is there: --map FILE", findings)?;
        let root = reader::parse(&source, findings)?;
        let keys = ["columns", "words", "constants", "date_order"];
        let mut section = Section::open(&source, root.get_ref(), 0..0, "the map", &keys, findings);
        let order = DateOrder::ALL;
        self.order = section.word("date_order", order).or(self.order);
        let mut file = File { source: &source, findings: section.findings };
        for (column, target) in file.texts(root.get_ref(), "columns") {
            let field = if target == IGNORE { Some(None) } else { file.field(&target, "columns").map(Some) };
            self.columns.extend(field.map(|field| (bare_name(&column), Gives { field, rank: 0 })));
        }
        for (field, text) in file.texts(root.get_ref(), "constants") {
            self.constants.extend(file.field(&field, "constants").map(|field| (field.to_owned(), text)));
        }
        for (field, words) in file.tables(root.get_ref(), "words") {
            let Some(field) = file.field(&field, "words") else { continue };
            let known = self.words.entry(field).or_default();
            for (foreign, ours) in words {
                let foreign = foreign.to_lowercase();
                known.retain(|(old, _)| *old != foreign);
                known.push((foreign, ours));
            }
        }
        self.foreign = true;
        (findings.errors() == errors).then_some(self)
    }

    /// What a column gives; `None` where nothing is said of it.
    pub(super) fn column(&self, header: &str) -> Option<Gives> {
        self.columns.get(&bare_name(header)).copied()
    }

    /// The words of a field that takes no others.
    pub(super) fn words(&self, field: &str) -> Option<&[(String, String)]> {
        self.words.get(field).map(Vec::as_slice)
    }

    /// Whether the table is that of another system: columns without a field are left out then.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Whether cells are the header: one of them names the id.
    pub(super) fn is_header(&self, cells: &[Cell]) -> bool {
        cells.iter().any(|cell| self.column(&cell.text).is_some_and(|gives| gives.field == Some("id")))
    }

    /// How columns of the id may be called, for messages.
    pub(super) fn names_of_id(&self) -> String {
        let named = self.columns.iter().filter(|(_, gives)| gives.field == Some("id"));
        let names: BTreeSet<&str> = named.map(|(name, _)| name.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(" or ")
    }
}

/// A map while it is read.
struct File<'s, 'f> {
    source: &'s Source,
    findings: &'f mut Findings,
}

impl File<'_, '_> {
    /// The texts of a table, whatever their keys.
    fn texts(&mut self, root: &DeTable<'_>, name: &str) -> Vec<(String, String)> {
        let Some(value) = root.get(name) else { return Vec::new() };
        match value.get_ref().as_table() {
            Some(table) => self.pairs(table, name),
            None => {
                self.refuse(value.span(), format!("{name} of the map is no table"), format!("write [{name}]"));
                Vec::new()
            }
        }
    }

    /// Its tables of texts.
    fn tables(&mut self, root: &DeTable<'_>, name: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut found = Vec::new();
        for (key, value) in root.get(name).and_then(|value| value.get_ref().as_table()).into_iter().flatten() {
            match value.get_ref().as_table() {
                Some(table) => found.push((key.get_ref().to_string(), self.pairs(table, name))),
                None => self.refuse(
                    value.span(),
                    format!("`{}` below {name} is no table", key.get_ref()),
                    format!("write [{name}.kind], and each word on a line: \"Gate contact\" = \"door\""),
                ),
            }
        }
        found
    }

    fn pairs(&mut self, table: &DeTable<'_>, name: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (key, value) in table.iter().take(MAX_ENTRIES) {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((key.get_ref().to_string(), text.to_owned())),
                None => {
                    let cause = format!("`{}` in [{name}] of the map is no text", key.get_ref());
                    self.refuse(value.span(), cause, "put it in double quotes".to_owned());
                }
            }
        }
        if table.len() > MAX_ENTRIES {
            let cause = format!("[{name}] of the map has {} lines; at most {MAX_ENTRIES} are read", table.len());
            self.refuse(0..0, cause, "remove what the table does not have".to_owned());
        }
        pairs
    }

    fn field(&mut self, text: &str, name: &str) -> Option<&'static str> {
        let known = FIELDS.iter().map(|(field, _)| *field);
        let found = known.clone().find(|field| *field == text);
        if found.is_none() {
            let at = self.source.text.find(text).map_or(0..0, |at| at..at + text.len());
            let all: Vec<&str> = known.clone().collect();
            let also = if name == "columns" { ", or ignore" } else { "" };
            let remedy = did_you_mean(text, known, &format!("the fields are {}{also}", all.join(", ")));
            self.refuse(at, format!("the register has no field `{text}` ([{name}] of the map)"), remedy);
        }
        found
    }

    fn refuse(&mut self, span: std::ops::Range<usize>, cause: String, remedy: String) {
        self.findings.add(Code::BadMap, self.source.at(span, "here"), cause, remedy);
    }
}
