//! What security equipment speaks on its wires, and how those bytes become observations.
//!
//! Owns formats: points of a device, Modbus read plans, seal reader lines, camera events. Decides nothing, keeps no
//! clock, opens nothing. Every function takes bytes or text that a carrier brought and gives typed values or a typed
//! fault. What is absent on purpose: thresholds, alarms, standing, files.

pub mod camera;
pub mod modbus;
mod payload;
pub mod pointer_map;
pub mod profile;
pub mod quantity;
pub mod seal;
pub mod seal_reader;
