//! A seal reader on a serial port: opens it, cuts what comes into scans, says them under a credit, reopens what breaks.

use super::port::{PortFault, open};
use super::voice::{Deaf, Voice};
use super::{Order, SerialPort};
use picket_core::plan::LineId;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::{Heard, Input};
use picket_device::seal_reader::{Framer, Framing, Scan, ScanFault};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_serial::SerialStream;

/// Scans that may wait for their record: more than a person reads by hand while a disk stalls.
const CREDIT: u64 = 16;
/// Bytes per read. Small, because what one read completes is kept beyond the credit.
const CHUNK: usize = 64;
/// A port that stood for this long was not broken: the pauses start over.
const STABLE: Duration = Duration::from_secs(60);

/// Carries what the reader says until `orders` is closed.
pub(super) async fn run(
    line: LineId,
    port: &SerialPort,
    framing: &Framing,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let (mut backoff, mut chance) = (Backoff::line(), Chance::new(seed));
    let mut reader = Reader { voice: Voice::new(line, inputs, CREDIT), waiting: VecDeque::new() };
    loop {
        let opened = Instant::now();
        let end = match open(port) {
            Ok(stream) => reader.listen(port, stream, Framer::new(framing.clone()), &mut orders).await,
            Err(fault) => Err(End::Lost(fault)),
        };
        let Err(End::Lost(fault)) = end else { return };
        if opened.elapsed() >= STABLE {
            backoff.reset();
        }
        reader.voice.session_lost();
        if reader.voice.tell(Some(fault.to_string())).await.is_err() {
            return;
        }
        let pause = Duration::from_millis(backoff.pause_ms(&mut chance));
        if reader.rest(pause, &mut orders).await.is_err() {
            return;
        }
    }
}

/// Why listening ended.
enum End {
    /// The port is gone; it is tried again.
    Lost(PortFault),
    /// Orders are closed, or nobody takes inputs.
    Stop,
}

impl From<Deaf> for End {
    fn from(_: Deaf) -> Self {
        End::Stop
    }
}

struct Reader {
    voice: Voice,
    /// Completed by the last read, beyond the credit. At most [`CHUNK`] plus what it finished.
    waiting: VecDeque<Result<Scan, ScanFault>>,
}

impl Reader {
    /// Listens until the port is lost or orders are closed. Dropping `stream` closes the port at once.
    async fn listen(
        &mut self,
        port: &SerialPort,
        mut stream: SerialStream,
        mut framer: Framer,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<Infallible, End> {
        let path = || port.path.to_string_lossy().into_owned();
        self.voice.tell(None).await?;
        let mut bytes = [0_u8; CHUNK];
        loop {
            tokio::select! {
                order = orders.recv() => self.voice.take(order.ok_or(End::Stop)?).await?,
                room = self.voice.room(), if self.may_say() => self.say_next(room?),
                read = stream.read(&mut bytes), if self.waiting.is_empty() => match read {
                    Ok(0) => return Err(End::Lost(PortFault::Unplugged(path()))),
                    Ok(count) => self.waiting.extend(framer.push(&bytes[..count])),
                    Err(error) if super::port::is_gone(&error) => {
                        return Err(End::Lost(PortFault::Unplugged(path())));
                    }
                    Err(source) => return Err(End::Lost(PortFault::Read { path: path(), source })),
                },
            }
        }
    }

    fn may_say(&self) -> bool {
        !self.waiting.is_empty() && self.voice.has_credit()
    }

    fn say_next(&mut self, room: mpsc::OwnedPermit<Input>) {
        if let Some(scan) = self.waiting.pop_front() {
            self.voice.say(room, Heard::Scan(scan));
        }
    }

    /// Pauses; what was heard before is still said and confirmed.
    async fn rest(&mut self, pause: Duration, orders: &mut mpsc::Receiver<Order>) -> Result<(), End> {
        let pause = sleep(pause);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return Ok(()),
                order = orders.recv() => self.voice.take(order.ok_or(End::Stop)?).await?,
                room = self.voice.room(), if self.may_say() => self.say_next(room?),
            }
        }
    }
}

#[cfg(test)]
mod tests;
