//! The link to the central side: one MQTT 5 session, rebuilt on every loss; batches out, receipts in.
//!
//! The journal is the outbox, never the client: a batch that was handed to a client whose session is lost is sent
//! again by the decision of `core::uplink`. A PUBACK frees nothing; receipts do.

use crate::journal::Lines;
use crate::journal::thread::Parcel;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::{Input, Lane};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Where the central broker is. `None` in the settings: records stay on the gateway.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User and password, if the broker asks for them.
    pub login: Option<(String, String)>,
}

/// Half-open links are seen after twice this (reliability R9).
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Largest message either way: a batch is 256 KiB before it is deflated, and one record may stand above it.
const PACKET_MAX: u32 = 512 * 1024;
/// Connecting, and every flush of a large batch on a slow line (reliability R8).
const CONNECT_S: u64 = 30;
/// A batch without PUBACK for so long means a dead session (reliability R2).
const STALL: Duration = Duration::from_secs(30);
/// Batches that may be under way: one per lane, an ask and the subscription.
const IN_FLIGHT: u16 = 8;

/// One gateway's link.
#[derive(Debug)]
pub struct Link {
    endpoint: Endpoint,
    gateway: String,
    inputs: mpsc::Sender<Input>,
    session: u32,
}

/// What waits for its PUBACK.
#[derive(Debug)]
struct Flight {
    packet: Option<u16>,
    lane: Option<Lane>,
    through: u64,
    since: Instant,
}

/// Publishes under way, in the order they were handed to the client.
type Flights = RefCell<VecDeque<Flight>>;

impl Link {
    /// A link that is not connected yet.
    pub fn new(endpoint: Endpoint, gateway: String, inputs: mpsc::Sender<Input>) -> Self {
        Self { endpoint, gateway, inputs, session: 0 }
    }

    /// Connects, carries, and connects again, until the channel is closed.
    pub async fn run(mut self, mut parcels: mpsc::Receiver<Parcel>, seed: u64) {
        let mut backoff = Backoff::link();
        let mut chance = Chance::new(seed);
        loop {
            let started = Instant::now();
            let Err(cause) = self.session(&mut parcels).await else { return };
            tracing::info!(cause, "the central link is down");
            if self.inputs.send(Input::LinkDown { cause }).await.is_err() {
                return;
            }
            if started.elapsed() >= Duration::from_secs(60) {
                backoff.reset();
            }
            let until = Instant::now() + Duration::from_millis(backoff.pause_ms(&mut chance));
            if !discard_until(until, &mut parcels).await {
                return;
            }
        }
    }

    fn options(&self) -> MqttOptions {
        let mut options = MqttOptions::new(&self.gateway, &self.endpoint.host, self.endpoint.port);
        let mut network = NetworkOptions::new();
        // A batch right behind a small packet would wait for the broker's delayed acknowledgement: 40 ms for an alarm.
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_connection_timeout(CONNECT_S)
            .set_max_packet_size(Some(PACKET_MAX))
            .set_outgoing_inflight_upper_limit(IN_FLIGHT);
        if let Some((user, password)) = &self.endpoint.login {
            options.set_credentials(user, password);
        }
        options
    }

    /// One session, from CONNECT to its loss. `Ok` when the agent stops.
    async fn session(&mut self, parcels: &mut mpsc::Receiver<Parcel>) -> Result<(), String> {
        let (client, mut events) = AsyncClient::new(self.options(), usize::from(IN_FLIGHT) * 2);
        tokio::select! {
            connected = self.connect(&client, &mut events) => connected?,
            () = discard(parcels) => return Ok(()),
        }
        self.session += 1;
        let session = self.session;
        tracing::info!(session, "the central link is up");
        self.inputs.send(Input::LinkUp { session }).await.map_err(|_| "stopping".to_owned())?;
        let flights = Flights::default();
        // Both futures live until the session ends: `poll` is never dropped half-way while it is in use (R10).
        tokio::select! {
            lost = self.listen(&mut events, &flights) => Err(lost),
            ended = self.carry(&client, &flights, parcels) => ended,
        }
    }

    /// Until the subscription stands.
    async fn connect(&self, client: &AsyncClient, events: &mut EventLoop) -> Result<(), String> {
        let topic = format!("sms/v1/{}/receipt", self.gateway);
        let mut subscribed = false;
        let deadline = Instant::now() + Duration::from_secs(CONNECT_S);
        while Instant::now() < deadline {
            match events.poll().await.map_err(|error| told(&error))? {
                Event::Incoming(Packet::ConnAck(_)) if !subscribed => {
                    subscribed = true;
                    let filter = Filter::new(topic.clone(), QoS::AtLeastOnce);
                    client.try_subscribe_many([filter]).map_err(|error| error.to_string())?;
                }
                Event::Incoming(Packet::SubAck(ack)) => {
                    let granted = ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
                    return if granted { Ok(()) } else { Err(format!("the broker refuses {topic}: check its rights")) };
                }
                _ => {}
            }
        }
        Err("the broker did not answer the subscription".into())
    }

    async fn listen(&self, events: &mut EventLoop, flights: &Flights) -> String {
        loop {
            let event = match events.poll().await {
                Ok(event) => event,
                Err(error) => return told(&error),
            };
            let input = match event {
                Event::Outgoing(Outgoing::Publish(packet)) => {
                    let mut flights = flights.borrow_mut();
                    if let Some(flight) = flights.iter_mut().find(|flight| flight.packet.is_none()) {
                        flight.packet = Some(packet);
                    }
                    None
                }
                Event::Incoming(Packet::PubAck(ack)) => self.acknowledged(flights, ack.pkid, ack.reason),
                Event::Incoming(Packet::Publish(publish)) => match std::str::from_utf8(&publish.payload) {
                    Ok(line) => Some(Input::ReceiptHeard { line: line.trim().to_owned() }),
                    Err(_) => Some(Input::ReceiptRefused { cause: "a receipt that is not text".into() }),
                },
                Event::Incoming(Packet::Disconnect(reason)) => {
                    return format!("the broker ended the session: {:?}", reason.reason_code);
                }
                _ => None,
            };
            if let Some(input) = input {
                if self.inputs.send(input).await.is_err() {
                    return "stopping".into();
                }
            }
        }
    }

    fn acknowledged(&self, flights: &Flights, packet: u16, reason: PubAckReason) -> Option<Input> {
        let mut flights = flights.borrow_mut();
        let at = flights.iter().position(|flight| flight.packet == Some(packet))?;
        let flight = flights.remove(at)?;
        let result = match reason {
            PubAckReason::Success => Ok(flight.through),
            // 0x10: the broker took it and threw it away.
            PubAckReason::NoMatchingSubscribers => Err("nobody listens at the broker".to_owned()),
            other => Err(format!("the broker refused a batch: {other:?}")),
        };
        Some(Input::Sent { session: self.session, lane: flight.lane?, result })
    }

    /// Hands batches and asks to the client.
    async fn carry(
        &self,
        client: &AsyncClient,
        flights: &Flights,
        parcels: &mut mpsc::Receiver<Parcel>,
    ) -> Result<(), String> {
        loop {
            let stalled = flights.borrow().front().map(|flight| flight.since + STALL);
            tokio::select! {
                parcel = parcels.recv() => match parcel {
                    Some(Parcel::Batch { session, lane, lines }) if session == self.session => {
                        self.publish(client, flights, lane, lines)?;
                    }
                    Some(Parcel::Ask { session, newest }) if session == self.session => {
                        self.ask(client, flights, newest)?;
                    }
                    Some(Parcel::Call { here }) => {
                        let _ = here.send(());
                    }
                    Some(Parcel::Batch { .. } | Parcel::Ask { .. }) => {}
                    None => return Ok(()),
                },
                () = sleep_until(stalled.unwrap_or_else(Instant::now)), if stalled.is_some() => {
                    return Err("the broker does not acknowledge".into());
                }
            }
        }
    }

    fn publish(&self, client: &AsyncClient, flights: &Flights, lane: Lane, lines: Lines) -> Result<(), String> {
        let name = match lane {
            Lane::Urgent => "urgent",
            Lane::Record => "record",
        };
        let kind = if lines.deflated { "application/jose-lines+deflate" } else { "application/jose-lines" };
        let flight = Flight { packet: None, lane: Some(lane), through: lines.through, since: Instant::now() };
        self.hand_over(client, flights, name, kind, lines.payload, flight)
    }

    fn ask(&self, client: &AsyncClient, flights: &Flights, newest: u64) -> Result<(), String> {
        let payload = format!(r#"{{"gw":"{}","n":{newest}}}"#, self.gateway).into_bytes();
        let flight = Flight { packet: None, lane: None, through: 0, since: Instant::now() };
        self.hand_over(client, flights, "ask", "application/json", payload, flight)
    }

    fn hand_over(
        &self,
        client: &AsyncClient,
        flights: &Flights,
        lane: &str,
        content_type: &str,
        payload: Vec<u8>,
        flight: Flight,
    ) -> Result<(), String> {
        let properties = PublishProperties { content_type: Some(content_type.to_owned()), ..Default::default() };
        let topic = format!("sms/v1/{}/{lane}", self.gateway);
        flights.borrow_mut().push_back(flight);
        client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .map_err(|error| error.to_string())
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

/// What went wrong, from its innermost cause: what wraps it repeats it or names our own client.
fn told(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let text = innermost.to_string();
    let text = text.strip_prefix("Mqtt state: ").unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
