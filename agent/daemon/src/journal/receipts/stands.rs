//! What the head of a receipt is: our own record, or one of another history of this gateway; and whether it asks for the
//! chain to go on behind it.

use super::ReceiptFault;
use crate::journal::at_rest::Text;
use crate::journal::tail::link_of;
use crate::journal::{Fault, Journal};
use picket_record::chain::{Parsed, TailState};
use picket_record::encode::Link;
use picket_record::receipt::Receipt;

/// Records that are left at most because the central side asks for it.
const ASKED_BACK_MAX: u64 = 1_000;

/// What the head of a receipt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum Stands {
    /// A record of this journal.
    OnOurs,
    /// A record of another history of this gateway.
    OnAnother,
}

impl Journal {
    /// Whether the central side holds another history beside ours, and waits for the chain to go on behind its head, which
    /// is our own record. Not with a long backlog: the central side keeps a limited number of records of other
    /// histories, and a backlog that is sent as the chain is kept whole. Not while records behind that head are on their
    /// way either: they are taken as the chain, and each receipt for some of them would be one of another history. Not
    /// once it did: receipts of before that may be on their way. Nor behind a number that has a receipt: it is never
    /// given again.
    pub(super) fn is_asked_back(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let Receipt { upto, head, rebase, .. } = receipt;
        let behind = self.sealer.head().seq.saturating_sub(*upto);
        let wanted = *upto > 0 && *upto >= self.receipts.most && *rebase == Some((*upto, *head)) && !self.closed;
        let wanted = wanted && behind <= ASKED_BACK_MAX && *upto >= self.handed;
        if !wanted || self.own_link(*upto, head)? != Some(*head) {
            return Ok(false);
        }
        let next = self.store.line(upto + 1)?;
        let next = next.as_deref().and_then(|line| Parsed::read_bytes(line).ok());
        Ok(!next.is_some_and(|next| next.tail_state().is_some_and(TailState::leaves_a_branch)))
    }

    /// Whether the head that a receipt names is our own record. One beyond all receipts that we hold may be another's:
    /// this file was put back, or lost what was sent. One that contradicts a receipt is refused.
    pub(super) fn stands(&self, receipt: &Receipt) -> Result<Stands, ReceiptFault> {
        let upto = receipt.upto;
        let own = if upto == 0 { return Ok(Stands::OnOurs) } else { self.own_link(upto, &receipt.head)? };
        match own {
            Some(own) if own == receipt.head => Ok(Stands::OnOurs),
            // Disposed of: what the receipt before said of it.
            None if upto == self.receipts.upto && Some(receipt.head) == self.receipts.head => Ok(Stands::OnOurs),
            _ if upto > self.receipts.most => Ok(Stands::OnAnother),
            Some(_) => {
                let text = format!("its head is not record {upto} of the journal, which has a receipt already");
                Err(ReceiptFault::Refused(text))
            }
            None => match self.held_head(upto)? {
                Some(held) if held != receipt.head => {
                    let text = format!("its head is another one than that of a receipt for record {upto} that is held");
                    Err(ReceiptFault::Refused(text))
                }
                // The central side was restored from a backup that is older than what is kept here: it is told what of
                // the rest is gone, and takes what is not.
                Some(_) | None => Ok(Stands::OnOurs),
            },
        }
    }

    /// The head that a receipt which is held names for a number.
    fn held_head(&self, upto: u64) -> Result<Option<Link>, Fault> {
        let sql = "SELECT line FROM receipt WHERE upto = ?1 ORDER BY n DESC LIMIT 1";
        let line: Option<Text> = self.store.row(sql, [upto], "cannot read the receipts", |row| row.get(0))?;
        let (keys, gw) = (self.credentials.receipt_keys(), &self.credentials.origin.gw);
        let read = |line: String| keys.iter().find_map(|key| Receipt::verify(&line, key, gw).ok());
        Ok(line.and_then(|Text(line)| line).and_then(read).map(|(receipt, _)| receipt.head))
    }

    /// Link of an own record; where the record itself is damaged, as the next one names it. Of the two the one that is
    /// expected, where they differ.
    fn own_link(&self, seq: u64, expected: &Link) -> Result<Option<Link>, Fault> {
        let head = self.sealer.head();
        if seq >= head.seq {
            return Ok((seq == head.seq).then_some(head.link));
        }
        let itself = self.store.line(seq)?.and_then(|line| link_of(&line));
        if itself.as_ref() == Some(expected) {
            return Ok(itself);
        }
        let next = self.store.line(seq + 1)?;
        let named = next.and_then(|line| Parsed::read_bytes(&line).ok().map(|record| record.prev));
        Ok(named.filter(|link| link == expected).or(itself).or(named))
    }
}
