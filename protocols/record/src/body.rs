//! What a record says, without its place in the chain.

use crate::encode::Link;
use crate::kind::{Kind, Severity};
use crate::personal::Personal;
use serde::Serialize;
use serde_json::{Map, Value};

/// Everything a record states. [`crate::chain`] adds `v`, `site`, `gw`, `ep`, `seq` and `prev` and signs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// When, with the quality of that claim.
    pub when: When,
    /// Live, or something that must not be mistaken for it.
    pub mode: Mode,
    /// What it states.
    pub kind: Kind,
    /// How severe.
    pub severity: Severity,
    /// Which equipment, with its standing at that moment; `None` for records of the agent itself.
    pub about: Option<About>,
    /// Time the device claims, as sent, at most 64 bytes; untrusted.
    pub device_time: Option<String>,
    /// Personal data that are kept beside the record ([`crate::personal`]), or what the record commits to.
    pub personal: Option<Personal>,
    /// What the kind defines. Integers only (below 2^53 in size), depth at most 3 here, so 4 in the record.
    pub data: Map<String, Value>,
}

impl Body {
    /// Live, about the agent itself, without a claim of a device and without personal data.
    pub fn new(when: When, kind: Kind, severity: Severity, data: Map<String, Value>) -> Self {
        Self { when, mode: Mode::Live, kind, severity, about: None, device_time: None, personal: None, data }
    }
}

/// A moment and how well it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Kernel boot id, 36 characters.
    pub boot: std::sync::Arc<str>,
    /// CLOCK_BOOTTIME in microseconds.
    pub mono_us: u64,
    /// Milliseconds since 1970 UTC, or `None` if the clock was never set.
    pub wall_ms: Option<i64>,
    /// Quality of the wall clock.
    pub clock: ClockQuality,
}

/// What the kernel says of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockQuality {
    /// Where the time comes from.
    pub src: ClockSource,
    /// The kernel holds the clock synchronised.
    pub sync: bool,
    /// Kernel's maximum error in milliseconds.
    pub err_ms: u32,
    /// Seconds since the last known synchronisation; 0 where unknown.
    pub age_s: u32,
    /// Clock steps seen since this boot.
    pub era: u32,
}

/// Source of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// Disciplined over the network.
    Ntp,
    /// A battery-backed clock on the board.
    Rtc,
    /// Nothing known.
    None,
}

/// Whether a record is live. A mode never suppresses anything at the central side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Real.
    Live,
    /// Inside an ordered drill.
    Drill(Drill),
    /// A test of equipment.
    Test,
    /// Somebody works on the equipment.
    Maintenance,
}

impl Mode {
    /// The word in the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Drill(_) => "drill",
            Self::Test => "test",
            Self::Maintenance => "maintenance",
        }
    }
}

/// The drill that a record belongs to, and who ordered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Its name, 1 to 64 bytes.
    pub id: String,
    /// Link of the order or command that allowed it.
    pub auth: Link,
}

/// The equipment a record speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Equipment id of the register, or `unlisted:...`.
    pub equipment: String,
    /// Register version in force, 0 for none.
    pub register: u64,
    /// Its standing at that moment.
    pub standing: Standing,
    /// Where the statement comes from; `None` for what the agent concluded.
    pub source: Option<Source>,
}

/// Standing as written into a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The worst that holds: `good`, `due`, `overdue`, `unknown`, `unlisted`, `mismatched`, `withdrawn`.
    pub st: &'static str,
    /// Every reason, in order of precedence; empty when good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// Next date that matters (`YYYY-MM-DD`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Certificate of the calibration in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
}

/// Where a statement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Driver: `modbus-tcp`, `modbus-rtu`, `serial`, `mqtt`.
    pub driver: &'static str,
    /// SHA-256 of the raw frame or answer.
    pub raw: [u8; 32],
    /// How sure the identity of the sender is.
    pub identity: IdentityEvidence,
}

/// How sure the identity of a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityEvidence {
    /// By a key.
    Proven,
    /// The device says so itself.
    Reported,
    /// It answers at the address that the settings name.
    Configured,
}

/// A measured value as it stands in `data`: `v` times ten to the `e`, unit `u`; `e` 0 and an empty `u` are left out.
pub fn measured(v: i64, e: i8, u: &str) -> Value {
    let mut map = Map::new();
    map.insert("v".into(), v.into());
    if e != 0 {
        map.insert("e".into(), e.into());
    }
    if !u.is_empty() {
        map.insert("u".into(), u.into());
    }
    Value::Object(map)
}
