//! Space: disposing of what has a receipt. A state row whose record goes is said again first, in a signed `snapshot`, so
//! that no row ever stands on a record that is not there, and the oldest open alarm does not fill the disk.

use super::own_words::own_words;
use super::store::Store;
use super::{Fault, Journal, memory};
use picket_core::memory::{KEPT, Stated};
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
/// Most records that one step writes, `records.disposed` included.
pub(super) const PRUNE_WRITES: u64 = KEPT_PARTS as u64 + 1;
/// Rows are said again only while all of them take less than this share of the budget: else the journal would turn over
/// for nothing but its own rows.
const ROWS_SHARE: u64 = 4;

/// What one step does.
struct Step {
    from: u64,
    to: u64,
    /// Rows to be said again, one map of bodies by key for each record.
    kept: Vec<Map<String, Value>>,
}

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
        let Some(step) = self.next_step()? else { return Ok(()) };
        let Self { store, sealer, .. } = self;
        let before = sealer.head();
        let done = store.transaction(|| dispose(store, sealer, when, step));
        if done.is_err() {
            sealer.rewind(before);
        }
        done
    }

    /// Whether records of the current epoch alone could make room: it is closed before its time, because the opening of
    /// the epoch that is written in stays.
    fn epoch_holds_space(&self) -> Result<bool, Fault> {
        let first = self.number("SELECT min(seq) FROM record")?;
        let receipted = self.number("SELECT upto FROM receipt ORDER BY n DESC LIMIT 1")?;
        Ok(first == Some(self.sealer.opened())
            && receipted.is_some_and(|upto| upto >= self.sealer.opened() + EPOCH_LEAST))
    }

    /// The oldest range with a written receipt, before the opening of the current epoch: the rest could not be checked
    /// without that.
    fn next_step(&self) -> Result<Option<Step>, Fault> {
        let first = self.number("SELECT min(seq) FROM record")?;
        let receipted = self.number("SELECT upto FROM receipt ORDER BY n DESC LIMIT 1")?;
        let (Some(from), Some(receipted)) = (first, receipted) else { return Ok(None) };
        let to = receipted.min(self.sealer.opened() - 1).min(from + PRUNE_STEP - 1);
        if to < from {
            return Ok(None);
        }
        let (to, kept) = self.rows_on(from, to)?;
        Ok((to >= from).then_some(Step { from, to, kept }))
    }

    /// The rows that stand on a range, in parts that fit a record; and how far the range goes with them.
    fn rows_on(&self, from: u64, to: u64) -> Result<(u64, Vec<Map<String, Value>>), Fault> {
        let doing = "cannot look for the rows that records stand for";
        let sql = "SELECT key, body, seq FROM state WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let rows: Vec<(String, String, u64)> =
            self.store.rows(sql, (from, to), doing, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let Some(first) = rows.first().map(|(_, _, seq)| *seq) else { return Ok((to, Vec::new())) };
        let sum = self.number("SELECT sum(length(key) + length(body)) FROM state")?.unwrap_or(0);
        if sum > self.store.budget() / ROWS_SHARE {
            return Ok((first - 1, Vec::new()));
        }
        let mut parts: Vec<Map<String, Value>> = Vec::new();
        let mut free = 0;
        for (key, body, seq) in rows {
            // As JSON text, quotes and backslashes escaped, with colon and comma.
            let (key_json, body) = (Value::from(key.as_str()), Value::from(body));
            let size = key_json.to_string().len() + body.to_string().len() + 2;
            if size > free && parts.len() == KEPT_PARTS || size > KEPT_BYTES {
                return Ok((seq - 1, parts));
            }
            if size > free {
                parts.push(Map::new());
                free = KEPT_BYTES;
            }
            free -= size;
            if let Some(part) = parts.last_mut() {
                part.insert(key, body);
            }
        }
        Ok((to, parts))
    }

    fn number(&self, sql: &str) -> Result<Option<u64>, Fault> {
        let doing = "cannot look for records to dispose of";
        self.store.row(sql, [], doing, |row| row.get::<_, Option<u64>>(0)).map(Option::flatten)
    }
}

/// Says the rows again, states the range, and deletes it.
fn dispose(store: &Store, sealer: &mut Sealer, when: &When, step: Step) -> Result<(), Fault> {
    for part in step.kept {
        let body = own_words(when, Kind::Snapshot, Severity::Info, json!({ KEPT: part }));
        let seq = write(store, sealer, &body)?;
        memory::apply(store, seq, Stated::of(&body))?;
    }
    let data = json!({ "from": step.from, "to": step.to, "why": "space", "authority": "disk budget of the settings" });
    write(store, sealer, &own_words(when, Kind::RecordsDisposed, Severity::Notice, data))?;
    let doing = "cannot dispose of records";
    store.run("DELETE FROM record WHERE seq BETWEEN ?1 AND ?2", (step.from, step.to), doing)?;
    store.run("DELETE FROM epoch WHERE seq <= ?1", [step.to], doing).map(drop)
}

fn write(store: &Store, sealer: &mut Sealer, body: &Body) -> Result<u64, Fault> {
    let sealed = sealer.seal(body).map_err(|refusal| Fault::Refused(refusal.to_string()))?;
    let doing = "cannot state what is disposed of";
    store.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", (sealed.seq, &sealed.line), doing)?;
    Ok(sealed.seq)
}
