//! What a register would change in the one in force, row by row and field by field.

use super::written::lists;
use picket_core::register::rows::{FIELDS, Row};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;

/// A piece of equipment whose row is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is a row where none was; its fields.
    Added(Row),
    /// Each field that is another, with the old and the new text; empty = not stated.
    Changed(Vec<(&'static str, String, String)>),
    /// There is none where one was; its fields.
    Gone(Row),
}

/// Everything that is not the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// By id.
    pub changes: BTreeMap<String, Change>,
    /// Rows that are the same.
    pub unchanged: usize,
    /// Tables beside the equipment (`point`, `scenario`) that only the new text has, and only the old one: each that is another
    /// counts in both. Empty where nothing there is another.
    pub beside: BTreeMap<String, (usize, usize)>,
}

/// Compares rows without regard to their order. Ids are those of registers without a fault: there, and each once.
pub fn compare(old: &[Row], new: &[Row]) -> Difference {
    let (old, new) = (by_id(old), by_id(new));
    let mut difference = Difference::default();
    for (id, row) in &new {
        let change = match old.get(id) {
            None => Change::Added(stated(row)),
            Some(old) => match fields(old, row) {
                none if none.is_empty() => {
                    difference.unchanged += 1;
                    continue;
                }
                some => Change::Changed(some),
            },
        };
        difference.changes.insert(id.clone(), change);
    }
    let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
    difference.changes.extend(gone.map(|(id, row)| (id.clone(), Change::Gone(stated(row)))));
    difference
}

fn by_id(rows: &[Row]) -> BTreeMap<String, &Row> {
    rows.iter().filter_map(|row| Some((row.get("id")?.trim().to_owned(), row))).collect()
}

fn text<'r>(row: &'r Row, field: &str) -> &'r str {
    row.get(field).map_or("", |text| text.trim())
}

/// The fields that say something.
fn stated(row: &Row) -> Row {
    let stated = row.iter().map(|(field, text)| (field.clone(), text.trim().to_owned()));
    stated.filter(|(_, text)| !text.is_empty()).collect()
}

fn fields(old: &Row, new: &Row) -> Vec<(&'static str, String, String)> {
    let each = FIELDS.iter().map(|(field, _)| (*field, text(old, field), text(new, field)));
    each.filter(|(_, old, new)| old != new).map(|(field, old, new)| (field, old.to_owned(), new.to_owned())).collect()
}

impl Difference {
    /// With what two texts of registers say beside their equipment; a table of a spreadsheet says nothing there.
    #[must_use]
    pub fn with_beside(mut self, old: &str, new: &str) -> Self {
        let mut tables: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
        lists(old).unwrap_or_default().into_iter().for_each(|table| tables.entry(table).or_default().1 += 1);
        lists(new).unwrap_or_default().into_iter().for_each(|table| tables.entry(table).or_default().0 += 1);
        for ((list, _), (new, old)) in tables {
            if new != old {
                let counts = self.beside.entry(list).or_default();
                *counts = (counts.0 + new.saturating_sub(old), counts.1 + old.saturating_sub(new));
            }
        }
        self
    }

    /// Rows that are added, changed and gone.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |of: fn(&Change) -> bool| self.changes.values().filter(|change| of(change)).count();
        (
            count(|change| matches!(change, Change::Added(_))),
            count(|change| matches!(change, Change::Changed(_))),
            count(|change| matches!(change, Change::Gone(_))),
        )
    }

    /// `{"added": {id: {field: text}}, "changed": {id: {field: [old, new]}}, "gone": {id: {field: text}}, "unchanged": n}`;
    /// an empty text is a field that is not stated. Where it differs, `"beside": {"point": [only in new, only in old]}` too.
    pub fn to_json(&self) -> serde_json::Value {
        let mut whole = json!({ "added": {}, "changed": {}, "gone": {}, "unchanged": self.unchanged });
        for (id, change) in &self.changes {
            let (kind, value) = match change {
                Change::Added(row) => ("added", json!(row)),
                Change::Gone(row) => ("gone", json!(row)),
                Change::Changed(fields) => {
                    let pairs = fields.iter().map(|(field, old, new)| ((*field).to_owned(), json!([old, new])));
                    ("changed", serde_json::Value::Object(pairs.collect()))
                }
            };
            whole[kind][id] = value;
        }
        if !self.beside.is_empty() {
            whole["beside"] = json!(self.beside);
        }
        whole
    }
}

impl fmt::Display for Difference {
    /// A line for each row that is added or gone, one for each field that is another, and the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, change) in &self.changes {
            match change {
                Change::Added(row) => writeln!(f, "added    {id:<20} {}", about(row))?,
                Change::Gone(row) => writeln!(f, "gone     {id:<20} {}", about(row))?,
                Change::Changed(fields) => {
                    for (at, (field, old, new)) in fields.iter().enumerate() {
                        let (word, id) = if at == 0 { ("changed", id.as_str()) } else { ("", "") };
                        writeln!(f, "{word:<8} {id:<20} {field}: {} -> {}", said(old), said(new))?;
                    }
                }
            }
        }
        for (list, (new, old)) in &self.beside {
            writeln!(f, "[[{list}]] tables: {new} added or changed, {old} gone or changed")?;
        }
        let (added, changed, gone) = self.counts();
        write!(f, "{added} added, {changed} changed, {gone} gone, {} unchanged", self.unchanged)
    }
}

fn about(row: &Row) -> String {
    let parts = ["kind", "make", "model", "place"].map(|field| text(row, field));
    let stated: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    stated.join(", ")
}

fn said(text: &str) -> &str {
    if text.is_empty() { "(nothing)" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Row {
        fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_cell_that_is_another_is_told_with_both_texts() {
        let old = [
            row(&[("id", "A"), ("kind", "door"), ("place", "Gate"), ("serial", "1")]),
            row(&[("id", "B"), ("kind", "door")]),
            row(&[("id", "C"), ("kind", "camera"), ("place", "Yard")]),
        ];
        let new = [
            row(&[("id", "D"), ("kind", "sensor"), ("make", "Optex")]),
            row(&[("id", "A"), ("kind", "door"), ("place", "Gate 2"), ("model", "M")]),
            // Blanks around a text and an empty cell are no change.
            row(&[("id", " B "), ("kind", "door "), ("place", "")]),
        ];
        let difference = compare(&old, &new);
        let wanted = "changed  A                    place: Gate -> Gate 2\n\
            \u{20}                             model: (nothing) -> M\n\
            \u{20}                             serial: 1 -> (nothing)\n\
            gone     C                    camera, Yard\n\
            added    D                    sensor, Optex\n\
            1 added, 1 changed, 1 gone, 1 unchanged";
        assert_eq!(difference.to_string(), wanted);
        let json = difference.to_json();
        assert_eq!(json["changed"]["A"]["serial"], json!(["1", ""]));
        assert_eq!((&json["gone"]["C"]["place"], &json["unchanged"]), (&json!("Yard"), &json!(1)));
    }

    #[test]
    fn the_same_rows_in_another_order_are_no_difference() {
        let [a, b] = ["A", "B"].map(|id| row(&[("id", id), ("kind", "door")]));
        let difference = compare(&[a.clone(), b.clone()], &[b, a]);
        assert_eq!((difference.changes.len(), difference.unchanged), (0, 2));
    }

    #[test]
    fn points_and_scenarios_that_are_others_are_counted() {
        let old = "[[point]]\nname = \"P\"\nunit = \"degC\"\n[[point]]\nname = \"Q\"\n[[scenario]]\nname = \"S\"\n";
        let new = "[[point]]\nunit = \"degC\"\nname = \"P\"\n[[point]]\nname = \"R\"\n[[scenario]]\nname = \"S\"\n";
        let of = |old: &str, new: &str| compare(&[], &[]).with_beside(old, new);
        let wanted = "[[point]] tables: 1 added or changed, 1 gone or changed\n0 added, 0 changed, 0 gone, 0 unchanged";
        assert_eq!(of(old, new).to_string(), wanted);
        assert_eq!(of(old, new).to_json()["beside"], json!({ "point": [1, 1] }));
        assert_eq!(of(old, old), Difference::default());
        // A table of a spreadsheet is no TOML, and has none.
        assert_eq!(of("id,kind\nA,door\n", new).to_json()["beside"], json!({ "point": [2, 0], "scenario": [1, 0] }));
    }
}
