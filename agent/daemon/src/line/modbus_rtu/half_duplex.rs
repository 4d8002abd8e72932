//! A half-duplex stream under the Modbus client: input is emptied before each request, the adapter's own echo of it is
//! taken out, the end of the port is an error, and an answer is bounded.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

/// Most bytes taken per request: the largest frame (MODBUS over Serial Line V1.02 section 2.5.1), once as an echo and
/// once as the answer. More is a bus that babbles.
const MAX_BYTES: usize = 2 * 256;

#[derive(Debug)]
pub(super) struct HalfDuplex {
    port: SerialStream,
    /// The request as written, for as long as its echo may come.
    sent: Vec<u8>,
    echo: Echo,
    inbox: VecDeque<u8>,
    /// Bytes since the request, echo included.
    got: usize,
    /// The same without the echo, shown to the bus.
    heard: Arc<AtomicUsize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Echo {
    /// Idle since the last answer: the next write begins a request.
    Over,
    /// This many bytes matched the request so far. Held back: an answer begins with the same unit and function.
    Matched(usize),
}

impl HalfDuplex {
    pub(super) fn new(port: SerialStream, heard: Arc<AtomicUsize>) -> Self {
        Self { port, sent: Vec::new(), echo: Echo::Over, inbox: VecDeque::new(), got: 0, heard }
    }

    fn begin(&mut self) -> io::Result<()> {
        // An open terminal always takes a flush; the library hides the errno of one that is gone.
        self.port.clear(ClearBuffer::Input).map_err(|error| io::Error::new(io::ErrorKind::NotConnected, error))?;
        self.sent.clear();
        self.inbox.clear();
        self.got = 0;
        self.heard.store(0, Ordering::Relaxed);
        self.echo = Echo::Matched(0);
        Ok(())
    }

    /// Sorts bytes into echo and answer. An answer that equals its whole request, which only a read of 17 to 24 bits
    /// from addresses 0x0300 to 0x03FF can be, is lost as an echo: silence, never a wrong value.
    fn sort(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match self.echo {
                Echo::Matched(count) if self.sent.get(count) == Some(byte) => {
                    self.echo = if count + 1 == self.sent.len() { Echo::Over } else { Echo::Matched(count + 1) };
                }
                Echo::Matched(count) => {
                    self.inbox.extend(&self.sent[..count]);
                    self.inbox.push_back(*byte);
                    self.echo = Echo::Over;
                }
                Echo::Over => self.inbox.push_back(*byte),
            }
        }
    }
}

impl AsyncRead for HalfDuplex {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.inbox.is_empty() {
            let mut bytes = [0_u8; 256];
            let mut chunk = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.port).poll_read(task, &mut chunk))?;
            let read = chunk.filled();
            if read.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.got += read.len();
            if self.got > MAX_BYTES {
                let cause = format!("more than {MAX_BYTES} bytes after a request");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, cause)));
            }
            self.sort(read);
            self.heard.fetch_add(self.inbox.len(), Ordering::Relaxed);
        }
        let count = self.inbox.len().min(buf.remaining());
        for byte in self.inbox.drain(..count) {
            buf.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HalfDuplex {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.echo == Echo::Over {
            self.begin()?;
        }
        let count = ready!(Pin::new(&mut self.port).poll_write(task, bytes))?;
        self.sent.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_shutdown(task)
    }
}
