//! An MQTT 5 broker inside this process, on a loopback port. It lives as long as the process: rumqttd has no way to end.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;

/// Above the largest batch of records and the largest message that a scenario sends.
const MOST_PAYLOAD: usize = 12 * 1024 * 1024;
/// Where free ports are looked for.
const PORTS: std::ops::Range<u16> = 10_000..20_000;
/// Longest wait until it listens.
const READY: Duration = Duration::from_secs(10);

/// Starts a broker and waits until it takes connections.
pub async fn start(name: &str) -> io::Result<SocketAddr> {
    let address = free_port()?;
    let mut broker = Broker::new(config(name, address));
    std::thread::Builder::new().name(format!("broker-{name}")).spawn(move || broker.start().is_ok())?;
    let ready = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(READY, ready).await.map_err(io::Error::from)?;
    Ok(address)
}

/// A port that was free a moment ago, below the range from which the kernel takes ports of outgoing connections (32768):
/// else a connection of another test could have it by the time a broker binds it.
pub fn free_port() -> io::Result<SocketAddr> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin in different places.
    let begin = std::process::id().wrapping_mul(2_654_435_761) as u16 % PORTS.len() as u16;
    for _ in 0..PORTS.len() {
        let port = PORTS.start + (begin.wrapping_add(TAKEN.fetch_add(1, Relaxed))) % PORTS.len() as u16;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr();
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free on loopback"))
}

fn config(name: &str, listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 10_000,
        max_payload_size: MOST_PAYLOAD,
        max_inflight_count: 1_000,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: name.to_owned(), listen, tls: None, next_connection_delay_ms: 1, connections };
    Config {
        router: RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: 200,
            max_segment_size: 16 * 1024 * 1024,
            max_segment_count: 16,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([(name.to_owned(), server)])),
        ..Config::default()
    }
}
