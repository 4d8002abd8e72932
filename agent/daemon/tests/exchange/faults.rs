//! Every kind of fault with its message, letter by letter: `faults.txt` beside this file is what people read.

use crate::workbooks::{self, Sheet};
use crate::{preset, read, row};
use picket::settings::exchange::{DateOrder, Format, Wish};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What is said of a table, what it holds, and how it is read.
struct Case {
    what: String,
    file: &'static str,
    bytes: Vec<u8>,
    wish: Wish,
}

fn case(what: &str, file: &'static str, bytes: impl Into<Vec<u8>>) -> Case {
    Case { what: what.to_owned(), file, bytes: bytes.into(), wish: Wish::default() }
}

/// One field of a row that is right but for it.
fn field(name: &str, text: &str) -> Case {
    let quoted = text.replace('"', "\"\"");
    let table = match name {
        "id" => format!("id,kind\nDOOR-0,door\n\"{quoted}\",door\n"),
        "kind" => format!("id,kind\nDOOR-0,door\nDOOR-1,\"{quoted}\"\n"),
        name => format!("id,kind,{name}\nDOOR-0,door,\nDOOR-1,door,\"{quoted}\"\n"),
    };
    case(&format!("{name} = {:?}", text.chars().take(40).collect::<String>()), "t.csv", table)
}

fn rows() -> Vec<Case> {
    let long = "x".repeat(201);
    let table: &[(&str, &str)] = &[
        ("id", ""),
        ("id", "DOOR 1"),
        ("id", "unlisted:x"),
        ("id", "Tür-1"),
        ("id", "DOOR-0"),
        ("id", "1.2E+15"),
        ("kind", ""),
        ("kind", "Door"),
        ("criticality", "urgent"),
        ("owner", "Miller"),
        ("owner", "contractor:"),
        ("place", &long),
        ("place", "a\nb"),
        ("place", "=HYPERLINK(\"x\")"),
        ("place", "+49 40 1"),
        ("place", "-1st floor"),
        ("place", "@SUM(A1)"),
        ("calibration_last", "2026-02-30"),
        ("calibration_last", "2026-1-2"),
        ("calibration_last", "next week"),
        ("calibration_last", "04-Mar-2026"),
        ("calibration_last", "03/04/2026"),
        ("calibration_last", "13/04/2026"),
        ("calibration_last", "3.4.26"),
        ("calibration_last", "46093"),
        ("calibration_last", "2026-03-04T09:30:00"),
        ("calibration_interval", "yearly"),
        ("calibration_interval", "12"),
        ("calibration_interval", "0 days"),
        ("calibration_interval", "12 moons"),
        ("calibration_due", "2026-11-22 10:00"),
        ("maintenance_due", "unknown"),
        ("inspection_interval", "-3 months"),
        ("test_last", "31/31/2026"),
        ("assurance_until", "2026-13-01"),
        ("serial", "9.9E+20"),
        ("serail", "1"),
        ("colour", "red"),
    ];
    table.iter().map(|(name, text)| field(name, text)).collect()
}

fn tables() -> Vec<Case> {
    let many = |count: usize| "x,".repeat(count) + "x";
    let rows: String = (0..20_001).map(|n| format!("E{n},door\n")).collect();
    vec![
        case("nothing at all", "t.csv", ""),
        case("no header row", "t.csv", "\n\n"),
        case("no column id", "t.csv", "kind,place\ndoor,Gate\n"),
        case("no column kind", "t.csv", "id,place\nA,Gate\n"),
        case("neither", "t.csv", "Name\nGate\n"),
        case("a column twice", "t.csv", "id,kind,Place,place\nA,door,x,y\n"),
        case("a column without a name", "t.csv", "id,kind,\nA,door,\nB,door,x\n"),
        case("a row that is too short", "t.csv", "id;kind;place\nA;door\n"),
        case("a row that is too long", "t.csv", "id,kind\nA,door,Hall 2, cage\n"),
        case("a quote that is never closed", "t.csv", "id,kind\nA,\"door\n"),
        case("text after a closing quote", "t.csv", "id,kind\n\"A\"b,door\n"),
        case("a quote inside a field", "t.csv", "id,kind,place\nA,door,19\" rack\n"),
        case("too many columns", "t.csv", format!("id,kind,{}\n", many(200))),
        case("a field that is too long", "t.csv", format!("id,kind,place\nA,door,{}\n", "x".repeat(4097))),
        case("too many rows", "t.csv", format!("id,kind\n{rows}")),
        case(
            "an id twice, and other faults of both rows",
            "t.csv",
            "id,kind,owner\nA,dor,own\nB,door,me\nA,door,own\n",
        ),
    ]
}

fn files() -> Vec<Case> {
    let as_csv = |mut case: Case| {
        case.wish.format = Some(Format::Csv);
        case
    };
    vec![
        case("a byte that is no UTF-8", "t.csv", b"id,kind,place\nA,door,T\xfcr\n".to_vec()),
        case("two encodings", "t.csv", b"id,kind,place\nA,door,T\xc3\xbcr\nB,door,T\xfcr\n".to_vec()),
        case("UTF-16 without a mark", "t.csv", b"i\0d\0,\0k\0".to_vec()),
        case("half a character of UTF-16", "t.csv", b"\xff\xfei\0\0\xd8d\0".to_vec()),
        case("UTF-16 that was cut", "t.csv", b"\xff\xfei\0d".to_vec()),
        case("line ends of an old Macintosh", "t.csv", "id,kind\rA,door\r"),
        case("an old workbook", "t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec()),
        as_csv(case("a workbook that is called CSV", "t.csv", workbooks::book(&[Sheet::table(&[&["id"]])]))),
        case("a web page", "t.xls", "<html><table><tr><td>id</td></tr></table></html>"),
        case("a PDF", "t.pdf", "%PDF-1.7"),
        case("TOML that is none", "t.toml", "[[equipment]]\nid = A\n"),
        case(
            "a key that registers do not have",
            "t.toml",
            "[[equipment]]\nid = \"A\"\nkind = \"door\"\nserail = \"1\"\n",
        ),
        case("a number where a text belongs", "t.toml", "[[equipment]]\nid = \"A\"\nkind = \"door\"\nserial = 1\n"),
        case("another table", "t.toml", "[[gauge]]\nid = \"A\"\n"),
    ]
}

fn foreign() -> Vec<Case> {
    let with = |what: &str, wish: Wish, text: &str| Case { wish, ..case(what, "t.csv", text) };
    let order = |order: DateOrder| Wish { order: Some(order), ..Wish::default() };
    let dates = "id,kind,test_last\nA,door,13/04/2026\nB,door,30/02/2026\n";
    vec![
        with("a preset that does not exist", preset("gagetrack"), "id,kind\n"),
        with("a map that is not there", Wish { map: Some("no-map.toml".into()), ..Wish::default() }, "id,kind\n"),
        with("a date against the order that was said", order(DateOrder::MonthDayYear), dates),
        with(
            "an interval by use",
            preset("gagetrak"),
            "Gage ID,Type,Calibration Frequency\nA,sensor,30 Days after Issue\n",
        ),
        with(
            "a status without a meaning",
            preset("gagetrak"),
            "Gage ID,Type,Status\nA,sensor,7-Lost\nB,sensor,7-lost\n",
        ),
        with("a type without a meaning", preset("gagetrak"), "Gage ID,Type\nA,Micrometer\n"),
        with("no column of the preset's id", preset("maximo"), "ID,STATUS\nA,OPERATING\n"),
    ]
}

fn books() -> Vec<Case> {
    let cells = |xml: &str| workbooks::book(&[Sheet::with_row(&["id", "kind", "serial", "test_last"], xml)]);
    let one = |what: &str, xml: &str| case(what, "t.xlsx", cells(xml));
    let a = "<c r=\"A2\" t=\"inlineStr\"><is><t>A</t></is></c><c r=\"B2\" t=\"inlineStr\"><is><t>door</t></is></c>";
    let mut cut = cells(a);
    cut.truncate(cut.len() / 2);
    let mut no_sheet = case("a sheet that is not there", "t.xlsx", cells(a));
    no_sheet.wish.sheet = Some("Gages".to_owned());
    vec![
        one("a formula without its value", &format!("{a}<c r=\"C2\"><f>1+1</f></c>")),
        // As a program writes it that cannot calculate.
        one("a formula with an empty value", &format!("{a}<c r=\"C2\"><f>1+1</f><v></v></c>")),
        one("a formula with no value at all", &format!("{a}<c r=\"C2\"><f>1+1</f><v/></c>")),
        one("a formula that failed", &format!("{a}<c r=\"C2\" t=\"e\"><f>1/0</f><v>#DIV/0!</v></c>")),
        one("a number that lost its digits", &format!("{a}<c r=\"C2\"><v>1234567890123456</v></c>")),
        one("a serial number that became a date", &format!("{a}<c r=\"C2\" s=\"1\"><v>46085</v></c>")),
        one("a date that is a bare number", &format!("{a}<c r=\"D2\"><v>46085</v></c>")),
        one("a day with a time", &format!("{a}<c r=\"D2\" s=\"1\"><v>46085.5</v></c>")),
        one("a cell far to the right", &format!("{a}<c r=\"XFD2\"><v>1</v></c>")),
        one("a cell where no sheet has one", "<c r=\"A4294967294\"><v>1</v></c>"),
        one("a cell whose row is no number", "<c r=\"A9999999999\"><v>1</v></c>"),
        one("a row where no sheet has one", "</row><row r=\"4294967295\"/><row>"),
        case("more shared texts than there is room for", "t.xlsx", workbooks::with_shared(u64::MAX)),
        one("a cell that is too long", &format!("{a}<c r=\"C2\" t=\"str\"><v>{}</v></c>", "x".repeat(4097))),
        no_sheet,
        case("a workbook without a row", "t.xlsx", workbooks::book(&[Sheet::table(&[])])),
        case("a workbook that was cut", "t.xlsx", cut),
        case("a workbook that unpacks to more than it should", "t.xlsx", workbooks::bomb()),
        case("an archive that is no workbook", "t.xlsx", workbooks::archive(&[("a.txt", "x")])),
        case("entities that grow", "t.xlsx", workbooks::with_entities()),
    ]
}

#[test]
fn r01_every_kind_of_fault_has_its_message() {
    let mut whole = String::new();
    let mut kinds = 0;
    for Case { what, file, bytes, wish } in [rows(), tables(), files(), foreign(), books()].into_iter().flatten() {
        let told = read(file, &bytes, &wish, None).err().unwrap_or_else(|| panic!("{what}: no fault"));
        let _ = writeln!(whole, "# {what}\n{told}");
        kinds += 1;
    }
    assert!(kinds >= 60, "{kinds}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchange/faults.txt");
    if fs::read_to_string(&file).unwrap_or_default() != whole {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.txt");
        fs::write(&actual, whole).expect("written");
        panic!("the messages are others: diff {} {}", file.display(), actual.display());
    }
}

#[test]
fn what_is_wrong_is_told_at_once_and_nothing_is_taken() {
    let text = "id,kind,owner,test_last,place\nA,dor,me,03/04/2026,=1\nB C,door,own,2026-01-01,x\n";
    let told = read("t.csv", text.as_bytes(), &Wish::default(), None).expect_err("five faults");
    assert_eq!(told.matches("PK-").count(), 5, "{told}");
    for cell in ["row 2, column B", "row 2, column C", "row 2, column D", "row 2, column E", "row 3, column A"] {
        assert!(told.contains(cell), "{cell}: {told}");
    }
}

#[test]
fn a_map_with_faults_tells_all_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("map.toml");
    let text = "date_order = \"dym\"\ncolour = 1\n[columns]\nA = \"serail\"\nB = 1\n[words]\nkind = \"x\"\n[constants]\nfoo = \"x\"\n";
    fs::write(&map, text).expect("written");
    let wish = Wish { map: Some(map), ..Wish::default() };
    let base = [row(&[("id", "A"), ("kind", "door")])];
    let told = read("t.csv", b"id,kind\n", &wish, Some(&base)).expect_err("a wrong map");
    for fault in [
        "`dym`",
        "unknown key `colour`",
        "no field `serail`",
        "`B` in [columns]",
        "`kind` below words",
        "no field `foo`",
    ] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
}
