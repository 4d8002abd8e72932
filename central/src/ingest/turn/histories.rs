//! Records of other histories, and openings that leave one.

use super::Turn;
use crate::store::{self, Keeping, Kept, Rollback};
use picket_record::chain::{Head, OpenedEpoch, Parsed, TailState};
use picket_record::encode::bytes32;
use rusqlite::Result;
use serde_json::Value;

/// Records of other histories kept for each gateway; a gateway that goes on in a wrong history repeats itself.
const FORK_MAX: u64 = 10_000;

impl Turn<'_> {
    /// A record that only the key of another history verifies: part of that, wherever it stands.
    pub(super) fn of_branch(&mut self, record: &Parsed<'_>, branch: u64) -> Result<()> {
        self.fork(record, None, Some(branch), "its epoch was opened in another history")
    }

    /// The gateway's disk was restored or lost a tail, or it was told to go on here: what is of another history and of
    /// an epoch before this one was left, what waits of it too.
    pub(super) fn left(&mut self, record: &Parsed<'_>, before: Head) -> Result<()> {
        let gw = record.gw.clone();
        let data = record.data();
        let tail = data.get("tail");
        let found = tail.and_then(|tail| tail.get("seq")).and_then(Value::as_u64);
        let hash =
            tail.and_then(|tail| tail.get("hash")).and_then(Value::as_str).and_then(|text| bytes32(text, "hash").ok());
        let fits = match (found, hash) {
            (Some(0), _) | (None, _) | (_, None) => None,
            (Some(seq), Some(hash)) if seq <= before.seq => {
                store::link_in_place(self.db, &gw, seq)?.map(|link| link == hash)
            }
            (Some(_), Some(_)) => Some(false),
        };
        let rollback = Rollback {
            seq: record.seq,
            ep: record.ep,
            tail_state: record.tail_state().map_or("", TailState::as_str),
            found: found.map(|seq| (seq, fits)),
            received_ms: self.now.wall_ms,
        };
        store::insert_rollback(self.db, &gw, &rollback)?;
        store::leave(self.db, &gw, before.seq, self.now.wall_ms)?;
        self.gateway.leave(record);
        tracing::warn!(%gw, found, behind = before.seq, "the disk of the gateway was restored or lost a tail");
        store::withdraw_before(self.db, &gw, record.ep)?;
        for row in store::ahead_before(self.db, &gw, record.ep)? {
            let waiting = match row.record(&gw) {
                Ok(waiting) => waiting,
                Err(why) => {
                    self.spoiled(&row, &why)?;
                    continue;
                }
            };
            store::delete_ahead(self.db, &gw, waiting.seq)?;
            store::withdraw(self.db, &gw, waiting.seq)?;
            self.gateway.ahead -= 1;
            let opened = self.gateway.opened(&waiting);
            self.fork(&waiting, opened.as_ref(), None, "it waited, and the gateway went on without it")?;
        }
        // What was left declares nothing any more.
        self.gateway.redeclare(self.db)
    }

    /// A genuine record of another history. Said to the gateway until it goes on with the first one, unless it is of one
    /// that it left already.
    pub(super) fn fork(
        &mut self,
        record: &Parsed<'_>,
        opened: Option<&OpenedEpoch>,
        of: Option<u64>,
        why: &str,
    ) -> Result<()> {
        let contradicts = self.gateway.left_behind(record.ep).is_none();
        if self.beside(record, opened, of, why, contradicts)? && contradicts {
            self.gateway.pending.fork = true;
            self.gateway.forked = true;
        }
        Ok(())
    }

    /// Keeps a record of another history; true if it was not there before.
    pub(super) fn beside(
        &mut self,
        record: &Parsed<'_>,
        opened: Option<&OpenedEpoch>,
        of: Option<u64>,
        why: &str,
        contradicts: bool,
    ) -> Result<bool> {
        self.tally.forks += 1;
        let room = self.gateway.forks < FORK_MAX;
        let left_behind = self.gateway.left_behind(record.ep);
        let keeping = Keeping { received_ms: self.now.wall_ms, of, why, room, left_behind, contradicts };
        let branch = match store::keep(self.db, record, keeping)? {
            Kept::Known => return Ok(false),
            Kept::New { branch } => branch,
        };
        self.gateway.forks += u64::from(room);
        if let Some(opened) = opened {
            self.gateway.hold_branch(opened, branch);
        }
        Ok(true)
    }
}
