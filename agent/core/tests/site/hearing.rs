//! What speaks unasked: every token is confirmed once, after its record, and nothing said twice counts twice.

use crate::harness::{DESK, SCENE, World, YARD, id};
use picket_core::plan::{Binding, Delays, DeviceSpeech, ReadingsPolicy};
use picket_core::wire::{Heard, Input};
use picket_device::pointer_map::PointerMap;
use picket_device::quantity::Signal;
use picket_device::seal_reader::ScanFault;
use picket_record::kind::Kind;

const FAULT: &str = "the broker is gone";

fn reopen(world: &mut World) {
    world.give(Input::Line { line: YARD, fault: Some(FAULT.into()) });
    world.give(Input::Line { line: YARD, fault: None });
}

/// A door contact that speaks JSON, says `offline` by its last will, and may be silent for so long.
fn spoken_door(silence_ms: u64, readings: ReadingsPolicy, inverted: bool) -> World {
    World::with(|plan, _| {
        let map: PointerMap = serde_json::from_str(
            r#"{ "point": [{ "name": "contact", "topic": "state", "pointer": "/open" }],
                 "will": { "topic": "alive", "gone": "offline" } }"#,
        )
        .unwrap();
        let mut device = plan.devices[1].clone();
        device.name = "door".into();
        device.equipment = id("CAM-1");
        device.speech = DeviceSpeech::Json { prefix: "door".into(), map };
        device.silence_ms = silence_ms;
        device.readings = readings;
        let binding = Binding { equipment: id("DOOR-1"), signal: Signal::Tamper, inverted, delays: Delays::default() };
        device.bindings.insert("contact".into(), binding);
        plan.devices[1] = device;
    })
}

#[test]
fn every_token_is_confirmed_once_and_only_after_its_record_is_stored() {
    let mut world = World::new();
    world.journal.prompt = false;
    world.store();
    while world.journal.open.is_some() {
        world.store();
    }
    let (scan, fault) = (world.scan("AB123456"), world.hear(DESK, Heard::Scan(Err(ScanFault::TooLong))));
    assert_eq!(world.confirmed, []);
    world.store();
    assert_eq!(world.confirmed, [(DESK, scan)]);
    world.store();
    assert_eq!(world.confirmed, [(DESK, scan), (DESK, fault)]);
    let quiet = world.hear(DESK, Heard::Scan(Err(ScanFault::TooLong)));
    assert_eq!(world.confirmed.last(), Some(&(DESK, quiet)));
}

#[test]
fn nothing_of_a_session_that_is_gone_is_confirmed_and_its_messages_come_again_without_a_second_record() {
    let mut world = World::new();
    world.journal.prompt = false;
    world.scene(true, 1);
    world.scene(false, 2);
    reopen(&mut world);
    let (first, second) = (world.scene(true, 1), world.scene(false, 2));
    assert_eq!(world.confirmed, []);
    while world.journal.open.is_some() {
        world.store();
    }
    assert_eq!(world.confirmed.last(), Some(&(YARD, second)));
    assert!(world.confirmed.iter().all(|(_, token)| *token >= first));
    assert_eq!((world.count(Kind::Readings), world.count(Kind::AlarmRaised)), (2, 1));
}

#[test]
fn a_message_that_comes_again_after_a_kill_is_known_by_the_devices_own_time() {
    let mut world = World::new();
    world.scene(true, 1);
    world.scene(false, 2);
    world.scene(true, 3);
    let stored = world.told().len();
    let mut world = world.restarted();
    world.scene(true, 1);
    world.scene(false, 2);
    let last = world.scene(true, 3);
    assert_eq!(world.told().len(), stored);
    assert_eq!((world.count(Kind::Readings), world.confirmed.last()), (3, Some(&(YARD, last))));
    world.scene(false, 4);
    assert_eq!(world.count(Kind::Readings), 4);
}

#[test]
fn inside_one_session_the_same_words_are_news_each_time() {
    let mut world = World::new();
    for _ in 0..3 {
        world.scene(true, 1);
        world.scene(false, 1);
    }
    assert_eq!((world.count(Kind::Readings), world.alarm("view-lost/CAM-1").unwrap().times), (6, 3));
}

#[test]
fn an_empty_retained_payload_clears_nothing_and_nor_does_a_restart_after_it() {
    let mut world = World::new();
    world.scene(true, 1);
    world.publish(SCENE, "");
    assert!(world.alarm("view-lost/CAM-1").unwrap().active);
    let mut world = world.restarted();
    world.publish("cam-1/onvif-ej/VideoSource/ImageTooDark/ImagingService/&VS1", r#"{"Data":{"State":false}}"#);
    world.run_s(60);
    assert!(world.alarm("view-lost/CAM-1").unwrap().active);
    world.scene(false, 2);
    assert!(!world.alarm("view-lost/CAM-1").unwrap().active);
}

#[test]
fn an_unlisted_camera_is_a_nonconformity_once_and_its_alarm_rings_marked() {
    let mut world = World::new();
    for n in 0..3 {
        let payload = format!(r#"{{"UtcTime":"2026-11-22T08:00:0{n}Z","Data":{{"State":true}}}}"#);
        world.publish("ghost/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1", &payload);
    }
    assert_eq!(world.told(), ["nonconformity.opened unlisted/unlisted:ghost", "alarm.raised view-lost/unlisted:ghost"]);
    let shown = world.alarm("view-lost/unlisted:ghost").unwrap();
    assert_eq!((shown.rings, shown.standing.as_str()), (true, "unlisted"));
}

#[test]
fn a_flood_of_names_and_sources_stays_bounded() {
    let mut world = World::new();
    for n in 0..5_000 {
        let payload = r#"{"Data":{"State":false}}"#;
        world.publish(&format!("ghost-{n}/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&V{n}"), payload);
        world.publish(&format!("cam-1/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&V{n}"), payload);
    }
    assert!(world.status().equipment.len() < 100);
    assert!(world.journal.rows.len() < 5_000, "{} rows", world.journal.rows.len());
    world.publish("cam-1/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&V9999", r#"{"Data":{"State":true}}"#);
    assert!(world.alarm("view-lost/CAM-1").unwrap().active);
}

#[test]
fn bytes_that_say_nothing_are_counted_and_recorded_once_a_minute() {
    let mut world = World::new();
    for _ in 0..100 {
        world.publish(SCENE, "no json");
    }
    assert_eq!(world.count(Kind::HealthInput), 1);
    world.run_s(60);
    world.publish(SCENE, "no json");
    let last = world.journal.records.iter().rfind(|b| b.kind == Kind::HealthInput).unwrap();
    assert_eq!(last.data["n"], 100);
    let huge = Heard::Message { topic: SCENE.into(), payload: vec![], retained: false, oversize: Some(10_485_760) };
    let token = world.hear(YARD, huge);
    assert_eq!(world.confirmed.last(), Some(&(YARD, token)));
}

#[test]
fn a_last_will_is_silence_at_once_and_the_next_word_ends_it() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, false);
    world.publish("door/alive", "offline");
    world.publish("door/alive", "offline");
    assert!(world.alarm("silent/CAM-1").unwrap().active);
    world.publish("door/state", r#"{"open":false}"#);
    assert!(!world.alarm("silent/CAM-1").unwrap().active);
    assert_eq!(world.count(Kind::NonconformityOpened), 1);
}

#[test]
fn what_a_broker_kept_from_before_is_no_sign_of_life() {
    let mut world = spoken_door(10_000, ReadingsPolicy::Now, false);
    world.run_s(11);
    world.publish_as("door/state", r#"{"open":false}"#, true);
    world.publish_as("door/alive", "online", true);
    assert!(world.alarm("silent/CAM-1").unwrap().active);
    world.publish_as("door/alive", "online", false);
    assert!(!world.alarm("silent/CAM-1").unwrap().active);
}

#[test]
fn what_a_broker_kept_of_a_camera_raises_its_alarm_and_does_not_end_its_silence() {
    let mut world = World::with(|plan, _| plan.devices[1].silence_ms = 10_000);
    world.run_s(11);
    world.publish_as(SCENE, r#"{"UtcTime":"2026-11-22T08:00:01Z","Data":{"State":true}}"#, true);
    assert!(world.alarm("silent/CAM-1").unwrap().active && world.alarm("view-lost/CAM-1").unwrap().active);
    world.scene(true, 2);
    assert!(!world.alarm("silent/CAM-1").unwrap().active);
}

#[test]
fn an_inverted_contact_means_the_same_after_a_restart() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, true);
    world.publish("door/state", r#"{"open":true}"#);
    let mut world = world.restarted();
    world.run_s(10);
    assert_eq!(world.told(), [""; 0]);
    world.publish("door/state", r#"{"open":false}"#);
    assert_eq!(world.told(), ["alarm.raised tamper/DOOR-1"]);
}

#[test]
fn a_heard_contact_is_recorded_before_it_is_confirmed_although_polled_ones_are_held() {
    let mut world = spoken_door(0, ReadingsPolicy::Off, false);
    world.publish("door/state", r#"{"open":true}"#);
    assert_eq!(world.told(), ["alarm.raised tamper/DOOR-1"]);
}
