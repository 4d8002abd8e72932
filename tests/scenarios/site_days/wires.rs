//! The site broker: keeps what was not acknowledged, and gives it again.

use picket_core::plan::LineId;
use std::collections::VecDeque;

/// A published message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Topic.
    pub(crate) topic: String,
    /// Payload.
    pub(crate) payload: String,
}

/// One persistent session at one site broker.
pub(crate) struct Broker {
    /// The line it is reached by.
    pub(crate) line: LineId,
    queued: VecDeque<Message>,
    given: VecDeque<(u64, Message)>,
    next_token: u64,
    /// A subscriber is connected.
    pub(crate) open: bool,
}

/// Most messages given without acknowledgement: the receive maximum of the line.
const CREDIT: usize = 16;

impl Broker {
    /// An empty session.
    pub(crate) fn new(line: LineId) -> Self {
        Self { line, queued: VecDeque::new(), given: VecDeque::new(), next_token: 1, open: false }
    }

    /// A device publishes at QoS 1.
    pub(crate) fn publish(&mut self, topic: &str, payload: String) {
        self.queued.push_back(Message { topic: topic.to_owned(), payload });
    }

    /// The next message that may be given, with its token.
    pub(crate) fn give(&mut self) -> Option<(u64, Message)> {
        if !self.open || self.given.len() >= CREDIT {
            return None;
        }
        let message = self.queued.pop_front()?;
        let token = self.next_token;
        self.next_token += 1;
        self.given.push_back((token, message.clone()));
        Some((token, message))
    }

    /// Everything up to a token is acknowledged.
    pub(crate) fn acknowledge(&mut self, token: u64) {
        while self.given.front().is_some_and(|(given, _)| *given <= token) {
            self.given.pop_front();
        }
    }

    /// The connection is gone: what was not acknowledged comes first next time.
    pub(crate) fn lost(&mut self) {
        self.open = false;
        while let Some((_, message)) = self.given.pop_back() {
            self.queued.push_front(message);
        }
    }

    /// Nothing waits and nothing is unacknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.given.is_empty()
    }
}
