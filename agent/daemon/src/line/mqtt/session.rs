//! One client of the broker: its options, and the loop that polls it and does nothing else.

use super::fault::{Rescue, SessionFault};
use super::{ANSWER_PATIENCE, CREDIT};
use crate::line::BrokerSession;
use picket_core::wire::Heard;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, Filter, Packet, Publish, RetainForwardRule, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Largest packet, told to the broker and never read beyond. With [`QUEUE`] it bounds the memory of a line.
const MAX_PACKET: u32 = 256 * 1024;
/// Largest payload that is passed on; alarms, readings and e-lock reports are a few KiB.
const MAX_PAYLOAD: usize = 64 * 1024;
/// The broker keeps the session for a week without us.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3_600;
/// A dead broker is seen after two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Longest keep-alive taken from a broker that sets its own.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(300);
/// Least keep-alive that the client accepts; it panics below.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5);
/// Longest pause of polling for messages at QoS 0 that come faster than they are recorded. Far below [`KEEP_ALIVE`].
const STALL: Duration = Duration::from_secs(5);
/// Messages between the polling loop and the desk: those the broker may send unacknowledged, and as many at QoS 0.
pub(super) const ARRIVALS: usize = 2 * CREDIT as usize;
/// Changes of the standing between the polling loop and the desk.
pub(super) const STANDINGS: usize = 4;
/// Requests to the client: one acknowledgement per message, SUBSCRIBE, DISCONNECT.
const REQUESTS: usize = CREDIT as usize + 2;

/// A new client. Never reused: the library's state after a lost session loses or repeats what it holds.
pub(super) fn client(session: &BrokerSession, rescue: &Rescue) -> (AsyncClient, EventLoop) {
    // The client joins host and port with a colon.
    let is_v6 = session.host.parse::<Ipv6Addr>().is_ok();
    let host = if is_v6 { format!("[{}]", session.host) } else { session.host.clone() };
    let mut options = MqttOptions::new(&session.client_id, host, session.port);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(CREDIT);
    properties.max_packet_size = Some(MAX_PACKET);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_connect_properties(properties)
        .set_network_options(network)
        .set_clean_start(rescue.clean_start())
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(ANSWER_PATIENCE.as_secs())
        .set_manual_acks(true)
        // We publish nothing; the default reserves a slot for each of 65,535.
        .set_outgoing_inflight_upper_limit(1);
    if let Some((user, password)) = &session.login {
        options.set_credentials(user, password);
    }
    AsyncClient::new(options, REQUESTS)
}

/// Polls until the session ends; `None` after our own DISCONNECT has left. The only caller of `poll`, which is never
/// cancelled while the session shall live.
pub(super) async fn poll(
    mut events: EventLoop,
    client: &AsyncClient,
    topics: &[String],
    rescue: &Rescue,
    mut intake: Intake,
) -> Option<SessionFault> {
    loop {
        let done = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                tracing::debug!(resumed = answer.session_present, "connected");
                clamp_keep_alive(&mut events.options);
                subscribe(client, topics, rescue)
            }
            Ok(Event::Incoming(Packet::SubAck(answer))) => intake.subscribed(topics, &answer),
            Ok(Event::Incoming(Packet::Publish(publish))) => intake.take(publish).await,
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return None,
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(fault) = done {
            return Some(fault);
        }
    }
}

/// A broker may set the keep-alive; 0 would make the client ping at once and again before the answer, for ever.
fn clamp_keep_alive(options: &mut MqttOptions) {
    let given = options.keep_alive();
    if given.is_zero() {
        options.set_keep_alive(KEEP_ALIVE);
    } else if given != given.clamp(KEEP_ALIVE_MIN, KEEP_ALIVE_MAX) {
        options.set_keep_alive(given.clamp(KEEP_ALIVE_MIN, KEEP_ALIVE_MAX));
    }
}

/// Subscribes in every session: a resumed one may have been made under other settings.
fn subscribe(client: &AsyncClient, topics: &[String], rescue: &Rescue) -> Result<(), SessionFault> {
    let rule = if rescue.with_retained() { RetainForwardRule::OnEverySubscribe } else { RetainForwardRule::Never };
    let filter = |topic: &String| {
        let mut filter = Filter::new(topic, QoS::AtLeastOnce);
        filter.retain_forward_rule = rule.clone();
        filter
    };
    client.try_subscribe_many(topics.iter().map(filter)).map_err(|_| SessionFault::BadFilter)
}

/// What the polling loop hands to the desk.
pub(super) struct Intake {
    arrivals: mpsc::Sender<Arrival>,
    standings: mpsc::Sender<Option<String>>,
    /// `None` once every filter is subscribed; else what the broker refused.
    standing: Option<String>,
    /// Messages at QoS 0 lost since there was room.
    lost: u64,
}

impl Intake {
    pub(super) fn new(arrivals: mpsc::Sender<Arrival>, standings: mpsc::Sender<Option<String>>) -> Self {
        Self { arrivals, standings, standing: None, lost: 0 }
    }

    fn stand(&self, standing: Option<String>) {
        if self.standings.try_send(standing).is_err() {
            tracing::warn!("change of standing not told: the one before still waits");
        }
    }

    fn subscribed(&mut self, topics: &[String], answer: &SubAck) -> Result<(), SessionFault> {
        let taken = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
        if answer.return_codes.len() != topics.len() {
            return Err(SessionFault::Protocol("SUBACK with another count of answers"));
        }
        let rows = topics.iter().zip(&answer.return_codes);
        let refused: Vec<String> =
            rows.filter(|(_, code)| !taken(code)).map(|(topic, code)| format!("{topic} ({code:?})")).collect();
        let fault = SessionFault::NotAllowed(refused.join(", "));
        if refused.len() == topics.len() {
            return Err(fault);
        }
        self.standing = (!refused.is_empty()).then(|| fault.to_string());
        self.stand(self.standing.clone());
        Ok(())
    }

    /// Passes a message on. Those to be acknowledged never wait, because the broker may send only [`CREDIT`] of them;
    /// those at QoS 0 leave that room free and wait for [`STALL`] at most, then they are lost and the line says so.
    async fn take(&mut self, publish: Publish) -> Result<(), SessionFault> {
        if publish.properties.as_ref().is_some_and(|properties| properties.topic_alias.is_some()) {
            return Err(SessionFault::Protocol("a topic alias, none were agreed"));
        }
        let arrival = Arrival::from(publish);
        match arrival.qos() {
            QoS::ExactlyOnce => Err(SessionFault::Protocol("a message at QoS 2, 1 was asked for")),
            QoS::AtLeastOnce => self.arrivals.try_send(arrival).map_err(|_| SessionFault::CreditExceeded(CREDIT)),
            QoS::AtMostOnce => {
                self.take_unowed(arrival).await;
                Ok(())
            }
        }
    }

    async fn take_unowed(&mut self, arrival: Arrival) {
        let room = usize::from(CREDIT) + 1;
        let patience = if self.lost > 0 { Duration::ZERO } else { STALL };
        let permits = timeout(patience, self.arrivals.reserve_many(room)).await;
        match permits {
            Ok(Ok(mut permits)) => {
                if let Some(permit) = permits.next() {
                    permit.send(arrival);
                }
                drop(permits);
                if self.lost > 0 {
                    tracing::warn!(lost = self.lost, "messages at QoS 0 lost");
                    self.lost = 0;
                    self.stand(self.standing.clone());
                }
            }
            // The desk is gone, and with it this session.
            Ok(Err(_)) => {}
            Err(_) => {
                if self.lost == 0 {
                    self.stand(Some(SessionFault::Overflow(usize::from(CREDIT)).to_string()));
                }
                self.lost += 1;
            }
        }
    }
}

/// A message, cut to what is passed on. Holds no buffer of the client.
#[derive(Debug)]
pub(super) struct Arrival {
    heard: Heard,
    owed: Publish,
}

impl From<Publish> for Arrival {
    fn from(publish: Publish) -> Self {
        let size = publish.payload.len();
        let oversize = (size > MAX_PAYLOAD).then_some(size as u64);
        let heard = Heard::Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: if oversize.is_some() { Vec::new() } else { publish.payload.to_vec() },
            retained: publish.retain,
            oversize,
        };
        Self { heard, owed: Publish { qos: publish.qos, pkid: publish.pkid, ..Publish::default() } }
    }
}

impl Arrival {
    pub(super) fn qos(&self) -> QoS {
        self.owed.qos
    }

    /// What to say, and what to acknowledge after it is confirmed.
    pub(super) fn split(self) -> (Heard, Option<Publish>) {
        let owed = (self.owed.qos == QoS::AtLeastOnce).then_some(self.owed);
        (self.heard, owed)
    }
}
