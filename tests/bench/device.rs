//! The devices of `bench-sim`: two tables each, the log, and the part of Modbus that reads (Modbus Application Protocol
//! 1.1b3 sections 6.1 to 6.4, MODBUS Messaging on TCP/IP 1.0b section 3.1.3).

use crate::stopwatch::mono_ns;
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Everything, shared by the tasks of one thread.
pub(crate) type Shared = Rc<RefCell<World>>;

/// Exception 1: the device does not know the function.
const ILLEGAL_FUNCTION: u8 = 1;
/// Exception 2: no such register.
const ILLEGAL_ADDRESS: u8 = 2;
/// Exception 3: the request is not well formed.
const ILLEGAL_VALUE: u8 = 3;

/// A value, and whether nobody has read it yet.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    value: u16,
    unread: bool,
}

#[derive(Debug)]
struct Device {
    registers: Vec<Cell>,
    bits: Vec<Cell>,
    requests: u64,
    connections: u64,
}

/// All devices and the log.
#[derive(Debug)]
pub(crate) struct World {
    devices: Vec<Device>,
    log: BufWriter<File>,
    changes: u64,
}

impl World {
    /// Devices that read 0 everywhere.
    pub(crate) fn shared(devices: usize, registers: usize, bits: usize, log: BufWriter<File>) -> Shared {
        let device = || Device {
            registers: vec![Cell::default(); registers],
            bits: vec![Cell::default(); bits],
            requests: 0,
            connections: 0,
        };
        let devices = (0..devices).map(|_| device()).collect();
        Rc::new(RefCell::new(Self { devices, log, changes: 0 }))
    }

    /// How many there are.
    pub(crate) fn devices(&self) -> usize {
        self.devices.len()
    }

    /// What a register reads.
    pub(crate) fn register(&self, device: usize, address: usize) -> u16 {
        self.devices[device].registers[address].value
    }

    /// A register changes.
    pub(crate) fn set_register(&mut self, device: usize, address: usize, value: u16) {
        self.devices[device].registers[address] = Cell { value, unread: true };
        self.changed(device, 'r', address, value);
    }

    /// A bit changes.
    pub(crate) fn set_bit(&mut self, device: usize, address: usize, on: bool) {
        self.devices[device].bits[address] = Cell { value: u16::from(on), unread: true };
        self.changed(device, 'b', address, u16::from(on));
    }

    fn changed(&mut self, device: usize, kind: char, address: usize, value: u16) {
        self.changes += 1;
        self.note(format_args!("C {} {device} {kind} {address} {value}", mono_ns()));
    }

    /// No more changes come.
    pub(crate) fn ended(&mut self) {
        self.note(format_args!("D {}", mono_ns()));
        if let Err(why) = self.flush() {
            eprintln!("bench-sim: {why}");
        }
    }

    /// How much was asked until this moment.
    pub(crate) fn sum_up(&mut self) {
        let requests: u64 = self.devices.iter().map(|device| device.requests).sum();
        let connections: u64 = self.devices.iter().map(|device| device.connections).sum();
        let changes = self.changes;
        self.note(format_args!("S {} {requests} {connections} {changes}", mono_ns()));
    }

    fn note(&mut self, line: std::fmt::Arguments<'_>) {
        // A full disk shows at the next flush.
        let _ = writeln!(self.log, "{line}");
    }

    /// Writes the log out.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        self.log.flush().map_err(|error| format!("cannot write the log: {error}"))
    }

    /// The answer to a request, both without the header.
    fn answer(&mut self, index: usize, request: &[u8]) -> Vec<u8> {
        self.devices[index].requests += 1;
        let function = request[0];
        let refused = |code| vec![function | 0x80, code];
        let [_, a, b, c, d] = *request else { return refused(ILLEGAL_VALUE) };
        let start = usize::from(u16::from_be_bytes([a, b]));
        let count = usize::from(u16::from_be_bytes([c, d]));
        let (kind, limit) = match function {
            1 | 2 => ('b', 2_000),
            3 | 4 => ('r', 125),
            _ => return refused(ILLEGAL_FUNCTION),
        };
        let device = &mut self.devices[index];
        let table = if kind == 'b' { &mut device.bits } else { &mut device.registers };
        let Some(cells) = table.get_mut(start..start + count).filter(|_| (1..=limit).contains(&count)) else {
            return refused(ILLEGAL_ADDRESS);
        };
        let data = if kind == 'b' { packed(cells) } else { words(cells) };
        for (offset, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| cell.unread) {
            cell.unread = false;
            // As in `note`: a full disk shows at the next flush.
            let _ = writeln!(self.log, "R {} {index} {kind} {} {}", mono_ns(), start + offset, cell.value);
        }
        let bytes = u8::try_from(data.len()).expect("the limits keep an answer below 256 bytes");
        [&[function, bytes], data.as_slice()].concat()
    }
}

/// The lowest bit of the first byte is the first input.
fn packed(cells: &[Cell]) -> Vec<u8> {
    let byte = |eight: &[Cell]| eight.iter().rev().fold(0, |byte, cell| byte << 1 | u8::from(cell.value != 0));
    cells.chunks(8).map(byte).collect()
}

fn words(cells: &[Cell]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.value.to_be_bytes()).collect()
}

/// Serves one device for ever.
pub(crate) async fn listen(world: Shared, index: usize, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        world.borrow_mut().devices[index].connections += 1;
        let world = world.clone();
        tokio::task::spawn_local(async move {
            // The peer went away: nothing to do.
            let _ = serve(&world, index, stream).await;
        });
    }
}

async fn serve(world: &Shared, index: usize, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut header = [0; 7];
    loop {
        stream.read_exact(&mut header).await?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if !(2..=254).contains(&length) {
            return Ok(());
        }
        let mut request = vec![0; length - 1];
        stream.read_exact(&mut request).await?;
        let answer = world.borrow_mut().answer(index, &request);
        let length = u16::try_from(answer.len() + 1).expect("an answer is below 256 bytes");
        let mut message = Vec::with_capacity(7 + answer.len());
        message.extend_from_slice(&header[..4]);
        message.extend_from_slice(&length.to_be_bytes());
        message.push(header[6]);
        message.extend_from_slice(&answer);
        stream.write_all(&message).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(registers: usize, bits: usize) -> Shared {
        World::shared(1, registers, bits, BufWriter::new(tempfile::tempfile().expect("a scratch file")))
    }

    #[test]
    fn registers_are_read_as_in_the_example_of_the_specification() {
        // Modbus Application Protocol 1.1b3, section 6.3: registers 108 to 110.
        let world = world(110, 0);
        let mut world = world.borrow_mut();
        world.set_register(0, 107, 0x022B);
        world.set_register(0, 109, 0x0064);
        assert_eq!(world.answer(0, &[3, 0x00, 0x6B, 0, 3]), [3, 6, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]);
    }

    #[test]
    fn inputs_are_read_as_in_the_example_of_the_specification() {
        // Section 6.2: inputs 197 to 218 answer AC DB 35.
        let world = world(0, 218);
        let mut world = world.borrow_mut();
        let on = [0xAC_u8, 0xDB, 0x35].iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        for (offset, on) in on.take(22).enumerate() {
            world.set_bit(0, 196 + offset, on);
        }
        assert_eq!(world.answer(0, &[2, 0x00, 0xC4, 0, 0x16]), [2, 3, 0xAC, 0xDB, 0x35]);
    }

    #[test]
    fn what_is_not_there_is_refused_by_its_exception() {
        let world = world(10, 10);
        let mut world = world.borrow_mut();
        assert_eq!(world.answer(0, &[3, 0, 9, 0, 2]), [0x83, ILLEGAL_ADDRESS]);
        assert_eq!(world.answer(0, &[3, 0, 0, 0, 0]), [0x83, ILLEGAL_ADDRESS]);
        assert_eq!(world.answer(0, &[6, 0, 0, 0, 1]), [0x86, ILLEGAL_FUNCTION]);
        assert_eq!(world.answer(0, &[3, 0, 0]), [0x83, ILLEGAL_VALUE]);
    }
}
