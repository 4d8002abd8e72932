//! One MQTT 5 session of a client as a machine: bytes and time in, bytes and events out. Decides nothing of what is said.
//!
//! The event loop of rumqttc is not used, only its codec. The loop knows two answers to a message above its limit: to end
//! the connection, so that the broker sends the message again for ever, or to tell the broker a maximum, and then
//! mosquitto 2.0.11 (Debian 12) drops the message but never gives back its place: after as many as the receive maximum,
//! nothing at QoS 1 comes any more and nobody is told. Here such a message is thrown away as it comes, is told with topic
//! and size, and can be acknowledged. No maximum is ever announced.
//!
//! A session is never mended and never used twice: what ends it is a [`Fault`], and its owner opens another.
//!
//! Absent on purpose: sockets, clocks, waiting (the owner has them); QoS 2, topic aliases, wills, AUTH (nobody here
//! needs them, and a broker that sends one unasked is left).

mod fault;
mod inbox;
pub mod memory;
mod message;
mod session;
mod terms;
pub mod tls;

pub use fault::{Fault, Unsent};
pub use message::{Message, Payload};
pub use session::Session;
pub use terms::{Answer, Ears, Event, Keeps, Login, Oddities, Refusal, Terms};

/// Whether a text can be asked for as a topic filter (MQTT 5.0 section 4.7).
pub fn is_filter(text: &str) -> bool {
    text.len() <= 0xFFFF && rumqttc::valid_filter(text)
}
