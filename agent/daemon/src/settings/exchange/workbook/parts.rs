//! The archive of a workbook: its parts and their true sizes, and which formulas have no value. Entities of XML are never
//! expanded.

use super::{Refused, refused, unreadable};
use crate::settings::exchange::values::quoted;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Most parts: a workbook has some ten, and one for each sheet and picture.
const MAX_PARTS: usize = 2_000;
/// Most bytes of all parts together: 20,000 rows of 42 cells are 40 MiB.
const MAX_UNPACKED: u64 = 64 << 20;

/// Most rows and columns of a sheet, by ECMA-376.
const MAX_PLACE: (u32, u32) = (1_048_576, 16_384);
/// Fewest bytes of a shared text: `<si/>`.
const LEAST_TEXT: usize = 5;

/// An archive whose size is known.
pub(super) struct Parts<'b> {
    archive: ZipArchive<Cursor<&'b [u8]>>,
}

impl<'b> Parts<'b> {
    /// Unpacks everything once: what an archive says of its sizes may be wrong, and what its parts say of theirs.
    pub(super) fn look_through(bytes: &'b [u8]) -> Result<Self, Refused> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
        if archive.len() > MAX_PARTS {
            let cause = format!("it has {} parts; a workbook has at most {MAX_PARTS}", archive.len());
            return Err(refused(cause, "save the table as CSV UTF-8"));
        }
        let mut left = MAX_UNPACKED;
        for index in 0..archive.len() {
            let part = archive.by_index(index).map_err(unreadable)?;
            // As they are looked up: without regard to case.
            let name = part.name().to_lowercase().replace('\\', "/");
            let mut bytes = Vec::new();
            part.take(left + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            let Some(rest) = left.checked_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) else {
                let cause = format!("it unpacks to more than {} MiB", MAX_UNPACKED >> 20);
                return Err(refused(
                    cause,
                    "remove pictures and sheets that are not the table, or save it as CSV UTF-8",
                ));
            };
            if name == "xl/sharedstrings.xml" {
                counted(&bytes)?;
            } else if name.starts_with("xl/worksheets/") && !name.contains("/_rels/") {
                placed(&name, &bytes)?;
            }
            left = rest;
        }
        Ok(Self { archive })
    }

    /// Cells with a formula and without its value, by row and column from 0.
    pub(super) fn formulas_without_value(&mut self, sheet: &str) -> Result<BTreeSet<(u32, u32)>, Refused> {
        // Without it, nobody knows which formulas have no value.
        let part = self.part_of(sheet)?.ok_or_else(|| {
            unreadable(format_args!("it does not say which of its parts is the sheet {}", quoted(sheet)))
        })?;
        let text = self.text(&part)?;
        let mut found = BTreeSet::new();
        let (mut at, mut row, mut column) = (None, 0, 0);
        let (mut formula, mut valued, mut within, mut may_be_empty) = (false, false, false, false);
        each(&text, |name, element, is_end| match (name, is_end) {
            (b"row", false) => {
                let number = attribute(element, b"r").and_then(|text| text.parse::<u32>().ok());
                row = number.map_or(row, |number| number.saturating_sub(1));
                column = 0;
            }
            (b"row", true) => row = row.saturating_add(1),
            (b"c", false) => {
                let place = attribute(element, b"r").and_then(|text| place(&text)).unwrap_or((row, column));
                column = place.1.saturating_add(1);
                at = Some(place);
                // A formula may give an empty text, and then says so: `t="str"` beside an empty value.
                may_be_empty = attribute(element, b"t").as_deref() == Some("str");
                (formula, valued, within) = (false, false, false);
            }
            (b"f", false) => formula = true,
            (b"v" | b"is", false) => (within, valued) = (true, may_be_empty),
            (b"v" | b"is", true) => within = false,
            (TEXT, _) => valued |= within,
            (b"c", true) => found.extend(at.take().filter(|_| formula && !valued)),
            _ => {}
        })?;
        Ok(found)
    }

    /// The part that holds a sheet; `None` where the workbook names it in a way of its own. Of two with one name the first.
    fn part_of(&mut self, sheet: &str) -> Result<Option<String>, Refused> {
        let mut id = None;
        each(&self.text("xl/workbook.xml")?, |name, element, is_end| {
            if name == b"sheet" && !is_end && id.is_none() && attribute(element, b"name").as_deref() == Some(sheet) {
                id = link(element);
            }
        })?;
        let mut targets = BTreeMap::new();
        each(&self.text("xl/_rels/workbook.xml.rels")?, |name, element, is_end| {
            if name == b"Relationship" && !is_end {
                targets.extend(attribute(element, b"Id").zip(attribute(element, b"Target")));
            }
        })?;
        let target = id.and_then(|id| targets.remove(&id));
        Ok(target.map(|target| match target.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None if target.starts_with("xl/") => target,
            None => format!("xl/{target}"),
        }))
    }

    fn text(&mut self, part: &str) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        let part = self.archive.by_name(part).map_err(|fault| unreadable(format_args!("{part}: {fault}")))?;
        part.take(MAX_UNPACKED).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}

/// Room is made for as many shared texts as the part says it has, so it must be able to hold them.
fn counted(part: &[u8]) -> Result<(), Refused> {
    let mut wrong = None;
    each(part, |name, element, _| {
        if let (b"sst", Some(count)) = (name, attribute(element, b"uniqueCount")) {
            let is_right = count.parse::<usize>().is_ok_and(|count| count <= part.len() / LEAST_TEXT);
            wrong = wrong.take().or((!is_right).then_some(count));
        }
    })?;
    match wrong {
        None => Ok(()),
        Some(count) => Err(unreadable(format_args!("it says that it has {} shared texts", quoted(&count)))),
    }
}

/// Every row and cell is where a sheet has one: places that are beyond are no numbers to count with.
fn placed(part: &str, text: &[u8]) -> Result<(), Refused> {
    let (mut row, mut column) = (0_u32, 0_u32);
    let mut wrong: Option<String> = None;
    each(text, |name, element, is_end| {
        let said = if name == b"dimension" { attribute(element, b"ref") } else { attribute(element, b"r") };
        let is_right = match (name, is_end) {
            (b"row", false) => {
                let number = said.as_deref().map_or(Some(row), |text| text.parse::<u32>().ok()?.checked_sub(1));
                row = number.unwrap_or(row);
                number.is_some_and(|row| row < MAX_PLACE.0)
            }
            (b"row", true) => {
                (row, column) = (row.saturating_add(1), 0);
                true
            }
            (b"c", false) => {
                let at = said.as_deref().map_or(Some((row, column)), place);
                column = at.map_or(column, |at| at.1).saturating_add(1);
                at.is_some_and(is_within)
            }
            (b"dimension", false) => said.as_deref().is_none_or(is_range),
            _ => true,
        };
        if !is_right && wrong.is_none() {
            wrong = Some(said.unwrap_or_else(|| format!("row {}, column {}", u64::from(row) + 1, column)));
        }
    })?;
    let Some(said) = wrong else { return Ok(()) };
    let cause = format!("{part} has a row or cell at {}, where no sheet has one", quoted(&said));
    let (rows, columns) = MAX_PLACE;
    Err(refused(cause, format_args!("a sheet has {rows} rows and {columns} columns: save it anew, or as CSV UTF-8")))
}

fn is_within((row, column): (u32, u32)) -> bool {
    row < MAX_PLACE.0 && column < MAX_PLACE.1
}

/// `A1` or `A1:C7`, from the first corner to the last.
fn is_range(text: &str) -> bool {
    let corners: Option<Vec<_>> = text.split(':').map(|corner| place(corner).filter(|at| is_within(*at))).collect();
    match corners.as_deref() {
        Some([_]) => true,
        Some([from, to]) => from.0 <= to.0 && from.1 <= to.1,
        _ => false,
    }
}

/// What stands for the name of an element where there is text; none is called so.
const TEXT: &[u8] = b"#text";

/// Shows every element by its name without prefix: its begin, its end, and that there is text in it.
fn each(text: &[u8], mut show: impl FnMut(&[u8], &BytesStart<'_>, bool)) -> Result<(), Refused> {
    let mut reader = Reader::from_reader(text);
    loop {
        match reader.read_event().map_err(unreadable)? {
            Event::Start(element) => show(element.local_name().as_ref(), &element, false),
            Event::Empty(element) => {
                show(element.local_name().as_ref(), &element, false);
                show(element.local_name().as_ref(), &element, true);
            }
            Event::End(element) => {
                let name = element.local_name();
                show(name.as_ref(), &BytesStart::new(""), true);
            }
            Event::Text(text) if !text.trim_ascii().is_empty() => show(TEXT, &BytesStart::new(""), false),
            Event::DocType(_) => return Err(unreadable("a document type declaration, which no workbook has")),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let found = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == name)?;
    unescaped(&found.value)
}

/// The name of a relationship, whatever prefix the workbook gave it.
fn link(element: &BytesStart<'_>) -> Option<String> {
    let found =
        element.attributes().flatten().filter(|attribute| attribute.key.local_name().as_ref() == b"id").last()?;
    unescaped(&found.value)
}

/// `R&D`, which is written `R&amp;D`; `None` where it names an entity that only a document type declares.
fn unescaped(value: &[u8]) -> Option<String> {
    unescape(&String::from_utf8_lossy(value)).ok().map(Cow::into_owned)
}

/// Row and column of `C7`, from 0.
fn place(text: &str) -> Option<(u32, u32)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let (letters, digits) = text.split_at(digits);
    let column = letters.bytes().try_fold(0_u32, |sum, letter| {
        let value = u32::from(letter.to_ascii_uppercase().checked_sub(b'A')?) + 1;
        sum.checked_mul(26)?.checked_add(value)
    })?;
    Some((digits.parse::<u32>().ok()?.checked_sub(1)?, column.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_row_and_column() {
        assert_eq!(place("A1"), Some((0, 0)));
        assert_eq!(place("AB12"), Some((11, 27)));
        for wrong in ["", "A", "1", "A0", "ZZZZZZZZZ1", "A-1"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
