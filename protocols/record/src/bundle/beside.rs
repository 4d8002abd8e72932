//! The files beside the records: each is verified with what came before it.

use super::{BundleCheck, Kept, Part};
use crate::acceptance::Acceptance;
use crate::chain::{ChainCheck, Contradiction, Epochs, HELD_MAX, Parsed, SUMMARIES_MAX, verify};
use crate::command::Command;
use crate::encode::{Link, Name, Token};
use crate::enrolment::Request;
use crate::json::Members;
use crate::keys::PublicKey;
use crate::kind::Kind;
use crate::order::Order;
use crate::personal;
use crate::receipt::Receipt;
use crate::refusal::Refusal;
use crate::root::Roots;

/// The chain of receipts.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    pub(super) verified: u64,
    last: Option<(u64, Link)>,
}

/// The chain of orders, of each key by itself, and the commands.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) verified: u64,
    last: Option<(PublicKey, u64, Link)>,
    commands: u64,
}

/// Branches.
#[derive(Debug, Default)]
pub(super) struct Branches {
    pub(super) kept: Vec<Kept>,
    epochs: Option<Epochs>,
    last: Option<(u64, Link)>,
}

fn text(line: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(line).map_err(|_| Refusal::NotText)
}

/// Whether a line of `enrol.jws` is judged as an acceptance: an acceptance alone names who approved.
fn states_who_approved(line: &str) -> bool {
    let payload = Token::split(line).and_then(|token| token.payload_bytes()).unwrap_or_default();
    Members::read(&payload).is_ok_and(|members| members.value("by").is_some())
}

impl BundleCheck {
    pub(super) fn root(&mut self, bytes: &[u8]) {
        let verified = text(bytes).map_err(Contradiction::from).and_then(|text| Ok(Roots::verify(text)?));
        match verified {
            Ok(roots) => {
                if self.trust.root.is_some_and(|hash| !roots.holds(&hash)) {
                    self.contradicts(Part::Root, None, Contradiction::RootUnknown);
                }
                self.roots = Some(roots);
            }
            Err(what) => self.contradicts(Part::Root, None, what),
        }
    }

    /// The acceptance, or the request before it.
    pub(super) fn enrolment(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let line = text(line)?;
        match Acceptance::claims(line) {
            Ok((accepted, link)) => {
                if let Some(roots) = &self.roots {
                    let keys = roots.accept_keys();
                    if !keys.iter().any(|named| Acceptance::verify(line, &named.key).is_ok()) {
                        return Err(Refusal::Signature { by: "acceptance" }.into());
                    }
                    of_system(&roots.in_force().sms, &accepted.sms)?;
                }
                if self.acceptance.is_some() {
                    return Err(Contradiction::Acceptance);
                }
                let known = self.is_known(&accepted.identity);
                self.acceptance = Some((accepted, link));
                known
            }
            // A request has another header, and no field "by".
            Err(refused) if states_who_approved(line) => Err(refused.into()),
            Err(_) => match Request::verify(line) {
                Ok((request, _)) => self.is_known(&request.identity),
                Err(refused) => Err(refused.into()),
            },
        }
    }

    /// Not another identity than the one that the reader knows.
    fn is_known(&self, identity: &PublicKey) -> Result<(), Contradiction> {
        match self.trust.identity.as_ref().is_some_and(|known| known != identity) {
            true => Err(Contradiction::Acceptance),
            false => Ok(()),
        }
    }

    pub(super) fn receipt(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let line = text(line)?;
        let Some((accepted, enrolled)) = &self.acceptance else {
            let (file, without) = (Part::Receipts.file(), Part::Enrolment.file());
            return Err(Contradiction::Unverifiable { file, without });
        };
        let mut keys = vec![accepted.receipt_key.clone()];
        keys.extend(self.roots.iter().flat_map(Roots::receipt_keys).map(|named| named.key));
        let (receipt, link) = under(&keys, |key| Receipt::verify(line, key, &accepted.gw))?;
        of_system(&accepted.sms, &receipt.sms)?;
        let (n, prev) = (receipt.n, receipt.prev);
        let (last, before) = self.receipts.last.unwrap_or((0, *enrolled));
        self.receipts.last = Some((n.max(last), link));
        self.receipts.verified += 1;
        self.chain().expect(&receipt)?;
        if n <= last || (n == last + 1 && prev != before) {
            return Err(Contradiction::ReceiptChain { n, last });
        }
        Ok(())
    }

    /// The opening of an epoch, or the record of a day in it.
    pub(super) fn summary(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let record = Parsed::read_bytes(line)?;
        let (seq, file) = (record.seq, Part::Summaries.file());
        let own = self.summaries.take();
        let (mut epochs, verified) = own.unwrap_or_else(|| (self.own_epochs(&record.gw, &record.site), 0));
        let result = admitted(&record, &mut epochs);
        let is_day = record.kind == Kind::SummaryDay;
        self.summaries = Some((epochs, verified + u64::from(is_day && result.is_ok())));
        result?;
        if !is_day && record.kind != Kind::EpochOpen {
            return Err(Contradiction::Misplaced { file, seq, kind: record.kind.as_str() });
        }
        if self.held.last().is_some_and(|(last, _)| *last >= seq) {
            let last = self.held.last().map_or(0, |(last, _)| *last);
            return Err(Contradiction::Backwards { found: seq, last });
        }
        if self.held.len() == SUMMARIES_MAX {
            return Err(Contradiction::TooMany { file, limit: SUMMARIES_MAX });
        }
        self.held.push((seq, record.link));
        Ok(())
    }

    pub(super) fn sidecar(&mut self, bytes: &[u8]) {
        let refused = |_| Refusal::Field { field: "openings", expected: "JSON in UTF-8" };
        let read = std::str::from_utf8(bytes).map_err(refused).and_then(personal::read_sidecar);
        match read {
            Ok(openings) => {
                for (seq, opening) in openings {
                    self.chain().expect_commitment(seq, opening.commitment());
                }
            }
            Err(refusal) => self.contradicts(Part::Sidecar, None, refusal.into()),
        }
    }

    /// An order or a command.
    pub(super) fn order(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let line = text(line)?;
        let Some(roots) = &self.roots else { return Ok(()) };
        let keys: Vec<PublicKey> = roots.order_keys().into_iter().map(|named| named.key).collect();
        let accepted = self.acceptance.as_ref().map(|(accepted, _)| accepted.gw.clone());
        let stranger = |gw: &Name| match &accepted {
            Some(expected) if gw != expected => {
                Err(Refusal::Stranger { found: gw.to_string(), expected: expected.to_string() })
            }
            Some(_) | None => Ok(()),
        };
        match under(&keys, |key| Order::verify(line, key).map(|read| (read, key.clone()))) {
            Ok(((order, link), key)) => {
                stranger(&order.gw)?;
                of_system(&roots.in_force().sms, &order.sms)?;
                if roots.version(order.root).is_none_or(|root| root.order != key) {
                    return Err(Refusal::Signature { by: "order" }.into());
                }
                let before = self.orders.last.replace((key.clone(), order.ver, link));
                self.orders.verified += 1;
                match before {
                    Some((known, last, prev)) if known == key => {
                        let follows = order.ver > last && (order.ver != last + 1 || order.prev == prev);
                        if follows { Ok(()) } else { Err(Contradiction::OrderChain { ver: order.ver, last }) }
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Err(Refusal::Header) => {
                let (command, _) = under(&keys, |key| Command::verify(line, key))?;
                stranger(&command.gw)?;
                of_system(&roots.in_force().sms, &command.sms)?;
                self.orders.verified += 1;
                let last = std::mem::replace(&mut self.orders.commands, command.n);
                match command.n > last {
                    true => Ok(()),
                    false => Err(Contradiction::OrderChain { ver: command.n, last }),
                }
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// A record of a branch: under an epoch of the branch, or else of the records.
    pub(super) fn branch(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let record = Parsed::read_bytes(line)?;
        let own = self.branches.epochs.take();
        let mut own = own.unwrap_or_else(|| self.own_epochs(&record.gw, &record.site));
        let result = match admitted(&record, &mut own) {
            Err(Refusal::UnknownEpoch { ep }) => match self.chain.as_ref().and_then(ChainCheck::epochs) {
                Some(main) => verify(&record, main).map(drop),
                None => Err(Refusal::UnknownEpoch { ep }),
            },
            result => result,
        };
        self.branches.epochs = Some(own);
        result?;
        let (seq, link) = (record.seq, record.link);
        let branches = &mut self.branches;
        let follows = branches.last.is_some_and(|(last, before)| seq == last + 1 && record.prev == before);
        let room = branches.kept.len() < HELD_MAX;
        match branches.kept.last_mut() {
            Some(kept) if follows => kept.to = seq,
            _ if room => branches.kept.push(Kept { from: seq, to: seq }),
            _ => return Err(Contradiction::TooMany { file: Part::Branches.file(), limit: HELD_MAX }),
        }
        branches.last = Some((seq, link));
        if let Some(chain) = &mut self.chain {
            chain.left(&record);
        }
        Ok(())
    }

    /// What can only be compared once everything was read.
    pub(super) fn compare(&mut self, chain: Option<&ChainCheck>) {
        let Some(chain) = chain else { return };
        if let (Some((days, _)), Some(epochs)) = (&self.summaries, chain.epochs()) {
            let other = |(ep, key): &(u64, &PublicKey)| epochs.key(*ep).is_some_and(|known| known != *key);
            let taken = days.iter().find(other).map(|(ep, _)| ep);
            if let Some(ep) = taken {
                self.contradicts(Part::Summaries, None, Refusal::EpochTaken { ep }.into());
            }
        }
    }
}

/// Verifies a record, and takes the key that it announces.
fn admitted(record: &Parsed<'_>, epochs: &mut Epochs) -> Result<(), Refusal> {
    match verify(record, epochs)? {
        Some(opened) => epochs.admit(&opened),
        None => Ok(()),
    }
}

/// Verifies with the first key that fits; the refusal is that of the last one.
fn under<T>(keys: &[PublicKey], verify: impl Fn(&PublicKey) -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mut refused = Refusal::Signature { by: "order" };
    for key in keys {
        match verify(key) {
            Err(refusal @ Refusal::Signature { .. }) => refused = refusal,
            result => return result,
        }
    }
    Err(refused)
}

fn of_system(expected: &Name, found: &Name) -> Result<(), Contradiction> {
    match found == expected {
        true => Ok(()),
        false => Err(Contradiction::System { found: found.clone(), expected: expected.clone() }),
    }
}
