//! A damaged journal, and a journal that somebody else holds.

use crate::installation::Installation;
use crate::programs::{Broker, told};
use crate::records::{event, motion, payloads};
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Bytes of a database page.
const PAGE: u64 = 4_096;

#[test]
fn a_damaged_journal_is_set_aside_and_the_agent_runs() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let agent = site.start_listening();
    let events: Vec<String> = (0..60).map(|n| event(&format!("2026-01-01T00:00:{n:02}.000Z"), n % 2 == 0)).collect();
    broker.publish_lines(&motion(7), &events);
    let head = site.until("events are recorded", |status| status["journal"]["head"].as_u64().filter(|head| *head > 60));
    assert!(agent.terminate(Duration::from_secs(10)).success());
    let journal = fs::OpenOptions::new().write(true).open(site.journal()).expect("the journal");
    let pages = journal.metadata().expect("its size").len() / PAGE;
    for page in pages / 2..pages {
        journal.write_all_at(&[0xA5; PAGE as usize], page * PAGE).expect("overwritten");
    }
    drop(journal);

    let mut agent = site.start();
    let status = site.until("records are stored", |status| {
        (status["journal"]["head"].as_u64()? > 0 && status["journal"]["not_stored"] == 0).then(|| status.clone())
    });
    assert!(status["journal"]["fault"].is_null(), "{status:#}");
    let records = payloads(&site.export("evidence").join("records.jws"));
    let recovered = records.iter().find(|record| record["kind"] == "journal.recovered");
    let recovered = recovered.unwrap_or_else(|| panic!("nothing was told; {}", agent.log()));
    assert_eq!(recovered["data"]["found"][0]["what"], "file", "{recovered}");
    println!("{head} records before, {} pages of {pages} overwritten: {}", pages - pages / 2, recovered["data"]);
    assert!(site.path("state/journal.db.damaged-1").exists());
    agent.must_run();
}

#[test]
fn a_second_agent_at_the_same_journal_refuses_and_names_the_file() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let mut first = site.start();
    let refused = site.refused();
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains(&site.journal().display().to_string()), "{}", told(&refused));
    first.must_run();
    assert!(site.status().is_some(), "the first one no longer answers");
}
