//! The worker: owns the ingest, takes what the sessions hear, alarms first, and answers. Blocks only for the store.

use crate::clock::Clock;
use crate::ingest::{Ingest, Outgoing, Tally};
use crate::link::Heard;
use crate::store::StoreError;
use crate::unpack;
use picket_record::encode::Name;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
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
/// Messages may come before the session counts as up, so the first time does not prove the client gone.
const GONE_AFTER: u8 = 2;

/// What a gateway sends when it asks for its last receipt.
#[derive(Debug, Default, Deserialize)]
struct Ask {
    /// Highest receipt that it ever had.
    n: Option<u64>,
}

/// An acknowledgement that no client took.
struct Owed {
    client: AsyncClient,
    publish: Box<Publish>,
    /// Which session it came with.
    session: usize,
    /// How often that session came up since.
    outlived: u8,
}

/// A message of the record lane that is taken in slices.
struct Open {
    client: AsyncClient,
    publish: Box<Publish>,
    gw: String,
    text: Vec<u8>,
    at: usize,
}

/// The owner of the ingest.
pub struct Worker {
    ingest: Ingest,
    clock: Clock,
    /// Clients that receipts can be sent by: of the urgent session, of the record session.
    mouths: [Option<AsyncClient>; 2],
    /// Receipts that no client took; the newest of each gateway is enough.
    unsent: BTreeMap<Name, String>,
    /// Acknowledgements that no client took.
    unacknowledged: Vec<Owed>,
    open: Option<Open>,
    warned_ms: Option<u64>,
}

impl Worker {
    /// With an ingest that was just opened.
    pub fn new(ingest: Ingest, clock: Clock) -> Self {
        Self {
            ingest,
            clock,
            mouths: [None, None],
            unsent: BTreeMap::new(),
            unacknowledged: Vec::new(),
            open: None,
            warned_ms: None,
        }
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
                _ = tick.tick() => self.acknowledge_again(),
                Some(heard) = record.recv(), if self.open.is_none() => self.hear(heard, 1)?,
                () = std::future::ready(()), if self.open.is_some() => self.slice()?,
            }
            self.answer()?;
        }
    }

    fn hear(&mut self, heard: Heard, session: usize) -> Result<(), StoreError> {
        match heard {
            Heard::Connected(client) => {
                self.mouths[session] = Some(client);
                self.unacknowledged.iter_mut().for_each(|owed| owed.outlived += u8::from(owed.session == session));
                self.unacknowledged.retain(|owed| owed.outlived < GONE_AFTER);
                self.ingest.repeat(self.clock.now());
                Ok(())
            }
            Heard::Message(client, publish) => self.message(client, publish),
        }
    }

    fn message(&mut self, client: AsyncClient, publish: Box<Publish>) -> Result<(), StoreError> {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let Some((gw, lane)) = topic.strip_prefix("sms/v1/").and_then(|rest| rest.split_once('/')) else {
            tracing::warn!(topic, "a message outside the topics of gateways");
            self.acknowledge(client, publish);
            return Ok(());
        };
        if lane == "ask" {
            let ask: Ask = serde_json::from_slice(&publish.payload).unwrap_or_default();
            self.ingest.ask(gw, ask.n, self.clock.now())?;
            self.acknowledge(client, publish);
            return Ok(());
        }
        let content_type = publish.properties.as_ref().and_then(|properties| properties.content_type.as_deref());
        match unpack::text(content_type, &publish.payload) {
            Ok(text) => {
                let mut open = Open { client, publish, gw: gw.to_owned(), text, at: 0 };
                if lane == "record" {
                    self.open = Some(open);
                } else {
                    while !self.take(&mut open)? {}
                    self.acknowledge(open.client, open.publish);
                }
            }
            Err(refusal) => {
                self.ingest.unreadable(gw, &refusal.to_string(), &publish.payload, self.clock.now())?;
                // Without this the broker would send it again for ever.
                self.acknowledge(client, publish);
            }
        }
        Ok(())
    }

    fn slice(&mut self) -> Result<(), StoreError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if self.take(&mut open)? {
            self.acknowledge(open.client, open.publish);
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
        let now = self.clock.now().mono_ms;
        let quiet = self.warned_ms.is_some_and(|warned| now - warned < WARN_EVERY_MS);
        let Tally { stored, duplicates, ahead, passed, forks, refused } = tally;
        if refused + forks > 0 && !quiet {
            self.warned_ms = Some(now);
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

    fn answer(&mut self) -> Result<(), StoreError> {
        let due = self.ingest.receipts(self.clock.now())?;
        self.unsent.extend(due.into_iter().map(|Outgoing { gw, line }| (gw, line)));
        let mouths = &self.mouths;
        self.unsent.retain(|gw, line| !mouths.iter().flatten().any(|mouth| publish_receipt(mouth, gw, line)));
        Ok(())
    }

    fn acknowledge(&mut self, client: AsyncClient, publish: Box<Publish>) {
        if client.try_ack(&publish).is_err() {
            let session = usize::from(publish.topic.ends_with(b"/record"));
            self.unacknowledged.push(Owed { client, publish, session, outlived: 0 });
        }
    }

    /// Once more for those whose event loop was busy: rumqttc does not tell this from a connection that is gone.
    /// Forgotten when the session came up again; the broker then sends the message again.
    fn acknowledge_again(&mut self) {
        self.unacknowledged.retain(|owed| owed.client.try_ack(&owed.publish).is_err());
    }
}

fn publish_receipt(client: &AsyncClient, gw: &Name, line: &str) -> bool {
    client.try_publish(format!("sms/v1/{gw}/receipt"), QoS::AtLeastOnce, false, line.to_owned()).is_ok()
}
