//! From messages to what is stored, without a socket: rounds of lines, what they owe, what is said of them.

use crate::check::{Checking, Desk, Round, Slice};
use crate::clock::Now;
use crate::ingest::{Ingest, Outgoing, Tally};
use crate::store::StoreError;
use crate::turns::{Owed, Parcel, Taken, Turns};

/// Lines of the backlog in one transaction: some 30 ms for the store, which an alarm may have to wait.
const ROUND: usize = 2048;
/// Bytes of the texts that these lines are of.
const ROUND_BYTES: usize = 8 * 1024 * 1024;
/// Lines of the alarm lane that are taken at once, by this thread alone: some 10 ms.
const URGENT: usize = 128;
/// A warning about refused lines at most so often: a flood of them is counted in the store.
const WARN_EVERY_MS: u64 = 10_000;

/// A round with the threads, and what is to be acknowledged once it is stored.
struct Under {
    checking: Checking,
    owed: Vec<Owed>,
}

/// From messages to what is stored, without a socket.
pub struct Intake {
    pub(super) ingest: Ingest,
    desk: Desk,
    pub(super) urgent: Turns,
    pub(super) record: Turns,
    under: Option<Under>,
    pub(super) warned_ms: Option<u64>,
}

impl Intake {
    /// With an ingest that was just opened, and a desk at which threads serve.
    pub fn new(ingest: Ingest, desk: Desk) -> Self {
        let (urgent, record) = (Turns::default(), Turns::default());
        Self { ingest, desk, urgent, record, under: None, warned_ms: None }
    }

    /// Takes a message of the backlog, to be stored in its turn.
    pub fn put(&mut self, parcel: Parcel) {
        self.record.put(parcel);
    }

    /// Whether another message of the backlog may be put.
    pub fn has_room(&self) -> bool {
        self.record.has_room()
    }

    /// Whether nothing of the backlog waits or is under way.
    pub fn is_idle(&self) -> bool {
        self.under.is_none() && self.record.is_empty()
    }

    /// Gives the next round of the backlog to the threads, if they have none.
    pub fn start(&mut self, now: Now) -> Result<(), StoreError> {
        if self.under.is_none() {
            self.under = self.next(None, now)?;
        }
        Ok(())
    }

    /// Until the round that the threads have is checked; for ever if they have none. Safe to cancel.
    pub async fn checked(&mut self) {
        match &mut self.under {
            Some(under) => under.checking.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Stores the round that was checked while the threads have the next one; what it owes may be acknowledged.
    pub fn store(&mut self, now: Now) -> Result<Vec<Owed>, StoreError> {
        let Some(Under { checking, owed }) = self.under.take() else { return Ok(Vec::new()) };
        let next = self.next(Some(checking.round()), now)?;
        self.under = next;
        let round = checking.finish();
        self.store_round(&round, now)?;
        Ok(owed)
    }

    /// The receipts that are due.
    pub fn receipts(&mut self, now: Now) -> Result<Vec<Outgoing>, StoreError> {
        self.ingest.receipts(now)
    }

    /// Takes lines of the alarm lane and stores them.
    pub(super) fn urgent(&mut self, now: Now) -> Result<Vec<Owed>, StoreError> {
        let (slices, owed) = take(&mut self.urgent, URGENT, &mut self.ingest, &mut self.warned_ms, now)?;
        let round = Round::new(slices.into_iter().map(|slice| (slice, None)).collect(), None);
        self.store_round(&round, now)?;
        Ok(owed)
    }

    fn next(&mut self, before: Option<&Round>, now: Now) -> Result<Option<Under>, StoreError> {
        let (slices, owed) = take(&mut self.record, ROUND, &mut self.ingest, &mut self.warned_ms, now)?;
        if slices.is_empty() && owed.is_empty() {
            return Ok(None);
        }
        let round = self.ingest.round(slices, before, now)?;
        Ok(Some(Under { checking: self.desk.give(round), owed }))
    }

    fn store_round(&mut self, round: &Round, now: Now) -> Result<(), StoreError> {
        if round.slices().is_empty() {
            return Ok(());
        }
        let tallies = self.ingest.store(round, now)?;
        for (slice, tally) in round.slices().iter().zip(tallies) {
            report(&mut self.warned_ms, slice, tally, now);
        }
        Ok(())
    }
}

/// Takes slices in their turns until there are so many lines, and what is owed for messages that end with them.
fn take(
    turns: &mut Turns,
    limit: usize,
    ingest: &mut Ingest,
    warned_ms: &mut Option<u64>,
    now: Now,
) -> Result<(Vec<Slice>, Vec<Owed>), StoreError> {
    let (mut slices, mut owed): (Vec<Slice>, Vec<Owed>) = (Vec::new(), Vec::new());
    let (mut lines, mut bytes) = (0, 0);
    while lines < limit && bytes < ROUND_BYTES {
        match turns.take() {
            Some(Taken::Lines(slice, done)) => {
                owed.extend(done);
                lines += slice.len();
                bytes += slice.held_bytes();
                if !slice.is_empty() {
                    slices.push(slice);
                }
            }
            Some(Taken::Unreadable(parcel, why)) => {
                let why = why.to_string();
                unreadable(ingest, warned_ms, &parcel.gw, &why, &parcel.payload, now)?;
                // Without this the broker would send it again for ever.
                owed.extend(parcel.owed);
                lines += 1;
            }
            None => break,
        }
    }
    Ok((slices, owed))
}

pub(super) fn unreadable(
    ingest: &mut Ingest,
    warned_ms: &mut Option<u64>,
    gw: &str,
    why: &str,
    kept: &[u8],
    now: Now,
) -> Result<(), StoreError> {
    if may_warn(warned_ms, now) {
        tracing::warn!(gw, why, "a message without lines");
    }
    ingest.unreadable(gw, why, kept, now)
}

fn report(warned_ms: &mut Option<u64>, slice: &Slice, tally: Tally, now: Now) {
    let gw = slice.gw();
    let Tally { stored, duplicates, ahead, passed, forks, found, personal, refused } = tally;
    if refused + forks > 0 && may_warn(warned_ms, now) {
        tracing::warn!(gw, stored, duplicates, ahead, passed, forks, refused, "lines refused or of another history");
    } else {
        tracing::debug!(gw, stored, duplicates, ahead, passed, forks, found, personal, refused, "lines taken");
    }
}

fn may_warn(warned_ms: &mut Option<u64>, now: Now) -> bool {
    let quiet = warned_ms.is_some_and(|warned| now.mono_ms - warned < WARN_EVERY_MS);
    if !quiet {
        *warned_ms = Some(now.mono_ms);
    }
    !quiet
}
