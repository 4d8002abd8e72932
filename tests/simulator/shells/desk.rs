//! The devices of one line, the orders to them, and who waits until a change was polled.

use crate::clock::Clock;
use crate::devices::{Fault, Reply, Unit};
use crate::wire::{mbap, rtu};
use tokio::sync::oneshot;

/// Function 02, Read Discrete Inputs: the poll that sees an input.
const READ_INPUTS: u8 = 2;

/// Told once a change was polled; an error where the line ended before.
pub type Polled = oneshot::Receiver<()>;

/// What is done to a device.
#[derive(Debug)]
pub(super) enum Order {
    /// Put an input on or off; `told` after so many polls have been answered with it.
    Set { unit: u8, channel: u16, on: bool, polls: u32, told: oneshot::Sender<()> },
    /// Make it wrong, or right again.
    Spoil { unit: u8, fault: Fault },
}

#[derive(Debug)]
struct Waiting {
    unit: u8,
    polls: u32,
    told: oneshot::Sender<()>,
}

/// Owned by the task of the line.
#[derive(Debug)]
pub(super) struct Desk {
    units: Vec<Unit>,
    waiting: Vec<Waiting>,
    clock: Clock,
}

impl Desk {
    pub(super) fn new(units: Vec<Unit>, clock: Clock) -> Self {
        Self { units, waiting: Vec::new(), clock }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn take(&mut self, order: Order) {
        match order {
            Order::Set { unit, channel, on, polls, told } => {
                self.unit(unit).set(channel, on);
                self.waiting.push(Waiting { unit, polls, told });
            }
            Order::Spoil { unit, fault } => self.unit(unit).spoil(fault),
        }
    }

    fn unit(&mut self, id: u8) -> &mut Unit {
        self.units.iter_mut().find(|unit| unit.id() == id).expect("the site orders what is on the line")
    }

    pub(super) fn on_tcp(&mut self, frame: &mbap::Frame) -> Option<Reply> {
        let uptime = self.uptime_s();
        self.units.iter_mut().find_map(|unit| unit.on_tcp(uptime, frame))
    }

    pub(super) fn on_bus(&mut self, frame: &rtu::Frame) -> Option<Reply> {
        let uptime = self.uptime_s();
        self.units.iter_mut().find_map(|unit| unit.on_bus(uptime, frame))
    }

    /// An answer left: those who waited for it are told.
    pub(super) fn answered(&mut self, id: u8, pdu: &[u8]) {
        if pdu.first() != Some(&READ_INPUTS) {
            return;
        }
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.unit == id) {
            waiting.polls = waiting.polls.saturating_sub(1);
        }
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.polls == 0);
        self.waiting = waiting;
        let done: Vec<Waiting> = done;
        for waiting in done {
            // Whoever waited may have given up.
            let _ = waiting.told.send(());
        }
    }

    fn uptime_s(&self) -> u32 {
        u32::try_from(self.clock.mono_us() / 1_000_000).unwrap_or(u32::MAX)
    }
}
