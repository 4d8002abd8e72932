//! The guards' page: a listener on one address, the live view as server-sent events, acts as inputs.

use picket_core::status::Status;
use picket_core::wire::Input;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Where the page is served.
#[derive(Debug, Clone)]
pub struct Address {
    /// Address to listen at; loopback unless the settings name another.
    pub listen: SocketAddr,
    /// Host names under which browsers may ask, beside the address itself.
    pub hosts: Vec<String>,
}

/// Serves the page until the status channel is closed.
pub async fn run(
    listener: TcpListener,
    address: Address,
    status: watch::Receiver<Arc<Status>>,
    acts: mpsc::Sender<Input>,
) {
    let _ = (listener, address, status, acts);
}
