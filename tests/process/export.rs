//! `picket export` where the agent does not say that it was all, and who may read what the programs write.

use crate::installation::Installation;
use crate::programs::{Broker, ask, free_port, product, told};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

const PAPERS: &[u8] = b"{\"receipts\":\"\",\"acceptance\":\"a\\n\",\"identity\":\"key\"}\n";

/// Answers one client with these bytes and goes away, as an agent that is killed does.
fn agent_that_says(runtime: &Path, said: Vec<u8>) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(runtime.join("control.sock")).expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        BufReader::new(&stream).read_line(&mut String::new()).expect("a question");
        stream.write_all(&said).expect("written");
    })
}

#[test]
fn a_path_to_verify_that_is_not_there_is_named_before_anything_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("evidence");
    let output = ask(&product().picket, &[Path::new("verify"), &none]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("{}: No such file", none.display())), "{said}");
}

#[test]
fn an_export_that_the_agent_did_not_finish_is_told_and_has_no_manifest() {
    for (said, cause) in [
        ([PAPERS, b"one\ntwo\n"].concat(), "stopped in the middle"),
        ([PAPERS, b"one\n{\"error\":\"disk gone\"}\n"].concat(), "the agent says: disk gone"),
        (b"{\"error\":\"disk gone\"}\n".to_vec(), "the agent says: disk gone"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = agent_that_says(folder.path(), said);
        let out = folder.path().join("out");
        let output = ask(
            &product().picket,
            &[Path::new("export"), Path::new("--runtime"), folder.path(), Path::new("--out"), &out],
        );
        agent.join().expect("it answered");
        let said = told(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(cause) && said.contains("export again") && !said.contains("exported "), "{said}");
        assert!(!out.join("MANIFEST.json").exists());
    }
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
    let mut again = Command::new(&product().picket);
    let again = again.arg("export").arg("--runtime").arg(site.path("run")).arg("--out").arg(&out).output();
    let again = again.expect("it runs");
    assert_eq!(again.status.code(), Some(3));
    assert!(told(&again).contains("already holds an export"), "{}", told(&again));
    drop(agent);
}
