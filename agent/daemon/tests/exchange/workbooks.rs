//! Workbooks, written part by part as ECMA-376 has them.

use crate::{read, row};
use picket::settings::exchange::Wish;
use std::fmt::Write as _;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const LINKS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// One sheet: its name and the XML of its rows.
pub(crate) struct Sheet {
    name: &'static str,
    rows: String,
}

impl Sheet {
    /// Of texts.
    pub(crate) fn table(rows: &[&[&str]]) -> Self {
        let rows = rows.iter().enumerate().map(|(at, cells)| texts(at + 1, cells)).collect();
        Self { name: "Sheet1", rows }
    }

    /// A header, and a second row of XML.
    pub(crate) fn with_row(header: &[&str], cells: &str) -> Self {
        Self { name: "Sheet1", rows: format!("{}<row r=\"2\">{cells}</row>", texts(1, header)) }
    }
}

fn texts(row: usize, cells: &[&str]) -> String {
    let mut xml = format!("<row r=\"{row}\">");
    for (column, text) in (b'A'..).zip(cells) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(xml, "<c r=\"{}{row}\" t=\"inlineStr\"><is><t>{text}</t></is></c>", char::from(column));
    }
    xml + "</row>"
}

/// Any archive.
pub(crate) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).expect("a part");
        zip.write_all(text.as_bytes()).expect("written");
    }
    zip.finish().expect("an archive").into_inner()
}

/// A workbook; style 1 is a date.
pub(crate) fn book(sheets: &[Sheet]) -> Vec<u8> {
    book_with(sheets, "")
}

fn book_with(sheets: &[Sheet], doctype: &str) -> Vec<u8> {
    let (mut listed, mut links, mut types) = (String::new(), String::new(), String::new());
    let mut parts = Vec::new();
    for (n, sheet) in (1..).zip(sheets) {
        let _ = write!(listed, "<sheet name=\"{}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>", sheet.name);
        let _ = write!(
            links,
            "<Relationship Id=\"rId{n}\" Type=\"{LINKS}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"
        );
        let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml";
        let _ = write!(types, "<Override PartName=\"/xl/worksheets/sheet{n}.xml\" ContentType=\"{kind}\"/>");
        let xml = format!("{doctype}<worksheet xmlns=\"{MAIN}\"><sheetData>{}</sheetData></worksheet>", sheet.rows);
        parts.push((format!("xl/worksheets/sheet{n}.xml"), xml));
    }
    let package = "http://schemas.openxmlformats.org/package/2006";
    let _ = write!(links, "<Relationship Id=\"rId99\" Type=\"{LINKS}/styles\" Target=\"styles.xml\"/>");
    let whole = [
        ("[Content_Types].xml", format!("<Types xmlns=\"{package}/content-types\">{types}</Types>")),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"rId1\" Type=\"{LINKS}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{LINKS}\"><sheets>{listed}</sheets></workbook>"),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!("<Relationships xmlns=\"{package}/relationships\">{links}</Relationships>"),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{MAIN}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    let fixed = whole.iter().map(|(name, text)| (*name, text.as_str()));
    let all: Vec<_> = fixed.chain(parts.iter().map(|(name, text)| (name.as_str(), text.as_str()))).collect();
    archive(&all)
}

/// Some kilobytes that unpack to 65 MiB.
pub(crate) fn bomb() -> Vec<u8> {
    let blanks = " ".repeat(65 << 20);
    book(&[Sheet { name: "Sheet1", rows: format!("<row r=\"1\">{blanks}</row>") }])
}

/// A workbook that says how many shared texts it has, and has one.
pub(crate) fn with_shared(count: u64) -> Vec<u8> {
    let text = format!("<sst xmlns=\"{MAIN}\" uniqueCount=\"{count}\"><si><t>door</t></si></sst>");
    let cells = "<c r=\"A2\"><v>7</v></c><c r=\"B2\" t=\"s\"><v>0</v></c>";
    let mut zip = ZipWriter::new_append(Cursor::new(book(&[Sheet::with_row(&["id", "kind"], cells)]))).expect("a book");
    zip.start_file("xl/sharedStrings.xml", SimpleFileOptions::default()).expect("a part");
    zip.write_all(text.as_bytes()).expect("written");
    zip.finish().expect("an archive").into_inner()
}

/// A cell whose text would be a million times as long, were entities expanded.
pub(crate) fn with_entities() -> Vec<u8> {
    let doctype = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let rows = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>&b;</t></is></c></row>".to_owned();
    book_with(&[Sheet { name: "Sheet1", rows }], doctype)
}

#[test]
fn r01_a_workbook_gives_the_rows_of_its_sheet() {
    let cells = "<c r=\"A2\"><v>100261</v></c><c r=\"B2\" t=\"inlineStr\"><is><t>door</t></is></c>\
        <c r=\"C2\" t=\"str\"><f>\"K\"&amp;7</f><v>K7</v></c><c r=\"D2\" s=\"1\"><v>46085</v></c>";
    let sheet = Sheet::with_row(&["ID", "Kind", "Serial", "Calibration last"], cells);
    let other = Sheet { name: "Notes", rows: String::new() };
    let taken = read("t.xlsx", &book(&[sheet, other]), &Wish::default(), None).expect("right");
    // 46085 days after 1899-12-30.
    let wanted = row(&[("id", "100261"), ("kind", "door"), ("serial", "K7"), ("calibration_last", "2026-03-04")]);
    assert_eq!(taken.rows, [wanted]);
    assert_eq!(taken.notes, ["read as a workbook, its sheet `Sheet1`; not its others: Notes"]);
}

#[test]
fn a_sheet_is_named_and_its_header_stands_behind_a_title() {
    let first = Sheet { name: "Cover", rows: texts(1, &["Gages of the site"]) };
    let rows =
        texts(2, &["Gages, 2026"]) + &texts(5, &["kind", "id"]) + &texts(9, &["door", "A"]) + &texts(11, &["dor", "B"]);
    let book = book(&[first, Sheet { name: "Gages", rows }]);
    let wish = Wish { sheet: Some("Gages".to_owned()), ..Wish::default() };
    let told = read("t.xlsx", &book, &wish, None).expect_err("dor");
    assert!(told.starts_with("PK-0601 11:1 sheet `Gages`, row 11, column A `kind`: unknown kind \"dor\""), "{told}");
}

#[test]
fn shared_texts_are_read_where_there_are_as_many_as_the_part_says() {
    let taken = read("t.xlsx", &with_shared(1), &Wish::default(), None).expect("right");
    assert_eq!(taken.rows, [row(&[("id", "7"), ("kind", "door")])]);
}

#[test]
fn a_formula_without_a_value_is_seen_in_a_sheet_whose_name_is_escaped() {
    let row = "<row r=\"2\"><c r=\"A2\"><v>7</v></c><c r=\"B2\"><f>1+1</f></c></row>";
    for name in ["R&amp;D", "&#82;2", "6 &lt; 7"] {
        let rows = texts(1, &["id", "kind"]) + row;
        let told = read("t.xlsx", &book(&[Sheet { name, rows }]), &Wish::default(), None).expect_err(name);
        assert!(told.contains("a formula whose value was never saved"), "{name}: {told}");
    }
}
