//! `picket report` over a bundle of the shipped programs: its figures against counts of the records themselves.

use crate::installation::Installation;
use crate::programs::{Broker, product, told};
use crate::records::{count, event, payloads, scene};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn report(kind: &str, bundle: &Path, more: &[&str]) -> Output {
    let mut report = Command::new(&product().picket);
    report.arg("report").arg(kind).arg("--from-bundle").arg(bundle).args(more);
    report.output().expect("picket starts")
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).expect("written")).expect("JSON")
}

#[test]
fn r18_a_report_says_what_the_records_of_a_verified_bundle_come_to_and_a_bundle_that_was_touched_gives_none() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let _central = site.start_central();
    let _agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    site.until_receipted();
    let bundle = site.export("bundle");
    let records = payloads(&bundle.join("records.jws"));

    let (page, figures) = (site.path("kpi.html"), site.path("kpi.json"));
    let (page_name, figures_name) = (page.display().to_string(), figures.display().to_string());
    let pinned = ["--identity", &site.identity, "--out", &page_name, "--json", &figures_name];
    let made = report("kpi", &bundle, &pinned);
    assert!(made.status.success(), "{}", told(&made));
    let kpi = read(&figures);
    let source = &kpi["source"];
    assert_eq!(
        (&source["trust"], &source["gateway"], &source["site"]),
        (&json!("identity"), &json!("gw-1"), &json!("yard"))
    );
    assert_eq!(source["records"].as_u64(), Some(records.len() as u64));
    assert_eq!(kpi["period"]["records"], source["records"]);
    let rang = records.iter().filter(|of| of["kind"] == "alarm.raised" && of["data"]["rings"] == true).count();
    let counted =
        |pointer: &str| kpi.pointer(pointer).and_then(Value::as_u64).map(|n| usize::try_from(n).expect("small"));
    assert!(rang > 0);
    assert_eq!(counted("/kpi/answered/rang"), Some(rang));
    assert_eq!(counted("/kpi/answered/waiting"), Some(rang));
    assert_eq!(counted("/kpi/incidents/n"), Some(count(&records, "incident.opened")));
    assert_eq!(counted("/kpi/nonconformities/all/opened"), Some(count(&records, "nonconformity.opened")));
    // The page names the JSON by its digest, which another program computes.
    let digest = Command::new("sha256sum").arg(&figures).output().expect("sha256sum runs");
    let digest = String::from_utf8_lossy(&digest.stdout)[..64].to_owned();
    assert!(fs::read_to_string(&page).expect("written").contains(&digest));

    let register = site.settings().join("register.toml").display().to_string();
    let json_file = site.path("deployment.json").display().to_string();
    let made = report("deployment", &bundle, &["--register", &register, "--json", &json_file]);
    assert!(made.status.success() && told(&made).contains("against itself alone"), "{}", told(&made));
    let deployment = &read(Path::new(&json_file))["deployment"];
    assert_eq!((&deployment["registered"], &deployment["register_in_force"]), (&json!(2), &json!(true)));
    let of_camera = records.iter().filter(|record| record["eq"] == "CAM-07").count();
    assert_eq!(deployment["all"]["listed"][0]["records"].as_u64(), Some(of_camera as u64));

    let evidence = site.path("evidence.html").display().to_string();
    let made = report("evidence", &bundle, &["--clause", "4.5.3", "--out", &evidence]);
    assert!(made.status.success(), "{}", told(&made));
    assert!(fs::read_to_string(&evidence).expect("written").contains("alarm.raised"));
    for (kind, more, said) in [
        ("evidence", ["--clause", "9.9", "--json", "/dev/null/x"], "no clause \"9.9\"; one of 28000-10.2"),
        ("kpi", ["--from", "yesterday", "--json", "/dev/null/x"], "--from \"yesterday\" is no day"),
        ("kpi", ["--identity", &site.identity, "--json", &figures_name], "kpi.json is there already"),
    ] {
        let wrong = report(kind, &bundle, &more);
        assert!(wrong.status.code() == Some(2) && told(&wrong).contains(said), "{}", told(&wrong));
    }

    // One line less: whatever is left of it, no report rests on it.
    let lines = fs::read_to_string(bundle.join("records.jws")).expect("readable");
    let kept: Vec<&str> = lines.lines().enumerate().filter(|(n, _)| *n != 3).map(|(_, line)| line).collect();
    fs::write(bundle.join("records.jws"), kept.join("\n") + "\n").expect("written");
    let none = site.path("none.html").display().to_string();
    let refused = report("kpi", &bundle, &["--identity", &site.identity, "--out", &none]);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("See picket verify") && !Path::new(&none).exists(), "{}", told(&refused));
}
