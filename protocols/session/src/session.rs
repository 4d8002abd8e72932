//! The session: handshake, subscription, keep-alive, what is owed to the broker and what the broker owes.
//!
//! Four verbs. Input: bytes into [`Session::io`], then [`Session::take`] until it gives nothing. Time: [`Session::pass`].
//! Output: bytes of [`Session::io`], told by [`Session::left`]. Deadline: [`Session::deadline`]. Times are since the
//! session was opened.

use crate::inbox::{Frame, Inbox};
use crate::terms::{Answer, Ears, Event, Keeps, Login, Oddities, Refusal, Terms};
use crate::{Fault, Message, Unsent};
use bytes::{Buf as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Filter, Packet, PingReq,
    PubAck, PubAckReason, Publish, PublishProperties, SubAck, Subscribe, SubscribeReasonCode,
};
use std::collections::VecDeque;
use std::time::Duration;

/// A PUBACK must follow what was sent, or the one before it, within this time; the broker is stalled else. It is far more
/// than a broker takes to write something down.
const STALL: Duration = Duration::from_secs(30);
/// The only SUBSCRIBE of a session; messages of our own have lower numbers.
const SUBSCRIBE_ID: u16 = u16::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting { by: Duration },
    Subscribing { by: Duration },
    Standing,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    stage: Stage,
    inbox: Inbox,
    /// Bytes in it when it was last looked at.
    held: usize,
    outbox: BytesMut,
    ping: Duration,
    ping_at: Duration,
    heard_at: Duration,
    /// When bytes last left, or came into an empty outbox.
    moved_at: Duration,
    /// Packet ids of messages that are not acknowledged.
    owed: VecDeque<u16>,
    /// Packet ids of own messages, in the order they were sent.
    inflight: VecDeque<u16>,
    /// When the oldest of them began to be the oldest.
    waits_since: Duration,
    last_id: u16,
    inflight_max: usize,
    /// Largest packet that the broker takes, all of it counted.
    broker_max: usize,
    oddities: Oddities,
}

impl Session {
    /// With CONNECT to be sent.
    pub fn open(terms: Terms) -> Self {
        let ping = Duration::from_secs(u64::from(terms.keep_alive_s.max(1)));
        let mut session = Self {
            stage: Stage::Connecting { by: terms.patience },
            inbox: Inbox::new(terms.packet_max),
            held: 0,
            outbox: BytesMut::new(),
            ping,
            ping_at: ping,
            heard_at: Duration::ZERO,
            moved_at: Duration::ZERO,
            owed: VecDeque::new(),
            inflight: VecDeque::new(),
            waits_since: Duration::ZERO,
            last_id: 0,
            inflight_max: usize::from(terms.inflight_max.max(1)),
            broker_max: usize::MAX,
            oddities: Oddities::default(),
            terms,
        };
        let connect = session.connect();
        session.put(&connect, Duration::ZERO);
        session
    }

    fn connect(&self) -> Packet {
        let mut properties = ConnectProperties::new();
        if let Keeps::For { s } = self.terms.keeps {
            properties.session_expiry_interval = Some(s);
        }
        properties.receive_maximum = Some(self.terms.unacknowledged_max.max(1));
        let connect = Connect {
            keep_alive: self.terms.keep_alive_s.max(1),
            client_id: self.terms.client_id.clone(),
            clean_start: self.terms.keeps == Keeps::Nothing,
            properties: Some(properties),
        };
        let login = self.terms.login.as_ref();
        let login = login.map(|Login { user, password }| rumqttc::v5::mqttbytes::v5::Login::new(user, password));
        Packet::Connect(connect, None, login)
    }

    /// Where to put what the broker sends, and what is to be sent to it.
    pub fn io(&mut self) -> (&mut BytesMut, &[u8]) {
        (self.inbox.room(), &self.outbox)
    }

    /// So many bytes were sent.
    pub fn left(&mut self, count: usize, now: Duration) {
        self.outbox.advance(count.min(self.outbox.len()));
        self.moved_at = now;
    }

    /// Whether more should be read: else the broker waits.
    pub fn reads(&self, ears: Ears) -> bool {
        ears == Ears::Open && self.owed.len() < usize::from(self.terms.unacknowledged_max.max(1))
    }

    /// The next event of what was read. To be asked again until there is none, before more is read; not while
    /// [`Session::reads`] says no.
    pub fn take(&mut self, now: Duration) -> Result<Option<Event>, Fault> {
        while let Some(frame) = self.next_frame(now)? {
            let event = match frame {
                Frame::Message(message) => Some(self.message(message)?),
                Frame::Packet(packet) => self.packet(*packet, now)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// Half a message is a sign of life too: a large one may take longer than two pings on a slow way.
    fn next_frame(&mut self, now: Duration) -> Result<Option<Frame>, Fault> {
        if self.inbox.held() != self.held {
            self.heard_at = now;
        }
        let frame = self.inbox.take();
        self.held = self.inbox.held();
        frame
    }

    fn message(&mut self, message: Message) -> Result<Event, Fault> {
        if matches!(self.stage, Stage::Connecting { .. }) {
            return Err(Fault::Protocol(NOT_CONNACK));
        }
        self.owed.extend(message.owed);
        Ok(Event::Message(message))
    }

    fn packet(&mut self, packet: Packet, now: Duration) -> Result<Option<Event>, Fault> {
        match (packet, self.stage) {
            (Packet::ConnAck(answer), Stage::Connecting { .. }) => self.connected(&answer, now).map(Some),
            (_, Stage::Connecting { .. }) => Err(Fault::Protocol(NOT_CONNACK)),
            (Packet::ConnAck(_), _) => Err(Fault::Protocol("a second CONNACK")),
            (Packet::SubAck(answer), Stage::Subscribing { .. }) => self.subscribed(&answer, now).map(Some),
            (Packet::SubAck(_), Stage::Standing) => Err(Fault::Protocol("a second SUBACK")),
            (Packet::PubAck(answer), _) => Ok(self.answered(&answer, now)),
            (Packet::PingResp(_), _) => Ok(None),
            (Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_), _) => {
                Err(Fault::Protocol("a packet of QoS 2, 1 was agreed"))
            }
            (Packet::Auth(_) | Packet::UnsubAck(_), _) => Err(Fault::Protocol("a packet that nothing asked for")),
            (
                Packet::Connect(..)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::PingReq(_)
                | Packet::Publish(_)
                | Packet::Disconnect(_),
                _,
            ) => Err(Fault::Protocol("a packet that only a client sends")),
        }
    }

    /// MQTT 5.0 section 3.2. The broker may set its own keep-alive and leaves us at one and a half of it; with 0 it
    /// expects no pings, but we want to see it die, and pinging without a pause would be no better.
    fn connected(&mut self, answer: &ConnAck, now: Duration) -> Result<Event, Fault> {
        match answer.code {
            ConnectReturnCode::Success => {}
            code @ (ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword) => {
                return Err(Fault::Login(code));
            }
            code => return Err(Fault::Refused(code)),
        }
        let resumed = answer.session_present;
        self.oddities.terms += u64::from(resumed && self.terms.keeps == Keeps::Nothing);
        if let Some(given) = &answer.properties {
            if given.max_qos == Some(0) {
                return Err(Fault::Unacknowledging);
            }
            self.oddities.terms +=
                u64::from(given.receive_max == Some(0)) + u64::from(given.server_keep_alive == Some(0));
            let allowed = given.receive_max.map_or(usize::MAX, usize::from).max(1);
            self.inflight_max = self.inflight_max.min(allowed);
            if let Some(wanted) = given.server_keep_alive.filter(|wanted| *wanted > 0) {
                self.ping = self.ping.min(Duration::from_secs(u64::from(wanted)));
            }
            self.broker_max = given.max_packet_size.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        }
        self.ping_at = now + self.ping;
        self.stage = Stage::Subscribing { by: now + self.terms.patience };
        let filters = self.terms.filters.iter().map(|path| Filter::new(path, QoS::AtLeastOnce));
        let subscribe = Subscribe { pkid: SUBSCRIBE_ID, ..Subscribe::new_many(filters, None) };
        self.put(&Packet::Subscribe(subscribe), now);
        Ok(Event::Opened { resumed })
    }

    fn subscribed(&mut self, answer: &SubAck, now: Duration) -> Result<Event, Fault> {
        if answer.pkid != SUBSCRIBE_ID || answer.return_codes.len() != self.terms.filters.len() {
            return Err(Fault::Protocol("SUBACK for another request"));
        }
        self.stage = Stage::Standing;
        self.waits_since = now;
        let rows = self.terms.filters.iter().zip(&answer.return_codes);
        let refused = rows.filter(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)));
        let refused = refused.map(|(filter, code)| Refusal { filter: filter.clone(), code: *code }).collect();
        Ok(Event::Subscribed { refused })
    }

    /// A broker may acknowledge out of order, twice, or what it never got; only what is under way is told.
    fn answered(&mut self, answer: &PubAck, now: Duration) -> Option<Event> {
        let Some(at) = self.inflight.iter().position(|id| *id == answer.pkid) else {
            self.oddities.acknowledgements += 1;
            return None;
        };
        self.inflight.remove(at);
        self.waits_since = now;
        let answer = Event::Answered {
            id: answer.pkid,
            answer: match answer.reason {
                PubAckReason::Success => Answer::Taken,
                PubAckReason::NoMatchingSubscribers => Answer::Unheard,
                refused => Answer::Refused(refused),
            },
        };
        Some(answer)
    }

    /// Whether [`Session::publish`] has room.
    pub fn may_publish(&self) -> bool {
        self.stage == Stage::Standing && self.inflight.len() < self.inflight_max
    }

    /// Sends at QoS 1; gives the packet id under which [`Event::Answered`] will speak of it.
    pub fn publish(
        &mut self,
        topic: &str,
        content_type: Option<&str>,
        payload: Bytes,
        now: Duration,
    ) -> Result<u16, Unsent> {
        if !self.may_publish() {
            return Err(Unsent::Full);
        }
        let id = self.free_id();
        let properties = content_type.map(|content_type| PublishProperties {
            content_type: Some(content_type.to_owned()),
            ..Default::default()
        });
        let packet = Publish { pkid: id, ..Publish::new(topic, QoS::AtLeastOnce, payload, properties) };
        let packet = Packet::Publish(packet);
        let limit = self.broker_max.min(LARGEST);
        if packet.size() > limit {
            return Err(Unsent::TooLarge { size: packet.size(), limit });
        }
        if self.inflight.is_empty() {
            self.waits_since = now;
        }
        self.last_id = id;
        self.inflight.push_back(id);
        self.put(&packet, now);
        Ok(id)
    }

    /// Rises through all numbers before one is used again: a PUBACK that a broker gives twice is for nothing, and not
    /// for another message.
    fn free_id(&self) -> u16 {
        let next = |id: u16| if id + 1 == SUBSCRIBE_ID { 1 } else { id + 1 };
        let mut id = next(self.last_id);
        while self.inflight.contains(&id) {
            id = next(id);
        }
        id
    }

    /// The broker may forget a message. One that is not owed in this session is not spoken of.
    pub fn acknowledge(&mut self, id: u16, now: Duration) {
        if let Some(at) = self.owed.iter().position(|owed| *owed == id) {
            self.owed.remove(at);
            self.put(&Packet::PubAck(PubAck::new(id, None)), now);
        }
    }

    /// Says goodbye: what is to be sent ends with it.
    pub fn close(&mut self, now: Duration) {
        self.put(&Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection)), now);
    }

    fn put(&mut self, packet: &Packet, now: Duration) {
        if self.outbox.is_empty() {
            self.moved_at = now;
        }
        packet.write(&mut self.outbox, None).expect("lengths are checked before a packet is made");
    }

    /// Time has come to this; pings, and ends what takes too long. While nothing is read on purpose the broker's silence
    /// is not held against it.
    pub fn pass(&mut self, now: Duration, ears: Ears) -> Result<(), Fault> {
        let patience = self.terms.patience;
        if !self.outbox.is_empty() && now >= self.moved_at + patience {
            return Err(Fault::Stuck(patience.as_secs()));
        }
        let reads = self.reads(ears);
        match &mut self.stage {
            Stage::Connecting { by } if now >= *by => return Err(Fault::NoAnswer(patience.as_secs())),
            Stage::Subscribing { by } if now >= *by && reads => return Err(Fault::NotSubscribed(patience.as_secs())),
            Stage::Subscribing { by } if now >= *by => *by = now + patience,
            Stage::Connecting { .. } => return Ok(()),
            Stage::Subscribing { .. } | Stage::Standing => {}
        }
        if now >= self.stalls_at() && !self.inflight.is_empty() {
            if reads {
                return Err(Fault::Stalled);
            }
            self.waits_since = now;
        }
        if now >= self.ping_at {
            let silent = now.saturating_sub(self.heard_at);
            if !reads {
                // Its answers wait behind what we did not take.
                self.heard_at = now;
            } else if silent > 2 * self.ping {
                return Err(Fault::Silent(silent.as_secs()));
            }
            self.ping_at = now + self.ping;
            self.put(&Packet::PingReq(PingReq), now);
        }
        Ok(())
    }

    /// Bytes that leave slowly are no stall.
    fn stalls_at(&self) -> Duration {
        self.waits_since.max(self.moved_at) + STALL
    }

    /// When [`Session::pass`] has something to do.
    pub fn deadline(&self) -> Duration {
        let mut first = match self.stage {
            Stage::Connecting { by } => by,
            Stage::Subscribing { by } => by.min(self.ping_at),
            Stage::Standing => self.ping_at,
        };
        if !self.outbox.is_empty() {
            first = first.min(self.moved_at + self.terms.patience);
        }
        if !self.inflight.is_empty() {
            first = first.min(self.stalls_at());
        }
        first
    }

    /// Own messages without PUBACK.
    pub fn under_way(&self) -> usize {
        self.inflight.len()
    }

    /// What was borne.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }
}

const NOT_CONNACK: &str = "its first packet was not CONNACK";
/// Longest packet with its fixed header: MQTT 5.0 section 1.5.5.
const LARGEST: usize = 5 + 268_435_455;

#[cfg(test)]
mod tests;
