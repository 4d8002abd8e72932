//! What the agent decides. Four verbs: take input, take time, give output, give the next deadline.
//!
//! No I/O, no clock, no randomness, no async: time and chance are arguments, so the whole agent runs on virtual time
//! and any failure replays by its seed. [`site::Site`] routes between the machines below and owns no rule itself.
//! What is absent on purpose: sockets, files, settings text, numbers of records (the journal gives them).

pub mod acts;
pub mod affected;
pub mod alarm;
mod answers;
pub mod bus;
pub mod causes;
pub mod certificate;
pub mod changes;
pub mod confirm;
pub mod contact;
pub mod decimal;
pub mod drafts;
pub mod duty;
pub mod erasure;
pub mod exercise;
pub mod fields;
pub mod health;
pub mod incident;
mod label;
pub mod level;
pub mod measure;
pub mod memory;
pub mod nonconformity;
pub mod orders;
mod person;
pub mod plan;
pub mod readings;
pub mod receipts;
pub mod register;
pub mod report;
pub mod rules;
pub mod seals;
pub mod sensitivity;
pub mod site;
pub mod standing;
pub mod statement;
pub mod status;
pub mod steps;
pub mod summary;
pub mod temporary;
#[cfg(test)]
mod testbed;
pub mod threat;
pub mod time;
pub mod uplink;
pub mod wire;
pub mod work;
