//! Validated intent: what the site's settings ask for, after every fault was refused at the door.

use crate::level::Level;
use crate::register::EquipmentId;
use crate::sensitivity::Sensitivity;
use picket_device::pointer_map::PointerMap;
use picket_device::profile::ModbusSpeech;
use picket_device::quantity::Signal;
use picket_device::seal::SealClass;
use std::collections::BTreeMap;

/// Index into [`Plan::lines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u16);

/// Index into [`Plan::devices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u16);

/// What one gateway guards. Made by the daemon's settings and by the simulator, trusted inside.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the site.
    pub site: String,
    /// Name of this gateway.
    pub gateway: String,
    /// SHA-256 of the settings as they came into force: stated in `settings.applied`.
    pub settings_digest: [u8; 32],
    /// Every port or endpoint, in the order of [`LineId`].
    pub lines: Vec<Line>,
    /// Every device, in the order of [`DeviceId`].
    pub devices: Vec<Device>,
    /// Times and limits of the rules.
    pub limits: Limits,
    /// Seal per container or unit, as the papers say.
    pub manifest: Vec<ManifestRow>,
    /// What leaves on which channel.
    pub sensitivity: Sensitivity,
}

/// A port or an endpoint.
#[derive(Debug, Clone)]
pub struct Line {
    /// Unique name in the settings, such as `gate-bus`.
    pub name: String,
    /// Which driver carries it.
    pub driver: Driver,
}

/// The closed set of carriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    /// Modbus over TCP: asked.
    ModbusTcp,
    /// Modbus RTU on a serial bus: asked; a late answer can be taken for another register's.
    ModbusRtu,
    /// A reader that speaks unasked on a serial port.
    Serial,
    /// A site broker.
    Mqtt,
}

impl Driver {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::ModbusTcp => "modbus-tcp",
            Driver::ModbusRtu => "modbus-rtu",
            Driver::Serial => "serial",
            Driver::Mqtt => "mqtt",
        }
    }
}

/// One device on a line.
#[derive(Debug, Clone)]
pub struct Device {
    /// Unique name in the settings.
    pub name: String,
    /// Where it is.
    pub line: LineId,
    /// The equipment that the device itself is.
    pub equipment: EquipmentId,
    /// How it is spoken with.
    pub speech: DeviceSpeech,
    /// Without a good answer or message for so long it is silent, in milliseconds; 0 = never.
    pub silence_ms: u64,
    /// What its points stand for here, by point name. Points without a row are only readings.
    pub bindings: BTreeMap<String, Binding>,
    /// Whether changes of its points become `readings` records, and how soon they are stored.
    pub readings: ReadingsPolicy,
}

/// How a device is spoken with.
#[derive(Debug, Clone)]
pub enum DeviceSpeech {
    /// Polled.
    Modbus {
        /// Points and limits from its profile.
        speech: ModbusSpeech,
        /// Unit id, 1..=247.
        unit: u8,
        /// Time between the starts of two polls, in milliseconds, at least 20.
        poll_ms: u64,
        /// Longest wait for one answer, in milliseconds.
        patience_ms: u32,
    },
    /// Speaks lines unasked; the only device of its line.
    SealReader,
    /// Publishes ONVIF events below this prefix.
    Camera {
        /// Topic in front of `onvif-ej`.
        prefix: String,
    },
    /// Publishes JSON below this prefix.
    Json {
        /// Topic in front of the mapped ones.
        prefix: String,
        /// Where the points stand.
        map: PointerMap,
    },
}

/// What a point stands for at this site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Which equipment it tells about.
    pub equipment: EquipmentId,
    /// What it tells.
    pub signal: Signal,
    /// True where the wiring turns the meaning round.
    pub inverted: bool,
    /// Times of its own.
    pub delays: Delays,
}

/// Times that a row of the settings gives a polled contact; `None` = as [`Limits`] says for its signal. What speaks
/// unasked has none: its message is confirmed on the wire before such a time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delays {
    /// It must hold so long before it counts, in milliseconds.
    pub hold_ms: Option<u64>,
    /// It must be away so long before its alarm is cleared, in milliseconds.
    pub clear_ms: Option<u64>,
}

/// Whether changes become `readings` records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadingsPolicy {
    /// Only what rules conclude is recorded.
    Off,
    /// Within 3 s or 64 records.
    Routine,
    /// With the poll that saw the change.
    Now,
}

/// Times and limits of the rules; the settings may change each.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A door may stand open so long, in milliseconds.
    pub door_held_ms: u64,
    /// The same while the security level of the site is 2, and 3; `None` = as at level 1.
    pub level_door_held_ms: [Option<u64>; 2],
    /// An opening within this time after a release is authorised, in milliseconds.
    pub door_release_ms: u64,
    /// After an opening without a release the door waits so long for a late one before it is forced, in milliseconds;
    /// 0 = not at all. For access systems whose release comes by another line than the contact.
    pub door_grace_ms: u64,
    /// A door must be closed so long before its alarm is cleared, in milliseconds.
    pub door_clear_ms: u64,
    /// A mains, battery, view or fault contact must hold so long before it counts, in milliseconds; alarm and tamper
    /// count with the first sample. A door that is closed for less was not closed: it is the same opening.
    pub contact_hold_ms: u64,
    /// A contact must be away so long before its alarm is cleared, in milliseconds: one that bounces is one alarm.
    pub contact_clear_ms: u64,
    /// A speaking line that is lost so long makes its devices silent, in milliseconds; 0 = never. Nothing else tells of
    /// a dead broker where a device may rightly be quiet for days.
    pub line_lost_ms: u64,
    /// Days before a due date from which equipment is `due`.
    pub due_ahead_days: u16,
    /// Time between heartbeats, in seconds.
    pub heartbeat_s: u64,
    /// Time between two identity checks of a device, in seconds.
    pub identity_s: u64,
    /// A measured value must be beyond what it should be, and back within it, so long before it counts, in milliseconds.
    pub point_hold_ms: u64,
}

impl Limits {
    /// How long a door may stand open at a security level, in milliseconds.
    pub fn door_held_at(&self, level: Level) -> u64 {
        let [heightened, exceptional] = self.level_door_held_ms;
        let own = match level {
            Level::Normal => None,
            Level::Heightened => heightened,
            Level::Exceptional => exceptional,
        };
        own.unwrap_or(self.door_held_ms)
    }

    /// How long a signal must hold before it counts, in milliseconds. Life safety and tampering wait for nothing.
    pub fn hold_ms(&self, signal: Signal) -> u64 {
        match signal {
            Signal::MainsLost | Signal::BatteryLow | Signal::ViewLost | Signal::Fault => self.contact_hold_ms,
            Signal::Alarm | Signal::Tamper | Signal::Open | Signal::Released => 0,
            Signal::Motion | Signal::Seal | Signal::Measured => 0,
        }
    }

    /// How long a signal must be away before its alarm is cleared, in milliseconds.
    pub fn clear_ms(&self, signal: Signal) -> u64 {
        if signal == Signal::Open { self.door_clear_ms } else { self.contact_clear_ms }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            door_held_ms: 30_000,
            level_door_held_ms: [None, None],
            door_release_ms: 7_000,
            door_grace_ms: 0,
            door_clear_ms: 2_000,
            contact_hold_ms: 200,
            contact_clear_ms: 2_000,
            line_lost_ms: 60_000,
            due_ahead_days: 30,
            heartbeat_s: 60,
            identity_s: 3_600,
            point_hold_ms: 60_000,
        }
    }
}

/// One row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Container or unit number, normalised.
    pub unit: String,
    /// Seal number that the papers name, normalised.
    pub seal: String,
    /// Seal reader (equipment id) where it is expected; empty = any.
    pub reader: String,
    /// The weakest class that will do; none = any.
    pub class: Option<SealClass>,
}
