//! From a token to an order in force, by the shipped programs alone and through a real broker.

use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, ask, product, python, told, until};
use serde_json::Value;
use simulator::product::repository;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const REGISTER: &str = r#"
[[equipment]]
id = "CAM-07"
kind = "camera"
place = "North gate"

[[equipment]]
id = "CAM-09"
kind = "camera"
place = "ordered by the centre"
"#;

/// Runs a program that must succeed; what it printed.
pub(crate) fn run(program: &Path, arguments: &[&str]) -> String {
    let output = ask(program, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    told(&output)
}

/// The fingerprint that `picket enroll` shows: thirteen groups of four.
pub(crate) fn fingerprint(shown: &str) -> String {
    let groups = |line: &&str| line.trim().split(' ').count() == 13 && line.trim().len() == 64;
    shown.lines().find(groups).unwrap_or_else(|| panic!("no fingerprint in {shown}")).trim().to_owned()
}

/// The code that `picket enroll` shows, as zxing reads it from a terminal that writes light on dark.
fn code(shown: &str) -> String {
    let glyphs = |line: &&str| line.contains(['█', '▀', '▄']);
    let code = shown.lines().filter(glyphs).collect::<Vec<_>>().join("\n");
    let mut reader = Command::new(python());
    reader.arg(repository().join("tests/peers/read_code.py")).env("PYTHONUTF8", "1");
    reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = reader.spawn().expect("Python runs");
    reader.stdin.take().expect("a pipe").write_all(code.as_bytes()).expect("it reads");
    let output = reader.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}\n{code}", told(&output));
    told(&output).trim().to_owned()
}

#[test]
fn a_gateway_is_enrolled_by_token_and_fingerprint_and_takes_orders_from_then_on() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let text = |name: &str| site.path(name).display().to_string();
    site.begin_anew();
    let (picket, central) = (&product().picket, &product().central);
    let (dir, config) = (text("central"), text("settings"));
    let (token, request, answer) = (text("token.jws"), text("request.jws"), text("answer.jws"));
    run(central, &["token", "--dir", &dir, "--site", "yard", "--gateway", GATEWAY, "--out", &token]);
    let shown = run(picket, &["enroll", "--config", &config, "--token", &token, "--out", &request]);
    let fingerprint = fingerprint(&shown);
    assert_eq!(code(&shown), fingerprint.replace(' ', ""), "{shown}");
    let approve = |fingerprint: &str, out: &str| {
        let who = ["--by", "N. N.", "--fingerprint", fingerprint, "--out", out];
        ask(central, &[&["approve", "--dir", &dir, "--request", &request], &who[..]].concat())
    };
    let wrong = approve(&fingerprint.replace(fingerprint.chars().next().expect("a letter"), "2"), &answer);
    assert_eq!(wrong.status.code(), Some(2), "{}", told(&wrong));
    assert!(!Path::new(&answer).exists(), "nothing was accepted");
    let right = approve(&fingerprint.to_lowercase(), &answer);
    assert!(right.status.success(), "{}", told(&right));
    let twice = approve(&fingerprint, &text("again.jws"));
    assert!(twice.status.success(), "{}", told(&twice));
    let texts = [&answer, &text("again.jws")].map(|file| fs::read_to_string(file).expect("an answer"));
    assert_eq!(texts[0], texts[1], "an answer that was lost is given again");
    run(picket, &["enroll", "--config", &config, "--answer", &answer]);

    let _central = site.start_central();
    let agent = site.start();
    site.until("the centre signs for records", |status| status["link"]["receipted"].as_u64().filter(|n| *n > 0));
    let (register, by) = (text("ordered.toml"), "N. N.");
    fs::write(&register, REGISTER).expect("written");
    let gateway = ["--dir", &dir, "--gateway", GATEWAY, "--by", by];
    run(central, &[&["order"], &gateway[..], &["--register", &register, "--set", "heartbeat_s=5"]].concat());
    let listed = |status: &Value, id: &str| status["equipment"].as_array()?.iter().find(|one| one["id"] == id).cloned();
    site.until("the ordered register is in force", |status| listed(status, "CAM-09"));
    site.until("what it does not list is not listed", |status| {
        listed(status, "CAM-08").is_none_or(|one| one["standing"] == "unlisted").then_some(())
    });
    run(central, &[&["command"], &gateway[..], &["heartbeat"]].concat());
    let kinds = || {
        site.received().iter().map(|record| record["kind"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    until("the centre has the gateway's word that the order is in force", || {
        kinds().iter().any(|kind| kind == "order.applied").then_some(())
    });
    until("the command is answered", || {
        site.received().iter().any(|record| record["data"]["command"] == 1).then_some(())
    });
    agent.kill();
    let _agent = site.start();
    site.until("the order is in force after a kill too", |status| listed(status, "CAM-09"));
    let details = run(central, &["gateways", "--dir", &dir, "--gateway", GATEWAY]);
    assert!(details.contains("order 1 is in force") && details.contains("command 1 was done"), "{details}");
}
