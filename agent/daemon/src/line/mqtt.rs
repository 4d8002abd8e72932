//! A site broker over MQTT 5: a session that the broker keeps, and an acknowledgement on the wire only after what was
//! heard is stored. The broker keeps what is not acknowledged, so nothing is kept here.

mod fault;
mod link;

use super::voice::{Deaf, Voice};
use super::{BrokerSession, Order};
use fault::SessionFault;
use link::{Arrival, Incoming, Link};
use picket_core::plan::LineId;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::Input;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Filter, Login, Packet,
    PingReq, PubAck, SubAck, Subscribe, SubscribeReasonCode,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Messages that may wait for their record; also the receive maximum told to the broker. Above it nothing is read, so
/// that the broker waits, at any QoS.
const CREDIT: u16 = 32;
/// Longest wait for the answer to CONNECT, and then for the one to SUBSCRIBE.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// The broker keeps the session for a week without us.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3_600;
/// Between pings, unless the broker wants them faster.
const KEEP_ALIVE_S: u16 = 20;
/// A session that stood for this long was not broken: the pauses start over.
const STABLE: Duration = Duration::from_secs(60);
/// The only SUBSCRIBE of a session.
const SUBSCRIBE_ID: u16 = 1;

/// Carries what the broker delivers until `orders` is closed.
pub(super) async fn run(
    line: LineId,
    session: &BrokerSession,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let (mut backoff, mut chance) = (Backoff::line(), Chance::new(seed));
    let mut desk =
        Desk { voice: Voice::new(line, inputs, u64::from(CREDIT)), next: None, unconfirmed: VecDeque::new() };
    loop {
        let begun = Instant::now();
        let Err(End::Lost(fault)) = desk.attend(session, &mut orders).await else { return };
        if begun.elapsed() >= STABLE {
            backoff.reset();
        }
        desk.voice.session_lost();
        if desk.voice.tell(Some(fault.to_string())).await.is_err() {
            return;
        }
        let pause = Duration::from_millis(backoff.pause_ms(&mut chance));
        if desk.beside(sleep(pause), &mut orders).await.is_err() {
            return;
        }
    }
}

/// Why a session ended.
enum End {
    /// It is tried again.
    Lost(SessionFault),
    /// Orders are closed, or nobody takes inputs.
    Stop,
}

impl From<Deaf> for End {
    fn from(_: Deaf) -> Self {
        End::Stop
    }
}

impl From<SessionFault> for End {
    fn from(fault: SessionFault) -> Self {
        End::Lost(fault)
    }
}

/// Connects, opens the session and asks for the topics; gives the link and the pause between pings. Subscribes every
/// time: a session that the broker kept may be of other settings.
async fn open(session: &BrokerSession) -> Result<(Link, Duration), SessionFault> {
    if let Some(bad) = session.topics.iter().find(|topic| !rumqttc::valid_filter(topic)) {
        return Err(SessionFault::BadFilter(bad.clone()));
    }
    let mut link = Link::open(&session.host, session.port).await?;
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(CREDIT);
    let connect = Connect {
        keep_alive: KEEP_ALIVE_S,
        client_id: session.client_id.clone(),
        clean_start: false,
        properties: Some(properties),
    };
    let login = session.login.as_ref().map(|(user, password)| Login::new(user, password));
    link.send(&Packet::Connect(connect, None, login)).await?;
    let ping = match link.next().await? {
        Incoming::Connected(ConnAck { code: ConnectReturnCode::Success, properties, session_present }) => {
            tracing::debug!(resumed = session_present, "connected");
            ping_interval(properties.and_then(|properties| properties.server_keep_alive))
        }
        Incoming::Connected(ConnAck { code, .. }) => return Err(SessionFault::Refused(format!("{code:?}"))),
        Incoming::Subscribed(_) | Incoming::Message(_) | Incoming::Alive => {
            return Err(SessionFault::Protocol("its first packet was not CONNACK"));
        }
    };
    let filters = session.topics.iter().map(|topic| Filter::new(topic, QoS::AtLeastOnce));
    let subscribe = Subscribe { pkid: SUBSCRIBE_ID, ..Subscribe::new_many(filters, None) };
    link.send(&Packet::Subscribe(subscribe)).await?;
    Ok((link, ping))
}

/// The broker may set its own keep-alive (MQTT 5.0 section 3.2.2.3.14) and leaves us at one and a half of it; with 0 it
/// expects no pings, but we want to see it die.
fn ping_interval(server_keep_alive: Option<u16>) -> Duration {
    let seconds = match server_keep_alive {
        None | Some(0) => KEEP_ALIVE_S,
        Some(given) => given.min(KEEP_ALIVE_S),
    };
    Duration::from_secs(u64::from(seconds))
}

/// Between the broker and `think`: says what arrived, acknowledges what was confirmed.
struct Desk {
    voice: Voice,
    /// Read, not yet said. Nothing more is read until it is.
    next: Option<Arrival>,
    /// Packet ids of this session said with an acknowledgement owed, by token.
    unconfirmed: VecDeque<(u64, u16)>,
}

impl Desk {
    /// One session, from CONNECT to its end.
    async fn attend(&mut self, session: &BrokerSession, orders: &mut mpsc::Receiver<Order>) -> Result<Infallible, End> {
        let opening = timeout(ANSWER_PATIENCE, open(session));
        let opened = self.beside(opening, orders).await?;
        let (mut link, ping) = opened.unwrap_or(Err(SessionFault::NoAnswer(ANSWER_PATIENCE.as_secs())))?;
        let end = self.serve(&mut link, ping, &session.topics, orders).await;
        // The broker delivers again what it is owed for; at QoS 0 this is the only chance.
        self.unconfirmed.clear();
        self.next = self.next.take().filter(|arrival| arrival.owed.is_none());
        end
    }

    /// Serves until something ends. Every wait of the selection may be cancelled; what follows a wait never is.
    async fn serve(
        &mut self,
        link: &mut Link,
        ping: Duration,
        topics: &[String],
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<Infallible, End> {
        let answer_by = Instant::now() + ANSWER_PATIENCE;
        let mut subscribed = false;
        let mut heard_at = Instant::now();
        let mut ping_at = heard_at + ping;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => return Err(farewell(link).await),
                    Some(order) => self.take(order, link).await?,
                },
                incoming = link.next(), if self.next.is_none() => {
                    heard_at = Instant::now();
                    match incoming? {
                        Incoming::Message(arrival) => self.next = Some(arrival),
                        Incoming::Subscribed(answer) => {
                            subscribed = true;
                            self.voice.tell(refused(topics, &answer)?).await?;
                        }
                        Incoming::Alive => {}
                        Incoming::Connected(_) => return Err(SessionFault::Protocol("a second CONNACK").into()),
                    }
                }
                room = self.voice.room(), if self.may_say() => self.say(room?),
                () = sleep_until(ping_at) => {
                    if self.next.is_some() {
                        // Not read on purpose; its answers wait behind what we did not take.
                        heard_at = Instant::now();
                    } else if heard_at.elapsed() > 2 * ping {
                        return Err(SessionFault::Silent(heard_at.elapsed().as_secs()).into());
                    }
                    ping_at = Instant::now() + ping;
                    link.send(&Packet::PingReq(PingReq)).await?;
                }
                () = sleep_until(answer_by), if !subscribed && self.next.is_none() => {
                    return Err(SessionFault::NotSubscribed(ANSWER_PATIENCE.as_secs()).into());
                }
            }
        }
    }

    /// Does `work` while there is no session; what was heard before is still said and confirmed.
    async fn beside<T>(&mut self, work: impl Future<Output = T>, orders: &mut mpsc::Receiver<Order>) -> Result<T, End> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                order = orders.recv() => self.voice.take(order.ok_or(End::Stop)?).await?,
                room = self.voice.room(), if self.may_say() => self.say(room?),
            }
        }
    }

    fn may_say(&self) -> bool {
        self.next.is_some() && self.voice.has_credit()
    }

    fn say(&mut self, room: mpsc::OwnedPermit<Input>) {
        let Some(arrival) = self.next.take() else { return };
        let token = self.voice.say(room, arrival.heard);
        if let Some(id) = arrival.owed {
            self.unconfirmed.push_back((token, id));
        }
    }

    /// Acknowledges everything up to the token of a confirmation, in the order it came (MQTT 5.0 section 4.6).
    async fn take(&mut self, order: Order, link: &mut Link) -> Result<(), End> {
        if let Order::Confirm { token } = order {
            while let Some((_, id)) = self.unconfirmed.front().copied().filter(|(said, _)| *said <= token) {
                link.send(&Packet::PubAck(PubAck::new(id, None))).await?;
                self.unconfirmed.pop_front();
            }
        }
        Ok(self.voice.take(order).await?)
    }
}

/// What the broker refused of the topics; a fault if it refused all.
fn refused(topics: &[String], answer: &SubAck) -> Result<Option<String>, SessionFault> {
    if answer.pkid != SUBSCRIBE_ID || answer.return_codes.len() != topics.len() {
        return Err(SessionFault::Protocol("SUBACK for another request"));
    }
    let rows = topics.iter().zip(&answer.return_codes);
    let refused: Vec<String> = rows
        .filter(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)))
        .map(|(topic, code)| format!("{topic} ({code:?})"))
        .collect();
    let fault = SessionFault::NotAllowed(refused.join(", "));
    match refused.len() {
        0 => Ok(None),
        count if count < topics.len() => Ok(Some(fault.to_string())),
        _ => Err(fault),
    }
}

/// Says goodbye; the broker keeps the session. Acknowledgements left before.
async fn farewell(link: &mut Link) -> End {
    let goodbye = Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection));
    if let Err(fault) = link.send(&goodbye).await {
        tracing::debug!(%fault, "no goodbye");
    }
    End::Stop
}

#[cfg(test)]
mod tests;
