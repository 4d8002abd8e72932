//! Appending: seal, insert, change the state, commit; then tell.

use super::own_words::own_words;
use super::prune::PRUNE_WRITES;
use super::store::Store;
use super::{Entropy, Fault, Journal, Stored, answered, memory, personal};
use picket_core::memory::Stated;
use picket_core::summary::{BEHIND, VOID};
use picket_record::body::{Body, When};
use picket_record::chain::{NEXT_EPK, Opening, Sealer, TailState};
use picket_record::keys::EpochKey;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::{Value, json};
use std::borrow::Cow;

/// An epoch lasts at most this long: what a key in memory that leaked could sign.
const EPOCH_US: u64 = 24 * 3_600 * 1_000_000;

impl Journal {
    /// Stores bodies in one transaction, in order, one record each. On a fault nothing of them is stored, and the same
    /// bodies may be handed in again. Behind an `epoch.close`, in these bodies or before them, nothing is stored.
    pub fn append(&mut self, bodies: &[Body]) -> Result<Stored, Fault> {
        if let Some(first) = bodies.first() {
            self.refuse_behind_close(bodies)?;
            if self.store.broken() {
                self.reopen(&first.when)?;
            }
            self.make_ready(&first.when)?;
            self.store.room()?;
        }
        self.commit(bodies)
    }

    /// Stores bodies without asking for room.
    pub(super) fn commit(&mut self, bodies: &[Body]) -> Result<Stored, Fault> {
        self.refuse_behind_close(bodies)?;
        let before = self.sealer.head();
        let stored = self.store_all(bodies);
        if stored.is_err() {
            self.sealer.rewind(before);
        }
        let urgent = stored?;
        self.receipts.written();
        self.closed |= bodies.last().is_some_and(|body| body.kind == Kind::EpochClose);
        if bodies.iter().any(|body| body.kind == Kind::PersonalErased) {
            self.store.cut_log();
        }
        Ok(Stored { head: self.sealer.head().seq, urgent, fill_permille: self.store.fill_permille() })
    }

    /// A record behind an `epoch.close` is refused by everybody who verifies it, and the chain would never go on.
    fn refuse_behind_close(&self, bodies: &[Body]) -> Result<(), Fault> {
        let Some((_, before)) = bodies.split_last() else { return Ok(()) };
        if self.closed || before.iter().any(|body| body.kind == Kind::EpochClose) {
            let text =
                "the journal is closed by a stop and takes no more records; try again once the agent has started";
            return Err(Fault::Refused(text.into()));
        }
        Ok(())
    }

    pub(super) fn store_all(&mut self, bodies: &[Body]) -> Result<Vec<u64>, Fault> {
        let Self { store, sealer, receipts, entropy, leaves, commands, .. } = self;
        store.transaction(|| {
            receipts.write(store)?;
            let mut urgent = Vec::new();
            for body in bodies {
                let seq = insert(store, sealer, entropy, body, leaves.behind())?;
                answered::keep(store, commands, Stated::of(body))?;
                if body.severity >= Severity::Security {
                    store.run("INSERT INTO urgent(seq) VALUES(?1)", [seq], "cannot mark a record urgent")?;
                    urgent.push(seq);
                }
            }
            Ok(urgent)
        })
    }

    /// A fresh epoch and room before the records that need them, so that an append stays one contiguous run.
    fn make_ready(&mut self, when: &When) -> Result<(), Fault> {
        let old = when.mono_us.saturating_sub(self.epoch_opened_us) >= EPOCH_US;
        if old || self.sealer.is_nearly_full(super::thread::APPEND_MAX + 2 * PRUNE_WRITES) {
            self.rotate(when)?;
        }
        self.prune_if_needed(when)?;
        self.retire(when)
    }

    pub(super) fn rotate(&mut self, when: &When) -> Result<(), Fault> {
        let before = self.sealer.head();
        // Drawn before the close is signed: whoever holds the disk later cannot put another epoch behind it.
        let seed = (self.entropy)();
        let next = EpochKey::from_seed(seed).public().text();
        let close = json!({ "why": "rotate", (NEXT_EPK): next });
        let close = own_words(when, Kind::EpochClose, Severity::Info, close);
        let closed = self.sealer.seal(&close).map_err(|refusal| Fault::Refused(refusal.to_string()))?;
        let opening = Opening {
            tail_state: TailState::Rotate,
            found: None,
            last_receipt: self.receipts.last_link(),
            version: self.version.clone(),
        };
        let head = self.sealer.head();
        let opened = Sealer::open(&self.credentials.origin, &self.credentials.identity, seed, head, &opening, when);
        let (sealer, open) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                self.sealer.rewind(before);
                return Err(Fault::Refused(refusal.to_string()));
            }
        };
        let store = &self.store;
        let done = store.transaction(|| {
            for sealed in [&closed, &open] {
                store.put(sealed, "cannot store a new epoch")?;
            }
            super::openings::note(store, sealer.head().ep, open.seq)
        });
        if let Err(fault) = done {
            self.sealer.rewind(before);
            return Err(fault);
        }
        self.sealer = sealer;
        self.epoch_opened_us = when.mono_us;
        Ok(())
    }
}

fn insert(
    store: &Store,
    sealer: &mut Sealer,
    entropy: &mut Entropy,
    body: &Body,
    behind: Option<u64>,
) -> Result<u64, Fault> {
    let opening = personal::salted(body, entropy);
    let body = match (&opening, body.kind) {
        (Some(opening), _) => {
            Cow::Owned(Body { personal: Some(Personal::Committed(opening.commitment())), ..body.clone() })
        }
        (None, Kind::Snapshot) => {
            let mut whole = body.clone();
            whole.data.extend(memory::snapshot(store)?);
            Cow::Owned(whole)
        }
        // Counted before the chain left its branch: the site hears of that only now, and counts anew.
        (None, Kind::SummaryDay) if body.data.get(BEHIND).and_then(Value::as_u64) != behind => {
            let mut whole = body.clone();
            whole.data.insert(VOID.into(), true.into());
            Cow::Owned(whole)
        }
        (None, _) => Cow::Borrowed(body),
    };
    let (sealed, stated) = match sealer.seal(&body) {
        Ok(sealed) => (sealed, body),
        // What cannot be written is stated as lost, in its place: numbers of drafts and records stay in step.
        Err(refusal) => {
            tracing::error!(kind = body.kind.as_str(), %refusal, "a record could not be written");
            let data = json!({ "n": 1, "by_kind": { body.kind.as_str(): 1 }, "cause": refusal.to_string() });
            let gap = own_words(&body.when, Kind::GapDropped, Severity::Fault, data);
            let sealed = sealer.seal(&gap).map_err(|refusal| Fault::Refused(refusal.to_string()))?;
            (sealed, Cow::Owned(gap))
        }
    };
    store.put(&sealed, "cannot store a record")?;
    memory::apply(store, sealed.seq, Stated::of(&stated))?;
    if let Some(opening) = opening.filter(|_| stated.personal.is_some()) {
        personal::keep(store, sealed.seq, &opening)?;
    }
    if stated.kind == Kind::PersonalErased {
        personal::erase(store, sealed.seq, &stated.data)?;
    }
    if stated.kind == Kind::SummaryDay && !stated.data.contains_key(VOID) {
        super::summaries::mark(store, sealed.seq)?;
    }
    Ok(sealed.seq)
}
