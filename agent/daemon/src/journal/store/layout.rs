//! The tables, layout by layout, and what a file of another agent is told by.

use super::Store;
use crate::journal::Fault;
use rusqlite::Connection;

/// Version of the layout in `user_version`.
const LAYOUT: i64 = 5;
/// The oldest layout that is upgraded where it lies.
const LAYOUT_OLDEST: i64 = 2;
/// No agent writes a layout from here on: such a number is a bit that turned over.
const LAYOUT_END: i64 = 1_000;

const TABLES: &str = "
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE record(seq INTEGER PRIMARY KEY, line TEXT NOT NULL);
    CREATE TABLE state(key TEXT PRIMARY KEY, body TEXT NOT NULL, said INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE epoch(ep INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
    CREATE TABLE urgent(seq INTEGER PRIMARY KEY);
    CREATE TABLE receipt(n INTEGER PRIMARY KEY, upto INTEGER NOT NULL, day INTEGER NOT NULL, line TEXT NOT NULL);
    CREATE TABLE quarantine(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, line BLOB NOT NULL, why TEXT NOT NULL);
    CREATE TABLE document(name TEXT PRIMARY KEY, file TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL);
";

/// What layout 3 adds to layout 2.
const TABLES_3: &str = "
    CREATE TABLE leaving(id INTEGER PRIMARY KEY, base INTEGER NOT NULL, first INTEGER NOT NULL, kept INTEGER NOT NULL, last INTEGER NOT NULL, told INTEGER NOT NULL);
    CREATE TABLE branch(pos INTEGER PRIMARY KEY, line TEXT NOT NULL);
    CREATE TABLE branch_open(pos INTEGER PRIMARY KEY);
    CREATE TABLE summary(seq INTEGER PRIMARY KEY, line TEXT);
    CREATE TABLE lost(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
";

/// What layout 4 adds to layout 3.
const TABLES_4: &str = "
    CREATE TABLE personal(seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, text TEXT NOT NULL);
";

/// What layout 5 adds to layout 4: lines lie there as bytes (see `at_rest`), which an earlier agent cannot read; the lines
/// that it wrote stay as they are. Nobody reads the table: it is there so that an earlier agent, which tells damage from
/// another layout by the tables, refuses the file instead of setting every line of it aside.
const TABLES_5: &str = "
    CREATE TABLE at_rest(form TEXT PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO at_rest(form) VALUES('bytes');
";

/// Tables of the oldest layout that is upgraded, and what each one behind it adds. None adds no table (see [`TABLES_5`]).
const LAYOUTS: [&str; 4] = [TABLES, TABLES_3, TABLES_4, TABLES_5];

/// Whether a version is that of an agent before or after one that knows layouts up to `newest`.
fn is_another(version: i64, newest: i64) -> bool {
    (1..LAYOUT_OLDEST).contains(&version) || (newest + 1..LAYOUT_END).contains(&version)
}

/// What a file is to an agent.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    /// It lacks what the layouts from this place on add.
    Lacks(usize),
    /// Another agent wrote it.
    Another,
    /// Its number and its tables do not go together.
    Damaged,
}

/// Tells a file by its number and its tables, of an agent that knows these layouts. A number that is not that of the tables
/// is damage where one bit makes the difference or where no agent writes it, and another agent's otherwise.
fn judged<T: PartialEq>(found: i64, tables: &T, known: &[T]) -> Layout {
    let number = |place: usize| LAYOUT_OLDEST + i64::try_from(place).unwrap_or(LAYOUT_END);
    let place = known.iter().position(|known| known == tables);
    match place {
        Some(place) if found == number(place) => Layout::Lacks(place + 1),
        Some(place) if (found ^ number(place)).count_ones() == 1 => Layout::Damaged,
        _ if is_another(found, number(known.len()) - 1) => Layout::Another,
        _ => Layout::Damaged,
    }
}

impl Store {
    /// The tables are told by their texts and not by the version alone: a bit of either may have turned over.
    pub(super) fn layout(&self) -> Result<(), Fault> {
        let found: i64 = self.pragma("user_version")?.parse().unwrap_or(-1);
        let schema = self.schema(&self.db)?;
        if found == 0 && schema.is_empty() {
            return self.lay_out(&LAYOUTS);
        }
        let known = (1..=LAYOUTS.len()).map(|n| self.schema_of(&LAYOUTS[..n].concat()));
        match judged(found, &schema, &known.collect::<Result<Vec<_>, Fault>>()?) {
            Layout::Lacks(from) if from == LAYOUTS.len() => Ok(()),
            Layout::Lacks(from) => self.lay_out(&LAYOUTS[from..]),
            Layout::Another => {
                let text = format!(
                    "journal {}: layout {found} is not {LAYOUT}; use the agent that wrote it",
                    self.file.display()
                );
                Err(Fault::Refused(text))
            }
            Layout::Damaged => {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                let what = format!("layout {found} with other tables than it has");
                Err(self.disk("cannot read the tables", rusqlite::Error::SqliteFailure(code, Some(what))))
            }
        }
    }

    /// Makes the tables that a file lacks.
    fn lay_out(&self, tables: &[&str]) -> Result<(), Fault> {
        let sql = format!("BEGIN IMMEDIATE;{}PRAGMA user_version={LAYOUT};COMMIT;", tables.concat());
        self.db.execute_batch(&sql).map_err(|source| self.disk("cannot lay out the tables", source))
    }

    fn schema_of(&self, tables: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let fresh = Connection::open_in_memory().and_then(|db| db.execute_batch(tables).map(|()| db));
        self.schema(&fresh.map_err(|source| self.disk("cannot lay out the tables", source))?)
    }

    fn schema(&self, db: &Connection) -> Result<Vec<Vec<u8>>, Fault> {
        let sql = "SELECT CAST(name || ' ' || sql AS BLOB) FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let rows = db.prepare(sql).and_then(|mut s| s.query_map([], |row| row.get(0))?.collect());
        rows.map_err(|source| self.disk("cannot read the tables", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_the_layout_before_refuses_a_file_of_this_one_by_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("journal.db"), 1 << 20).unwrap();
        let tables = |n: usize| store.schema_of(&LAYOUTS[..n].concat()).unwrap();
        let known: Vec<_> = (1..=LAYOUTS.len()).map(tables).collect();
        for newest in 1..LAYOUTS.len() {
            let number = LAYOUT_OLDEST + newest as i64;
            assert_eq!(judged(number, &known[newest], &known[..newest]), Layout::Another, "layout {number}");
        }
        assert_eq!(judged(LAYOUT, &store.schema(&store.db).unwrap(), &known), Layout::Lacks(LAYOUTS.len()));
    }

    #[test]
    fn one_bit_of_the_number_is_damage_and_never_another_agent() {
        let known = ["2", "3", "4", "5"];
        for (tables, number) in known.iter().zip(LAYOUT_OLDEST..) {
            for bit in 0..32 {
                assert_eq!(judged(number ^ 1 << bit, tables, &known), Layout::Damaged, "bit {bit} of {number}");
            }
        }
        let later = [6, 8, 17, 999].map(|number| judged(number, &"5", &known));
        assert_eq!(later, [const { Layout::Another }; 4], "a layout to come, though its tables are known");
        assert_eq!([4_096, -1, i64::MAX].map(|number| judged(number, &"5", &known)), [const { Layout::Damaged }; 3]);
        assert_eq!(judged(5, &"4 and something", &known), Layout::Damaged);
    }
}
