//! What of the journal's own records is gone or unreadable for good. A signed `journal.recovered` declares it (`lost`),
//! and the central side crosses the hole: one damaged record must not hold up every receipt behind it.
//!
//! **Layout.** `lost(first, last)`: ranges that were declared, each once.

use super::at_rest::{Line, Text};
use super::damage::{self, Damage};
use super::openings::{self, Rows};
use super::store::Store;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::chain::{Epochs, Parsed, verify};
use picket_record::kind::Severity;
use picket_record::receipt::{RANGES_MAX, Range};
use picket_record::refusal::Refusal;
use serde_json::json;

/// Records that are read at most for one receipt, signatures included: tens of milliseconds of the journal's thread. What
/// holds up the chain lies at the front of what is asked for, and more is asked for with the next receipt.
const LOOK_MAX: u64 = 512;

impl Journal {
    /// Looks at what the central side asks for again, and declares what cannot be sent.
    pub(super) fn declare_lost(&mut self, asked: &[Range], when: &When) -> Result<(), Fault> {
        let (mut lost, mut found) = (self.lost_of(asked)?, Damage::new());
        // A damaged row of an epoch makes all of its records ones that nobody can verify.
        if !lost.is_empty() && openings::mend(&self.store, &self.credentials, Rows::All, &mut found)? {
            lost = self.lost_of(asked)?;
        }
        let Some(last) = lost.last().map(|(_, last)| *last) else { return self.state_mended(&[], found, when) };
        // Nothing of this epoch can be verified: its records go up to where the next one opens.
        if last >= self.sealer.opened() && lost.iter().any(|(a, b)| (*a..=*b).contains(&self.sealer.opened())) {
            let opened = self.sealer.opened();
            self.rotate(when)?;
            let end = self.sealer.opened() - 1;
            lost.retain(|(first, _)| *first < opened);
            lost.push((opened, end));
        }
        self.state_mended(&lost, found, when)
    }

    /// States what was mended and what is lost, where that is anything.
    fn state_mended(&mut self, lost: &[Range], found: Damage, when: &When) -> Result<(), Fault> {
        let mended = !found.is_empty();
        if mended || !lost.is_empty() {
            self.state_lost(lost, found, when)?;
        }
        if mended { super::salvage::told(&self.store) } else { Ok(()) }
    }

    /// What cannot be sent of these ranges, and no record declares yet; rising.
    fn lost_of(&self, asked: &[Range]) -> Result<Vec<Range>, Fault> {
        let (upto, head) = (self.receipts.upto(), self.sealer.head().seq);
        let (mut lost, mut left) = (Vec::new(), LOOK_MAX);
        for (from, to) in asked {
            let (from, to) = ((*from).max(upto + 1), (*to).min(head));
            for (from, to) in self.undeclared(vec![(from, to)])? {
                if lost.len() < RANGES_MAX {
                    lost.extend(self.unreadable(from, to, &mut left)?);
                }
            }
        }
        lost.sort_unstable();
        Ok(lost)
    }

    /// The record that tells of damage, and of what is lost with it.
    pub(super) fn state_lost(&mut self, lost: &[Range], found: Damage, when: &When) -> Result<(), Fault> {
        let mut lost = joined(lost.to_vec());
        lost.truncate(RANGES_MAX);
        if !lost.is_empty() {
            tracing::warn!(?lost, "records are gone or unreadable for good; the central side is told");
        }
        let mut body = damage::recovered(when, found);
        if !lost.is_empty() {
            body.data.insert("lost".into(), json!(lost));
            // Ahead of the backlog: nothing of that has a receipt before the hole is crossed.
            body.severity = Severity::Security;
        }
        let stored = self.commit(&[body])?;
        if lost.is_empty() {
            return Ok(());
        }
        self.note_declared(stored.head, &lost)
    }

    /// A record declares these ranges, each once, and goes ahead of everything.
    pub(super) fn note_declared(&mut self, by: u64, ranges: &[Range]) -> Result<(), Fault> {
        if self.declared.len() < DECLARED_MAX {
            self.declared.push(by);
        }
        self.declared_is_news = true;
        let upto = self.receipts.upto();
        let (store, declared) = (&self.store, &self.declared);
        store.transaction(|| {
            keep_declared(store, declared)?;
            let doing = "cannot note what was declared";
            for (first, last) in ranges {
                let sql = "INSERT INTO lost(first, last) VALUES(?1, ?2)
                           ON CONFLICT(first) DO UPDATE SET last = excluded.last";
                store.run(sql, (first, last), doing)?;
            }
            store.run("DELETE FROM lost WHERE last <= ?1", [upto], doing).map(drop)
        })
    }

    /// Records that declare a loss and have no receipt yet, where that is news: they go ahead of everything.
    pub fn declared(&mut self) -> Option<Vec<u64>> {
        std::mem::take(&mut self.declared_is_news).then(|| self.declared.clone())
    }

    /// What has a receipt up to here needs no other lane.
    pub(super) fn declared_receipted(&mut self, upto: u64) {
        self.declared.retain(|seq| *seq > upto);
    }

    /// Numbers in a range whose record is not there, does not read, or that nobody can verify; of at most so many rows.
    /// An epoch whose opening is lost is lost up to the next one, and is not read.
    pub(super) fn unreadable(&self, from: u64, to: u64, left: &mut u64) -> Result<Vec<Range>, Fault> {
        let fault = |source| self.store.disk("cannot read records", source);
        let mut epochs = self.credentials.epochs();
        let sql = "SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let (mut lost, mut next) = (Vec::new(), from);
        while next <= to && *left > 0 {
            let mut statement = self.store.prepare(sql).map_err(fault)?;
            let mut rows = statement.query((next, to)).map_err(fault)?;
            let mut passed = false;
            while !passed && *left > 0 {
                *left -= 1;
                let Some(row) = rows.next().map_err(fault)? else {
                    lost.extend((next <= to).then_some((next, to)));
                    return Ok(joined(lost));
                };
                let seq: u64 = row.get(0).map_err(fault)?;
                let Line(line) = row.get(1).map_err(fault)?;
                lost.extend((seq > next).then(|| (next, seq - 1)));
                next = seq + 1;
                match self.judged(seq, &line, &mut epochs)? {
                    Row::Good => {}
                    Row::Lost => lost.push((seq, seq)),
                    Row::LostWithEpoch(last) => {
                        let last = last.min(to).max(seq);
                        lost.push((seq, last));
                        next = last + 1;
                        passed = true;
                    }
                }
            }
        }
        Ok(joined(lost))
    }

    fn judged(&self, seq: u64, line: &[u8], epochs: &mut Epochs) -> Result<Row, Fault> {
        let Some(record) = Parsed::read_bytes(line).ok().filter(|record| record.seq == seq) else {
            return Ok(Row::Lost);
        };
        let verified = match verify(&record, epochs) {
            Err(Refusal::UnknownEpoch { ep }) => {
                if !self.know_epoch(ep, epochs)? {
                    // Without its opening nobody can verify it, but for who has that already.
                    return Ok(match self.opening_has_receipt(ep)? {
                        true => Row::Good,
                        false => Row::LostWithEpoch(self.end_of(ep)?),
                    });
                }
                verify(&record, epochs)
            }
            verified => verified,
        };
        Ok(match verified {
            Ok(Some(opened)) => {
                epochs.restore(opened.ep(), opened.key().clone());
                Row::Good
            }
            Ok(None) => Row::Good,
            Err(_) => Row::Lost,
        })
    }

    /// The last number before the next epoch opens.
    fn end_of(&self, ep: u64) -> Result<u64, Fault> {
        let sql = "SELECT min(seq) FROM epoch WHERE ep > ?1";
        let next: Option<u64> = self.store.row(sql, [ep], "cannot read an epoch", |row| row.get(0))?.flatten();
        Ok(next.map_or(u64::MAX, |next| next - 1))
    }

    fn know_epoch(&self, ep: u64, epochs: &mut Epochs) -> Result<bool, Fault> {
        let sql = "SELECT line FROM epoch JOIN record USING(seq) WHERE ep = ?1";
        let line: Option<Line> = self.store.row(sql, [ep], "cannot read an epoch", |row| row.get(0))?;
        let opened = line.and_then(|Line(line)| {
            let record = Parsed::read_bytes(&line).ok()?;
            verify(&record, epochs).ok().flatten().filter(|opened| opened.ep() == ep)
        });
        let Some(opened) = opened else { return Ok(false) };
        epochs.restore(ep, opened.key().clone());
        Ok(true)
    }

    fn opening_has_receipt(&self, ep: u64) -> Result<bool, Fault> {
        let upto = self.receipts.upto();
        let sql = "SELECT seq FROM epoch WHERE ep = ?1";
        let opened: Option<u64> = self.store.row(sql, [ep], "cannot read an epoch", |row| row.get(0))?;
        // Its mark goes with the record that is disposed of.
        Ok(opened.map_or(self.receipts.has_opening(ep), |opened| opened <= upto))
    }

    /// A record that was declared lost lies there, or is missed by the one behind it, until it is disposed of: every start
    /// finds it again.
    pub(super) fn leave_out_declared(&self, damage: &mut Damage) -> Result<(), Fault> {
        let mut news = Damage::new();
        for finding in damage.drain(..) {
            let seq = finding["seq"].as_u64().filter(|_| finding["what"] == "record");
            let left = seq.map(|seq| self.undeclared(vec![(seq.saturating_sub(1), seq)])).transpose()?;
            if left.is_none_or(|left| left.iter().map(|(from, to)| to - from + 1).sum::<u64>() == 2) {
                news.push(finding);
            }
        }
        *damage = news;
        Ok(())
    }

    /// What of these ranges no record declares yet.
    pub(super) fn undeclared(&self, ranges: Vec<Range>) -> Result<Vec<Range>, Fault> {
        let Some((first, _)) = ranges.first().copied() else { return Ok(ranges) };
        let sql = "SELECT first, last FROM lost WHERE last >= ?1 ORDER BY first";
        let declared: Vec<Range> =
            self.store.rows(sql, [first], "cannot read what was declared", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(ranges.into_iter().flat_map(|range| without(range, &declared)).collect())
    }
}

/// What a row is.
enum Row {
    /// It can be sent.
    Good,
    /// It cannot.
    Lost,
    /// Nor can what follows it, up to this number: the opening of its epoch is lost.
    LostWithEpoch(u64),
}

/// What is kept of declarations besides the ranges: which records they are, because those go ahead of everything.
const DECLARED: &str = "declared";

/// Most of them, the first ones: each tells of 32 ranges.
const DECLARED_MAX: usize = 1_024;

fn keep_declared(store: &Store, declared: &[u64]) -> Result<(), Fault> {
    let text = json!(declared).to_string();
    let sql = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)";
    store.run(sql, [DECLARED, &text], "cannot note what was declared").map(drop)
}

/// Records that declare a loss, behind a number.
pub(super) fn declared_after(store: &Store, upto: u64) -> Result<Vec<u64>, Fault> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    let text: Option<Text> = store.row(sql, [DECLARED], "cannot read what was declared", |row| row.get(0))?;
    let all: Vec<u64> = text.and_then(|Text(text)| serde_json::from_str(&text?).ok()).unwrap_or_default();
    Ok(all.into_iter().filter(|seq| *seq > upto).collect())
}

/// Nothing counts as declared any more: the records that said so are no longer where they were, or what they name is
/// not. What is asked for is declared once more.
pub(super) fn forget_declared(store: &Store) -> Result<(), Fault> {
    let doing = "cannot forget what was declared";
    store.run("DELETE FROM lost", [], doing)?;
    store.run("DELETE FROM meta WHERE key = ?1", [DECLARED], doing).map(drop)
}

/// The same where one of those records, or what it declares, is behind the last record.
pub(super) fn cut_behind(store: &Store, head: u64) -> Result<(), Fault> {
    let sql = "SELECT max(last) FROM lost";
    let last: Option<u64> = store.row(sql, [], "cannot read what was declared", |row| row.get(0))?.flatten();
    if last.is_some_and(|last| last > head) || !declared_after(store, head)?.is_empty() {
        forget_declared(store)?;
    }
    Ok(())
}

/// Rising ranges, those that touch as one.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some((_, last)) if from <= *last + 1 => *last = to.max(*last),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// A range less others, which rise.
fn without((mut from, to): Range, others: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    for (first, last) in others {
        if *last < from || *first > to {
            continue;
        }
        if from < *first {
            left.push((from, first - 1));
        }
        from = last + 1;
    }
    if from <= to {
        left.push((from, to));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one_and_what_was_declared_is_cut_out() {
        assert_eq!(joined(vec![(5, 6), (1, 2), (3, 3), (6, 9)]), [(1, 3), (5, 9)]);
        assert_eq!(without((1, 10), &[(2, 3), (7, 20)]), [(1, 1), (4, 6)]);
        assert_eq!(without((1, 10), &[(1, 10)]), []);
        assert_eq!(without((4, 10), &[(1, 3)]), [(4, 10)]);
    }
}
