//! Lines: one task per port or endpoint. A line carries one ask at a time, or what is said unasked under a credit; it
//! reopens what breaks and decides nothing.

mod modbus;
mod modbus_rtu;
mod modbus_tcp;
mod mqtt;
mod port;
mod reopening;
mod serial;
#[cfg(test)]
mod testbed;
mod voice;

use crate::broker::Endpoint;
use picket_core::plan::LineId;
use picket_core::wire::Input;
use picket_device::modbus::Read;
use picket_device::seal_reader::Framing;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

/// How a line is reached.
#[derive(Debug, Clone)]
pub enum Carrier {
    /// Modbus TCP.
    ModbusTcp(TcpEndpoint),
    /// Modbus RTU on a serial bus.
    ModbusRtu(SerialPort),
    /// A seal reader on a serial port.
    SealReader(SerialPort, Framing),
    /// A site broker.
    Mqtt(BrokerSession),
}

impl Carrier {
    /// Whether the supervisor must give it a thread with a current-thread runtime: writing to a serial port ends in
    /// tcdrain(3), which blocks for as long as the characters take, and opening one blocks too.
    pub fn needs_own_thread(&self) -> bool {
        match self {
            Carrier::ModbusRtu(_) | Carrier::SealReader(..) => true,
            Carrier::ModbusTcp(_) | Carrier::Mqtt(_) => false,
        }
    }

    /// Whether it may be quiet for hours and answers a call at any time. An asked line proves by its outcomes that it
    /// lives, and a seal reader may wait for its port to open.
    pub fn answers_calls(&self) -> bool {
        matches!(self, Carrier::Mqtt(_))
    }
}

/// A TCP endpoint.
#[derive(Debug, Clone)]
pub struct TcpEndpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A serial port.
#[derive(Debug, Clone)]
pub struct SerialPort {
    /// Device file, best a stable name below `/dev/serial/by-path`.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// Parity.
    pub parity: Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
    /// Data bits, 7 or 8.
    pub data_bits: u8,
}

/// Parity of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even: the Modbus default.
    Even,
    /// Odd.
    Odd,
}

/// A session at a site broker.
#[derive(Debug, Clone)]
pub struct BrokerSession {
    /// Where, and who comes.
    pub broker: Endpoint,
    /// Client id; the session outlives a restart of the agent under this name.
    pub client_id: String,
    /// Topic filters.
    pub topics: Vec<String>,
}

/// What `think` orders a line to do.
#[derive(Debug)]
pub enum Order {
    /// Ask once; exactly one [`Input::Outcome`] follows. Patience runs from when the line begins: after a fault a
    /// serial bus first falls silent, for as long as the failed ask had patience, so the next outcome may take twice
    /// that. A line that speaks unasked answers [`picket_device::modbus::Fault::Unreachable`].
    Ask {
        /// Number to bring back.
        ask: u64,
        /// Modbus unit id.
        unit: u8,
        /// What to read.
        read: Read,
        /// Longest wait in milliseconds, connecting included.
        patience_ms: u32,
    },
    /// What was heard up to this token is stored: acknowledge it on the wire, give back its credit.
    Confirm {
        /// Last token.
        token: u64,
    },
    /// Prove that the line lives, whether it is open or not.
    Call {
        /// The answer.
        here: oneshot::Sender<()>,
    },
}

/// Carries a line until `orders` is closed: that is the order to stop, and the open ask is finished first. Spawns
/// nothing. `seed` only spreads the pauses between tries to open a line that cannot be opened: a speaking line tries by
/// itself; an asked line tries with the first ask after the pause, and refuses those before it at once.
pub async fn run(
    line: LineId,
    carrier: Carrier,
    orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let span = tracing::info_span!("line", line = line.0);
    async move {
        match carrier {
            Carrier::ModbusTcp(endpoint) => modbus_tcp::run(line, &endpoint, orders, inputs, seed).await,
            Carrier::ModbusRtu(port) => modbus_rtu::run(line, port, orders, inputs, seed).await,
            Carrier::SealReader(port, framing) => serial::run(line, &port, &framing, orders, inputs, seed).await,
            Carrier::Mqtt(session) => mqtt::run(line, &session, orders, inputs, seed).await,
        }
    }
    .instrument(span)
    .await;
}
