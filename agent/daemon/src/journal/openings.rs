//! Where each epoch opens: rows that find what the records of an epoch are verified with. They say nothing that records do
//! not say: where one bit made them say something else, they are made again from these, before a record is taken for one
//! that nobody can verify.

use super::at_rest::{Line, may_open, numbered};
use super::damage::Damage;
use super::store::Store;
use super::tail::TAIL;
use super::{Credentials, Fault, salvage};
use picket_record::chain::{Parsed, verify};
use picket_record::kind::Kind;
use rusqlite::ToSql;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const DOING: &str = "cannot look for the openings of epochs";

/// Rows that are held against the records each time, the newest: the tail belongs to no more epochs than it has records.
const NEWEST: usize = TAIL as usize;
/// Records looked at for one that reads, from an end of an epoch: what does not read to its end is no word against a row.
const NEAR: u64 = TAIL;

/// Notes where an epoch opens, inside the transaction that stores the opening.
pub(super) fn note(store: &Store, ep: impl ToSql, seq: impl ToSql) -> Result<(), Fault> {
    // The number is new: a row that has it already is damaged, and must not be in the way. Its own opening is found again.
    let sql = "INSERT OR REPLACE INTO epoch(ep, seq) VALUES(?1, ?2)";
    store.run(sql, (ep, seq), "cannot note an epoch").map(drop)
}

/// How many rows are held against the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// [`NEWEST`], while the others rise: so that a start does not take longer with each one before it.
    Newest,
    /// All of them: records would be declared lost.
    All,
}

/// Holds rows against the records, and makes those again that say something else or are gone; whether there were such.
/// What is right costs three records for each row. Records are searched only where one belongs to another epoch than its
/// place says: between two openings that are right, so at most `EPOCH_RECORDS_MAX` for each epoch that is missing there.
pub(super) fn mend(store: &Store, credentials: &Credentials, which: Rows, damage: &mut Damage) -> Result<bool, Fault> {
    // A number that one bit made a text is none that a record may have.
    let sql = "SELECT ep, CASE typeof(seq) WHEN 'integer' THEN seq ELSE -1 END FROM epoch";
    let said: BTreeSet<(i64, i64)> =
        store.rows(sql, [], DOING, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    let last = number(store, "SELECT max(seq) FROM record")?.unwrap_or(0);
    let mut places = Places::read(store, credentials, &said, last, which)?;
    for range in places.unsure(store, last)? {
        places.opened.extend(search(store, credentials, range)?);
    }
    let right = places.agreed(store, last)?;
    let Some(cause) = difference(&said, &right) else { return Ok(false) };
    let rows = said.symmetric_difference(&right).map(|(ep, _)| ep).collect::<BTreeSet<_>>().len();
    tracing::warn!(rows, cause, "rows of epochs were damaged: they are made again from the records");
    salvage::whole(store)?;
    damage.push(json!({ "what": "epoch", "rows": rows, "cause": cause }));
    store.transaction(|| {
        salvage::note(store, damage)?;
        // All of them: under a key that is out of its order a row is not found.
        store.run("DELETE FROM epoch", [], DOING)?;
        right.iter().try_for_each(|(ep, seq)| note(store, *ep, *seq))
    })?;
    Ok(true)
}

/// The first thing that rows say wrong.
fn difference(said: &BTreeSet<(i64, i64)>, right: &BTreeSet<(i64, i64)>) -> Option<String> {
    if let Some((ep, seq)) = right.difference(said).next() {
        let says = said.range((*ep, i64::MIN)..=(*ep, i64::MAX)).next();
        let says = says.map_or("is gone".to_owned(), |(_, says)| format!("says {says}"));
        return Some(format!("epoch {ep} opens with record {seq}, its row {says}"));
    }
    let (ep, seq) = said.difference(right).next()?;
    Some(format!("the row of epoch {ep} says {seq}, and no record there opens it"))
}

/// Where epochs open, as far as it is known: number of the opening, epoch.
struct Places {
    /// The opening is there and says so, or nobody looked: the row is one of many and in its order.
    opened: BTreeMap<u64, u64>,
    /// What is there does not read, or nothing is: the row alone says so.
    doubtful: BTreeMap<u64, u64>,
    /// From here on each was looked at; 0 where all were.
    from: u64,
}

impl Places {
    fn read(
        store: &Store,
        credentials: &Credentials,
        said: &BTreeSet<(i64, i64)>,
        last: u64,
        which: Rows,
    ) -> Result<Self, Fault> {
        let within = |(ep, seq): &(i64, i64)| {
            let (ep, seq) = (u64::try_from(*ep).ok()?, u64::try_from(*seq).ok()?);
            (ep > 0 && (1..=last).contains(&seq)).then_some((ep, seq))
        };
        let rows: Vec<(u64, u64)> = said.iter().filter_map(within).collect();
        let rise = rows.len() == said.len() && rows.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1);
        let older = if rise && which == Rows::Newest { rows.len().saturating_sub(NEWEST) } else { 0 };
        let mut places = Self { opened: BTreeMap::new(), doubtful: BTreeMap::new(), from: 0 };
        for (n, (ep, seq)) in rows.into_iter().enumerate() {
            if n < older {
                places.opened.insert(seq, ep);
                places.from = seq;
                continue;
            }
            let line = store.line(seq)?;
            match line.as_deref().and_then(|line| record_of(seq, line)) {
                Some((found, Kind::EpochOpen)) if found == ep => drop(places.opened.insert(seq, ep)),
                Some((_, Kind::EpochOpen)) => places.opened.extend(search(store, credentials, (seq, seq))?),
                Some(_) => {}
                None => drop(places.doubtful.insert(seq, ep)),
            }
        }
        Ok(places)
    }

    /// Each place with the last number before the next one, those that nobody looked at left out.
    fn stretches(&self, last: u64) -> Vec<(u64, u64, u64)> {
        let all: BTreeMap<u64, u64> = self.doubtful.iter().chain(&self.opened).map(|(seq, ep)| (*seq, *ep)).collect();
        let ends = all.keys().skip(1).map(|next| next - 1).chain([last]);
        all.iter().zip(ends).map(|((seq, ep), end)| (*ep, *seq, end)).filter(|(_, seq, _)| *seq >= self.from).collect()
    }

    /// Ranges that hold an opening no place tells of: their records are of more than one epoch, or of another one.
    fn unsure(&self, store: &Store, last: u64) -> Result<Vec<(u64, u64)>, Fault> {
        let mut ranges = Vec::new();
        let stretches = self.stretches(last);
        if let Some(oldest) = number(store, "SELECT min(seq) FROM record")?.filter(|_| self.from == 0) {
            // The opening of the oldest records may have been disposed of.
            let end = stretches.first().map_or(last, |(_, first, _)| first.saturating_sub(1));
            let (first, newest) = ends(store, (oldest, end))?;
            let opens = first.is_some_and(|(_, kind)| kind == Kind::EpochOpen);
            if opens || first.map(|(ep, _)| ep) != newest.map(|(ep, _)| ep) {
                ranges.push((oldest, end));
            }
        }
        for (ep, seq, end) in stretches {
            let (first, newest) = ends(store, (seq, end))?;
            if [first, newest].into_iter().flatten().any(|(found, _)| found != ep) {
                ranges.push((seq, end));
            }
        }
        Ok(ranges)
    }

    /// What rows are to say: epoch, number. One that alone says so stays where no record around it speaks against it.
    fn agreed(mut self, store: &Store, last: u64) -> Result<BTreeSet<(i64, i64)>, Fault> {
        for (ep, seq, end) in self.stretches(last) {
            if !self.doubtful.contains_key(&seq) {
                continue;
            }
            let ((_, newest), (first, _)) = (ends(store, (1, seq - 1))?, ends(store, (seq, end))?);
            let elsewhere = newest.is_some_and(|(found, _)| found == ep) || first.is_some_and(|(found, _)| found != ep);
            let before = self.opened.range(..seq).next_back().is_some_and(|(_, before)| *before >= ep);
            let after = self.opened.range(seq..).next().is_some_and(|(_, after)| *after <= ep);
            if before || after || elsewhere {
                self.doubtful.remove(&seq);
            }
        }
        let mut rows = BTreeMap::new();
        for (seq, ep) in self.opened.into_iter().chain(self.doubtful) {
            // A second opening of one epoch counts for nobody.
            rows.entry(ep).or_insert(seq);
        }
        // Numbers of records and epochs stay below 2^53.
        Ok(rows.into_iter().filter_map(|(ep, seq)| Some((i64::try_from(ep).ok()?, i64::try_from(seq).ok()?))).collect())
    }
}

/// Epoch and kind of a line, where it is the record of its number.
fn record_of(seq: u64, line: &[u8]) -> Option<(u64, Kind)> {
    Parsed::read_bytes(line).ok().filter(|record| record.seq == seq).map(|record| (record.ep, record.kind))
}

/// The first and the last record of a range that read.
type Ends = (Option<(u64, Kind)>, Option<(u64, Kind)>);

fn ends(store: &Store, (from, to): (u64, u64)) -> Result<Ends, Fault> {
    let near = |sql: &str| -> Result<Option<(u64, Kind)>, Fault> {
        let fault = |source| store.disk(DOING, source);
        let mut statement = store.prepare(sql).map_err(fault)?;
        let mut rows = statement.query((from, to, NEAR)).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let (seq, line) = numbered(row).map_err(fault)?;
            if let Some(record) = record_of(seq, &line) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    };
    let first = near("SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3")?;
    let last = near("SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT ?3")?;
    Ok((first, last))
}

/// The openings in a range that the identity signed: number and epoch.
fn search(store: &Store, credentials: &Credentials, (from, to): (u64, u64)) -> Result<Vec<(u64, u64)>, Fault> {
    let fault = |source| store.disk(DOING, source);
    let epochs = credentials.epochs();
    let sql = "SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let mut statement = store.prepare(sql).map_err(fault)?;
    let mut rows = statement.query((from, to)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        if !may_open(row.get_ref(1).map_err(fault)?) {
            continue;
        }
        let (seq, Line(line)): (u64, Line) = (row.get(0).map_err(fault)?, row.get(1).map_err(fault)?);
        let opened = Parsed::read_bytes(&line).ok().and_then(|record| verify(&record, &epochs).ok().flatten());
        found.extend(opened.filter(|opened| opened.seq() == seq).map(|opened| (seq, opened.ep())));
    }
    Ok(found)
}

fn number(store: &Store, sql: &str) -> Result<Option<u64>, Fault> {
    store.row(sql, [], DOING, |row| row.get::<_, Option<u64>>(0)).map(Option::flatten)
}
