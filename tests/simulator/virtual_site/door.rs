//! The doors: which inputs of which module they are wired to.

/// Which Modbus line a door is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wiring {
    Gate,
    Yard,
    Bus,
}

/// One door, gate or barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// Equipment id.
    pub id: &'static str,
    pub(super) wiring: Wiring,
    pub(super) unit: u8,
    pub(super) contact: u16,
    pub(super) release: u16,
    /// Equipment and points under which the changes of its inputs are recorded.
    pub(super) module: &'static str,
    pub(super) contact_point: &'static str,
    pub(super) release_point: &'static str,
}

const fn gate(id: &'static str, contact: u16, contact_point: &'static str, release_point: &'static str) -> Door {
    let (wiring, unit, release) = (Wiring::Gate, 1, contact + 1);
    Door { id, wiring, unit, contact, release, module: "IO-GATE-1", contact_point, release_point }
}

/// North door.
pub const DOOR_N1: Door = gate("DOOR-N1", 0, "di0", "di1");
/// North door at the ramp.
pub const DOOR_N2: Door = gate("DOOR-N2", 2, "di2", "di3");
/// Barrier of the gate.
pub const BARRIER_1: Door = gate("BARRIER-1", 4, "di4", "di5");
/// South door.
pub const DOOR_S1: Door = Door {
    id: "DOOR-S1",
    wiring: Wiring::Yard,
    unit: 1,
    contact: 0,
    release: 1,
    module: "IO-YARD-1",
    contact_point: "di0",
    release_point: "di1",
};
/// Door of the staff, only ever used with a right.
pub const DOOR_S2: Door =
    Door { id: "DOOR-S2", contact: 4, release: 5, contact_point: "di4", release_point: "di5", ..DOOR_S1 };
/// West door.
pub const DOOR_W1: Door = Door {
    id: "DOOR-W1",
    wiring: Wiring::Bus,
    unit: 2,
    contact: 0,
    release: 1,
    module: "DOOR-W1",
    contact_point: "contact",
    release_point: "release",
};
