//! One session, from its connection to its end: what arrives goes to the worker, what the worker says goes out.

use super::connection::Connection;
use super::{Ended, Heard, Message, Mouth, Payload, Session, Word};
use picket_session::{Answer, Ears, Event, Keeps, Terms};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;

/// Messages that may be unacknowledged, told to the broker; above it nothing is read, for brokers that do not keep to
/// it. Bounds the memory to as many packets for each lane.
const UNACKNOWLEDGED_MAX: u16 = 32;
/// Receipts and orders without the broker's PUBACK.
const INFLIGHT_MAX: u16 = 256;
/// Receipts and orders on their way to the connection; a register travels in sixteen parts at most.
const WORDS: usize = 512;
/// The broker keeps what comes while this program is away for a week.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;
/// A half-open connection is noticed after twice this.
const KEEP_ALIVE_S: u16 = 20;
/// Longest wait for the connection, then for CONNACK, and then for SUBACK.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest packet that is read whole. A gateway's batch is 256 KiB at most before it is deflated.
const PACKET_MAX: usize = 1024 * 1024;

/// A connection that stands.
struct Conversation<'a> {
    session: &'a Session,
    connection: Connection,
    mouth: Mouth,
    /// Read, not yet given to the worker. Nothing more is read until it is.
    next: Option<Heard>,
}

/// Connects and carries until something ends.
pub(super) async fn hold(session: &Session, worker: &mpsc::Sender<Heard>) -> Result<Infallible, Ended> {
    let connection = Connection::open(&session.broker, terms(session)).await?;
    let (words, to_send) = mpsc::channel(WORDS);
    let (acknowledgements, to_acknowledge) = mpsc::channel(usize::from(UNACKNOWLEDGED_MAX));
    let mouth = Mouth { acknowledgements, words };
    Conversation { session, connection, mouth, next: None }.carry(worker, to_acknowledge, to_send).await
}

/// The lane's topics are asked for whatever the broker kept of the session.
fn terms(session: &Session) -> Terms {
    Terms {
        client_id: session.client_id(),
        login: session.broker.login.clone(),
        keeps: Keeps::For { s: SESSION_EXPIRY_S },
        filters: session.lane.filters().iter().map(|filter| (*filter).to_owned()).collect(),
        keep_alive_s: KEEP_ALIVE_S,
        unacknowledged_max: UNACKNOWLEDGED_MAX,
        inflight_max: INFLIGHT_MAX,
        packet_max: PACKET_MAX,
        patience: PATIENCE,
    }
}

impl Conversation<'_> {
    /// Every wait of the selection may be cancelled; what follows a wait never is.
    async fn carry(
        mut self,
        worker: &mpsc::Sender<Heard>,
        mut to_acknowledge: mpsc::Receiver<u16>,
        mut to_send: mpsc::Receiver<Word>,
    ) -> Result<Infallible, Ended> {
        loop {
            let ears = if self.next.is_none() { Ears::Open } else { Ears::Shut };
            tokio::select! {
                Some(id) = to_acknowledge.recv() => self.connection.acknowledge(id),
                Some(Word { topic, content_type, payload }) = to_send.recv(), if self.connection.may_publish() => {
                    self.connection.publish(&topic, content_type, payload);
                }
                event = self.connection.next(ears) => self.hear(event?)?,
                room = worker.reserve(), if self.next.is_some() => {
                    let room = room.map_err(|_| Ended::Worker)?;
                    if let Some(heard) = self.next.take() {
                        room.send(heard);
                    }
                }
                () = worker.closed() => return Err(Ended::Worker),
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<(), Ended> {
        let lane = self.session.lane.word();
        match event {
            Event::Opened { resumed } => tracing::debug!(lane, session = resumed, "connected"),
            Event::Subscribed { refused } if refused.is_empty() => {
                tracing::info!(lane, host = self.session.broker.host, "subscribed");
                self.next = Some(Heard::Connected(self.mouth.clone()));
            }
            Event::Subscribed { .. } => {
                return Err(Ended::Subscription { filters: self.session.lane.filters() });
            }
            Event::Message(message) => self.next = Some(Heard::Message(self.mouth.clone(), read(message))),
            // A gateway that does not listen gets its receipt when it asks.
            Event::Answered { answer: Answer::Taken | Answer::Unheard, .. } => {}
            Event::Answered { answer: Answer::Refused(reason), .. } => {
                tracing::warn!(lane, ?reason, "the broker refused a receipt");
            }
        }
        Ok(())
    }
}

fn read(message: picket_session::Message) -> Message {
    let picket_session::Message { topic, content_type, owed, payload, .. } = message;
    let payload = match payload {
        picket_session::Payload::Whole(bytes) => Payload::Whole(bytes),
        picket_session::Payload::Oversize { bytes } => Payload::Unreadable {
            why: format!("oversize: a message of {bytes} bytes on {topic:.96}, at most {PACKET_MAX} are taken"),
        },
        picket_session::Payload::Damaged { bytes, why } => {
            Payload::Unreadable { why: format!("damaged: a message of {bytes} bytes on {topic:.96}: {why}") }
        }
    };
    Message { topic, content_type, payload, owed }
}
