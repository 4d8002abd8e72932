//! A stranger at the site's broker.

use crate::installation::Installation;
use crate::programs::Broker;
use crate::records::{count, event, motion, payloads, scene};

/// Ten mebibytes.
const LARGE: usize = 10 * 1024 * 1024;
/// Deeper than any parser should follow.
const DEPTH: usize = 100_000;
/// What the agent may take of memory.
const MOST_KIB: u64 = 64 * 1024;

#[test]
fn what_a_stranger_publishes_harms_nothing_and_clears_nothing() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let mut agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));

    broker.publish(&motion(7), &vec![b'['; LARGE], &["-r"]);
    broker.publish(&motion(7), b"{\"UtcTime\":\"\xFF\xFE\"}", &[]);
    let deep = ["[".repeat(DEPTH / 2), "]".repeat(DEPTH / 2)].concat();
    broker.publish(&motion(8), &deep.as_bytes()[..60_000], &[]);
    broker.publish(&motion(8), deep.as_bytes(), &[]);
    broker.publish(&scene(7), b"", &["-r"]);
    // Heard after all of these, on the same session.
    broker.publish(&motion(8), event("2026-01-01T00:00:01.000Z", true).as_bytes(), &[]);
    site.until("the last event is heard", |status| {
        let cameras = status["equipment"].as_array()?;
        cameras.iter().find(|one| one["id"] == "CAM-08")?["seen_ms"].as_i64()
    });

    let status = site.status().expect("it answers");
    assert_eq!(status["alarms"][0]["rule"], "view-lost", "{status:#}");
    assert_eq!(status["alarms"][0]["active"], true, "{status:#}");
    let resident = agent.resident_kib();
    println!("{resident} KiB resident; {}", status["lines"][0]);
    assert!(resident < MOST_KIB, "{resident} KiB");
    assert!(status["lines"][0]["faults"].as_u64().is_some_and(|faults| faults >= 4), "{status:#}");
    agent.must_run();
    let records = site.until("the input is recorded", |_| {
        let folder = site.path("evidence");
        let _ = std::fs::remove_dir_all(&folder);
        let records = payloads(&site.export("evidence").join("records.jws"));
        (count(&records, "health.input") > 0).then_some(records)
    });
    assert_eq!(count(&records, "alarm.cleared"), 0);
}
