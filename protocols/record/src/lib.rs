//! The signed record: what a gateway states, how it is written down, chained, signed, verified and receipted.
//!
//! One record is one JWS compact line. The gateway and the central side share this crate and nothing else. Pure: no
//! clock, no file, no socket, no randomness; keys and times are arguments. What is absent on purpose: storage,
//! transport, any second way to encode a record.

pub mod acceptance;
pub mod at_rest;
pub mod body;
pub mod bundle;
pub mod certificate;
pub mod chain;
pub mod command;
pub mod drill;
pub mod encode;
pub mod enrolment;
pub mod json;
pub mod keys;
pub mod kind;
pub mod order;
pub mod personal;
pub mod receipt;
pub mod refusal;
pub mod root;
pub mod shown;
pub mod token;
pub mod wall;
