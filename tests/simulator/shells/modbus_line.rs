//! A Modbus line with its devices: a TCP listener, or a bus on a pseudo-terminal. One task per line.

use super::desk::{Desk, Order, Polled};
use super::pty::Pty;
use crate::clock::Clock;
use crate::devices::{Fault, Reply, Unit};
use crate::wire::{mbap, rtu};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Orders that may wait: a script gives one at a time.
const ORDERS: usize = 64;
/// Most bytes of one read; longer than any request.
const CHUNK: usize = 512;

/// The handle of a running line; the line ends with it.
#[derive(Debug)]
pub struct ModbusLine {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Drop for ModbusLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ModbusLine {
    /// One device behind a TCP port of its own; where it listens comes back. A new master pushes out the one before.
    pub async fn tcp(unit: Unit, clock: Clock) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, orders) = mpsc::channel(ORDERS);
        let desk = Desk::new(vec![unit], clock);
        let task = tokio::spawn(serve_tcp(listener, desk, orders));
        Ok((Self { orders: sender, task }, address))
    }

    /// Units on a bus.
    pub fn bus(pty: Pty, units: Vec<Unit>, clock: Clock) -> Self {
        let (sender, orders) = mpsc::channel(ORDERS);
        let task = tokio::spawn(serve_bus(pty, Desk::new(units, clock), orders));
        Self { orders: sender, task }
    }

    /// Puts an input on or off. The answer comes after so many polls saw it.
    pub async fn set(&self, unit: u8, channel: u16, on: bool, polls: u32) -> Polled {
        let (told, polled) = oneshot::channel();
        // A line that ended drops the order, and with it `told`: the receiver says so.
        let _ = self.orders.send(Order::Set { unit, channel, on, polls, told }).await;
        polled
    }

    /// Makes a device wrong, or right again.
    pub async fn spoil(&self, unit: u8, fault: Fault) {
        let _ = self.orders.send(Order::Spoil { unit, fault }).await;
    }
}

async fn serve_tcp(listener: TcpListener, mut desk: Desk, mut orders: mpsc::Receiver<Order>) {
    let mut master: Option<TcpStream> = None;
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0_u8; CHUNK];
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => desk.take(order),
                None => return,
            },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                buffer.clear();
                // Answers are small and must not wait for more.
                master = stream.set_nodelay(true).ok().map(|()| stream);
            },
            read = read_from(&mut master, &mut chunk) => {
                buffer.extend_from_slice(&chunk[..read]);
                if read == 0 || answer_tcp(&mut desk, &mut master, &mut buffer).await.is_err() {
                    master = None;
                }
            }
        }
    }
}

/// Bytes of the master that is connected; 0 = it left. Waits for ever where none is.
async fn read_from(master: &mut Option<TcpStream>, chunk: &mut [u8]) -> usize {
    match master {
        Some(stream) => stream.read(chunk).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn answer_tcp(desk: &mut Desk, master: &mut Option<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<()> {
    let not_modbus = |_| io::Error::from(io::ErrorKind::InvalidData);
    while let Some(frame) = mbap::take(buffer).map_err(not_modbus)? {
        let (Some(reply), Some(stream)) = (desk.on_tcp(&frame), master.as_mut()) else { continue };
        let bytes = late(reply).await;
        stream.write_all(&bytes).await?;
        desk.answered(frame.unit, &frame.pdu);
    }
    Ok(())
}

async fn serve_bus(pty: Pty, mut desk: Desk, mut orders: mpsc::Receiver<Order>) {
    let mut ear = rtu::Ear::default();
    loop {
        let mut chunk = [0_u8; CHUNK];
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => desk.take(order),
                None => return,
            },
            read = pty.read(&mut chunk) => {
                let Ok(read) = read else { return };
                for frame in ear.push(desk.clock().mono_us(), &chunk[..read]) {
                    let Some(reply) = desk.on_bus(&frame) else { continue };
                    if pty.write_all(&late(reply).await).await.is_err() {
                        return;
                    }
                    desk.answered(frame.unit, &frame.pdu);
                }
            }
        }
    }
}

/// The lateness is the device's own: it is the fault that is played.
async fn late(reply: Reply) -> Vec<u8> {
    if reply.after_ms > 0 {
        tokio::time::sleep(Duration::from_millis(u64::from(reply.after_ms))).await;
    }
    reply.bytes
}
