//! A site broker over MQTT 5: a session that the broker keeps, and an acknowledgement on the wire only after what was
//! heard is stored. The broker keeps what is not acknowledged, so nothing is kept here.

mod fault;

use super::voice::{Deaf, Voice};
use super::{BrokerSession, Order};
use crate::broker::{BrokerFault, Connection};
use fault::SessionFault;
use picket_core::plan::LineId;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::{Delivery, Heard, Input};
use picket_session::{Ears, Event, Keeps, Message, Payload, Refusal, Terms, is_filter};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Messages that may wait for their record; also the receive maximum told to the broker. Above it nothing is read, so
/// that the broker waits, at any QoS.
const CREDIT: u16 = 32;
/// Longest wait for the connection, then for the answer to CONNECT, and then for the one to SUBSCRIBE.
const PATIENCE: Duration = Duration::from_secs(10);
/// The broker keeps the session for a week without us.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3_600;
/// Between pings, unless the broker wants them faster.
const KEEP_ALIVE_S: u16 = 20;
/// A session that stood for this long was not broken: the pauses start over.
const STABLE: Duration = Duration::from_secs(60);
/// Largest payload that is passed on; alarms, readings and e-lock reports are a few KiB.
const MAX_PAYLOAD: usize = 64 * 1024;
/// Largest packet that is read whole: a payload, the longest topic, and a little for properties.
const MAX_PACKET: usize = MAX_PAYLOAD + 0xFFFF + 4 * 1024;

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

impl From<BrokerFault> for End {
    fn from(fault: BrokerFault) -> Self {
        End::Lost(fault.into())
    }
}

/// Connects. Subscribes every time: a session that the broker kept may be of other settings.
async fn open(session: &BrokerSession) -> Result<Connection, SessionFault> {
    if let Some(bad) = session.topics.iter().find(|topic| !is_filter(topic)) {
        return Err(SessionFault::BadFilter(bad.clone()));
    }
    let terms = Terms {
        client_id: session.client_id.clone(),
        login: session.broker.login.clone(),
        keeps: Keeps::For { s: SESSION_EXPIRY_S },
        filters: session.topics.clone(),
        keep_alive_s: KEEP_ALIVE_S,
        unacknowledged_max: CREDIT,
        // Nothing is published here.
        inflight_max: 1,
        packet_max: MAX_PACKET,
        patience: PATIENCE,
    };
    Ok(Connection::open(&session.broker, terms).await?)
}

/// A message, cut to what is passed on.
struct Arrival {
    heard: Heard,
    /// Packet id to acknowledge; none at QoS 0.
    owed: Option<u16>,
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
        let mut connection = self.beside(open(session), orders).await??;
        let end = self.serve(&mut connection, orders, session.topics.len()).await;
        // The broker delivers again what it is owed for; at QoS 0 this is the only chance.
        self.unconfirmed.clear();
        self.next = self.next.take().filter(|arrival| arrival.owed.is_none());
        end
    }

    /// Serves until something ends. Every wait of the selection may be cancelled; what follows a wait never is.
    async fn serve(
        &mut self,
        connection: &mut Connection,
        orders: &mut mpsc::Receiver<Order>,
        topics: usize,
    ) -> Result<Infallible, End> {
        loop {
            let ears = if self.next.is_none() { Ears::Open } else { Ears::Shut };
            tokio::select! {
                order = orders.recv() => match order {
                    None => {
                        // The broker keeps the session.
                        connection.close().await;
                        return Err(End::Stop);
                    }
                    Some(order) => self.take(order, connection).await?,
                },
                event = connection.next(ears) => match event? {
                    Event::Message(message) => self.next = Some(arrival(message)),
                    Event::Subscribed { refused } => self.voice.tell(told(&refused, topics)?).await?,
                    Event::Opened { resumed } => tracing::debug!(resumed, "connected"),
                    Event::Answered { .. } => {}
                },
                room = self.voice.room(), if self.may_say() => self.say(room?),
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
    async fn take(&mut self, order: Order, connection: &mut Connection) -> Result<(), End> {
        if let Order::Confirm { token } = order {
            while let Some((_, id)) = self.unconfirmed.front().copied().filter(|(said, _)| *said <= token) {
                connection.acknowledge(id);
                self.unconfirmed.pop_front();
            }
        }
        Ok(self.voice.take(order).await?)
    }
}

/// What the broker refused of the topics; a fault if it refused all.
fn told(refused: &[Refusal], topics: usize) -> Result<Option<String>, SessionFault> {
    if refused.is_empty() {
        return Ok(None);
    }
    let rows: Vec<String> = refused.iter().map(|row| format!("{} ({:?})", row.filter, row.code)).collect();
    let fault = SessionFault::NotAllowed(rows.join(", "));
    if refused.len() < topics { Ok(Some(fault.to_string())) } else { Err(fault) }
}

/// One that cannot be read is passed on empty: its device said something, and what it says nobody knows.
fn arrival(message: Message) -> Arrival {
    let Message { topic, retained, again, owed, payload, .. } = message;
    let (payload, oversize) = match payload {
        Payload::Whole(bytes) if bytes.len() <= MAX_PAYLOAD => (bytes.to_vec(), None),
        Payload::Whole(bytes) => (Vec::new(), Some(bytes.len() as u64)),
        Payload::Oversize { bytes } => (Vec::new(), Some(bytes as u64)),
        Payload::Damaged { bytes, why } => {
            tracing::warn!(topic, bytes, why, "a message that cannot be read");
            (Vec::new(), None)
        }
    };
    let delivery = owed.map(|packet| Delivery { packet, again });
    Arrival { heard: Heard::Message { topic, payload, retained, oversize, delivery }, owed }
}

#[cfg(test)]
mod tests;
