//! What the tests of the lines share: a line running beside the test, deadlines, and a terminal whose other end the
//! test plays.

use super::{Carrier, Order, Parity, SerialPort, run};
use picket_core::plan::LineId;
use picket_core::wire::{Heard, Input};
use picket_device::modbus::{Answer, Fault, Read};
use picket_device::profile::Table;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Nothing in a test takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("within the deadline")
}

/// A line under test.
pub(super) struct Running {
    orders: Option<mpsc::Sender<Order>>,
    inputs: mpsc::Receiver<Input>,
    tasks: JoinSet<()>,
    asks: u64,
}

impl Running {
    pub(super) fn start(carrier: Carrier) -> Self {
        let (orders, orders_out) = mpsc::channel(4);
        let (inputs_in, inputs) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(LineId(3), carrier, orders_out, inputs_in, 7));
        Self { orders: Some(orders), inputs, tasks, asks: 0 }
    }

    pub(super) async fn order(&self, order: Order) {
        self.orders.as_ref().expect("not stopped").send(order).await.expect("the line runs");
    }

    /// Asks unit 1 for holding registers; the outcome is read by [`Running::outcome`].
    pub(super) async fn ask(&mut self, start: u16, count: u16, patience_ms: u32) {
        self.asks += 1;
        let read = Read { table: Table::HoldingRegister, start, count };
        self.order(Order::Ask { ask: self.asks, unit: 1, read, patience_ms }).await;
    }

    pub(super) async fn input(&mut self) -> Input {
        within(self.inputs.recv()).await.expect("the line runs")
    }

    pub(super) async fn outcome(&mut self) -> Result<Answer, Fault> {
        match self.input().await {
            Input::Outcome { line: LineId(3), ask, result } if ask == self.asks => result,
            other => panic!("no outcome of ask {}: {other:?}", self.asks),
        }
    }

    pub(super) async fn standing(&mut self) -> Option<String> {
        match self.input().await {
            Input::Line { line: LineId(3), fault } => fault,
            other => panic!("no standing: {other:?}"),
        }
    }

    pub(super) async fn heard(&mut self) -> (u64, Heard) {
        match self.input().await {
            Input::Heard { line: LineId(3), token, heard } => (token, heard),
            other => panic!("nothing heard: {other:?}"),
        }
    }

    /// Whether nothing was given that is not yet read.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.inputs.try_recv().is_err()
    }

    /// Closes the orders: the order to stop.
    pub(super) fn stop(&mut self) {
        self.orders = None;
    }

    /// Waits until the line ended.
    pub(super) async fn ended(&mut self) {
        within(self.tasks.join_next()).await.expect("one line").expect("no panic");
    }
}

/// A pseudo terminal; the test holds the end of the device.
pub(super) struct Pty {
    /// The port's name is a link in here, and goes first: the number of a terminal that is gone is the next one's, and a
    /// line that looks for its own again would find that of another test.
    _names: tempfile::TempDir,
    master: File,
    /// The same file, read as the pipe that it behaves like.
    said: Receiver,
    /// Held so that the device does not see a hang-up whenever the line closes its end.
    _slave: OwnedFd,
    pub(super) port: SerialPort,
}

impl Pty {
    pub(super) fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let path = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a plain name");
        let slave = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        let slave = slave.expect("the other end");
        let mut raw = rustix::termios::tcgetattr(&slave).expect("its settings");
        raw.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &raw).expect("raw");
        rustix::io::ioctl_fionbio(&master, true).expect("not blocking");
        let names = tempfile::tempdir().expect("a folder");
        let name = names.path().join("port");
        std::os::unix::fs::symlink(&path, &name).expect("a link");
        let port = SerialPort { path: name, baud: 115_200, parity: Parity::None, stop_bits: 1, data_bits: 8 };
        let master = File::from(master);
        let said = Receiver::from_file_unchecked(master.try_clone().expect("a second descriptor"));
        Self { _names: names, master, said: said.expect("a descriptor to wait for"), _slave: slave, port }
    }

    /// Reads exactly `N` bytes that the line wrote.
    pub(super) async fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        within(self.said.read_exact(&mut bytes)).await.expect("the line's end is open");
        bytes
    }

    /// Writes what the device says.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).expect("written");
    }
}
