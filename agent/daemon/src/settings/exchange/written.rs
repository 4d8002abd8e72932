//! Rows as a table or as TOML. What is written here is read back as the same rows.

use super::InForce;
use super::values::{is_date, runs_as_formula};
use picket_core::register::rows::{FIELDS, Row};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use toml::de::DeTable;

/// A text that a spreadsheet would run as a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// Of the row.
    pub id: String,
    /// Its field.
    pub field: &'static str,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, field } = self;
        write!(
            f,
            "{field} of {id} begins with = + - or @, which spreadsheets run; begin it otherwise, or use --format toml"
        )
    }
}

/// A CSV file that spreadsheets open as it is: UTF-8 with a byte order mark, commas, CR LF. Columns that no row uses are left
/// out. Every text that must not be in one is told.
pub fn csv(rows: &[Row]) -> Result<String, Vec<Unwritable>> {
    let is_used = |field: &str| field == "id" || field == "kind" || rows.iter().any(|row| !text(row, field).is_empty());
    let columns: Vec<&'static str> = FIELDS.iter().map(|(field, _)| *field).filter(|field| is_used(field)).collect();
    let mut unwritable = Vec::new();
    let mut whole = format!("\u{feff}{}\r\n", columns.join(","));
    for row in rows {
        for (at, field) in columns.iter().enumerate() {
            let text = text(row, field);
            if runs_as_formula(text) {
                unwritable.push(Unwritable { id: self::text(row, "id").to_owned(), field });
            }
            whole.push_str(if at == 0 { "" } else { "," });
            cell(&mut whole, text);
        }
        whole.push_str("\r\n");
    }
    if unwritable.is_empty() { Ok(whole) } else { Err(unwritable) }
}

/// TOML as the settings have it; days without quotes.
pub fn toml(rows: &[Row]) -> String {
    let mut whole =
        String::from("# Register of the site; config/register.toml of the distribution explains the fields.\n");
    for row in rows {
        whole.push_str("\n[[equipment]]\n");
        for (field, _) in FIELDS {
            let text = text(row, field);
            let is_day = is_date(field) && text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
            let _ = match text {
                "" => Ok(()),
                day if is_day => writeln!(whole, "{field} = {day}"),
                text => writeln!(whole, "{field} = {}", quoted(text)),
            };
        }
    }
    whole
}

/// How many tables of each list a register has beside its equipment, by the name of the list; a table of a spreadsheet has none.
pub fn counts_beside(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (list, _) in lists(text).unwrap_or_default() {
        *counts.entry(list).or_default() += 1;
    }
    counts
}

/// A register as TOML, with all that it says beside its equipment.
pub fn toml_of(in_force: &InForce) -> String {
    toml(&in_force.rows) + &beside(&in_force.text).unwrap_or_default()
}

/// The tables of a register as TOML beside those of its equipment, each value as it was written; `None` where that is not
/// certain: the text is no TOML, or says something that is no list of tables.
pub(super) fn beside(text: &str) -> Option<String> {
    Some(lists(text)?.into_iter().fold(String::new(), |whole, (list, table)| whole + "\n[[" + &list + "]]\n" + &table))
}

/// The same, table by table: the name of its list, and a line for each of its keys.
pub(super) fn lists(text: &str) -> Option<Vec<(String, String)>> {
    let (root, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        return None;
    }
    let mut tables = Vec::new();
    for (name, list) in root.get_ref().iter().filter(|(name, _)| name.get_ref() != "equipment") {
        for item in list.get_ref().as_array()?.iter() {
            let mut lines = String::new();
            for (key, value) in item.get_ref().as_table()?.iter() {
                let _ = writeln!(lines, "{} = {}", &text[key.span()], &text[value.span()]);
            }
            tables.push((name.get_ref().to_string(), lines));
        }
    }
    Some(tables)
}

fn text<'r>(row: &'r Row, field: &str) -> &'r str {
    row.get(field).map_or("", |text| text.trim())
}

fn cell(whole: &mut String, text: &str) {
    if text.contains([',', ';', '\t', '"', '\r', '\n']) {
        let _ = write!(whole, "\"{}\"", text.replace('"', "\"\""));
    } else {
        whole.push_str(text);
    }
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Row {
        fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_table_has_the_columns_that_are_used() {
        let rows = [
            row(&[("id", "A"), ("kind", "door"), ("place", "Hall 2, \"cage\""), ("serial", " ")]),
            row(&[("id", "B"), ("kind", "camera"), ("inspection_last", "2026-01-02")]),
        ];
        let wanted =
            "\u{feff}id,kind,place,inspection_last\r\nA,door,\"Hall 2, \"\"cage\"\"\",\r\nB,camera,,2026-01-02\r\n";
        assert_eq!(csv(&rows).as_deref(), Ok(wanted));
    }

    #[test]
    fn toml_has_days_without_quotes() {
        let rows = [row(&[("id", "A"), ("kind", "door"), ("place", "a \\ \"b\""), ("test_last", "2026-01-02")])];
        let text = toml(&rows);
        let wanted =
            "\n[[equipment]]\nid = \"A\"\nkind = \"door\"\nplace = \"a \\\\ \\\"b\\\"\"\ntest_last = 2026-01-02\n";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_written_into_no_table() {
        let rows = [row(&[("id", "A"), ("kind", "door"), ("place", "=1+1"), ("make", "-x")])];
        let told: Vec<String> = csv(&rows).expect_err("a fault").iter().map(ToString::to_string).collect();
        assert!(told.len() == 2 && told[0].starts_with("place of A begins with"), "{told:?}");
    }

    #[test]
    fn what_stands_beside_the_equipment_is_kept_as_it_was_written() {
        let text = "[[equipment]]\nid = \"A\"\nkind = \"door\"\n\n# The mast.\n[[point]]\nequipment = \"A\"\naccuracy = \"0.5 degC\"\n\
            range = [-20, 60]\n";
        let wanted = "\n[[point]]\naccuracy = \"0.5 degC\"\nequipment = \"A\"\nrange = [-20, 60]\n";
        assert_eq!(beside(text).as_deref(), Some(wanted));
        assert_eq!((beside("id,kind\nA,door\n"), beside("")), (None, Some(String::new())));
    }
}
