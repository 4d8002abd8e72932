//! Summaries of days outlive the records that they sum up, with the openings that they are verified with.
//!
//! **Layout.** `summary(seq, line)`: each `summary.day`, without its line while that lies in `record`; and openings of
//! epochs that hold one and are disposed of.

use super::at_rest::{Line, numbered};
use super::own_words::own_words;
use super::prune::{self, Authority};
use super::store::Store;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::chain::Parsed;
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};

/// Kept summaries take at most this share of the budget.
const SHARE: u64 = 4;
/// Summaries disposed of by one record, and such records at a time: more than one step of pruning brings along.
const STEP: u64 = 64;
pub(super) const STEPS: usize = 16;
/// The record of the gateway is the last of its summary: so many are looked through for one, which leaves room for some
/// that do not read.
const GROUP_MAX: u64 = 64;

/// A record is a summary: it is to be kept.
pub(super) fn mark(store: &Store, seq: u64) -> Result<(), Fault> {
    store.run("INSERT OR IGNORE INTO summary(seq) VALUES(?1)", [seq], "cannot mark a summary").map(drop)
}

/// Records from here on are no longer in their place: another record takes the number of a summary.
pub(super) fn unmark(store: &Store, from: u64) -> Result<(), Fault> {
    let sql = "DELETE FROM summary WHERE seq >= ?1 AND line IS NULL";
    store.run(sql, [from], "cannot take back the mark of a summary").map(drop)
}

/// Takes over what outlives a range, inside the transaction that deletes it. Before the marks of its epochs go.
pub(super) fn keep(store: &Store, (from, to): (u64, u64)) -> Result<(), Fault> {
    let doing = "cannot keep the summaries";
    let sql = "UPDATE summary SET line = (SELECT line FROM record WHERE record.seq = summary.seq)
               WHERE seq BETWEEN ?1 AND ?2 AND line IS NULL";
    store.run(sql, (from, to), doing)?;
    let sql = "INSERT OR IGNORE INTO summary(seq, line)
               SELECT e.seq, record.line FROM epoch e JOIN record USING(seq)
               WHERE e.seq BETWEEN ?1 AND ?2 AND EXISTS (
                   SELECT 1 FROM summary s WHERE s.seq > e.seq
                   AND s.seq < coalesce((SELECT min(n.seq) FROM epoch n WHERE n.seq > e.seq), s.seq + 1))";
    store.run(sql, (from, to), doing).map(drop)
}

/// Records up to here are summed up by summaries before a number.
pub(super) fn summed_up_before(store: &Store, seq: u64) -> Result<u64, Fault> {
    let doing = "cannot look for the summary before a branch";
    let sql = "SELECT coalesce(summary.line, record.line) FROM summary LEFT JOIN record USING(seq)
               WHERE summary.seq < ?1 ORDER BY summary.seq DESC LIMIT ?2";
    let lines: Vec<Option<Line>> = store.rows(sql, (seq, GROUP_MAX), doing, |row| row.get(0))?;
    let to = lines.iter().flatten().find_map(|Line(line)| {
        let record = Parsed::read_bytes(line).ok().filter(|record| record.kind == Kind::SummaryDay)?;
        record.eq.is_none().then(|| record.data().get("to").and_then(Value::as_u64))?
    });
    Ok(to.unwrap_or(0))
}

impl Journal {
    /// Where kept summaries take more than their share, the eldest go, and that is stated.
    pub(super) fn bound_summaries(&mut self, when: &When) -> Result<(), Fault> {
        for _ in 0..STEPS {
            let eldest = self.too_many_summaries()?;
            let (Some(from), Some(to)) = (eldest.first(), eldest.last()) else { break };
            self.dispose_of_summaries(when, (*from, *to), &eldest)?;
        }
        Ok(())
    }

    /// The eldest, where all take more than their share. An opening stays while a later one is not among them: summaries
    /// that follow it, here or in `record` still, are verified with it.
    fn too_many_summaries(&self) -> Result<Vec<u64>, Fault> {
        let doing = "cannot look for kept summaries";
        // Bytes of the text, which SQLite tells without reading it.
        let sql = "SELECT coalesce(sum(octet_length(line)), 0) FROM summary";
        let bytes: u64 = self.store.row(sql, [], doing, |row| row.get(0))?.unwrap_or(0);
        if bytes <= self.store.budget() / SHARE {
            return Ok(Vec::new());
        }
        let sql = "SELECT seq, line FROM summary WHERE line IS NOT NULL ORDER BY seq LIMIT ?1";
        let eldest: Vec<(u64, Vec<u8>)> = self.store.rows(sql, [STEP + 1], doing, numbered)?;
        let opens = |line: &[u8]| Parsed::read_bytes(line).is_ok_and(|record| record.kind == Kind::EpochOpen);
        let needed = eldest.iter().rposition(|(_, line)| opens(line));
        let going = eldest.iter().enumerate().take(STEP as usize).filter(|(at, _)| Some(*at) != needed);
        Ok(going.map(|(_, (seq, _))| *seq).collect())
    }

    fn dispose_of_summaries(&mut self, when: &When, (from, to): (u64, u64), seqs: &[u64]) -> Result<(), Fault> {
        tracing::warn!(from, to, "kept summaries take a quarter of the journal: the eldest are disposed of");
        self.in_one(|store, sealer| {
            let Authority { why, text } = prune::SPACE;
            let data = json!({ "from": from, "to": to, "why": why, "authority": text, "what": "summaries" });
            let body = own_words(when, Kind::RecordsDisposed, Severity::Notice, data);
            prune::write(store, sealer, &body)?;
            for seq in seqs {
                store.run("DELETE FROM summary WHERE seq = ?1", [seq], "cannot dispose of summaries")?;
            }
            Ok(())
        })
    }

    /// Kept summaries and their openings behind a number, as many as fit a slice.
    pub(super) fn summary_lines(&self, after: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let sql = "SELECT seq, line FROM summary WHERE seq > ?1 AND line IS NOT NULL ORDER BY seq";
        let mut text = Vec::new();
        let through = self.store.take_lines(sql, [after], &mut text, "cannot read the summaries")?;
        Ok(through.map(|through| (through, text)))
    }
}
