//! What the site guards: a module with a door and a smoke detector, a camera, a seal reader.

use super::{DESK, GATE, PATIENCE_MS, YARD, id, row};
use picket_core::plan::{
    Binding, Delays, Device, DeviceSpeech, Driver, Limits, Line, ManifestRow, Plan, ReadingsPolicy,
};
use picket_core::register::rows;
use picket_core::sensitivity::Sensitivity;
use picket_device::profile::{Coding, IdentityCoding, IdentityField, IdentityPoint, ModbusSpeech, Point, Table};
use picket_device::quantity::Signal;
use std::collections::BTreeMap;

pub(crate) fn listed() -> Vec<rows::Row> {
    vec![
        row(&[("id", "MOD-1"), ("kind", "module"), ("serial", "AB12")]),
        row(&[("id", "DOOR-1"), ("kind", "door")]),
        row(&[("id", "SMOKE-1"), ("kind", "sensor"), ("criticality", "life")]),
        row(&[("id", "CAM-1"), ("kind", "camera")]),
        row(&[("id", "READER-1"), ("kind", "seal-reader")]),
    ]
}

pub(crate) fn plan() -> Plan {
    let line = |name: &str, driver| Line { name: name.into(), driver };
    Plan {
        site: "north-yard".into(),
        gateway: "gw-1".into(),
        settings_digest: [9; 32],
        lines: vec![line("gate", Driver::ModbusTcp), line("yard", Driver::Mqtt), line("desk", Driver::Serial)],
        devices: vec![module(), camera(), reader()],
        limits: Limits::default(),
        sensitivity: Sensitivity::default(),
        manifest: vec![ManifestRow {
            unit: "CSQU3054383".into(),
            seal: "AB123456".into(),
            reader: String::new(),
            class: None,
        }],
    }
}

fn module() -> Device {
    let bind = |equipment: &str, signal| Binding {
        equipment: id(equipment),
        signal,
        inverted: false,
        delays: Delays::default(),
    };
    let bindings = BTreeMap::from([
        ("di0".to_owned(), bind("DOOR-1", Signal::Open)),
        ("di1".to_owned(), bind("DOOR-1", Signal::Released)),
        ("di2".to_owned(), bind("SMOKE-1", Signal::Alarm)),
    ]);
    let points = (0..3_u16).map(|address| Point {
        name: format!("di{address}"),
        table: Table::DiscreteInput,
        address,
        coding: Coding::Bit,
        exponent: 0,
        unit: String::new(),
        range: None,
        signal: None,
        inverted: false,
        page: String::new(),
    });
    let identity = IdentityPoint {
        field: IdentityField::Serial,
        table: Table::InputRegister,
        address: 100,
        count: 2,
        coding: IdentityCoding::Ascii,
        page: String::new(),
    };
    let speech = ModbusSpeech {
        max_bits: 2000,
        max_registers: 125,
        hole_limit: 0,
        identity: vec![identity],
        points: points.collect(),
    };
    Device {
        name: "module".into(),
        line: GATE,
        equipment: id("MOD-1"),
        speech: DeviceSpeech::Modbus { speech, unit: 1, poll_ms: 100, patience_ms: PATIENCE_MS },
        silence_ms: 5_000,
        bindings,
        readings: ReadingsPolicy::Off,
    }
}

fn camera() -> Device {
    Device {
        name: "cam-1".into(),
        line: YARD,
        equipment: id("CAM-1"),
        speech: DeviceSpeech::Camera { prefix: "cam-1".into() },
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings: ReadingsPolicy::Now,
    }
}

fn reader() -> Device {
    Device {
        name: "reader".into(),
        line: DESK,
        equipment: id("READER-1"),
        speech: DeviceSpeech::SealReader,
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings: ReadingsPolicy::Off,
    }
}
