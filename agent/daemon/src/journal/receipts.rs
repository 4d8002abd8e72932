//! Receipts: verified against the pinned key and the journal's own records; the newest is kept, with one of each day.

use super::store::Store;
use super::{Credentials, Fault, Journal};
use picket_core::wire::Receipted;
use picket_record::chain::Parsed;
use picket_record::encode::Link;
use picket_record::receipt::Receipt;

const DAY_MS: i64 = 86_400_000;

/// What is known of receipts. A new one is written with the next append: a commit of its own would double the flash
/// wear of a quiet site, and a receipt that is lost comes again.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    n: u64,
    upto: u64,
    /// Link of record `upto`: the record itself may be disposed of.
    head: Option<Link>,
    link: Option<Link>,
    unwritten: Option<(Receipt, String)>,
}

/// Why a receipt does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptFault {
    /// It does not verify, or contradicts what is known: nothing follows from it but a record.
    #[error("{0}")]
    Refused(String),
    /// It came before: a second delivery, or one that was overtaken.
    #[error("receipt {n} is not newer than {known}")]
    Old {
        /// Its number.
        n: u64,
        /// Newest known.
        known: u64,
    },
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] Fault),
}

impl Receipts {
    pub(super) fn load(store: &Store, credentials: &Credentials) -> Result<Self, Fault> {
        let (key, gw) = (&credentials.receipt_key, &credentials.origin.gw);
        let newest: Option<(u64, u64, String)> = store.row(
            "SELECT n, upto, line FROM receipt ORDER BY n DESC LIMIT 1",
            [],
            "cannot read the receipts",
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        Ok(match newest {
            Some((n, upto, line)) => {
                let signed = line.rsplit_once('.').map_or(line.as_str(), |(signed, _)| signed);
                let head = Receipt::verify(&line, key, gw).ok().map(|(receipt, _)| receipt.head);
                Self { n, upto, head, link: Some(picket_record::encode::link(signed)), unwritten: None }
            }
            None => Self::default(),
        })
    }

    pub(super) fn upto(&self) -> u64 {
        self.upto
    }

    pub(super) fn last_link(&self) -> Option<Link> {
        self.link
    }

    /// Writes the newest receipt inside the transaction of an append.
    pub(super) fn write(&self, store: &Store) -> Result<(), Fault> {
        let Some((receipt, line)) = &self.unwritten else { return Ok(()) };
        let day = receipt.ts_ms.div_euclid(DAY_MS);
        let doing = "cannot store a receipt";
        store.run("DELETE FROM receipt WHERE day = ?1", [day], doing)?;
        let values = (receipt.n, receipt.upto, day, line);
        store.run("INSERT INTO receipt(n, upto, day, line) VALUES(?1, ?2, ?3, ?4)", values, doing)?;
        store.run("DELETE FROM urgent WHERE seq <= ?1", [receipt.upto], doing)?;
        Ok(())
    }

    /// Whether the newest receipt is not written yet.
    pub(super) fn waits(&self) -> bool {
        self.unwritten.is_some()
    }

    /// The append was committed.
    pub(super) fn written(&mut self) {
        self.unwritten = None;
    }
}

impl Journal {
    /// Number of the newest receipt known, 0 for none.
    pub fn newest_receipt(&self) -> u64 {
        self.receipts.n
    }

    /// Verifies a receipt. What follows: records up to `upto` may be pruned once it is written.
    pub fn receipt(&mut self, line: &str) -> Result<Receipted, ReceiptFault> {
        let key = &self.credentials.receipt_key;
        let (receipt, link) = Receipt::verify(line, key, &self.credentials.origin.gw)
            .map_err(|refusal| ReceiptFault::Refused(refusal.to_string()))?;
        if receipt.n <= self.receipts.n {
            return Err(ReceiptFault::Old { n: receipt.n, known: self.receipts.n });
        }
        self.check_head(&receipt)?;
        self.receipts.n = receipt.n;
        self.receipts.upto = receipt.upto;
        self.receipts.head = Some(receipt.head);
        self.receipts.link = Some(link);
        let Receipt { state, upto, have, resend, .. } = receipt.clone();
        let receipted = Receipted { state, upto, have, resend };
        self.receipts.unwritten = Some((receipt, line.to_owned()));
        Ok(receipted)
    }

    /// The head that the receipt names must be our own record.
    fn check_head(&self, receipt: &Receipt) -> Result<(), ReceiptFault> {
        let head = self.sealer.head().seq;
        if receipt.upto > head {
            let text =
                format!("it names record {}, the journal ends at {head}: one of the two was restored", receipt.upto);
            return Err(ReceiptFault::Refused(text));
        }
        if receipt.upto == 0 {
            return Ok(());
        }
        if receipt.upto == self.receipts.upto && Some(receipt.head) == self.receipts.head {
            return Ok(());
        }
        let line = self.store.line(receipt.upto)?;
        let own = line.as_deref().and_then(|line| Parsed::read_bytes(line).ok()).map(|record| record.link);
        match own {
            Some(own) if own == receipt.head => Ok(()),
            Some(_) => Err(ReceiptFault::Refused(format!("its head is not the journal's record {}", receipt.upto))),
            None => Err(ReceiptFault::Refused(format!("record {} is no longer in the journal", receipt.upto))),
        }
    }
}
