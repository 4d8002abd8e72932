//! A damaged journal, and a journal that somebody else holds.

use crate::installation::Installation;
use crate::programs::{Broker, told};
use crate::records::{event, motion, payloads};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Bytes of a database page.
const PAGE: u64 = 4_096;

/// Runs the agent, stops it, overwrites pages of its journal, and starts it again: what `journal.recovered` found.
fn recovered_after(damaged: impl FnOnce(u64) -> std::ops::Range<u64>) -> Value {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let agent = site.start_listening();
    let events: Vec<String> = (0..60).map(|n| event(&format!("2026-01-01T00:00:{n:02}.000Z"), n % 2 == 0)).collect();
    broker.publish_lines(&motion(7), &events);
    let head = site.until("events are recorded", |status| status["journal"]["head"].as_u64().filter(|head| *head > 60));
    assert!(agent.terminate(Duration::from_secs(60)).success());
    // Pages that the log still holds would cover the damage: whoever opens and closes the file folds the log back.
    let fold = rusqlite::Connection::open(site.journal()).expect("the journal");
    fold.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("folded");
    drop(fold);
    let journal = fs::OpenOptions::new().write(true).open(site.journal()).expect("the journal");
    let pages = journal.metadata().expect("its size").len() / PAGE;
    let damaged = damaged(pages);
    for page in damaged.clone() {
        journal.write_all_at(&[0xA5; PAGE as usize], page * PAGE).expect("overwritten");
    }
    drop(journal);

    let mut agent = site.start();
    let status = site.until("records are stored", |status| {
        (status["journal"]["head"].as_u64()? > 0 && status["journal"]["not_stored"] == 0).then(|| status.clone())
    });
    assert!(status["journal"]["fault"].is_null(), "{status:#}");
    let records = payloads(&site.export("evidence").join("records.jws"));
    let recovered = records.into_iter().find(|record| record["kind"] == "journal.recovered");
    let recovered = recovered.unwrap_or_else(|| panic!("nothing was told; {}", agent.log()));
    println!("{head} records, pages {damaged:?} of {pages} overwritten: {}", recovered["data"]);
    assert!(site.path("state/journal.db.damaged-1").exists());
    agent.must_run();
    recovered["data"]["found"].clone()
}

#[test]
fn a_damaged_journal_is_set_aside_and_the_agent_runs() {
    let found = recovered_after(|pages| pages / 2..pages);
    assert_eq!(found[0]["what"], "file", "{found}");
}

#[test]
fn a_journal_without_its_first_page_is_set_aside_and_the_agent_runs() {
    let found = recovered_after(|_| 0..1);
    assert_eq!(found[0]["what"], "file", "{found}");
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

#[test]
fn a_journal_whose_volume_is_not_mounted_is_begun_anew_and_that_is_said_everywhere() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let agent = site.start();
    assert_eq!(site.status().expect("it answers")["journal"]["anew"], false, "a first start misses nothing");
    assert!(agent.terminate(Duration::from_secs(60)).success());
    fs::rename(site.journal(), site.path("elsewhere.db")).expect("moved");
    let agent = site.start();
    assert_eq!(site.status().expect("it answers")["journal"]["anew"], true);
    assert!(agent.log().contains("is its volume mounted?"), "{}", agent.log());
    assert!(agent.terminate(Duration::from_secs(60)).success());
    let _agent = site.start();
    assert_eq!(site.status().expect("it answers")["journal"]["anew"], false, "said until the next start");
}
