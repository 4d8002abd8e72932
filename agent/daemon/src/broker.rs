//! One connection to a broker: TCP, TLS where the settings say so, and the session of `picket-session` on it. Carries
//! bytes and time to the session; what its events mean is for the line or the central link.

use picket_session::tls::{Client, Papers};
use picket_session::{Ears, Event, Fault, Login, Session, Terms, Unsent};
use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

/// Bytes asked of the socket at a time.
const CHUNK: usize = 16 * 1024;

/// Where a broker is, and who comes to it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User and password, if the broker asks for them.
    pub login: Option<Login>,
    /// TLS; `None` = the way to it is trusted.
    pub tls: Option<Box<Papers>>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum BrokerFault {
    /// No connection.
    #[error("cannot reach the broker: {0}")]
    Unreachable(#[source] io::Error),
    /// TLS, and what to do about it.
    #[error("{0}")]
    Tls(String),
    /// The broker refuses the certificate that is shown, and what to do about it.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("connection to the broker lost")]
    Closed,
    /// The session ended.
    #[error(transparent)]
    Session(#[from] Fault),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection with its session.
pub struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    /// Whether what was written may still lie in the TLS layer.
    unflushed: bool,
    session: Session,
    opened: Instant,
    tls: Option<Box<Papers>>,
    host: String,
}

impl Connection {
    /// Connects; the session's handshake is still to come. Waits no longer than the patience of the terms.
    pub async fn open(endpoint: &Endpoint, terms: Terms) -> Result<Self, BrokerFault> {
        let patience = terms.patience;
        let stream = timeout(patience, connect(endpoint, patience)).await;
        let stream = stream.unwrap_or(Err(Fault::NoAnswer(patience.as_secs()).into()))?;
        let (reader, writer) = tokio::io::split(stream);
        let (tls, host) = (endpoint.tls.clone(), endpoint.host.clone());
        let session = Session::open(terms);
        Ok(Self { reader, writer, unflushed: false, session, opened: Instant::now(), tls, host })
    }

    /// The next event. Safe to cancel: what was read stays here. With shut ears there is none, and only a fault ends it.
    pub async fn next(&mut self, ears: Ears) -> Result<Event, BrokerFault> {
        loop {
            let now = self.opened.elapsed();
            let reads = self.session.reads(ears);
            if reads {
                if let Some(event) = self.session.take(now)? {
                    return Ok(event);
                }
            }
            let deadline = self.opened + self.session.deadline();
            let (inbox, outbox) = self.session.io();
            if reads {
                inbox.reserve(CHUNK);
            }
            let writes = self.unflushed || !outbox.is_empty();
            tokio::select! {
                read = self.reader.read_buf(inbox), if reads => match read {
                    Ok(0) => return Err(BrokerFault::Closed),
                    Ok(_) => {}
                    Err(error) => return Err(self.lost(&error)),
                },
                written = write(&mut self.writer, outbox), if writes => match written {
                    Ok(count) => self.wrote(count),
                    Err(error) => return Err(self.lost_writing(&error).await),
                },
                () = sleep_until(deadline) => self.session.pass(self.opened.elapsed(), ears)?,
            }
        }
    }

    fn wrote(&mut self, count: usize) {
        self.unflushed = count > 0;
        if count > 0 {
            self.session.left(count, self.opened.elapsed());
        }
    }

    /// Whether [`Connection::publish`] has room.
    pub fn may_publish(&self) -> bool {
        self.session.may_publish()
    }

    /// Sends at QoS 1, while [`Connection::next`] is waited for; gives the packet id of its answer.
    pub fn publish(&mut self, topic: &str, content_type: &str, payload: Vec<u8>) -> Result<u16, Unsent> {
        self.session.publish(topic, Some(content_type), payload.into(), self.opened.elapsed())
    }

    /// The broker may forget a message; said while [`Connection::next`] is waited for.
    pub fn acknowledge(&mut self, id: u16) {
        self.session.acknowledge(id, self.opened.elapsed());
    }

    /// Sends what is left, with a goodbye. Waits no longer than the patience of the session.
    pub async fn close(&mut self) {
        self.session.close(self.opened.elapsed());
        loop {
            let patience = self.opened + self.session.deadline();
            let (_, outbox) = self.session.io();
            tokio::select! {
                written = write(&mut self.writer, outbox) => match written {
                    Ok(0) => return,
                    Ok(count) => self.wrote(count),
                    Err(_) => return,
                },
                () = sleep_until(patience) => return,
            }
        }
    }

    /// What the session bore.
    pub fn oddities(&self) -> picket_session::Oddities {
        self.session.oddities()
    }

    fn lost(&self, error: &io::Error) -> BrokerFault {
        tracing::debug!(%error, "connection to the broker broke");
        let told = self.tls.as_ref().and_then(|tls| Some(of_tls(tls.is_refused(error), tls.told(error, &self.host)?)));
        told.unwrap_or(BrokerFault::Closed)
    }

    /// Where writing fails the reason may lie there to be read.
    async fn lost_writing(&mut self, error: &io::Error) -> BrokerFault {
        let mut byte = [0];
        match timeout(Duration::from_millis(200), self.reader.read(&mut byte)).await {
            Ok(Err(reason)) if self.tls.is_some() => self.lost(&reason),
            _ => self.lost(error),
        }
    }
}

/// Writes some of it; flushes where there is nothing.
async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(bytes).await }
}

async fn connect(endpoint: &Endpoint, patience: Duration) -> Result<Box<dyn Stream>, BrokerFault> {
    let unreachable = BrokerFault::Unreachable;
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(unreachable)?;
    // A batch right behind a small packet would wait for the broker's delayed acknowledgement: 40 ms for an alarm.
    stream.set_nodelay(true).map_err(unreachable)?;
    // Unacknowledged bytes older than this end the connection: a half-open one is seen at the next ping.
    let user_timeout_ms = u32::try_from((patience * 3 / 2).as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, user_timeout_ms).map_err(|error| unreachable(error.into()))?;
    let Some(tls) = &endpoint.tls else { return Ok(Box::new(stream)) };
    let host = &endpoint.host;
    let Client { config, server, proof } = tls.client(host).map_err(BrokerFault::Tls)?;
    match TlsConnector::from(config).connect(server, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let told = tls.told_of_handshake(&error, host);
            let refused = proof.is_given() && tls.is_refused(&error);
            Err(told.map(|words| of_tls(refused, words)).unwrap_or(BrokerFault::Unreachable(error)))
        }
    }
}

fn of_tls(refused: bool, words: String) -> BrokerFault {
    if refused { BrokerFault::Refused(words) } else { BrokerFault::Tls(words) }
}
