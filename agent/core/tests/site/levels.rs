//! The security level of the site: who sets it, what it changes, and where it is stated.

use crate::harness::{DOOR, World, row};
use picket_core::fields::Fields;
use picket_core::level::SetLevel;
use picket_core::wire::{Act, Input};
use picket_record::body::Body;
use picket_record::kind::Kind;
use picket_record::personal::Personal;
use serde_json::json;

const HELD: &str = "door-held/DOOR-1";

fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

fn set(world: &mut World, site: &str, to: &str) -> Result<u64, String> {
    let fields: Fields = row(&[("to", to), ("why", "theft next door"), ("by", "N. N.")]);
    let act = Act::Level(SetLevel::read(site, &fields).unwrap());
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

/// Doors may stand open for 30 s, at level 2 for 10 s; level 3 has no time of its own. The door has no release.
fn guarded() -> World {
    let mut world = World::with(|plan, _| {
        plan.limits.level_door_held_ms = [Some(10_000), None];
        plan.devices[0].bindings.remove("di1");
    });
    world.run_s(1);
    world
}

#[test]
fn r16_a_heightened_level_shortens_how_long_a_door_may_stand_open() {
    let mut world = guarded();
    set(&mut world, "north-yard", "2").unwrap();
    let changed = of(&world, Kind::LevelChanged).pop().unwrap();
    assert_eq!((&changed.data["to"], &changed.data["was"]), (&json!(2), &json!(1)));
    assert!(matches!(changed.personal, Some(Personal::Said(_))));
    assert_eq!(world.status().level, 2);
    // A start does not lower it.
    let mut world = world.restarted();
    world.run_s(1);
    world.contacts[DOOR] = true;
    world.run_s(9);
    assert!(world.alarm(HELD).is_none());
    world.run_s(3);
    assert_eq!(world.alarm(HELD).unwrap().facts["limit_s"], "10");
    let opened = of(&world, Kind::IncidentOpened).pop().unwrap();
    assert_eq!(opened.data["level"], 2, "the incident states at which level it happened");
}

#[test]
fn r16_a_door_that_stands_open_is_held_by_the_level_that_is_set_meanwhile() {
    let mut world = guarded();
    world.contacts[DOOR] = true;
    world.run_s(20);
    assert!(world.alarm(HELD).is_none());
    set(&mut world, "north-yard", "2").unwrap();
    assert!(world.alarm(HELD).is_some(), "it is open for longer than it may be by now");
}

#[test]
fn r16_without_a_time_of_its_own_a_level_holds_doors_as_level_1_does() {
    let mut world = guarded();
    set(&mut world, "north-yard", "2").unwrap();
    set(&mut world, "north-yard", "3").unwrap();
    world.contacts[DOOR] = true;
    world.run_s(25);
    assert!(world.alarm(HELD).is_none());
    world.run_s(10);
    assert_eq!(world.alarm(HELD).unwrap().facts["limit_s"], "30");
}

#[test]
fn r16_another_site_and_the_level_that_holds_are_refused() {
    let mut world = guarded();
    assert_eq!(
        set(&mut world, "south-yard", "2").unwrap_err(),
        "this site is north-yard, not south-yard: name it as it is"
    );
    assert_eq!(set(&mut world, "north-yard", "1").unwrap_err(), "the level is 1 already");
    assert_eq!((world.count(Kind::LevelChanged), world.status().level), (0, 1));
}
