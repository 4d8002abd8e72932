//! A stop in order.

use crate::installation::Installation;
use crate::programs::{Broker, until};
use crate::records::{event, scene};
use simulator::product::repository;
use std::time::{Duration, Instant};

#[test]
fn sigterm_stops_in_order() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let central = site.start_central();
    let agent = site.start_listening();
    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is reported", |status| status["alarms"][0]["reported"].as_bool().filter(|yes| *yes));
    let begun = Instant::now();
    let ended = agent.terminate(Duration::from_secs(60));
    println!("stopped in {} ms", begun.elapsed().as_millis());
    assert_eq!(ended.code(), Some(0));
    let records = until("the last words are at the central side", || {
        let records = site.received();
        records.last().is_some_and(|last| last["kind"] == "epoch.close").then_some(records)
    });
    let journal = rusqlite::Connection::open(site.journal()).expect("the journal");
    let number = |sql: &str| journal.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("a number");
    let head = number("SELECT max(seq) FROM record");
    assert_eq!(records.last().expect("records")["seq"], head);
    // The last receipt is given while the agent is gone; it asks for it at its next start.
    until("the central side has signed for everything", || (site.receipted() == head).then_some(()));
    assert_eq!((site.kept_apart(), site.quarantine()), (0, Vec::new()));
    drop(central);
}

/// Seconds that the unit gives, as systemd reads them.
fn unit_seconds(key: &str) -> Option<u64> {
    let unit = std::fs::read_to_string(repository().join("systemd/picket.service")).expect("the unit");
    unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

#[test]
fn the_unit_waits_as_long_as_a_stop_may_take() {
    // Connecting, answering and draining with the longest patience_ms; then slack, disk, link and last exchange.
    let longest = 3 * 60 + (1 + 10 + 2 + 3);
    assert!(unit_seconds("TimeoutStopSec") > Some(longest), "{:?}", unit_seconds("TimeoutStopSec"));
}
