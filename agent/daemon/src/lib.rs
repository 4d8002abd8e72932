//! What the agent does: each file owns one piece of the world and decides nothing.
//!
//! A library beside the binary so that the deterministic simulation drives the real journal, and tests the real lines.

mod begun;
pub mod broker;
pub mod central;
pub mod certificate;
pub mod clock;
pub mod console;
pub mod control;
pub mod enrolment;
pub mod evidence;
pub mod journal;
pub mod labels;
pub mod line;
pub mod secrecy;
pub mod settings;
pub mod supervise;
pub mod think;
pub mod vitals;
pub mod watchdog;
