//! Why a session with the site broker ended, and how the next one gets rid of a message that ends every one.

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
use rumqttc::v5::{ConnectionError, StateError};
use std::io;

/// Why a session ended, or stands only in part.
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
    #[error("a topic filter in the settings is not valid")]
    BadFilter,
    /// SUBACK with refusals.
    #[error("the broker refused to subscribe {0}")]
    NotAllowed(String),
    /// No SUBACK in time.
    #[error("subscriptions not confirmed within {0} s")]
    NotSubscribed(u64),
    /// A packet larger than CONNECT allowed. It was not read.
    #[error("the broker sent a packet of {size} bytes, {limit} were allowed")]
    Oversize {
        /// Bytes of the packet.
        size: usize,
        /// Bytes that CONNECT allowed.
        limit: u32,
    },
    /// More unacknowledged messages than CONNECT allowed.
    #[error("the broker sent more than {0} unacknowledged messages")]
    CreditExceeded(u16),
    /// A topic alias or QoS 2 although neither was agreed.
    #[error("the broker broke the protocol: {0}")]
    Protocol(&'static str),
    /// Messages at QoS 0 came faster than they could be recorded.
    #[error("messages at QoS 0 are lost: {0} wait for their record")]
    Overflow(usize),
    /// No answer to a ping.
    #[error("the broker fell silent")]
    Silent,
    /// Two clients under one name.
    #[error("another client took over the session: two gateways use this client id")]
    TakenOver,
    /// The broker said goodbye.
    #[error("the broker ended the session: {0}")]
    Ended(String),
    /// The connection broke.
    #[error("connection to the broker lost")]
    Closed,
    /// A packet that is none.
    #[error("damaged packet: {0}")]
    Damaged(String),
    /// More acknowledgements wait than messages were delivered.
    #[error("acknowledgements do not leave")]
    AckQueueFull,
}

impl From<ConnectionError> for SessionFault {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Io(cause) => SessionFault::Unreachable(cause),
            ConnectionError::Timeout(_) => SessionFault::NoAnswer(super::ANSWER_PATIENCE.as_secs()),
            ConnectionError::ConnectionRefused(code) => SessionFault::Refused(format!("{code:?}")),
            ConnectionError::NotConnAck(_) => SessionFault::Protocol("its first packet was not CONNACK"),
            ConnectionError::RequestsDone => SessionFault::Closed,
            ConnectionError::MqttState(state) => state.into(),
        }
    }
}

impl From<StateError> for SessionFault {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Deserialization(PacketError::PayloadSizeLimitExceeded { pkt_size, max }) => {
                SessionFault::Oversize { size: pkt_size, limit: max }
            }
            StateError::IncomingPacketTooLarge { pkt_size, max } => {
                SessionFault::Oversize { size: pkt_size, limit: u32::try_from(max).unwrap_or(u32::MAX) }
            }
            StateError::Deserialization(PacketError::Io(_)) | StateError::Io(_) | StateError::ConnectionAborted => {
                SessionFault::Closed
            }
            StateError::Deserialization(cause) => SessionFault::Damaged(cause.to_string()),
            StateError::AwaitPingResp => SessionFault::Silent,
            StateError::ConnFail { reason } => SessionFault::Refused(format!("{reason:?}")),
            StateError::ServerDisconnect { reason_code: DisconnectReasonCode::SessionTakenOver, .. } => {
                SessionFault::TakenOver
            }
            StateError::ServerDisconnect { reason_code, .. } => SessionFault::Ended(format!("{reason_code:?}")),
            StateError::Coversion(_)
            | StateError::InvalidState
            | StateError::Unsolicited(_)
            | StateError::WrongPacket
            | StateError::CollisionTimeout
            | StateError::EmptySubscription
            | StateError::InvalidAlias { .. }
            | StateError::OutgoingPacketTooLarge { .. } => SessionFault::Damaged(error.to_string()),
        }
    }
}

/// How the next session begins. A broker that honours the maximum packet size of CONNECT drops what is larger
/// (MQTT 5.0 section 3.1.2.11.4). One that does not sends it again in every session: first out of its queue, which a
/// clean start discards, then as a retained message, which need not be asked for.
#[derive(Debug, Default)]
pub(in crate::line) struct Rescue {
    /// Sessions in a row that an oversize packet ended.
    oversize: u32,
}

impl Rescue {
    /// Whether the broker's queue is discarded.
    pub(in crate::line) fn clean_start(&self) -> bool {
        self.oversize >= 2
    }

    /// Whether retained messages are asked for.
    pub(in crate::line) fn with_retained(&self) -> bool {
        self.oversize < 3
    }

    /// Learns how a session ended; says it and what the next one gives up. `stood` begins anew.
    pub(in crate::line) fn after(&mut self, fault: &SessionFault, stood: bool) -> String {
        if stood {
            self.oversize = 0;
        }
        let SessionFault::Oversize { .. } = fault else { return fault.to_string() };
        self.oversize = self.oversize.saturating_add(1);
        match self.oversize {
            1 => fault.to_string(),
            2 => format!("{fault}; the messages waiting at the broker are discarded"),
            _ => format!("{fault}; the messages waiting at the broker and its retained ones are discarded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversize_packet_that_comes_again_costs_first_the_queue_then_the_retained_messages() {
        let fault = SessionFault::Oversize { size: 10_485_774, limit: 262_144 };
        let mut rescue = Rescue::default();
        assert_eq!(rescue.after(&fault, false), "the broker sent a packet of 10485774 bytes, 262144 were allowed");
        assert!(!rescue.clean_start() && rescue.with_retained());
        assert!(rescue.after(&fault, false).ends_with("waiting at the broker are discarded"));
        assert!(rescue.clean_start() && rescue.with_retained());
        assert!(rescue.after(&fault, false).ends_with("its retained ones are discarded"));
        assert!(rescue.clean_start() && !rescue.with_retained());
        rescue.after(&SessionFault::Closed, true);
        assert!(!rescue.clean_start() && rescue.with_retained());
    }
}
