//! A device that answers, and refuses a part of what it is asked: the rest counts, and what is missing is told.

use crate::harness::{DOOR, SMOKE, World};
use picket_core::plan::DeviceSpeech;

/// Every contact is a read of its own.
fn one_by_one() -> World {
    World::with(|plan, _| {
        let DeviceSpeech::Modbus { speech, .. } = &mut plan.devices[0].speech else { panic!("a module") };
        speech.max_bits = 1;
    })
}

fn signal(world: &World, equipment: &str, name: &str) -> String {
    let status = world.status();
    let row = status.equipment.into_iter().find(|row| row.id == equipment).unwrap();
    row.signals.get(name).cloned().unwrap_or_default()
}

const OPENED: &str = "nonconformity.opened point-refused/SMOKE-1";
const CLOSED: &str = "nonconformity.closed point-refused/SMOKE-1";

#[test]
fn a_block_that_is_busy_or_failed_takes_nothing_from_the_others_and_is_told_after_three_polls() {
    for code in [4, 6, 0x0A, 0x0B] {
        let mut world = one_by_one();
        world.run_s(1);
        world.refuses = Some((2, code));
        world.contacts[DOOR] = true;
        world.run(150_000);
        assert_eq!(world.told(), ["alarm.raised door-forced/DOOR-1"], "{code}");
        assert_eq!(
            (signal(&world, "SMOKE-1", "alarm"), signal(&world, "DOOR-1", "open")),
            ("bad".into(), "yes".into())
        );
        world.run_s(60);
        assert_eq!(world.told(), ["alarm.raised door-forced/DOOR-1", OPENED], "{code}");
        world.refuses = None;
        world.run_s(1);
        assert_eq!(world.told().last().unwrap(), CLOSED);
        assert_eq!(signal(&world, "SMOKE-1", "alarm"), "no");
    }
}

#[test]
fn an_alarm_is_neither_raised_nor_cleared_by_a_block_that_is_not_given() {
    let mut world = one_by_one();
    world.contacts[SMOKE] = true;
    world.run_s(1);
    world.contacts[SMOKE] = false;
    world.refuses = Some((2, 4));
    world.run_s(60);
    assert!(world.alarm("panel-alarm/SMOKE-1").unwrap().active);
    world.refuses = None;
    world.run_s(5);
    assert!(!world.alarm("panel-alarm/SMOKE-1").unwrap().active);
}

#[test]
fn a_point_that_the_device_does_not_have_is_bad_and_a_nonconformity_until_it_is_read() {
    let mut world = World::new();
    world.refuses = Some((2, 2));
    world.run_s(1);
    assert_eq!(world.told(), [OPENED]);
    assert_eq!((signal(&world, "SMOKE-1", "alarm"), signal(&world, "DOOR-1", "open")), ("bad".into(), "no".into()));
    let opened = world.status().nonconformities.remove(0);
    assert_eq!((opened.facts["device"].as_str(), opened.facts["point"].as_str()), ("module", "di2"));
    let mut world = world.restarted();
    world.run_s(300);
    assert_eq!(world.told(), [OPENED]);
    world.refuses = None;
    world.run_s(3_700);
    assert_eq!(world.told(), [OPENED, CLOSED]);
}

#[test]
fn a_point_that_is_bound_to_nothing_any_more_is_no_loss() {
    let mut world = World::new();
    world.refuses = Some((2, 2));
    world.run_s(1);
    world.plan.devices[0].bindings.remove("di2");
    let mut world = world.restarted();
    world.run_s(60);
    assert_eq!(world.told(), [OPENED, CLOSED]);
}

#[test]
fn a_device_that_gives_nothing_at_all_is_silent() {
    let mut world = one_by_one();
    world.run_s(1);
    world.refuses = Some((0, 0x0B));
    world.run_s(60);
    assert_eq!(world.told(), ["alarm.raised silent/MOD-1", "nonconformity.opened silent/MOD-1"]);
}
