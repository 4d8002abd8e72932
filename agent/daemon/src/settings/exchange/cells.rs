//! From the cells of a table to rows of the register: which column gives what, each cell translated, every fault with the row
//! and column that a spreadsheet shows.

use super::Taken;
use super::dates::DateOrder;
use super::mapping::{Gives, Mapping};
use super::values::{self, Unclear, quoted};
use crate::settings::Findings;
use crate::settings::codes::Code;
use crate::settings::nearest::did_you_mean;
use crate::settings::sheet::{Cell, Sheet};
use crate::settings::source::{Place, Source};
use picket_core::register::rows::{self, FIELDS, MAX_ROWS, Row, RowFault};
use std::collections::{BTreeMap, BTreeSet};

/// Cells whose value a spreadsheet does not have or has changed, by index of row and column.
pub(super) type Spoilt = BTreeMap<(usize, usize), Spoils>;

/// What is wrong with such a cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoils {
    code: Code,
    cause: &'static str,
    remedy: &'static str,
    /// Whether it is right in a field that holds a date.
    spares_dates: bool,
}

#[cfg(feature = "xlsx")]
impl Spoils {
    /// In any field.
    pub(super) fn always(code: Code, cause: &'static str, remedy: &'static str) -> Self {
        Self { code, cause, remedy, spares_dates: false }
    }

    /// In all but dates.
    pub(super) fn outside_dates(code: Code, cause: &'static str, remedy: &'static str) -> Self {
        Self { code, cause, remedy, spares_dates: true }
    }
}

/// A table as it was written.
pub(super) struct Table {
    pub(super) source: Source,
    pub(super) sheet: Sheet,
    /// Name of the sheet, of a workbook.
    pub(super) name: Option<String>,
    pub(super) spoilt: Spoilt,
}

/// A field, and its columns: one, or two that are joined.
struct Use {
    field: &'static str,
    columns: Vec<usize>,
}

/// Rows that are as the register wants them.
pub(super) fn taken(
    table: &Table,
    mapping: &Mapping,
    order: Option<DateOrder>,
    base: Option<&[Row]>,
    mut notes: Vec<String>,
    findings: &mut Findings,
) -> Option<Taken> {
    let mut reading = Reading {
        table,
        mapping,
        order: order.or(mapping.order),
        grouped: BTreeMap::new(),
        refused: BTreeSet::new(),
        findings,
    };
    let uses = reading.uses(base.is_some(), &mut notes)?;
    let mut rows: Vec<Row> = base.unwrap_or_default().to_vec();
    // Where each row of the outcome stands in the table.
    let mut origins: Vec<Option<usize>> = vec![None; rows.len()];
    let known = base.unwrap_or_default().iter().enumerate();
    let known: BTreeMap<&str, usize> = known.filter_map(|(at, row)| Some((row.get("id")?.trim(), at))).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..table.sheet.rows.len() {
        let read = reading.row(index, &uses);
        let id = read.get("id").cloned().unwrap_or_default();
        if let Some(first) = seen.get(&id).filter(|_| !id.is_empty()) {
            reading.twice(index, *first, &id, &uses);
            continue;
        }
        seen.insert(id.clone(), index);
        match known.get(id.as_str()) {
            Some(at) => {
                rows[*at].extend(read);
                origins[*at] = Some(index);
            }
            None => {
                let mut row = mapping.constants.clone();
                row.extend(read.into_iter().filter(|(_, text)| !text.is_empty()));
                rows.push(row);
                origins.push(Some(index));
            }
        }
    }
    if rows.len() > MAX_ROWS {
        let cause = format!("more than {MAX_ROWS} rows");
        reading.findings.add(Code::RegisterSize, Place::file(&table.source.path), cause, "split the site");
        return None;
    }
    reading.judge(&rows, &origins, &uses, base.is_some());
    reading.tell_grouped();
    if rows.is_empty() && reading.findings.errors() == 0 {
        let place = table.source.at(0..0, "no rows");
        let cause = "the table lists no equipment: all that is heard will be unlisted";
        reading.findings.add(Code::RegisterEmpty, place, cause, "export the table again, with its rows");
    }
    Some(Taken { rows, text: None, notes, warnings: Findings::default() })
}

/// One fault of several cells.
struct Group {
    unclear: Unclear,
    first: (usize, usize),
    cells: usize,
}

struct Reading<'t> {
    table: &'t Table,
    mapping: &'t Mapping,
    order: Option<DateOrder>,
    grouped: BTreeMap<(&'static str, String), Group>,
    /// Cells that were refused, by row and field: the register would only say the same in other words.
    refused: BTreeSet<(usize, &'static str)>,
    findings: &'t mut Findings,
}

impl Reading<'_> {
    /// Which columns give which field; `None` where no row can be read.
    fn uses(&mut self, is_update: bool, notes: &mut Vec<String>) -> Option<Vec<Use>> {
        let mut given: BTreeMap<&'static str, Vec<(usize, usize)>> = BTreeMap::new();
        let mut left_out: Vec<String> = Vec::new();
        for (index, cell) in self.table.sheet.header.iter().enumerate() {
            match self.mapping.column(&cell.text) {
                Some(Gives { field: Some(field), rank }) => given.entry(field).or_default().push((rank, index)),
                None if !self.mapping.is_foreign() => self.unknown(index, cell),
                Some(Gives { field: None, .. }) | None => left_out.push(cell.text.trim().to_owned()),
            }
        }
        let mut uses = Vec::new();
        for (field, mut columns) in given {
            columns.sort_by_key(|(rank, _)| *rank);
            let joined = if self.mapping.is_foreign() && field.ends_with("_interval") { 2 } else { 1 };
            let beyond = columns.split_off(columns.len().min(joined));
            for (rank, index) in beyond {
                let header = &self.table.sheet.header[index];
                if columns.iter().any(|(used, _)| *used == rank) {
                    let at = self.table.source.at(header.span.clone(), "again");
                    let cause = format!("column {} gives {field} a second time", quoted(&header.text));
                    self.findings.add(Code::BadColumns, at, cause, "remove one of the two, or map it to ignore");
                } else {
                    left_out.push(header.text.trim().to_owned());
                }
            }
            uses.push(Use { field, columns: columns.into_iter().map(|(_, index)| index).collect() });
        }
        left_out.retain(|name| !name.is_empty());
        if !left_out.is_empty() {
            notes.push(format!("left out: {}", left_out.join(", ")));
        }
        self.needs(&uses, is_update).then_some(uses)
    }

    fn unknown(&mut self, index: usize, cell: &Cell) {
        if cell.text.trim().is_empty() {
            return self.nameless(index);
        }
        let known = FIELDS.iter().map(|(field, _)| *field);
        let otherwise = "rename it to a field of the register, or say what it is: --preset NAME, --map FILE";
        let remedy = did_you_mean(cell.text.trim(), known, otherwise);
        let cause = format!("column {} `{}` is no field of the register", letters(index), cell.text.trim());
        self.findings.add(Code::RegisterField, self.table.source.at(cell.span.clone(), "unknown"), cause, remedy);
    }

    /// A column without a name: spreadsheets write empty ones at the end.
    fn nameless(&mut self, index: usize) {
        let Some(row) = self.table.sheet.rows.iter().position(|row| !row[index].text.trim().is_empty()) else { return };
        let cause = format!(
            "column {} has no name, but row {} has {} in it",
            letters(index),
            self.table.sheet.numbers[row],
            quoted(self.table.sheet.rows[row][index].text.trim())
        );
        let place = self.table.source.at(self.table.sheet.rows[row][index].span.clone(), "no name");
        self.findings.add(Code::BadColumns, place, cause, "name the column on the line of the header, or clear it");
    }

    /// Whether id and kind come from somewhere; told once, and not for each row. Without an id no row can be read.
    fn needs(&mut self, uses: &[Use], is_update: bool) -> bool {
        let has = |field: &str| uses.iter().any(|one| one.field == field) || self.mapping.constants.contains_key(field);
        let mut cause = Vec::new();
        if !has("id") {
            let remedy = format!("name the column with the unique id of each row: {}", self.mapping.names_of_id());
            cause.push(("there is no column id".to_owned(), remedy));
        }
        if !has("kind") && !is_update {
            let remedy = "add one, or say it for all in the file of --map: [constants], kind = \"module\"; or --update";
            cause.push(("there is no column kind".to_owned(), remedy.to_owned()));
        }
        let has_id = has("id");
        for (cause, remedy) in cause {
            let at = self.table.source.at(self.table.sheet.header[0].span.clone(), "the header");
            self.findings.add(Code::BadColumns, at, cause, remedy);
        }
        has_id
    }

    fn row(&mut self, index: usize, uses: &[Use]) -> Row {
        let mut row = Row::new();
        for one in uses {
            let mut texts = Vec::new();
            for column in &one.columns {
                let text = self.table.sheet.rows[index][*column].text.trim();
                let spoilt = self.table.spoilt.get(&(index, *column));
                match spoilt.filter(|spoilt| !(spoilt.spares_dates && values::is_date(one.field))) {
                    Some(Spoils { code, cause, remedy, .. }) => {
                        self.refuse(index, *column, one.field, Unclear::one(*code, *cause, remedy));
                    }
                    None if !text.is_empty() => texts.push(text),
                    None => {}
                }
            }
            let text = texts.join(" ");
            let read = match values::read(self.mapping, self.order, one.field, &text) {
                Ok(read) => read,
                Err(unclear) => {
                    self.refuse(index, one.columns[0], one.field, unclear);
                    String::new()
                }
            };
            row.insert(one.field.to_owned(), read);
        }
        row
    }

    fn refuse(&mut self, index: usize, column: usize, field: &'static str, unclear: Unclear) {
        self.refused.insert((index, field));
        match &unclear.group {
            None => self.tell(index, column, field, unclear),
            Some(group) => {
                let key = (field, group.clone());
                let new = Group { unclear, first: (index, column), cells: 0 };
                self.grouped.entry(key).or_insert(new).cells += 1;
            }
        }
    }

    fn tell_grouped(&mut self) {
        for ((field, _), group) in std::mem::take(&mut self.grouped) {
            let Group { mut unclear, first: (index, column), cells } = group;
            if cells > 1 {
                unclear.cause = format!("{} ({cells} cells, first here)", unclear.cause);
            }
            self.tell(index, column, field, unclear);
        }
    }

    fn tell(&mut self, index: usize, column: usize, field: &str, unclear: Unclear) {
        let Unclear { code, cause, remedy, .. } = unclear;
        let cell = &self.table.sheet.rows[index][column];
        let place = self.table.source.at(cell.span.clone(), field);
        let cause = format!("{}: {cause}", self.cell(index, Some(column)));
        self.findings.add(code, place, cause, remedy);
    }

    fn twice(&mut self, index: usize, first: usize, id: &str, uses: &[Use]) {
        let column = uses.iter().find(|one| one.field == "id").map_or(0, |one| one.columns[0]);
        let at = |row: usize, label: &str| self.table.source.at(self.table.sheet.rows[row][column].span.clone(), label);
        let place = at(index, "again").and(at(first, "first here"));
        let first = self.table.sheet.numbers[first];
        let cause = format!("{}: id {id} is used twice; first in row {first}", self.cell(index, Some(column)));
        self.findings.add(Code::RegisterRow, place, cause, "give each piece of equipment its own id");
    }

    /// What the register itself says against the rows.
    fn judge(&mut self, rows: &[Row], origins: &[Option<usize>], uses: &[Use], is_update: bool) {
        for fault in rows::build(0, [0; 32], rows).err().unwrap_or_default() {
            let RowFault { row, field, cause, remedy } = fault;
            let Some(index) = origins.get(row).copied().flatten() else {
                self.findings.add(Code::RegisterRow, Place::file(&self.table.source.path), cause, remedy);
                continue;
            };
            let given = uses.iter().find(|one| one.field == field);
            let is_told = match given {
                Some(one) => self.refused.contains(&(index, one.field)),
                // As a column that is missing.
                None => field == "kind" && !is_update,
            };
            if is_told {
                continue;
            }
            let column = given.map(|one| one.columns[0]);
            let cells = &self.table.sheet.rows[index];
            let span = match column {
                Some(column) => cells[column].span.clone(),
                None => cells[0].span.start..cells[cells.len() - 1].span.end,
            };
            let cause = format!("{}: {cause}", self.cell(index, column));
            self.findings.add(Code::RegisterRow, self.table.source.at(span, field), cause, remedy);
        }
    }

    /// As a spreadsheet shows it: "row 7, column C `Serial`".
    fn cell(&self, index: usize, column: Option<usize>) -> String {
        let sheet = self.table.name.as_ref().map_or(String::new(), |name| format!("sheet `{name}`, "));
        let row = self.table.sheet.numbers[index];
        let named =
            |column: usize| format!(", column {} `{}`", letters(column), self.table.sheet.header[column].text.trim());
        format!("{sheet}row {row}{}", column.map_or(String::new(), named))
    }
}

/// The letters of a column, from 0: A to Z, AA and on.
fn letters(column: usize) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap_or(0));
    let before = if column < 26 { String::new() } else { letters(column / 26 - 1) };
    format!("{before}{last}")
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_are_lettered_as_spreadsheets_do() {
        let wanted = [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (199, "GR"), (701, "ZZ"), (702, "AAA")];
        for (column, name) in wanted {
            assert_eq!(letters(column), name);
        }
    }
}
