//! One connection, from CONNECT to its end: what arrives goes to the worker, what the worker says goes out.

use super::frames::{Frames, Incoming, Unreadable};
use super::{Ended, Heard, Message, Mouth, Payload, Receipt, Session};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, Connect, ConnectProperties, ConnectReturnCode, Filter, Login, Packet, PingReq, PubAck, Publish,
    SubAck, Subscribe, SubscribeReasonCode,
};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Messages that may be unacknowledged, told to the broker; above it nothing is read, for brokers that do not keep to
/// it. Bounds the memory to as many packets for each lane.
const UNACKNOWLEDGED_MAX: u16 = 32;
/// Receipts without the broker's PUBACK.
const INFLIGHT_MAX: u16 = 256;
/// Receipts on their way to the connection.
const RECEIPTS: usize = 512;
/// The broker keeps what comes while this program is away for a week.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;
/// A half-open connection is noticed after twice this.
const KEEP_ALIVE_S: u16 = 20;
/// Longest wait for the connection with its CONNACK, and then for the SUBACK.
const PATIENCE: Duration = Duration::from_secs(30);
/// The only SUBSCRIBE of a connection.
const SUBSCRIBE_ID: u16 = INFLIGHT_MAX + 1;

const NOT_CONNACK: &str = "its first packet was not CONNACK";

/// A connection that stands.
struct Conversation<'a> {
    session: &'a Session,
    frames: Frames,
    mouth: Mouth,
    /// Read, not yet given to the worker. Nothing more is read until it is.
    next: Option<Heard>,
    /// Messages read whose acknowledgement has not left.
    unacknowledged: u16,
    /// Packet ids of receipts without PUBACK, from 1 to `inflight_max`.
    inflight: BTreeSet<u16>,
    inflight_max: u16,
    subscribed: bool,
}

/// Connects and carries until something ends.
pub(super) async fn hold(session: &Session, worker: &mpsc::Sender<Heard>) -> Result<Infallible, Ended> {
    let (frames, given) = timeout(PATIENCE, connect(session)).await.unwrap_or(Err(Ended::NoAnswer))?;
    let (receipts, to_send) = mpsc::channel(RECEIPTS);
    let (acknowledgements, to_acknowledge) = mpsc::channel(usize::from(UNACKNOWLEDGED_MAX));
    let limit = given.as_ref().and_then(|given| given.receive_max).unwrap_or(u16::MAX);
    let conversation = Conversation {
        session,
        frames,
        mouth: Mouth { acknowledgements, receipts },
        next: None,
        unacknowledged: 0,
        inflight: BTreeSet::new(),
        inflight_max: limit.min(INFLIGHT_MAX),
        subscribed: false,
    };
    conversation.carry(ping_interval(given.as_ref()), worker, to_acknowledge, to_send).await
}

/// Connects and asks for the lane's topics, whatever the broker says of the session.
async fn connect(session: &Session) -> Result<(Frames, Option<ConnAckProperties>), Ended> {
    let mut frames = Frames::open(&session.broker.host, session.broker.port).await?;
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(UNACKNOWLEDGED_MAX);
    let connect = Connect {
        keep_alive: KEEP_ALIVE_S,
        client_id: session.client_id(),
        clean_start: false,
        properties: Some(properties),
    };
    let login = session.broker.login.as_ref();
    let login = login.map(|login| Login { username: login.user.clone(), password: login.password.clone() });
    frames.send(&Packet::Connect(connect, None, login)).await?;
    let connack = match frames.next().await? {
        Incoming::Packet(packet) => match *packet {
            Packet::ConnAck(connack) => connack,
            _ => return Err(Ended::Protocol(NOT_CONNACK)),
        },
        Incoming::Unreadable(_) => return Err(Ended::Protocol(NOT_CONNACK)),
    };
    match connack.code {
        ConnectReturnCode::Success => {}
        code @ (ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword) => {
            return Err(Ended::Login(code));
        }
        code => return Err(Ended::Refused(code)),
    }
    tracing::debug!(lane = session.lane.word(), session = connack.session_present, "connected");
    let filters = session.lane.filters().iter().map(|path| Filter::new(*path, QoS::AtLeastOnce));
    let subscribe = Subscribe { pkid: SUBSCRIBE_ID, ..Subscribe::new_many(filters, None) };
    frames.send(&Packet::Subscribe(subscribe)).await?;
    Ok((frames, connack.properties))
}

/// The broker may set its own keep-alive (MQTT 5.0 section 3.2.2.3.14); with 0 it expects no pings, but we want to see
/// it die.
fn ping_interval(given: Option<&ConnAckProperties>) -> Duration {
    let seconds = match given.and_then(|given| given.server_keep_alive) {
        None | Some(0) => KEEP_ALIVE_S,
        Some(seconds) => seconds.min(KEEP_ALIVE_S),
    };
    Duration::from_secs(u64::from(seconds))
}

impl Conversation<'_> {
    /// Every wait of the selection may be cancelled; what follows a wait never is.
    async fn carry(
        mut self,
        ping: Duration,
        worker: &mpsc::Sender<Heard>,
        mut to_acknowledge: mpsc::Receiver<u16>,
        mut to_send: mpsc::Receiver<Receipt>,
    ) -> Result<Infallible, Ended> {
        let answer_by = Instant::now() + PATIENCE;
        let mut heard_at = Instant::now();
        let mut ping_at = heard_at + ping;
        loop {
            let reads = self.next.is_none() && self.unacknowledged < UNACKNOWLEDGED_MAX;
            let sends = self.inflight.len() < usize::from(self.inflight_max);
            tokio::select! {
                Some(id) = to_acknowledge.recv() => {
                    self.frames.send(&Packet::PubAck(PubAck::new(id, None))).await?;
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                }
                Some(receipt) = to_send.recv(), if sends => self.send(receipt).await?,
                incoming = self.frames.next(), if reads => {
                    heard_at = Instant::now();
                    self.take(incoming?)?;
                }
                room = worker.reserve(), if self.next.is_some() => {
                    let room = room.map_err(|_| Ended::Worker)?;
                    if let Some(heard) = self.next.take() {
                        room.send(heard);
                    }
                }
                () = worker.closed() => return Err(Ended::Worker),
                () = sleep_until(ping_at) => {
                    if !reads {
                        // Not read on purpose; its answers wait behind what we did not take.
                        heard_at = Instant::now();
                    } else if heard_at.elapsed() > 2 * ping {
                        return Err(Ended::Silent(heard_at.elapsed().as_secs()));
                    }
                    ping_at = Instant::now() + ping;
                    self.frames.send(&Packet::PingReq(PingReq)).await?;
                }
                () = sleep_until(answer_by), if reads && !self.subscribed => return Err(Ended::NoAnswer),
            }
        }
    }

    async fn send(&mut self, receipt: Receipt) -> Result<(), Ended> {
        let Some(id) = (1..=self.inflight_max).find(|id| !self.inflight.contains(id)) else { return Ok(()) };
        self.inflight.insert(id);
        let publish = Publish::new(receipt.topic, QoS::AtLeastOnce, receipt.line, None);
        self.frames.send(&Packet::Publish(Publish { pkid: id, ..publish })).await
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), Ended> {
        let message = match incoming {
            Incoming::Unreadable(Unreadable { topic, owed, why }) => {
                Message { topic, content_type: None, payload: Payload::Unreadable { why }, owed }
            }
            Incoming::Packet(packet) => match *packet {
                Packet::Publish(publish) => message(publish)?,
                Packet::PubAck(acknowledged) => {
                    self.inflight.remove(&acknowledged.pkid);
                    return Ok(());
                }
                Packet::SubAck(answer) => return self.standing(&answer),
                Packet::PingResp(_) => return Ok(()),
                _ => return Err(Ended::Protocol("a packet that no broker sends here")),
            },
        };
        self.unacknowledged += u16::from(message.owed.is_some());
        self.next = Some(Heard::Message(self.mouth.clone(), message));
        Ok(())
    }

    fn standing(&mut self, answer: &SubAck) -> Result<(), Ended> {
        if !answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
            return Err(Ended::Subscription { filters: self.session.lane.filters() });
        }
        tracing::info!(lane = self.session.lane.word(), host = self.session.broker.host, "subscribed");
        self.subscribed = true;
        self.next = Some(Heard::Connected(self.mouth.clone()));
        Ok(())
    }
}

fn message(publish: Publish) -> Result<Message, Ended> {
    let properties = publish.properties.unwrap_or_default();
    if properties.topic_alias.is_some() {
        return Err(Ended::Protocol("a topic alias, none were agreed"));
    }
    let owed = match publish.qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => Some(publish.pkid),
        QoS::ExactlyOnce => return Err(Ended::Protocol("a message at QoS 2, 1 was asked for")),
    };
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    Ok(Message { topic, content_type: properties.content_type, payload: Payload::Whole(publish.payload), owed })
}
