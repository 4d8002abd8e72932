//! Two sessions with the broker, one for each lane. Carries messages in and nothing else; decides nothing.
//!
//! A connection that ends is never repaired: client and event loop are made anew, because what rumqttc 0.25 keeps over
//! a lost session is partly forgotten and partly sent twice (bytebeamio/rumqtt#863, #1056). One task only polls and
//! never waits for anything else. PUBACKs are given by hand, after the commit.

use crate::settings::Broker;
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Packet, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Largest message taken, announced to the broker so that it never sends one which would end the link. A gateway
/// sends at most 64 KiB before compression.
const PACKET_MAX: u32 = 1024 * 1024;
/// Messages that the broker may send before the first is acknowledged: bounds the memory to 32 packets for each lane.
const UNACKNOWLEDGED_MAX: u16 = 32;
/// Messages between a session and the worker. More than `UNACKNOWLEDGED_MAX`, for brokers that do not keep to it.
pub const QUEUE: usize = 1024;
/// Acknowledgements and receipts on their way to the event loop.
const REQUESTS: usize = 512;
/// Receipts without the broker's PUBACK.
const INFLIGHT_MAX: u16 = 256;
/// The broker keeps what comes while this program is away for a week.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;
/// A half-open link is noticed after twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Covers TCP, CONNECT and every flush.
const PATIENCE_S: u64 = 30;
const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_LAST: Duration = Duration::from_secs(2);

/// What a session reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Alarms and questions.
    Urgent,
    /// Everything else.
    Record,
}

impl Lane {
    fn word(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Record => "record",
        }
    }

    fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Urgent => &["sms/v1/+/urgent", "sms/v1/+/ask"],
            Self::Record => &["sms/v1/+/record"],
        }
    }
}

/// From a session to the worker.
#[derive(Debug)]
pub enum Heard {
    /// The session is subscribed; receipts can be sent by this client.
    Connected(AsyncClient),
    /// A message, to be acknowledged by the client it came with.
    Message(AsyncClient, Box<Publish>),
}

/// One session: reads one lane, for ever.
#[derive(Debug, Clone)]
pub struct Session {
    /// Which lane.
    pub lane: Lane,
    /// First part of the client id.
    pub client: String,
    /// Where.
    pub broker: Broker,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the broker or the way to it")]
    Connection(#[source] Box<ConnectionError>),
    #[error("the broker refuses the subscription to {filters:?}")]
    Subscription { filters: &'static [&'static str] },
    #[error("the broker sends more than is acknowledged")]
    Flooded,
    #[error("the worker is gone")]
    Worker,
}

impl Session {
    /// Connects again and again. Returns when the worker is gone.
    pub async fn run(self, worker: mpsc::Sender<Heard>) {
        let mut back_off = BACK_OFF_FIRST;
        loop {
            let start = Instant::now();
            let ended = self.connection(&worker).await;
            if matches!(ended, Ended::Worker) {
                return;
            }
            if start.elapsed() > BACK_OFF_LAST {
                back_off = BACK_OFF_FIRST;
            }
            let lane = self.lane.word();
            let because = std::error::Error::source(&ended).map(ToString::to_string);
            // Said once for each outage, however often it is tried.
            if back_off == BACK_OFF_FIRST {
                tracing::warn!(lane, because, "link ended: {ended}");
            } else {
                tracing::debug!(lane, because, "link ended: {ended}");
            }
            tokio::time::sleep(jittered(back_off)).await;
            back_off = (back_off * 2).min(BACK_OFF_LAST);
        }
    }

    async fn connection(&self, worker: &mpsc::Sender<Heard>) -> Ended {
        let (client, mut events) = AsyncClient::new(self.options(), REQUESTS);
        loop {
            let event = match events.poll().await {
                Ok(event) => event,
                Err(error) => return Ended::Connection(Box::new(error)),
            };
            let Event::Incoming(packet) = event else { continue };
            if let Some(ended) = self.packet(packet, &client, &mut events, worker) {
                return ended;
            }
        }
    }

    fn packet(
        &self,
        packet: Packet,
        client: &AsyncClient,
        events: &mut EventLoop,
        worker: &mpsc::Sender<Heard>,
    ) -> Option<Ended> {
        let heard = match packet {
            Packet::ConnAck(connack) => return self.subscribe(&connack, client, events),
            Packet::SubAck(suback) if !granted(&suback) => {
                return Some(Ended::Subscription { filters: self.lane.filters() });
            }
            Packet::SubAck(_) => {
                tracing::info!(lane = self.lane.word(), host = self.broker.host, "subscribed");
                Heard::Connected(client.clone())
            }
            Packet::Publish(publish) => Heard::Message(client.clone(), Box::new(publish)),
            _ => return None,
        };
        match worker.try_send(heard) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(_)) => Some(Ended::Flooded),
            Err(mpsc::error::TrySendError::Closed(_)) => Some(Ended::Worker),
        }
    }

    /// Subscribes anew whatever the broker says of the session.
    fn subscribe(&self, connack: &ConnAck, client: &AsyncClient, events: &mut EventLoop) -> Option<Ended> {
        // A keep-alive of zero from the broker makes rumqttc ping without end.
        if events.options.keep_alive() < Duration::from_secs(10) {
            tracing::warn!(lane = self.lane.word(), "the broker demands too short a keep-alive; 20 s is kept");
            events.options.set_keep_alive(KEEP_ALIVE);
        }
        tracing::debug!(lane = self.lane.word(), session = connack.session_present, "connected");
        let filters = self.lane.filters();
        let asked = client.try_subscribe_many(filters.iter().map(|path| Filter::new(*path, QoS::AtLeastOnce)));
        asked.err().map(|_| Ended::Subscription { filters })
    }

    fn options(&self) -> MqttOptions {
        let id = format!("{}-{}", self.client, self.lane.word());
        let mut options = MqttOptions::new(id, self.broker.host.clone(), self.broker.port);
        let mut network = NetworkOptions::new();
        // A receipt right behind an acknowledgement would wait for the broker's delayed one.
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
            .set_manual_acks(true)
            .set_max_packet_size(Some(PACKET_MAX))
            .set_receive_maximum(Some(UNACKNOWLEDGED_MAX))
            .set_outgoing_inflight_upper_limit(INFLIGHT_MAX)
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(PATIENCE_S);
        options
    }
}

fn granted(suback: &SubAck) -> bool {
    suback.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)))
}

/// Between a half and the whole, so that many who lost the same broker do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness everybody waits the whole time, which is safe.
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    wait / 2 + wait / 2 * share / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_never_share_a_client_id() {
        let broker = Broker { host: "h".into(), port: 1883 };
        let id = |lane| Session { lane, client: "sms".into(), broker: broker.clone() }.options().client_id();
        assert_eq!((id(Lane::Urgent), id(Lane::Record)), ("sms-urgent".into(), "sms-record".into()));
    }

    #[test]
    fn a_wait_is_between_a_half_and_the_whole() {
        for _ in 0..100 {
            let wait = jittered(BACK_OFF_LAST);
            assert!((BACK_OFF_LAST / 2..=BACK_OFF_LAST).contains(&wait), "{wait:?}");
        }
    }
}
