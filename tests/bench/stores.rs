//! What the journal and the central side hold, read by SQL from their files: the product's own counters are not asked.

use crate::gateway::GATEWAY;
use crate::logs::{Event, Record};
use crate::record_line::summary;
use rusqlite::{Connection, OpenFlags};
use simulator::stored;
use std::collections::BTreeMap;
use std::path::Path;

/// The records of one side, in order of their numbers.
#[derive(Debug)]
pub(crate) struct Held {
    /// The records.
    pub(crate) records: Vec<Record>,
    /// What stands beside the chain: lines set aside, refused, forked or waiting for their turn.
    pub(crate) beside: u64,
}

/// Reads the journal of an agent that has stopped.
pub(crate) fn journal(file: &Path) -> Result<Held, String> {
    read(file, "SELECT line FROM record ORDER BY seq", &["SELECT count(*) FROM quarantine"])
}

/// Reads the store of the central side.
pub(crate) fn central(file: &Path) -> Result<Held, String> {
    let lines = format!("SELECT line FROM record WHERE gw = '{GATEWAY}' ORDER BY seq");
    let beside = ["ahead", "fork", "quarantine"].map(|table| format!("SELECT count(*) FROM {table}"));
    read(file, &lines, &beside.each_ref().map(String::as_str))
}

/// Number of the last record of the central side, while it runs.
pub(crate) fn central_head(file: &Path) -> Result<u64, String> {
    let head = open(file).and_then(|db| {
        db.query_row("SELECT coalesce(max(seq), 0) FROM record WHERE gw = ?1", [GATEWAY], |row| row.get(0))
    });
    head.map_err(|error| format!("{}: {error}", file.display()))
}

/// The last record in a journal whose agent was killed. Looks at a copy in `aside`, so that the
/// next start finds every file as the kill left it.
pub(crate) fn head_after_kill(file: &Path, aside: &Path) -> Result<Record, String> {
    let told = |error: std::io::Error| format!("cannot copy {}: {error}", file.display());
    let copy = aside.join("copy.db");
    for suffix in ["", "-wal"] {
        let with = |path: &Path| std::path::PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::copy(with(file), with(&copy)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && suffix == "-wal" => {
                let _ = std::fs::remove_file(with(&copy));
            }
            other => drop(other.map_err(told)?),
        }
    }
    let _ = std::fs::remove_file(aside.join("copy.db-shm"));
    let line = Connection::open(&copy)
        .and_then(|db| db.query_row("SELECT line FROM record ORDER BY seq DESC LIMIT 1", [], stored::line));
    parsed(&line.map_err(|error| format!("copy of {}: {error}", file.display()))?)
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(db)
}

fn read(file: &Path, lines: &str, beside: &[&str]) -> Result<Held, String> {
    let gather = || -> rusqlite::Result<(Vec<String>, u64)> {
        let db = open(file)?;
        let lines = db.prepare(lines)?.query_map([], stored::line)?.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut count = 0;
        for sql in beside {
            count += db.query_row(sql, [], |row| row.get::<_, u64>(0))?;
        }
        Ok((lines, count))
    };
    let (lines, beside) = gather().map_err(|error| format!("{}: {error}", file.display()))?;
    let records = lines.iter().map(|line| parsed(line)).collect::<Result<_, _>>()?;
    Ok(Held { records, beside })
}

fn parsed(line: &str) -> Result<Record, String> {
    let summary = summary(line).ok_or_else(|| format!("a stored line is not a record: {line}"))?;
    Record::parse(&summary.split('\t').collect::<Vec<_>>()).ok_or_else(|| format!("not readable: {summary}"))
}

impl Held {
    /// How many numbers from 1 to the last are not there exactly once.
    pub(crate) fn holes(&self) -> u64 {
        let last = self.records.last().map_or(0, |record| record.seq);
        let numbers: std::collections::BTreeSet<u64> = self.records.iter().map(|record| record.seq).collect();
        last - numbers.len() as u64 + (self.records.len() - numbers.len()) as u64
    }

    /// Links by number.
    pub(crate) fn links(&self) -> BTreeMap<u64, &str> {
        self.records.iter().map(|record| (record.seq, record.link.as_str())).collect()
    }

    /// Every value with the epochs in which it is recorded, once for each record.
    pub(crate) fn events(&self) -> BTreeMap<Event, Vec<u64>> {
        let mut events: BTreeMap<Event, Vec<u64>> = BTreeMap::new();
        for record in &self.records {
            for event in &record.events {
                events.entry(*event).or_default().push(record.ep);
            }
        }
        events
    }
}

/// Values that stand twice in one epoch: recorded or stored twice. Values that a start reads again stand in another one.
pub(crate) fn doubled(events: &BTreeMap<Event, Vec<u64>>) -> u64 {
    let again = |epochs: &Vec<u64>| epochs.len() - epochs.iter().collect::<std::collections::BTreeSet<_>>().len();
    events.values().map(|epochs| again(epochs) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, ep: u64, value: i64) -> Record {
        let events = vec![((0, 'r', 0), value)];
        Record { seq, ep, link: format!("{seq:064x}"), kind: "readings".into(), events }
    }

    fn held(records: Vec<Record>) -> Held {
        Held { records, beside: 0 }
    }

    #[test]
    fn a_number_that_is_missing_or_twice_counts() {
        assert_eq!(held(vec![record(1, 1, 1), record(2, 1, 2)]).holes(), 0);
        assert_eq!(held(vec![record(1, 1, 1), record(4, 1, 2)]).holes(), 2);
        assert_eq!(held(vec![record(1, 1, 1), record(1, 1, 2)]).holes(), 1);
        assert_eq!(held(Vec::new()).holes(), 0);
    }

    #[test]
    fn a_value_twice_in_one_epoch_is_doubled_and_in_two_epochs_is_not() {
        let records = vec![record(1, 1, 7), record(2, 2, 7), record(3, 2, 8), record(4, 2, 8)];
        assert_eq!(doubled(&held(records).events()), 1);
    }
}
