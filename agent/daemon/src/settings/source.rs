//! One text file as it was read, with its lines: every finding points into one. Refuses what is no regular file, too
//! large or not UTF-8.

use super::codes::Code;
use super::diagnose::Findings;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Largest settings, profile or manifest file: ten thousand devices need about 2 MiB.
pub(super) const MAX_SETTINGS_BYTES: u64 = 4 << 20;
/// Largest register file: `rows::MAX_ROWS` rows of some 800 bytes.
pub(super) const MAX_REGISTER_BYTES: u64 = 16 << 20;
/// Longest line that is shown with a finding, in bytes; of a longer one only the place is told.
const MAX_EXCERPT: usize = 2_000;

/// Where a finding points: a file, and lines of it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) marks: Vec<Mark>,
}

/// One line of a file with the part that is meant.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// The line, without its end; empty where it is too long to be shown.
    pub(super) excerpt: String,
    /// Bytes of the excerpt.
    pub(super) span: Range<usize>,
    /// What is said below the caret.
    pub(super) label: String,
}

impl Place {
    /// The file as a whole.
    pub(super) fn file(path: &Path) -> Self {
        Self { file: path.to_owned(), marks: Vec::new() }
    }

    /// Points to a second place too.
    pub(super) fn and(mut self, other: Place) -> Self {
        self.marks.extend(other.marks);
        self
    }
}

/// A text file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    starts: Vec<usize>,
}

impl Source {
    /// Reads a file; what keeps it from being read is a finding. `missing` is the remedy where it is not there.
    pub(super) fn read(path: &Path, limit: u64, missing: &str, findings: &mut Findings) -> Option<Self> {
        let bytes = match read_bytes(path, limit) {
            Ok(bytes) => bytes,
            Err(fault) => {
                fault.tell(path, Place::file(path), missing, findings);
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some(Self::new(path, text)),
            Err(fault) => {
                tell_not_utf8(path, fault.as_bytes(), fault.utf8_error().valid_up_to(), findings);
                None
            }
        }
    }

    /// A text that came with the program, or from a test.
    pub(super) fn new(path: &Path, text: String) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Self { path: path.to_owned(), text, starts }
    }

    /// The part of the text that `span` begins in; a span over several lines is cut to its first.
    pub(super) fn at(&self, span: Range<usize>, label: impl Into<String>) -> Place {
        let start = self.boundary(span.start);
        let line = self.starts.partition_point(|at| *at <= start).max(1);
        let from = self.starts[line - 1];
        let whole = self.text[from..].split('\n').next().unwrap_or("");
        let text = whole.strip_suffix('\r').unwrap_or(whole);
        let start = (start - from).min(text.len());
        let end = self.boundary(span.end).saturating_sub(from).clamp(start, text.len());
        let column = text[..start].chars().count() + 1;
        let shown = text.len() <= MAX_EXCERPT;
        let mark = Mark {
            line,
            column,
            excerpt: if shown { text.to_owned() } else { String::new() },
            span: if shown { start..end } else { 0..0 },
            label: label.into(),
        };
        Place { file: self.path.clone(), marks: vec![mark] }
    }

    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Why a file could not be read whole.
pub(super) enum ReadFault {
    Missing,
    NotAFile,
    TooLarge { bytes: u64, limit: u64 },
    Io(io::Error),
}

impl ReadFault {
    /// Adds the finding. `place` is the file, or where the settings name it.
    pub(super) fn tell(self, path: &Path, place: Place, missing: &str, findings: &mut Findings) {
        let shown = path.display();
        let (code, cause, remedy) = match self {
            ReadFault::Missing => (Code::FileMissing, format!("{shown} is not there"), missing.to_owned()),
            ReadFault::NotAFile => {
                (Code::FileUnreadable, format!("{shown} is no regular file"), "put a text file there".to_owned())
            }
            ReadFault::TooLarge { bytes, limit } => (
                Code::FileTooLarge,
                format!("{shown} has {bytes} bytes; at most {limit} are read"),
                "split the site over two gateways, or remove what does not belong into the file".to_owned(),
            ),
            ReadFault::Io(fault) => (
                Code::FileUnreadable,
                format!("{shown} cannot be read: {fault}"),
                format!("look at the owner and mode: ls -l {shown}"),
            ),
        };
        findings.add(code, place, cause, remedy);
    }
}

/// Never opens what is no regular file: a FIFO would block for ever.
pub(super) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, ReadFault> {
    let about = std::fs::metadata(path).map_err(from_io)?;
    if !about.is_file() {
        return Err(ReadFault::NotAFile);
    }
    if about.len() > limit {
        return Err(ReadFault::TooLarge { bytes: about.len(), limit });
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(from_io)?;
    let read = bytes.len() as u64;
    if read > limit { Err(ReadFault::TooLarge { bytes: read, limit }) } else { Ok(bytes) }
}

fn from_io(fault: io::Error) -> ReadFault {
    match fault.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadFault::Missing,
        _ => ReadFault::Io(fault),
    }
}

pub(super) fn tell_not_utf8(path: &Path, bytes: &[u8], at: usize, findings: &mut Findings) {
    let from = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
    let before = String::from_utf8_lossy(&bytes[from..at]).into_owned();
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.chars().count() + 1;
    let start = before.len();
    let excerpt = before + &String::from_utf8_lossy(&bytes[at..end.min(at + MAX_EXCERPT)]);
    let shown = excerpt.len() <= MAX_EXCERPT;
    let mark = Mark {
        line,
        column,
        span: if shown { start..start + char::REPLACEMENT_CHARACTER.len_utf8() } else { 0..0 },
        excerpt: if shown { excerpt } else { String::new() },
        label: format!("byte {:#04x}", bytes[at]),
    };
    let cause = format!("{} is not UTF-8: byte {:#04x} at offset {at}", path.display(), bytes[at]);
    let place = Place { file: path.to_owned(), marks: vec![mark] };
    findings.add(Code::NotUtf8, place, cause, "save the file as UTF-8 (in a spreadsheet: \"CSV UTF-8\")");
}
