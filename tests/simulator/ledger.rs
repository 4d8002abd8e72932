//! The simulator's own book: what it did and when, what records must follow from it, what was seen at the page.
//!
//! An SQLite file, written before each act takes effect. `event(id, at_ms, step, eq, what)`: an act. `expected(event,
//! kind, eq, what, must)`: one record that follows from it exactly once (`must` 1), or at most once (`must` 0: the agent
//! may be killed between the poll and the commit). `seen(event, at_ms)`: the page showed it.

use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "
CREATE TABLE event(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, step TEXT NOT NULL, eq TEXT NOT NULL,
  what TEXT NOT NULL) STRICT;
CREATE TABLE expected(id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES event(id), kind TEXT NOT NULL,
  eq TEXT NOT NULL, what TEXT NOT NULL, must INTEGER NOT NULL) STRICT;
CREATE TABLE seen(event INTEGER PRIMARY KEY REFERENCES event(id), at_ms INTEGER NOT NULL) STRICT;
";

/// The book cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("writing the ledger {}", path.display())]
pub struct LedgerError {
    path: PathBuf,
    source: rusqlite::Error,
}

/// A record that must follow from an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Kind of the record.
    pub kind: &'static str,
    /// Equipment it is about; empty = none.
    pub eq: String,
    /// What tells it from others of its kind: rule, reason, seal read, alarm, or `point=value` of a reading.
    pub what: String,
    /// Exactly once, or at most once.
    pub certainty: Certainty,
}

/// Whether the record must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Exactly once.
    Must,
    /// At most once: polled at the very moment the agent is killed.
    May,
}

impl Expected {
    /// One record that must exist.
    pub fn new(kind: &'static str, eq: &str, what: &str) -> Self {
        Self { kind, eq: eq.to_owned(), what: what.to_owned(), certainty: Certainty::Must }
    }

    /// The same, with a kill in between.
    pub fn uncertain(self) -> Self {
        Self { certainty: Certainty::May, ..self }
    }
}

/// An act in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// The book, with its one writer.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

impl Ledger {
    /// Begins a book; the file must not exist.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let fault = |source| LedgerError { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(fault)?;
        // The simulator is not what is killed here; a durable book would slow the acts down that it times.
        connection.pragma_update(None, "synchronous", "OFF").map_err(fault)?;
        connection.execute_batch(SCHEMA).map_err(fault)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an act down, with every record that must follow from it.
    pub fn act(
        &mut self,
        at_ms: i64,
        step: &str,
        eq: &str,
        what: &str,
        expected: &[Expected],
    ) -> Result<Entry, LedgerError> {
        let mut write = || {
            let transaction = self.connection.transaction()?;
            let event = params![at_ms, step, eq, what];
            transaction.execute("INSERT INTO event(at_ms, step, eq, what) VALUES (?1, ?2, ?3, ?4)", event)?;
            let id = transaction.last_insert_rowid();
            for record in expected {
                transaction.execute(
                    "INSERT INTO expected(event, kind, eq, what, must) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![id, record.kind, record.eq, record.what, record.certainty == Certainty::Must],
                )?;
            }
            transaction.commit()?;
            Ok(Entry { id, at_ms })
        };
        let written: rusqlite::Result<Entry> = write();
        written.map_err(|source| LedgerError { path: self.path.clone(), source })
    }

    /// The page showed what an act led to.
    pub fn seen(&mut self, entry: Entry, at_ms: i64) -> Result<(), LedgerError> {
        self.connection
            .execute("INSERT OR IGNORE INTO seen(event, at_ms) VALUES (?1, ?2)", params![entry.id, at_ms])
            .map(drop)
            .map_err(|source| LedgerError { path: self.path.clone(), source })
    }
}
