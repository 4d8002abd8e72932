//! The link to the central side: one MQTT 5 session, rebuilt on every loss; batches out, receipts in.
//!
//! The journal is the outbox, never the link: what was handed to a session that is lost is sent again by the decision of
//! `core::uplink`. A PUBACK frees nothing; receipts do.

use crate::broker::{BrokerFault, Connection, Endpoint};
use crate::certificate::{Ends, News, Outfit};
use crate::journal::thread::Parcel;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::Input;
use picket_session::{Ears, Event, Keeps, Message, Terms};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

mod conversation;

use conversation::Conversation;

/// A link that is open on this side alone is seen after twice this: once until it is asked, once for the answer.
const KEEP_ALIVE_S: u16 = 20;
/// Connecting, the broker's answers, and how long it may take nothing: a mobile link needs longer than the usual 5 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// Batches and asks without PUBACK, if the broker allows as many; the rest waits here.
const IN_FLIGHT: u16 = 8;
/// Parcels that wait for their turn: what decides opens fewer.
const WAITING: usize = 32;
/// Receipts and orders not yet acknowledged, told to the broker.
const RECEIPTS: u16 = 16;
/// Largest packet that is read: a receipt is a few hundred bytes, a part of a register 64 KiB, and a root document at most
/// so much; topic and properties take the rest. What is larger is thrown away as it comes.
const PACKET_MAX: usize = picket_record::root::DOWN_LINES_MAX + 8 * 1024;
/// What was thrown away is told at most so often: whoever may publish on the topic may do it all day.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A session that stood for this long was not broken: the pauses start over.
const STABLE: Duration = Duration::from_secs(60);

/// One gateway's link.
#[derive(Debug)]
pub struct Link {
    endpoint: Endpoint,
    gateway: String,
    inputs: mpsc::Sender<Input>,
    session: u32,
    thrown: Thrown,
    /// On the topic of orders: one topic's flood hides nothing of the other's.
    misordered: Thrown,
    /// Whoever keeps the certificate, where somebody does.
    keeper: Option<Ends>,
    /// Edition of what was connected with.
    edition: u64,
    /// Number of the wish that was sent last.
    wished: u64,
}

/// Why a session ended.
struct Ended {
    cause: String,
    /// The broker refuses our certificate.
    refused: bool,
}

impl From<String> for Ended {
    fn from(cause: String) -> Self {
        Self { cause, refused: false }
    }
}

impl From<BrokerFault> for Ended {
    fn from(fault: BrokerFault) -> Self {
        Self { refused: matches!(fault, BrokerFault::Refused(_)), cause: fault.to_string() }
    }
}

/// Messages that were too large to be what their topic is for, or damaged.
#[derive(Debug, Default)]
struct Thrown {
    count: u64,
    told: u64,
    told_at: Option<Instant>,
}

impl Link {
    /// A link that is not connected yet.
    pub fn new(endpoint: Endpoint, gateway: String, inputs: mpsc::Sender<Input>) -> Self {
        let (thrown, misordered) = Default::default();
        Self { endpoint, gateway, inputs, session: 0, thrown, misordered, keeper: None, edition: 0, wished: 0 }
    }

    /// Connects with what the keeper of the certificate gives out, and tells it how that went.
    pub fn kept_by(mut self, keeper: Ends) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Connects, carries, and connects again, until the channel is closed.
    pub async fn run(mut self, mut parcels: mpsc::Receiver<Parcel>, seed: u64) {
        let mut backoff = Backoff::link();
        let mut chance = Chance::new(seed);
        loop {
            let started = Instant::now();
            self.dress();
            let Err(Ended { cause, refused }) = self.session(&mut parcels).await else { return };
            if refused {
                self.news(News::Refused { edition: self.edition, cause: cause.clone() });
            }
            tracing::info!(cause, "the central link is down");
            if self.inputs.send(Input::LinkDown { cause }).await.is_err() {
                return;
            }
            if started.elapsed() >= STABLE {
                backoff.reset();
            }
            let until = Instant::now() + Duration::from_millis(backoff.pause_ms(&mut chance));
            if !discard_until(until, &mut parcels).await {
                return;
            }
        }
    }

    /// Takes over what is to be connected with.
    fn dress(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            let Outfit { endpoint, edition, .. } = keeper.outfit.borrow_and_update().clone();
            (self.endpoint, self.edition) = (endpoint, edition);
        }
    }

    /// What finds no room is said again, or comes again when it is asked for.
    fn news(&self, news: News) {
        if let Some(keeper) = &self.keeper {
            let _ = keeper.news.try_send(news);
        }
    }

    /// One session, from CONNECT to its loss. `Ok` when the agent stops.
    async fn session(&mut self, parcels: &mut mpsc::Receiver<Parcel>) -> Result<(), Ended> {
        let connection = tokio::select! {
            connected = self.connect() => connected?,
            () = discard(parcels) => return Ok(()),
        };
        self.session += 1;
        let session = self.session;
        tracing::info!(session, "the central link is up");
        self.inputs.send(Input::LinkUp { session }).await.map_err(|_| "stopping".to_owned())?;
        self.wished = 0;
        let mut conversation = Conversation::new(self, connection);
        conversation.wish();
        conversation.carry(parcels).await
    }

    fn topic(&self, end: &str) -> String {
        format!("sms/v1/{}/{end}", self.gateway)
    }

    /// Until the subscription stands.
    async fn connect(&self) -> Result<Connection, Ended> {
        let terms = terms(&self.endpoint, &self.gateway, self.gateway.clone());
        let mut connection = Connection::open(&self.endpoint, terms).await?;
        loop {
            match connection.next(Ears::Open).await? {
                Event::Subscribed { refused } if refused.is_empty() => return Ok(connection),
                Event::Subscribed { .. } => {
                    let (receipts, orders) = (self.topic("receipt"), self.topic("order"));
                    return Err(format!("the broker refuses {receipts} or {orders}: check its rights").into());
                }
                // Nothing was asked for yet; the last receipt comes again when it is asked for.
                Event::Message(Message { owed, .. }) => owed.into_iter().for_each(|id| connection.acknowledge(id)),
                Event::Opened { .. } | Event::Answered { .. } => {}
            }
        }
    }
}

/// What a session with the central side's broker asks for.
pub(crate) fn terms(endpoint: &Endpoint, gateway: &str, client_id: String) -> Terms {
    Terms {
        client_id,
        login: endpoint.login.clone(),
        keeps: Keeps::Nothing,
        filters: vec![format!("sms/v1/{gateway}/receipt"), format!("sms/v1/{gateway}/order")],
        keep_alive_s: KEEP_ALIVE_S,
        unacknowledged_max: RECEIPTS,
        inflight_max: IN_FLIGHT,
        packet_max: PACKET_MAX,
        patience: PATIENCE,
    }
}

impl Thrown {
    /// Counts one more; gives what is to be told of them, if it is time.
    fn one(&mut self, topic: &str, bytes: usize) -> Option<String> {
        self.count += 1;
        if self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return None;
        }
        let new = self.count - self.told;
        let cause = format!("{new} messages that can be no {topic} were thrown away, the last of {bytes} bytes");
        tracing::warn!(cause, in_all = self.count, "who may publish on the {topic} topic?");
        (self.told, self.told_at) = (self.count, Some(Instant::now()));
        Some(cause)
    }
}

/// Waits, and throws away what was meant for the session that is gone. `false` when the agent stops.
async fn discard_until(until: Instant, parcels: &mut mpsc::Receiver<Parcel>) -> bool {
    tokio::select! {
        () = discard(parcels) => false,
        () = sleep_until(until) => true,
    }
}

/// Throws away what is meant for a session, and answers calls, until the agent stops. Safe to cancel.
async fn discard(parcels: &mut mpsc::Receiver<Parcel>) {
    while let Some(parcel) = parcels.recv().await {
        if let Parcel::Call { here } = parcel {
            // Nobody waits for it any more where this fails.
            let _ = here.send(());
        }
    }
}

#[cfg(test)]
mod tests;
