//! Whose key signed a record: of the chain, of an opening whose turn has not come, of another history.

use super::Gateway;
use crate::check::{HeldKey, Keyring, Proof};
use crate::store::{self, KnownEpoch};
use picket_record::chain::{Epochs, OpenedEpoch, Parsed, verify};
use picket_record::keys::PublicKey;
use picket_record::refusal::Refusal;
use rusqlite::Connection;
use std::sync::Arc;

/// Openings before their turn whose keys are held, the newest: a gateway may lose its tail and open an epoch again.
const CANDIDATES_MAX: usize = 64;
/// Of these for one epoch: a line that claims it costs as many signatures.
const RIVALS_MAX: usize = 4;

/// Who signed a record.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(in crate::ingest) enum Signed {
    /// The key of the chain, or of an opening that may come into it.
    Chain(Option<OpenedEpoch>),
    /// The key of another history.
    Branch(u64),
}

impl Gateway {
    /// The keys of this moment, for threads that verify ahead.
    pub(in crate::ingest) fn keyring(&self) -> Keyring {
        Keyring {
            chain: Arc::clone(&self.epochs),
            held: self.candidates.iter().chain(&self.branches).cloned().collect(),
        }
    }

    /// Who signed a record: the key of its epoch in the chain, of an opening before it whose turn has not come, or of an
    /// opening of another history. What was found out before is believed as far as it speaks of a key that counts.
    pub(in crate::ingest) fn verify(&self, record: &Parsed<'_>, proof: &Proof) -> Result<Signed, Refusal> {
        if let Proof::Final(result) = proof {
            return (**result).clone().map(|opened| Signed::Chain(Some(opened)));
        }
        let in_chain = match (self.epochs.key(record.ep), proof) {
            (Some(key), Proof::By(by)) if *key == **by => Ok(None),
            (Some(key), Proof::NotBy(by)) if *key == **by => Err(Refusal::Signature { by: "epoch" }),
            _ => verify(record, &self.epochs),
        };
        let refused = match in_chain {
            Ok(opened) => return Ok(Signed::Chain(opened)),
            Err(refused) => refused,
        };
        // Not by any key held: the opening that it belongs to is missing, or nobody of this gateway signed it.
        match refused {
            Refusal::UnknownEpoch { .. } if fitting(&self.candidates, record, proof).is_some() => {
                Ok(Signed::Chain(None))
            }
            Refusal::UnknownEpoch { .. } | Refusal::Signature { by: "epoch" } => {
                let branch = fitting(&self.branches, record, proof).and_then(|held| held.branch);
                branch.map_or(Err(refused), |branch| Ok(Signed::Branch(branch)))
            }
            other => Err(other),
        }
    }

    /// Holds the key of an opening until the chain reaches it.
    pub(in crate::ingest) fn hold(&mut self, opened: &OpenedEpoch) {
        hold(&mut self.candidates, HeldKey::new(opened, None, &self.epochs));
    }

    /// Holds the key of an opening of another history.
    pub(in crate::ingest) fn hold_branch(&mut self, opened: &OpenedEpoch, branch: u64) {
        hold(&mut self.branches, HeldKey::new(opened, Some(branch), &self.epochs));
    }

    /// Whether the chain has a key for an epoch.
    pub(in crate::ingest) fn has_epoch(&self, ep: u64) -> bool {
        self.epochs.key(ep).is_some()
    }

    /// The chain names this opening: its key counts from here.
    pub(in crate::ingest) fn admit(&mut self, opened: &OpenedEpoch) {
        Arc::make_mut(&mut self.epochs).restore(opened.ep(), opened.key().clone());
    }

    /// Whether a record is by the key that the chain has for its epoch.
    pub(in crate::ingest) fn is_of_chain(&self, record: &Parsed<'_>) -> bool {
        matches!(verify(record, &self.epochs), Ok(None))
    }

    /// What the opening says, if this record is a genuine one.
    pub(in crate::ingest) fn opened(&self, record: &Parsed<'_>) -> Option<OpenedEpoch> {
        verify(record, &self.epochs).ok().flatten()
    }

    /// The chain reached an opening. True if another one of its epoch had been held, whose records may wait.
    pub(in crate::ingest) fn settle(&mut self, opened: &OpenedEpoch) -> bool {
        let ep = opened.ep();
        let contested = self.candidates.iter().any(|one| one.ep == ep && one.key != *opened.key());
        self.candidates.retain(|one| one.ep > ep);
        contested
    }

    /// The opening under this number does not belong to the chain.
    pub(in crate::ingest) fn let_go(&mut self, seq: u64) {
        self.candidates.retain(|one| one.seq != seq);
    }
}

/// The key of an epoch as the store has it. Where that cannot be read, and for the epoch that goes on in any case, as its
/// opening in the chain says, which the identity signed; the row is put right then.
pub(super) fn of_epoch(
    db: &Connection,
    identity: &Epochs,
    known: KnownEpoch,
    newest: u64,
) -> rusqlite::Result<Option<PublicKey>> {
    let KnownEpoch { ep, open_seq, key } = known;
    if key.is_some() && ep != newest {
        return Ok(key);
    }
    let gw = identity.gw();
    let row = store::in_place(db, gw, open_seq)?;
    let record = row.as_ref().and_then(|row| row.record(gw).ok());
    let opened = record.and_then(|record| verify(&record, identity).ok().flatten()).filter(|opened| opened.ep() == ep);
    match opened {
        Some(opened) if key.as_ref() != Some(opened.key()) => {
            tracing::error!(%gw, ep, "the key of an epoch was damaged in the store, and was taken from its opening");
            store::insert_epoch(db, gw, ep, opened.key(), open_seq)?;
            Ok(Some(opened.key().clone()))
        }
        None if key.is_none() => {
            tracing::error!(%gw, ep, "the key of an epoch and its opening can no longer be read: its records are refused");
            Ok(None)
        }
        Some(_) | None => Ok(key),
    }
}

/// The held key that signed a record: the one that was found out before, or the first that verifies.
fn fitting<'a>(held: &'a [Arc<HeldKey>], record: &Parsed<'_>, proof: &Proof) -> Option<&'a HeldKey> {
    let found = |one: &HeldKey| match proof {
        Proof::By(by) => one.key == **by,
        Proof::None | Proof::Final(_) | Proof::NotBy(_) => false,
    };
    let mut fit = held.iter().map(|one| &**one).filter(|one| one.fits(record));
    fit.clone().find(|one| found(one)).or_else(|| fit.find(|one| verify(record, &one.keys).is_ok()))
}

/// Holds a key once; the oldest gives way, first one of the same epoch.
fn hold(held: &mut Vec<Arc<HeldKey>>, new: HeldKey) {
    if held.iter().any(|one| one.seq == new.seq && one.ep == new.ep && one.key == new.key) {
        return;
    }
    let mut rivals = held.iter().enumerate().filter(|(_, one)| one.ep == new.ep).map(|(index, _)| index);
    let eldest = rivals.next();
    if eldest.is_some() && 1 + rivals.count() >= RIVALS_MAX {
        held.remove(eldest.unwrap_or(0));
    } else if held.len() >= CANDIDATES_MAX {
        held.remove(0);
    }
    held.push(Arc::new(new));
}
