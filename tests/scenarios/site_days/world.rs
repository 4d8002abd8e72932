//! What stands at the site: contacts behind the polled modules, as their registers would show them.

use picket_core::plan::{Device, DeviceSpeech, Plan};
use picket_core::register::Register;
use picket_device::modbus::{Answer, Read};
use picket_device::profile::{IdentityCoding, IdentityField, IdentityPoint, Table};
use picket_device::quantity::Signal;
use std::collections::BTreeMap;

/// Contents of every table of every polled device, by index in the plan.
pub(crate) struct World {
    bits: BTreeMap<(usize, Table, u16), bool>,
    words: BTreeMap<(usize, Table, u16), u16>,
}

impl World {
    /// Everything at rest, every device being what the register says.
    pub(crate) fn at_rest(plan: &Plan, register: &Register) -> Self {
        let mut world = Self { bits: BTreeMap::new(), words: BTreeMap::new() };
        for (index, device) in plan.devices.iter().enumerate() {
            let DeviceSpeech::Modbus { speech, .. } = &device.speech else { continue };
            for point in &speech.points {
                let turned = device.bindings.get(&point.name).is_some_and(|b| b.inverted);
                world.bits.insert((index, point.table, point.address), point.inverted ^ turned);
            }
            for identity in &speech.identity {
                let row = register.get(&device.equipment);
                let text = row.map_or("", |row| match identity.field {
                    IdentityField::Make => &row.make,
                    IdentityField::Model => &row.model,
                    IdentityField::Serial => &row.serial,
                    IdentityField::Firmware => &row.firmware,
                });
                for (at, word) in (identity.address..).zip(encoded(identity, text)) {
                    world.words.insert((index, identity.table, at), word);
                }
            }
        }
        world
    }

    /// Sets the contact that tells a signal of a piece of equipment. `false` where nothing polled tells it.
    pub(crate) fn set(&mut self, plan: &Plan, equipment: &str, signal: Signal, on: bool) -> bool {
        for (index, device) in plan.devices.iter().enumerate() {
            let DeviceSpeech::Modbus { speech, .. } = &device.speech else { continue };
            for point in &speech.points {
                let Some(binding) = device.bindings.get(&point.name) else { continue };
                if binding.equipment.as_str() == equipment && binding.signal == signal {
                    let raw = on ^ point.inverted ^ binding.inverted;
                    self.bits.insert((index, point.table, point.address), raw);
                    return true;
                }
            }
        }
        false
    }

    /// What the device answers.
    pub(crate) fn answer(&self, index: usize, read: Read) -> Answer {
        let items = (0..read.count).map(|n| (index, read.table, read.start + n));
        if read.table.is_bits() {
            Answer::Bits(items.map(|key| self.bits.get(&key).copied().unwrap_or(false)).collect())
        } else {
            Answer::Words(items.map(|key| self.words.get(&key).copied().unwrap_or(0)).collect())
        }
    }

    /// Index of the device with this unit on this line.
    pub(crate) fn device(plan: &Plan, line: picket_core::plan::LineId, unit: u8) -> Option<usize> {
        let is_it = |device: &Device| {
            device.line == line && matches!(&device.speech, DeviceSpeech::Modbus { unit: u, .. } if *u == unit)
        };
        plan.devices.iter().position(is_it)
    }
}

fn encoded(identity: &IdentityPoint, text: &str) -> Vec<u16> {
    let bytes: Vec<u8> = match identity.coding {
        IdentityCoding::Ascii => text.bytes().collect(),
        IdentityCoding::Hex => {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            let pair = |two: &[u8]| std::str::from_utf8(two).ok().and_then(|t| u8::from_str_radix(t, 16).ok());
            digits.chunks(2).filter_map(pair).collect()
        }
        IdentityCoding::DottedBytes => text.split('.').filter_map(|part| part.parse().ok()).collect(),
    };
    let padded = bytes.into_iter().chain(std::iter::repeat(0)).take(usize::from(identity.count) * 2);
    let padded: Vec<u8> = padded.collect();
    padded.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect()
}
