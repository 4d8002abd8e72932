//! Scenarios: rules of the tree, frames on the wires.

mod architecture;
mod wire;
