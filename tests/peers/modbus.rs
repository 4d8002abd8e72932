//! Modbus TCP and RTU against pymodbus.

use crate::line::Running;
use crate::programs::{free_port, modbus_device, wire};
use picket::line::{Carrier, Parity, SerialPort, TcpEndpoint};
use picket_device::modbus::{Answer, Fault};
use picket_device::profile::Table;
use std::time::Duration;
use tokio::time::Instant;

/// Until a line that could not be opened is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What both devices must give over either wire.
async fn reads_as_the_device_says(line: &mut Running) {
    let words = |first: u16, count: u16| Ok(Answer::Words((first..first + count).collect()));
    let bits = |count: u16| Ok(Answer::Bits((0..count).map(|number| number % 3 == 0).collect()));
    assert_eq!(line.ask(Table::HoldingRegister, 7, 3).await, words(1_007, 3));
    assert_eq!(line.ask(Table::InputRegister, 0, 125).await, words(2_000, 125));
    assert_eq!(line.ask(Table::Coil, 0, 10).await, bits(10));
    assert_eq!(line.ask(Table::DiscreteInput, 0, 16).await, bits(16));
    assert_eq!(line.ask(Table::HoldingRegister, 500, 1).await, Err(Fault::Exception(2)));
    assert_eq!(line.ask(Table::HoldingRegister, 0, 1).await, words(1_000, 1));
}

/// A device that answers a second late, asked on: no later answer is another register's.
async fn a_late_answer_is_never_a_value(line: &mut Running) {
    for _ in 0..3 {
        assert_eq!(line.ask_within(Table::HoldingRegister, 300, 1, 600).await, Err(Fault::Timeout(600)));
        assert_eq!(line.ask(Table::HoldingRegister, 1, 1).await, Ok(Answer::Words(vec![1_001])));
    }
}

#[tokio::test]
async fn modbus_tcp_reads_what_pymodbus_says_and_survives_its_restart() {
    let port = free_port();
    let endpoint = TcpEndpoint { host: "127.0.0.1".into(), port };
    let device = modbus_device(&["tcp", &port.to_string()]).await;
    let mut line = Running::start(Carrier::ModbusTcp(endpoint));
    reads_as_the_device_says(&mut line).await;
    a_late_answer_is_never_a_value(&mut line).await;

    drop(device);
    let gone = line.ask(Table::HoldingRegister, 0, 1).await;
    assert!(matches!(gone, Err(Fault::Unreachable(_))), "{gone:?}");
    let _device = modbus_device(&["tcp", &port.to_string()]).await;
    // Not at the first ask: the pause of the failed try goes on.
    let end = Instant::now() + LONGEST_PAUSE;
    while line.ask(Table::HoldingRegister, 0, 1).await == gone {
        assert!(Instant::now() < end, "the line does not find the device that is back");
    }
    reads_as_the_device_says(&mut line).await;
    line.stop().await;
}

#[tokio::test]
async fn modbus_rtu_reads_what_pymodbus_says_and_reopens_a_port_that_came_back() {
    let (socat, ours, theirs) = wire().await;
    let port = SerialPort { path: ours.into(), baud: 19_200, parity: Parity::None, stop_bits: 1, data_bits: 8 };
    let device = modbus_device(&["rtu", &theirs]).await;
    let mut line = Running::start(Carrier::ModbusRtu(port));
    reads_as_the_device_says(&mut line).await;
    a_late_answer_is_never_a_value(&mut line).await;

    drop(device);
    assert_eq!(line.ask_within(Table::HoldingRegister, 0, 1, 100).await, Err(Fault::Timeout(100)));
    let device = modbus_device(&["rtu", &theirs]).await;
    reads_as_the_device_says(&mut line).await;

    drop((device, socat));
    let gone = line.ask(Table::HoldingRegister, 0, 1).await;
    assert_eq!(gone, Err(Fault::Closed));
    let gone = line.ask(Table::HoldingRegister, 0, 1).await;
    assert!(matches!(gone, Err(Fault::Unreachable(_))), "{gone:?}");
    line.stop().await;
}
