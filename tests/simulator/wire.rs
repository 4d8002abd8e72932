//! Modbus as it stands on the wire: requests read, responses built, for TCP and RTU.
//!
//! Sources: Modbus Application Protocol 1.1b3, Modbus over Serial Line 1.02, Modbus Messaging on TCP/IP 1.0b.

pub mod mbap;
pub mod pdu;
pub mod rtu;
