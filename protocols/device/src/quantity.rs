//! A measured or heard value: what it is, in which unit, and how good it is. Never a float: a value is an integer
//! times a power of ten, so that what is signed is what was read.

use serde::{Deserialize, Serialize};

/// One value as a device gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A contact, coil or flag; `true` means the state that the signal names (open, in alarm, lost).
    Bit(bool),
    /// `mantissa * 10^exponent` in the unit of the point. The mantissa stays below 2^53 in size, so that every JSON
    /// reader keeps it whole.
    Number {
        /// Signed integer part.
        mantissa: i64,
        /// Power of ten, -9..=9.
        exponent: i8,
    },
    /// Text such as a seal number or a firmware version; at most [`MAX_TEXT`] bytes, valid UTF-8, no control characters.
    Text(String),
    /// The device took the value back (an empty retained payload, a deleted property): neither good nor alarm.
    Unknown,
}

/// Longest text value in bytes: an ISO 17712 seal number is at most 15 characters in the DCSA vocabulary, a 2D code
/// on a seal seldom above 100; the record limit is 8 KiB.
pub const MAX_TEXT: usize = 256;

/// What a value stands for, in the words of the field. A point of a profile carries one, or the site's settings bind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Door, gate or cover contact: true = open.
    Open,
    /// Door released by the access system or a request-to-exit button: true = opening is authorised now.
    Released,
    /// An alarm panel or detector reports alarm.
    Alarm,
    /// Cover, cable or enclosure tamper.
    Tamper,
    /// Mains supply lost.
    MainsLost,
    /// Battery low or missing.
    BatteryLow,
    /// A camera does not see its scene: covered, turned, blinded, defocused, or its video signal lost.
    ViewLost,
    /// Detection by a camera or detector that is not an alarm by itself.
    Motion,
    /// A hardware fault the device reports of itself.
    Fault,
    /// A seal number was read.
    Seal,
    /// A measured quantity without a security meaning of its own (temperature, voltage, a counter).
    Measured,
}

impl Signal {
    /// The word used in settings and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Open => "open",
            Signal::Released => "released",
            Signal::Alarm => "alarm",
            Signal::Tamper => "tamper",
            Signal::MainsLost => "mains-lost",
            Signal::BatteryLow => "battery-low",
            Signal::ViewLost => "view-lost",
            Signal::Motion => "motion",
            Signal::Fault => "fault",
            Signal::Seal => "seal",
            Signal::Measured => "measured",
        }
    }
}

/// How far a value may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// The device gave it for this point in this exchange.
    Good,
    /// It was good; the device or its line has been lost since.
    Stale,
    /// Outside what the device can measure, or refused by the device.
    Bad,
}

/// One point of a device, observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Name of the point in its profile, such as `di0`.
    pub point: String,
    /// What was seen.
    pub value: Value,
    /// How far to trust it.
    pub quality: Quality,
}
