//! Measuring points: what they can measure, what they are compared with, and what their decline means.

use crate::harness::{MIDNIGHT_MS, World, row};
use crate::orders::{give, order};
use picket_core::plan::{DeviceSpeech, Plan};
use picket_core::register::rows::Row;
use picket_device::profile::{Coding, Point, Table};
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use picket_record::order::Order;
use serde_json::json;

const DAY_S: u64 = 86_400;
const TEMP: usize = 0;
const TWIN: usize = 1;
const BATTERY: usize = 2;

/// The module measures two temperatures in tenths of a degree, and its battery in hundredths of a volt.
fn measures(plan: &mut Plan) {
    let DeviceSpeech::Modbus { speech, .. } = &mut plan.devices[0].speech else { panic!("it is asked") };
    let points = [("temp", -1, "Cel"), ("twin", -1, "Cel"), ("battery", -2, "V")];
    speech.points.extend((0_u16..).zip(points).map(|(address, (name, exponent, unit))| Point {
        name: name.into(),
        table: Table::HoldingRegister,
        address,
        coding: Coding::I16,
        exponent,
        unit: unit.into(),
        range: None,
        signal: None,
        inverted: false,
        page: String::new(),
    }));
}

fn point(fields: &[(&str, &str)]) -> Row {
    row(&[&[("equipment", "MOD-1"), ("device", "module")], fields].concat())
}

fn temperature(name: &str, more: &[(&str, &str)]) -> Row {
    let scale = [("point", name), ("unit", "Cel"), ("range", "-20 60"), ("accuracy", "0.5")];
    point(&[&scale, more].concat())
}

fn world(points: Vec<Row>) -> World {
    let mut world = World::with(|plan, rows| {
        measures(plan);
        rows.extend(points);
    });
    world.levels = [200, 200, 1250];
    world.run_s(120);
    world
}

/// The same, asked once in ten minutes: for months.
fn slow(points: Vec<Row>) -> World {
    let mut world = World::with(|plan, rows| {
        measures(plan);
        plan.devices[0].silence_ms = 0;
        if let DeviceSpeech::Modbus { poll_ms, .. } = &mut plan.devices[0].speech {
            *poll_ms = 600_000;
        }
        plan.limits.heartbeat_s = 3_600;
        rows.extend(points);
    });
    world.levels = [200, 200, 1250];
    world.run_s(1_200);
    world
}

fn said(world: &World, reason: &str) -> Vec<String> {
    let about = format!("{reason}/MOD-1");
    let is_turn = |told: &String| told.ends_with(&about) && !told.contains("escalated");
    world.told().into_iter().filter(is_turn).collect()
}

fn opened(world: &World, reason: &str) -> Body {
    let mut opened = world.journal.records.iter().filter(|body| body.kind == Kind::NonconformityOpened);
    opened.rfind(|body| body.data["reason"] == reason).cloned().expect("it is opened")
}

const IMPLAUSIBLE: [&str; 2] = ["nonconformity.opened implausible/MOD-1", "nonconformity.closed implausible/MOD-1"];
const DRIFT: [&str; 2] = ["nonconformity.opened drift/MOD-1", "nonconformity.closed drift/MOD-1"];
const DEGRADING: [&str; 2] = ["nonconformity.opened degrading/MOD-1", "nonconformity.closed degrading/MOD-1"];

#[test]
fn r02_a_reading_that_cannot_be_is_told_once_it_has_lasted_and_closed_when_it_is_over() {
    let mut world = world(vec![temperature("temp", &[])]);
    world.levels[TEMP] = 606;
    world.run_s(59);
    assert!(said(&world, "implausible").is_empty(), "not yet");
    world.run_s(3);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
    let record = opened(&world, "implausible");
    let facts = json!({
        "device": "module", "point": "temp", "value": "60.6 Cel", "range": "-20 to 60 Cel, within 0.5",
    });
    assert_eq!((record.severity, &record.data["facts"]), (Severity::Fault, &facts));
    assert_eq!(record.about.unwrap().equipment, "MOD-1");
    world.run_s(600);
    world.levels[TEMP] = 605;
    world.run_s(59);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "once, and not over yet");
    world.run_s(3);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE);
}

#[test]
fn r02_a_spike_and_a_value_at_the_edge_of_its_accuracy_are_no_nonconformity() {
    let mut world = world(vec![temperature("temp", &[])]);
    for (level, seconds) in [(900, 55), (200, 1), (900, 55), (605, 200), (65_331, 200), (200, 100)] {
        world.levels[TEMP] = level;
        world.run_s(seconds);
    }
    assert!(said(&world, "implausible").is_empty(), "{:?}", world.told());
}

#[test]
fn r02_a_point_that_is_not_read_any_more_decides_nothing() {
    let mut world = world(vec![temperature("temp", &[])]);
    world.levels[TEMP] = 900;
    world.run_s(62);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
    world.alive = false;
    world.run_s(600);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "unknown is not good");
    world.alive = true;
    world.levels[TEMP] = 200;
    world.run_s(90);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE);
}

#[test]
fn r02_a_restart_tells_nothing_twice_and_closes_nothing_by_itself() {
    let mut world = world(vec![temperature("temp", &[])]);
    world.levels[TEMP] = 900;
    world.run_s(62);
    let mut world = world.restarted();
    world.run_s(300);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
    let mut world = world.restarted();
    world.levels[TEMP] = 200;
    world.run_s(50);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "not before the hold");
    world.run_s(30);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE);
}

#[test]
fn r02_what_is_open_about_a_point_that_left_the_register_closes_with_it() {
    let mut world = world(vec![temperature("temp", &[])]);
    world.levels[TEMP] = 900;
    world.run_s(62);
    world.listed.retain(|row| !row.contains_key("point"));
    let world = world.restarted();
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE);
}

#[test]
fn r02_one_nonconformity_names_one_point_and_the_next_one_when_that_is_right_again() {
    let mut world = world(vec![temperature("temp", &[]), temperature("twin", &[])]);
    world.levels[TWIN] = 900;
    world.run_s(62);
    world.levels[TEMP] = 900;
    world.run_s(62);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "one for the equipment");
    world.levels[TWIN] = 200;
    world.run_s(62);
    let told = said(&world, "implausible");
    assert_eq!(told[..2], IMPLAUSIBLE);
    assert_eq!(told[2..], ["nonconformity.reopened implausible/MOD-1"]);
    let last = world.journal.records.iter().rfind(|body| body.kind == Kind::NonconformityReopened).unwrap();
    assert_eq!(last.data["facts"]["point"], "temp");
}

#[test]
fn r02_a_value_beyond_the_combined_accuracy_of_its_reference_is_a_drift() {
    let points = vec![temperature("temp", &[("reference", "module/twin")]), temperature("twin", &[])];
    let mut world = world(points);
    world.levels[TEMP] = 211;
    world.run_s(62);
    assert_eq!(said(&world, "drift"), DRIFT[..1]);
    let facts = json!({
        "device": "module", "point": "temp", "value": "21.1 Cel", "reference": "module/twin",
        "reference_value": "20 Cel", "agree_within": "1 Cel",
    });
    assert_eq!(opened(&world, "drift").data["facts"], facts);
    world.levels[TWIN] = 205;
    world.run_s(62);
    assert_eq!(said(&world, "drift"), DRIFT);
}

#[test]
fn r02_noise_within_the_accuracy_and_pairs_that_move_together_are_no_drift() {
    let points = vec![temperature("temp", &[("reference", "module/twin")]), temperature("twin", &[])];
    let mut world = world(points);
    for step in 0..200_u16 {
        world.levels[TWIN] = 100 + step * 2;
        world.levels[TEMP] = world.levels[TWIN] + 10 * (step % 2);
        world.run_s(2);
    }
    assert!(said(&world, "drift").is_empty(), "{:?}", world.told());
    // 0.2 more than both may be apart, where the row allows it.
    let points =
        vec![temperature("temp", &[("reference", "module/twin"), ("agree_within", "2")]), temperature("twin", &[])];
    let mut world = self::world(points);
    world.levels[TEMP] = 220;
    world.run_s(200);
    assert!(said(&world, "drift").is_empty());
    world.levels[TEMP] = 221;
    world.run_s(62);
    assert_eq!(said(&world, "drift"), DRIFT[..1]);
}

#[test]
fn r02_a_stale_or_impossible_value_decides_nothing_about_a_pair() {
    let points = vec![temperature("temp", &[("reference", "module/twin")]), temperature("twin", &[])];
    let mut world = world(points);
    world.levels[TEMP] = 300;
    world.run_s(30);
    // The last answers were 10 degrees apart; nobody knows what is now.
    world.alive = false;
    world.run_s(600);
    assert!(said(&world, "drift").is_empty());
    world.alive = true;
    world.run_s(30);
    world.levels[TEMP] = 900;
    world.run_s(90);
    assert!(said(&world, "drift").is_empty(), "{:?}", said(&world, "drift"));
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
}

fn battery(more: &[(&str, &str)]) -> Row {
    let scale = [("point", "battery"), ("unit", "V"), ("range", "0 15"), ("accuracy", "0.05"), ("trend", "battery")];
    point(&[&scale, more].concat())
}

/// Falls by so many hundredths of a volt a day.
fn falls(world: &mut World, days: u64, by: u16) {
    for _ in 0..days {
        world.run_s(DAY_S);
        world.levels[BATTERY] -= by;
    }
}

#[test]
fn r10_a_battery_that_will_fail_within_two_weeks_is_told_before_it_fails() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    // 12.50 V, and 0.10 V less each day: 10.80 V after 17 days.
    falls(&mut world, 4, 10);
    assert!(said(&world, "degrading").is_empty(), "four days tell nothing");
    falls(&mut world, 2, 10);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    let record = opened(&world, "degrading");
    let facts = json!({
        "device": "module", "point": "battery", "trend": "battery", "now": "12.1 V", "per_day": "-0.1 V",
        "fails_at": "10.8 V", "reaches": "2026-12-09",
    });
    assert_eq!(record.data["facts"], facts);
    // A new battery: the line says so within days, and it closes.
    world.levels[BATTERY] = 1_270;
    falls(&mut world, 14, 0);
    assert_eq!(said(&world, "degrading"), DEGRADING);
}

#[test]
fn r10_a_slope_that_does_not_reach_and_noise_are_no_nonconformity() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    falls(&mut world, 20, 2);
    assert!(said(&world, "degrading").is_empty(), "0.02 V a day leaves months");
    let mut world = slow(vec![battery(&[("warn_below", "12.3"), ("fails_at", "12.25")])]);
    world.levels[BATTERY] = 1_235;
    for day in 0..20_u16 {
        world.run_s(DAY_S);
        world.levels[BATTERY] = 1_235 - [0, 3, 1, 2][usize::from(day % 4)];
    }
    assert!(said(&world, "degrading").is_empty(), "{:?}", said(&world, "degrading"));
}

#[test]
fn r10_a_value_below_its_warning_needs_no_days() {
    let mut world = world(vec![battery(&[("warn_below", "11.5")])]);
    world.levels[BATTERY] = 1_149;
    world.run_s(62);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    let facts = json!({
        "device": "module", "point": "battery", "trend": "battery", "now": "11.49 V", "limit": "below 11.5 V",
    });
    assert_eq!(opened(&world, "degrading").data["facts"], facts);
    world.levels[BATTERY] = 1_150;
    world.run_s(62);
    assert_eq!(said(&world, "degrading"), DEGRADING);
}

#[test]
fn r10_the_days_outlive_a_restart_and_what_is_open_is_not_told_again() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    falls(&mut world, 4, 10);
    let mut world = world.restarted();
    falls(&mut world, 2, 10);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1], "four days before it, one behind it");
    let mut world = world.restarted();
    falls(&mut world, 3, 10);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    // The day of a restart has the least of what was seen behind it.
    let row = &world.journal.rows["trend/module/battery"].body;
    let row: serde_json::Value = serde_json::from_str(row).unwrap();
    assert_eq!((&row["u"], &row["e"], row["days"].as_array().map(Vec::len)), (&json!("V"), &json!(-3), Some(9)));
    assert_eq!(row["days"][0], json!([20_779, 12_500]));
}

#[test]
fn r10_a_clock_that_nobody_vouches_for_counts_no_days() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    world.trusted = false;
    falls(&mut world, 12, 10);
    assert!(said(&world, "degrading").is_empty());
    assert!(!world.journal.rows.contains_key("trend/module/battery"));
}

#[test]
fn r10_a_point_that_is_not_read_for_days_leaves_open_what_its_line_opened() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    falls(&mut world, 6, 10);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    world.alive = false;
    world.run_s(10 * DAY_S);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
}

#[test]
fn r10_answers_that_fail_more_and_more_are_told_before_the_device_is_silent() {
    let errors = point(&[("point", "@errors_permille"), ("trend", "errors"), ("warn_above", "100")]);
    let mut world = world(vec![errors]);
    // Again and again nobody answers, never for long.
    for _ in 0..100 {
        world.alive = true;
        world.run(800_000);
        world.alive = false;
        world.run(300_000);
    }
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    let facts = &opened(&world, "degrading").data["facts"];
    assert_eq!((&facts["point"], &facts["limit"]), (&json!("@errors_permille"), &json!("above 100 permille")));
    assert!(said(&world, "silent").is_empty());
    world.alive = true;
    world.run_s(90);
    assert_eq!(said(&world, "degrading"), DEGRADING);
}

#[test]
fn r10_answers_that_take_longer_are_told_and_others_are_not() {
    let response = |above| point(&[("point", "@response_ms"), ("trend", "response"), ("warn_above", above)]);
    let mut world = world(vec![response("4")]);
    world.run_s(70);
    assert_eq!(opened(&world, "degrading").data["facts"]["now"], "5 ms");
    let mut world = self::world(vec![response("5")]);
    world.run_s(200);
    assert!(said(&world, "degrading").is_empty());
}

#[test]
fn r02_a_drift_whose_reference_is_taken_back_is_over() {
    let points = vec![temperature("temp", &[("reference", "module/twin")]), temperature("twin", &[])];
    let mut world = world(points);
    world.levels[TEMP] = 300;
    world.run_s(62);
    assert_eq!(said(&world, "drift"), DRIFT[..1]);
    let mut world = world.restarted();
    world.run_s(1);
    assert_eq!(said(&world, "drift"), DRIFT[..1], "the pair is still compared");
    for row in &mut world.listed {
        row.remove("reference");
    }
    assert_eq!(said(&world.restarted(), "drift"), DRIFT);
}

#[test]
fn r10_days_are_forgotten_with_their_point() {
    let mut world = slow(vec![battery(&[("warn_below", "11"), ("fails_at", "10.8")])]);
    falls(&mut world, 2, 10);
    assert!(world.journal.rows.contains_key("trend/module/battery"));
    let mut world = world.restarted();
    world.run_s(5);
    assert!(world.journal.rows.contains_key("trend/module/battery"));
    world.listed.retain(|row| !row.contains_key("point"));
    let mut world = world.restarted();
    world.run_s(5);
    assert!(!world.journal.rows.contains_key("trend/module/battery"));
}

/// Both temperatures and a battery, of which one is wrong and one falls; four days on.
fn wrong_for_days() -> World {
    let warned = battery(&[("warn_below", "11"), ("fails_at", "10.8")]);
    let mut world = slow(vec![temperature("temp", &[]), temperature("twin", &[]), warned]);
    world.levels[TEMP] = 900;
    falls(&mut world, 4, 10);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
    world
}

/// A register by order: one more door beside what the world lists.
fn ordered(world: &mut World) {
    let order = Order { exp_ms: MIDNIGHT_MS + 30 * 86_400_000, ..order(1, Some("DOOR-9"), json!({})) };
    give(world, &order, Some("DOOR-9"));
    world.run_s(5);
    assert_eq!(world.standing("DOOR-9"), "good", "it is in force");
}

#[test]
fn r02_a_register_by_order_goes_on_with_the_points_that_it_has_too() {
    let mut world = wrong_for_days();
    ordered(&mut world);
    falls(&mut world, 3, 10);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "neither told again nor over");
    assert_eq!(said(&world, "degrading"), DEGRADING[..1], "the days go on");
}

#[test]
fn r02_a_register_by_order_ends_what_is_open_about_points_that_it_has_not() {
    let mut world = wrong_for_days();
    falls(&mut world, 3, 10);
    assert_eq!(said(&world, "degrading"), DEGRADING[..1]);
    world.listed.retain(|row| !row.contains_key("point"));
    ordered(&mut world);
    assert_eq!((said(&world, "implausible"), said(&world, "degrading")), (told(IMPLAUSIBLE), told(DEGRADING)));
    assert!(!world.journal.rows.contains_key("trend/module/battery"));
}

fn told(words: [&str; 2]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[test]
fn r02_what_the_profile_calls_bad_is_implausible_only_beyond_what_the_register_allows() {
    let mut world = World::with(|plan, rows| {
        measures(plan);
        if let DeviceSpeech::Modbus { speech, .. } = &mut plan.devices[0].speech {
            speech
                .points
                .iter_mut()
                .filter(|point| point.name == "temp")
                .for_each(|point| point.range = Some((0, 500)));
        }
        rows.push(temperature("temp", &[]));
    });
    world.levels[TEMP] = 550;
    world.run_s(200);
    assert!(said(&world, "implausible").is_empty(), "bad decides nothing");
    world.levels[TEMP] = 700;
    world.run_s(62);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1]);
    world.levels[TEMP] = 550;
    world.run_s(200);
    assert_eq!(said(&world, "implausible"), IMPLAUSIBLE[..1], "and ends nothing");
}

#[test]
fn r02_a_point_in_another_unit_than_its_device_gives_is_not_judged() {
    let mut world = world(vec![temperature("temp", &[("unit", "K")])]);
    world.levels[TEMP] = 900;
    world.run_s(200);
    assert!(said(&world, "implausible").is_empty());
}
