//! What speaks unasked: every token is confirmed once, after its record, and nothing said twice counts twice.

use crate::harness::{DESK, DOOR, SCENE, World, YARD, id};
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

const OPEN: &str = r#"{"open":true}"#;
const SHUT: &str = r#"{"open":false}"#;

#[test]
fn plain_json_that_comes_again_after_a_kill_is_known_by_its_packet_and_raises_and_clears_nothing_twice() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, false);
    world.deliver("door/state", OPEN, 1, false);
    world.deliver("door/state", SHUT, 2, false);
    let told = world.told();
    let mut world = world.restarted();
    world.deliver("door/state", OPEN, 1, true);
    let last = world.deliver("door/state", SHUT, 2, true);
    assert_eq!((world.told(), world.count(Kind::Readings)), (told, 2));
    assert_eq!(world.confirmed.last(), Some(&(YARD, last)));
}

#[test]
fn plain_json_that_comes_again_and_was_not_stored_is_told() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, false);
    world.deliver("door/state", OPEN, 1, false);
    world.deliver("door/state", SHUT, 2, false);
    world.journal.prompt = false;
    world.deliver("door/state", OPEN, 3, false);
    let mut world = world.restarted();
    world.deliver("door/state", SHUT, 2, true);
    world.deliver("door/state", OPEN, 3, true);
    assert_eq!(world.alarm("tamper/DOOR-1").map(|alarm| (alarm.active, alarm.times)), Some((true, 2)));
}

#[test]
fn plain_json_that_comes_again_in_the_next_session_is_confirmed_only_behind_its_record() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, false);
    world.journal.prompt = false;
    while world.journal.open.is_some() {
        world.store();
    }
    world.deliver("door/state", OPEN, 1, false);
    reopen(&mut world);
    let again = world.deliver("door/state", OPEN, 1, true);
    assert_eq!(world.confirmed, []);
    while world.journal.open.is_some() {
        world.store();
    }
    assert_eq!((world.confirmed.last(), world.count(Kind::AlarmRaised)), (Some(&(YARD, again)), 1));
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
fn r01_an_unlisted_camera_is_a_nonconformity_once_and_its_alarm_rings_marked() {
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
    let huge = Heard::Message {
        topic: SCENE.into(),
        payload: vec![],
        retained: false,
        oversize: Some(10_485_760),
        delivery: None,
    };
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

/// A tamper contact of a door that speaks JSON with something beside it.
fn spoken_cut(beside: &str) -> World {
    World::with(|plan, _| {
        let point = r#""point": [{ "name": "cut", "topic": "state", "pointer": "/cut" }]"#;
        let map: PointerMap = serde_json::from_str(&format!("{{ {point}, {beside} }}")).unwrap();
        let device = &mut plan.devices[1];
        device.speech = DeviceSpeech::Json { prefix: "door".into(), map };
        let delays = Delays::default();
        let binding = Binding { equipment: id("DOOR-1"), signal: Signal::Tamper, inverted: false, delays };
        device.bindings.insert("cut".into(), binding);
    })
}

#[test]
fn what_stands_beside_a_last_will_is_taken_too() {
    let mut world = spoken_cut(r#""will": { "topic": "state", "pointer": "/here", "gone": "no" }"#);
    world.publish("door/state", r#"{"here":"no","cut":true}"#);
    assert!(world.alarm("silent/CAM-1").unwrap().active && world.alarm("tamper/DOOR-1").unwrap().active);
    assert_eq!(world.count(Kind::Readings), 1);
    let door = world.status().equipment.into_iter().find(|one| one.id == "DOOR-1").unwrap();
    assert!(door.signals["tamper"].ends_with(" (stale)"), "{:?}", door.signals);
}

#[test]
fn a_device_that_calls_its_contacts_bad_is_a_nonconformity_of_what_they_watch_until_it_calls_them_good() {
    let mut world = spoken_cut(r#""quality": { "topic": "state", "pointer": "/q", "good": "192" }"#);
    for _ in 0..2 {
        world.publish("door/state", r#"{"q":0,"cut":false}"#);
    }
    assert_eq!(world.told(), ["nonconformity.opened point-refused/DOOR-1"]);
    world.publish("door/state", r#"{"q":192,"cut":false}"#);
    assert_eq!(world.told()[1..], ["nonconformity.closed point-refused/DOOR-1"]);
}

#[test]
fn a_release_of_a_device_that_went_silent_does_not_excuse_an_opening_for_ever_even_over_a_restart() {
    let mut world = spoken_door(0, ReadingsPolicy::Now, false);
    for device in &mut world.plan.devices {
        device.bindings.remove("di1");
        device.bindings.entry("contact".into()).and_modify(|row| row.signal = Signal::Released);
    }
    let mut world = world.restarted();
    world.publish("door/state", OPEN);
    world.run_s(1);
    world.publish("door/alive", "offline");
    let mut world = world.restarted();
    world.run_s(10);
    world.contacts[DOOR] = true;
    world.run_s(31);
    let held = world.alarm("door-held/DOOR-1").unwrap();
    assert_eq!((held.active, held.facts["release"].as_str()), (true, "unknown"));
    assert!(world.alarm("silent/CAM-1").unwrap().active);
    world.contacts[DOOR] = false;
    world.run_s(10);
    world.publish("door/state", SHUT);
    world.contacts[DOOR] = true;
    world.run_s(1);
    assert!(world.alarm("door-forced/DOOR-1").unwrap().active);
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

#[test]
fn a_seal_that_is_published_is_checked_against_the_manifest_each_time_and_a_kept_one_once() {
    let mut world = World::with(|plan, _| {
        let mut device = plan.devices[1].clone();
        let map = r#"{ "point": [{ "name": "code", "topic": "t", "pointer": "/code", "signal": "seal" }] }"#;
        device.speech = DeviceSpeech::Json { prefix: "desk".into(), map: serde_json::from_str(map).unwrap() };
        let binding =
            Binding { equipment: id("READER-1"), signal: Signal::Seal, inverted: false, delays: Delays::default() };
        device.bindings.insert("code".into(), binding);
        plan.devices[1] = device;
        plan.devices.truncate(2);
    });
    world.publish("desk/t", r#"{"code":"AB123456"}"#);
    world.publish("desk/t", r#"{"code":"AB123456"}"#);
    world.publish_as("desk/t", r#"{"code":"AB123456"}"#, true);
    assert_eq!((world.count(Kind::SealChecked), world.count(Kind::SealMismatch)), (2, 0));
    world.publish_as("desk/t", r#"{"code":"XX999"}"#, true);
    assert_eq!((world.count(Kind::SealChecked), world.count(Kind::SealMismatch)), (2, 1));
    let world = world.restarted();
    assert!(world.alarm("seal-mismatch/READER-1#XX999").unwrap().active);
}

const GHOST: &str = "onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1";

#[test]
fn an_unlisted_sender_that_the_settings_take_in_is_closed_with_a_record_at_the_next_start() {
    let mut world = World::new();
    world.publish(&format!("ghost/{GHOST}"), r#"{"Data":{"State":true}}"#);
    world.publish(&format!("other/{GHOST}"), r#"{"Data":{"State":false}}"#);
    let mut camera = world.plan.devices[1].clone();
    camera.name = "ghost".into();
    camera.equipment = id("CAM-2");
    camera.speech = DeviceSpeech::Camera { prefix: "ghost".into() };
    world.plan.devices.push(camera);
    world.listed.push(crate::harness::row(&[("id", "CAM-2"), ("kind", "camera")]));
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(60);
    let told = ["nonconformity.closed unlisted/unlisted:ghost", "alarm.cleared view-lost/unlisted:ghost"];
    assert_eq!(world.told_since(since), told);
    let closed = world.journal.records.iter().find(|b| b.kind == Kind::NonconformityClosed).unwrap();
    assert_eq!((closed.data["why"].as_str(), closed.data["as"].as_str()), (Some("taken-in"), Some("CAM-2")));
    let open: Vec<String> = world.status().nonconformities.into_iter().map(|nc| nc.id).collect();
    assert_eq!(open, ["unlisted/unlisted:other"]);
    world.acknowledge("view-lost/unlisted:ghost");
    assert_eq!(world.status().alarms, []);
}

#[test]
fn two_senders_whose_names_look_alike_are_two() {
    let mut world = World::new();
    for sender in ["yard/cam", "yard-cam", "yard+cam"] {
        world.publish(&format!("{sender}/{GHOST}"), r#"{"Data":{"State":false}}"#);
    }
    assert_eq!(world.count(Kind::NonconformityOpened), 3);
}

#[test]
fn a_sender_beyond_the_books_size_takes_the_place_of_a_quiet_one_and_is_counted_until_then() {
    let mut world = World::new();
    let speak = |world: &mut World, n: u32, state: bool| {
        world.publish(&format!("ghost-{n:02}/{GHOST}"), &format!(r#"{{"Data":{{"State":{state}}}}}"#));
    };
    for n in 0..66 {
        speak(&mut world, n, n == 0);
    }
    world.run_s(64);
    let beat = world.journal.records.iter().rfind(|b| b.kind == Kind::Heartbeat).unwrap();
    assert_eq!(beat.data["unlisted"], serde_json::json!({ "beyond": 2, "gave_way": 0 }));
    world.run_s(3_600);
    let since = world.journal.records.len();
    speak(&mut world, 65, false);
    let told = ["nonconformity.closed unlisted/unlisted:ghost-01", "nonconformity.opened unlisted/unlisted:ghost-65"];
    assert_eq!(world.told_since(since), told, "ghost-00 rings: it stays");
    let closed = world.journal.records.iter().rfind(|b| b.kind == Kind::NonconformityClosed).unwrap();
    assert_eq!((closed.data["why"].as_str(), closed.data["gave_way"].as_str()), (Some("gave-way"), Some("1")));
}

#[test]
fn a_message_and_what_follows_from_it_are_stored_together_behind_any_backlog() {
    let mut world = World::new();
    world.journal.prompt = false;
    while world.journal.open.is_some() {
        world.store();
    }
    world.scene(true, 1);
    for second in 0..250 {
        world.publish(SCENE, &format!(r#"{{"UtcTime":"T{second}","Data":{{"State":{}}}}}"#, second % 2 == 1));
    }
    world.store();
    let append = world.journal.open.clone().unwrap().1;
    let last = append.last().unwrap();
    assert!(append.len() > 250, "{}", append.len());
    assert_ne!(last.kind, Kind::Readings, "its alarm is in the next append");
}

#[test]
fn r01_what_is_listed_and_never_heard_is_missing_after_a_week_until_it_is_heard() {
    let missing =
        |world: &World| -> Vec<String> { world.told().into_iter().filter(|told| told.contains(" missing/")).collect() };
    let mut world = World::with(|plan, _| {
        // A week of polls ten times a second would tell no more.
        let module = &mut plan.devices[0];
        module.silence_ms = 300_000;
        if let DeviceSpeech::Modbus { poll_ms, .. } = &mut module.speech {
            *poll_ms = 60_000;
        }
    });
    // The camera speaks; the seal reader never does.
    world.scene(false, 0);
    for _ in 0..7 {
        world.run_s(86_000);
    }
    assert_eq!(missing(&world), Vec::<String>::new());
    world.run_s(3_000);
    assert_eq!(missing(&world), ["nonconformity.opened missing/READER-1"]);
    // A start tells it no second time, and forgets nothing.
    let mut world = world.restarted();
    world.run_s(5);
    world.scan("AB123456");
    world.run_s(1);
    assert_eq!(missing(&world), ["nonconformity.opened missing/READER-1", "nonconformity.closed missing/READER-1"]);
}
