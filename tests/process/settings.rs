//! Wrong settings and wrong registers, as the programs answer to them.

use crate::installation::Installation;
use crate::programs::{Broker, product, told};
use crate::records::payloads;
use simulator::product::repository;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Two faults: a kind that does not exist, and a date that does not.
const WRONG: &str = r#"
[[equipment]]
id = "CAM-07"
kind = "kettle"

[[equipment]]
id = "CAM-08"
kind = "camera"
calibration_last = "2026-02-31"
calibration_interval = "12 months"
"#;

#[test]
fn wrong_settings_are_refused_whole_and_nothing_is_written() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let file = site.settings().join("agent.toml");
    let text = fs::read_to_string(&file).expect("readable");
    let wrong = text
        .replace("budget_mib = 64", "budget_mib = 1")
        .replace("heartbeat_s = 10", "heartbeat_z = 10")
        .replace("profile = \"onvif-camera\"", "profile = \"onvif-kamera\"");
    fs::write(&file, wrong).expect("written");
    let refused = site.refused();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for fault in ["budget_mib", "heartbeat_z", "onvif-kamera"] {
        assert!(said.contains(fault), "{fault} is not told: {said}");
    }
    for made in ["state", "run"] {
        assert!(!site.path(made).exists(), "{made} was made");
    }
}

#[test]
fn a_wrong_register_leaves_the_last_good_one_in_force() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let agent = site.start();
    assert!(agent.terminate(Duration::from_secs(10)).success());
    site.write_register(WRONG);
    let mut agent = site.start();
    let cause = site.until("the register is refused", |status| status["register_refused"].as_str().map(str::to_owned));
    assert!(cause.contains("kettle") && cause.contains("2026-02-31"), "{cause}");
    let status = site.status().expect("it answers");
    let known = status["equipment"].as_array().expect("equipment");
    assert!(known.iter().any(|one| one["id"] == "CAM-07" && one["kind"] == "camera"), "{status:#}");
    let rejected = site.until("the refusal is recorded", |_| {
        let records = payloads(
            &site.export(&format!("evidence-{}", fs::read_dir(site.path("")).ok()?.count())).join("records.jws"),
        );
        records.into_iter().find(|record| record["kind"] == "register.rejected")
    });
    assert!(rejected["data"]["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{rejected}");
    agent.must_run();
}

#[test]
fn a_wrong_register_where_none_was_ever_good_is_refused() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    site.write_register(WRONG);
    let refused = site.refused();
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    for words in ["kettle", "2026-02-31", "no good register was ever in force"] {
        assert!(said.contains(words), "{words} is not told: {said}");
    }
    assert!(!site.journal().exists(), "a start that was refused wrote a journal");
}

#[test]
fn a_reader_that_has_seen_enough_ends_no_command_in_a_panic() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut check = Command::new(&product().picket);
    check.arg("check").arg("--config").arg(repository().join("config"));
    let output = check.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!((output.status.code(), told(&output)), (Some(0), String::new()));
}
