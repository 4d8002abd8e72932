//! `manifest.csv`: which seal the papers name for which unit. A folder without it has no manifest.

use super::Findings;
use super::codes::Code;
use super::sheet::{self, Cell};
use super::source::{MAX_SETTINGS_BYTES, Source};
use picket_core::plan::ManifestRow;
use picket_core::register::EquipmentId;
use picket_core::seals;
use picket_device::seal::{SealClass, is_container_number, normalise_seal};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

/// Most rows: the units of a large terminal in a day.
const MAX_ROWS: usize = 50_000;
const COLUMNS: &[&str] = &["unit", "seal", "reader", "class"];

/// Rows and the text they came from.
#[derive(Default)]
pub(super) struct Manifest {
    pub(super) rows: Vec<ManifestRow>,
    pub(super) text: String,
}

/// Reads the manifest. `readers` are the seal readers of the settings; `None` where those could not be read.
pub(super) fn read(dir: &Path, readers: Option<&BTreeSet<EquipmentId>>, findings: &mut Findings) -> Option<Manifest> {
    let path = dir.join("manifest.csv");
    if !path.exists() {
        return Some(Manifest::default());
    }
    let source = Source::read(&path, MAX_SETTINGS_BYTES, "put it back", findings)?;
    let sheet = sheet::parse(&source, MAX_ROWS, findings)?;
    let columns = sheet::columns(&source, &sheet.header, COLUMNS, Code::BadColumns, findings);
    let place = |name: &'static str| columns.iter().position(|column| *column == Some(name));
    let missing = COLUMNS[..2].iter().find(|name| place(name).is_none());
    if let Some(name) = missing {
        let at = source.at(sheet.header[0].span.clone(), "the header");
        findings.add(
            Code::BadColumns,
            at,
            format!("there is no column {name}"),
            "the header is: unit,seal,reader,class",
        );
    }
    if sheet.rows.len() > MAX_ROWS {
        let at = source.at(sheet.rows[MAX_ROWS][0].span.clone(), "one too many");
        let cause = format!("more than {MAX_ROWS} rows");
        findings.add(Code::ManifestRow, at, cause, "remove units that have left the site");
    }
    let (unit, seal) = (place("unit")?, place("seal")?);
    let mut reading = Reading { source: &source, readers, seen: BTreeMap::new(), findings };
    let mut rows = Vec::new();
    for cells in sheet.rows.iter().take(MAX_ROWS) {
        let cell = |name| place(name).map(|at| &cells[at]);
        rows.extend(reading.row(&cells[unit], &cells[seal], cell("reader"), cell("class")));
    }
    Some(Manifest { rows, text: source.text })
}

struct Reading<'r> {
    source: &'r Source,
    readers: Option<&'r BTreeSet<EquipmentId>>,
    /// Every seal with the place where it was named first.
    seen: BTreeMap<String, Range<usize>>,
    findings: &'r mut Findings,
}

impl Reading<'_> {
    fn row(&mut self, unit: &Cell, seal: &Cell, reader: Option<&Cell>, class: Option<&Cell>) -> Option<ManifestRow> {
        let units = self.number("unit", unit);
        let seals = self.number("seal", seal);
        let reader = reader.map_or(Some(String::new()), |cell| self.reader(cell));
        let class = class.map_or(Some(None), |cell| self.class(cell));
        if let Some(number) = &units {
            self.warn_check_digit(number, unit);
        }
        if let Some(number) = &seals {
            self.refuse_twice(number, seal);
        }
        Some(ManifestRow { unit: units?, seal: seals?, reader: reader?, class: class? })
    }

    fn number(&mut self, what: &str, cell: &Cell) -> Option<String> {
        if let Some(number) = seals::number(&cell.text) {
            return Some(number);
        }
        let cause = match normalise_seal(cell.text.trim()).as_str() {
            "" => format!("the row has no {what}"),
            _ => format!("`{}` is no {what} number", cell.text.trim()),
        };
        let remedy =
            format!("write the {what} as on the papers: up to 40 of A-Z 0-9 . _ / : (blanks and - do not count)");
        self.findings.add(
            Code::ManifestRow,
            self.source.at(cell.span.clone(), format!("{what} number")),
            cause,
            remedy,
        );
        None
    }

    fn reader(&mut self, cell: &Cell) -> Option<String> {
        let text = cell.text.trim();
        if text.is_empty() {
            return Some(String::new());
        }
        let Some(id) = EquipmentId::parse(text) else {
            let place = self.source.at(cell.span.clone(), "no id");
            let cause = format!("reader `{text}` is no equipment id");
            self.findings.add(Code::ManifestRow, place, cause, "write the reader's id, or nothing for any reader");
            return None;
        };
        if let Some(readers) = self.readers.filter(|readers| !readers.contains(&id)) {
            let place = self.source.at(cell.span.clone(), "no such reader");
            let all: Vec<&str> = readers.iter().map(EquipmentId::as_str).collect();
            let otherwise = format!("leave it empty for any reader, or use one of: {}", all.join(", "));
            let remedy = super::nearest::did_you_mean(text, all.iter().copied(), &otherwise);
            let cause = format!("no seal reader of the settings is `{text}`: the seal is expected where nothing reads");
            self.findings.add(Code::UnknownReader, place, cause, remedy);
        }
        Some(id.as_str().to_owned())
    }

    /// The weakest class that will do; nothing for any.
    fn class(&mut self, cell: &Cell) -> Option<Option<SealClass>> {
        let text = cell.text.trim();
        let class = SealClass::parse(text);
        if class.is_none() && !text.is_empty() {
            let place = self.source.at(cell.span.clone(), "no class");
            let cause = format!("`{text}` is no class of a seal");
            let remedy = "write I, S or H (ISO 17712), or nothing for any";
            self.findings.add(Code::ManifestRow, place, cause, remedy);
            return None;
        }
        Some(class)
    }

    /// ISO 6346: four letters and seven digits are meant as a container number.
    fn warn_check_digit(&mut self, number: &str, cell: &Cell) {
        let (head, tail) = number.split_at_checked(4).unwrap_or((number, ""));
        let container = head.len() == 4
            && head.bytes().all(|c| c.is_ascii_uppercase())
            && tail.len() == 7
            && tail.bytes().all(|c| c.is_ascii_digit());
        if container && !is_container_number(number) {
            let place = self.source.at(cell.span.clone(), "check digit");
            let cause = format!("container number {number} has a wrong check digit (ISO 6346)");
            self.findings.add(
                Code::CheckDigit,
                place,
                cause,
                "compare it with the papers and the door of the container",
            );
        }
    }

    fn refuse_twice(&mut self, seal: &str, cell: &Cell) {
        let Some(first) = self.seen.get(seal) else {
            self.seen.insert(seal.to_owned(), cell.span.clone());
            return;
        };
        let place = self.source.at(cell.span.clone(), "again").and(self.source.at(first.clone(), "first here"));
        let cause = format!("seal {seal} is on the manifest twice");
        let remedy = "a seal closes one unit: correct the number; leave the reader empty where it passes several";
        self.findings.add(Code::SealTwice, place, cause, remedy);
    }
}
