//! Space: disposing of what has a receipt. A state row whose record goes is said again first, in a signed `snapshot`, so
//! that no row ever stands on a record that is not there, and the oldest open alarm does not fill the disk.

use super::own_words::own_words;
use super::store::Store;
use super::{Fault, Journal, memory};
use picket_core::memory::{KEPT, Stated};
use picket_core::wire::StateRow;
use picket_record::body::{Body, When};
use picket_record::chain::Sealer;
use picket_record::encode::PAYLOAD_MAX;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};

/// Space is made from here on: below the 70 % at which routine records would be dropped.
const PRUNE_FROM_PERMILLE: u16 = 600;
/// Records disposed of at a time: a few milliseconds.
const PRUNE_STEP: u64 = 500;
/// An epoch is closed before its time for so many records at least: else a full journal would open one after another.
const EPOCH_LEAST: u64 = 100;
/// Bytes of rows that one record says again: what the other fields of its payload leave.
const KEPT_BYTES: usize = PAYLOAD_MAX - 1_024;
/// Records that say rows again at a time: about as much as what is disposed of.
const KEPT_PARTS: usize = 64;
/// Most records that one step writes, each `records.disposed` included: of the range, summaries, a branch, the quarantine.
pub(super) const PRUNE_WRITES: u64 = KEPT_PARTS as u64 + super::summaries::STEPS as u64 + 3;
/// Rows are said again only while all of them take less than this share of the budget: else the journal would turn over
/// for nothing but its own rows.
const ROWS_SHARE: u64 = 4;

/// Why records are disposed of, and on whose authority.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    pub(super) why: &'a str,
    pub(super) text: &'a str,
}

pub(super) const SPACE: Authority<'static> = Authority { why: "space", text: "disk budget of the settings" };

/// Rows to be said again, one map for each record (see [`KEPT`]).
pub(super) type Parts = Vec<Map<String, Value>>;

impl Journal {
    /// Disposes of the oldest records that have a stored receipt, and states it, while space is short.
    pub(super) fn prune_if_needed(&mut self, when: &When) -> Result<(), Fault> {
        if self.store.fill_permille() < PRUNE_FROM_PERMILLE {
            return Ok(());
        }
        // A full journal takes no append, and with none the receipt that would make room was never written.
        if self.receipts.waits() {
            self.store.transaction(|| self.receipts.write(&self.store))?;
            self.receipts.written();
        }
        if self.epoch_holds_space()? {
            self.rotate(when)?;
        }
        // Two commits: were one reported as failed although it is there, no row would stand on what it deleted.
        let Some(range) = self.say_rows_again(when, u64::MAX)? else {
            // Where records give no more room, a branch does.
            return self.dispose_of_branch(when, u64::MAX, SPACE).map(drop);
        };
        self.in_one(|store, sealer| dispose(store, sealer, when, range, SPACE))?;
        self.bound_summaries(when)
    }

    /// Says the rows again that stand on the oldest range, up to a limit; the range, which nothing stands on any more.
    pub(super) fn say_rows_again(&mut self, when: &When, limit: u64) -> Result<Option<(u64, u64)>, Fault> {
        let Some((from, to)) = self.oldest_range()? else { return Ok(None) };
        let to = to.min(limit);
        if from > to {
            return Ok(None);
        }
        let (to, parts) = self.rows_on(from, to)?;
        if !parts.is_empty() {
            self.in_one(|store, sealer| say_again(store, sealer, when, parts))?;
        }
        Ok((to >= from).then_some((from, to)))
    }

    pub(super) fn in_one(&mut self, work: impl FnOnce(&Store, &mut Sealer) -> Result<(), Fault>) -> Result<(), Fault> {
        let Self { store, sealer, .. } = self;
        let before = sealer.head();
        let done = store.transaction(|| work(store, sealer));
        if done.is_err() {
            sealer.rewind(before);
        }
        done
    }

    /// Whether records of the current epoch alone could make room: it is closed before its time, because the opening of
    /// the epoch that is written in stays.
    fn epoch_holds_space(&self) -> Result<bool, Fault> {
        let first = self.number("SELECT min(seq) FROM record")?;
        let opened = self.sealer.opened();
        Ok(first == Some(opened) && self.receipts.stored() >= opened + EPOCH_LEAST)
    }

    /// The oldest range with a written receipt, before the opening of the current epoch: the rest could not be checked
    /// without that.
    fn oldest_range(&self) -> Result<Option<(u64, u64)>, Fault> {
        let Some(from) = self.number("SELECT min(seq) FROM record")? else { return Ok(None) };
        let receipted = self.receipts.stored();
        // What was left and the central side does not have yet stays, though its numbers have a receipt.
        let untold = super::branch::first_untold(&self.store)?.unwrap_or(u64::MAX);
        // Space does not wait for the first summary: a journal that is full could not store it.
        let summed_up = self.summed_up()?.unwrap_or(u64::MAX);
        let to = receipted.min(self.sealer.opened() - 1).min(from + PRUNE_STEP - 1).min(untold - 1).min(summed_up);
        Ok((to >= from).then_some((from, to)))
    }

    /// Records up to here are summed up: what a day brought outlives its records. `None` before the first summary.
    pub(super) fn summed_up(&self) -> Result<Option<u64>, Fault> {
        let sql = "SELECT body FROM state WHERE key = ?1";
        let doing = "cannot look for the last summary";
        let body: Option<String> = self.store.row(sql, [picket_core::summary::ROW], doing, |row| row.get(0))?;
        Ok(body.and_then(|body| serde_json::from_str::<Value>(&body).ok()?.get("to")?.as_u64()))
    }

    /// The rows that stand on a range, in parts that fit a record; and how far the range goes with them.
    fn rows_on(&mut self, from: u64, to: u64) -> Result<(u64, Parts), Fault> {
        let doing = "cannot look for the rows that records stand for";
        let sql = "SELECT key, said, body, seq FROM state WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let rows: Vec<(String, u64, String, u64)> =
            self.store.rows(sql, (from, to), doing, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let Some(first) = rows.first().map(|(.., seq)| *seq) else { return Ok((to, Vec::new())) };
        if self.rows_take_too_much()? {
            return Ok((first - 1, Vec::new()));
        }
        let mut parts = Parts::new();
        let mut free = 0;
        for (key, said, body, seq) in rows {
            let row = json!([said, body]);
            let size = size_of(&key, &row);
            if size > free && parts.len() == KEPT_PARTS || size > KEPT_BYTES {
                return Ok((seq - 1, parts));
            }
            if size > free {
                parts.push(Map::new());
                free = KEPT_BYTES;
            }
            free -= size;
            if let Some(part) = parts.last_mut() {
                part.insert(key, row);
            }
        }
        Ok((to, parts))
    }

    fn rows_take_too_much(&mut self) -> Result<bool, Fault> {
        let sum = self.number("SELECT sum(length(key) + length(body)) FROM state")?.unwrap_or(0);
        let budget = self.store.budget();
        let too_much = sum > budget / ROWS_SHARE;
        if too_much && !std::mem::replace(&mut self.told_of_rows, true) {
            tracing::warn!(
                sum,
                budget,
                "open alarms and remembered messages take more than a quarter of the journal: nothing older than they \
                 are is disposed of; raise budget_mib under [journal]"
            );
        }
        Ok(too_much)
    }

    fn number(&self, sql: &str) -> Result<Option<u64>, Fault> {
        let doing = "cannot look for records to dispose of";
        self.store.row(sql, [], doing, |row| row.get::<_, Option<u64>>(0)).map(Option::flatten)
    }
}

/// Rows in as many records as they need. One that fits none is left out: its texts are bounded far below.
pub(super) fn parts_of(rows: Vec<StateRow>) -> Parts {
    let mut parts = Parts::new();
    let mut free = 0;
    for StateRow { key, body, seq } in rows {
        let row = json!([seq, body]);
        let size = size_of(&key, &row);
        if size > KEPT_BYTES {
            tracing::error!(key, "a row is too large to be said again");
            continue;
        }
        if size > free {
            parts.push(Map::new());
            free = KEPT_BYTES;
        }
        free -= size;
        if let Some(part) = parts.last_mut() {
            part.insert(key, row);
        }
    }
    parts
}

/// As JSON text, quotes and backslashes escaped, with colon and comma.
fn size_of(key: &str, row: &Value) -> usize {
    Value::from(key).to_string().len() + row.to_string().len() + 2
}

fn say_again(store: &Store, sealer: &mut Sealer, when: &When, parts: Parts) -> Result<(), Fault> {
    for part in parts {
        let body = own_words(when, Kind::Snapshot, Severity::Info, json!({ KEPT: part }));
        let seq = write(store, sealer, &body)?;
        memory::apply(store, seq, Stated::of(&body))?;
    }
    Ok(())
}

/// States the range and deletes it.
pub(super) fn dispose(
    store: &Store,
    sealer: &mut Sealer,
    when: &When,
    (from, to): (u64, u64),
    authority: Authority<'_>,
) -> Result<(), Fault> {
    let data = json!({ "from": from, "to": to, "why": authority.why, "authority": authority.text });
    write(store, sealer, &own_words(when, Kind::RecordsDisposed, Severity::Notice, data))?;
    let doing = "cannot dispose of records";
    super::summaries::keep(store, (from, to))?;
    super::branch::keep_openings(store, (from, to))?;
    super::personal::forget(store, (from, to))?;
    store.run("DELETE FROM record WHERE seq BETWEEN ?1 AND ?2", (from, to), doing)?;
    store.run("DELETE FROM epoch WHERE seq <= ?1", [to], doing).map(drop)
}

pub(super) fn write(store: &Store, sealer: &mut Sealer, body: &Body) -> Result<u64, Fault> {
    let sealed = sealer.seal(body).map_err(|refusal| Fault::Refused(refusal.to_string()))?;
    let doing = "cannot state what is disposed of";
    store.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", (sealed.seq, &sealed.line), doing)?;
    Ok(sealed.seq)
}
