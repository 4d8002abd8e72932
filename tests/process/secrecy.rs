//! Keys stay where they belong: in one file, and in memory that nobody else reads.

use crate::installation::Installation;
use crate::programs::{Broker, Program, free_port, product, until};
use crate::records::{event, scene};
use picket_record::encode::{base64url, bytes32};
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const ABRT: i32 = 6;

/// Runs a shell script in a folder of its own, without a limit for cores.
fn aborted(folder: &Path, script: &str) -> ExitStatus {
    let script = format!("ulimit -c unlimited && {script}");
    Command::new("sh").args(["-c", &script]).current_dir(folder).status().expect("a shell")
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false if path.is_file() => found.push(path),
            false => {}
        }
    }
}

#[test]
fn an_agent_that_is_aborted_leaves_no_core() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let folder = tempfile::tempdir().expect("a folder");
    let here = aborted(folder.path(), "kill -ABRT $$");
    assert!(here.core_dumped(), "this machine writes no cores, so nothing is shown: {here}");
    let agent = site.spawn_without_core_limit("aborted.log", folder.path());
    site.until("it runs", |_| Some(()));
    let ended = agent.abort();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(ABRT), false));
}

#[test]
fn a_central_side_that_is_aborted_leaves_no_core() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let folder = tempfile::tempdir().expect("a folder");
    let here = aborted(folder.path(), "kill -ABRT $$");
    assert!(here.core_dumped(), "this machine writes no cores, so nothing is shown: {here}");
    let central = site.spawn_central_without_core_limit(folder.path());
    until("it runs", || central.log().contains("subscribed").then_some(()));
    let ended = central.abort();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(ABRT), false));
}

/// A command of the agent in a working folder, where the kernel may write cores of any size; aborted while it reads from a
/// pipe that nobody writes to.
fn aborted_reading(pipe: &Path, arguments: &[&OsStr], folder: &Path) -> ExitStatus {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(pipe).status().expect("coreutils").success());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(&product().picket).args(arguments);
    let mut reads = Program::start(command.current_dir(folder), &folder.join("log"));
    let flag = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag");
    // Without somebody who reads this is refused.
    let held = until("it reads", || {
        reads.must_run();
        fs::OpenOptions::new().write(true).custom_flags(flag).open(pipe).ok()
    });
    let ended = reads.abort();
    drop(held);
    ended
}

#[test]
fn a_command_that_reads_or_makes_the_identity_key_and_is_aborted_leaves_no_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = aborted(folder.path(), "kill -ABRT $$");
    assert!(here.core_dumped(), "this machine writes no cores, so nothing is shown: {here}");
    let site = Installation::make(free_port(), free_port());
    let (key, token, settings) = (folder.path().join("key"), folder.path().join("token"), site.settings());
    let [enroll, config, from] = ["enroll", "--config", "--token"].map(OsStr::new);
    for (pipe, arguments) in [
        (&key, &["identity".as_ref(), key.as_os_str()][..]),
        (&token, &[enroll, config, settings.as_os_str(), from, token.as_os_str()]),
    ] {
        let ended = aborted_reading(pipe, arguments, folder.path());
        assert_eq!((ended.signal(), ended.core_dumped()), (Some(ABRT), false), "{arguments:?}");
    }
}

#[test]
fn the_identity_key_is_in_its_file_and_nowhere_else() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let central = site.start_central();
    let agent = site.start_listening();
    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is reported", |status| status["alarms"][0]["reported"].as_bool().filter(|yes| *yes));
    let bundle = site.export("bundle");
    let key_file = site.path("identity.key");
    let text = fs::read_to_string(&key_file).expect("the key");
    let seed = bytes32(text.trim(), "key").expect("a key");
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms = [seed.to_vec(), base64url(&seed).into_bytes(), hex.into_bytes()];
    let mut all = Vec::new();
    files(&site.path("."), &mut all);
    assert!(all.iter().any(|file| file.starts_with(&bundle)), "the bundle is looked at too");
    assert!(all.len() > 10, "{all:?}");
    for file in all.iter().filter(|file| !file.ends_with("identity.key")) {
        let bytes = fs::read(file).expect("a file");
        let held = forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form));
        assert!(!held, "{} holds the identity key", file.display());
    }
    drop((agent, central));
}

#[test]
fn a_journal_that_others_could_read_is_closed_to_them_at_the_next_start() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    site.start().kill();
    fs::set_permissions(site.journal(), fs::Permissions::from_mode(0o644)).expect("our file");
    let agent = site.start();
    let mode = || fs::metadata(site.journal()).expect("it is there").permissions().mode() & 0o777;
    until("the file is closed to others", || (mode() == 0o600).then_some(()));
    assert!(agent.log().contains("others could use this file"), "{}", agent.log());
}
