//! What a central side that was restored from a backup lacks, and this journal has disposed of since: nobody can send it
//! any more. A signed `records.disposed` says so once more, ahead of the backlog, and the central side goes over the hole
//! instead of asking for it for ever.

use super::own_words::own_words;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::chain::Parsed;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

impl Journal {
    /// The last of the numbers behind `upto` that were disposed of; 0 where the next record is here. Records whose opening
    /// went with them belong to it where the central side lacks that: it cannot verify them.
    pub(super) fn gone_behind(&self, upto: u64) -> Result<u64, Fault> {
        let doing = "cannot look for what was disposed of";
        let sql = "SELECT min(seq) FROM record";
        let first: Option<u64> = self.store.row(sql, [], doing, |row| row.get(0))?.flatten();
        // The oldest records are disposed of, and none without a receipt: another hole is lost, or was never here.
        let Some(first) = first.filter(|first| *first > upto + 1 && *first <= self.receipts.most() + 1) else {
            return Ok(0);
        };
        let line = self.store.line(first)?;
        let ep = line.and_then(|line| Parsed::read_bytes(&line).ok().map(|record| record.ep));
        if ep.is_some_and(|ep| self.receipts.has_opening(ep)) {
            return Ok(first - 1);
        }
        let sql = "SELECT min(seq) FROM epoch WHERE seq >= ?1";
        let opening: Option<u64> = self.store.row(sql, [first], doing, |row| row.get(0))?.flatten();
        Ok(opening.unwrap_or(first) - 1)
    }

    /// States it once for each such receipt, ahead of everything.
    pub(super) fn state_gone(&mut self, upto: u64, gone: u64, when: &When) -> Result<(), Fault> {
        for (from, to) in self.undeclared(vec![(upto + 1, gone)])? {
            tracing::warn!(
                from,
                to,
                "the central side was restored without records that are no longer here: it is told"
            );
            let authority = "said again: the central side was restored without them";
            let data = json!({ "from": from, "to": to, "why": "restored", "authority": authority });
            let stored = self.commit(&[own_words(when, Kind::RecordsDisposed, Severity::Security, data)])?;
            self.note_declared(stored.head, &[(from, to)])?;
        }
        Ok(())
    }
}
