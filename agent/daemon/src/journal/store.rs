//! The database file: opened once, exclusively, with every pragma read back.

use super::Fault;
use super::at_rest::{Kept, Line};
use picket_record::chain::Sealed;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, Params};
use std::cell::Cell;
use std::path::{Path, PathBuf};

mod layout;

/// Oldest SQLite without the WAL-reset bug (sqlite.org, 3.51.3 release notes, 2026-03-13).
const SQLITE_MIN: i32 = 3_051_003;
/// Bytes of a page of a new journal. A frame of the log is a page and 24 bytes, so a page of a file system's block would
/// dirty two blocks for each small commit; half of one dirties one most times, and still holds lines without much waste.
/// A journal keeps the page that it was made with.
pub const PAGE_BYTES: u64 = 2_048;
/// Page cache in KiB: the head of the tree and a batch; the rest is the kernel's to cache.
const CACHE_KIB: i64 = 512;
/// A write-ahead log is folded back at this size, and cut to the other.
const CHECKPOINT_BYTES: u64 = 1024 * 1024;
const LOG_LIMIT: i64 = 4 * 1024 * 1024;

/// Beyond the budget for the journal's own words: a start must not fail because the budget is used up.
const OWN_BYTES: u64 = 1024 * 1024;

/// The one connection.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) db: Connection,
    file: PathBuf,
    budget: u64,
    /// Bytes of its pages.
    page: u64,
    broken: Cell<bool>,
    /// A test has the next commit done and reported as failed.
    #[cfg(test)]
    lying: Cell<bool>,
    /// Every statement that was run, for a test that looks at how.
    #[cfg(test)]
    ran: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl Store {
    /// Opens or makes the file. Fails where a pragma does not hold, rather than being less durable than promised.
    pub(super) fn open(file: &Path, budget: u64) -> Result<Self, Fault> {
        if rusqlite::version_number() < SQLITE_MIN {
            return Err(Fault::Refused(format!("SQLite {} is too old: 3.51.3 is needed", rusqlite::version())));
        }
        let fault = |doing: &'static str| move |source| Fault::Disk { file: file.to_owned(), doing, source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(file, flags).map_err(fault("cannot open"))?;
        let mut store = Self {
            db,
            file: file.to_owned(),
            budget,
            page: PAGE_BYTES,
            broken: Cell::new(false),
            #[cfg(test)]
            lying: Cell::new(false),
            #[cfg(test)]
            ran: std::cell::RefCell::default(),
        };
        store.pragmas()?;
        store.layout()?;
        Ok(store)
    }

    fn pragmas(&mut self) -> Result<(), Fault> {
        // Only a file that is still empty takes it.
        self.pragma_set("page_size", &PAGE_BYTES.to_string())?;
        // Locked before anything is read: else SQLite makes a file of shared memory.
        self.held("locking_mode", "EXCLUSIVE", "exclusive")?;
        self.held("journal_mode", "WAL", "wal")?;
        self.page = self.pragma("page_size")?.parse().unwrap_or(PAGE_BYTES);
        // A file that grew under a larger budget keeps its pages; the budget is kept at each append.
        let held = self.pragma("page_count")?.parse::<u64>().unwrap_or(0);
        let pages = i64::try_from(held.max(self.budget / self.page) + OWN_BYTES / self.page).unwrap_or(i64::MAX);
        self.held("synchronous", "FULL", "2")?;
        self.held("trusted_schema", "OFF", "0")?;
        // What is deleted is written over in its page, also where rows move to another one.
        self.held("secure_delete", "FAST", "2")?;
        self.held("cell_size_check", "ON", "1")?;
        let checkpoint = i64::try_from(CHECKPOINT_BYTES / self.page).unwrap_or(i64::MAX);
        for (name, value) in [
            ("journal_size_limit", LOG_LIMIT),
            ("wal_autocheckpoint", checkpoint),
            ("max_page_count", pages),
            ("mmap_size", 0),
            ("cache_size", -CACHE_KIB),
        ] {
            self.held(name, &value.to_string(), &value.to_string())?;
        }
        Ok(())
    }

    /// Sets a pragma, and reads it back.
    fn held(&self, name: &str, value: &str, expected: &str) -> Result<(), Fault> {
        self.pragma_set(name, value)?;
        let found = self.pragma(name)?;
        if found != expected {
            let text = format!("journal {}: {name} is {found}, not {expected}", self.file.display());
            return Err(Fault::Refused(text));
        }
        Ok(())
    }

    fn pragma_set(&self, name: &str, value: &str) -> Result<(), Fault> {
        let set = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        self.db
            .query_row(&format!("PRAGMA {name}={value}"), [], set)
            .optional()
            .map(drop)
            .map_err(|source| self.disk("cannot set a pragma", source))
    }

    fn pragma(&self, name: &str) -> Result<String, Fault> {
        use rusqlite::types::Value;
        let text = |row: &rusqlite::Row<'_>| {
            Ok(match row.get::<_, Value>(0)? {
                Value::Integer(n) => n.to_string(),
                Value::Text(text) => text,
                Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
            })
        };
        self.db
            .query_row(&format!("PRAGMA {name}"), [], text)
            .map_err(|source| self.disk("cannot read a pragma", source))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn disk(&self, doing: &'static str, source: rusqlite::Error) -> Fault {
        if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return Fault::Full { used: self.used().unwrap_or(self.budget), budget: self.budget };
        }
        self.broken.set(true);
        Fault::Disk { file: self.file.clone(), doing, source }
    }

    /// Whether a fault of the disk was seen: what this connection says afterwards is worth nothing, "malformed" included.
    pub(super) fn broken(&self) -> bool {
        self.broken.get()
    }

    /// Closes the file, so that it can be opened anew.
    pub(super) fn shut(&mut self) -> Result<(), Fault> {
        self.broken.set(true);
        self.db = Connection::open_in_memory().map_err(|source| self.disk("cannot close", source))?;
        Ok(())
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// The line of a record as it lies there: damage can make it no text.
    pub(super) fn line(&self, seq: u64) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT line FROM record WHERE seq = ?1";
        let line: Option<Line> = self.row(sql, [seq], "cannot read a record", |row| row.get(0))?;
        Ok(line.map(|line| line.0))
    }

    /// Stores a record.
    pub(super) fn put(&self, sealed: &Sealed, doing: &'static str) -> Result<(), Fault> {
        let values = (sealed.seq, Kept(&sealed.line));
        self.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", values, doing).map(drop)
    }

    /// Refuses what is not the journal's own where the budget is used up.
    pub(super) fn room(&self) -> Result<(), Fault> {
        let used = self.used().unwrap_or(self.budget);
        if used >= self.budget { Err(Fault::Full { used, budget: self.budget }) } else { Ok(()) }
    }

    /// A statement, prepared once.
    pub(super) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        #[cfg(test)]
        self.ran.borrow_mut().insert(sql.to_owned());
        self.db.prepare_cached(sql)
    }

    /// Runs one statement.
    pub(super) fn run(&self, sql: &str, values: impl Params, doing: &'static str) -> Result<usize, Fault> {
        let statement = self.prepare(sql);
        statement.and_then(|mut s| s.execute(values)).map_err(|source| self.disk(doing, source))
    }

    /// One row, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        doing: &'static str,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        let statement = self.prepare(sql);
        statement.and_then(|mut s| s.query_row(values, read).optional()).map_err(|source| self.disk(doing, source))
    }

    /// All rows of a bounded query.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        doing: &'static str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        let statement = self.prepare(sql);
        statement
            .and_then(|mut s| s.query_map(values, read)?.collect::<rusqlite::Result<Vec<T>>>())
            .map_err(|source| self.disk(doing, source))
    }

    /// Everything inside is committed together, or nothing is.
    pub(super) fn transaction<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.run("BEGIN IMMEDIATE", [], "cannot begin a transaction")?;
        let done = work().and_then(|done| self.run("COMMIT", [], "cannot commit").map(|_| done));
        #[cfg(test)]
        let done = match self.lying.take() {
            true => done.and_then(|_| Err(self.disk("cannot commit", rusqlite::Error::QueryReturnedNoRows))),
            false => done,
        };
        if done.is_err() && !self.db.is_autocommit() {
            let _ = self.run("ROLLBACK", [], "cannot roll back");
        }
        done
    }

    /// What is deleted inside is written over, also where a whole page becomes free: for records that would be one more
    /// write of each page.
    pub(super) fn written_over<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.pragma_set("secure_delete", "ON")?;
        let done = work();
        self.pragma_set("secure_delete", "FAST").and(done)
    }

    /// Folds the write-ahead log back and cuts it: it holds pages as they were. Done as far as it can be; what is
    /// committed does not depend on it.
    pub(super) fn cut_log(&self) {
        let done = self.row("PRAGMA wal_checkpoint(TRUNCATE)", [], "cannot cut the log", |row| row.get::<_, i64>(0));
        if !matches!(done, Ok(Some(0))) {
            tracing::warn!("what was erased may stand in the log of the journal for a while");
        }
    }

    #[cfg(test)]
    pub(super) fn by_hand(&self, sql: &str) {
        self.db.execute_batch(sql).expect("a test's own statement");
    }

    #[cfg(test)]
    pub(super) fn ran(&self) -> Vec<String> {
        self.ran.borrow().iter().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn lose_next_commit(&self) {
        self.lying.set(true);
    }

    /// Bytes that hold something: pages of the file less the free ones.
    pub(super) fn used(&self) -> Option<u64> {
        let count = |sql| self.db.prepare_cached(sql).ok()?.query_row([], |row| row.get::<_, i64>(0)).ok();
        let pages = count("PRAGMA page_count")? - count("PRAGMA freelist_count")?;
        Some(u64::try_from(pages).ok()? * self.page)
    }

    /// Share of the budget in use, in thousandths.
    pub(super) fn fill_permille(&self) -> u16 {
        let used = self.used().unwrap_or(self.budget);
        u16::try_from(used.saturating_mul(1_000) / self.budget.max(1)).unwrap_or(u16::MAX)
    }
}
