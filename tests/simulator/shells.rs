//! Thin shells: they carry bytes between the device models and real wires, and decide nothing.

pub mod broker;
pub mod modbus_line;
pub mod pty;
pub mod publisher;
pub mod relay;

mod desk;

pub use desk::Polled;
pub use modbus_line::ModbusLine;

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that the runtime waits for.
#[expect(deprecated, reason = "an OwnedFd keeps its descriptor open; the new name is unsafe, which is forbidden here")]
pub fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}
