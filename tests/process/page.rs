//! The guards' page of the running agent in a real browser, by `tests/browser/console.mjs`: what axe-core says of it, and
//! what a guard lives through. `tests/run browser` installs Chromium, Node.js and the packages, and runs this alone.

use crate::installation::Installation;
use crate::programs::{Broker, Program};
use crate::records::{event, payloads, scene};
use simulator::product::{node, repository};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Four screens with their checks take a quarter of it on two cores.
const LIMIT: Duration = Duration::from_secs(180);
/// Who acknowledges, by the script.
const GUARD: &str = "Ana Ferreira";

/// Where `tests/run install` puts the script beside its packages, and the pictures go.
fn browser_folder() -> PathBuf {
    let folder = repository().join("target/browser");
    let script = folder.join("console.mjs");
    assert!(script.exists() && folder.join("node_modules").exists(), "no {}: run tests/run install", script.display());
    folder
}

#[test]
fn the_page_is_accessible_takes_an_acknowledgement_and_says_when_it_is_not_live() {
    let folder = browser_folder();
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let _central = site.start_central();
    let mut agent = site.start_listening();
    for camera in [7, 8] {
        site_broker.publish(&scene(camera), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    }
    site.until("both alarms are reported", |status| {
        let alarms = status["alarms"].as_array()?;
        (alarms.len() == 2 && alarms.iter().all(|alarm| alarm["reported"] == true)).then_some(())
    });

    let pictures = folder.join("pictures");
    let _ = fs::remove_dir_all(&pictures);
    let mut browser = Command::new(node().expect("Node.js: run tests/run install"));
    browser.arg("console.mjs").arg(format!("http://127.0.0.1:{}/", site.page())).arg(&pictures);
    browser.arg(agent.id().to_string()).current_dir(&folder);
    let mut browser = Program::start(&mut browser, &site.path("browser.log"));
    let ended = browser.ended(LIMIT);
    println!("{}", browser.log());
    assert!(ended.success(), "{ended}");

    agent.must_run();
    let taken = fs::read_dir(&pictures).expect("pictures").count();
    assert_eq!(taken, 4 * 3 + 1, "pictures in {}", pictures.display());
    site.until_receipted();
    let records = payloads(&site.export("evidence").join("records.jws"));
    let acts: Vec<_> = records.iter().filter(|record| record["kind"] == "act.acknowledged").collect();
    assert_eq!(acts.len(), 1, "{acts:#?}");
    assert!(acts[0]["pii"].is_string() && !acts[0].to_string().contains(GUARD), "{acts:#?}");
    assert!(site.disclosed().iter().any(|text| text.contains(GUARD)), "{:?}", site.disclosed());
}
