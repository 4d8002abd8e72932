//! What the agent decides. Four verbs: take input, take time, give output, give the next deadline.
//!
//! No I/O, no clock, no randomness, no async: time and chance are arguments, so the whole agent runs on virtual time
//! and any failure replays by its seed. [`site::Site`] routes between the machines below and owns no rule itself.
//! What is absent on purpose: sockets, files, settings text, numbers of records (the journal gives them).

pub mod plan;
pub mod register;
pub mod status;
pub mod time;
pub mod wire;
