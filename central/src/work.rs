//! The worker: owns the ingest, takes what the sessions hear, alarms first, and answers. Blocks only for the store.
//!
//! While one round of the backlog is stored, the threads at the [`Desk`] verify the next one. A slow disk slows this
//! down and nothing grows: what waits is bounded by [`Turns`](crate::turns::Turns), and what is read from the broker by
//! the session.

mod intake;

pub use intake::Intake;

use crate::check::Desk;
use crate::clock::Clock;
use crate::ingest::{CERTIFICATE, Downlink, Ingest, Outgoing};
use crate::link::{Heard, Message, Mouth, Payload};
use crate::store::StoreError;
use crate::turns::{Owed, Parcel};
use intake::unreadable;
use picket_record::encode::Name;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// So many times in a row the alarm lane goes before a backlog that is ready to be stored.
const URGENT_IN_A_ROW: u32 = 8;
/// So many messages of the alarm lane are taken in a row before whatever else is ready has its turn: a question or a wish
/// for a certificate is answered where it is taken, and a flood of them never ends. A wish that is refused costs a
/// commit, so that an alarm waits for eight of these at most.
const HEARD_IN_A_ROW: u32 = 8;
/// How often receipts that wait for their time are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often it is looked who is silent.
const LISTEN_EVERY_MS: u64 = 1000;
/// Ends of the topics that this program writes.
pub(crate) const RECEIPTS: &str = "receipt";
pub(crate) const ORDERS: &str = "order";

/// What a gateway sends when it asks for its last receipt.
#[derive(Debug, Default, Deserialize)]
struct Ask {
    /// Highest receipt that it ever had.
    n: Option<u64>,
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
    /// Messages of the alarm lane that were taken since something else had its turn.
    heard_in_a_row: u32,
    listen_ms: u64,
}

impl Worker {
    /// With an ingest that was just opened, and a desk at which threads serve.
    pub fn new(ingest: Ingest, desk: Desk, clock: Clock) -> Self {
        let intake = Intake::new(ingest, desk);
        let unsent = BTreeMap::new();
        Self { intake, clock, mouths: [None, None], unsent, in_a_row: 0, heard_in_a_row: 0, listen_ms: 0 }
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
            let others = self.heard_in_a_row >= HEARD_IN_A_ROW;
            let room = [self.intake.urgent.has_room() && !others, self.intake.record.has_room()];
            let heard_before = std::mem::take(&mut self.heard_in_a_row);
            tokio::select! {
                biased;
                _ = stop.changed() => return Ok(()),
                Some(heard) = urgent.recv(), if room[0] => {
                    self.heard_in_a_row = heard_before + 1;
                    self.hear(heard, 0)?;
                }
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
                // Nothing else was ready.
                () = std::future::ready(()), if others => {}
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
        self.send_due()?;
        // Without the broker nobody can be heard.
        if self.mouths.iter().all(Option::is_some) { self.intake.ingest.listen(now) } else { Ok(()) }
    }

    /// Root documents, orders and commands that are due.
    fn send_due(&mut self) -> Result<(), StoreError> {
        for downlink in self.intake.ingest.downlinks(self.clock.now())? {
            self.send_down(&downlink);
        }
        Ok(())
    }

    /// What finds no mouth is sent again in its time, or asked for again.
    fn send_down(&self, Downlink { gw, content_type, payload }: &Downlink) {
        let topic = format!("sms/v1/{gw}/{ORDERS}");
        let mut mouths = self.mouths.iter().flatten();
        let _ = mouths.any(|mouth| mouth.publish(topic.clone(), Some(content_type), payload.clone()));
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
            Payload::Whole(bytes) if lane == "ask" && content_type.as_deref() == Some(CERTIFICATE) => {
                let answer = intake.ingest.certificate(gw, &bytes, now)?;
                answer.iter().for_each(|answer| self.send_down(answer));
                owed.iter().for_each(acknowledge);
            }
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
            self.send_due()?;
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

#[cfg(test)]
mod tests;
