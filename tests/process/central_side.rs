//! No central side at all, where the site is guarded all the same; and one whose broker asks who comes.

use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, free_port, product, until};
use crate::records::{event, scene};
use serde_json::Value;
use simulator::product::output;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn the_page_and_the_status_survive_a_dead_central_side() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, free_port());
    let mut agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    let status = site.until("the link is known to be down", |status| {
        status["link"]["cause"].as_str().is_some().then(|| status.clone())
    });
    assert_eq!(status["link"]["up"], false);
    assert!(status["link"]["waiting"].as_u64().is_some_and(|waiting| waiting > 0), "{status:#}");
    assert_eq!(status["alarms"][0]["reported"], false, "{status:#}");
    assert!(status["journal"]["free_mib"].as_u64().is_some(), "{status:#}");
    let answered = until("the page answers", || site.get("/").ok()?.lines().next().map(str::to_owned));
    assert!(answered.contains(" 200 "), "{answered}");

    let mut ask = Command::new(&product().picket);
    let ask = ask.arg("status").arg("--runtime").arg(site.path("run"));
    let text = output(ask).expect("a status in words");
    let told = output(ask.arg("--json")).expect("a status");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["link"]["up"], false);
    println!("{text}");
    assert!(text.contains("NOT reporting"), "{text}");
    agent.must_run();
}

#[test]
fn the_central_side_comes_in_by_its_password_and_says_when_it_does_not() {
    let broker = Broker::start_for("hq", "geheim");
    let site = Installation::make(free_port(), broker.port);
    let password = site.path("password");
    let settings = fs::read_to_string(site.path("central.toml")).expect("its settings");
    fs::write(site.path("central.toml"), settings + "user = \"hq\"\npassword_file = \"password\"\n").expect("written");
    fs::write(&password, "falsch\n").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("set");
    let central = site.spawn_central();
    until("the refusal is told", || central.log().contains("mend user and password_file").then_some(()));
    central.kill();
    fs::write(&password, "geheim\n").expect("written");
    drop(site.start_central());
}

#[test]
fn a_gateway_that_is_revoked_while_the_central_side_runs_is_told_and_believed_no_longer() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let mut central = site.start_central();
    let mut agent = site.start_listening();
    let upto = site.until_receipted();
    let mut revoke = Command::new(&product().central);
    revoke.arg("revoke").arg("--dir").arg(site.path("central")).args(["--gateway", GATEWAY, "--by", "N. N."]);
    let told = output(revoke.args(["--after", &upto.to_string()])).expect("revoked");
    assert!(told.contains("not trusted after record"), "{told}");
    let alarm = event("2026-01-01T00:00:00.000Z", true);
    site_broker.publish(&scene(7), alarm.as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    until("a receipt says revoked", || (site.receipts("revoked") > 0).then_some(()));
    assert!(site.until_receipted() > upto, "what it says is kept");
    let mut list = Command::new(&product().central);
    let list = list.arg("gateways").arg("--dir").arg(site.path("central")).args(["--gateway", GATEWAY]);
    let told = output(list).expect("a list");
    println!("{told}");
    let row = told.lines().find(|line| line.starts_with(GATEWAY)).expect("its row");
    assert!(row.trim_end().ends_with("0  revoked"), "no open alarm of it is shown: {row}");
    agent.must_run();
    central.must_run();
}
