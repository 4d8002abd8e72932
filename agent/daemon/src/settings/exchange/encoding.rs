//! From the bytes of a table to text. UTF-8, and UTF-16 with its byte order mark, are read; every other encoding is refused,
//! because which letter a byte stands for would be a guess.

use super::super::codes::Code;
use super::super::diagnose::Findings;
use super::super::source::{self, Place};
use std::path::Path;

/// Beginnings of files that are no text, and what they are.
const NO_TEXT: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a workbook or zip archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind (.xls), or one with a password"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a database"),
];
/// A web page that calls itself a spreadsheet: several systems export one.
const PAGES: [&str; 4] = ["<!doctype html", "<html", "<table", "<?xml"];
const REMEDY: &str = "save it as CSV UTF-8 (in Excel: \"CSV UTF-8 (comma delimited)\"), or as .xlsx";

/// The text, and how it was written; what keeps it from being read is a finding.
pub(super) fn text(path: &Path, bytes: Vec<u8>, findings: &mut Findings) -> Option<(String, &'static str)> {
    if let Some(what) = no_text(&bytes) {
        let cause = format!("{} is {what}, no table of text", path.display());
        findings.add(Code::WrongFormat, Place::file(path), cause, REMEDY);
        return None;
    }
    let (text, how) = match bytes.get(..2) {
        Some([0xff, 0xfe]) => (utf_16(path, &bytes[2..], u16::from_le_bytes, findings)?, "UTF-16"),
        Some([0xfe, 0xff]) => (utf_16(path, &bytes[2..], u16::from_be_bytes, findings)?, "UTF-16"),
        _ => {
            let how = if bytes.starts_with(b"\xef\xbb\xbf") { "UTF-8 with a byte order mark" } else { "UTF-8" };
            (utf_8(path, bytes, findings)?, how)
        }
    };
    if let Some(at) = text.find('\0') {
        let line = text[..at].matches('\n').count() + 1;
        let cause = format!(
            "{}: line {line} has a NUL character: UTF-16 without a byte order mark, or no text",
            path.display()
        );
        findings.add(Code::NotUtf8, Place::file(path), cause, REMEDY);
        return None;
    }
    if text.contains('\r') && !text.contains('\n') {
        let cause = format!("{}: lines end in a carriage return alone", path.display());
        findings.add(Code::BadCsv, Place::file(path), cause, REMEDY);
        return None;
    }
    Some((text, how))
}

fn no_text(bytes: &[u8]) -> Option<&'static str> {
    let known = NO_TEXT.iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, what)| *what);
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).to_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    known.or_else(|| PAGES.iter().any(|page| start.starts_with(page)).then_some("a web page or XML"))
}

fn utf_16(path: &Path, bytes: &[u8], unit: fn([u8; 2]) -> u16, findings: &mut Findings) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    for read in char::decode_utf16(units) {
        match read {
            Ok(c) => text.push(c),
            Err(half) => {
                let line = text.matches('\n').count() + 1;
                let half = half.unpaired_surrogate();
                let cause = format!("{}: line {line} is not UTF-16: half a character ({half:#06x})", path.display());
                findings.add(Code::NotUtf8, Place::file(path), cause, REMEDY);
                return None;
            }
        }
    }
    if bytes.len() % 2 == 1 {
        let cause = format!("{} is UTF-16 and ends within a character: it was cut", path.display());
        findings.add(Code::NotUtf8, Place::file(path), cause, "export the table again");
        return None;
    }
    Some(text)
}

fn utf_8(path: &Path, bytes: Vec<u8>, findings: &mut Findings) -> Option<String> {
    let fault = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(fault) => fault,
    };
    let (bytes, at) = (fault.as_bytes(), fault.utf8_error().valid_up_to());
    match other_letter(bytes) {
        None => source::tell_not_utf8(path, bytes, at, findings),
        Some((line, letter)) => {
            let here = line_of(bytes, at);
            let cause = format!(
                "{} mixes encodings: line {line} has `{letter}` in UTF-8, line {here} the byte {:#04x}, which is none",
                path.display(),
                bytes[at]
            );
            let remedy = "open each part in the program that wrote it, save both as CSV UTF-8, then join them";
            findings.add(Code::NotUtf8, Place::file(path), cause, remedy);
        }
    }
    None
}

/// A letter of several bytes that is UTF-8 all the same, with its line.
fn other_letter(bytes: &[u8]) -> Option<(usize, char)> {
    let mut at = bytes.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
    for chunk in bytes[at..].utf8_chunks() {
        if let Some((within, letter)) = chunk.valid().char_indices().find(|(_, c)| !c.is_ascii()) {
            return Some((line_of(bytes, at + within), letter));
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    None
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, &'static str), String> {
        let mut findings = Findings::default();
        let read = text(Path::new("t.csv"), bytes.to_vec(), &mut findings);
        read.ok_or_else(|| findings.iter().map(|found| found.cause().to_owned()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn utf_8_and_marked_utf_16_are_the_same_text() {
        assert_eq!(read("Tür,1".as_bytes()), Ok(("Tür,1".to_owned(), "UTF-8")));
        assert_eq!(read(b"\xff\xfeT\0\xfc\0r\0"), Ok(("Tür".to_owned(), "UTF-16")));
        assert_eq!(read(b"\xfe\xff\0T\0\xfc\0r"), Ok(("Tür".to_owned(), "UTF-16")));
    }

    #[test]
    fn what_is_neither_is_one_fault_that_says_what_it_is() {
        let table: &[(&[u8], &str)] = &[
            (b"a\nT\xfcr", "not UTF-8: byte 0xfc at offset 3"),
            (b"T\xc3\xbcr\nT\xfcr", "line 1 has `ü` in UTF-8, line 2 the byte 0xfc"),
            (b"a\0b\0", "line 1 has a NUL character"),
            (b"\xff\xfea\0\x00\xd8b\0", "half a character (0xd800)"),
            (b"\xff\xfea\0b", "ends within a character"),
            (b"id\rA\r", "a carriage return alone"),
            (b"PK\x03\x04rest", "a workbook or zip archive"),
            (b"\xd0\xcf\x11\xe0rest", "the old kind (.xls)"),
            (b"\n <TABLE><tr>", "a web page"),
        ];
        for (bytes, wanted) in table {
            let told = read(bytes).expect_err("a fault");
            assert!(told.contains(wanted), "{told}");
            assert!(!told.contains("; "), "one fault: {told}");
        }
    }
}
