//! Thin shells: they carry bytes between the device models and real wires, and decide nothing.

pub mod broker;
pub mod modbus_line;
pub mod publisher;
pub mod pty;
pub mod relay;

mod desk;

pub use desk::Polled;
pub use modbus_line::ModbusLine;
