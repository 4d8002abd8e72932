//! An MQTT 5 broker inside this process, on a loopback port. It lives as long as the process: rumqttd has no way to end.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;

/// Above the largest batch of records and the largest message that a scenario sends.
const MOST_PAYLOAD: usize = 12 * 1024 * 1024;
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

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
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
