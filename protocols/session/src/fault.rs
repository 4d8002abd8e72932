//! Why a session ended, or something was not sent.

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;

/// DISCONNECT reason: another client connected under the same name (MQTT 5.0 section 3.14.2.1).
const SESSION_TAKEN_OVER: u8 = 0x8E;

/// Why a session ended. It is the broker's fault, or the way's.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No CONNACK in time.
    #[error("no answer from the broker within {0} s")]
    NoAnswer(u64),
    /// CONNACK says that it does not know who comes.
    #[error("the broker refuses the login ({0:?})")]
    Login(ConnectReturnCode),
    /// CONNACK with another refusal.
    #[error("the broker refused the session: {0:?}")]
    Refused(ConnectReturnCode),
    /// CONNACK allows QoS 0 alone: what is sent could be lost.
    #[error("the broker acknowledges nothing: it offers no QoS 1")]
    Unacknowledging,
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
    /// What was sent has no PUBACK.
    #[error("the broker does not acknowledge")]
    Stalled,
    /// What is written does not leave.
    #[error("the broker takes nothing for {0} s")]
    Stuck(u64),
    /// Two clients under one name.
    #[error("another client took over the session: two gateways use this client id")]
    TakenOver,
    /// The broker said goodbye.
    #[error("the broker ended the session with reason {0:#04x}")]
    Ended(u8),
    /// A packet that is none.
    #[error("damaged packet: {0}")]
    Damaged(PacketError),
}

impl Fault {
    /// From the reason of a DISCONNECT.
    pub(crate) fn goodbye(reason: u8) -> Self {
        match reason {
            SESSION_TAKEN_OVER => Self::TakenOver,
            other => Self::Ended(other),
        }
    }
}

/// Why something was not sent. The session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// Not subscribed yet, or as much is under way as may be.
    #[error("too much is under way")]
    Full,
    /// The broker's own limit (MQTT 5.0 section 3.2.2.3.6): it would end the session, and again with the next try.
    #[error("a message of {size} bytes, and the broker takes {limit}")]
    TooLarge {
        /// Of the whole packet.
        size: usize,
        /// Of the whole packet.
        limit: usize,
    },
}
