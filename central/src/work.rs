//! The worker: owns the ingest, takes what the sessions hear, alarms first, and answers. Blocks only for the store.

use crate::clock::Clock;
use crate::ingest::{Ingest, Outgoing, Tally};
use crate::link::{Heard, Message, Mouth, Payload};
use crate::store::StoreError;
use crate::unpack;
use picket_record::encode::Name;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Lines in one transaction: at 0.1 ms for each signature an alarm waits at most some 60 ms for the backlog.
const SLICE: usize = 512;
/// How often receipts that wait for their time are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A warning about refused lines at most so often: a flood of them is counted in the store.
const WARN_EVERY_MS: u64 = 10_000;
/// What a gateway sends when it asks for its last receipt.
#[derive(Debug, Default, Deserialize)]
struct Ask {
    /// Highest receipt that it ever had.
    n: Option<u64>,
}

/// A message of the record lane that is taken in slices.
struct Open {
    mouth: Mouth,
    owed: Option<u16>,
    gw: String,
    text: Vec<u8>,
    at: usize,
}

/// The owner of the ingest.
pub struct Worker {
    ingest: Ingest,
    clock: Clock,
    /// What receipts can be said by: of the urgent session, of the record session.
    mouths: [Option<Mouth>; 2],
    /// Receipts that no mouth took; the newest of each gateway is enough.
    unsent: BTreeMap<Name, String>,
    open: Option<Open>,
    warned_ms: Option<u64>,
}

impl Worker {
    /// With an ingest that was just opened.
    pub fn new(ingest: Ingest, clock: Clock) -> Self {
        Self { ingest, clock, mouths: [None, None], unsent: BTreeMap::new(), open: None, warned_ms: None }
    }

    /// Works until told to stop, between two transactions. A fault of the store ends it: nothing of the open message
    /// was acknowledged, and the broker keeps it.
    pub async fn run(
        mut self,
        mut urgent: mpsc::Receiver<Heard>,
        mut record: mpsc::Receiver<Heard>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return Ok(()),
                Some(heard) = urgent.recv() => self.hear(heard, 0)?,
                _ = tick.tick() => {}
                Some(heard) = record.recv(), if self.open.is_none() => self.hear(heard, 1)?,
                () = std::future::ready(()), if self.open.is_some() => self.slice()?,
            }
            self.answer()?;
        }
    }

    fn hear(&mut self, heard: Heard, session: usize) -> Result<(), StoreError> {
        match heard {
            Heard::Connected(mouth) => {
                self.mouths[session] = Some(mouth);
                self.ingest.repeat(self.clock.now());
                Ok(())
            }
            Heard::Message(mouth, message) => self.message(mouth, message),
        }
    }

    fn message(&mut self, mouth: Mouth, message: Message) -> Result<(), StoreError> {
        let Message { topic, content_type, payload, owed } = message;
        let Some((gw, lane)) = topic.strip_prefix("sms/v1/").and_then(|rest| rest.split_once('/')) else {
            tracing::warn!(topic, "a message outside the topics of gateways");
            acknowledge(&mouth, owed);
            return Ok(());
        };
        let (read, kept) = match &payload {
            Payload::Whole(bytes) if lane == "ask" => {
                let ask: Ask = serde_json::from_slice(bytes).unwrap_or_default();
                self.ingest.ask(gw, ask.n, self.clock.now())?;
                acknowledge(&mouth, owed);
                return Ok(());
            }
            Payload::Whole(bytes) => {
                (unpack::text(content_type.as_deref(), bytes).map_err(|refusal| refusal.to_string()), &bytes[..])
            }
            Payload::Unreadable { why } => (Err(why.clone()), &[][..]),
        };
        match read {
            Ok(text) => {
                let mut open = Open { mouth, owed, gw: gw.to_owned(), text, at: 0 };
                if lane == "record" {
                    self.open = Some(open);
                } else {
                    while !self.take(&mut open)? {}
                    acknowledge(&open.mouth, open.owed);
                }
            }
            Err(why) => {
                if self.may_warn() {
                    tracing::warn!(gw, why, "a message without lines");
                }
                self.ingest.unreadable(gw, &why, kept, self.clock.now())?;
                // Without this the broker would send it again for ever.
                acknowledge(&mouth, owed);
            }
        }
        Ok(())
    }

    fn slice(&mut self) -> Result<(), StoreError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if self.take(&mut open)? {
            acknowledge(&open.mouth, open.owed);
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    /// Takes the next lines of a message; true at its end.
    fn take(&mut self, open: &mut Open) -> Result<bool, StoreError> {
        let lines = unpack::next_lines(&open.text, &mut open.at, SLICE);
        if !lines.is_empty() {
            let tally = self.ingest.batch(&open.gw, &lines, self.clock.now())?;
            self.report(&open.gw, tally);
        }
        Ok(lines.len() < SLICE)
    }

    fn report(&mut self, gw: &str, tally: Tally) {
        let Tally { stored, duplicates, ahead, passed, forks, refused } = tally;
        if refused + forks > 0 && self.may_warn() {
            tracing::warn!(
                gw,
                stored,
                duplicates,
                ahead,
                passed,
                forks,
                refused,
                "lines refused or of another history"
            );
        } else {
            tracing::debug!(gw, stored, duplicates, ahead, passed, forks, refused, "lines taken");
        }
    }

    fn may_warn(&mut self) -> bool {
        let now = self.clock.now().mono_ms;
        let quiet = self.warned_ms.is_some_and(|warned| now - warned < WARN_EVERY_MS);
        if !quiet {
            self.warned_ms = Some(now);
        }
        !quiet
    }

    fn answer(&mut self) -> Result<(), StoreError> {
        let due = self.ingest.receipts(self.clock.now())?;
        self.unsent.extend(due.into_iter().map(|Outgoing { gw, line }| (gw, line)));
        let mouths = &self.mouths;
        self.unsent.retain(|gw, line| !mouths.iter().flatten().any(|mouth| publish_receipt(mouth, gw, line)));
        Ok(())
    }
}

fn acknowledge(mouth: &Mouth, owed: Option<u16>) {
    if let Some(id) = owed {
        mouth.acknowledge(id);
    }
}

fn publish_receipt(mouth: &Mouth, gw: &Name, line: &str) -> bool {
    mouth.publish(format!("sms/v1/{gw}/receipt"), line.to_owned())
}
