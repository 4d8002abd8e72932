//! The worker: owns the ingest, takes what the sessions hear, alarms first, and answers. Blocks only for the store.
//!
//! While one round of the backlog is stored, the threads at the [`Desk`] verify the next one. A slow disk slows this
//! down and nothing grows: what waits is bounded by [`Turns`], and what is read from the broker by the session.

use crate::check::{Checking, Desk, Round, Slice};
use crate::clock::{Clock, Now};
use crate::ingest::{Downlink, Ingest, Outgoing, Tally};
use crate::link::{Heard, Message, Mouth, Payload};
use crate::store::StoreError;
use crate::turns::{Owed, Parcel, Taken, Turns};
use picket_record::encode::Name;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Lines of the backlog in one transaction: some 30 ms for the store, which an alarm may have to wait.
const ROUND: usize = 2048;
/// Bytes of the texts that these lines are of.
const ROUND_BYTES: usize = 8 * 1024 * 1024;
/// Lines of the alarm lane that are taken at once, by this thread alone: some 10 ms.
const URGENT: usize = 128;
/// So many times in a row the alarm lane goes before a backlog that is ready to be stored.
const URGENT_IN_A_ROW: u32 = 8;
/// How often receipts that wait for their time are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often it is looked who is silent.
const LISTEN_EVERY_MS: u64 = 1000;
/// A warning about refused lines at most so often: a flood of them is counted in the store.
const WARN_EVERY_MS: u64 = 10_000;
/// Ends of the topics that this program writes.
pub(crate) const RECEIPTS: &str = "receipt";
pub(crate) const ORDERS: &str = "order";

/// What a gateway sends when it asks for its last receipt.
#[derive(Debug, Default, Deserialize)]
struct Ask {
    /// Highest receipt that it ever had.
    n: Option<u64>,
}

/// A round with the threads, and what is to be acknowledged once it is stored.
struct Under {
    checking: Checking,
    owed: Vec<Owed>,
}

/// From messages to what is stored, without a socket.
pub struct Intake {
    ingest: Ingest,
    desk: Desk,
    urgent: Turns,
    record: Turns,
    under: Option<Under>,
    warned_ms: Option<u64>,
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
    fn urgent(&mut self, now: Now) -> Result<Vec<Owed>, StoreError> {
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

fn unreadable(
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

/// The owner of the intake, and the way to the sessions.
pub struct Worker {
    intake: Intake,
    clock: Clock,
    /// What receipts can be said by: of the urgent session, of the record session.
    mouths: [Option<Mouth>; 2],
    /// Receipts that no mouth took; the newest of each gateway is enough.
    unsent: BTreeMap<Name, String>,
    /// Times in a row that the alarm lane went first.
    in_a_row: u32,
    listen_ms: u64,
}

impl Worker {
    /// With an ingest that was just opened, and a desk at which threads serve.
    pub fn new(ingest: Ingest, desk: Desk, clock: Clock) -> Self {
        let intake = Intake::new(ingest, desk);
        Self { intake, clock, mouths: [None, None], unsent: BTreeMap::new(), in_a_row: 0, listen_ms: 0 }
    }

    /// Works until told to stop, between two transactions. A fault of the store ends it: nothing of the open messages
    /// was acknowledged, and the broker keeps them.
    pub async fn run(
        mut self,
        mut urgent: mpsc::Receiver<Heard>,
        mut record: mpsc::Receiver<Heard>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let alarms = !self.intake.urgent.is_empty();
            let first = alarms && self.in_a_row < URGENT_IN_A_ROW;
            let room = [self.intake.urgent.has_room(), self.intake.record.has_room()];
            tokio::select! {
                biased;
                _ = stop.changed() => return Ok(()),
                Some(heard) = urgent.recv(), if room[0] => self.hear(heard, 0)?,
                () = std::future::ready(()), if first => self.alarms()?,
                () = self.intake.checked() => {
                    // What the session read meanwhile belongs into the next round.
                    while self.intake.record.has_room() && let Ok(heard) = record.try_recv() {
                        self.hear(heard, 1)?;
                    }
                    self.backlog()?;
                }
                _ = tick.tick() => self.listen()?,
                Some(heard) = record.recv(), if room[1] => self.hear(heard, 1)?,
                () = std::future::ready(()), if alarms => self.alarms()?,
            }
            self.intake.start(self.clock.now())?;
            self.answer()?;
        }
    }

    fn listen(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if now.mono_ms < self.listen_ms {
            return Ok(());
        }
        self.listen_ms = now.mono_ms + LISTEN_EVERY_MS;
        self.send_down()?;
        // Without the broker nobody can be heard.
        if self.mouths.iter().all(Option::is_some) { self.intake.ingest.listen(now) } else { Ok(()) }
    }

    /// Root documents, orders and commands that are due.
    fn send_down(&mut self) -> Result<(), StoreError> {
        for Downlink { gw, content_type, payload } in self.intake.ingest.downlinks(self.clock.now())? {
            let topic = format!("sms/v1/{gw}/{ORDERS}");
            // What finds no mouth is sent again in its time.
            let _ = self
                .mouths
                .iter()
                .flatten()
                .any(|mouth| mouth.publish(topic.clone(), Some(content_type), payload.clone()));
        }
        Ok(())
    }

    fn alarms(&mut self) -> Result<(), StoreError> {
        self.in_a_row += 1;
        let owed = self.intake.urgent(self.clock.now())?;
        owed.iter().for_each(acknowledge);
        Ok(())
    }

    fn backlog(&mut self) -> Result<(), StoreError> {
        self.in_a_row = 0;
        let owed = self.intake.store(self.clock.now())?;
        owed.iter().for_each(acknowledge);
        Ok(())
    }

    fn hear(&mut self, heard: Heard, session: usize) -> Result<(), StoreError> {
        match heard {
            Heard::Connected(mouth) => {
                self.mouths[session] = Some(mouth);
                self.intake.ingest.repeat(self.clock.now());
                Ok(())
            }
            Heard::Message(mouth, message) => self.message(mouth, message),
        }
    }

    fn message(&mut self, mouth: Mouth, message: Message) -> Result<(), StoreError> {
        let Message { topic, content_type, payload, owed } = message;
        let owed = owed.map(|id| Owed { mouth, id });
        let Some((gw, lane)) = topic.strip_prefix("sms/v1/").and_then(|rest| rest.split_once('/')) else {
            tracing::warn!(topic, "a message outside the topics of gateways");
            owed.iter().for_each(acknowledge);
            return Ok(());
        };
        let now = self.clock.now();
        let intake = &mut self.intake;
        match payload {
            Payload::Whole(bytes) if lane == "ask" => {
                let ask: Ask = serde_json::from_slice(&bytes).unwrap_or_default();
                intake.ingest.ask(gw, ask.n, now)?;
                owed.iter().for_each(acknowledge);
            }
            Payload::Whole(payload) => {
                let parcel = Parcel { gw: gw.to_owned(), content_type, payload, owed };
                if lane == "record" { &mut intake.record } else { &mut intake.urgent }.put(parcel);
            }
            Payload::Unreadable { why } => {
                unreadable(&mut intake.ingest, &mut intake.warned_ms, gw, &why, &[], now)?;
                owed.iter().for_each(acknowledge);
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), StoreError> {
        let due = self.intake.receipts(self.clock.now())?;
        if !due.is_empty() {
            // First: the key of a receipt may be one that only a newer root document names.
            self.send_down()?;
        }
        self.unsent.extend(due.into_iter().map(|Outgoing { gw, line }| (gw, line)));
        let mouths = &self.mouths;
        self.unsent.retain(|gw, line| !mouths.iter().flatten().any(|mouth| publish_receipt(mouth, gw, line)));
        Ok(())
    }
}

fn acknowledge(owed: &Owed) {
    owed.mouth.acknowledge(owed.id);
}

fn publish_receipt(mouth: &Mouth, gw: &Name, line: &str) -> bool {
    mouth.publish(format!("sms/v1/{gw}/{RECEIPTS}"), None, line.as_bytes().to_vec())
}
