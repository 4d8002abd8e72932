//! The first transaction of a start: its epoch opens behind what was found.

use super::damage::Damage;
use super::open::Ready;
use super::store::Store;
use super::tail::tail_state;
use super::{Credentials, Entropy, Fault, Place};
use picket_core::steps::LastClock;
use picket_record::body::When;
use picket_record::chain::{Found, Head, Opening, Parsed, Sealer, TailState};
use serde_json::Value;

/// What an epoch opens with.
pub(super) struct First<'a> {
    pub(super) place: &'a Place,
    pub(super) credentials: &'a Credentials,
    pub(super) entropy: &'a mut Entropy,
    pub(super) when: &'a When,
    pub(super) version: &'a str,
}

/// An epoch that is open.
pub(super) struct Begun {
    pub(super) sealer: Sealer,
    /// How the journal was found.
    pub(super) tail_state: TailState,
    /// What the opening follows.
    pub(super) behind: Head,
    /// What the last record said of the clock.
    pub(super) clock: Option<LastClock>,
    /// Now, in the era that follows from it.
    pub(super) when: When,
}

impl First<'_> {
    /// Opens an epoch.
    pub(super) fn epoch(&mut self, ready: &Ready, damage: &mut Damage) -> Result<Begun, Fault> {
        let Ready { store, head, receipts } = ready;
        let head = *head;
        let tail = tail_state(store, head, damage)?;
        // Behind the tail: that of a new journal is none the less whole for what lies beside it.
        super::aside::bound(store, &self.place.file, self.place.budget_bytes, damage)?;
        let (behind, tail_state, found) = match receipts.beyond(head) {
            // Its numbers were sent: they are never given again.
            Some(behind) => {
                let state = if head.seq == 0 { TailState::Reset } else { TailState::Rollback };
                (behind, state, Some(Found { seq: head.seq, link: head.link }))
            }
            None => (tail.head, tail.state, tail.found),
        };
        let clock = last_clock(store, head)?;
        let mut when = self.when.clone();
        when.clock.era = clock.as_ref().map_or(when.clock.era, |last| last.era_at(&when));
        let (last_receipt, version) = (receipts.last_link(), self.version.to_owned());
        let opening = Opening { tail_state, found, last_receipt, version };
        let (seed, Credentials { origin, identity, .. }) = ((self.entropy)(), self.credentials);
        let (mut sealer, sealed) = Sealer::open(origin, identity, seed, behind, &opening, &when)
            .map_err(|refusal| Fault::Refused(refusal.to_string()))?;
        let erased = store.transaction(|| {
            store.put(&sealed, "cannot store epoch.open")?;
            super::openings::note(store, sealer.head().ep, sealed.seq)?;
            let lost = tail_state == TailState::Rollback;
            let erased = if lost { super::personal::put_back(store, head.seq, &when)? } else { None };
            erased.map(|body| super::prune::write(store, &mut sealer, &body)).transpose()
        })?;
        // A kill between an erasure and the end of its log leaves the text in there.
        if erased.is_some() || tail.state != TailState::Clean {
            store.cut_log();
        }
        Ok(Begun { sealer, tail_state, behind, clock, when })
    }
}

/// What the last record says of the clock.
fn last_clock(store: &Store, head: Head) -> Result<Option<LastClock>, Fault> {
    let line = store.line(head.seq)?;
    Ok(line.and_then(|line| {
        let record = Parsed::read_bytes(&line).ok()?;
        let payload: Value = serde_json::from_str(record.payload()).ok()?;
        let era = payload.get("clk")?.get("era")?.as_u64().and_then(|era| u32::try_from(era).ok())?;
        Some(LastClock { boot: record.boot.clone(), mono_us: record.mono_us, wall_ms: record.wall_ms, era })
    }))
}
