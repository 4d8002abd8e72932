//! The devices answer the frames of the manuals, byte for byte, on the models and on real wires.
//!
//! Requests and answers are literal. `01 02 00 00 00 08 79 CC` and the registers stand in the manuals; the whole frames
//! were computed with pymodbus 3.16.1 (`FramerRTU.buildFrame`, `FramerSocket.buildFrame`).

use simulator::clock::Clock;
use simulator::devices::{Adam6050, Fault, IoModule, Reply, RtuIo, Speech, Unit};
use simulator::shells::ModbusLine;
use simulator::shells::pty::Pty;
use simulator::wire::{mbap, rtu};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for bytes on a wire.
const PATIENCE: Duration = Duration::from_secs(10);

fn hex(text: &str) -> Vec<u8> {
    text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn moxa() -> Unit {
    let mut module = IoModule::new("gate", [0x00, 0x90, 0xE8, 0x12, 0x34, 0x56], [3, 1, 0, 0]);
    module.set(3, true);
    module.set(8, true);
    Unit::new(1, Speech::Moxa(module))
}

fn contacts(id: u8, inputs: &[bool]) -> Unit {
    Unit::new(id, Speech::Plain(RtuIo::new(inputs)))
}

fn on_tcp(unit: &mut Unit, request: &str) -> Option<Vec<u8>> {
    let frame = mbap::take(&mut hex(request)).unwrap().unwrap();
    unit.on_tcp(0x0001_0203, &frame).map(|reply| reply.bytes)
}

fn on_bus(unit: &mut Unit, request: &str) -> Option<Reply> {
    let frames = rtu::Ear::default().push(0, &hex(request));
    assert_eq!(frames.len(), 1);
    unit.on_bus(0, &frames[0])
}

#[test]
fn a_moxa_answers_its_inputs_as_bits_and_as_a_word() {
    let mut unit = moxa();
    let bits = on_tcp(&mut unit, "00 01 00 00 00 06 01 02 00 00 00 10");
    assert_eq!(bits, Some(hex("00 01 00 00 00 05 01 02 02 08 01")));
    let word = on_tcp(&mut unit, "00 05 00 00 00 06 01 04 00 30 00 01");
    assert_eq!(word, Some(hex("00 05 00 00 00 05 01 04 02 01 08")));
}

#[test]
fn a_moxa_tells_model_mac_firmware_uptime_and_counters() {
    let mut unit = moxa();
    let asked = [
        (
            "00 07 00 00 00 06 01 04 13 88 00 0A",
            "00 07 00 00 00 17 01 04 14 45 31 32 31 30 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
        ),
        ("00 08 00 00 00 06 01 04 13 A0 00 03", "00 08 00 00 00 09 01 04 06 00 90 E8 12 34 56"),
        ("00 09 00 00 00 06 01 04 13 A5 00 02", "00 09 00 00 00 07 01 04 04 03 01 00 00"),
        ("00 0A 00 00 00 06 01 04 13 9C 00 02", "00 0A 00 00 00 07 01 04 04 00 01 02 03"),
        ("00 0B 00 00 00 06 01 04 00 16 00 02", "00 0B 00 00 00 07 01 04 04 00 00 00 01"),
    ];
    for (request, answer) in asked {
        assert_eq!(on_tcp(&mut unit, request), Some(hex(answer)), "{request}");
    }
}

#[test]
fn an_adam_answers_inputs_by_both_functions_and_its_name() {
    let mut module = Adam6050::new([0x0601, 0x0000]);
    module.set(0, true);
    module.set(1, true);
    let mut unit = Unit::new(1, Speech::Adam(module));
    let coils = on_tcp(&mut unit, "00 01 00 00 00 06 01 01 00 00 00 08");
    assert_eq!(coils, Some(hex("00 01 00 00 00 04 01 01 01 03")));
    let inputs = on_tcp(&mut unit, "00 01 00 00 00 06 01 02 00 00 00 08");
    assert_eq!(inputs, Some(hex("00 01 00 00 00 04 01 02 01 03")));
    let name = on_tcp(&mut unit, "00 02 00 00 00 06 01 03 00 D2 00 01");
    assert_eq!(name, Some(hex("00 02 00 00 00 05 01 03 02 60 50")));
}

#[test]
fn what_does_not_exist_is_refused_as_the_specification_says() {
    let mut unit = moxa();
    let address = on_tcp(&mut unit, "00 03 00 00 00 06 01 02 00 10 00 01");
    assert_eq!(address, Some(hex("00 03 00 00 00 03 01 82 02")));
    let function = on_tcp(&mut unit, "00 04 00 00 00 05 01 2B 0E 01 00");
    assert_eq!(function, Some(hex("00 04 00 00 00 03 01 AB 01")));
    let count = on_tcp(&mut unit, "00 06 00 00 00 06 01 02 00 00 00 00");
    assert_eq!(count, Some(hex("00 06 00 00 00 03 01 82 03")));
}

#[test]
fn units_on_a_bus_answer_for_themselves_only() {
    let mut west = contacts(2, &[true, false]);
    let reply = on_bus(&mut west, "02 02 00 00 00 02 F9 F8").unwrap();
    assert_eq!(reply.bytes, hex("02 02 01 01 60 0C"));
    let mut eight = contacts(1, &[true, true, false, false, false, false, false, false]);
    let reply = on_bus(&mut eight, "01 02 00 00 00 08 79 CC").unwrap();
    assert_eq!(reply.bytes, hex("01 02 01 03 E1 89"));
    assert_eq!(on_bus(&mut eight, "02 02 00 00 00 02 F9 F8"), None);
}

#[test]
fn each_fault_is_the_one_it_is_named_after() {
    let sound = "01 02 01 03 E1 89";
    let faults = [
        (Fault::Silent, None),
        (Fault::Exception(2), Some("01 82 02 C1 61")),
        (Fault::WrongCrc, Some("01 02 01 03 E1 76")),
        (Fault::Short, Some("01 02 01 03")),
        (Fault::Late(700), Some(sound)),
        (Fault::None, Some(sound)),
    ];
    let mut unit = contacts(1, &[true, true, false, false, false, false, false, false]);
    for (fault, answer) in faults {
        unit.spoil(fault);
        let reply = on_bus(&mut unit, "01 02 00 00 00 08 79 CC");
        assert_eq!(reply.as_ref().map(|reply| reply.bytes.clone()), answer.map(hex), "{fault:?}");
        assert_eq!(reply.is_some_and(|reply| reply.after_ms == 700), fault == Fault::Late(700));
    }
    unit.spoil(Fault::WrongUnit);
    let reply = on_bus(&mut unit, "01 02 00 00 00 08 79 CC").unwrap();
    assert_eq!(reply.bytes[0], 2);
}

#[test]
fn a_request_is_heard_in_pieces_and_after_noise_but_not_across_a_gap() {
    let request = hex("01 02 00 00 00 08 79 CC");
    let mut ear = rtu::Ear::default();
    assert!(ear.push(0, &[0xFF, 0x00]).is_empty());
    assert!(ear.push(1_000, &request[..3]).is_empty());
    assert_eq!(ear.push(2_000, &request[3..]).len(), 1);
    assert!(ear.push(3_000, &request[..3]).is_empty());
    assert!(ear.push(500_000, &request[3..]).is_empty());
}

#[test]
fn a_stream_that_is_no_modbus_is_told() {
    assert_eq!(mbap::take(&mut b"GET / HTTP/1.1\r\n".to_vec()), Err(mbap::NotModbus));
    assert_eq!(mbap::take(&mut hex("00 01 00 00 00 06 01 02")), Ok(None));
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the wire carries within its patience")
}

#[tokio::test]
async fn the_tcp_shell_carries_whole_and_split_frames_and_a_second_master() {
    let (line, address) = ModbusLine::tcp(moxa(), Clock::start()).await.unwrap();
    let mut answer = [0_u8; 11];
    for split in [12, 5] {
        let mut master = TcpStream::connect(address).await.unwrap();
        let request = hex("00 01 00 00 00 06 01 02 00 00 00 10");
        master.write_all(&request[..split]).await.unwrap();
        master.write_all(&request[split..]).await.unwrap();
        within(master.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer.to_vec(), hex("00 01 00 00 00 05 01 02 02 08 01"));
    }
    drop(line);
}

#[tokio::test]
async fn a_change_is_told_once_it_was_polled() {
    let (line, address) = ModbusLine::tcp(moxa(), Clock::start()).await.unwrap();
    let mut polled = line.set(1, 0, true, 1).await;
    let mut master = TcpStream::connect(address).await.unwrap();
    assert!(polled.try_recv().is_err());
    master.write_all(&hex("00 01 00 00 00 06 01 02 00 00 00 10")).await.unwrap();
    let mut answer = [0_u8; 11];
    within(master.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer.to_vec(), hex("00 01 00 00 00 05 01 02 02 09 01"));
    within(polled).await.unwrap();
}

#[tokio::test]
async fn the_bus_shell_answers_on_a_port() {
    let pty = Pty::open().unwrap();
    let settings = tokio_serial::new(pty.path().to_str().unwrap(), 19_200);
    let mut port = tokio_serial::SerialStream::open(&settings).unwrap();
    let _line = ModbusLine::bus(pty, vec![contacts(2, &[true, false])], Clock::start());
    port.write_all(&hex("02 02 00 00 00 02 F9 F8")).await.unwrap();
    let mut answer = [0_u8; 6];
    within(port.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer.to_vec(), hex("02 02 01 01 60 0C"));
}
