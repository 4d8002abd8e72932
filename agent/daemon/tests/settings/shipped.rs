//! What is shipped in `config/` is right as it stands.

use picket::clock::ClockPolicy;
use picket::line::{Carrier, Parity};
use picket::settings::{self, Loaded};
use picket_core::plan::{Device, DeviceSpeech, Driver};
use picket_device::quantity::Signal;
use std::path::{Path, PathBuf};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn loaded() -> Loaded {
    settings::load(&shipped()).unwrap_or_else(|faults| panic!("{faults}"))
}

fn device<'l>(loaded: &'l Loaded, name: &str) -> &'l Device {
    loaded.plan.devices.iter().find(|device| device.name == name).expect("a device of that name")
}

#[test]
fn the_shipped_settings_have_neither_errors_nor_warnings() {
    let report = settings::check(&shipped());
    assert!(report.passes() && report.findings.warnings() == 0, "{report}");
    let summary = report.summary;
    assert_eq!((summary.lines, summary.devices, summary.equipment, summary.seals), (6, 9, 18, 4));
}

#[test]
fn the_gateway_is_as_the_file_says() {
    let loaded = loaded();
    assert_eq!((loaded.plan.site.as_str(), loaded.plan.gateway.as_str()), ("harbour-east", "gw-gate-01"));
    assert_eq!(loaded.clock, ClockPolicy::Synchronised);
    assert_eq!(loaded.journal.budget_bytes, 512 << 20);
    assert_eq!(loaded.journal.acceptance, Path::new("/var/lib/picket/acceptance.jws"));
    assert_eq!(loaded.journal.accept_key, shipped().join("accept.pub"), "relative to the folder");
    assert_eq!(loaded.plan.limits.door_held_ms, 45_000);
    assert_eq!(loaded.plan.limits.heartbeat_s, 60, "the default");
    let console = loaded.console.expect("a page");
    assert!(console.listen.ip().is_loopback() && console.listen.port() == 8470);
    assert_eq!(loaded.central.map(|central| (central.host, central.port)), Some(("127.0.0.1".into(), 1883)));
}

#[test]
fn each_line_has_its_carrier_in_the_same_order() {
    let loaded = loaded();
    let drivers: Vec<Driver> = loaded.plan.lines.iter().map(|line| line.driver).collect();
    let wanted =
        [Driver::ModbusTcp, Driver::ModbusTcp, Driver::ModbusRtu, Driver::Serial, Driver::Serial, Driver::Mqtt];
    assert_eq!(drivers, wanted);
    let [
        Carrier::ModbusTcp(gate),
        _,
        Carrier::ModbusRtu(bus),
        Carrier::SealReader(_, first),
        Carrier::SealReader(port, _),
        Carrier::Mqtt(broker),
    ] = loaded.carriers.as_slice()
    else {
        panic!("{:?}", loaded.carriers);
    };
    assert_eq!((gate.host.as_str(), gate.port), ("10.20.0.11", 502));
    assert_eq!((bus.baud, bus.parity, bus.data_bits, bus.stop_bits), (9_600, Parity::None, 8, 1));
    assert_eq!((port.parity, port.data_bits), (Parity::Even, 7));
    assert!(first.aim, "the framing of the profile");
    assert_eq!(broker.client_id, "picket-gw-gate-01");
    let wanted = [
        "+/onvif-ej/#",
        "Advantech/00D0C9F1A2B3/Device_Status",
        "Advantech/00D0C9F1A2B3/data",
        "yard/cam-08/onvif-ej/#",
    ];
    assert_eq!(broker.topics, wanted);
}

#[test]
fn a_device_is_polled_as_its_rows_and_its_profile_say() {
    let loaded = loaded();
    let gate = device(&loaded, "gate-module");
    let DeviceSpeech::Modbus { speech, unit, poll_ms, patience_ms } = &gate.speech else { panic!("{gate:?}") };
    assert_eq!((*unit, *poll_ms, *patience_ms, gate.silence_ms), (1, 250, 200, 10_000));
    assert!(speech.points.iter().any(|point| point.name == "di15"));
    let tamper = &gate.bindings["di14"];
    assert_eq!((tamper.equipment.as_str(), tamper.signal, tamper.inverted), ("IO-GATE-1", Signal::Tamper, true));
    let open = &gate.bindings["di0"];
    assert_eq!((open.equipment.as_str(), open.signal, open.inverted), ("DOOR-N1", Signal::Open, false));
}

#[test]
fn signals_of_a_profile_are_bound_to_the_device_itself() {
    let loaded = loaded();
    let panel = device(&loaded, "yard-panel");
    assert_eq!(panel.bindings["mains"].signal, Signal::MainsLost);
    assert!(panel.bindings.values().all(|binding| binding.equipment.as_str() == "PANEL-YARD"));
}

#[test]
fn the_digest_follows_the_settings() {
    let (first, again) = (loaded().plan.settings_digest, loaded().plan.settings_digest);
    assert_eq!(first, again);
    assert_ne!(first, [0; 32]);
}
