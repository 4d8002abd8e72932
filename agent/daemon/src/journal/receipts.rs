//! Receipts: verified against the pinned key and the journal's own records; the newest is kept, with one of each day.

use super::at_rest::Text;
use super::store::Store;
use super::{Credentials, Fault, Journal};
use picket_core::wire::Receipted;
use picket_record::body::When;
use picket_record::chain::Head;
use picket_record::encode::Link;
use picket_record::receipt::{Range, Receipt};

mod stands;

pub(super) use stands::Stands;

const DAY_MS: i64 = 86_400_000;
/// Receipts that a start looks through for one that verifies: one of each day of a year.
pub(super) const LOAD_MAX: u64 = 366;

/// What is known of receipts. A new one is written with the next append: a commit of its own would double the flash
/// wear of a quiet site, and a receipt that is lost comes again.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    n: u64,
    upto: u64,
    /// Highest number that any receipt held names.
    most: u64,
    /// Up to here the newest that is written goes: nothing beyond is disposed of.
    stored: u64,
    /// Link of record `upto`: the record itself may be disposed of.
    head: Option<Link>,
    /// Epoch of record `upto`: the openings up to it have a receipt.
    ep: u64,
    /// The record that the farthest names, where a start found one: the central side may have gone back since.
    farthest: Option<Head>,
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
    /// The newest that verifies: one that no key verifies says nothing of what may be disposed of, and comes again.
    pub(super) fn load(store: &Store, credentials: &Credentials) -> Result<Self, Fault> {
        let (keys, gw) = (credentials.receipt_keys(), &credentials.origin.gw);
        let doing = "cannot read the receipts";
        let most = store.row("SELECT max(upto) FROM receipt", [], doing, |row| row.get(0))?.flatten().unwrap_or(0);
        let verified = |sql| -> Result<Option<(Receipt, Link)>, Fault> {
            let lines: Vec<Text> = store.rows(sql, [LOAD_MAX], doing, |row| row.get(0))?;
            let lines = lines.iter().filter_map(|Text(line)| line.as_deref());
            Ok({ lines }.find_map(|line| keys.iter().find_map(|key| Receipt::verify(line, key, gw).ok())))
        };
        let newest = verified("SELECT line FROM receipt ORDER BY n DESC LIMIT ?1")?;
        let farthest = verified("SELECT line FROM receipt ORDER BY upto DESC, n DESC LIMIT ?1")?
            .map(|(Receipt { upto, head, ep, .. }, _)| Head { ep, seq: upto, link: head });
        Ok(match newest {
            Some((Receipt { n, upto, head, ep, .. }, link)) => {
                let (head, link) = (Some(head), Some(link));
                Self { n, upto, most, stored: upto, head, ep, farthest, link, unwritten: None }
            }
            None => Self { most, ..Self::default() },
        })
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn upto(&self) -> u64 {
        self.upto
    }

    /// Up to here there is a receipt that is written.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether the opening of an epoch has a receipt.
    pub(super) fn has_opening(&self, ep: u64) -> bool {
        ep <= self.ep
    }

    /// The record that the farthest names, where that is behind our own last one: this file lost what it had sent.
    pub(super) fn beyond(&self, own: Head) -> Option<Head> {
        let farthest = self.farthest.filter(|farthest| farthest.seq > own.seq)?;
        Some(Head { ep: own.ep.max(farthest.ep), ..farthest })
    }

    /// Number and link of the newest.
    pub(super) fn mark(&self) -> Option<(u64, Link)> {
        self.link.map(|link| (self.n, link))
    }

    pub(super) fn last_link(&self) -> Option<Link> {
        self.link
    }

    /// Whether this journal never had a receipt.
    pub(super) fn is_new(&self) -> bool {
        self.n == 0
    }

    /// Writes the newest receipt inside the transaction of an append.
    pub(super) fn write(&self, store: &Store) -> Result<(), Fault> {
        self.unwritten.as_ref().map_or(Ok(()), |(receipt, line)| write(store, receipt, line))
    }

    /// Number, last record and line of the newest receipt, while it is not written.
    pub(super) fn newest(&self) -> Option<(u64, u64, &str)> {
        self.unwritten.as_ref().map(|(receipt, line)| (receipt.n, receipt.upto, line.as_str()))
    }

    /// Day since 1970 of the newest receipt, while it is not written.
    pub(super) fn waiting_day(&self) -> Option<i64> {
        self.unwritten.as_ref().map(|(receipt, _)| day(receipt))
    }

    /// Whether the newest receipt is not written yet.
    pub(super) fn waits(&self) -> bool {
        self.unwritten.is_some()
    }

    /// The append was committed.
    pub(super) fn written(&mut self) {
        if self.unwritten.take().is_some() {
            self.stored = self.upto;
        }
    }
}

impl Journal {
    /// The newest receipt as received, if there is one.
    pub fn newest_receipt_line(&self) -> Result<Option<String>, Fault> {
        if let Some((_, _, line)) = self.receipts.newest() {
            return Ok(Some(line.to_owned()));
        }
        let sql = "SELECT line FROM receipt ORDER BY n DESC LIMIT 1";
        let line: Option<Text> = self.store.row(sql, [], "cannot read the receipts", |row| row.get(0))?;
        Ok(line.and_then(|Text(line)| line))
    }

    /// Number of the newest receipt known, 0 for none.
    pub fn newest_receipt(&self) -> u64 {
        self.receipts.n
    }

    /// What the central side's clock said in the newest receipt, in milliseconds since 1970 UTC; by whichever of its keys it
    /// was signed.
    pub fn receipt_ms(&self) -> Option<i64> {
        let line = self.newest_receipt_line().ok().flatten()?;
        let gw = &self.credentials.origin.gw;
        let keys = self.credentials.receipt_keys();
        keys.iter().find_map(|key| Receipt::verify(&line, key, gw).ok()).map(|(receipt, _)| receipt.ts_ms)
    }

    /// Verifies a receipt. What follows: records up to `upto` may be pruned once it is written. One that names another
    /// history of this gateway, or that asks for it with `rebase`, has the chain go on behind it (see
    /// [`Journal::rebased`]).
    pub fn receipt(&mut self, line: &str, when: &When) -> Result<Receipted, ReceiptFault> {
        let key = &self.credentials.receipt_key;
        let (receipt, link) = Receipt::verify(line, key, &self.credentials.origin.gw)
            .map_err(|refusal| ReceiptFault::Refused(refusal.to_string()))?;
        if receipt.n <= self.receipts.n {
            return Err(ReceiptFault::Old { n: receipt.n, known: self.receipts.n });
        }
        let stands = self.stands(&receipt)?;
        if stands == Stands::OnAnother {
            self.refuse_without_room(when)?;
        }
        if stands == Stands::OnAnother && !self.may_leave(when) {
            let text = "the central side names other histories again and again: two gateways write under this name";
            return Err(ReceiptFault::Refused(text.into()));
        }
        let asked = stands == Stands::OnOurs && self.is_asked_back(&receipt)?;
        let asked = asked && self.may_leave(when) && self.refuse_without_room(when).is_ok();
        let leaves = (asked || stands == Stands::OnAnother) && self.left(&receipt, (line, link), stands, when)?;
        if leaves {
            // What waits to be written is older.
            self.receipts.stored = receipt.upto;
        }
        self.receipts.n = receipt.n;
        self.receipts.upto = receipt.upto;
        self.receipts.most = self.receipts.most.max(receipt.upto);
        self.receipts.head = Some(receipt.head);
        self.receipts.ep = receipt.ep;
        self.receipts.link = Some(link);
        let Receipt { state, upto, have, resend, .. } = receipt.clone();
        self.declared_receipted(upto);
        let gone = self.cannot_send(upto, &resend, when).unwrap_or_else(|fault| {
            // It asks again.
            tracing::warn!(cause = super::told(&fault), "what the central side asks for could not be looked at");
            0
        });
        let order = receipt.settings.map_or(0, |(ver, _)| ver);
        let receipted =
            Receipted { state, upto, have, resend, ts_ms: receipt.ts_ms, order, mark: (receipt.n, link), gone };
        self.receipts.unwritten = (!leaves).then(|| (receipt, line.to_owned()));
        Ok(receipted)
    }

    /// Goes on behind a receipt. Whether it did: where there is no room for it, one for our own record is taken like any
    /// other, because it is what makes room, and the central side asks again.
    fn left(
        &mut self,
        receipt: &Receipt,
        (line, link): (&str, Link),
        stands: Stands,
        when: &When,
    ) -> Result<bool, Fault> {
        let Err(fault) = self.leave(receipt, (line, link), stands, when) else { return Ok(true) };
        self.found_no_room(&fault, when);
        if stands == Stands::OnAnother || !self.has_not_left()? {
            return Err(fault);
        }
        tracing::warn!(cause = super::told(&fault), "the chain could not go on behind the receipt that asks for it");
        Ok(false)
    }

    /// Records up to here were handed to the link; those of before the start count as handed.
    pub(super) fn on_its_way(&mut self, through: u64) {
        self.handed = self.handed.max(through);
    }

    /// States what is behind `upto` or asked for and cannot be sent; up to where it is gone. Once a stop closed the epoch
    /// that waits for the next start: the central side asks again.
    fn cannot_send(&mut self, upto: u64, resend: &[Range], when: &When) -> Result<u64, Fault> {
        let gone = self.gone_behind(upto)?;
        if self.closed {
            return Ok(gone);
        }
        if gone > 0 {
            self.state_gone(upto, gone, when)?;
        }
        self.declare_lost(resend, when)?;
        Ok(gone)
    }
}

fn day(receipt: &Receipt) -> i64 {
    receipt.ts_ms.div_euclid(DAY_MS)
}

/// Writes a receipt inside a transaction.
pub(super) fn write(store: &Store, receipt: &Receipt, line: &str) -> Result<(), Fault> {
    let day = day(receipt);
    let doing = "cannot store a receipt";
    // The farthest one stays where the central side went back: what may have been disposed of is known by it.
    let sql = "DELETE FROM receipt WHERE day = ?1 AND (upto <= ?2 OR upto < (SELECT max(upto) FROM receipt))";
    store.run(sql, (day, receipt.upto), doing)?;
    let values = (receipt.n, receipt.upto, day, line);
    store.run("INSERT OR REPLACE INTO receipt(n, upto, day, line) VALUES(?1, ?2, ?3, ?4)", values, doing)?;
    store.run("DELETE FROM urgent WHERE seq <= ?1", [receipt.upto], doing).map(drop)
}
