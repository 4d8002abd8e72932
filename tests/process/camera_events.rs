//! Nothing that a camera said at QoS 1 is lost or told twice, however often the agent is killed.

use crate::installation::Installation;
use crate::programs::{Broker, within};
use crate::records::{count, event, motion, scene};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Kills, one in the middle of each round.
const KILLS: usize = 8;
/// Events of each topic in a round.
const BURST: usize = 20;

/// One topic's events of one round, each with a time of its own.
fn burst(topic: usize, round: usize) -> Vec<(String, bool)> {
    let time = |n: usize| format!("2026-01-{:02}T{topic:02}:{:02}:{:02}.000Z", round + 1, n / 60, n % 60);
    (0..BURST).map(|n| (time(n), n % 2 == 0)).collect()
}

/// How often each device time is told by records of a kind.
fn told<'r>(records: &'r [Value], kind: &str) -> BTreeMap<&'r str, usize> {
    let mut times = BTreeMap::new();
    for record in records.iter().filter(|record| record["kind"] == kind) {
        if let Some(time) = record["dev_ts"].as_str() {
            *times.entry(time).or_default() += 1;
        }
    }
    times
}

#[test]
fn the_agent_is_killed_in_the_middle_of_camera_events_and_nothing_is_missing() {
    let (site_broker, central_broker) = (&Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let central = site.start_central();
    let mut agent = site.start_listening();
    let topics = [scene(7), motion(7), scene(8), motion(8)];
    let mut published: Vec<(usize, String, bool)> = Vec::new();
    let mut before_kill = Vec::new();
    for round in 0..KILLS {
        let bursts: Vec<_> = (0..topics.len()).map(|topic| burst(topic, round)).collect();
        let head = site.status().map_or(0, |status| status["journal"]["head"].as_u64().unwrap_or(0));
        std::thread::scope(|scope| {
            for (topic, events) in topics.iter().zip(&bursts) {
                let lines: Vec<String> = events.iter().map(|(utc, state)| event(utc, *state)).collect();
                scope.spawn(move || site_broker.publish_lines(topic, &lines));
            }
            let stored = head + 1 + (round as u64 * 7) % 40;
            site.until("events are recorded", |now| (now["journal"]["head"].as_u64()? >= stored).then_some(()));
            agent.kill();
        });
        for (topic, events) in bursts.into_iter().enumerate() {
            published.extend(events.into_iter().map(|(utc, state)| (topic, utc, state)));
        }
        before_kill.push(published.len());
        agent = site.start();
    }
    // What does not come is counted below.
    let _ =
        within(Duration::from_secs(20), || (told(&site.received(), "readings").len() >= published.len()).then_some(()));
    site.until_receipted();
    judge(&site.received(), &published, &before_kill);
    assert_eq!((site.kept_apart(), site.quarantine()), (0, Vec::new()));
    drop((agent, central));
}

fn judge(records: &[Value], published: &[(usize, String, bool)], before_kill: &[usize]) {
    let readings = told(records, "readings");
    let missing = published.iter().filter(|(_, utc, _)| !readings.contains_key(utc.as_str())).count();
    let doubled: usize = readings.values().map(|times| times - 1).sum();
    let (raised, cleared) = (told(records, "alarm.raised"), told(records, "alarm.cleared"));
    let of = |state: bool| published.iter().filter(move |(topic, _, on)| topic % 2 == 0 && *on == state);
    let wrong = |told: &BTreeMap<&str, usize>, state: bool| {
        let expected = of(state).filter(|(_, utc, _)| told.get(utc.as_str()) != Some(&1)).count();
        expected + told.len().saturating_sub(of(state).count())
    };
    println!(
        "{} events, {} kills, {} epochs, {} kills with events under way; {missing} missing, {doubled} doubled; \
         {} alarms raised, {} cleared; {} records",
        published.len(),
        before_kill.len(),
        count(records, "epoch.open"),
        under_way(records, before_kill),
        raised.len(),
        cleared.len(),
        records.len()
    );
    let gone: Vec<_> = published.iter().filter(|(_, utc, _)| !readings.contains_key(utc.as_str())).collect();
    assert_eq!((missing, doubled), (0, 0), "{gone:?}");
    assert_eq!((wrong(&raised, true), wrong(&cleared, false)), (0, 0));
    assert!(published.len() >= 300 && under_way(records, before_kill) > 0);
}

/// Kills before which fewer events were recorded than published.
fn under_way(records: &[Value], before_kill: &[usize]) -> usize {
    let recorded = |epoch: usize| {
        let upto = |record: &&Value| record["kind"] == "readings" && record["ep"].as_u64() <= Some(epoch as u64);
        records.iter().filter(upto).count()
    };
    before_kill.iter().enumerate().filter(|(kill, published)| recorded(kill + 1) < **published).count()
}
