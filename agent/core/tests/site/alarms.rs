//! Alarms by the standing of the equipment, from contact to record.

use crate::harness::{DOOR, RELEASE, SMOKE, World, YARD, row};
use picket_core::plan::Plan;
use picket_core::register::rows::Row;
use picket_core::wire::Input;
use picket_record::kind::Kind;

/// A site whose door has these fields beside id and kind.
fn door(fields: &'static [(&'static str, &'static str)]) -> World {
    World::with(|_: &mut Plan, listed: &mut Vec<Row>| {
        listed[1].extend(row(&[("calibration_basis", "type test")]));
        listed[1].extend(row(fields));
    })
}

/// The door is forced, a guard acknowledges, the door is closed.
fn forced_seen_and_closed(world: &mut World) {
    world.run_s(1);
    world.contacts[DOOR] = true;
    world.run_s(1);
    world.acknowledge("door-forced/DOOR-1");
    world.contacts[DOOR] = false;
    world.run_s(3);
}

#[test]
fn a_forced_door_rings_before_it_is_recorded_and_is_shown_as_recorded_once_it_is() {
    let mut world = World::new();
    world.run_s(1);
    world.journal.prompt = false;
    world.contacts[DOOR] = true;
    world.run_s(1);
    let shown = world.alarm("door-forced/DOOR-1").unwrap();
    assert!(shown.rings && shown.active && !shown.recorded);
    let revision = world.site.revision();
    world.store();
    assert!(world.alarm("door-forced/DOOR-1").unwrap().recorded);
    assert!(world.site.revision() > revision);
}

#[test]
fn what_nobody_has_seen_stands_before_what_somebody_has() {
    let mut world = World::new();
    world.run_s(1);
    world.scan("XX999");
    world.run_s(1);
    world.contacts[DOOR] = true;
    world.run_s(1);
    let order = |world: &World| world.status().alarms.iter().map(|a| a.rule.clone()).collect::<Vec<_>>();
    assert_eq!(order(&world), ["door-forced", "seal-mismatch"]);
    world.acknowledge("door-forced/DOOR-1");
    assert_eq!(order(&world), ["seal-mismatch", "door-forced"]);
}

#[test]
fn equipment_in_good_standing_or_due_closes_its_acknowledged_alarm() {
    for fields in [&[][..], &[("calibration_due", "2026-12-01")]] {
        let mut world = door(fields);
        forced_seen_and_closed(&mut world);
        assert_eq!(
            world.told(),
            [
                "alarm.raised door-forced/DOOR-1",
                "act.acknowledged door-forced/DOOR-1",
                "alarm.cleared door-forced/DOOR-1",
                "alarm.closed door-forced/DOOR-1",
            ]
        );
    }
}

#[test]
fn overdue_unknown_and_withdrawn_equipment_needs_a_guard_to_close_its_alarm() {
    let faulty: [&[(&str, &str)]; 3] =
        [&[("calibration_due", "2026-11-01")], &[("calibration_last", "unknown")], &[("withdrawn", "tag 7")]];
    for fields in faulty {
        let mut world = door(fields);
        forced_seen_and_closed(&mut world);
        let shown = world.alarm("door-forced/DOOR-1").unwrap();
        assert!(!shown.active && shown.guard_must_close && shown.acknowledged_by.is_none(), "{fields:?}");
        world.acknowledge("door-forced/DOOR-1");
        assert_eq!(world.alarm("door-forced/DOOR-1"), None);
    }
}

#[test]
fn withdrawn_equipment_is_recorded_but_does_not_ring_and_life_safety_rings_all_the_same() {
    let mut world = World::with(|_, listed| {
        listed[1].extend(row(&[("withdrawn", "tag 7")]));
        listed[2].extend(row(&[("withdrawn", "tag 8")]));
    });
    world.run_s(1);
    (world.contacts[DOOR], world.contacts[SMOKE]) = (true, true);
    world.run_s(1);
    let (door, smoke) = (world.alarm("door-forced/DOOR-1").unwrap(), world.alarm("panel-alarm/SMOKE-1").unwrap());
    assert_eq!((door.rings, door.severity, door.standing.as_str()), (false, 3, "withdrawn"));
    assert_eq!((smoke.rings, smoke.severity, smoke.standing.as_str()), (true, 4, "withdrawn"));
}

#[test]
fn a_released_door_is_no_alarm_until_it_is_held() {
    let mut world = World::new();
    world.run_s(1);
    (world.contacts[RELEASE], world.contacts[DOOR]) = (true, true);
    world.run_s(29);
    assert_eq!(world.told(), [""; 0]);
    world.run_s(2);
    assert_eq!(world.told(), ["alarm.raised door-held/DOOR-1"]);
}

#[test]
fn a_calibration_expires_while_the_agent_runs_and_marks_the_next_record() {
    let mut world = door(&[("calibration_due", "2026-11-22T00:00:10Z")]);
    world.run_s(9);
    assert_eq!((world.standing("DOOR-1").as_str(), world.told().len()), ("due", 0));
    world.run_s(1);
    assert_eq!(world.standing("DOOR-1"), "overdue");
    assert_eq!(world.told(), ["nonconformity.opened calibration-overdue/DOOR-1"]);
    let opened = world.journal.records.last().unwrap();
    assert_eq!(opened.when.mono_us, 10_000_000);
    world.contacts[DOOR] = true;
    world.run_s(3_600);
    let raised = world.journal.records.iter().find(|b| b.kind.as_str() == "alarm.raised").unwrap();
    assert_eq!(raised.about.as_ref().unwrap().standing.st, "overdue");
    let opened = world.told().iter().filter(|told| told.starts_with("nonconformity.opened")).count();
    assert_eq!(opened, 1);
}

#[test]
fn r01_another_module_at_the_address_is_a_mismatch_until_the_right_one_answers() {
    let mut world = World::new();
    world.serial = "ZZ99";
    world.run_s(1);
    assert_eq!(world.standing("MOD-1"), "mismatched");
    world.alive = false;
    world.run_s(60);
    (world.serial, world.alive) = ("AB12", true);
    world.run_s(60);
    assert_eq!(world.standing("MOD-1"), "good");
    let told: Vec<String> = world.told().into_iter().filter(|told| told.contains("identity")).collect();
    assert_eq!(told, ["nonconformity.opened identity-mismatch/MOD-1", "nonconformity.closed identity-mismatch/MOD-1"]);
}

#[test]
fn a_silent_module_is_one_alarm_and_one_nonconformity_and_its_return_ends_both() {
    let mut world = World::new();
    world.run_s(1);
    world.alive = false;
    world.run_s(60);
    world.alive = true;
    world.run_s(60);
    assert_eq!(
        world.told(),
        [
            "alarm.raised silent/MOD-1",
            "nonconformity.opened silent/MOD-1",
            "alarm.cleared silent/MOD-1",
            "nonconformity.closed silent/MOD-1",
        ]
    );
}

#[test]
fn a_wrong_seal_raises_and_the_right_one_for_its_container_clears() {
    let mut world = World::new();
    world.scan("CSQU3054383");
    world.scan("XX999");
    let alarm = "seal-mismatch/READER-1#CSQU3054383";
    assert_eq!(world.alarm(alarm).unwrap().facts["expected"], "AB123456");
    world.scan("AB123456");
    assert!(!world.alarm(alarm).unwrap().active);
    world.acknowledge(alarm);
    assert_eq!(world.alarm(alarm), None);
    let kinds: Vec<&str> =
        world.journal.records.iter().map(|b| b.kind.as_str()).filter(|k| k.starts_with("seal")).collect();
    assert_eq!(kinds, ["seal.checked", "seal.mismatch", "seal.checked"]);
}

#[test]
fn a_wrong_seal_of_one_truck_outlives_the_good_one_of_the_next_and_a_restart() {
    let mut world = World::new();
    world.scan("XX999");
    world.scan("AB123456");
    let mut world = world.restarted();
    world.scan("AB123456");
    assert!(world.alarm("seal-mismatch/READER-1#XX999").unwrap().active);
    world.acknowledge("seal-mismatch/READER-1#XX999");
    assert_eq!(world.status().alarms, []);
}

#[test]
fn a_guards_late_word_on_an_alarm_that_rang_again_silences_nothing() {
    let mut world = World::new();
    world.scene(true, 1);
    let seen = world.alarm("view-lost/CAM-1").unwrap().occurrence();
    world.scene(false, 2);
    world.scene(true, 3);
    world.acknowledge_as("view-lost/CAM-1", seen);
    assert_eq!(world.alarm("view-lost/CAM-1").unwrap().acknowledged_by, None);
    assert_eq!(world.count(Kind::ActAcknowledged), 0);
    world.acknowledge("view-lost/CAM-1");
    assert!(world.alarm("view-lost/CAM-1").unwrap().acknowledged_by.is_some());
}

#[test]
fn a_dead_broker_makes_its_cameras_silent_and_its_return_ends_that() {
    let mut world = World::new();
    world.give(Input::Line { line: YARD, fault: Some("refused".into()) });
    world.run_s(59);
    assert_eq!(world.told(), [""; 0]);
    world.run_s(2);
    assert_eq!(world.told(), ["alarm.raised silent/CAM-1", "nonconformity.opened silent/CAM-1"]);
    assert_eq!(world.alarm("silent/CAM-1").unwrap().facts["line"], "yard");
    let since = world.journal.records.len();
    let mut world = world.restarted();
    world.run_s(300);
    assert_eq!(world.told_since(since), [""; 0]);
    world.give(Input::Line { line: YARD, fault: None });
    assert_eq!(world.told_since(since), ["alarm.cleared silent/CAM-1", "nonconformity.closed silent/CAM-1"]);
}
