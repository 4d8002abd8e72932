//! Space: disposing of what has a receipt, and setting a damaged file aside.

use super::open::own_words;
use super::store::Store;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::kind::{Kind, Severity};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Space is made from here on: below the 70 % at which routine records would be dropped.
const PRUNE_FROM_PERMILLE: u16 = 600;
/// Records disposed of at a time: a few milliseconds.
const PRUNE_STEP: u64 = 500;

impl Journal {
    /// Disposes of the oldest records that have a stored receipt, and states it, while space is short.
    pub(super) fn prune_if_needed(&mut self, when: &When) -> Result<(), Fault> {
        if self.store.fill_permille() < PRUNE_FROM_PERMILLE {
            return Ok(());
        }
        let Some((from, to)) = self.prunable()? else { return Ok(()) };
        let data = json!({ "from": from, "to": to, "why": "space", "authority": "disk budget of the settings" });
        let disposed = own_words(when, Kind::RecordsDisposed, Severity::Notice, data);
        let before = self.sealer.head();
        let sealed = self.sealer.seal(&disposed).map_err(|refusal| Fault::Refused(refusal.to_string()))?;
        let store = &self.store;
        let doing = "cannot dispose of records";
        let done = store.transaction(|| {
            store.run("DELETE FROM record WHERE seq BETWEEN ?1 AND ?2", (from, to), doing)?;
            store.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", (sealed.seq, &sealed.line), doing)
        });
        if done.is_err() {
            self.sealer.rewind(before);
        }
        done.map(|_| ())
    }

    /// The oldest range with a written receipt. Records that state rows stand on stay, and so does the current epoch's
    /// opening: the rest could not be checked without them.
    fn prunable(&self) -> Result<Option<(u64, u64)>, Fault> {
        let doing = "cannot look for records to dispose of";
        let number =
            |sql: &str| self.store.row(sql, [], doing, |row| row.get::<_, Option<u64>>(0)).map(Option::flatten);
        let first = number("SELECT min(seq) FROM record")?;
        let receipted = number("SELECT upto FROM receipt ORDER BY n DESC LIMIT 1")?;
        let oldest_state = number("SELECT min(seq) FROM state")?;
        let epoch = number("SELECT max(seq) FROM epoch")?;
        let (Some(first), Some(receipted)) = (first, receipted) else { return Ok(None) };
        let limits = [Some(receipted), oldest_state.map(|s| s - 1), epoch.map(|e| e - 1), Some(first + PRUNE_STEP - 1)];
        let to = limits.into_iter().flatten().min().unwrap_or(0);
        Ok((to >= first).then_some((first, to)))
    }
}

/// Renames a damaged database with its log, so that nothing is deleted.
pub(super) fn set_aside(file: &Path) -> Result<PathBuf, Fault> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (1..10_000u32).map(|n| file.with_file_name(format!("{name}.damaged-{n}"))).find(|path| !path.exists());
    let Some(aside) = free else {
        return Err(Fault::Refused(format!(
            "{}: too many damaged journals lie beside it; move them away",
            file.display()
        )));
    };
    for suffix in ["-wal", ""] {
        let from = PathBuf::from(format!("{}{suffix}", file.display()));
        let to = PathBuf::from(format!("{}{suffix}", aside.display()));
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(Fault::File { file: from, doing: "cannot set the damaged journal aside", source });
            }
        }
    }
    Ok(aside)
}

/// Carries over what can still be read, in order, up to the first row that cannot. How many records were kept.
pub(super) fn salvage(store: &Store, aside: &Path) -> Result<u64, Fault> {
    let Ok(old) = Connection::open_with_flags(aside, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return Ok(0) };
    store.transaction(|| {
        for (from, to) in [
            ("SELECT key, value FROM meta", "INSERT OR IGNORE INTO meta(key, value) VALUES(?1, ?2)"),
            ("SELECT ep, seq FROM epoch ORDER BY ep", "INSERT OR IGNORE INTO epoch(ep, seq) VALUES(?1, ?2)"),
        ] {
            copy(store, &old, from, to)?;
        }
        let receipts = "SELECT n, upto, day, line FROM receipt ORDER BY n";
        if let Ok(mut statement) = old.prepare(receipts) {
            let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(u64, u64, i64, String)> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            };
            let found = statement.query_map([], row).map(|rows| rows.map_while(Result::ok).collect::<Vec<_>>());
            for values in found.unwrap_or_default() {
                let sql = "INSERT INTO receipt(n, upto, day, line) VALUES(?1, ?2, ?3, ?4)";
                store.run(sql, values, "cannot carry a receipt over")?;
            }
        }
        copy(store, &old, "SELECT seq, line FROM record ORDER BY seq", "INSERT INTO record(seq, line) VALUES(?1, ?2)")
    })
}

/// Copies rows of two columns until one cannot be read.
fn copy(store: &Store, old: &Connection, from: &str, to: &str) -> Result<u64, Fault> {
    use rusqlite::types::Value;
    let Ok(mut statement) = old.prepare(from) else { return Ok(0) };
    let Ok(mut rows) = statement.query([]) else { return Ok(0) };
    let mut copied = 0;
    while let Ok(Some(row)) = rows.next() {
        let (Ok(a), Ok(b)) = (row.get::<_, Value>(0), row.get::<_, Value>(1)) else { break };
        store.run(to, (a, b), "cannot carry a row over")?;
        copied += 1;
    }
    Ok(copied)
}
