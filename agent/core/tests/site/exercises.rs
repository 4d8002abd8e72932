//! Reviews of drills: what was agreed stays open until it is done.

use crate::harness::{World, row};
use crate::orders::{command, give, order};
use picket_core::exercise::{Exercise, Task};
use picket_core::fields::Fields;
use picket_core::wire::{Act, Input};
use picket_record::body::Body;
use picket_record::command;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::json;

const DAY_S: u64 = 86_400;

fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

fn say(world: &mut World, task: Task, subject: &str, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    let act = Act::Exercise(Exercise::read(task, subject, &fields).unwrap());
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

const REVIEW: &[(&str, &str)] = &[
    ("result", "fail"),
    ("what", "nobody heard the bell"),
    ("detect_ms", "900"),
    ("action.bell", "louder bell"),
    ("until.bell", "2026-11-23"),
    ("action.list", "new list of numbers"),
    ("until.list", "2027-06-30"),
];

/// The drill `fire` was held.
fn drilled() -> World {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(10);
    let drill = command::Act::DrillStart { id: "fire".into(), for_s: 120, equipment: vec!["DOOR-1".into()] };
    command(&mut world, 1, drill);
    world.run_s(130);
    assert_eq!(world.count(Kind::ExerciseEnded), 1);
    world
}

/// A start that the wall clock does not notice.
fn restarted(world: World) -> World {
    let stepped = world.stepped;
    let mut world = world.restarted();
    world.stepped = stepped;
    world.run_s(120);
    world
}

/// Days go by in steps of the wall clock: what is polled meanwhile is of no interest here.
fn days(world: &mut World, days: i64) {
    world.stepped.0 += days * 86_400_000;
    world.stepped.1 += 1;
    world.run_s(120);
}

#[test]
fn r11_actions_of_a_review_stay_open_until_they_are_done() {
    let mut world = drilled();
    let waits = |world: &World| world.status().reviews.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(waits(&world), ["fire"]);
    say(&mut world, Task::Review, "fire", REVIEW).unwrap();
    assert_eq!(waits(&world), ["fire/bell", "fire/list"]);
    let reviewed = of(&world, Kind::ExerciseReviewed).pop().unwrap();
    assert_eq!((&reviewed.data["result"], &reviewed.data["detect_ms"]), (&json!("fail"), &json!(900)));
    assert_eq!(reviewed.data["actions"]["bell"], json!(["louder bell", "2026-11-23"]));
    assert!(matches!(reviewed.personal, Some(Personal::Said(_))));
    assert!(!world.journal.rows.contains_key("drill-ended/fire"), "it was reviewed");
    let twice = say(&mut world, Task::Review, "fire", REVIEW).unwrap_err();
    assert_eq!(twice, "no drill \"fire\" has ended and waits for a review: none does");
    let mut world = restarted(world);
    say(&mut world, Task::Action, "fire/bell", &[("what", "new bell")]).unwrap();
    let done = of(&world, Kind::ExerciseActionDone).pop().unwrap();
    assert_eq!((&done.data["action"], &done.data["what"]), (&json!("louder bell"), &json!("new bell")));
    let rows: Vec<&String> = world.journal.rows.keys().filter(|key| key.starts_with("drill-action/")).collect();
    assert_eq!(rows, ["drill-action/fire/list"]);
    let twice = say(&mut world, Task::Action, "fire/bell", &[("what", "new bell")]).unwrap_err();
    assert_eq!(twice, "no action fire/bell is open: fire/list are");
    days(&mut world, 30);
    assert_eq!(world.count(Kind::ExerciseActionLate), 0, "what was done is never late");
}

#[test]
fn r11_an_overdue_action_is_told_once_a_week_and_three_times_at_most() {
    let mut world = drilled();
    say(&mut world, Task::Review, "fire", REVIEW).unwrap();
    days(&mut world, 1);
    assert_eq!(world.count(Kind::ExerciseActionLate), 0, "its last day is not over");
    days(&mut world, 1);
    let late = of(&world, Kind::ExerciseActionLate).pop().unwrap();
    assert_eq!((late.severity, &late.data["name"], &late.data["times"]), (Severity::Fault, &json!("bell"), &json!(1)));
    let mut world = restarted(world);
    days(&mut world, 6);
    assert_eq!(world.count(Kind::ExerciseActionLate), 1, "a week is not over, and a start tells it no second time");
    days(&mut world, 1);
    days(&mut world, 7);
    assert_eq!(of(&world, Kind::ExerciseActionLate).pop().unwrap().data["times"], 3);
    days(&mut world, 7);
    days(&mut world, 7);
    assert_eq!(world.count(Kind::ExerciseActionLate), 3);
}

#[test]
fn r11_a_drill_that_nobody_reviews_within_two_weeks_is_stated_once() {
    let mut world = drilled();
    days(&mut world, 13);
    assert_eq!(world.count(Kind::ExerciseUnreviewed), 0);
    days(&mut world, 1);
    assert_eq!(of(&world, Kind::ExerciseUnreviewed).pop().unwrap().severity, Severity::Fault);
    let mut world = restarted(world);
    days(&mut world, 20);
    assert_eq!(world.count(Kind::ExerciseUnreviewed), 1);
    say(&mut world, Task::Review, "fire", REVIEW).unwrap();
    assert_eq!(world.count(Kind::ExerciseReviewed), 1, "late is better than never");
}

#[test]
fn r11_an_untrusted_clock_finds_nothing_overdue() {
    let mut world = drilled();
    say(&mut world, Task::Review, "fire", REVIEW).unwrap();
    world.trusted = false;
    days(&mut world, 60);
    assert_eq!((world.count(Kind::ExerciseActionLate), world.count(Kind::ExerciseUnreviewed)), (0, 0));
    assert!(world.now_us < DAY_S * 1_000_000, "no day of the boot clock has passed");
}
