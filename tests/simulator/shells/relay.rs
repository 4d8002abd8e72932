//! A network that can be cut: carries TCP connections to one address until it is shut, and again once it is opened.

use std::io;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The handle of a relay; it ends with it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Begins to carry to `target`, on a loopback port of its own.
    pub async fn start(target: (String, u16)) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (open, opened) = watch::channel(true);
        let task = tokio::spawn(serve(listener, target, opened));
        Ok(Self { address, open, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts what it carries, and refuses what comes.
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// Carries again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn serve(listener: TcpListener, target: (String, u16), mut opened: watch::Receiver<bool>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            changed = opened.changed() => {
                if changed.is_err() {
                    return;
                }
                if !*opened.borrow_and_update() {
                    carried.shutdown().await;
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if *opened.borrow() => drop(carried.spawn(carry(stream, target.clone()))),
                // Shut: the connection is closed at once, as a refusing network does.
                Ok(_) | Err(_) => {}
            },
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn carry(mut near: TcpStream, target: (String, u16)) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // How a connection ends is for its two ends to judge.
    let _ = copy_bidirectional(&mut near, &mut far).await;
}
