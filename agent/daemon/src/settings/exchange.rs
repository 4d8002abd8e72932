//! The register as others keep it: read from their tables, compared with the one in force, written, put in its place.
//!
//! A table is taken whole or not at all. Nothing in it is guessed: what is not certain is a finding with its row, column and
//! remedy.

mod cells;
mod dates;
#[cfg(feature = "dcc")]
pub mod dcc;
mod difference;
mod encoding;
mod mapping;
mod presets;
mod replaced;
mod values;
#[cfg(feature = "xlsx")]
mod workbook;
mod written;

pub use dates::DateOrder;
pub use difference::{Change, Difference, compare};
pub use replaced::{ReplaceFault, Replaced, replace};
pub use written::{Unwritable, counts_beside, csv, toml, toml_of};

use super::codes::Code;
use super::register_file::{self, Form};
use super::sheet;
use super::source::{self, MAX_REGISTER_BYTES, Place, Source};
use super::{Faults, Findings};
use cells::Table;
use mapping::Mapping;
use picket_core::register::rows::{MAX_ROWS, Row};
use std::path::{Path, PathBuf};

/// What a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with commas, semicolons or tabs.
    Csv,
    /// A workbook of a spreadsheet, since 2007.
    Xlsx,
    /// As the settings are written.
    Toml,
}

impl Format {
    /// Every one with its word.
    pub const ALL: &'static [(&'static str, Format)] =
        &[("csv", Format::Csv), ("xlsx", Format::Xlsx), ("toml", Format::Toml)];

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, format)| *format)
    }

    /// By the beginning of the file, else by the ending of its name; else CSV.
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            _ if bytes.starts_with(b"PK\x03\x04") => Self::Xlsx,
            Some("toml") => Self::Toml,
            _ => Self::Csv,
        }
    }
}

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Else found out.
    pub format: Option<Format>,
    /// Name of a known system.
    pub preset: Option<String>,
    /// File that says what columns and words mean.
    pub map: Option<PathBuf>,
    /// Order of dates that are not ISO dates.
    pub order: Option<DateOrder>,
    /// Sheet of a workbook; else its first.
    pub sheet: Option<String>,
}

/// The register of the settings.
#[derive(Debug)]
pub struct InForce {
    /// Its file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its rows, as they are written.
    pub rows: Vec<Row>,
}

/// A file that holds a register without a fault.
#[derive(Debug)]
pub struct Taken {
    /// Its rows.
    pub rows: Vec<Row>,
    /// Its whole text, where it is TOML as the settings have it.
    pub text: Option<String>,
    /// How it was read: encoding, delimiter, columns that were left out.
    pub notes: Vec<String>,
    /// What somebody should know all the same.
    pub warnings: Findings,
}

/// The register of a folder of settings.
pub fn in_force(dir: &Path) -> Result<InForce, Faults> {
    let mut findings = Findings::default();
    let source = register_file::find(dir, &mut findings);
    let written = source.as_ref().and_then(|source| register_file::read(source, 0, &mut findings));
    findings.sort();
    match (source, written) {
        (Some(Source { path, text, .. }), Some(written)) => Ok(InForce { path, text, rows: written.rows }),
        _ => Err(Faults { findings }),
    }
}

/// Reads a file. With `base` its rows go on top of those: what the file has no column or row for stays.
pub fn read(path: &Path, wish: &Wish, base: Option<&[Row]>) -> Result<Taken, Faults> {
    let mut findings = Findings::default();
    let taken = taken(path, wish, base, &mut findings);
    findings.sort();
    match taken {
        Some(taken) if findings.errors() == 0 => Ok(Taken { warnings: findings, ..taken }),
        _ => Err(Faults { findings }),
    }
}

/// A certificate of a calibration; why there is none, with what to do.
#[cfg(feature = "dcc")]
pub fn certificate(path: &Path) -> Result<dcc::Certificate, Findings> {
    let mut findings = Findings::default();
    match source::read_bytes(path, MAX_REGISTER_BYTES) {
        Ok(bytes) => match dcc::read(path, &bytes) {
            Ok(certificate) => return Ok(certificate),
            Err((cause, remedy)) => findings.add(Code::BadCertificate, Place::file(path), cause, remedy),
        },
        Err(fault) => fault.tell(path, Place::file(path), "name a file that is there", &mut findings),
    }
    Err(findings)
}

fn taken(path: &Path, wish: &Wish, base: Option<&[Row]>, findings: &mut Findings) -> Option<Taken> {
    let mapping = mapping(wish, findings)?;
    let bytes = match source::read_bytes(path, MAX_REGISTER_BYTES) {
        Ok(bytes) => bytes,
        Err(fault) => {
            fault.tell(path, Place::file(path), "name a file that is there", findings);
            return None;
        }
    };
    match wish.format.unwrap_or_else(|| Format::of(path, &bytes)) {
        Format::Toml => {
            let (text, _) = encoding::text(path, bytes, findings)?;
            let source = Source::new(path, text);
            let rows = register_file::read_as(&source, Form::Toml, 0, findings)?.rows;
            if mapping.is_foreign() || base.is_some() {
                let cause = "a preset, a map and --update are for tables; this is a register as TOML";
                let remedy = "leave them out, or export the table as CSV";
                findings.add(Code::BadMap, Place::file(path), cause, remedy);
            }
            let notes = vec!["read as TOML".to_owned()];
            Some(Taken { rows, text: Some(source.text), notes, warnings: Findings::default() })
        }
        Format::Csv => {
            let (table, how) = csv_table(path, bytes, &mapping, findings)?;
            cells::taken(&table, &mapping, wish.order, base, vec![how], findings)
        }
        Format::Xlsx => {
            let (table, how) = xlsx_table(path, bytes, wish.sheet.as_deref(), &mapping, findings)?;
            cells::taken(&table, &mapping, wish.order, base, vec![how], findings)
        }
    }
}

fn mapping(wish: &Wish, findings: &mut Findings) -> Option<Mapping> {
    let mapping = match wish.preset.as_deref() {
        None => Mapping::own(),
        Some(name) => Mapping::preset(name).or_else(|| {
            let remedy = format!("one of {}; or write a file of your own: --map FILE", Mapping::presets());
            let place = Place::file(Path::new("--preset"));
            findings.add(Code::BadMap, place, format!("there is no preset {}", values::quoted(name)), remedy);
            None
        })?,
    };
    match wish.map.as_deref() {
        None => Some(mapping),
        Some(file) => mapping.with_file(file, findings),
    }
}

fn csv_table(path: &Path, bytes: Vec<u8>, mapping: &Mapping, findings: &mut Findings) -> Option<(Table, String)> {
    let (text, encoding) = encoding::text(path, bytes, findings)?;
    let source = Source::new(path, text);
    let found = sheet::header_line(&source.text, |cells| mapping.is_header(cells));
    let layout = found.unwrap_or_else(|| sheet::first_line(&source.text));
    let sheet = sheet::parse_from(&source, layout, MAX_ROWS, findings)?;
    let between = match layout.delimiter {
        b';' => "semicolons",
        b'\t' => "tabs",
        _ => "commas",
    };
    let how = format!("read as CSV with {between}, {encoding}");
    Some((Table { source, sheet, name: None, spoilt: cells::Spoilt::new() }, how))
}

#[cfg(feature = "xlsx")]
fn xlsx_table(
    path: &Path,
    bytes: Vec<u8>,
    sheet: Option<&str>,
    mapping: &Mapping,
    findings: &mut Findings,
) -> Option<(Table, String)> {
    workbook::table(path, bytes, sheet, mapping, findings)
}

#[cfg(not(feature = "xlsx"))]
fn xlsx_table(
    path: &Path,
    _bytes: Vec<u8>,
    _sheet: Option<&str>,
    _mapping: &Mapping,
    findings: &mut Findings,
) -> Option<(Table, String)> {
    let cause = format!("{} is a workbook, and this program was built without reading them", path.display());
    findings.add(Code::WrongFormat, Place::file(path), cause, "save it as CSV UTF-8");
    None
}

/// A sheet without a row is told as an empty file is.
#[cfg(feature = "xlsx")]
fn sheet_of(
    source: &Source,
    mut rows: Vec<(usize, Vec<sheet::Cell>)>,
    findings: &mut Findings,
) -> Option<sheet::Sheet> {
    if rows.is_empty() {
        sheet::tell_no_header(source, findings);
        return None;
    }
    let (_, header) = rows.remove(0);
    let (numbers, rows) = rows.into_iter().unzip();
    Some(sheet::Sheet { header, rows, numbers })
}
