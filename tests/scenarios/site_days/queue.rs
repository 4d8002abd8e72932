//! What waits for its moment.

use super::script::Act;
use picket_core::plan::LineId;
use picket_core::wire::{Batch, Input};
use picket_device::modbus::{Fault, Read};

/// Something that comes at its moment.
#[derive(Debug)]
pub(crate) enum Event {
    Outcome { line: LineId, ask: u64, unit: u8, read: Read },
    Failed { line: LineId, ask: u64, fault: Fault },
    Input(Input),
    Act(Act),
    Deliver { session: u32, batch: Batch },
    Restart,
    LinkTry,
    BrokerTry,
    CentralTick,
}

/// An event with its moment; one of the agent's process dies with it.
pub(crate) struct Timed {
    pub(crate) at: u64,
    pub(crate) order: u64,
    pub(crate) life: u64,
    pub(crate) event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
