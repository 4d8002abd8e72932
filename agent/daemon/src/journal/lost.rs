//! What of the journal's own records is gone or unreadable for good. A signed `journal.recovered` declares it (`lost`),
//! and the central side crosses the hole: one damaged record must not hold up every receipt behind it.
//!
//! **Layout.** `lost(first, last)`: ranges that were declared, each once.

use super::damage;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::chain::{Epochs, Parsed, verify};
use picket_record::kind::Severity;
use picket_record::receipt::{RANGES_MAX, Range};
use picket_record::refusal::Refusal;
use serde_json::json;

/// Records that are read at most for one receipt, signatures included: about 50 milliseconds. What holds up the chain
/// lies at the front of what is asked for.
const LOOK_MAX: u64 = 512;

impl Journal {
    /// Looks at what the central side asks for again, and declares what cannot be sent. The numbers of the records that
    /// do, which go first.
    pub(super) fn declare_lost(&mut self, asked: &[Range], when: &When) -> Result<Vec<u64>, Fault> {
        let (upto, head) = (self.receipts.upto(), self.sealer.head().seq);
        let mut lost = Vec::new();
        for (from, to) in asked {
            let (from, to) = ((*from).max(upto + 1), (*to).min(head));
            if from <= to && lost.len() < RANGES_MAX {
                lost.extend(self.undeclared(self.unreadable(from, to, LOOK_MAX)?)?);
            }
        }
        lost.sort_unstable();
        let Some(last) = lost.last().map(|(_, last)| *last) else { return Ok(Vec::new()) };
        // Nothing of this epoch can be verified: its records go up to where the next one opens.
        if last >= self.sealer.opened() && lost.iter().any(|(a, b)| (*a..=*b).contains(&self.sealer.opened())) {
            let opened = self.sealer.opened();
            self.rotate(when)?;
            let end = self.sealer.opened() - 1;
            lost.retain(|(first, _)| *first < opened);
            lost.push((opened, end));
        }
        self.state_lost(&lost, Vec::new(), when)
    }

    /// The record that tells of damage, and of what is lost with it.
    pub(super) fn state_lost(&mut self, lost: &[Range], found: damage::Damage, when: &When) -> Result<Vec<u64>, Fault> {
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
        self.note_declared(&lost)?;
        Ok(stored.urgent)
    }

    /// Each range is declared once.
    pub(super) fn note_declared(&self, ranges: &[Range]) -> Result<(), Fault> {
        let doing = "cannot note what was declared";
        for (first, last) in ranges {
            let sql =
                "INSERT INTO lost(first, last) VALUES(?1, ?2) ON CONFLICT(first) DO UPDATE SET last = excluded.last";
            self.store.run(sql, (first, last), doing)?;
        }
        self.store.run("DELETE FROM lost WHERE last <= ?1", [self.receipts.upto()], doing).map(drop)
    }

    /// Numbers in a range whose record is not there, does not read, or that nobody can verify; of at most so many rows.
    pub(super) fn unreadable(&self, from: u64, to: u64, rows_max: u64) -> Result<Vec<Range>, Fault> {
        let sql = "SELECT seq, CAST(line AS BLOB) FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3";
        let rows: Vec<(u64, Vec<u8>)> =
            self.store.rows(sql, (from, to, rows_max), "cannot read records", |row| Ok((row.get(0)?, row.get(1)?)))?;
        let origin = &self.credentials.origin;
        let mut epochs =
            Epochs::new(origin.gw.clone(), self.credentials.identity.public()).at_site(origin.site.clone());
        let (mut lost, mut next) = (Vec::new(), from);
        let whole = (rows.len() as u64) < rows_max;
        for (seq, line) in rows {
            if seq > next {
                lost.push((next, seq - 1));
            }
            if !self.is_good(seq, &line, &mut epochs)? {
                lost.push((seq, seq));
            }
            next = seq + 1;
        }
        if whole && next <= to {
            lost.push((next, to));
        }
        Ok(joined(lost))
    }

    fn is_good(&self, seq: u64, line: &[u8], epochs: &mut Epochs) -> Result<bool, Fault> {
        let Ok(record) = Parsed::read_bytes(line) else { return Ok(false) };
        if record.seq != seq {
            return Ok(false);
        }
        let verified = match verify(&record, epochs) {
            Err(Refusal::UnknownEpoch { ep }) => {
                if !self.know_epoch(ep, epochs)? {
                    // Without its opening nobody can verify it, but for who has that already.
                    return self.opening_has_receipt(ep);
                }
                verify(&record, epochs)
            }
            verified => verified,
        };
        Ok(match verified {
            Ok(Some(opened)) => {
                epochs.restore(opened.ep(), opened.key().clone());
                true
            }
            Ok(None) => true,
            Err(_) => false,
        })
    }

    fn know_epoch(&self, ep: u64, epochs: &mut Epochs) -> Result<bool, Fault> {
        let sql = "SELECT CAST(line AS BLOB) FROM epoch JOIN record USING(seq) WHERE ep = ?1";
        let line: Option<Vec<u8>> = self.store.row(sql, [ep], "cannot read an epoch", |row| row.get(0))?;
        let opened = line.and_then(|line| {
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
        if let Some(opened) = opened {
            return Ok(opened <= upto);
        }
        // Its mark went with the record: the last record with a receipt tells.
        let line = self.store.line(upto)?;
        Ok(line.is_some_and(|line| Parsed::read_bytes(&line).is_ok_and(|record| record.ep >= ep)))
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
