//! Shifts: the rota against who reported for duty.

use crate::harness::{World, row};
use picket_core::duty::{Duty, Task};
use picket_core::fields::Fields;
use picket_core::wire::{Act, Input};
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::json;

const HOUR_S: u64 = 3_600;
const MORNING: &[(&str, &str)] = &[("from", "2026-11-22T01:00:00Z"), ("until", "2026-11-22T03:00:00Z"), ("heads", "2")];
const BEGIN: &[(&str, &str)] = &[("what", "begin")];
const END: &[(&str, &str)] = &[("what", "end")];

fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

fn duty(world: &mut World, task: Task, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    let act = Act::Duty(Duty::read(task, "gate-north", &fields).unwrap());
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

/// A world at this second of the day.
fn until(world: &mut World, second: u64) {
    world.run(second * 1_000_000 - world.now_us);
}

#[test]
fn r18_a_shift_with_fewer_heads_than_planned_is_missed_once() {
    let mut world = World::new();
    world.run_s(1);
    duty(&mut world, Task::Rota, MORNING).unwrap();
    duty(&mut world, Task::Shift, BEGIN).unwrap();
    let begun = of(&world, Kind::ShiftBegun).pop().unwrap();
    assert_eq!(begun.data["on"], 1);
    assert!(matches!(begun.personal, Some(Personal::Said(_))), "who it is stands beside the record");
    assert!(!world.journal.rows.values().any(|row| row.body.contains("N. N.")), "rows hold no names");
    until(&mut world, HOUR_S + 14 * 60);
    assert_eq!(of(&world, Kind::ShiftMissed).len(), 0);
    until(&mut world, HOUR_S + 16 * 60);
    let missed = of(&world, Kind::ShiftMissed).pop().unwrap();
    assert_eq!((missed.severity, &missed.data["heads"], &missed.data["on"]), (Severity::Fault, &json!(2), &json!(1)));
    let post = world.status().posts.pop().unwrap();
    assert_eq!((post.post.as_str(), post.on, post.heads, post.next_ms), ("gate-north", 1, Some(2), None));
    // A start tells it no second time, and the shift ends as what it was.
    let mut world = world.restarted();
    until(&mut world, 3 * HOUR_S + 120);
    assert_eq!(of(&world, Kind::ShiftMissed).len(), 1);
    let closed = of(&world, Kind::ShiftClosed).pop().unwrap();
    assert_eq!((&closed.data["judged"], &closed.data["how"]), (&json!("missed"), &json!("over")));
    assert!(!world.journal.rows.keys().any(|key| key.starts_with("rota/")), "past rows go");
    assert_eq!(world.journal.rows["shift/gate-north"].body, "1", "who is on duty still is");
}

#[test]
fn r18_a_shift_that_is_taken_and_handed_over_leaves_no_fault() {
    let mut world = World::new();
    world.run_s(1);
    duty(&mut world, Task::Rota, MORNING).unwrap();
    duty(&mut world, Task::Shift, BEGIN).unwrap();
    duty(&mut world, Task::Shift, BEGIN).unwrap();
    until(&mut world, 3 * HOUR_S - 10 * 60);
    assert_eq!(of(&world, Kind::ShiftTaken).len(), 1);
    duty(&mut world, Task::Shift, END).unwrap();
    let mut world = world.restarted();
    duty(&mut world, Task::Shift, END).unwrap();
    until(&mut world, 3 * HOUR_S + 120);
    assert_eq!(of(&world, Kind::ShiftClosed).pop().unwrap().data["judged"], "taken");
    assert_eq!((world.count(Kind::ShiftMissed), world.count(Kind::ShiftLeft)), (0, 0));
    let nobody = duty(&mut world, Task::Shift, END).unwrap_err();
    assert!(nobody.starts_with("nobody is on duty at gate-north"), "{nobody}");
    assert!(!world.journal.rows.keys().any(|key| key.starts_with("shift/")));
}

#[test]
fn r18_who_leaves_before_the_end_is_told_once() {
    let mut world = World::new();
    world.run_s(1);
    duty(&mut world, Task::Rota, MORNING).unwrap();
    duty(&mut world, Task::Shift, BEGIN).unwrap();
    duty(&mut world, Task::Shift, BEGIN).unwrap();
    until(&mut world, 2 * HOUR_S);
    duty(&mut world, Task::Shift, END).unwrap();
    duty(&mut world, Task::Shift, END).unwrap();
    let left = of(&world, Kind::ShiftLeft);
    assert_eq!((left.len(), left[0].severity, &left[0].data["on"]), (1, Severity::Fault, &json!(1)));
    let mut world = world.restarted();
    until(&mut world, 3 * HOUR_S + 120);
    assert_eq!(of(&world, Kind::ShiftClosed).pop().unwrap().data["judged"], "left");
    assert_eq!(world.count(Kind::ShiftMissed), 0);
}

#[test]
fn r18_an_untrusted_clock_neither_misses_nor_ends_a_shift() {
    let mut world = World::new();
    world.run_s(1);
    duty(&mut world, Task::Rota, MORNING).unwrap();
    world.trusted = false;
    until(&mut world, 4 * HOUR_S);
    assert_eq!((world.count(Kind::ShiftMissed), world.count(Kind::ShiftClosed)), (0, 0));
    assert_eq!(world.status().posts[0].heads, None, "whether it runs is not known");
    world.trusted = true;
    world.run_s(120);
    let closed = of(&world, Kind::ShiftClosed).pop().unwrap();
    assert_eq!(closed.data["judged"], "unknown", "nobody can say whether it was taken");
    assert_eq!(world.count(Kind::ShiftMissed), 0);
}

#[test]
fn r18_a_cancelled_shift_is_not_missed_and_is_cancelled_once() {
    let mut world = World::new();
    world.run_s(1);
    duty(&mut world, Task::Rota, MORNING).unwrap();
    let cancel = &[("from", "2026-11-22T01:00:00Z"), ("how", "cancelled")];
    duty(&mut world, Task::Rota, cancel).unwrap();
    until(&mut world, 2 * HOUR_S);
    assert_eq!(of(&world, Kind::ShiftClosed).pop().unwrap().data["how"], "cancelled");
    assert_eq!(world.count(Kind::ShiftMissed), 0);
    let twice = duty(&mut world, Task::Rota, cancel).unwrap_err();
    assert!(twice.starts_with("no shift of gate-north is planned from 2026-11-22T01:00:00Z"), "{twice}");
}
