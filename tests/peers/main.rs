//! The lines against programs that nobody here wrote: pymodbus as a device, socat as the wire, mosquitto as the broker.
//! All on loopback; a program that is missing fails the test with the command that installs it.

mod broker;
mod line;
mod modbus;
mod programs;
mod tls;
