//! Modbus RTU on one serial bus: silence between frames, one ask at a time, and after any fault a port that is reopened
//! and read empty. RTU has no transaction number: without that, a late answer is taken for another register's value. A
//! port that cannot be opened is tried again after ever longer pauses.

mod half_duplex;

use super::modbus::{call, fault, keeps_connection};
use super::port::{frame_gap, open};
use super::reopening::Reopening;
use super::{Order, SerialPort};
use half_duplex::HalfDuplex;
use picket_core::plan::LineId;
use picket_core::wire::Input;
use picket_device::modbus::{Answer, Fault, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_modbus::client::Context;
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_serial::SerialStream;

/// Draining gives up after this many silences; the next ask begins with it again.
const DRAIN_ROUNDS: u32 = 3;

/// Carries asks until `orders` is closed. Blocks its thread while characters leave the port.
pub(super) async fn run(
    line: LineId,
    port: SerialPort,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let mut bus = Bus::new(port, seed);
    while let Some(order) = orders.recv().await {
        let (ask, unit, read, patience_ms) = match order {
            Order::Ask { ask, unit, read, patience_ms } => (ask, unit, read, patience_ms),
            // Nothing is heard on an asked line, so there is nothing to acknowledge.
            Order::Confirm { .. } => continue,
            Order::Call { here } => {
                let _ = here.send(());
                continue;
            }
        };
        bus.fall_silent().await;
        let result = bus.exchange(unit, read, patience_ms).await;
        if let Err(fault) = &result {
            tracing::debug!(ask, unit, %fault, "no answer");
        }
        if inputs.send(Input::Outcome { line, ask, result }).await.is_err() {
            return;
        }
        bus.fall_silent().await;
    }
}

struct Bus {
    port: SerialPort,
    gap: Duration,
    context: Option<Context>,
    reopening: Reopening,
    /// The last frame on the wire ended by then.
    ended: Instant,
    /// Bytes of the open ask's answer so far, echo excluded; counted by the stream, which the client hides.
    heard: Arc<AtomicUsize>,
    /// A late answer may still come: how long the bus must be silent before the next request.
    doubt: Option<Duration>,
}

impl Bus {
    fn new(port: SerialPort, seed: u64) -> Self {
        let (gap, reopening) = (frame_gap(&port), Reopening::new(seed));
        Self { port, gap, context: None, reopening, ended: Instant::now(), heard: Arc::default(), doubt: None }
    }

    /// One ask within its patience, after the gap; at once where the port is not to be tried yet. Leaves `context` filled
    /// only if it is clean.
    async fn exchange(&mut self, unit: u8, read: Read, patience_ms: u32) -> Result<Answer, Fault> {
        sleep_until(self.ended + self.gap).await;
        let patience = Duration::from_millis(u64::from(patience_ms));
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.attach()?,
        };
        context.set_slave(Slave(unit));
        let outcome = timeout(patience, call(&mut context, read)).await;
        self.ended = Instant::now();
        let result = outcome.unwrap_or_else(|_| Err(self.unanswered(patience_ms)));
        if keeps_connection(&result) {
            self.context = Some(context);
            self.reopening.answered();
        } else if !matches!(result, Err(Fault::Closed)) {
            self.doubt = Some(patience.max(self.gap));
        }
        result
    }

    fn attach(&mut self) -> Result<Context, Fault> {
        self.reopening.admit(Instant::now())?;
        match open(&self.port) {
            Ok(stream) => Ok(self.client(stream)),
            Err(fault) => Err(self.reopening.failed(Instant::now(), fault.to_string())),
        }
    }

    fn client(&self, stream: SerialStream) -> Context {
        let stream = HalfDuplex::new(stream, Arc::clone(&self.heard));
        tokio_modbus::client::rtu::attach_slave(stream, Slave(1))
    }

    /// Silence and noise differ for whoever looks for a broken cable. The client skips damaged bytes and waits on.
    fn unanswered(&self, patience_ms: u32) -> Fault {
        match self.heard.load(Ordering::Relaxed) {
            0 => Fault::Timeout(patience_ms),
            count => Fault::Damaged(format!("{count} bytes within {patience_ms} ms are no whole frame")),
        }
    }

    /// After a fault: reopens the port and reads until nothing came for as long as the failed ask had patience. A late
    /// answer dies here. Bounded; a bus that never falls silent is left in doubt.
    async fn fall_silent(&mut self) {
        let Some(silence) = self.doubt else { return };
        let Ok(mut stream) = open(&self.port) else {
            // The next ask reports it; nobody can answer into a closed port.
            self.doubt = None;
            return;
        };
        let end = Instant::now() + silence * DRAIN_ROUNDS;
        let mut dropped = 0;
        let mut bytes = [0_u8; 256];
        while Instant::now() < end {
            let read = timeout_at((Instant::now() + silence).min(end), stream.read(&mut bytes)).await;
            match read {
                Err(_) if Instant::now() < end => {
                    self.doubt = None;
                    self.context = Some(self.client(stream));
                    break;
                }
                Err(_) => break,
                Ok(Ok(count)) if count > 0 => dropped += count,
                Ok(Ok(_)) => {
                    self.doubt = None;
                    break;
                }
                Ok(Err(error)) => {
                    tracing::debug!(fault = %fault(&error), "bus lost while it fell silent");
                    self.doubt = None;
                    break;
                }
            }
        }
        self.ended = Instant::now();
        if dropped > 0 {
            tracing::debug!(dropped, silent = self.doubt.is_none(), "bytes that nobody waited for");
        }
    }
}

#[cfg(test)]
mod tests;
