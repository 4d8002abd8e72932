//! Who did something: beside the record on the gateway, at the central side and in a bundle, until it is erased.

use crate::bundle::Verifiers;
use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, ask, product, told, until};
use crate::records::{count, event, payloads, scene};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "Adeyemi-Schwarzenbach";

/// The camera's alarm: on a slow machine a line may have one of its own for a moment.
fn alarm(status: &Value) -> Option<&Value> {
    status["alarms"].as_array()?.iter().find(|alarm| alarm["rule"] == "view-lost" && alarm["recorded"] == true)
}

/// Acknowledges the open alarm as the page's script does.
fn acknowledge(site: &Installation) {
    let host = format!("127.0.0.1:{}", site.page());
    let shell = site.get("/").expect("the page is served");
    let token = shell.split("name=\"picket-token\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let alarm = alarm(&site.status().expect("it runs")).expect("it is open").clone();
    // The page shows a status a moment after the control socket.
    let id = alarm["id"].as_str().expect("an id");
    until("the page shows it", || {
        let status = site.get("/api/v1/status").expect("the page is served");
        status.contains(id).then_some(())
    });
    let body = json!({ "alarm": alarm["id"], "times": alarm["times"], "since_ms": alarm["since_ms"], "by": NAME,
        "note": "seen on camera", "token": token.expect("a token") });
    let body = body.to_string();
    let request = format!(
        "POST /api/v1/acknowledge HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = site.ask_page(&request).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

/// What the central side tells of the gateway.
fn details(site: &Installation) -> String {
    let mut command = Command::new(&product().central);
    let command = command.arg("gateways").arg("--dir").arg(site.path("central")).args(["--gateway", GATEWAY]);
    told(&command.output().expect("it runs"))
}

fn all_verify(site: &Installation, bundle: &Path) {
    let verifiers = Verifiers { identity: site.identity.clone() };
    let one = [bundle.to_owned()];
    for output in [verifiers.picket(bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
        assert!(output.status.success(), "{}", told(&output));
    }
}

/// Files of the journal that hold a text, as they lie on the disk.
fn holding(site: &Installation, text: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(site.path("state")).expect("a folder");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let holds = |file: &PathBuf| {
        let bytes = fs::read(file).expect("readable");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.filter(holds).collect()
}

#[test]
fn a_guards_name_goes_where_labels_let_it_and_is_gone_everywhere_once_it_is_erased() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let settings = site.settings().join("agent.toml");
    let text = fs::read_to_string(&settings).expect("settings");
    fs::write(&settings, text + "\n[sensitivity]\nexport = \"personal\"\nloosen = [\"export\"]\n").expect("written");
    let central = site.start_central();
    let agent = site.start_listening();
    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| alarm(status).map(drop));
    acknowledge(&site);
    site.until("it is acknowledged", |status| alarm(status).filter(|alarm| alarm["acknowledged_by"] == NAME).map(drop));
    site.until_receipted();
    until("the central side has the name", || details(&site).contains(NAME).then_some(()));

    let bundle = site.export("disclosing");
    let records = payloads(&bundle.join("records.jws"));
    let act = records.iter().find(|record| record["kind"] == "act.acknowledged").expect("the act");
    assert!(act["pii"].is_string() && !act.to_string().contains(NAME), "{act:#}");
    assert!(fs::read_to_string(bundle.join("sidecar.json")).expect("it is there").contains(NAME));
    all_verify(&site, &bundle);
    assert!(!holding(&site, NAME).is_empty());

    let seq = act["seq"].to_string();
    let mut erase = Command::new(&product().picket);
    erase.arg("erase").arg("--runtime").arg(site.path("run")).args(["--records", &seq]);
    let output = erase.args(["--authority", "data protection office", "--reason", "asked for"]).output().expect("runs");
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("what 1 record had"), "{}", told(&output));
    site.until("the name is shown no longer", |status| {
        alarm(status).filter(|alarm| alarm["acknowledged_by"] == "(name not kept)").map(drop)
    });
    assert_eq!(holding(&site, NAME), Vec::<PathBuf>::new());
    site.until_receipted();
    until("the central side has erased it", || (!details(&site).contains(NAME)).then_some(()));
    assert!(
        details(&site).contains(&format!("record {seq} (act.acknowledged): erased by record")),
        "{}",
        details(&site)
    );
    assert!(site.disclosed().is_empty() && site.quarantine().is_empty(), "{:?}", site.quarantine());

    let bundle = site.export("erased");
    assert!(!bundle.join("sidecar.json").exists());
    all_verify(&site, &bundle);
    assert_eq!(count(&payloads(&bundle.join("records.jws")), "personal.erased"), 1);
    let identity = Path::new(&site.identity);
    let verdict = told(&ask(&product().picket, &[Path::new("verify"), &bundle, Path::new("--identity"), identity]));
    assert!(verdict.contains("personal data of 1 record: erased, or not disclosed here"), "{verdict}");
    let log = agent.log() + &central.log();
    assert!(log.contains("a guard acknowledges an alarm") && !log.contains(NAME), "{log}");

    // Nobody learns more by a demand that is wrong.
    let mut erase = Command::new(&product().picket);
    erase.arg("erase").arg("--runtime").arg(site.path("run")).args(["--records", "1..999999", "--authority", "office"]);
    let output = erase.output().expect("it runs");
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("name records that are there"), "{}", told(&output));
}
