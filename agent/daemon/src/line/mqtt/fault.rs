//! Why a session with the site broker ended, or stands only in part.

use rumqttc::v5::mqttbytes::Error as PacketError;
use std::io;

/// DISCONNECT reason: another client connected under the same name (MQTT 5.0 section 3.14.2.1).
const SESSION_TAKEN_OVER: u8 = 0x8E;

#[derive(Debug, thiserror::Error)]
pub(in crate::line) enum SessionFault {
    /// No connection to the broker.
    #[error("cannot reach the broker: {0}")]
    Unreachable(io::Error),
    /// No CONNACK in time.
    #[error("no answer from the broker within {0} s")]
    NoAnswer(u64),
    /// CONNACK with a refusal.
    #[error("the broker refused the session: {0}")]
    Refused(String),
    /// A topic filter that no broker would take.
    #[error("{0} is no topic filter")]
    BadFilter(String),
    /// SUBACK with refusals; if some topics were taken, the session stands.
    #[error("the broker refused to subscribe {0}")]
    NotAllowed(String),
    /// No SUBACK in time.
    #[error("subscriptions not confirmed within {0} s")]
    NotSubscribed(u64),
    /// What was never agreed.
    #[error("the broker broke the protocol: {0}")]
    Protocol(&'static str),
    /// A packet that is no message and larger than any the broker has reason to send.
    #[error("the broker sent a packet of type {kind} with {size} bytes, {limit} are read")]
    Oversize {
        /// Packet type, the high half of its first byte.
        kind: u8,
        /// Its remaining length.
        size: usize,
        /// The largest that is read.
        limit: usize,
    },
    /// Nothing came for this long although pings left.
    #[error("the broker said nothing for {0} s")]
    Silent(u64),
    /// Two clients under one name.
    #[error("another client took over the session: two gateways use this client id")]
    TakenOver,
    /// The broker said goodbye.
    #[error("the broker ended the session with reason {0:#04x}")]
    Ended(u8),
    /// The connection broke.
    #[error("connection to the broker lost")]
    Closed,
    /// A packet that is none.
    #[error("damaged packet: {0}")]
    Damaged(PacketError),
    /// What is written does not leave.
    #[error("the broker takes nothing for {0} s")]
    Stuck(u64),
}

impl SessionFault {
    /// From the reason of a DISCONNECT.
    pub(super) fn goodbye(reason: u8) -> Self {
        match reason {
            SESSION_TAKEN_OVER => SessionFault::TakenOver,
            other => SessionFault::Ended(other),
        }
    }
}
