//! Work on equipment: what a person reports becomes a record, and the standing follows from it.

use crate::harness::{DOOR, SMOKE, World, id, row};
use picket_core::fields::Fields;
use picket_core::nonconformity::{Corrective, CorrectiveStep};
use picket_core::plan::DeviceSpeech;
use picket_core::wire::{Act, Input};
use picket_core::work::{Report, Task};
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::json;

/// A camera whose calibration ran out on the day before the tests begin, and a door that is inspected each quarter.
fn world() -> World {
    World::with(|_, rows| {
        rows.retain(|row| !matches!(row["id"].as_str(), "CAM-1" | "DOOR-1"));
        rows.push(row(&[
            ("id", "CAM-1"),
            ("kind", "camera"),
            ("calibration_last", "2025-11-21"),
            ("calibration_interval", "12 months"),
            ("calibration_certificate", "C-1"),
            ("calibration_traceability", "PTB"),
            ("calibration_action", "second guard at the gate"),
        ]));
        let inspected = [("inspection_last", "2026-11-01"), ("inspection_interval", "3 months")];
        rows.push(row(&[[("id", "DOOR-1"), ("kind", "door")].as_slice(), &inspected].concat()));
    })
}

/// The camera alone with fields of its own, a second after the start.
fn camera(fields: &[(&str, &str)]) -> World {
    let mut world = World::with(|_, rows| {
        rows.retain(|row| row["id"] != "CAM-1");
        rows.push(row(&[&[("id", "CAM-1"), ("kind", "camera")], fields].concat()));
    });
    world.run_s(1);
    world
}

pub(crate) fn report(task: &str, equipment: &str, fields: &[(&str, &str)]) -> Report {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    Report::read(Task::parse(task).unwrap(), equipment, &fields).unwrap()
}

/// What comes back for it.
pub(crate) fn tell(world: &mut World, report: Report) -> Result<u64, String> {
    give(world, Act::Work(report))
}

fn give(world: &mut World, act: Act) -> Result<u64, String> {
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    let (answered, result) = world.acted.last().expect("it is answered").clone();
    assert_eq!((answered, world.acted.len() as u64), (ticket, ticket + 1));
    result
}

pub(crate) fn answer(world: &mut World, step: &str, id: &str, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    let act = Corrective::read(CorrectiveStep::parse(step).unwrap(), id, &fields).unwrap();
    give(world, Act::Correct(act))
}

pub(crate) fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

const OVERDUE: &str = "nonconformity.opened calibration-overdue/CAM-1";

#[test]
fn r05_a_calibration_is_a_record_with_as_found_and_as_left_values_and_ends_what_was_overdue() {
    let mut world = world();
    world.run_s(1);
    assert!(world.told().contains(&OVERDUE.to_owned()), "{:?}", world.told());
    assert_eq!(world.standing("CAM-1"), "overdue");
    let points = [("point.range", "10 10.1 10.0 0.2 m"), ("reference", "REF-1"), ("certificate", "C-2")];
    let record = tell(&mut world, report("calibration", "CAM-1", &points)).unwrap();
    let done = &of(&world, Kind::CalibrationDone)[0];
    assert_eq!(record, 2 + world.journal.records.iter().position(|body| body == done).unwrap() as u64);
    let about = done.about.as_ref().unwrap();
    assert_eq!((about.equipment.as_str(), about.standing.st), ("CAM-1", "overdue"), "as it was before it");
    let data = serde_json::Value::Object(done.data.clone());
    assert_eq!(
        data,
        json!({
            "on": "2026-11-22", "found": "in-tolerance", "left": "in-tolerance", "reference": "REF-1",
            "certificate": "C-2", "points": { "range": [100, 101, 100, 2, -1, "m"] },
        })
    );
    assert!(matches!(&done.personal, Some(Personal::Said(said)) if said.as_str() == r#"{"by":"N. N."}"#));
    let told = world.told();
    assert_eq!(told.last().map(String::as_str), Some("nonconformity.closed calibration-overdue/CAM-1"), "{told:?}");
    assert_eq!(world.standing("CAM-1"), "good");
    let closed = of(&world, Kind::NonconformityClosed).pop().unwrap().about.unwrap().standing;
    assert_eq!((closed.cert.as_deref(), closed.due.as_deref()), (Some("C-2"), Some("2027-11-22")));
    // A restart takes nothing of it back.
    let mut world = world.restarted();
    world.run_s(1);
    assert_eq!(world.standing("CAM-1"), "good");
    assert!(!world.told_since(world.journal.records.len() - 3).contains(&OVERDUE.to_owned()));
}

#[test]
fn r05_a_calibration_that_leaves_the_equipment_out_of_tolerance_ends_nothing() {
    let mut world = world();
    world.run_s(1);
    tell(&mut world, report("calibration", "CAM-1", &[("point.range", "10 10.4 10.3 0.2 m")])).unwrap();
    let done = &of(&world, Kind::CalibrationDone)[0];
    assert_eq!((&done.data["found"], &done.data["left"]), (&json!("out-of-tolerance"), &json!("out-of-tolerance")));
    assert_eq!(done.severity, Severity::Fault);
    assert_eq!(world.standing("CAM-1"), "overdue");
    let opened = of(&world, Kind::NonconformityOpened).pop().unwrap();
    assert_eq!(opened.data["nonconformity"], "calibration-failed/CAM-1");
    let facts = json!({ "on": "2026-11-22", "due": "2027-11-22", "action": "second guard at the gate" });
    assert_eq!(opened.data["facts"], facts);
}

#[test]
fn r05_an_older_result_that_is_reported_late_is_recorded_and_changes_no_standing() {
    let mut world = world();
    world.run_s(1);
    tell(&mut world, report("calibration", "CAM-1", &[("found", "in-tolerance"), ("left", "in-tolerance")])).unwrap();
    let earlier = [("on", "2026-03-01"), ("found", "in-tolerance"), ("left", "out-of-tolerance")];
    tell(&mut world, report("calibration", "CAM-1", &earlier)).unwrap();
    assert_eq!(of(&world, Kind::CalibrationDone)[1].data["late"], json!(true));
    assert_eq!(world.standing("CAM-1"), "good");
    let world = world.restarted();
    assert_eq!(world.standing("CAM-1"), "good");
}

#[test]
fn r07_equipment_is_taken_out_of_use_by_its_tag_and_comes_back_by_a_record() {
    let mut world = world();
    world.run_s(1);
    let why = [("tag", "0117"), ("why", "contact torn off")];
    tell(&mut world, report("withdrawal", "DOOR-1", &why)).unwrap();
    assert_eq!(world.standing("DOOR-1"), "withdrawn");
    let again = tell(&mut world, report("withdrawal", "DOOR-1", &why));
    assert_eq!(again, Err("DOOR-1 is out of use already: tag 0117: contact torn off".to_owned()));
    let mut world = world.restarted();
    assert_eq!(world.standing("DOOR-1"), "withdrawn");
    world.run_s(1);
    tell(&mut world, report("return", "DOOR-1", &[("why", "contact exchanged")])).unwrap();
    assert_eq!(world.standing("DOOR-1"), "good");
    let never = tell(&mut world, report("return", "CAM-1", &[("why", "-")])).unwrap_err();
    assert!(never.contains("CAM-1 carries no tag"), "{never}");
    assert_eq!((of(&world, Kind::EquipmentWithdrawn).len(), of(&world, Kind::EquipmentReturned).len()), (1, 1));
}

#[test]
fn r08_an_inspection_with_an_item_that_failed_is_a_nonconformity_until_one_passes() {
    let mut world = world();
    world.run_s(1);
    let items = [("item.hinges", "pass"), ("item.contact", "fail"), ("method", "doors, monthly")];
    tell(&mut world, report("inspection", "DOOR-1", &items)).unwrap();
    let done = of(&world, Kind::InspectionDone).pop().unwrap();
    assert_eq!(done.data["items"], json!({ "contact": "fail", "hinges": "pass" }));
    assert_eq!(world.standing("DOOR-1"), "overdue");
    assert_eq!(of(&world, Kind::NonconformityOpened).pop().unwrap().data["reason"], "inspection-failed");
    tell(&mut world, report("inspection", "DOOR-1", &[("result", "pass")])).unwrap();
    assert_eq!(world.standing("DOOR-1"), "good");
    assert_eq!(of(&world, Kind::NonconformityClosed).pop().unwrap().data["reason"], "inspection-failed");
}

#[test]
fn r11_a_test_of_operability_states_its_times() {
    let mut world = world();
    world.run_s(1);
    let times = [("result", "pass"), ("detect_ms", "180"), ("tell_ms", "2400"), ("acknowledge_ms", "31000")];
    tell(&mut world, report("test", "SMOKE-1", &times)).unwrap();
    let done = of(&world, Kind::TestDone).pop().unwrap();
    assert_eq!((&done.data["detect_ms"], &done.data["acknowledge_ms"]), (&json!(180), &json!(31_000)));
}

#[test]
fn r05_a_calibration_that_finds_the_equipment_out_of_tolerance_asks_what_is_in_doubt_since_the_last_good_one() {
    let mut world = world();
    world.run_s(1);
    let adjusted = [("point.range", "10 10.4 10.0 0.2 m"), ("certificate", "C-2")];
    tell(&mut world, report("calibration", "CAM-1", &adjusted)).unwrap();
    assert_eq!(world.standing("CAM-1"), "good", "it was adjusted");
    let opened = of(&world, Kind::NonconformityOpened).pop().unwrap();
    assert_eq!(opened.data["nonconformity"], "out-of-tolerance/CAM-1");
    let facts = json!({ "in_doubt_from": "2025-11-21", "in_doubt_to": "2026-11-22", "certificate": "C-2" });
    assert_eq!((&opened.data["facts"], &opened.data["ended"]), (&facts, &json!(true)));
    // Every record before it is from after that day.
    let listed = of(&world, Kind::AffectedListed).pop().unwrap();
    let done = world.journal.records.iter().position(|body| body.kind == Kind::CalibrationDone).unwrap() + 2;
    assert_eq!((&listed.data["records"], &listed.data["facts"]), (&json!([[1, done - 1]]), &facts));
    assert_eq!(listed.about.unwrap().equipment, "CAM-1");
    // It is no condition that goes away: people answer it, and a restart keeps it.
    let mut world = world.restarted();
    world.run_s(120);
    assert_eq!(world.count(Kind::AffectedListed), 1);
    let id = "out-of-tolerance/CAM-1";
    for (step, fields) in [
        ("agree", &[("action", "look at what it said"), ("until", "2026-12-01"), ("risk", "none")][..]),
        ("done", &[("what", "twelve records looked at")]),
        ("verify", &[("effective", "yes")]),
    ] {
        answer(&mut world, step, id, fields).unwrap();
    }
    assert_eq!(of(&world, Kind::NonconformityClosed).pop().unwrap().data["nonconformity"], id);
    assert_eq!(world.status().nonconformities, []);
}

#[test]
fn r07_what_is_overdue_demands_an_answer_by_a_deadline_and_a_tag_is_one() {
    let mut world = world();
    world.run_s(1);
    let opened = of(&world, Kind::NonconformityOpened).pop().unwrap();
    let due_ms = crate::harness::MIDNIGHT_MS + 7 * 86_400_000;
    let due = opened.data["due_ms"].as_i64().unwrap();
    assert!((due_ms..due_ms + 2_000).contains(&due), "{due}");
    let why = [("tag", "0117"), ("why", "out of calibration")];
    tell(&mut world, report("withdrawal", "CAM-1", &why)).unwrap();
    let contained = of(&world, Kind::NonconformityContained).pop().unwrap();
    assert_eq!((&contained.data["step"], &contained.data["how"]), (&json!("contained"), &json!("withdrawal")));
    assert_eq!(world.status().nonconformities[0].step, "contained");
}

#[test]
fn r07_a_signal_of_withdrawn_equipment_is_recorded_silent_and_as_one_use_however_often_it_comes() {
    let mut world = world();
    world.run_s(1);
    tell(&mut world, report("withdrawal", "DOOR-1", &[("tag", "0117"), ("why", "contact loose")])).unwrap();
    for _ in 0..3 {
        world.contacts[DOOR] = true;
        world.run_s(5);
        world.contacts[DOOR] = false;
        world.run_s(5);
    }
    let raised = of(&world, Kind::AlarmRaised);
    assert!(!raised.is_empty() && raised.iter().all(|alarm| alarm.data["rings"] == false), "{raised:?}");
    let used = |world: &World| {
        of(world, Kind::NonconformityOpened).iter().filter(|nc| nc.data["reason"] == "withdrawn-used").count()
    };
    assert_eq!(used(&world), 1);
    let mut world = world.restarted();
    world.contacts[DOOR] = true;
    world.run_s(5);
    assert_eq!(used(&world), 1, "a restart raises none twice");
    // A smoke detector that is tagged out still rings: lives go first.
    tell(&mut world, report("withdrawal", "SMOKE-1", &[("tag", "0118"), ("why", "exchange")])).unwrap();
    world.contacts[SMOKE] = true;
    world.run_s(5);
    let smoke = of(&world, Kind::AlarmRaised).pop().unwrap();
    assert_eq!(
        (&smoke.data["rule"], &smoke.data["rings"], smoke.severity),
        (&json!("panel-alarm"), &json!(true), Severity::Life)
    );
}

#[test]
fn r15_a_nonconformity_that_nobody_answers_is_escalated_once_and_a_restart_says_it_no_second_time() {
    let mut world = world();
    // Weeks of polls ten times a second would tell no more.
    let module = &mut world.plan.devices[0];
    module.silence_ms = 300_000;
    if let DeviceSpeech::Modbus { poll_ms, .. } = &mut module.speech {
        *poll_ms = 60_000;
    }
    let mut world = world.restarted();
    world.run_s(8 * 86_400);
    let of_camera = |body: &Body| body.data["nonconformity"] == "calibration-overdue/CAM-1";
    let escalated =
        |world: &World| of(world, Kind::NonconformityEscalated).iter().filter(|body| of_camera(body)).count();
    assert_eq!(escalated(&world), 1);
    let mut world = world.restarted();
    world.run_s(3_600);
    assert_eq!(escalated(&world), 1);
    let before = escalated(&world);
    answer(&mut world, "contain", "calibration-overdue/CAM-1", &[("what", "second guard")]).unwrap();
    world.run_s(10 * 86_400);
    assert_eq!(escalated(&world), before, "an agreed answer has its own time");
}

#[test]
fn what_cannot_be_taken_is_answered_with_the_reason_and_is_no_record() {
    let mut world = world();
    world.run_s(1);
    let before = world.journal.records.len();
    let passed = [("result", "pass")];
    let unknown = tell(&mut world, report("test", "CAM-9", &passed)).unwrap_err();
    assert_eq!(unknown, "no row of the register names CAM-9: add it there first");
    let future = [("on", "2026-11-24"), ("result", "pass")];
    let future = tell(&mut world, report("test", "CAM-1", &future)).unwrap_err();
    assert!(future.contains("on=2026-11-24 is in the future"), "{future}");
    assert_eq!(of(&world, Kind::TestDone), [], "{:?}", &world.journal.records[before..]);
    // The day at the site may have begun before the day in UTC.
    tell(&mut world, report("test", "CAM-1", &[("on", "2026-11-23"), ("result", "pass")])).unwrap();
}

#[test]
fn without_a_clock_that_is_trusted_the_day_must_be_told() {
    let mut world = world();
    world.run_s(1);
    world.trusted = false;
    world.run_s(1);
    let passed = tell(&mut world, report("test", "CAM-1", &[("result", "pass")])).unwrap_err();
    assert!(passed.contains("say which day it was"), "{passed}");
    // The last trusted time may be weeks old: a day behind it is no future.
    tell(&mut world, report("test", "CAM-1", &[("on", "2026-12-20"), ("result", "pass")])).unwrap();
    let slip = tell(&mut world, report("test", "CAM-1", &[("on", "2062-11-20"), ("result", "pass")])).unwrap_err();
    assert!(slip.contains("on=2062-11-20 is in the future"), "{slip}");
}

#[test]
fn a_plan_that_knows_of_later_work_wins_over_an_older_report() {
    let mut world = camera(&[("calibration_last", "2026-11-10"), ("calibration_interval", "12 months")]);
    let older = [("on", "2026-10-01"), ("found", "in-tolerance"), ("left", "out-of-tolerance")];
    tell(&mut world, report("calibration", "CAM-1", &older)).unwrap();
    assert_eq!(world.standing(id("CAM-1").as_str()), "good");
}

#[test]
fn r04_a_calibration_without_a_known_basis_is_a_nonconformity_until_one_is_stated() {
    let mut world = camera(&[("calibration_last", "2026-11-10"), ("calibration_interval", "12 months")]);
    let untraceable = "nonconformity.opened calibration-untraceable/CAM-1".to_owned();
    assert!(world.told().contains(&untraceable), "{:?}", world.told());
    assert_eq!(world.standing("CAM-1"), "good", "its dates are in order");
    let without = [("found", "in-tolerance"), ("left", "in-tolerance")];
    tell(&mut world, report("calibration", "CAM-1", &without)).unwrap();
    assert_eq!(of(&world, Kind::NonconformityClosed), []);
    let with = [&without[..], &[("basis", "comparison with the neighbouring camera")]].concat();
    tell(&mut world, report("calibration", "CAM-1", &with)).unwrap();
    assert_eq!(of(&world, Kind::NonconformityClosed)[0].data["reason"], "calibration-untraceable");
    // What was never calibrated needs none.
    assert!(!world.told().iter().any(|told| told.contains("untraceable/DOOR-1")));
}

#[test]
fn r09_a_contractors_equipment_needs_an_assurance_that_holds() {
    let contractor = ("owner", "contractor:Torbau Nord");
    let owned = |more: &[(&str, &str)]| camera(&[&[contractor], more].concat());
    let reasons = |world: &World| -> Vec<String> {
        let open = world.status().nonconformities;
        open.into_iter().filter(|nc| nc.equipment == "CAM-1").map(|nc| nc.reason).collect()
    };
    assert_eq!(reasons(&owned(&[])), ["assurance-missing"]);
    assert_eq!(reasons(&owned(&[("assurance", "annex C")])), ["assurance-date-unknown"]);
    let mut world = owned(&[("assurance", "annex C"), ("assurance_until", "2026-11-23")]);
    assert_eq!(reasons(&world), Vec::<String>::new());
    world.run_s(2 * 86_400 + 60);
    assert_eq!(reasons(&world), ["assurance-expired"]);
    let opened = of(&world, Kind::NonconformityOpened).pop().unwrap();
    assert_eq!(opened.data["facts"], json!({ "owner": "contractor:Torbau Nord" }));
    // What the site owns needs none.
    assert!(!world.told().iter().any(|told| told.contains("assurance-missing/DOOR-1")));
}
