//! What a day brought is summed up from the records, over restarts.

use crate::harness::{DOOR, World, id};
use picket_record::body::Body;
use picket_record::kind::Kind;
use serde_json::{Value, json};

const DAY_S: u64 = 86_400;

/// Summaries of a piece of equipment, or of the gateway.
fn summaries<'a>(world: &'a World, of: Option<&'a str>) -> impl Iterator<Item = &'a Body> {
    let all = world.journal.records.iter().filter(|body| body.kind == Kind::SummaryDay);
    all.filter(move |body| body.about.as_ref().map(|about| about.equipment.as_str()) == of)
}

fn sum(world: &World, of: &str, word: &str) -> u64 {
    summaries(world, Some(of)).filter_map(|body| body.data["kinds"].get(word)?.as_u64()).sum()
}

#[test]
fn what_a_door_did_on_each_day_is_told_over_restarts_and_nothing_twice() {
    let mut world = World::new();
    for _ in 0..2 {
        world.run_s(DAY_S / 2);
        world.contacts[DOOR] = true;
        world.run_s(60);
        world.contacts[DOOR] = false;
        world.run_s(60);
        world = world.restarted();
        world.run_s(DAY_S / 2);
    }
    // It is looked at every ten minutes whether a day is over.
    world.run_s(1_200);
    let own: Vec<&Body> = summaries(&world, None).collect();
    let days: Vec<&Value> = own.iter().map(|body| &body.data["day"]).collect();
    assert_eq!(days, [&json!("2026-11-22"), &json!("2026-11-23")]);
    assert_eq!(own[0].data["to"].as_u64().unwrap() + 1, own[1].data["from"].as_u64().unwrap());
    let raised = world.journal.records.iter().filter(|body| {
        body.kind == Kind::AlarmRaised
            && body.about.as_ref().is_some_and(|about| about.equipment == id("DOOR-1").as_str())
    });
    assert_eq!((sum(&world, "DOOR-1", "alarm.raised"), raised.count()), (2, 2));
    assert_eq!(summaries(&world, Some("READER-1")).count(), 0, "of what nothing was said there is nothing to sum up");
}
