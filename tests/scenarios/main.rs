//! Scenarios: rules of the tree, frames on the wires.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

mod architecture;
mod attackers;
mod wire;
