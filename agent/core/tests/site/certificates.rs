//! The certificate of the central link at a whole site: recorded where it changes, rung about before it ends, and never
//! a reason not to record.

use crate::harness::{MIDNIGHT_MS, World};
use picket_core::certificate::{Certificate, Condition};
use picket_core::sensitivity::{Channel, Label, Sensitivity};
use picket_core::wire::Input;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

fn told(world: &mut World, state: Condition, why: &str) {
    let until_ms = Some(MIDNIGHT_MS + 10 * 86_400_000);
    world.give(Input::Certificate(Certificate { state, until_ms, why: why.into(), own: true }));
}

/// Whether the alarm is there, and holds.
fn rings(world: &World) -> Option<bool> {
    let status = world.site.status(&world.now());
    status.alarms.iter().find(|alarm| alarm.rule == "certificate").map(|alarm| alarm.active)
}

#[test]
fn a_certificate_near_its_end_rings_until_another_one_is_in_force_even_over_a_restart() {
    let mut world = World::new();
    told(&mut world, Condition::Good, "");
    world.run_s(5);
    assert_eq!(rings(&world), None);
    told(&mut world, Condition::Ending, "the centre does not answer");
    world.run_s(1);
    assert_eq!(rings(&world), Some(true));
    world.run_s(60);
    let mut world = world.restarted();
    assert_eq!(rings(&world), Some(true), "before anybody has looked at it again");
    told(&mut world, Condition::Expired, "the centre does not answer");
    world.run_s(61);
    let status = world.site.status(&world.now());
    let alarm = status.alarms.iter().find(|alarm| alarm.rule == "certificate").unwrap();
    assert_eq!((alarm.active, alarm.times, alarm.facts["why"].as_str()), (true, 2, "expired"), "it rings anew");
    let records = world.journal.records.iter().filter(|body| body.kind == Kind::HealthCertificate);
    let said: Vec<_> = records.map(|body| (body.severity, body.data["state"].clone())).collect();
    let expected = [(Severity::Info, "good"), (Severity::Fault, "ending"), (Severity::Fault, "expired")];
    assert_eq!(said, expected.map(|(severity, state)| (severity, json!(state))));
    told(&mut world, Condition::Good, "slot b is in force");
    world.run_s(61);
    assert_ne!(rings(&world), Some(true));
    let last = world.journal.records.iter().rev().find(|body| body.kind == Kind::HealthCertificate).unwrap();
    assert_eq!(
        json!(last.data),
        json!({ "state": "good", "until": "2026-12-02T00:00:00.000Z", "why": "slot b is in force", "own": true })
    );
}

#[test]
fn each_of_a_few_words_about_a_certificate_is_recorded_at_once_and_of_many_the_newest() {
    let mut world = World::new();
    let why = |n: usize| format!("word {n}");
    for n in 1..=40 {
        told(&mut world, Condition::Good, &why(n));
        world.run_s(1);
    }
    world.run_s(61);
    let records = world.journal.records.iter().filter(|body| body.kind == Kind::HealthCertificate);
    let said: Vec<_> = records.map(|body| body.data["why"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(said[..8], (1..=8).map(why).collect::<Vec<_>>());
    assert!(said.len() <= 10, "{said:?}");
    assert_eq!(said.last(), Some(&why(40)));
}

#[test]
fn a_broker_that_refuses_now_and_then_does_not_ring_each_time() {
    let mut world = World::new();
    for n in 0..100 {
        let state = if n % 2 == 0 { Condition::Ending } else { Condition::Refused };
        told(&mut world, state, "the broker");
        world.run_s(1);
    }
    let status = world.site.status(&world.now());
    let alarm = status.alarms.iter().find(|alarm| alarm.rule == "certificate").unwrap();
    assert_eq!((alarm.active, alarm.times), (true, 1));
}

#[test]
fn what_a_broker_says_of_a_certificate_leaves_only_where_its_label_may_and_that_it_rings_everywhere() {
    let mut world = World::new();
    told(&mut world, Condition::Refused, "the broker at 10.1.2.3");
    world.give(Input::LinkDown { cause: "the broker at 10.1.2.3".into() });
    world.run_s(1);
    let status = world.site.status(&world.now());
    let shown = |table: &Sensitivity| {
        let text = serde_json::to_string(&status.on(Channel::Page, table)).unwrap();
        (text.contains("10.1.2.3"), text.contains("refused"))
    };
    assert_eq!(shown(&Sensitivity::default()), (true, true));
    let table = Sensitivity::default().with_label(Kind::HealthCertificate, Label::Personal);
    assert_eq!(shown(&table), (false, true));
    let alarms = status.on(Channel::Page, &table).alarms;
    assert!(alarms.iter().any(|alarm| alarm.rule == "certificate" && alarm.active));
}

#[test]
fn an_expired_certificate_stops_no_record() {
    let mut world = World::new();
    told(&mut world, Condition::Expired, "the broker says that our certificate has expired");
    world.run_s(1);
    let (beats, before) = (world.count(Kind::Heartbeat), world.journal.records.len());
    world.scan("SEAL-1");
    world.run_s(600);
    assert!(world.count(Kind::Heartbeat) >= beats + 9);
    assert!(world.journal.records.len() > before + 10);
    assert_eq!(world.site.status(&world.now()).certificate.map(|known| known.state), Some(Condition::Expired));
}

#[test]
fn a_reason_that_changes_every_second_is_recorded_once_a_minute_beyond_the_first_few() {
    let mut world = World::new();
    for n in 0..600 {
        told(&mut world, Condition::Refused, &format!("{n} {}", "x".repeat(10_000)));
        world.run_s(1);
    }
    let said = world.count(Kind::HealthCertificate);
    assert!((16..=18).contains(&said), "{said}");
    let longest = world.journal.records.iter().filter(|body| body.kind == Kind::HealthCertificate);
    assert!(longest.map(|body| body.data["why"].as_str().unwrap().len()).max() <= Some(500));
}
