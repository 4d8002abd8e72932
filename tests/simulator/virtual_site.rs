//! The demo site: sixteen pieces of equipment on six lines, everything that is done to them, and the ledger of it.
//!
//! | line | equipment |
//! |---|---|
//! | Modbus TCP, Moxa E1210 | IO-GATE-1, DOOR-N1, DOOR-N2, BARRIER-1 |
//! | Modbus TCP, ADAM-6050 | IO-YARD-1, DOOR-S1, DOOR-S2, FENCE-1 |
//! | Modbus RTU bus | PANEL-1 (unit 1), DOOR-W1 (unit 2) |
//! | serial, STX and ETX | SR-1 |
//! | serial, CR LF with AIM identifiers | SR-2 |
//! | MQTT broker of the site | CAM-01 to CAM-04, and a stranger that nobody listed |

mod acts;
mod door;

pub use acts::ActError;
pub use door::{BARRIER_1, DOOR_N1, DOOR_N2, DOOR_S1, DOOR_S2, DOOR_W1, Door};

use crate::clock::Clock;
use crate::devices::{Adam6050, Framing, IoModule, RtuIo, SealReader, Speech, Unit};
use crate::ledger::Ledger;
use crate::shells::ModbusLine;
use crate::shells::pty::{Port, Pty};
use crate::shells::publisher::Publisher;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Pieces of equipment that the register lists.
pub const EQUIPMENT: usize = 16;
/// Lines of the site.
pub const LINES: usize = 6;
/// Port of the Moxa's network plug, as its label says.
pub const MOXA_MAC: [u8; 6] = [0x00, 0x90, 0xE8, 0x12, 0x34, 0x56];

/// Where each line is reached.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Moxa at the gate.
    pub gate: SocketAddr,
    /// ADAM in the yard.
    pub yard: SocketAddr,
    /// Bus with panel and west door.
    pub bus: PathBuf,
    /// Port of SR-1.
    pub seal_1: PathBuf,
    /// Port of SR-2.
    pub seal_2: PathBuf,
    /// Broker of the cameras.
    pub broker: (String, u16),
}

/// The running site.
#[derive(Debug)]
pub struct VirtualSite {
    run: String,
    clock: Clock,
    ledger: Ledger,
    gate: ModbusLine,
    yard: ModbusLine,
    bus: ModbusLine,
    seal_1: (Pty, SealReader),
    seal_2: (Pty, SealReader),
    ports: Vec<Port>,
    cameras: Publisher,
    /// Alarms that a guard acknowledged and that have not cleared since.
    acknowledged: BTreeSet<String>,
    /// Senders that were heard and are not in the register.
    unlisted: BTreeSet<String>,
}

impl VirtualSite {
    /// Puts the devices on their wires. The cameras use the broker of the site, which must be there; a broker that other
    /// runs use too knows those of this one by `run`.
    pub async fn start(
        clock: Clock,
        ledger: Ledger,
        broker: (String, u16),
        run: &str,
    ) -> io::Result<(Self, Endpoints)> {
        let moxa = IoModule::new("IO-GATE-1", MOXA_MAC, [3, 2, 0, 0]);
        let (gate, gate_at) = ModbusLine::tcp(Unit::new(1, Speech::Moxa(moxa)), clock).await?;
        let adam = Adam6050::new([0x0601, 0x0000]);
        let (yard, yard_at) = ModbusLine::tcp(Unit::new(1, Speech::Adam(adam)), clock).await?;
        let (bus_pty, pty_1, pty_2) = (Pty::open()?, Pty::open()?, Pty::open()?);
        let endpoints = Endpoints {
            gate: gate_at,
            yard: yard_at,
            bus: bus_pty.path().to_owned(),
            seal_1: pty_1.path().to_owned(),
            seal_2: pty_2.path().to_owned(),
            broker: broker.clone(),
        };
        let ports = vec![bus_pty.port()?, pty_1.port()?, pty_2.port()?];
        // Tamper loop and mains relay are held closed while all is well.
        let panel = Unit::new(1, Speech::Plain(RtuIo::new(&[false, true, true, false])));
        let west = Unit::new(2, Speech::Plain(RtuIo::new(&[false, false])));
        let site = Self {
            run: run.to_owned(),
            clock,
            ledger,
            gate,
            yard,
            bus: ModbusLine::bus(bus_pty, vec![panel, west], clock),
            seal_1: (pty_1, SealReader::new(Framing::StxEtx)),
            seal_2: (pty_2, SealReader::new(Framing::AimCrLf)),
            ports,
            cameras: Publisher::start(&format!("cameras-{run}"), &broker.0, broker.1),
            acknowledged: BTreeSet::new(),
            unlisted: BTreeSet::new(),
        };
        Ok((site, endpoints))
    }

    /// Frees the ports that a killed agent held for itself alone: a real port is freed by the kernel, a
    /// pseudo-terminal is not while this side of it lives.
    pub fn free_ports(&self) -> io::Result<()> {
        self.ports.iter().try_for_each(Port::free)
    }

    /// Whether the agent has opened every serial port.
    pub fn ports_are_open(&self) -> io::Result<bool> {
        for port in &self.ports {
            if !port.is_open()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The book, for what is not done to a device.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The clock that the book is written by.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}
