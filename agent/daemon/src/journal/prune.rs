//! Space: disposing of what has a receipt.

use super::open::own_words;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

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
        // A full journal takes no append, and with none the receipt that would make room was never written.
        if self.receipts.waits() {
            self.store.transaction(|| self.receipts.write(&self.store))?;
            self.receipts.written();
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
