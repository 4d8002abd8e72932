//! Two sessions with the broker, one for each lane. Carries messages in and receipts out; decides nothing.
//!
//! A connection that ends is never repaired: everything of it is dropped and made anew. The broker sends again what was
//! not acknowledged, and the worker repeats the last receipts. PUBACKs are given by hand, after the commit.

mod connection;
mod conversation;

use crate::settings::Broker;
use bytes::Bytes;
use picket_session::Fault;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages between a session and the worker. A session that finds it full reads no more.
pub const QUEUE: usize = 64;
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

    pub(crate) fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Urgent => &["sms/v1/+/urgent", "sms/v1/+/ask"],
            Self::Record => &["sms/v1/+/record"],
        }
    }
}

/// From a session to the worker.
#[derive(Debug)]
pub enum Heard {
    /// The session is subscribed; receipts can be sent by this mouth.
    Connected(Mouth),
    /// A message, to be acknowledged by the mouth it came with.
    Message(Mouth, Message),
}

/// A message of a gateway.
#[derive(Debug)]
pub struct Message {
    /// As published; what is not UTF-8 is replaced.
    pub topic: String,
    /// As published.
    pub content_type: Option<String>,
    /// What it says.
    pub payload: Payload,
    /// Packet id to acknowledge; none at QoS 0.
    pub owed: Option<u16>,
}

/// What a message says.
#[derive(Debug)]
pub enum Payload {
    /// All of it.
    Whole(Bytes),
    /// It was too large or damaged and was thrown away.
    Unreadable {
        /// Why, with its size and topic.
        why: String,
    },
}

/// Says something on one connection, and nothing once that has ended.
#[derive(Debug, Clone)]
pub struct Mouth {
    acknowledgements: mpsc::Sender<u16>,
    words: mpsc::Sender<Word>,
}

/// Something to be published.
#[derive(Debug)]
struct Word {
    topic: String,
    content_type: Option<&'static str>,
    payload: Vec<u8>,
}

impl Mouth {
    /// The broker may forget this message. On a connection that has ended nothing is owed: the broker sends it again.
    pub fn acknowledge(&self, owed: u16) {
        if let Err(error) = self.acknowledgements.try_send(owed) {
            let gone = matches!(error, mpsc::error::TrySendError::Closed(_));
            assert!(gone, "a connection has room for an acknowledgement of every message that it gave");
        }
    }

    /// Takes a receipt or an order to be published; false if the connection has ended or has too much to say.
    #[must_use]
    pub fn publish(&self, topic: String, content_type: Option<&'static str>, payload: Vec<u8>) -> bool {
        self.words.try_send(Word { topic, content_type, payload }).is_ok()
    }
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
    Connection(#[source] io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error("no answer from the broker")]
    NoAnswer,
    #[error("{0}")]
    Tls(String),
    #[error("{0}; mend user and password_file under [broker]")]
    Login(Fault),
    #[error("the broker refuses the subscription to {filters:?}")]
    Subscription { filters: &'static [&'static str] },
    #[error("{0}")]
    Session(Fault),
    #[error("the worker is gone")]
    Worker,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Login(_) => Self::Login(fault),
            fault => Self::Session(fault),
        }
    }
}

impl Session {
    /// Connects again and again. Returns when the worker is gone.
    pub async fn run(self, worker: mpsc::Sender<Heard>) {
        let mut back_off = BACK_OFF_FIRST;
        loop {
            let start = Instant::now();
            let Err(ended) = conversation::hold(&self, &worker).await;
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

    fn client_id(&self) -> String {
        format!("{}-{}", self.client, self.lane.word())
    }
}

/// Between a half and the whole, so that many who lost the same broker do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness everybody waits the whole time, which is safe.
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    wait / 2 + wait / 2 * share / 255
}

#[cfg(test)]
mod tests;
