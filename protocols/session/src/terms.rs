//! What a client wants of a session, and what a session tells it.

use crate::Message;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, SubscribeReasonCode};
use std::fmt;
use std::time::Duration;

/// What a client wants of a session.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Name at the broker; a second client under it ends the session of the first.
    pub client_id: String,
    /// Who comes, if the broker asks.
    pub login: Option<Login>,
    /// What the broker keeps while nobody is connected.
    pub keeps: Keeps,
    /// What is asked for, at QoS 1. At least one.
    pub filters: Vec<String>,
    /// Between two pings; the broker may want them faster. At least 1. A half-open connection is seen after twice this.
    pub keep_alive_s: u16,
    /// Messages that may be unacknowledged, told to the broker; above it nothing is read, for brokers that do not keep to
    /// it. At least 1.
    pub unacknowledged_max: u16,
    /// Own messages without PUBACK, if the broker allows as many. At least 1.
    pub inflight_max: u16,
    /// Largest packet that is read whole, in bytes behind its fixed header. Never told to the broker.
    pub packet_max: usize,
    /// Longest wait for CONNACK, then for SUBACK, and for the broker to take what is written.
    pub patience: Duration,
}

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name at the broker.
    pub user: String,
    /// Never shown.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What the broker keeps of a session that lost its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing: each session begins anew.
    Nothing,
    /// Subscriptions, and messages for them.
    For {
        /// Seconds.
        s: u32,
    },
}

/// What a session tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// CONNACK; `resumed` = the broker kept the session.
    Opened {
        /// As the broker says.
        resumed: bool,
    },
    /// SUBACK, with the filters that were refused. Own messages may be sent.
    Subscribed {
        /// Empty where all were taken.
        refused: Vec<Refusal>,
    },
    /// A message. It counts as unacknowledged until [`crate::Session::acknowledge`].
    Message(Message),
    /// The answer to a message of our own.
    Answered {
        /// As [`crate::Session::publish`] gave it.
        id: u16,
        /// What became of it.
        answer: Answer,
    },
}

/// A filter that the broker does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As asked for.
    pub filter: String,
    /// Why.
    pub code: SubscribeReasonCode,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The broker has it.
    Taken,
    /// The broker had it and threw it away: 0x10, nobody subscribes (MQTT 5.0 section 3.4.2.1).
    Unheard,
    /// The broker refused it.
    Refused(PubAckReason),
}

/// Whether the owner takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ears {
    /// It does.
    Open,
    /// Nothing is read on purpose, so that silence says nothing of the broker.
    Shut,
}

/// What a broker did against the protocol and was borne.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// PUBACKs for nothing under way: unsolicited, or given twice.
    pub acknowledgements: u64,
    /// A session that was kept although a new one was asked for; a receive maximum of 0; a keep-alive of 0.
    pub terms: u64,
}
