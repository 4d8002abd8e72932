//! The agent's memory is a fold of its own journal.

use crate::harness::{DOOR, SMOKE, World, row};
use picket_core::plan::{Binding, DeviceSpeech};
use picket_device::quantity::Signal;
use picket_record::kind::Kind;

/// A site with everything open that can be: a forced door seen by a guard, a lost view, a wrong seal, a ghost, another
/// serial number, an overdue calibration.
pub(crate) fn troubled() -> World {
    let mut world = World::with(|_, listed| {
        listed[4].extend(row(&[("calibration_due", "2026-11-22T00:00:01Z"), ("calibration_basis", "type test")]));
    });
    world.serial = "ZZ99";
    world.run_s(1);
    world.contacts[DOOR] = true;
    world.run_s(1);
    world.acknowledge("door-forced/DOOR-1");
    world.scene(true, 1);
    world.scan("XX999");
    world.publish("ghost/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1", r#"{"Data":{"State":true}}"#);
    world.run_s(5);
    world
}

/// What the page shows of alarms and nonconformities, without what a start forgets on purpose.
pub(crate) fn open(world: &World) -> (Vec<String>, Vec<String>) {
    let status = world.status();
    let alarms = status.alarms.into_iter().map(|a| {
        let by = a.acknowledged_by.unwrap_or_default();
        format!("{} {} {} {by} {:?} {}", a.id, a.active, a.times, a.facts, a.standing)
    });
    (alarms.collect(), status.nonconformities.into_iter().map(|nc| format!("{} {:?}", nc.id, nc.facts)).collect())
}

#[test]
fn a_restart_raises_nothing_twice_and_closes_nothing() {
    let world = troubled();
    let (before, told) = (open(&world), world.told());
    assert_eq!((before.0.len(), before.1.len()), (4, 3));
    let mut world = world.restarted();
    world.run_s(600);
    assert_eq!(world.told(), told);
    assert_eq!(open(&world), before);
    assert_eq!(world.standing("MOD-1"), "mismatched");
    assert!(world.status().alarms.iter().all(|alarm| alarm.recorded));
}

#[test]
fn a_restart_with_a_clock_that_nobody_vouches_for_closes_nothing_either() {
    let world = troubled();
    let (before, told) = (open(&world), world.told());
    let mut world = world.restarted_with(false);
    world.run_s(600);
    assert_eq!(world.told(), told);
    assert_eq!(open(&world), before);
    assert_eq!(world.standing("READER-1"), "overdue");
}

#[test]
fn what_ended_while_the_agent_was_down_is_cleared_by_the_equipment_itself() {
    let mut world = troubled();
    world.contacts[DOOR] = false;
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(10);
    assert_eq!(world.told_since(since), ["alarm.cleared door-forced/DOOR-1", "alarm.closed door-forced/DOOR-1"]);
}

#[test]
fn a_silence_goes_on_over_a_restart_and_ends_once() {
    let mut world = World::new();
    world.alive = false;
    world.run_s(10);
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(60);
    assert_eq!(world.told_since(since), [""; 0]);
    world.alive = true;
    world.run_s(60);
    assert_eq!(world.told_since(since), ["alarm.cleared silent/MOD-1", "nonconformity.closed silent/MOD-1"]);
}

#[test]
fn what_the_settings_no_longer_watch_is_a_guards_to_close() {
    let mut world = World::new();
    world.alive = false;
    world.scene(true, 1);
    world.run_s(10);
    world.plan.devices.truncate(1);
    world.plan.devices[0].equipment = crate::harness::id("DOOR-1");
    let mut world = world.restarted();
    for alarm in ["silent/MOD-1", "view-lost/CAM-1"] {
        let shown = world.alarm(alarm).unwrap();
        assert!(!shown.active && shown.guard_must_close, "{alarm}");
        world.acknowledge(alarm);
        assert_eq!(world.alarm(alarm), None);
    }
    assert_eq!(world.status().nonconformities, []);
}

#[test]
fn drafts_that_were_not_stored_are_concluded_again() {
    let mut world = World::new();
    world.run_s(1);
    world.journal.prompt = false;
    world.contacts[DOOR] = false;
    world.run_s(1);
    world.scene(true, 1);
    let mut world = world.restarted();
    world.scene(true, 1);
    assert_eq!((world.count(Kind::AlarmRaised), world.count(Kind::Readings)), (1, 1));
}

#[test]
fn settings_and_register_are_stated_once_while_they_stay_the_same() {
    let mut world = World::new();
    for _ in 0..3 {
        world = world.restarted();
    }
    assert_eq!((world.count(Kind::SettingsApplied), world.count(Kind::RegisterApplied)), (1, 1));
    assert_eq!(world.count(Kind::ActStarted), 4);
}

/// The door has a second contact on the smoke detector's input.
fn two_contacts() -> World {
    World::with(|plan, _| {
        let second = plan.devices[0].bindings["di0"].clone();
        plan.devices[0].bindings.insert("di2".to_owned(), second);
    })
}

#[test]
fn after_a_restart_the_calm_of_one_contact_does_not_clear_what_another_raised() {
    let mut world = two_contacts();
    world.run_s(1);
    world.contacts[SMOKE] = true;
    world.run_s(1);
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(60);
    assert_eq!(world.told_since(since), [""; 0]);
    world.contacts[SMOKE] = false;
    world.run_s(10);
    assert_eq!(world.told_since(since), ["alarm.cleared door-forced/DOOR-1"]);
}

#[test]
fn a_spoken_door_that_was_closed_right_before_a_kill_is_cleared_after_it() {
    let mut world = spoken_door(Signal::Open);
    world.publish("door/state", r#"{"open":false,"released":false}"#);
    world.publish("door/state", r#"{"open":true,"released":false}"#);
    world.publish("door/state", r#"{"open":false,"released":false}"#);
    assert!(world.alarm("door-forced/DOOR-1").unwrap().active);
    let mut world = world.restarted();
    world.run_s(1);
    assert!(world.alarm("door-forced/DOOR-1").unwrap().active);
    world.run_s(2);
    assert!(!world.alarm("door-forced/DOOR-1").unwrap().active);
}

#[test]
fn what_a_full_disk_did_not_keep_of_a_contact_does_not_clear_its_alarm_after_a_restart() {
    let mut world = spoken_door(Signal::Tamper);
    world.publish("door/state", r#"{"open":false}"#);
    world.journal.fill_permille = 900;
    world.run_s(120);
    world.publish("door/state", r#"{"open":true}"#);
    assert!(world.alarm("tamper/DOOR-1").unwrap().active);
    assert!(world.journal.rows["heard/door/contact"].body.contains("false"), "the disk kept it: nothing is shown");
    let mut world = world.restarted();
    world.run_s(60);
    assert!(world.alarm("tamper/DOOR-1").unwrap().active);
    world.publish("door/state", r#"{"open":false}"#);
    assert!(!world.alarm("tamper/DOOR-1").unwrap().active);
}

fn json_speech(prefix: &str, pointer: &str) -> DeviceSpeech {
    let points = format!(
        r#"{{ "point": [{{ "name": "contact", "topic": "state", "pointer": "{pointer}" }},
                        {{ "name": "release", "topic": "state", "pointer": "/released" }}] }}"#
    );
    DeviceSpeech::Json { prefix: prefix.into(), map: serde_json::from_str(&points).unwrap() }
}

/// A door that speaks JSON, in the place of the camera; its contact tells `signal`.
fn spoken_door(signal: Signal) -> World {
    World::with(|plan, _| {
        let mut device = plan.devices[1].clone();
        device.name = "door".into();
        device.speech = json_speech("door", "/open");
        for (point, signal) in [("contact", signal), ("release", Signal::Released)] {
            let binding = Binding { signal, ..plan.devices[0].bindings["di0"].clone() };
            device.bindings.insert(point.into(), binding);
        }
        plan.devices[1] = device;
    })
}
