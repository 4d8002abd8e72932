//! Holes that records declare as lost while they wait for their turn.

use super::Gateway;
use crate::store;
use picket_record::chain::Parsed;
use picket_record::kind::Kind;
use rusqlite::Connection;

/// Holes that are declared by records that wait: eight declarations as long as they can be.
const DECLARED_MAX: usize = 256;

impl Gateway {
    /// Keeps in mind what a record that waits declares as lost, or as disposed of: where that reaches beyond the chain,
    /// this store was restored from a backup, and nobody has it any more. Past the limit the farthest hole gives way, and is read
    /// again once nearer ones are behind.
    pub(in crate::ingest) fn declare(&mut self, record: &Parsed<'_>) {
        for (from, to) in record.lost().into_iter().chain(disposed(record)) {
            let hole = (from, to, record.seq);
            if to <= self.head.seq || self.declared.contains(&hole) {
                continue;
            }
            self.declared.push(hole);
            if self.declared.len() > DECLARED_MAX {
                self.declared_more = true;
                let farthest = self.declared.iter().enumerate().max_by_key(|(_, hole)| hole.0);
                self.declared.swap_remove(farthest.map_or(0, |(index, _)| index));
            }
        }
    }

    /// Whether reading the declarations again can find a hole that did not fit before.
    pub(in crate::ingest) fn may_redeclare(&self) -> bool {
        self.declared_more && self.declared_at < self.head.seq
    }

    /// Reads again what waits and declares something.
    pub(in crate::ingest) fn redeclare(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let gw = self.accepted.gw.clone();
        self.declared.clear();
        (self.declared_more, self.declared_at) = (false, self.head.seq);
        for row in store::ahead_declarations(db, &gw)? {
            // What cannot be read is set aside when its turn comes.
            if let Ok(record) = row.record(&gw) {
                self.declare(&record);
            }
        }
        Ok(())
    }

    /// Who declares these numbers as lost, if somebody does for every one of them.
    pub(in crate::ingest) fn declared_by(&self, from: u64, to: u64) -> Option<u64> {
        let (mut at, mut by) = (from, None);
        while at <= to {
            let hole = self.declared.iter().filter(|(a, b, _)| *a <= at && at <= *b).max_by_key(|(_, b, _)| *b)?;
            (at, by) = (hole.1 + 1, Some(hole.2));
        }
        by
    }
}

/// The numbers that a record says were disposed of.
fn disposed(record: &Parsed<'_>) -> Option<(u64, u64)> {
    // Every record that waits comes by here, and reading its data costs more than all the rest.
    if record.kind != Kind::RecordsDisposed {
        return None;
    }
    let data = record.data();
    let number = |field: &str| data.get(field).and_then(serde_json::Value::as_u64);
    let range = number("from").zip(number("to")).filter(|_| !data.contains_key("what"));
    range.filter(|(from, to)| 1 <= *from && from <= to && *to < record.seq)
}
