//! A profile: what one make and model of equipment offers on its wire. Read from `config/profiles/*.toml`; every row
//! cites the page of the manual it comes from.
//!
//! The file names the device at its top and then says how it speaks in exactly one table: `[modbus]`, `[seal-reader]`,
//! `[onvif-events]` or `[json]`. A key that is not known there is refused by name.

mod faults;
mod written;

use crate::quantity::Signal;
use serde::Deserialize;

/// A device description. Construct with serde (TOML), then [`Profile::faults`] must be empty before use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "written::Written")]
pub struct Profile {
    /// Name that settings refer to, such as `moxa-e1210`; `[a-z0-9-]{1,48}`.
    pub name: String,
    /// Make as it stands on the type plate.
    pub make: String,
    /// Model as it stands on the type plate.
    pub model: String,
    /// Manual, edition and page range this profile was written from, or `unconfirmed: ...`.
    pub manual: String,
    /// How the device speaks.
    pub speech: Speech,
}

/// How the device speaks; each with its own points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speech {
    /// Polled over Modbus TCP or RTU; the table `[modbus]`.
    Modbus(ModbusSpeech),
    /// A seal reader that sends lines unasked; the table `[seal-reader]`.
    SealReader(crate::seal_reader::Framing),
    /// A camera that publishes ONVIF `onvif-ej` events; the table `[onvif-events]`.
    OnvifEvents {
        /// Longest silence in seconds after which the camera counts as silent, if the settings name none; 0 = no limit.
        silence_s: u32,
    },
    /// Equipment that publishes JSON, points found by JSON pointer; the table `[json]`.
    Json(crate::pointer_map::PointerMap),
}

/// Points and limits of a Modbus device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusSpeech {
    /// Most bits one read may ask for; the protocol allows 2000.
    #[serde(default = "ModbusSpeech::default_max_bits")]
    pub max_bits: u16,
    /// Most registers one read may ask for; the protocol allows 125.
    #[serde(default = "ModbusSpeech::default_max_registers")]
    pub max_registers: u16,
    /// Unused addresses that may be read along to join two neighbours into one read.
    #[serde(default)]
    pub hole_limit: u16,
    /// Registers that tell who the device is.
    #[serde(default)]
    pub identity: Vec<IdentityPoint>,
    /// What is polled.
    #[serde(default, rename = "point")]
    pub points: Vec<Point>,
}

impl ModbusSpeech {
    fn default_max_bits() -> u16 {
        crate::modbus::MAX_BITS
    }
    fn default_max_registers() -> u16 {
        crate::modbus::MAX_REGISTERS
    }
}

/// The four Modbus tables (Modbus Application Protocol 1.1b3, section 4.3). Addresses are 0-based protocol addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Function 01.
    Coil,
    /// Function 02.
    DiscreteInput,
    /// Function 03.
    HoldingRegister,
    /// Function 04.
    InputRegister,
}

impl Table {
    /// True for the two tables whose items are single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Table::Coil | Table::DiscreteInput)
    }
}

/// How registers become a number. 32-bit word order is a choice of the device, hence of the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// One bit of a bit table.
    Bit,
    /// One bit (0 = least significant) of one register.
    RegisterBit(u8),
    /// Unsigned 16 bits.
    U16,
    /// Two's complement 16 bits.
    I16,
    /// Unsigned 32 bits, high word first.
    U32,
    /// Unsigned 32 bits, low word first.
    U32LowFirst,
    /// Two's complement 32 bits, high word first.
    I32,
    /// Two's complement 32 bits, low word first.
    I32LowFirst,
}

impl Coding {
    /// How many items of its table a value takes.
    pub fn width(self) -> u16 {
        match self {
            Coding::Bit | Coding::RegisterBit(_) | Coding::U16 | Coding::I16 => 1,
            Coding::U32 | Coding::U32LowFirst | Coding::I32 | Coding::I32LowFirst => 2,
        }
    }

    /// True where the value is a flag and not a number.
    pub fn is_flag(self) -> bool {
        matches!(self, Coding::Bit | Coding::RegisterBit(_))
    }
}

/// One polled point.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Unique in the profile, `[a-z0-9_]{1,32}`.
    pub name: String,
    /// Which table.
    pub table: Table,
    /// 0-based protocol address.
    pub address: u16,
    /// How the items become a value; `bit` where left out. One bit of a register is `{ register-bit = 3 }`.
    #[serde(default = "Point::default_coding")]
    pub coding: Coding,
    /// Power of ten the integer is multiplied with, -9..=9; numbers only.
    #[serde(default)]
    pub exponent: i8,
    /// Unit after UCUM (`Cel`, `V`, `%`), empty for none.
    #[serde(default)]
    pub unit: String,
    /// Lowest and highest raw integer the device can give; outside it the value is `Bad`.
    #[serde(default)]
    pub range: Option<(i64, i64)>,
    /// What it stands for where the wiring decides nothing (an alarm panel's own contacts).
    #[serde(default)]
    pub signal: Option<Signal>,
    /// True where the contact is closed (1) in the state that the signal does *not* name.
    #[serde(default)]
    pub inverted: bool,
    /// Page of the manual.
    #[serde(default)]
    pub page: String,
}

impl Point {
    fn default_coding() -> Coding {
        Coding::Bit
    }
}

/// What an identity register tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityField {
    /// Make or vendor.
    Make,
    /// Model or product code.
    Model,
    /// Serial number or MAC address.
    Serial,
    /// Firmware version.
    Firmware,
}

/// How identity registers become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityCoding {
    /// Two ASCII characters a register, high byte first; trailing NUL and blanks cut.
    Ascii,
    /// Each register as four upper-case hexadecimal digits, joined (a MAC address).
    Hex,
    /// Each byte as a decimal number joined by dots, trailing zero bytes cut down to three numbers (firmware 1.2.3).
    DottedBytes,
}

/// One identity entry of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPoint {
    /// What it tells.
    pub field: IdentityField,
    /// Which table; a register table.
    pub table: Table,
    /// 0-based protocol address.
    pub address: u16,
    /// Registers to read.
    pub count: u16,
    /// How they become text.
    pub coding: IdentityCoding,
    /// Page of the manual.
    #[serde(default)]
    pub page: String,
}

/// Who a device says it is; empty fields were not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Make.
    pub make: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number or MAC.
    pub serial: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
}

impl Profile {
    /// Every fault of the profile at once, as sentences that name the point; empty when it may be used.
    pub fn faults(&self) -> Vec<String> {
        faults::of(self)
    }
}
