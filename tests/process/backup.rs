//! A backup of a running agent, and what it becomes on another box under another identity.

use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, Program, ask, free_port, product, python, told, until};
use crate::records::{event, payload, scene};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use simulator::product::{output, repository};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Events that arrive while the backup is made.
const EVENTS: usize = 400;

fn backup(site: &Installation, name: &str) -> PathBuf {
    let out = site.path(name);
    let mut command = Command::new(&product().picket);
    command.arg("backup").arg(&out).arg("--runtime").arg(site.path("run")).arg("--config").arg(site.settings());
    println!("{}", output(command.args(["--by", "N. N.", "--reason", "new box"])).expect("a backup"));
    out
}

fn restore(backup: &Path, to: &Path) -> std::process::Output {
    ask(&product().picket, &[Path::new("restore"), backup, Path::new("--to"), to])
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_backup_made_while_records_are_written_becomes_an_archive_that_strangers_verify() {
    let broker = Broker::start();
    let site = Installation::make_enrolled(broker.port, broker.port);
    let _central = site.start_central();
    let _agent = site.start_listening();
    fs::write(site.settings().join("password"), "geheim\n").expect("written");
    let saved = std::thread::scope(|scope| {
        let states: Vec<String> = (0..EVENTS)
            .map(|n| event(&format!("2026-01-01T00:{:02}:{:02}.000Z", n / 60, n % 60), n % 2 == 0))
            .collect();
        scope.spawn(|| broker.publish_lines(&scene(7), &{ states }));
        site.until("the first of them are recorded", |status| status["alarms"][0]["recorded"].as_bool());
        backup(&site, "saved")
    });
    let key = fs::read(site.path("identity.key")).expect("the key");
    let key = String::from_utf8(key).expect("text");
    for file in files(&saved) {
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.contains(key.trim()) && !text.contains("geheim"), "{}", file.display());
    }
    let sums =
        Command::new("sha256sum").args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(&saved).output();
    let sums = sums.expect("sha256sum runs");
    assert!(sums.status.success(), "{}", told(&sums));

    let to = site.path("new-state");
    let restored = restore(&saved, &to);
    println!("{}", told(&restored));
    assert!(restored.status.success(), "{}", told(&restored));
    let archive = to.join("archive").join(GATEWAY);
    let out = site.path("of-the-archive");
    let mut export = Command::new(&product().picket);
    output(export.arg("export").arg("--archive").arg(&archive).arg("--out").arg(&out)).expect("an export");
    let root = site.settings().join("root.jws");
    for bundle in [archive.join("evidence"), out] {
        let verified = ask(&product().picket, &[Path::new("verify"), &bundle, Path::new("--root"), &root]);
        assert!(verified.status.success(), "{}", told(&verified));
        let script = repository().join("protocols/record/verifiers/verify.py");
        let stranger = ask(&python(), &[&script, &bundle, Path::new(&format!("--identity={}", site.identity))]);
        assert!(stranger.status.success(), "{}", told(&stranger));
    }
    let twice = restore(&saved, &to);
    assert_eq!(twice.status.code(), Some(3));
    assert!(told(&twice).contains("is there already"), "{}", told(&twice));
}

#[test]
fn a_backup_with_one_altered_missing_or_added_file_is_refused_by_its_name() {
    let site = Installation::make(free_port(), free_port());
    let _agent = site.start();
    let saved = backup(&site, "saved");
    let to = site.path("new-state");
    let refused = |name: &str| {
        let output = restore(&saved, &to);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(name) && said.contains("; nothing was restored"), "{name}: {said}");
        assert!(!to.join("archive").join(GATEWAY).exists(), "{name}");
    };
    for file in files(&saved) {
        let name = file.strip_prefix(&saved).expect("below").display().to_string();
        let good = fs::read(&file).expect("readable");
        let mut other = good.clone();
        other[good.len() / 2] ^= 1;
        fs::write(&file, other).expect("written");
        refused(&name);
        fs::remove_file(&file).expect("removed");
        refused(&name);
        fs::write(&file, good).expect("written");
    }
    fs::write(saved.join("evidence/more.txt"), "x").expect("written");
    refused("evidence/more.txt");
    fs::remove_file(saved.join("evidence/more.txt")).expect("removed");
    assert!(restore(&saved, &to).status.success());
}

/// The settings of an archive as an installer makes them those of another gateway.
fn settings_of(archive: &Path, site: &Installation, gateway: &str, page: u16) -> PathBuf {
    let settings = site.path("new-settings");
    fs::create_dir(&settings).expect("made");
    for name in ["agent.toml", "register.toml"] {
        let text = fs::read_to_string(archive.join("settings").join(name)).expect("saved");
        let text = text
            .replace(&format!("\"{GATEWAY}\""), &format!("\"{gateway}\""))
            .replace(&site.path("state").display().to_string(), &site.path("new-state").display().to_string())
            .replace(&site.path("identity.key").display().to_string(), &site.path("new.key").display().to_string())
            .replace(&site.path("run").display().to_string(), &site.path("new-run").display().to_string())
            .replace(&format!("127.0.0.1:{}", site.page()), &format!("127.0.0.1:{page}"));
        fs::write(settings.join(name), text).expect("written");
    }
    settings
}

/// Payloads that the central side has of a gateway.
fn received(site: &Installation, gateway: &str) -> Vec<Value> {
    let db = Connection::open_with_flags(site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the central store");
    let mut rows = db.prepare("SELECT line FROM record WHERE gw = ?1 ORDER BY seq").expect("a table");
    let lines: Vec<String> =
        rows.query_map([gateway], |row| row.get(0)).expect("rows").map(|l| l.expect("text")).collect();
    lines.iter().map(|line| payload(line)).collect()
}

#[test]
fn a_new_box_with_an_archive_enrols_under_another_name_and_its_first_records_say_whose_archive_it_holds() {
    let broker = Broker::start();
    let site = Installation::make_enrolled(broker.port, broker.port);
    let _central = site.start_central();
    let agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    let until = site.until_receipted();
    let saved = backup(&site, "saved");
    agent.kill();
    let to = site.path("new-state");
    assert!(restore(&saved, &to).status.success());
    let archive = to.join("archive").join(GATEWAY);
    let settings = settings_of(&archive, &site, "gw-2", free_port());
    site.enrol("gw-2", &settings);
    let start = || {
        let mut run = Command::new(&product().picket);
        Program::start(run.arg("run").arg("--config").arg(&settings), &site.path("new.log"))
    };
    let mut new = start();
    let records = until_received(&site, &mut new, 4);
    let at = records.iter().position(|record| record["kind"] == "records.restored").expect("it says so");
    assert_eq!(at, 2, "behind its opening and log.genesis");
    let data = &records[at]["data"];
    assert_eq!((data["gw"].as_str(), data["from"].as_u64()), (Some(GATEWAY), Some(1)));
    assert!(data["to"].as_u64() >= Some(until), "{data}");
    let last = fs::read_to_string(archive.join("evidence/records.jws")).expect("text");
    let link = picket_record::encode::line_link(last.lines().next_back().expect("a line"));
    assert_eq!(data["head"].as_str(), Some(picket_record::encode::base64url(&link).as_str()));
    new.kill();
    let mut again = start();
    let records = until_received(&site, &mut again, records.len() + 2);
    assert_eq!(records.iter().filter(|record| record["kind"] == "records.restored").count(), 1, "once");
    let mut list = Command::new(&product().central);
    let listed = output(list.arg("gateways").arg("--dir").arg(site.path("central"))).expect("a list");
    println!("{listed}");
    assert!(listed.contains("gw-1") && listed.contains("gw-2"), "{listed}");
}

fn until_received(site: &Installation, agent: &mut Program, count: usize) -> Vec<Value> {
    until("the central side has its records", || {
        agent.must_run();
        Some(received(site, "gw-2")).filter(|records| records.len() >= count)
    })
}
