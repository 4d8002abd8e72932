//! Evidence that strangers verify: Python with `cryptography`, and a shell with `openssl`, beside `picket verify`.

use crate::installation::Installation;
use crate::programs::{Broker, ask, product, python, told};
use crate::records::{count, event, motion, payloads, scene};
use simulator::product::repository;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Three verifiers that share no code with each other.
struct Verifiers {
    identity: String,
}

impl Verifiers {
    fn picket(&self, bundle: &Path) -> Output {
        let identity = Path::new(&self.identity);
        ask(&product().picket, &[Path::new("verify"), bundle, Path::new("--identity"), identity])
    }

    fn python(&self, bundle: &Path) -> Output {
        let script = repository().join("tests/peers/verify_bundle.py");
        // One word: argparse takes a key that begins with a hyphen for another option.
        let identity = format!("--identity={}", self.identity);
        ask(&python(), &[&script, bundle, Path::new(&identity)])
    }

    fn openssl(&self, bundle: &Path) -> Output {
        let script = repository().join("tests/peers/verify_openssl.sh");
        ask(Path::new("sh"), &[&script, &bundle.join("records.jws"), Path::new(&self.identity)])
    }
}

/// A copy of an export with other lines.
fn altered(bundle: &Path, name: &str, alter: impl FnOnce(&mut Vec<String>)) -> PathBuf {
    let copy = bundle.with_file_name(name);
    fs::create_dir(&copy).expect("made");
    for file in fs::read_dir(bundle).expect("a folder") {
        let file = file.expect("an entry").path();
        fs::copy(&file, copy.join(file.file_name().expect("a name"))).expect("copied");
    }
    let records = copy.join("records.jws");
    let text = fs::read_to_string(&records).expect("readable");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    alter(&mut lines);
    fs::write(&records, lines.join("\n") + "\n").expect("written");
    copy
}

/// The same line with the lowest bit of one byte of its signature turned round, as base64url.
pub(crate) fn with_flipped_bit(line: &str) -> String {
    let dot = line.rfind('.').expect("three parts");
    let (before, signature) = line.split_at(dot + 1);
    let mut bytes = picket_record::encode::from_base64url(signature, "signature").expect("base64url");
    bytes[20] ^= 1;
    format!("{before}{}", picket_record::encode::base64url(&bytes))
}

/// An export with camera events in two epochs, one of which a kill ended.
fn exported(site: &Installation, broker: &Broker) -> PathBuf {
    let agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    agent.kill();
    let agent = site.start();
    let head = site.until("the agent has a head", |status| status["journal"]["head"].as_u64());
    broker.publish(&motion(8), event("2026-01-01T00:00:01.000Z", true).as_bytes(), &[]);
    broker.publish(&scene(7), event("2026-01-01T00:00:02.000Z", false).as_bytes(), &[]);
    site.until("three more records", |status| (status["journal"]["head"].as_u64()? >= head + 3).then_some(()));
    let out = site.export("evidence");
    drop(agent);
    out
}

#[test]
fn an_exported_bundle_is_verified_by_python_and_openssl() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let central = site.start_central();
    let bundle = exported(&site, &broker);
    drop(central);
    let records = payloads(&bundle.join("records.jws"));
    assert_eq!(count(&records, "epoch.open"), 2);
    let verifiers = Verifiers { identity: site.identity.clone() };
    for output in [verifiers.picket(&bundle), verifiers.python(&bundle), verifiers.openssl(&bundle)] {
        assert!(output.status.success(), "{}", told(&output));
        print!("{}", told(&output));
    }

    let middle = records.len() / 2;
    let flipped = altered(&bundle, "flipped", |lines| lines[middle] = with_flipped_bit(&lines[middle]));
    let dropped = altered(&bundle, "dropped", |lines| drop(lines.remove(middle)));
    let swapped = altered(&bundle, "swapped", |lines| lines.swap(middle, middle + 1));
    for wrong in [flipped, dropped, swapped] {
        let line = format!("line {}:", middle + 1);
        let (picket, python, openssl) = (verifiers.picket(&wrong), verifiers.python(&wrong), verifiers.openssl(&wrong));
        let named = format!("{}: {}{}{}", wrong.display(), told(&picket), told(&python), told(&openssl));
        assert_eq!((picket.status.code(), python.status.code()), (Some(1), Some(1)), "{named}");
        assert_eq!(openssl.status.code(), Some(1), "{named}");
        assert!(told(&picket).contains(&line) && told(&python).contains(&line), "{named}");
    }
}
