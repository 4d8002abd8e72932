//! `picket export` where the agent does not say that it was all, where the disk has no room, and who may read what the
//! programs write.

use crate::installation::Installation;
use crate::programs::{Broker, Program, ask, free_port, product, told, until};
use crate::records::{event, motion, scene};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

const PAPERS: &[u8] = b"{\"site\":\"yard\",\"gw\":\"gw-1\",\"from\":1,\"to\":2,\"bytes\":8,\"acceptance\":\"a\",\
    \"identity\":\"key\",\"root\":\"\",\"orders\":\"\"}\n";

/// Answers one client after the other with these bytes, and goes away, as an agent that is killed does. Where it is to
/// stay, it waits for the last client to go instead.
fn agent_that_says(runtime: &Path, said: Vec<Vec<u8>>, stays: bool) -> std::thread::JoinHandle<()> {
    let _ = fs::remove_file(runtime.join("control.sock"));
    let listener = UnixListener::bind(runtime.join("control.sock")).expect("bound");
    std::thread::spawn(move || {
        let last = said.len();
        for (n, said) in said.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().expect("a client");
            BufReader::new(&stream).read_line(&mut String::new()).expect("a question");
            // Who is killed does not read to the end.
            let written = stream.write_all(&said);
            assert!(stays || written.is_ok(), "{written:?}");
            if stays && n + 1 == last {
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
    })
}

fn export(runtime: &Path, out: &Path) -> Command {
    let mut export = Command::new(&product().picket);
    export.arg("export").arg("--runtime").arg(runtime).arg("--out").arg(out);
    export.args(["--by", "N. N.", "--reason", "case 7"]);
    export
}

#[test]
fn a_path_to_verify_that_is_not_there_is_named_before_anything_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("evidence");
    let output = ask(&product().picket, &[Path::new("verify"), &none]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("{}: No such file", none.display())), "{said}");
}

#[test]
fn an_export_that_the_agent_did_not_finish_is_told_and_leaves_nothing() {
    for (said, cause) in [
        (vec![PAPERS.to_vec(), b"one\ntwo\n".to_vec()], "stopped in the middle"),
        (vec![PAPERS.to_vec(), b"one\n{\"error\":\"disk gone\"}\n".to_vec()], "the agent says: disk gone"),
        (vec![b"{\"error\":\"disk gone\"}\n".to_vec()], "the agent says: disk gone"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = agent_that_says(folder.path(), said, false);
        let output = export(folder.path(), &folder.path().join("out")).output().expect("it runs");
        agent.join().expect("it answered");
        let said = told(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(cause) && said.contains("try again; nothing was exported"), "{said}");
        let left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("one").file_name()).collect();
        assert_eq!(left, ["control.sock"]);
    }
}

#[test]
fn an_export_that_is_killed_leaves_nothing_that_looks_whole_and_the_next_one_takes_it_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, half) = (folder.path().join("out"), folder.path().join("out.unfinished"));
    let said = vec![PAPERS.to_vec(), [&b"x".repeat(100_000)[..], b"\n"].concat().repeat(3)];
    let agent = agent_that_says(folder.path(), said, true);
    let exporting = Program::start(&mut export(folder.path(), &out), &folder.path().join("export.log"));
    until("it has begun to write", || half.join("records.jws").exists().then_some(()));
    exporting.kill();
    agent.join().expect("its client is gone");
    assert!(!out.exists() && half.exists() && !half.join("MANIFEST.jws").exists());
    let said = told(&ask(&product().picket, &[Path::new("verify"), &half, Path::new("--identity"), Path::new("x")]));
    assert!(!said.contains("verdict           verified"), "{said}");

    let seal = b"{\"seq\":3,\"opened\":1,\"opening\":\"o\",\"line\":\"l\"}\n".to_vec();
    let records = b"one\ntwo\n{\"lines\":2,\"last\":2}\n".to_vec();
    let mut said = vec![PAPERS.to_vec(), records];
    said.extend([const { b"{\"lines\":0,\"last\":0}\n" }; 4].map(|nothing| nothing.to_vec()));
    said.push(seal);
    let agent = agent_that_says(folder.path(), said, false);
    let output = export(folder.path(), &out).output().expect("it runs");
    agent.join().expect("it answered");
    assert!(output.status.success(), "{}", told(&output));
    assert!(out.join("MANIFEST.jws").exists() && !half.exists());
}

#[test]
fn an_export_or_a_backup_that_finds_no_room_says_so_leaves_nothing_and_records_flow_on() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, free_port());
    let _agent = site.start_listening();
    broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    let head = site.until("the alarm is recorded", |status| {
        status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes)?;
        status["journal"]["head"].as_u64()
    });
    let (run, config, out) = (site.path("run"), site.settings(), site.path("out"));
    // No file grows beyond 1 KiB, and the program is told of it instead of being ended.
    let narrow = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f 2; exec \"$0\" {command} --by 'N. N.' --reason test")]);
        shell.arg(&product().picket).env("RUN", &run).env("CONFIG", &config).env("OUT", &out);
        shell.output().expect("a shell")
    };
    for command in
        ["export --runtime \"$RUN\" --out \"$OUT\"", "backup --runtime \"$RUN\" --config \"$CONFIG\" \"$OUT\""]
    {
        let output = narrow(command);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("out.unfinished/") && said.contains("File too large") && said.contains("; nothing was"),
            "{said}"
        );
        assert!(!out.exists() && !site.path("out.unfinished").exists(), "{said}");
    }
    broker.publish(&motion(8), event("2026-01-01T00:00:01.000Z", true).as_bytes(), &[]);
    site.until("records flow on", |status| (status["journal"]["head"].as_u64()? > head).then_some(()));
    let exported = site.export("out");
    assert!(exported.join("MANIFEST.jws").exists());
}

/// Every file and folder below that others than the owner may use.
fn open_to_others(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let about = fs::symlink_metadata(&path).expect("it is there");
        if about.permissions().mode() & 0o077 != 0 {
            found.push(format!("{} {:o}", path.display(), about.permissions().mode()));
        }
        if about.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[test]
fn what_the_programs_write_is_their_owners_alone() {
    let site = Installation::make(Broker::start().port, free_port());
    let agent = site.start();
    let out = site.export("evidence");
    let mut open = Vec::new();
    for folder in [&site.path("state"), &site.path("run"), &site.path("central"), &out] {
        assert_eq!(fs::metadata(folder).expect("made").permissions().mode() & 0o777, 0o700, "{}", folder.display());
        open_to_others(folder, &mut open);
    }
    assert_eq!(open, Vec::<String>::new());
    let again = site.exporting(&out).output().expect("it runs");
    assert_eq!(again.status.code(), Some(3));
    assert!(told(&again).contains("is there already; nothing is written over"), "{}", told(&again));
    drop(agent);
}
