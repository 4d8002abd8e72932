//! The store of a central system: one SQLite file, one writer, open to readers of other processes at any time.
//!
//! Tables, stable for readers by SQL:
//!
//! | table | one row is |
//! |---|---|
//! | `record(gw, seq, ep, kind, sev, eq, link, line, received_ms)` | a verified record in its place; 1 to the highest `seq` of a gateway without a hole but those in `lost` |
//! | `ahead(` as `record` `)` | a verified record whose turn has not come |
//! | `fork(` as `record`, `branch)` | a genuine record of another history than the one in `record` |
//! | `branch(gw, id, from_seq, last_seq, ep, opened_seq, since_ms, why, records, beyond, contradicts, left_behind, left_ms)` | another history; `beyond` of its records were not kept; the gateway went on behind record `left_behind` |
//! | `rollback(gw, seq, ep, tail_state, found_seq, found_fits, received_ms)` | an opening behind a receipt: the disk was restored or lost a tail, and ended with `found_seq` |
//! | `lost(gw, from_seq, to_seq, declared_by, since_ms)` | a hole that the gateway declared in record `declared_by`; what arrives of it later is in `record` all the same |
//! | `personal(gw, seq, link, salt, text, erased_by, received_ms)` | what the record `seq` with this link commits to, in whatever history, or by which record it was erased |
//! | `erased(gw, from_seq, to_seq, by_seq)` | what record `by_seq` erased, also of what had not come yet |
//! | `life(gw, heard_ms, every_s, stopped, silent_ms, stopped_seq)` | when a genuine record last came, and since when heartbeats are missed; whether it is stopped is the word of record `stopped_seq` |
//! | `revoked(gw, after_seq, approved_by, at_ms)` | records above `after_seq` are kept and not trusted; `trusted_record` has the others |
//! | `quarantine(id, gw, received_ms, reason, line)` | a refused line; `gw` is `?` for gateways never accepted |
//! | `quarantined(gw, total, dropped)` | how many lines were ever refused, and how many of these are no longer kept |
//! | `epoch(gw, ep, epk, open_seq)` | the key of an epoch |
//! | `receipt(gw, n, upto, state, ts_ms, line)` | a receipt: the last thousand, and the newest of each day |
//! | `gateway(gw, site, identity, accepted_line, accepted_link)` | an accepted gateway |
//! | `certificate(gw, key, until_s, made_ms, line)` | a certificate that was issued for the line of a gateway; `key` is the digest of its key |
//! | `unordered_drill(gw, id, auth, why, from_seq, last_seq, records, since_ms)` | records that say they are of a drill which nobody ordered here; they are live |
//! | `left_out(gw, why)` | a gateway that nothing is done for, because what the store holds of it cannot be read |
//! | `token(id, site, gw, exp_ms, used_ms)` | a token for one enrolment |
//! | `ordered(gw, ver, link, line, register, approved_by, made_ms)` | an order; the newest of a gateway is the one that counts |
//! | `commanded(gw, n, line, approved_by, made_ms)` | a command, which is sent for ten minutes |
//! | `open_alarm(gw, alarm_id, rule, eq, sev, raised_seq, raised_ms, cleared_seq, acked_seq, ahead, unknown_seq, ep, said_seq)` | an alarm that is not closed; `ahead` 1 until the chain reaches its record, beside the row of an older alarm of this name; `ep` the epoch of that record; since record `unknown_seq` the gateway, put back to an older state, no longer knows it, or that record is its own and lost; record `said_seq` was the last to say it anew |
//! | `lost_alarm(gw, raised_seq, alarm_id, rule, eq, sev, raised_ms, ep)` | the beginning of an alarm whose record was shown, was not kept and is lost |
//! | `closed_alarm(gw, alarm_id, raised_seq, unknown_seq, closed_by, at_ms)` | such an alarm that a person closed here |
//! | `answered(gw, about, n, seq, reason, cause, received_ms)` | the last word of a gateway, in record `seq`, on the `order`, `command` or `root` that it took, or that it `... refused` |
//!
//! `record` has a rowid: lines of many gateways are appended at one end of one tree and only the small entries of the
//! key go elsewhere. Clustered by the key, every gateway would split pages of its own and leave them half full.

mod alarms;
mod answers;
mod branches;
mod certificates;
mod drills;
mod gateways;
mod late;
mod lives;
mod losses;
mod lost_alarms;
mod orders;
mod personal;
mod records;
mod refold;
mod refused;
mod rot;
mod schema;

pub(crate) use alarms::{fold, show_ahead, withdraw, withdraw_before, withdraw_passed};
pub(crate) use answers::{About, Answer, answers, save_answer};
pub(crate) use branches::{
    Keeping, Kept, Rollback, ahead_before, forget_fork, fork_openings, insert_rollback, is_forked, keep, last_rollback,
    leave,
};
pub(crate) use certificates::{Kept as KeptCertificate, certificate, certificates_since, insert_certificate};
pub(crate) use drills::insert_unordered_drill;
pub use gateways::Accepted;
pub(crate) use gateways::{
    Found, KnownEpoch, accepted, all_accepted, epochs, insert_epoch, insert_receipt, last_receipt, prune_receipts,
};
pub(crate) use late::{Late, fold_late, follow};
pub(crate) use lives::{Life, all_revoked, life, save_life, version};
pub(crate) use losses::{ahead_declarations, first_ahead, in_place, insert_lost, is_lost, named_by_next, stored_at};
pub(crate) use lost_alarms::keep_lost;
pub use orders::{Commanded, Issued, Ordered};
pub(crate) use orders::{command_lines, commands_after, last_command, newest_mark, newest_order, order_lines};
pub(crate) use personal::{disclose, erase, is_disclosed, is_erased};
pub(crate) use records::{
    Row, Table, ahead_count, ahead_of_epoch, ahead_openings, ahead_ranges, delete_ahead, fork_count, head, insert,
    link_in_place, link_waiting, set_aside, waiting,
};
pub(crate) use refused::quarantine;
pub(crate) use rot::{alone, leave_out, try_again};

use picket_record::chain::Head;
use picket_record::encode::Name;
use picket_record::keys::PublicKey;
use picket_record::token::TokenId;
use refold::Refold;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Before 3.51.3 (2026-03-13) two connections that write and checkpoint can damage a WAL while it is reset.
const SQLITE_MIN: i32 = 3_051_003;
/// Longest wait for another process that writes (`picket-central accept`).
const BUSY: Duration = Duration::from_secs(5);

/// A fault of the store. What was not committed is lost and nothing of it was acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("{doing} in the store {}", path.display())]
pub struct StoreError {
    path: PathBuf,
    doing: &'static str,
    source: rusqlite::Error,
}

impl StoreError {
    /// Whether what one row holds cannot be read, while the store itself can.
    pub(crate) fn is_rot(&self) -> bool {
        rot::is_rot(&self.source)
    }
}

/// What became of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// The gateway is registered and its token used up.
    Done,
    /// A gateway of this name was accepted before.
    NameTaken,
    /// The token was used before.
    TokenUsed,
}

/// The store, opened by its one writer or by a reader.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens for writing and makes what is missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        assert!(rusqlite::version_number() >= SQLITE_MIN, "the bundled SQLite is older than 3.51.3");
        let connection = Connection::open(path).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            // What is erased is written over in its page; the log and what lies below the file may still have it.
            connection.pragma_update(None, "secure_delete", "FAST")?;
            schema::make(&connection)?;
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            // 2 is FULL. Read back, because SQLite ignores what it cannot do.
            if mode != "wal" || synchronous != 2 {
                return Err(rusqlite::Error::InvalidQuery);
            }
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        });
        let fault = |source| StoreError { path: path.to_owned(), doing: "opening", source };
        Ok(Self { connection: connection.map_err(fault)?, path: path.to_owned() })
    }

    /// Opens for reading, beside the writer or without one.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        });
        let fault = |source| StoreError { path: path.to_owned(), doing: "opening", source };
        Ok(Self { connection: connection.map_err(fault)?, path: path.to_owned() })
    }

    /// Registers an accepted gateway. Another acceptance of the same name is refused by the store.
    pub fn accept(&mut self, accepted_line: &str, accepted: &Accepted) -> Result<(), StoreError> {
        self.write("accepting a gateway", |connection| gateways::insert_accepted(connection, accepted_line, accepted))
    }

    /// Trusts no record of a gateway after this one; an earlier one wins over a later.
    pub fn revoke(&mut self, gw: &Name, after: u64, by: &str, now_ms: i64) -> Result<(), StoreError> {
        let doing = "revoking a gateway";
        let before = self.read(doing, lives::all_revoked)?.into_iter().find(|(name, _)| name == gw.as_str());
        let after = before.map_or(after, |(_, before)| before.min(after));
        let mut refold = self.folded(doing, gw, after)?;
        self.write(doing, |db| {
            lives::revoke(db, gw, after, by, now_ms)?;
            // What came meanwhile.
            while refold.step(db, gw, after)? {}
            refold.show(db, gw, after)
        })
    }

    /// The alarms of a gateway as they stood after a record. Others can write meanwhile.
    fn folded(&self, doing: &'static str, gw: &Name, after: u64) -> Result<Refold, StoreError> {
        let mut refold = Refold::new().map_err(|source| StoreError { path: self.path.clone(), doing, source })?;
        while self.read(doing, |db| refold.step(db, gw, after))? {}
        Ok(refold)
    }

    /// Closes an alarm that its gateway, put back to an older state, no longer knows; false where there is none.
    pub fn close_alarm(&mut self, gw: &Name, alarm: &str, by: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.write("closing an alarm", |db| alarms::close_unknown(db, gw, alarm, by, now_ms))
    }

    /// The line of an acceptance that was given with the same values before.
    pub fn acceptance(&self, site: &Name, gw: &Name, identity: &PublicKey) -> Result<Option<String>, StoreError> {
        self.read("reading an acceptance", |db| gateways::accepted_line(db, site, gw, identity))
    }

    /// Notes a token that is given out.
    pub fn issue(&mut self, id: &TokenId, issued: &Issued) -> Result<(), StoreError> {
        self.write("noting a token", |db| orders::insert_token(db, id, issued))
    }

    /// A token that was given out.
    pub fn issued(&self, id: &TokenId) -> Result<Option<Issued>, StoreError> {
        self.read("reading a token", |db| orders::token(db, id))
    }

    /// Uses a token up and registers the gateway, or does neither.
    pub fn enrol(
        &mut self,
        id: &TokenId,
        line: &str,
        accepted: &Accepted,
        now_ms: i64,
    ) -> Result<Enrolled, StoreError> {
        self.write("enrolling a gateway", |db| {
            if gateways::accepted(db, accepted.gw.as_str())?.is_some() {
                return Ok(Enrolled::NameTaken);
            }
            if !orders::use_token(db, id, now_ms)? {
                return Ok(Enrolled::TokenUsed);
            }
            gateways::insert_accepted(db, line, accepted)?;
            Ok(Enrolled::Done)
        })
    }

    /// An accepted gateway.
    pub fn gateway(&self, gw: &Name) -> Result<Option<Accepted>, StoreError> {
        self.read("reading a gateway", |db| gateways::accepted(db, gw.as_str()))
    }

    /// The newest record of a gateway in its place, and when it came, in milliseconds since 1970 UTC.
    pub fn head(&self, gw: &Name) -> Result<Option<(Head, i64)>, StoreError> {
        let head = self.read("reading the newest record", |db| records::head(db, gw))?;
        Ok(head.map(|(head, received_ms, _)| (head, received_ms)))
    }

    /// The newest order for a gateway.
    pub fn newest_order(&self, gw: &Name) -> Result<Option<Ordered>, StoreError> {
        self.read("reading an order", |db| orders::newest_order(db, gw))
    }

    /// Keeps an order to be sent. A version is given once.
    pub fn order(&mut self, gw: &Name, order: &Ordered, by: &str, now_ms: i64) -> Result<(), StoreError> {
        self.write("keeping an order", |db| orders::insert_order(db, gw, order, by, now_ms))
    }

    /// Number of the newest command to a gateway, 0 for none.
    pub fn last_command(&self, gw: &Name) -> Result<u64, StoreError> {
        self.read("reading a command", |db| orders::last_command(db, gw))
    }

    /// Keeps a command to be sent.
    pub fn command(&mut self, gw: &Name, command: &Commanded, by: &str) -> Result<(), StoreError> {
        self.write("keeping a command", |db| orders::insert_command(db, gw, command, by))
    }

    /// One transaction: all of it is durable when this returns, or nothing of it ever was.
    pub(crate) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let run = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        let result: rusqlite::Result<T> = run();
        result.map_err(|source| StoreError { path: self.path.clone(), doing, source })
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|source| StoreError { path: self.path.clone(), doing, source })
    }
}
