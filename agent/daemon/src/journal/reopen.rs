//! After a fault of the disk: close, open, check, go on in the same epoch. The connection that saw the fault is not
//! asked again: it says "malformed" of files that are whole.

use super::damage::Damage;
use super::memory::StateCheck;
use super::openings::Rows;
use super::tail::{TAIL, set_tail_aside};
use super::{Fault, Journal, salvage};
use picket_record::body::When;
use picket_record::chain::Parsed;
use picket_record::kind::Kind;
use serde_json::{Value, json};

impl Journal {
    /// Opens the file again and brings it in step with the head in memory, which was told outside; states what was
    /// found. After a fault the next append tries again.
    pub(super) fn reopen(&mut self, when: &When) -> Result<(), Fault> {
        let (file, budget) = (self.store.file().to_owned(), self.store.budget());
        self.store.shut()?;
        self.store = salvage::open(&file, budget)?;
        let (lost, mut damage) = match self.in_step() {
            Ok(found) => found,
            Err(fault) => {
                let Some(cause) = salvage::damage_of(&fault) else { return Err(fault) };
                self.store.shut()?;
                self.store = salvage::replace(&file, budget, &cause)?;
                self.in_step()?
            }
        };
        if lost {
            // The opening of this epoch may be among what is gone: the next start could verify nothing without one.
            self.rotate(when)?;
        }
        tracing::warn!(faults = damage.len(), "the journal was opened again after a fault of the disk");
        // What was found may have taken records along that were told outside: without them no receipt would go on.
        let lost = if damage.len() > 1 { self.lost_at_the_end()? } else { Vec::new() };
        super::aside::bound(&self.store, &file, budget, &mut damage)?;
        self.state_lost(&lost, damage, when)?;
        salvage::told(&self.store)
    }

    /// Brings the file in step with the head in memory. Whether records that were told outside are gone, and what was found.
    fn in_step(&mut self) -> Result<(bool, Damage), Fault> {
        let mut damage = vec![json!({ "what": "reopened" })];
        damage.extend(salvage::untold(&self.store)?);
        self.decide()?;
        let lost = self.match_head(&mut damage)?;
        super::openings::mend(&self.store, &self.credentials, Rows::Newest, &mut damage)?;
        StateCheck::run(&self.store, self.sealer.head().seq, &mut damage)?;
        Ok((lost, damage))
    }

    fn lost_at_the_end(&self) -> Result<Vec<(u64, u64)>, Fault> {
        let head = self.sealer.head().seq;
        let sql = "SELECT max(seq) FROM record WHERE seq < ?1";
        let opened = self.sealer.opened();
        let before: Option<u64> = self.store.row(sql, [opened], "cannot read the head", |row| row.get(0))?.flatten();
        let from = before.unwrap_or(0).saturating_sub(TAIL).max(self.receipts.upto() + 1);
        if from > head {
            return Ok(Vec::new());
        }
        self.undeclared(self.unreadable(from, head, &mut { 2 * TAIL })?)
    }

    /// What a `records.disposed` that is set aside says: its records are gone all the same.
    fn disposed_beyond(&self, head: u64) -> Result<Option<Value>, Fault> {
        let Some(line) = self.store.line(head + 1)? else { return Ok(None) };
        let stated = Parsed::read_bytes(&line).ok().filter(|record| record.kind == Kind::RecordsDisposed);
        Ok(stated.map(|record| json!({ "what": "disposed", "from": record.data()["from"], "to": record.data()["to"] })))
    }

    /// A commit that was reported as failed may be there all the same: it was told to nobody and comes again, so it is
    /// set aside. Records that were told outside and are gone leave their numbers used; whether there are such.
    pub(super) fn match_head(&self, damage: &mut Damage) -> Result<bool, Fault> {
        let head = self.sealer.head();
        let sql = "SELECT max(seq) FROM record";
        let last: u64 = self.store.row(sql, [], "cannot read the head", |row| row.get(0))?.flatten().unwrap_or(0);
        if last > head.seq {
            let cause = "its commit was reported as failed";
            if let Some(disposed) = self.disposed_beyond(head.seq)? {
                damage.push(disposed);
            }
            damage.push(json!({ "what": "tail", "from": head.seq + 1, "to": last, "cause": cause }));
            set_tail_aside(&self.store, head.seq + 1, cause, damage)?;
        }
        if last < head.seq {
            damage.push(json!({ "what": "lost", "from": last + 1, "to": head.seq }));
            return Ok(true);
        }
        let line = self.store.line(head.seq)?;
        let link = line.as_deref().and_then(|line| Parsed::read_bytes(line).ok()).map(|record| record.link);
        if link != Some(head.link) {
            damage.push(json!({ "what": "record", "seq": head.seq, "cause": "it is not the record that was stored" }));
        }
        Ok(false)
    }
}
