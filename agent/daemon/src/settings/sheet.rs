//! CSV with the place of every field (RFC 4180; comma, semicolon or tab, whichever the header has most of; a byte order mark
//! is skipped). Refuses what spreadsheets do not write: open quotes, text after a closing quote, rows of another length.

use super::Findings;
use super::codes::Code;
use super::source::Source;
use std::ops::Range;

/// Most columns: four times those of the register, because databases of calibration and assets export all they have.
pub(super) const MAX_COLUMNS: usize = 200;
/// Longest field, in bytes: twenty times what a field of the register may hold. A longer one is a quote that was never closed.
pub(super) const MAX_CELL: usize = 4 << 10;
/// Lines among which the header is looked for: exports begin with a title or a line of settings.
const MAX_PREAMBLE: usize = 10;
const BYTE_ORDER_MARK: &str = "\u{feff}";
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A field with its place in the file.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A table as it was written.
pub(super) struct Sheet {
    pub(super) header: Vec<Cell>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The number of each row as a spreadsheet counts, from 1.
    pub(super) numbers: Vec<usize>,
}

/// Where the header begins and what stands between fields.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    at: usize,
    pub(super) delimiter: u8,
}

enum Refusal {
    OpenQuote(usize),
    AfterQuote(usize),
    InnerQuote(usize),
    TooManyColumns(usize),
    TooLong(usize, usize),
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    delimiter: u8,
}

/// Reads a file; rows that are empty all over are skipped, and no more than `max_rows` + 1 are read.
pub(super) fn parse(source: &Source, max_rows: usize, findings: &mut Findings) -> Option<Sheet> {
    parse_from(source, first_line(&source.text), max_rows, findings)
}

/// The header on the first line.
pub(super) fn first_line(text: &str) -> Layout {
    let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let line = text[at..].lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let bare: String = line.split('"').step_by(2).collect();
    let count = |delimiter: u8| bare.bytes().filter(|byte| *byte == delimiter).count();
    // The last of equals wins: the comma.
    let delimiter = DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',');
    Layout { at, delimiter }
}

/// The first of some lines that reads as a header.
pub(super) fn header_line(text: &str, is_header: impl Fn(&[Cell]) -> bool) -> Option<Layout> {
    let mut at = first_line(text).at;
    for line in text[at..].split_inclusive('\n').take(MAX_PREAMBLE) {
        let mut reads = DELIMITERS.into_iter().map(|delimiter| Layout { at, delimiter });
        let header = |layout: &Layout| {
            let mut cursor = Cursor { text, at: layout.at, delimiter: layout.delimiter };
            cursor.record().is_ok_and(|cells| is_header(&cells))
        };
        if let Some(layout) = reads.find(header) {
            return Some(layout);
        }
        at += line.len();
    }
    None
}

/// Reads a file from its header on.
pub(super) fn parse_from(source: &Source, layout: Layout, max_rows: usize, findings: &mut Findings) -> Option<Sheet> {
    let text = source.text.as_str();
    let mut number = text[..layout.at].matches('\n').count();
    let mut cursor = Cursor { text, at: layout.at, delimiter: layout.delimiter };
    let mut header: Option<Vec<Cell>> = None;
    let (mut rows, mut numbers) = (Vec::new(), Vec::new());
    while cursor.at < text.len() && rows.len() <= max_rows {
        number += 1;
        let cells = match cursor.record() {
            Ok(cells) => cells,
            Err(refusal) => {
                tell(source, &refusal, findings);
                // Without its header no row can be read.
                header.as_ref()?;
                cursor.skip_line();
                continue;
            }
        };
        if cells.iter().all(|cell| cell.text.trim().is_empty()) {
            continue;
        }
        let Some(header) = &header else {
            header = Some(cells);
            continue;
        };
        if cells.len() != header.len() {
            tell_length(source, &cells, header.len(), layout, findings);
            continue;
        }
        rows.push(cells);
        numbers.push(number);
    }
    if header.is_none() {
        tell_no_header(source, findings);
    }
    Some(Sheet { header: header?, rows, numbers })
}

fn tell_length(source: &Source, cells: &[Cell], wanted: usize, layout: Layout, findings: &mut Findings) {
    let whole = cells[0].span.start..cells[cells.len() - 1].span.end;
    let cause = format!("the row has {} fields, the header {wanted}", cells.len());
    let what = match layout.delimiter {
        b'\t' => "tab",
        b';' => "semicolon",
        _ => "comma",
    };
    let remedy = format!("put texts with a {what} in double quotes, and leave no field out");
    findings.add(Code::BadCsv, source.at(whole, "this row"), cause, remedy);
}

/// Says that there is no row at all.
pub(super) fn tell_no_header(source: &Source, findings: &mut Findings) {
    let remedy = "write the names of the columns on the first line";
    findings.add(Code::BadColumns, source.at(0..0, "here"), "the file has no header row", remedy);
}

impl Cursor<'_> {
    fn record(&mut self) -> Result<Vec<Cell>, Refusal> {
        let mut cells = Vec::new();
        loop {
            if cells.len() == MAX_COLUMNS {
                return Err(Refusal::TooManyColumns(self.at));
            }
            let cell = if self.peek() == Some(b'"') { self.quoted()? } else { self.bare()? };
            if cell.text.len() > MAX_CELL {
                return Err(Refusal::TooLong(cell.span.start, cell.text.len()));
            }
            cells.push(cell);
            if self.peek() == Some(self.delimiter) {
                self.at += 1;
                continue;
            }
            self.line_end();
            return Ok(cells);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bare(&mut self) -> Result<Cell, Refusal> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|c| *c == self.delimiter || *c == b'\n').unwrap_or(rest.len());
        let field = &self.text[start..start + length];
        let field = field.strip_suffix('\r').unwrap_or(field);
        if let Some(quote) = field.find('"') {
            return Err(Refusal::InnerQuote(start + quote));
        }
        self.at = start + field.len();
        Ok(Cell { text: field.to_owned(), span: start..self.at })
    }

    fn quoted(&mut self) -> Result<Cell, Refusal> {
        let start = self.at;
        let mut text = String::new();
        let mut from = start + 1;
        loop {
            let Some(length) = self.text[from..].find('"') else { return Err(Refusal::OpenQuote(start)) };
            text.push_str(&self.text[from..from + length]);
            from += length + 1;
            if self.text.as_bytes().get(from) != Some(&b'"') {
                break;
            }
            text.push('"');
            from += 1;
        }
        self.at = from;
        let rest = &self.text[from..];
        let ends = rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n");
        if ends || self.peek() == Some(self.delimiter) {
            return Ok(Cell { text, span: start..from });
        }
        Err(Refusal::AfterQuote(from))
    }

    fn line_end(&mut self) {
        let rest = &self.text[self.at..];
        self.at += if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) };
    }

    fn skip_line(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |end| self.at + end + 1);
    }
}

fn tell(source: &Source, refusal: &Refusal, findings: &mut Findings) {
    let all_quoted = "put the whole field in quotes, and double those inside: \"\"";
    let (at, cause, remedy) = match refusal {
        Refusal::OpenQuote(at) => {
            (*at, "this quote is never closed".to_owned(), "close it, or double quotes inside a text: \"\"")
        }
        Refusal::AfterQuote(at) => (*at, "text follows a closing quote".to_owned(), all_quoted),
        Refusal::InnerQuote(at) => (*at, "a quote inside a field without quotes".to_owned(), all_quoted),
        Refusal::TooManyColumns(at) => {
            (*at, format!("more than {MAX_COLUMNS} fields in a row"), "remove columns that hold nothing")
        }
        Refusal::TooLong(at, bytes) => (
            *at,
            format!("a field of {bytes} bytes; at most {MAX_CELL} are read"),
            "shorten the text; a quote too many makes one field of several rows",
        ),
    };
    findings.add(Code::BadCsv, source.at(at..at + 1, "here"), cause, remedy);
}

/// The known name of each column; one that is unknown is a finding with `unknown` as its code.
pub(super) fn columns(
    source: &Source,
    header: &[Cell],
    known: &[&'static str],
    unknown: Code,
    findings: &mut Findings,
) -> Vec<Option<&'static str>> {
    let mut columns: Vec<Option<&'static str>> = Vec::new();
    for cell in header {
        let name = known.iter().find(|name| bare_name(name) == bare_name(&cell.text)).copied();
        match name {
            Some(name) if columns.contains(&Some(name)) => {
                let cause = format!("column {name} is there twice");
                findings.add(Code::BadColumns, source.at(cell.span.clone(), "again"), cause, "remove one of the two");
                columns.push(None);
            }
            Some(name) => columns.push(Some(name)),
            None => {
                let all = format!("known: {}", known.join(", "));
                let remedy = super::nearest::did_you_mean(cell.text.trim(), known.iter().copied(), &all);
                let cause = format!("unknown column `{}`", cell.text.trim());
                findings.add(unknown, source.at(cell.span.clone(), "unknown"), cause, remedy);
                columns.push(None);
            }
        }
    }
    columns
}

/// Case, blanks and `_-.` do not count.
pub(super) fn bare_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> (Vec<Vec<String>>, usize) {
        let source = Source::new(Path::new("t.csv"), text.to_owned());
        let mut findings = Findings::default();
        let sheet = parse(&source, 100, &mut findings);
        let plain = |row: Vec<Cell>| row.into_iter().map(|cell| cell.text).collect();
        (sheet.map_or(Vec::new(), |sheet| sheet.rows.into_iter().map(plain).collect()), findings.errors())
    }

    #[test]
    fn quotes_commas_and_line_ends_inside_a_field_are_text() {
        let (rows, errors) = read("a,b\r\n\"x, \"\"y\"\"\n z\",2\r\n");
        assert_eq!((rows, errors), (vec![vec!["x, \"y\"\n z".to_owned(), "2".to_owned()]], 0));
    }

    #[test]
    fn a_spreadsheet_in_german_writes_semicolons_and_a_mark() {
        let (rows, errors) = read("\u{feff}a;b\n1,5;2\n;\n");
        assert_eq!((rows, errors), (vec![vec!["1,5".to_owned(), "2".to_owned()]], 0));
    }

    #[test]
    fn the_delimiter_is_what_the_header_has_most_of() {
        let (rows, errors) = read("a\tb,c\td\n1\t2\t3\n");
        assert_eq!((rows, errors), (vec![vec!["1".to_owned(), "2".to_owned(), "3".to_owned()]], 0));
        assert_eq!(first_line("\"a,b,c\";d\n").delimiter, b';');
        assert_eq!(first_line("\u{feff}\na\n").delimiter, b',');
    }

    #[test]
    fn a_header_is_found_behind_a_title() {
        let text = "Gages, as of today\n\nGage ID;Type\n7;x\n";
        let layout = header_line(text, |cells| cells.len() == 2 && cells[0].text == "Gage ID").expect("a header");
        let source = Source::new(Path::new("t.csv"), text.to_owned());
        let sheet = parse_from(&source, layout, 9, &mut Findings::default()).expect("a sheet");
        assert_eq!((sheet.rows[0][0].text.as_str(), sheet.numbers[0], layout.delimiter), ("7", 4, b';'));
        assert!(header_line(text, |cells| cells[0].text == "ID").is_none());
    }

    #[test]
    fn every_broken_row_is_told_and_the_others_are_read() {
        let (rows, errors) = read("a,b\n1,2,3\n\"x\"y,2\n3\"4,1\n5,6\n\"open,7\n");
        assert_eq!((rows, errors), (vec![vec!["5".to_owned(), "6".to_owned()]], 4));
    }
}
