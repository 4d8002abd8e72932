//! Receipts: verified against the pinned key and the journal's own records; the newest is kept, with one of each day.

use super::store::Store;
use super::{Credentials, Fault, Journal};
use picket_core::wire::Receipted;
use picket_record::body::When;
use picket_record::chain::{Head, Parsed, TailState};
use picket_record::encode::Link;
use picket_record::receipt::{Range, Receipt};

const DAY_MS: i64 = 86_400_000;
/// Records that are left at most because the central side asks for it.
const ASKED_BACK_MAX: u64 = 1_000;
/// Receipts that a start looks through for one that verifies: one of each day of a year.
const LOAD_MAX: u64 = 366;

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
            let lines: Vec<String> = store.rows(sql, [LOAD_MAX], doing, |row| row.get(0))?;
            Ok(lines.iter().find_map(|line| keys.iter().find_map(|key| Receipt::verify(line, key, gw).ok())))
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
        self.store.row(sql, [], "cannot read the receipts", |row| row.get(0))
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
        if stands == Stands::OnAnother && !self.may_leave(when) {
            let text = "the central side names other histories again and again: two gateways write under this name";
            return Err(ReceiptFault::Refused(text.into()));
        }
        let first = match stands {
            Stands::OnAnother => Some(self.receipts.upto + 1),
            // What is up to the mark is of both histories.
            Stands::OnOurs if self.is_asked_back(&receipt)? && self.may_leave(when) => Some(receipt.upto + 1),
            Stands::OnOurs => None,
        };
        if let Some(first) = first {
            // What waits to be written is older.
            self.leave(&receipt, (line, link), first, when)?;
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
        self.receipts.unwritten = first.is_none().then(|| (receipt, line.to_owned()));
        Ok(receipted)
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

    /// Whether the central side holds another history beside ours, and waits for the chain to go on behind its head, which
    /// is our own record. Not with a long backlog: the central side keeps a limited number of records of other
    /// histories, and a backlog that is sent as the chain is kept whole. Not once it did: receipts of before that may be on their way. Nor behind a number that has a
    /// receipt: it is never given again.
    fn is_asked_back(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let Receipt { upto, head, rebase, .. } = receipt;
        let behind = self.sealer.head().seq.saturating_sub(*upto);
        let wanted = *upto > 0 && *upto >= self.receipts.most && *rebase == Some((*upto, *head)) && !self.closed;
        let wanted = wanted && behind <= ASKED_BACK_MAX;
        if !wanted || self.own_link(*upto, head)? != Some(*head) {
            return Ok(false);
        }
        let next = self.store.line(upto + 1)?;
        let next = next.as_deref().and_then(|line| Parsed::read_bytes(line).ok());
        Ok(!next.is_some_and(|next| next.tail_state().is_some_and(TailState::leaves_a_branch)))
    }

    /// Whether the head that a receipt names is our own record. One beyond all receipts that we hold may be another's:
    /// this file was put back, or lost what was sent. One that contradicts a receipt is refused.
    fn stands(&self, receipt: &Receipt) -> Result<Stands, ReceiptFault> {
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
        let line: Option<String> = self.store.row(sql, [upto], "cannot read the receipts", |row| row.get(0))?;
        let (keys, gw) = (self.credentials.receipt_keys(), &self.credentials.origin.gw);
        let read = |line: String| keys.iter().find_map(|key| Receipt::verify(&line, key, gw).ok());
        Ok(line.and_then(read).map(|(receipt, _)| receipt.head))
    }

    /// Link of an own record; where the record itself is damaged, as the next one names it. Of the two the one that is
    /// expected, where they differ.
    fn own_link(&self, seq: u64, expected: &Link) -> Result<Option<Link>, Fault> {
        let head = self.sealer.head();
        if seq >= head.seq {
            return Ok((seq == head.seq).then_some(head.link));
        }
        let itself = self.store.line(seq)?.and_then(|line| super::tail::link_of(&line));
        if itself.as_ref() == Some(expected) {
            return Ok(itself);
        }
        let next = self.store.line(seq + 1)?;
        let named = next.and_then(|line| Parsed::read_bytes(&line).ok().map(|record| record.prev));
        Ok(named.filter(|link| link == expected).or(itself).or(named))
    }
}

/// What the head of a receipt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A record of this journal.
    OnOurs,
    /// A record of another history of this gateway.
    OnAnother,
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
