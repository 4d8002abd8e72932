//! Reviews of drills by hand.

use super::*;
use crate::fields::Fields;
use crate::testbed::{Rows, at, untrusted};

const DAY_S: u64 = 86_400;

fn said(task: Task, subject: &str, fields: &[(&str, &str)]) -> Result<Exercise, Vec<String>> {
    let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Exercise::read(task, subject, &fields).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn ended(exercises: &mut Exercises, now: &Now, id: &str) -> Statement {
    let mut ended = Statement::new(Kind::ExerciseEnded, Severity::Notice, json!({ "id": id, "ended_ms": now.utc_ms }));
    exercises.ended(now, &mut ended.data);
    ended
}

#[test]
fn each_fault_of_a_form_names_its_field() {
    let long = "x".repeat(121);
    let many: Vec<(String, String)> = (0..17)
        .flat_map(|n| [(format!("action.a{n}"), "x".into()), (format!("until.a{n}"), "2026-12-01".into())])
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    for (task, subject, fields, wanted) in [
        (Task::Review, "", &[("by", "N")][..], "\"\" is no name of a drill"),
        (Task::Review, "fire", &[("by", "N")], "result: result is missing; one of pass, fail"),
        (Task::Review, "fire", &[("by", "N")], "what: what is missing"),
        (
            Task::Review,
            "fire",
            &[("tell_ms", "1.5")],
            "tell_ms: cannot read \"1.5\"; whole milliseconds, a day at most",
        ),
        (Task::Review, "fire", &[("action.bell", "louder")], "until.bell: until.bell is missing"),
        (Task::Review, "fire", &[("action.bell", "louder"), ("until.bell", "1.12.")], "until.bell: cannot read"),
        (Task::Review, "fire", &[("action.Bell", "louder")], "action.Bell: this is no name of an action"),
        (Task::Review, "fire", &[("action.bell", &long)], "action.bell: longer than 120 bytes"),
        (Task::Review, "fire", &[("until.bell", "2026-12-01")], "until.bell: no action of that name; add action.bell"),
        (Task::Review, "fire", &many, "action.: more than 16 actions"),
        (Task::Action, "fire", &[("what", "x")], "\"fire\" names no action; write DRILL/NAME"),
        (Task::Action, "fire/bell", &[("by", "N")], "what: what is missing"),
        (Task::Action, "fire/bell", &[("what", "x")], "by: by is missing"),
    ] {
        let told = said(task, subject, fields).unwrap_err();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
}

#[test]
fn the_oldest_review_gives_way_to_the_newest_drill_and_its_record_says_so() {
    let (mut exercises, mut rows) = (Exercises::default(), Rows::default());
    for n in 0..65 {
        rows.take(&ended(&mut exercises, &at(s(n)), &format!("drill-{n}")), "good");
    }
    assert_eq!(rows.all().len(), 64);
    let unknown = exercises.report(&said(Task::Review, "drill-0", REVIEW).unwrap()).unwrap_err();
    assert!(unknown.starts_with("no drill \"drill-0\" has ended and waits for a review: drill-1, "), "{unknown}");
}

const REVIEW: &[(&str, &str)] = &[("result", "pass"), ("what", "x"), ("by", "N")];

#[test]
fn an_end_without_a_trusted_time_is_never_overdue() {
    let mut exercises = Exercises::default();
    ended(&mut exercises, &untrusted(0), "fire");
    assert!(exercises.look(&at(s(400 * DAY_S))).is_empty() && exercises.deadline().is_none());
}
