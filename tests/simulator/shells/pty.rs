//! A serial line without hardware: the master side of a pseudo-terminal, and the path of the port it offers.

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One pair. The port stays open on this side too, so that it survives a program that holds it and is killed.
#[derive(Debug)]
pub struct Pty {
    master: AsyncFd<OwnedFd>,
    port: Port,
    path: PathBuf,
}

/// Speed of a port that nobody has opened; no line of a site is set to it.
const IDLE_BAUD: u32 = 75;

/// The port as the system sees it: whether somebody has opened it, and how it is given free.
#[derive(Debug)]
pub struct Port(OwnedFd);

impl Port {
    /// A program that opens a port exclusively and is killed leaves it so while the other side of the pair lives: this
    /// gives it free, as the kernel does with a real port.
    pub fn free(&self) -> io::Result<()> {
        ioctl_tiocnxcl(&self.0)?;
        let mut idle = tcgetattr(&self.0)?;
        idle.make_raw();
        idle.set_speed(IDLE_BAUD)?;
        Ok(tcsetattr(&self.0, OptionalActions::Now, &idle)?)
    }

    /// Whether a program has opened it since it was free: every program sets the speed.
    pub fn is_open(&self) -> io::Result<bool> {
        Ok(tcgetattr(&self.0)?.output_speed() != IDLE_BAUD)
    }
}

impl Pty {
    /// Makes a pair in raw mode: nothing is echoed, nothing is translated.
    pub fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let port = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let port = Port(port);
        port.free()?;
        rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK)?;
        let master = super::watched(master, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { master, port, path })
    }

    /// Where a program opens the port.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The port as the system sees it.
    pub fn port(&self) -> io::Result<Port> {
        Ok(Port(self.port.0.try_clone()?))
    }

    /// Reads what was written to the port.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.master.async_io(Interest::READABLE, |master| Ok(rustix::io::read(master, &mut *buffer)?)).await
    }

    /// Writes bytes for the port to read.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written =
                self.master.async_io(Interest::WRITABLE, |master| Ok(rustix::io::write(master, bytes)?)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
