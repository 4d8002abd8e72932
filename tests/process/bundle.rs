//! Evidence that strangers verify: Python with `cryptography`, Node.js with `jose`, and a shell with `openssl`, beside
//! `picket verify`.

use crate::agreement::{Reader, Said, with_openssl, words};
use crate::installation::Installation;
use crate::programs::{Broker, ask, product, python, told};
use crate::records::{count, event, motion, payloads, scene};
use picket_record::bundle::Seal;
use simulator::product::repository;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Verifiers that share no code with the product, nor with each other.
pub(crate) struct Verifiers {
    pub(crate) identity: String,
}

impl Verifiers {
    pub(crate) fn picket(&self, bundle: &Path) -> Output {
        let identity = Path::new(&self.identity);
        ask(&product().picket, &[Path::new("verify"), bundle, Path::new("--identity"), identity])
    }

    pub(crate) fn python(&self, bundles: &[PathBuf]) -> Output {
        self.stranger(Command::new(python()).arg(verifier("verify.py")), bundles)
    }

    pub(crate) fn node(&self, bundles: &[PathBuf]) -> Output {
        self.stranger(node().arg(verifier("verify.mjs")), bundles)
    }

    pub(crate) fn openssl(&self, bundles: &[PathBuf]) -> Output {
        self.stranger(Command::new("sh").arg(verifier("verify.sh")), bundles)
    }

    fn stranger(&self, command: &mut Command, bundles: &[PathBuf]) -> Output {
        // One word: a key may begin with a hyphen.
        command.arg(format!("--identity={}", self.identity));
        ran(command.args(bundles))
    }
}

pub(crate) fn verifier(name: &str) -> PathBuf {
    repository().join("protocols/record/verifiers").join(name)
}

pub(crate) fn vectors() -> PathBuf {
    repository().join("protocols/record/vectors/v1")
}

pub(crate) fn ran(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Node.js with `jose`, as `tests/run install` lays them out.
pub(crate) fn node() -> Command {
    let node = simulator::product::node().expect("Node.js: run tests/run install");
    let modules = std::env::var_os("VERIFIER_MODULES");
    let modules = modules.map_or_else(|| repository().join("target/verifiers"), PathBuf::from);
    for file in [&node, &modules.join("node_modules/jose")] {
        assert!(file.exists(), "there is no {}: run tests/run install", file.display());
    }
    let mut command = Command::new(node);
    command.env("VERIFIER_MODULES", modules);
    command
}

/// A copy of an export.
fn copied(bundle: &Path, name: &str) -> PathBuf {
    let copy = bundle.with_file_name(name);
    fs::create_dir(&copy).expect("made");
    for file in fs::read_dir(bundle).expect("a folder") {
        let file = file.expect("an entry").path();
        fs::copy(&file, copy.join(file.file_name().expect("a name"))).expect("copied");
    }
    copy
}

/// A copy of an export with other lines.
fn altered(bundle: &Path, name: &str, alter: impl FnOnce(&mut Vec<String>)) -> PathBuf {
    let copy = copied(bundle, name);
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
fn an_exported_bundle_is_verified_by_strangers() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let central = site.start_central();
    let bundle = exported(&site, &broker);
    drop(central);
    let records = payloads(&bundle.join("records.jws"));
    assert_eq!(count(&records, "epoch.open"), 2);
    let verifiers = Verifiers { identity: site.identity.clone() };
    let one = [bundle.clone()];
    for output in [verifiers.picket(&bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
        assert!(output.status.success(), "{}", told(&output));
        print!("{}", told(&output));
    }
    // Whoever knows a root document is not content with a bundle that has none.
    let hash = "A".repeat(43);
    let mut pinned =
        vec![ask(&product().picket, &[Path::new("verify"), &bundle, "--root-hash".as_ref(), hash.as_ref()])];
    for mut command in [Command::new(python()), node(), Command::new("sh")] {
        let script = ["verify.py", "verify.mjs", "verify.sh"][pinned.len() - 1];
        pinned.push(ran(command.arg(verifier(script)).arg(format!("--root={hash}")).arg(&bundle)));
    }
    for output in pinned {
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).contains("root-unknown"), "{}", told(&output));
    }

    let middle = records.len() / 2;
    let flipped = altered(&bundle, "flipped", |lines| lines[middle] = with_flipped_bit(&lines[middle]));
    let dropped = altered(&bundle, "dropped", |lines| drop(lines.remove(middle)));
    let swapped = altered(&bundle, "swapped", |lines| lines.swap(middle, middle + 1));
    let wrong = [flipped, dropped, swapped];
    for output in [verifiers.python(&wrong), verifiers.node(&wrong), verifiers.openssl(&wrong)] {
        let said = told(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches("verdict: refused").count(), wrong.len(), "{said}");
        assert!(said.matches(&format!("line {}:", middle + 1)).count() >= wrong.len(), "{said}");
    }
    for wrong in wrong {
        let picket = verifiers.picket(&wrong);
        let named = format!("{}: {}", wrong.display(), told(&picket));
        assert_eq!(picket.status.code(), Some(1), "{named}");
        assert!(told(&picket).contains(&format!("line {}:", middle + 1)), "{named}");
    }
}

#[test]
fn a_bundle_of_any_range_verifies_by_the_root_that_an_auditor_has_and_one_turned_bit_in_any_file_refuses_it() {
    let broker = Broker::start();
    let site = Installation::make_enrolled(broker.port, broker.port);
    let _central = site.start_central();
    let agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    agent.kill();
    let _agent = site.start_listening();
    let receipted = site.until_receipted();
    broker.publish(&motion(8), event("2026-01-01T00:00:01.000Z", true).as_bytes(), &[]);
    site.until("more records", |status| (status["journal"]["head"].as_u64()? > receipted).then_some(()));
    let whole = site.export("whole");
    let root = site.path("root-of-the-auditor.jws");
    fs::copy(site.settings().join("root.jws"), &root).expect("copied");
    let pinned = |bundle: &Path| ask(&product().picket, &[Path::new("verify"), bundle, Path::new("--root"), &root]);
    let today = payloads(&whole.join("records.jws"))[0]["wall"].as_str().expect("a time")[..10].to_owned();
    let records = payloads(&whole.join("records.jws"));
    let opening = records.iter().rposition(|record| record["kind"] == "epoch.open").expect("two epochs");
    let from = records[opening]["seq"].as_u64().expect("a number");
    let (late, until_now) = ((from + 1).to_string(), (from + 2).to_string());
    let ranges = [
        ("by-number", vec!["--from", &late, "--to", &until_now], from),
        ("early", vec!["--to", "3"], 1),
        ("by-day", vec!["--from", &today, "--to", &today], 1),
    ];
    let mut bundles = vec![whole.clone()];
    for (name, range, first) in ranges {
        let bundle = site.export_of(name, &range);
        assert_eq!(payloads(&bundle.join("records.jws"))[0]["seq"].as_u64(), Some(first), "{name}");
        bundles.push(bundle);
    }
    let verifiers = Verifiers { identity: site.identity.clone() };
    for bundle in &bundles {
        let one = [bundle.clone()];
        for output in [pinned(bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
            assert!(output.status.success(), "{}: {}", bundle.display(), told(&output));
        }
    }
    let said = told(&pinned(&whole));
    println!("{said}");
    assert!(said.contains("by N. N., for: case 7") && said.contains("the root document that you gave"), "{said}");
    let alone = told(&ask(&product().picket, &[Path::new("verify"), &whole]));
    assert!(alone.contains("NOTHING BUT THE BUNDLE ITSELF"), "{alone}");
    let nobodys = copied(&whole, "nobodys");
    fs::remove_file(nobodys.join("enrol.jws")).expect("it is there");
    let nobodys = ask(&product().picket, &[Path::new("verify"), &nobodys]);
    let (code, nobodys) = (nobodys.status.code(), told(&nobodys));
    assert!(code == Some(1) && nobodys.contains("whose records these are"), "{nobodys}");
    assert!(!nobodys.contains("agrees with itself"), "{nobodys}");

    let other = ["verify".as_ref(), whole.as_os_str(), "--root-hash".as_ref(), "A".repeat(43).as_ref()]
        .map(|a: &std::ffi::OsStr| a.to_owned());
    let stranger = ask(&product().picket, &other);
    assert_eq!(stranger.status.code(), Some(1), "{}", told(&stranger));
    assert!(told(&stranger).contains("[root-unknown]"), "{}", told(&stranger));

    one_turned_bit_refuses(&whole, &verifiers, pinned);
}

/// In any file of a bundle, whoever reads it.
fn one_turned_bit_refuses(whole: &Path, verifiers: &Verifiers, pinned: impl Fn(&Path) -> Output) {
    let mut flipped = Vec::new();
    for entry in fs::read_dir(whole).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let copy = copied(whole, &format!("flipped-{name}"));
        let mut bytes = fs::read(copy.join(&name)).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(copy.join(&name), bytes).expect("written");
        flipped.push(copy);
    }
    assert!(flipped.len() >= 6, "{flipped:?}");
    for copy in &flipped {
        let refused = pinned(copy);
        assert_eq!(refused.status.code(), Some(1), "{}: {}", copy.display(), told(&refused));
    }
    for output in [verifiers.python(&flipped), verifiers.node(&flipped), verifiers.openssl(&flipped)] {
        assert_eq!(told(&output).matches("verdict: refused").count(), flipped.len(), "{}", told(&output));
    }
}

#[test]
fn every_verifier_names_the_broken_rule_by_the_same_word() {
    let expected = fs::read_to_string(vectors().join("reasons.tsv")).expect("the words");
    let vectors = vectors();
    let commands = [
        Command::new(python()).arg(verifier("verify.py")).arg("--mutations").arg(&vectors).output(),
        node().arg(verifier("verify.mjs")).arg("--mutations").arg(&vectors).output(),
        Command::new("sh").arg(verifier("verify.sh")).arg("--mutations").arg(&vectors).output(),
    ];
    for output in commands {
        assert_eq!(told(&output.expect("it runs")), expected);
    }
}

/// One change to each line of every file of the frozen bundle, each kind of change in its turn.
fn changed_bundles(out: &Path) -> Vec<PathBuf> {
    let bundle = vectors().join("bundle");
    let files = ["records.jws", "receipts.jws", "root.jws", "enrol.jws", "orders.jws", "summaries.jws", "branches.jws"];
    let mut made = Vec::new();
    for file in files.into_iter().chain(["sidecar.json", "MANIFEST.jws"]) {
        let text = fs::read_to_string(bundle.join(file)).expect("a file of the bundle");
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let mut other: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            match made.len() % 6 {
                0 => drop(other.remove(at)),
                1 => other.insert(at, lines[at].to_owned()),
                2 => other[at].truncate(lines[at].len() - 1),
                3 => other[at].push('='),
                4 if at + 1 < lines.len() => other.swap(at, at + 1),
                _ => {
                    let mut bytes = lines[at].as_bytes().to_vec();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    other[at] = String::from_utf8(bytes).expect("still ASCII");
                }
            }
            let folder = out.join(format!("{file}-{at}"));
            fs::create_dir(&folder).expect("made");
            for entry in fs::read_dir(&bundle).expect("a folder") {
                let entry = entry.expect("an entry").path();
                fs::copy(&entry, folder.join(entry.file_name().expect("a name"))).expect("copied");
            }
            fs::write(folder.join(file), other.join("\n") + "\n").expect("written");
            made.push(folder);
        }
    }
    made
}

#[test]
fn every_verifier_accepts_the_frozen_bundle_and_refuses_every_change_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = fs::read_to_string(vectors().join("keys.tsv")).expect("the keys");
    let identity = keys.lines().next().and_then(|row| row.split('\t').nth(2)).expect("the identity").to_owned();
    let verifiers = Verifiers { identity };
    let good = [vectors().join("bundle")];
    assert!(verifiers.picket(&good[0]).status.success());
    let mut words = Vec::new();
    for output in [verifiers.python(&good), verifiers.node(&good), verifiers.openssl(&good)] {
        assert!(output.status.success(), "{}", told(&output));
        let said = told(&output);
        let losses = said.lines().filter(|line| line.starts_with("declared loss: "));
        words.push(losses.map(|line| line.split(": ").nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(words[0].len(), 8);
    assert!(words.iter().all(|list| *list == words[0]), "{words:?}");

    let changed = changed_bundles(folder.path());
    // The shell checks each key with arithmetic of its own, so it gets a sample, of every kind of change in its turn.
    let few: Vec<PathBuf> = changed.iter().step_by(13).cloned().collect();
    for (output, n) in [
        (verifiers.python(&changed), changed.len()),
        (verifiers.node(&changed), changed.len()),
        (verifiers.openssl(&few), few.len()),
    ] {
        assert_eq!(told(&output).matches("verdict: refused").count(), n, "{}", told(&output));
    }
}

/// Nothing in it moves a cursor or turns a line around.
fn is_plain(said: &str) -> bool {
    let moves = |c: char| c != '\n' && (c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c));
    !said.contains(moves)
}

/// Lines that tell a verdict, of the verifier or of a bundle that would speak for it.
fn verdicts(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("verdict")).count()
}

/// Bundles made by another encoder, below a folder: whose they are, and each mutant with the word for what is wrong.
fn made_elsewhere(made: &Path) -> (Verifiers, Vec<(String, String)>) {
    let output = ran(Command::new(python()).arg(verifier("make_bundle.py")).arg(made));
    assert!(output.status.success(), "{}", told(&output));
    let expected = fs::read_to_string(made.join("expected.tsv")).expect("the words");
    let row = |row: &str| row.split_once('\t').map(|(mutant, word)| (mutant.to_owned(), word.to_owned()));
    (Verifiers { identity: told(&output).trim().to_owned() }, expected.lines().filter_map(row).collect())
}

#[test]
#[ignore = "minutes: tests/run verifiers-long"]
fn the_shell_says_of_every_bundle_made_by_another_encoder_what_the_product_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("made");
    let (verifiers, mutants) = made_elsewhere(&made);
    let bundles: Vec<PathBuf> = mutants.iter().map(|(mutant, _)| made.join(mutant)).collect();
    let reader = Reader { identity: Some(verifiers.identity), seal: Seal::Demanded };
    let said = reader.agree(&bundles, vec![("verify.sh", with_openssl())]);
    for ((mutant, word), (words, verified)) in mutants.iter().zip(said) {
        assert!(!verified && words.iter().any(|said| said.ends_with(&format!(":{word}"))), "{mutant}: {words:?}");
    }
}

#[test]
fn bundles_made_by_another_encoder_are_read_by_everybody_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("made");
    let (verifiers, mutants) = made_elsewhere(&made);
    let good = ["good", "rollback", "lost"].map(|name| made.join(name));
    let shipped = good.each_ref().map(|bundle| verifiers.picket(bundle));
    let others = [verifiers.python(&good), verifiers.node(&good), verifiers.openssl(&good)];
    for output in shipped.into_iter().chain(others) {
        assert!(output.status.success(), "{}", told(&output));
        assert!(is_plain(&told(&output)), "{:?}", told(&output));
    }
    for bundle in &good {
        assert_eq!(verdicts(&told(&verifiers.picket(bundle))), 1, "{}", bundle.display());
    }
    let bundles: Vec<PathBuf> = mutants.iter().map(|(mutant, _)| made.join(mutant)).collect();
    let reader = Reader { identity: Some(verifiers.identity.clone()), seal: Seal::Demanded };
    let ours: Vec<Said> = bundles.iter().map(|bundle| reader.product(bundle)).collect();
    for ((mutant, word), bundle) in mutants.iter().zip(&bundles) {
        let said = told(&verifiers.picket(bundle));
        assert!(said.contains(&format!("[{word}]")), "{mutant}: {said}");
        assert!(is_plain(&said) && verdicts(&said) == 1, "{mutant}: {said:?}");
    }
    // The shell checks each key with arithmetic of its own, so it gets the last rule, a promised key, and what its own
    // reader of files beside the records decides.
    let few = mutants.iter().position(|(mutant, word)| mutant != word).expect("files that are wrong") - 1;
    assert_eq!(mutants[few].0, "break-key");
    for (output, from) in
        [(verifiers.python(&bundles), 0), (verifiers.node(&bundles), 0), (verifiers.openssl(&bundles[few..]), few)]
    {
        let said = told(&output);
        assert!(is_plain(&said), "{said:?}");
        let theirs = words(&said);
        assert_eq!(theirs.len(), ours[from..].len(), "{said}");
        for (at, part) in said.split("== ").skip(1).enumerate() {
            assert_eq!(theirs[at], ours[from + at], "{}: {part}", mutants[from + at].0);
            assert_eq!(verdicts(part), 1, "{part}");
        }
    }
}
