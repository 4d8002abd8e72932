//! The guards' page: a listener on one address, the live view as server-sent events, acts as inputs.
//!
//! Owns the listener and drives every connection inside one task, within stated limits. It decides nothing: what it
//! shows is the last [`Status`] it was given, and an act is only a wish until a later status shows it.

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use picket_core::sensitivity::Sensitivity;
use picket_core::status::Status;
use picket_core::wire::Input;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

mod acknowledge;
mod admission;
mod answer;
mod feed;
mod routes;
#[cfg(test)]
pub(crate) mod tests;

use admission::{Hosts, Token};
use feed::Feed;
use routes::{Caller, Page};

/// Where the page is served.
#[derive(Debug, Clone)]
pub struct Address {
    /// Address to listen at; loopback unless the settings name another.
    pub listen: SocketAddr,
    /// Host names under which browsers may ask, beside the address itself; with or without a port.
    pub hosts: Vec<String>,
}

/// Serves the page until the status channel is closed; open answers then have five seconds to end.
///
/// Returns early only when the system gives no random bytes: without a token no act could be told from a forged one.
pub async fn run(
    listener: TcpListener,
    address: Address,
    sensitivity: Sensitivity,
    status: watch::Receiver<Arc<Status>>,
    acts: mpsc::Sender<Input>,
) {
    serve(listener, address, sensitivity, status, acts, Limits::STATED).await;
}

/// What one hostile or broken client can take. The numbers come from the rules of the console
/// (own accept loop: hyper alone cuts neither slow headers nor too many connections).
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections in all: a site has a few screens and phones; an idle live view takes 12 KiB.
    connections: usize,
    /// Connections of one address, so that one machine cannot lock the others out.
    per_address: usize,
    /// Live views in all: leaves eight connections for pages and acts.
    streams: usize,
    /// Live views of one address: leaves two for pages and acts.
    streams_per_address: usize,
    /// Longest wait for a whole request head, and between two requests.
    head: Duration,
    /// Longest time from the head of a request to its answer; live views excepted.
    request: Duration,
    /// Largest request body in bytes.
    body: usize,
    /// Sent bytes may stay unacknowledged so long: a phone that walked away gives its place back.
    unheard: Duration,
    /// Time between two beats of a live view; the page says NOT LIVE after 12 s.
    beat: Duration,
    /// Least time between two snapshots of a live view: faster than anybody reads, slow enough for a busy site.
    pace: Duration,
    /// Time for open answers at the end.
    end: Duration,
}

impl Limits {
    const STATED: Self = Self {
        connections: 32,
        per_address: 8,
        streams: 24,
        streams_per_address: 6,
        head: Duration::from_secs(5),
        request: Duration::from_secs(10),
        body: 64 * 1024,
        unheard: Duration::from_secs(20),
        beat: Duration::from_secs(5),
        pace: Duration::from_millis(200),
        end: Duration::from_secs(5),
    };
}

async fn serve(
    listener: TcpListener,
    address: Address,
    sensitivity: Sensitivity,
    mut status: watch::Receiver<Arc<Status>>,
    acts: mpsc::Sender<Input>,
    limits: Limits,
) {
    let tokens = match Token::random().and_then(|token| Ok([token, Token::random()?])) {
        Ok(tokens) => tokens,
        Err(error) => {
            tracing::error!(%error, "the guards' page has no random bytes for its token and is not served");
            return;
        }
    };
    let port = listener.local_addr().map_or(address.listen.port(), |own| own.port());
    let (feed, snapshots) = Feed::open(&mut status, limits.pace, sensitivity);
    let page = Page::new(Hosts::new(&address, port), tokens, snapshots, acts, limits);
    let (stop, stopped) = watch::channel(());
    let mut places = Places::new(limits);
    let mut carried = FuturesUnordered::new();
    let mut feed = pin!(feed.forward(status));
    loop {
        tokio::select! {
            biased;
            () = &mut feed => break,
            Some(peer) = carried.next() => places.leave(peer),
            (stream, peer) = next_client(&listener) => if let Some(streams) = places.take(peer.ip()) {
                carried.push(carry(stream, peer, streams, &page, stopped.clone()));
            },
        }
    }
    drop((listener, stop));
    let rest = async { while carried.next().await.is_some() {} };
    if tokio::time::timeout(limits.end, rest).await.is_err() {
        tracing::info!(open = carried.len(), "connections to the guards' page were cut at the end");
    }
}

/// A connection. Out of file descriptors is waited out: without the pause it would spin.
async fn next_client(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(client) => return client,
            Err(error) => {
                tracing::warn!(%error, "the guards' page could not accept a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Who holds the connections.
struct Places {
    limits: Limits,
    peers: BTreeMap<IpAddr, Peer>,
    refused: u64,
}

struct Peer {
    connections: usize,
    streams: Arc<Semaphore>,
}

impl Places {
    fn new(limits: Limits) -> Self {
        Self { limits, peers: BTreeMap::new(), refused: 0 }
    }

    /// A place for one more connection, with the live views its address may still open; `None` = all are taken.
    fn take(&mut self, peer: IpAddr) -> Option<Arc<Semaphore>> {
        let taken: usize = self.peers.values().map(|peer| peer.connections).sum();
        let held = self.peers.get(&peer).map_or(0, |peer| peer.connections);
        if taken >= self.limits.connections || held >= self.limits.per_address {
            self.refused += 1;
            // Powers of two: a flood is told without flooding the log.
            if self.refused.is_power_of_two() {
                tracing::warn!(%peer, taken, held, refused = self.refused, "too many connections to the guards' page");
            }
            return None;
        }
        let streams = self.limits.streams_per_address;
        let place = self
            .peers
            .entry(peer)
            .or_insert_with(|| Peer { connections: 0, streams: Arc::new(Semaphore::new(streams)) });
        place.connections += 1;
        Some(Arc::clone(&place.streams))
    }

    fn leave(&mut self, peer: IpAddr) {
        let Some(place) = self.peers.get_mut(&peer) else { return };
        place.connections -= 1;
        if place.connections == 0 {
            self.peers.remove(&peer);
        }
    }
}

/// Drives one connection to its end and says whose it was.
async fn carry(
    stream: TcpStream,
    peer: SocketAddr,
    streams: Arc<Semaphore>,
    page: &Page,
    mut stopped: watch::Receiver<()>,
) -> IpAddr {
    let Ok(local) = stream.local_addr() else { return peer.ip() };
    let unheard_ms = u32::try_from(page.limits().unheard.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, unheard_ms) {
        tracing::debug!(%error, "a silent client will keep its connection longer");
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small answers may be delayed");
    }
    let caller = Caller { local, peer: peer.ip(), streams };
    let service = service_fn(|request| async { Ok::<_, Infallible>(page.answer(&caller, request).await) });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(page.limits().head).max_buf_size(16 * 1024);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection to the guards' page ended early");
    }
    peer.ip()
}
