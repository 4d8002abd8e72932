//! The profiles in `config/profiles`, as they are shipped.

use picket_device::modbus::ReadPlan;
use picket_device::profile::{Profile, Speech};
use picket_device::quantity::{Quality, Signal};
use std::collections::BTreeSet;
use std::path::Path;

const SHIPPED: &[(&str, &str)] = &[
    ("adam-6050-mqtt", include_str!("../../../config/profiles/adam-6050-mqtt.toml")),
    ("advantech-adam-6050", include_str!("../../../config/profiles/advantech-adam-6050.toml")),
    ("alarm-panel-contacts", include_str!("../../../config/profiles/alarm-panel-contacts.toml")),
    ("generic-door-contact", include_str!("../../../config/profiles/generic-door-contact.toml")),
    ("generic-door-loop", include_str!("../../../config/profiles/generic-door-loop.toml")),
    ("line-seal-reader-crlf", include_str!("../../../config/profiles/line-seal-reader-crlf.toml")),
    ("line-seal-reader-stx", include_str!("../../../config/profiles/line-seal-reader-stx.toml")),
    ("moxa-e1210", include_str!("../../../config/profiles/moxa-e1210.toml")),
    ("moxa-e1212", include_str!("../../../config/profiles/moxa-e1212.toml")),
    ("onvif-camera", include_str!("../../../config/profiles/onvif-camera.toml")),
];

fn profile(name: &str) -> Profile {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).expect("tests ask for shipped names only");
    toml::from_str(text).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn every_shipped_profile_is_read_without_a_fault_under_its_own_name() {
    for (name, _) in SHIPPED {
        let profile = profile(name);
        assert_eq!(profile.faults(), Vec::<String>::new(), "{name}");
        assert_eq!(profile.name, *name);
    }
}

#[test]
fn every_file_in_the_folder_is_tested_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles");
    let files: BTreeSet<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let tested: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| format!("{name}.toml")).collect();
    assert_eq!(files, tested);
}

#[test]
fn every_modbus_row_cites_its_page() {
    for (name, _) in SHIPPED {
        if let Speech::Modbus(speech) = profile(name).speech {
            let points = speech.points.iter().map(|point| &point.page);
            for page in speech.identity.iter().map(|entry| &entry.page).chain(points) {
                assert!(!page.is_empty(), "{name} has a row without a page");
            }
        }
    }
}

#[test]
fn a_moxa_module_is_polled_in_two_reads() {
    for name in ["moxa-e1210", "moxa-e1212"] {
        let Speech::Modbus(speech) = profile(name).speech else { panic!("{name}") };
        let reads: Vec<(u16, u16)> =
            ReadPlan::new(&speech).reads().iter().map(|read| (read.start, read.count)).collect();
        assert_eq!(reads, [(0, 16), (5020, 2)], "{name}");
    }
}

#[test]
fn the_contacts_of_an_alarm_panel_carry_their_signals() {
    let Speech::Modbus(speech) = profile("alarm-panel-contacts").speech else { panic!() };
    let signals: Vec<_> = speech.points.iter().map(|point| (point.signal, point.inverted)).collect();
    let expected = [
        (Some(Signal::Alarm), false),
        (Some(Signal::Tamper), true),
        (Some(Signal::MainsLost), true),
        (Some(Signal::BatteryLow), false),
    ];
    assert_eq!(signals, expected);
}

#[test]
fn the_contacts_of_an_adam_6050_say_nothing_without_its_good_quality() {
    let Speech::Json(map) = profile("adam-6050-mqtt").speech else { panic!() };
    let qualities = |payload: &str| -> BTreeSet<bool> {
        let heard = map.decode("data", payload.as_bytes()).unwrap();
        let contacts = heard.observations.iter().filter(|seen| seen.point != "q");
        contacts.map(|seen| seen.quality == Quality::Good).collect()
    };
    let said = r#"{"s":1,"t":0,"q":192,"c":1,"di1":true,"di12":true,"do1":true,"do6":false}"#;
    assert_eq!(qualities(said), BTreeSet::from([true]));
    assert_eq!(qualities(&said.replace("192", "0")), BTreeSet::from([false]));
}
