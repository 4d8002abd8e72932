//! mosquitto as the broker under test: it keeps sessions and messages over a stop, holds back nothing, and drops nothing.

use crate::process::Process;
use crate::wait;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Ports are taken from here: below the range from which the kernel takes ports of outgoing connections (32768), so
/// that a broker which was stopped finds its port free again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// mosquitto writes its database when it stops.
const STOPS_IN: Duration = Duration::from_secs(20);
const STARTS_IN: Duration = Duration::from_secs(60);

/// A broker, running or stopped.
#[derive(Debug)]
pub(crate) struct Broker {
    folder: PathBuf,
    port: u16,
    running: Option<Process>,
}

impl Broker {
    /// Starts one on a free port; its files go into `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        let port = free_ports(1)?;
        let kept = folder.join("kept");
        let settings = format!(
            "listener {port} 127.0.0.1\n\
             allow_anonymous true\n\
             persistence true\n\
             persistence_location {}/\n\
             max_queued_messages 0\n\
             max_inflight_messages 0\n\
             set_tcp_nodelay true\n\
             user root\n",
            kept.display()
        );
        let write =
            std::fs::create_dir_all(&kept).and_then(|()| std::fs::write(folder.join("mosquitto.conf"), settings));
        write.map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut broker = Self { folder: folder.to_owned(), port, running: None };
        broker.resume()?;
        Ok(broker)
    }

    /// Where it listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in order; what it holds is on the disk.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        match self.running.take() {
            Some(process) => process.stop(STOPS_IN).map(drop),
            None => Ok(()),
        }
    }

    /// Starts it again on the same port with what it held.
    pub(crate) fn resume(&mut self) -> Result<(), String> {
        // Debian puts it where a user's search path does not look.
        let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("mosquitto.conf"));
        let mut process = Process::start(&mut command, &self.folder.join("mosquitto.log"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait::until("mosquitto listens", STARTS_IN, || {
            let heard = TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok();
            if heard || process.is_running()? {
                Ok(heard.then_some(()))
            } else {
                Err("mosquitto ended: see its log".into())
            }
        })?;
        self.running = Some(process);
        Ok(())
    }
}

/// The first of so many neighbouring ports that are free on loopback.
pub(crate) fn free_ports(count: u16) -> Result<u16, String> {
    let span = PORTS.len() as u32;
    let begin = std::process::id().wrapping_mul(2_654_435_761) % span;
    let candidates = (0..span).step_by(usize::from(count)).map(|step| (begin + step) % span);
    for offset in candidates {
        let first = PORTS.start + u16::try_from(offset).expect("the span is below 65,536");
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(free) {
            return Ok(first);
        }
    }
    Err(format!("no {count} neighbouring ports are free on loopback"))
}
