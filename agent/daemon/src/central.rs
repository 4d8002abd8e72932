//! The link to the central side: one MQTT 5 session, rebuilt on every loss; batches out, receipts in.
//!
//! The journal is the outbox, never the link: what was handed to a session that is lost is sent again by the decision of
//! `core::uplink`. A PUBACK frees nothing; receipts do.

use crate::broker::{BrokerFault, Connection, Endpoint};
use crate::certificate::{self, Ends, News, Outfit};
use crate::journal::thread::Parcel;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::{Input, Lane};
use picket_record::encode::line_link;
use picket_session::{Answer, Ears, Event, Keeps, Message, Payload, Terms, Unsent};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Half-open links are seen after twice this (reliability R9).
const KEEP_ALIVE_S: u16 = 20;
/// Connecting, the broker's answers, and how long it may take nothing (reliability R8).
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
        let (flights, waiting, told) = Default::default();
        let mut conversation = Conversation { link: self, connection, flights, waiting, told };
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

/// When the keeper has something new; never without one.
async fn changed(outfit: Option<&mut watch::Receiver<Outfit>>) {
    let changed = match outfit {
        Some(outfit) => outfit.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

/// A batch or an ask on its way.
struct Flight {
    /// Packet id; none where it was never sent.
    id: Option<u16>,
    /// None for an ask.
    lane: Option<Lane>,
    through: u64,
    /// Told once those before it in its lane are.
    result: Option<Result<u64, String>>,
}

/// A batch or an ask that is to be sent.
struct Load {
    lane: Option<Lane>,
    through: u64,
    content_type: &'static str,
    payload: Vec<u8>,
}

/// A session that stands.
struct Conversation<'a> {
    link: &'a mut Link,
    connection: Connection,
    /// In the order they were sent.
    flights: VecDeque<Flight>,
    /// In the order they came. Empty while the broker has room.
    waiting: VecDeque<Load>,
    /// What is to be said to `think`; while there is something nothing is read.
    told: VecDeque<Input>,
}

impl Conversation<'_> {
    /// Every wait of the selection may be cancelled; what follows a wait never is.
    async fn carry(mut self, parcels: &mut mpsc::Receiver<Parcel>) -> Result<(), Ended> {
        let inputs = self.link.inputs.clone();
        loop {
            let ears = if self.told.is_empty() { Ears::Open } else { Ears::Shut };
            tokio::select! {
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => self.take(parcel),
                    None => {
                        self.connection.close().await;
                        return Ok(());
                    }
                },
                event = self.connection.next(ears) => match event {
                    Ok(event) => self.hear(event),
                    Err(fault) => {
                        let oddities = self.connection.oddities();
                        tracing::debug!(?oddities, "what the broker did against the protocol in this session");
                        return Err(fault.into());
                    }
                },
                () = changed(self.link.keeper.as_mut().map(|keeper| &mut keeper.outfit)) => {
                    if self.wish() {
                        self.connection.close().await;
                        return Err("it connects anew with other papers".to_owned().into());
                    }
                }
                room = inputs.reserve(), if !self.told.is_empty() => {
                    let room = room.map_err(|_| "stopping".to_owned())?;
                    if let Some(input) = self.told.pop_front() {
                        room.send(input);
                    }
                }
            }
            self.send_waiting();
        }
    }

    /// Has a wish sent that was not sent in this session; whether there are other papers than those that it connected
    /// with.
    fn wish(&mut self) -> bool {
        let Some(keeper) = &mut self.link.keeper else { return false };
        let Outfit { edition, wish, .. } = keeper.outfit.borrow_and_update().clone();
        if let Some((n, line)) = wish.filter(|(n, _)| *n != self.link.wished) {
            self.link.wished = n;
            let (content_type, payload) = (certificate::CONTENT_TYPE, line.into_bytes());
            self.put(Load { lane: None, through: 0, content_type, payload });
        }
        edition != self.link.edition
    }

    fn put(&mut self, load: Load) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(load);
        } else {
            self.failed(&load, "too much waits for the broker".to_owned());
        }
    }

    fn take(&mut self, parcel: Parcel) {
        let load = match parcel {
            Parcel::Batch { session, lane, lines } if session == self.link.session => {
                let content_type = match lines.deflated {
                    true => "application/jose-lines+deflate",
                    false => "application/jose-lines",
                };
                Load { lane: Some(lane), through: lines.through, content_type, payload: lines.payload }
            }
            Parcel::Ask { session, newest } if session == self.link.session => {
                let payload = format!(r#"{{"gw":"{}","n":{newest}}}"#, self.link.gateway).into_bytes();
                Load { lane: None, through: 0, content_type: "application/json", payload }
            }
            Parcel::Call { here } => {
                // Nobody waits for it any more where this fails.
                let _ = here.send(());
                return;
            }
            // For a session that is gone.
            Parcel::Batch { .. } | Parcel::Ask { .. } => return,
        };
        self.put(load);
    }

    fn send_waiting(&mut self) {
        while self.connection.may_publish() {
            let Some(mut load) = self.waiting.pop_front() else { return };
            let lane = match load.lane {
                Some(Lane::Urgent) => "urgent",
                Some(Lane::Record) => "record",
                None => "ask",
            };
            let payload = std::mem::take(&mut load.payload);
            match self.connection.publish(&self.link.topic(lane), load.content_type, payload) {
                Ok(id) => {
                    let Load { lane, through, .. } = load;
                    self.flights.push_back(Flight { id: Some(id), lane, through, result: None });
                }
                Err(unsent @ (Unsent::TooLarge { .. } | Unsent::Full)) => self.failed(&load, unsent.to_string()),
            }
        }
    }

    fn failed(&mut self, load: &Load, why: String) {
        tracing::warn!(why, through = load.through, "a batch cannot be sent");
        let result = Some(Err(why));
        self.flights.push_back(Flight { id: None, lane: load.lane, through: load.through, result });
        self.tell_sent();
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Answered { id, answer } => self.answered(id, answer),
            Event::Message(message) if message.topic.ends_with("/order") => self.order(message),
            Event::Message(message) => self.receipt(message),
            Event::Opened { .. } | Event::Subscribed { .. } => {}
        }
    }

    fn answered(&mut self, id: u16, answer: Answer) {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == Some(id)) else { return };
        flight.result = Some(match answer {
            Answer::Taken => Ok(flight.through),
            Answer::Unheard => Err("nobody listens at the broker".to_owned()),
            Answer::Refused(reason) => Err(format!("the broker refused a batch: {reason:?}")),
        });
        self.tell_sent();
    }

    /// What decides knows the oldest of a lane first, in whatever order a broker acknowledges.
    fn tell_sent(&mut self) {
        let session = self.link.session;
        while let Some(at) = self.first_known() {
            let Some(Flight { lane, result: Some(result), .. }) = self.flights.remove(at) else { return };
            self.told.extend(lane.map(|lane| Input::Sent { session, lane, result }));
        }
    }

    /// A flight that ended and has none of its lane before it.
    fn first_known(&self) -> Option<usize> {
        let ended = |(at, flight): &(usize, &Flight)| {
            flight.result.is_some() && self.flights.iter().take(*at).all(|before| before.lane != flight.lane)
        };
        self.flights.iter().enumerate().find(ended).map(|(at, _)| at)
    }

    fn order(&mut self, message: Message) {
        if let Some(id) = message.owed {
            self.connection.acknowledge(id);
        }
        let input = match message.payload {
            Payload::Whole(bytes) if message.content_type.as_deref() == Some(certificate::CONTENT_TYPE) => {
                self.link.news(News::Answer(bytes.to_vec()));
                None
            }
            Payload::Whole(bytes) => {
                Some(Input::OrderHeard { content_type: message.content_type, payload: bytes.to_vec() })
            }
            Payload::Oversize { bytes } | Payload::Damaged { bytes, .. } => {
                self.link.misordered.one("order", bytes).map(|cause| Input::OrderMisheard { cause })
            }
        };
        self.told.extend(input);
    }

    /// The line of what may be a receipt: whether the centre has answered is known once the journal took it.
    fn heard<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, std::str::Utf8Error> {
        let line = std::str::from_utf8(bytes)?.trim();
        self.link.news(News::Heard { edition: self.link.edition, receipt: line_link(line) });
        Ok(line)
    }

    fn receipt(&mut self, message: Message) {
        if let Some(id) = message.owed {
            self.connection.acknowledge(id);
        }
        let input = match message.payload {
            Payload::Whole(bytes) => Some(match self.heard(&bytes) {
                Ok(line) => Input::ReceiptHeard { line: line.to_owned() },
                Err(_) => Input::ReceiptRefused { cause: "a receipt that is not text".into() },
            }),
            Payload::Oversize { bytes } | Payload::Damaged { bytes, .. } => {
                self.link.thrown.one("receipt", bytes).map(|cause| Input::ReceiptRefused { cause })
            }
        };
        self.told.extend(input);
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
