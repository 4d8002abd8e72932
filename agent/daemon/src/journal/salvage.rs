//! A file that SQLite cannot read: its readable rows go to a new file that takes its place, and what they say is folded
//! again. The damaged file is renamed (see `aside`). A power cut at any point leaves one of the two in place.

use super::at_rest::Text;
use super::damage::Damage;
use super::store::Store;
use super::{Fault, aside, header, memory};
use crate::secrecy::beside;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A larger file is not checked as a whole at start: minutes on a card.
const CHECK_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Findings that are noted until a record tells them: more than one tells.
const NOTED_MAX: usize = 64;
/// Numbers of records stay below 2^53.
const SEQ_MAX: i64 = (1 << 53) - 1;

/// What is carried over; epochs, urgent marks and state follow from the records.
const KEPT: [(&str, &[Column]); 11] = [
    ("meta", &[("key", Holds::Text), ("value", Holds::Text)]),
    ("receipt", &[("n", Holds::Number), ("upto", Holds::Number), ("day", Holds::Number), ("line", Holds::Text)]),
    ("document", &[("name", Holds::Text), ("file", Holds::Text), ("digest", Holds::Text), ("body", Holds::Text)]),
    ("quarantine", &[("id", Holds::Number), ("seq", Holds::Number), ("line", Holds::Bytes), ("why", Holds::Text)]),
    (
        "leaving",
        &[
            ("id", Holds::Number),
            ("base", Holds::Number),
            ("first", Holds::Number),
            ("kept", Holds::Number),
            ("last", Holds::Number),
            ("told", Holds::Number),
        ],
    ),
    ("branch", &[("pos", Holds::Number), ("line", Holds::Bytes)]),
    ("branch_open", &[("pos", Holds::Number)]),
    ("lost", &[("first", Holds::Number), ("last", Holds::Number)]),
    ("summary", &[("seq", Holds::Number), ("line", Holds::Bytes)]),
    ("personal", &[("seq", Holds::Number), ("salt", Holds::Bytes), ("text", Holds::Text)]),
    ("record", &[("seq", Holds::Number), ("line", Holds::Bytes)]),
];

/// A column and what its values are.
type Column = (&'static str, Holds);

/// What the values of a column are. One bit makes them something else, which a new file must not take over: whoever reads
/// it there would meet the same damage, and have one more file made.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Number,
    Text,
    /// Stored lines and salts. Nobody asks a line for its type (see `at_rest`).
    Bytes,
}

impl Holds {
    /// A value as its column holds it; none where it is something else.
    fn taken(self, value: ValueRef<'_>) -> Option<Value> {
        match (self, value) {
            // The tables refuse it where it may not be.
            (_, ValueRef::Null) => Some(Value::Null),
            (Self::Number, ValueRef::Integer(number)) => Some(Value::Integer(number)),
            (Self::Number, _) => None,
            (Self::Text, ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
                String::from_utf8(bytes.to_vec()).ok().map(Value::Text)
            }
            (Self::Bytes, ValueRef::Text(bytes)) => Some(match String::from_utf8(bytes.to_vec()) {
                Ok(text) => Value::Text(text),
                Err(bytes) => Value::Blob(bytes.into_bytes()),
            }),
            (Self::Bytes, ValueRef::Blob(bytes)) => Some(Value::Blob(bytes.to_vec())),
            // The tables make a text of it.
            (Self::Text | Self::Bytes, ValueRef::Integer(number)) => Some(Value::Integer(number)),
            (Self::Text | Self::Bytes, ValueRef::Real(number)) => Some(Value::Real(number)),
        }
    }
}

/// Opens the file, or the one that took its place because it was damaged.
pub(super) fn open(file: &Path, budget: u64) -> Result<Store, Fault> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(fault(folder, "cannot make the journal's folder"))?;
    }
    finish(file, budget)?;
    if fs::metadata(file).is_ok_and(|found| found.len() == 0) {
        return replace(file, budget, "the file is empty");
    }
    let mended = header::mend(file)?;
    let store = match header::free_list(file)? {
        Some(cause) => replace(file, budget, &cause)?,
        None => match Store::open(file, budget).and_then(|store| noted(store, mended.as_ref())).and_then(sound) {
            Ok(store) => store,
            Err(fault) => {
                let Some(cause) = damage_of(&fault) else { return Err(fault) };
                replace(file, budget, &cause)?
            }
        },
    };
    // Once more: a file that took the place of this one may not have the note.
    noted(store, mended.as_ref())
}

/// With a note of what was mended before it was opened: a check of the file may take minutes.
fn noted(store: Store, found: Option<&serde_json::Value>) -> Result<Store, Fault> {
    if let Some(found) = found {
        let mut damage = untold(&store)?;
        damage.push(found.clone());
        note(&store, &damage)?;
    }
    Ok(store)
}

/// What SQLite says where the file itself is damaged; a disk that does not answer is another matter.
pub(super) fn damage_of(fault: &Fault) -> Option<String> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    use rusqlite::ffi::SQLITE_IOERR_SHORT_READ;
    match fault {
        Fault::Disk { source, .. } => {
            // Without a code SQLite read it, and it is not what a row is: text that is no text.
            let damaged = matches!(source.sqlite_error_code(), None | Some(DatabaseCorrupt | NotADatabase));
            // A file that ends before its own pages do: the tail of a long line is read past the cache.
            let short = source.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHORT_READ);
            (damaged || short).then(|| source.to_string())
        }
        Fault::File { .. } | Fault::Refused(_) | Fault::NoKey { .. } | Fault::Full { .. } => None,
    }
}

/// Tables of few rows under keys that are texts, or whose rows nothing else is held against: a row that one bit moved out of
/// its place is not found, and what is written beside it makes two of it.
const CHECKED: [&str; 6] = ["meta", "state", "epoch", "document", "leaving", "lost"];

/// Checks the small tables, and the whole file after a stop that was not in order.
fn sound(store: Store) -> Result<Store, Fault> {
    for table in CHECKED {
        verdict(&store, &format!("PRAGMA integrity_check({table})"))?;
    }
    let last: Option<u64> =
        store.row("SELECT max(seq) FROM record", [], "cannot read the head", |row| row.get(0))?.flatten();
    let clean = match last {
        Some(last) => super::tail::closed(&store, last)?.is_some_and(|closed| !closed.names_a_key()),
        None => false,
    };
    let large = fs::metadata(store.file()).is_ok_and(|found| found.len() > CHECK_MAX_BYTES);
    if clean || large {
        return Ok(store);
    }
    whole(&store)?;
    Ok(store)
}

/// Checks the whole file: minutes on a card. Whoever deletes rows because they say something wrong asks first: one bit of a
/// page leads to a page of another table, which would be freed with the records on it.
pub(super) fn whole(store: &Store) -> Result<(), Fault> {
    verdict(store, "PRAGMA quick_check(1)")
}

/// What a check of SQLite's says, where that is not "ok".
fn verdict(store: &Store, check: &str) -> Result<(), Fault> {
    let verdict: Option<String> = store.row(check, [], "cannot check the file", |row| row.get(0))?;
    if verdict.as_deref() == Some("ok") {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(store.disk("the file is damaged", rusqlite::Error::SqliteFailure(code, verdict)))
}

/// Carries over what can be read, and puts the new file in the place of the damaged one.
pub(super) fn replace(file: &Path, budget: u64, cause: &str) -> Result<Store, Fault> {
    let fresh = beside(file, ".new");
    remove(&fresh)?;
    let away = aside::free(file, aside::JOURNAL)?;
    // A budget that was made smaller holds no file that is there already.
    let there = [file.to_owned(), beside(file, "-wal")].into_iter().filter_map(|file| fs::metadata(file).ok());
    let there: u64 = there.map(|file| file.len()).sum();
    let store = Store::open(&fresh, budget.max(2 * there))?;
    store.transaction(|| {
        let kept = carry_over(&store, file)?;
        memory::refold(&store)?;
        let mut damage = untold(&store)?;
        damage.push(json!({ "what": "file", "cause": cause, "kept": kept, "aside": away.display().to_string() }));
        note(&store, &damage)
    })?;
    drop(store);
    finish(file, budget)?;
    Store::open(file, budget)
}

/// Finishes the exchange of files where the new one is whole; one that is not is made again.
fn finish(file: &Path, budget: u64) -> Result<(), Fault> {
    let fresh = beside(file, ".new");
    if !fresh.exists() {
        return Ok(());
    }
    let whole = Store::open(&fresh, budget).and_then(|store| untold(&store)).is_ok_and(|notes| !notes.is_empty());
    if !whole {
        return remove(&fresh);
    }
    let away = aside::free(file, aside::JOURNAL)?;
    // The log first: beside the new file it would be taken for its own.
    for suffix in ["-wal", ""] {
        rename(&beside(file, suffix), &beside(&away, suffix))?;
    }
    rename(&fresh, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(fault(folder, "cannot make the exchange of the damaged journal last"))
}

/// Damage that no record tells of yet.
pub(super) fn untold(store: &Store) -> Result<Damage, Fault> {
    let sql = "SELECT value FROM meta WHERE key = 'untold'";
    let note: Option<Text> = store.row(sql, [], "cannot read what is untold", |row| row.get(0))?;
    Ok(match note {
        Some(Text(Some(note))) => serde_json::from_str(&note).unwrap_or_else(|_| vec![note.into()]),
        Some(Text(None)) => vec![json!({ "what": "file", "cause": "what was found before cannot be read" })],
        None => Damage::new(),
    })
}

/// Notes damage until a record tells of it: in the transaction that mends it, or a fault between the two hides it.
pub(super) fn note(store: &Store, damage: &Damage) -> Result<(), Fault> {
    let mut once = Damage::new();
    // A mending that is tried again and again finds the same.
    for one in damage {
        if once.len() < NOTED_MAX && !once.contains(one) {
            once.push(one.clone());
        }
    }
    let text = serde_json::Value::from(once).to_string();
    let sql = "INSERT OR REPLACE INTO meta(key, value) VALUES('untold', ?1)";
    store.run(sql, [text], "cannot note the damage").map(drop)
}

/// A record tells of it.
pub(super) fn told(store: &Store) -> Result<(), Fault> {
    store.run("DELETE FROM meta WHERE key = 'untold'", [], "cannot note what was told").map(drop)
}

/// How many records were kept.
fn carry_over(store: &Store, from: &Path) -> Result<u64, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let Ok(old) = Connection::open_with_flags(from, flags) else { return Ok(0) };
    let mut kept = 0;
    for (table, columns) in KEPT {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let (key, names) = (columns[0].0, names.join(", "));
        kept = 0;
        // From both ends up to the first row that cannot be read: the head is what must not be lost.
        for order in ["ASC", "DESC"] {
            let select = format!("SELECT {names} FROM {table} ORDER BY {key} {order}");
            let places = (1..=columns.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
            let insert = format!("INSERT OR IGNORE INTO {table}({names}) VALUES({places})");
            // The opening of a branch stands before its first position (see `branch`).
            let least = if table == "branch" { -SEQ_MAX } else { 1 };
            kept += copy(store, &old, (&select, &insert), columns, least)?;
        }
    }
    Ok(kept)
}

fn copy(
    store: &Store,
    old: &Connection,
    (select, insert): (&str, &str),
    columns: &[Column],
    least: i64,
) -> Result<u64, Fault> {
    let Ok(mut statement) = old.prepare(select) else { return Ok(0) };
    let Ok(mut rows) = statement.query([]) else { return Ok(0) };
    let mut copied = 0;
    while let Ok(Some(row)) = rows.next() {
        let held = columns.iter().enumerate().map(|(n, (_, holds))| holds.taken(row.get_ref(n).ok()?));
        let Some(values) = held.collect::<Option<Vec<Value>>>() else { continue };
        if matches!(values.first(), Some(Value::Integer(key)) if !(least..=SEQ_MAX).contains(key)) {
            continue;
        }
        let whole = !values.contains(&Value::Null);
        let done = store.run(insert, params_from_iter(values), "cannot carry a row over")?;
        // The walk from the other end has met what is there, or a row that damage made none.
        if done == 0 && select.ends_with("DESC") && whole {
            break;
        }
        copied += done as u64;
    }
    Ok(copied)
}

fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(fault(from, "cannot set the damaged journal aside")(error))
        }
        _ => Ok(()),
    }
}

fn remove(fresh: &Path) -> Result<(), Fault> {
    for suffix in ["-wal", ""] {
        let path = beside(fresh, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(fault(&path, "cannot remove a half-made journal")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn fault(file: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Fault {
    let file = file.to_owned();
    move |source| Fault::File { file, doing, source }
}
