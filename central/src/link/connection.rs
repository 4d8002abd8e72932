//! One connection to the broker: TCP, TLS where the settings say so, and the session of `picket-session` on it. The agent
//! has one of its own kind: what waits for sockets stays in the program that owns them.

use super::Ended;
use crate::settings::Broker;
use picket_session::tls::Client;
use picket_session::{Ears, Event, Session, Terms};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

/// Bytes asked of the socket at a time.
const CHUNK: usize = 64 * 1024;
/// Where writing fails the reason may lie there to be read: a broker refuses a certificate under TLS 1.3 only after the
/// handshake is done for us.
const LAST_WORD: Duration = Duration::from_millis(200);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    /// Whether what was written may still lie in the TLS layer.
    unflushed: bool,
    session: Session,
    opened: Instant,
    broker: Broker,
}

impl Connection {
    /// Connects; the session's handshake is still to come.
    pub(super) async fn open(broker: &Broker, terms: Terms) -> Result<Self, Ended> {
        let stream = timeout(terms.patience, connect(broker)).await.unwrap_or(Err(Ended::NoAnswer))?;
        let (reader, writer) = tokio::io::split(stream);
        let session = Session::open(terms);
        Ok(Self { reader, writer, unflushed: false, session, opened: Instant::now(), broker: broker.clone() })
    }

    /// The next event. Safe to cancel: what was read stays here. With shut ears there is none, and only a fault ends it.
    pub(super) async fn next(&mut self, ears: Ears) -> Result<Event, Ended> {
        loop {
            let reads = self.session.reads(ears);
            if reads && let Some(event) = self.session.take(self.opened.elapsed())? {
                return Ok(event);
            }
            let deadline = self.opened + self.session.deadline();
            let (inbox, outbox) = self.session.io();
            if reads {
                inbox.reserve(CHUNK);
            }
            let writes = self.unflushed || !outbox.is_empty();
            tokio::select! {
                read = self.reader.read_buf(inbox), if reads => match read {
                    Ok(0) => return Err(Ended::Closed),
                    Ok(_) => {}
                    Err(error) => return Err(self.lost(error)),
                },
                written = write(&mut self.writer, outbox), if writes => match written {
                    Ok(count) => {
                        self.unflushed = count > 0;
                        self.session.left(count, self.opened.elapsed());
                    }
                    Err(error) => return Err(self.lost_writing(error).await),
                },
                () = sleep_until(deadline) => self.session.pass(self.opened.elapsed(), ears)?,
            }
        }
    }

    /// Whether [`Connection::publish`] has room.
    pub(super) fn may_publish(&self) -> bool {
        self.session.may_publish()
    }

    /// Sends at QoS 1, while [`Connection::next`] is waited for.
    pub(super) fn publish(&mut self, topic: &str, content_type: Option<&str>, payload: Vec<u8>) {
        if let Err(unsent) = self.session.publish(topic, content_type, payload.into(), self.opened.elapsed()) {
            tracing::warn!(topic, %unsent, "a receipt or an order was not sent");
        }
    }

    /// The broker may forget a message; said while [`Connection::next`] is waited for.
    pub(super) fn acknowledge(&mut self, id: u16) {
        self.session.acknowledge(id, self.opened.elapsed());
    }

    fn lost(&self, error: io::Error) -> Ended {
        let told = self.broker.tls.as_ref().and_then(|tls| tls.told(&error, &self.broker.host));
        told.map_or(Ended::Connection(error), Ended::Tls)
    }

    async fn lost_writing(&mut self, error: io::Error) -> Ended {
        let mut byte = [0];
        match timeout(LAST_WORD, self.reader.read(&mut byte)).await {
            Ok(Err(reason)) if self.broker.tls.is_some() => self.lost(reason),
            _ => self.lost(error),
        }
    }
}

/// Writes some of it; flushes where there is nothing.
async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(bytes).await }
}

async fn connect(broker: &Broker) -> Result<Box<dyn Stream>, Ended> {
    let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await.map_err(Ended::Connection)?;
    // A receipt right behind an acknowledgement would wait for the broker's delayed one.
    stream.set_nodelay(true).map_err(Ended::Connection)?;
    let Some(tls) = &broker.tls else { return Ok(Box::new(stream)) };
    let Client { config, server, .. } = tls.client(&broker.host).map_err(Ended::Tls)?;
    match TlsConnector::from(config).connect(server, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let told = tls.told_of_handshake(&error, &broker.host);
            Err(told.map_or(Ended::Connection(error), Ended::Tls))
        }
    }
}
