//! What the devices are, without wires and clocks: bytes in, bytes out, time as an argument.

mod adam6050;
mod bank;
mod camera;
mod io_module;
mod rtu_io;
mod seal_reader;
mod unit;

pub use adam6050::Adam6050;
pub use camera::{Camera, Event, Message};
pub use io_module::IoModule;
pub use rtu_io::RtuIo;
pub use seal_reader::{Framing, SealReader};
pub use unit::{Fault, Reply, Speech, Unit};
