//! Modbus TCP: one connection, one ask at a time, dropped at the first doubt and reopened by the next ask. A host that
//! cannot be reached is tried again after ever longer pauses.

use super::modbus::{call, keeps_connection};
use super::reopening::Reopening;
use super::{Order, TcpEndpoint};
use picket_core::plan::LineId;
use picket_core::wire::Input;
use picket_device::modbus::{Answer, Fault, Read};
use rustix::net::{RecvFlags, recv, sockopt};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_modbus::client::Context;
use tokio_modbus::slave::{Slave, SlaveContext};

/// Seconds of quiet before the kernel probes the peer; devices allow one to five sockets, and a dead one must go.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered probes until the connection is dead.
const KEEPALIVE_PROBES: u32 = 3;
/// Unacknowledged data older than this ends the connection.
const USER_TIMEOUT_MS: u32 = 15_000;
/// Most bytes that one answer may take: a whole ADU (MODBUS Messaging on TCP/IP V1.0b section 4.1). The length field
/// would allow 65,535.
const MAX_ADU: usize = 260;

/// Carries asks until `orders` is closed.
pub(super) async fn run(
    line: LineId,
    endpoint: &TcpEndpoint,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let mut host = Host { endpoint, connection: None, reopening: Reopening::new(seed) };
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
        let result = host.exchange(unit, read, patience_ms).await;
        if let Err(fault) = &result {
            tracing::debug!(ask, unit, %fault, "no answer");
        }
        if inputs.send(Input::Outcome { line, ask, result }).await.is_err() {
            return;
        }
    }
}

/// The other end, connected or not.
struct Host<'e> {
    endpoint: &'e TcpEndpoint,
    connection: Option<Connection>,
    reopening: Reopening,
}

impl Host<'_> {
    /// One ask within its patience; at once where the host is not to be tried yet. Keeps the connection only if it is
    /// clean.
    async fn exchange(&mut self, unit: u8, read: Read, patience_ms: u32) -> Result<Answer, Fault> {
        let end = Instant::now() + Duration::from_millis(u64::from(patience_ms));
        let mut open = match self.connection.take().filter(Connection::is_quiet) {
            Some(kept) => kept,
            None => {
                self.reopening.admit(Instant::now())?;
                let opened = timeout_at(end, Connection::open(self.endpoint)).await;
                let opened = opened.unwrap_or_else(|_| Err(format!("no connection within {patience_ms} ms")));
                opened.map_err(|cause| self.reopening.failed(Instant::now(), cause))?
            }
        };
        open.context.set_slave(Slave(unit));
        let result = timeout_at(end, call(&mut open.context, read)).await;
        let result = result.unwrap_or(Err(Fault::Timeout(patience_ms)));
        if keeps_connection(&result) {
            self.connection = Some(open);
            self.reopening.answered();
        }
        result
    }
}

struct Connection {
    context: Context,
    /// The same socket once more: the client hides its own.
    socket: OwnedFd,
}

impl Connection {
    /// The error is the cause, in words.
    async fn open(endpoint: &TcpEndpoint) -> Result<Self, String> {
        let connect = async {
            let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
            tune(&stream)?;
            let socket = stream.as_fd().try_clone_to_owned()?;
            let context = tokio_modbus::client::tcp::attach_slave(AnswerStream { stream, left: 0 }, Slave(0));
            Ok(Self { context, socket })
        };
        connect.await.map_err(|error: io::Error| error.to_string())
    }

    /// Whether nothing happened since the last answer. Devices close idle connections: that is no fault if it is seen
    /// before the request leaves. Bytes that wait now are a late or second answer.
    fn is_quiet(&self) -> bool {
        let seen = recv(&self.socket, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(seen, Err(rustix::io::Errno::WOULDBLOCK))
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    sockopt::set_tcp_user_timeout(stream, USER_TIMEOUT_MS)?;
    Ok(())
}

/// A stream whose end is an error of its own kind (the client reports it with whatever errno was last: "Success"), and
/// that gives at most one ADU per request.
#[derive(Debug)]
struct AnswerStream {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for AnswerStream {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(task, buf))?;
        let got = buf.filled().len() - before;
        Poll::Ready(match self.left.checked_sub(got) {
            _ if got == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {MAX_ADU} bytes in an answer"))),
            Some(left) => {
                self.left = left;
                Ok(())
            }
        })
    }
}

impl AsyncWrite for AnswerStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.left = MAX_ADU;
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests;
