//! What a verifier holds at most: an honest bundle of years is verified by everybody, and one past a limit is refused by
//! everybody with the same word.

use crate::agreement::{Reader, strangers, with_node, with_openssl, with_python};
use crate::bundle::{Verifiers, node, ran, vectors, verifier};
use crate::large::Life;
use crate::programs::{product, python, told};
use picket_record::bundle::{Part, Seal};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `HELD_MAX`, which `WITNESSES_MAX` is as well, and `SUMMARIES_MAX` of FORMAT.md.
const HELD: u64 = 65_536;
const SUMMARIES: u64 = 1_048_576;
/// The same in copies of the verifiers that share no code with the product: theirs are a constant each, and real sizes
/// take them minutes.
const FEW: u64 = 4;
/// Address space that `picket verify` gets, with its threads and libraries: fixed, whatever the bundle holds.
const MEMORY_KIB: u64 = 256 << 10;

/// Kind of bundle, its maker, and what stands in a verdict on one past the limit.
type Case = (&'static str, fn(u64) -> Life, &'static [&'static str]);

const CASES: [Case; 5] = [
    ("holes", |n| Life::new().holes(n).declared(), &["records.jws:missing"]),
    ("ranges", |n| Life::new().declared_apart(n), &["records.jws:missing"]),
    ("damaged", |n| Life::new().damaged(n).declared(), &["records.jws:not-three-parts"]),
    ("receipts", |n| Life::new().receipts(n), &["receipts.jws:too-many"]),
    ("branches", |n| Life::new().branches(n), &["records.jws:too-many", "branches.jws:too-many"]),
];
const DAYS: Case = ("days", |n| Life::new().days(n), &["summaries.jws:too-many"]);

fn made(folder: &Path, case: &Case, n: u64) -> PathBuf {
    let bundle = folder.join(format!("{}-{n}", case.0));
    case.1(n).write(&bundle);
    bundle
}

fn verifiers() -> Verifiers {
    Verifiers { identity: Life::identity() }
}

/// `picket verify` within [`MEMORY_KIB`].
fn bounded(bundle: &Path) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MEMORY_KIB} && exec \"$@\""), "sh"]).arg(&product().picket);
    ran(command.arg("verify").arg(bundle).arg(format!("--identity={}", Life::identity())))
}

/// The verdict of `picket verify` at a limit and one past it.
fn held_by_the_product(folder: &Path, case: &Case, limit: u64) {
    for (n, words) in [(limit, &[][..]), (limit + 1, case.2)] {
        let bundle = made(folder, case, n);
        let output = bounded(&bundle);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(i32::from(!words.is_empty())), "{} {n}: {said}", case.0);
        for word in words {
            let (file, word) = word.split_once(':').expect("a file and a word");
            let shown = |line: &str| line.trim_start().starts_with(file) && line.contains(&format!("[{word}]"));
            assert!(said.lines().any(shown), "{} {n}: {said}", case.0);
        }
        // Hundreds of MiB: not more than one of them at a time.
        fs::remove_dir_all(&bundle).expect("removed");
    }
}

/// File and word of each contradiction that a verifier tells, bundle by bundle.
fn contradictions(said: &str) -> Vec<Vec<String>> {
    let word = |line: &str| {
        let mut parts = line.strip_prefix("contradiction: ")?.split(": ");
        let file = parts.next()?.split(' ').next()?.to_owned();
        Some(format!("{file}:{}", parts.next()?))
    };
    said.split("== ").skip(1).map(|part| part.lines().filter_map(word).collect()).collect()
}

/// A copy of every verifier that holds [`FEW`]. That each names its limits in this one place is part of the test.
fn small(folder: &Path) -> PathBuf {
    let copies = folder.join("verifiers");
    fs::create_dir(&copies).expect("made");
    for entry in fs::read_dir(verifier("")).expect("a folder") {
        let file = entry.expect("an entry").path();
        if file.is_file() {
            fs::copy(&file, copies.join(file.file_name().expect("a name"))).expect("copied");
        }
    }
    let limits = [
        ("verify.py", "= 1000, 16 << 20, 65536, 65536, 1048576, 300", "= 1000, 16 << 20, 4, 4, 4, 300"),
        ("verify.mjs", "WITNESSES = 65536;", "WITNESSES = 4;"),
        ("verify.mjs", "HELD = 65536, SUMMARIES = 1048576;", "HELD = 4, SUMMARIES = 4;"),
        ("verify.sh", "HELD=65536 WITNESSES=65536 SUMMARIES=1048576", "HELD=4 WITNESSES=4 SUMMARIES=4"),
    ];
    for (name, real, few) in limits {
        let text = fs::read_to_string(copies.join(name)).expect("readable");
        assert_eq!(text.matches(real).count(), 1, "{name} says its limits in one place, as {real:?}");
        fs::write(copies.join(name), text.replace(real, few)).expect("written");
    }
    copies
}

#[test]
fn a_bundle_with_thousands_of_holes_and_branches_and_the_days_of_years_is_verified_by_everybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large");
    Life::new().days(66_000).holes(1_100).declared().branches(1_100).write(&large);
    // The shell starts a program for each signature, and each branch has a key that it checks with arithmetic of its own.
    let few = folder.path().join("few");
    Life::new().days(40).holes(40).declared().branches(3).write(&few);
    let one = [large.clone()];
    let verifiers = verifiers();
    for output in [bounded(&large), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&[few])] {
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn the_product_holds_as_many_as_the_format_says_and_refuses_one_more() {
    let folder = tempfile::tempdir().expect("a folder");
    for case in &CASES[..4] {
        held_by_the_product(folder.path(), case, HELD);
    }
}

#[test]
fn every_other_verifier_refuses_one_past_each_of_its_limits_with_the_same_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let copies = small(folder.path());
    let (mut bundles, mut expected) = (Vec::new(), Vec::new());
    for case in CASES.iter().chain([&DAYS]) {
        for (n, words) in [(FEW, &[][..]), (FEW + 1, case.2)] {
            bundles.push(made(folder.path(), case, n));
            expected.push(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        }
    }
    let identity = format!("--identity={}", Life::identity());
    for (mut command, name) in
        [(Command::new(python()), "verify.py"), (node(), "verify.mjs"), (Command::new("sh"), "verify.sh")]
    {
        let output = ran(command.arg(copies.join(name)).arg(&identity).args(&bundles));
        let said = told(&output);
        assert_eq!(contradictions(&said), expected, "{name}: {said}");
        let refused = expected.iter().filter(|words| !words.is_empty()).count();
        assert_eq!(said.matches("verdict: refused").count(), refused, "{name}: {said}");
    }
}

/// `WHOLE_MAX` of FORMAT.md.
const WHOLE: u64 = 16 << 20;

/// The frozen bundle without its manifest, and with another file of `bytes`: its text, and blanks.
fn padded(folder: &Path, file: &str, bytes: u64) -> PathBuf {
    let bundle = folder.join(format!("{file}-{bytes}"));
    fs::create_dir(&bundle).expect("made");
    for entry in fs::read_dir(vectors().join("bundle")).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, bundle.join(path.file_name().expect("a name"))).expect("copied");
    }
    fs::remove_file(bundle.join("MANIFEST.jws")).expect("removed");
    let mut text = fs::read(bundle.join(file)).expect("readable");
    text.resize(usize::try_from(bytes.min(WHOLE + 1)).expect("16 MiB"), b' ');
    fs::write(bundle.join(file), text).expect("written");
    // The rest is a hole, so that it takes no disk.
    File::options().write(true).open(bundle.join(file)).and_then(|file| file.set_len(bytes)).expect("written");
    bundle
}

#[test]
fn a_file_that_is_read_as_a_whole_is_refused_by_everybody_past_sixteen_mebibytes_and_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = "A".repeat(43);
    // Past 2 GiB a file cannot be read at once by Node.js.
    for (file, bytes) in [("sidecar.json", WHOLE + 1), ("root.jws", WHOLE + 1), ("sidecar.json", (2 << 30) + 1)] {
        let bundle = padded(folder.path(), file, bytes);
        let mut told_by = vec![];
        for (mut command, name) in
            [(Command::new(python()), "verify.py"), (node(), "verify.mjs"), (Command::new("sh"), "verify.sh")]
        {
            command.arg(verifier(name)).arg("--no-manifest");
            if file == "root.jws" {
                command.arg(format!("--root={hash}"));
            }
            let said = ran(command.arg(&bundle));
            told_by.push((name, said.status.code(), told(&said)));
        }
        if bytes == WHOLE + 1 {
            let mut picket = Command::new(&product().picket);
            picket.arg("verify").arg(&bundle).arg("--no-manifest");
            if file == "root.jws" {
                picket.args(["--root-hash", &hash]);
            }
            let said = ran(&mut picket);
            told_by.push(("picket", said.status.code(), told(&said)));
        }
        for (name, code, said) in told_by {
            assert_eq!(code, Some(1), "{name}, {file} of {bytes} bytes: {said}");
            let word = if name == "picket" { "[too-many]" } else { ": too-many: " };
            assert!(said.lines().any(|line| line.contains(file) && line.contains(word)), "{name}: {said}");
            let times = said.lines().filter(|line| line.contains("too-many")).count();
            assert_eq!(times, 1, "{name} says it once: {said}");
            assert!(!said.contains("root-unknown"), "{name}: {said}");
        }
        fs::remove_dir_all(&bundle).expect("removed");
    }
}

#[test]
fn a_file_that_is_too_large_to_be_read_and_that_the_manifest_names_is_refused_for_its_size_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let reader = Reader { identity: Some(Life::identity()), seal: Seal::Demanded };
    for part in [Part::Sidecar, Part::Root] {
        let bundle = [folder.path().join(part.file())];
        Life::new().blanks(part, WHOLE + 1).write(&bundle[0]);
        let said = reader.agree(&bundle, strangers());
        assert_eq!(said, [([format!("{}:too-many", part.file())].into(), false)]);
        fs::remove_dir_all(&bundle[0]).expect("removed");
    }
}

#[test]
fn a_member_of_twelve_mebibytes_that_nobody_knows_is_passed_over_by_everybody_within_bounds() {
    let folder = tempfile::tempdir().expect("a folder");
    // Text as it is; text of which every other byte begins an escape, and behind it lines without a word.
    let members = ["x".repeat(12 << 20) + "\"", "\\n".repeat(2 << 20) + "\"" + &"\n".repeat(2 << 20)];
    let bundles: Vec<PathBuf> = (0..members.len()).map(|at| folder.path().join(at.to_string())).collect();
    let good = fs::read_to_string(vectors().join("bundle/sidecar.json")).expect("readable");
    for (bundle, member) in bundles.iter().zip(members) {
        fs::create_dir(bundle).expect("made");
        for entry in fs::read_dir(vectors().join("bundle")).expect("a folder") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, bundle.join(path.file_name().expect("a name"))).expect("copied");
        }
        fs::remove_file(bundle.join("MANIFEST.jws")).expect("removed");
        let beside = good.replacen("{\"v\":1", &format!("{{\"v\":1,\"a\":\"{member}"), 1);
        fs::write(bundle.join("sidecar.json"), beside).expect("written");
    }
    let keys = fs::read_to_string(vectors().join("keys.tsv")).expect("the keys");
    let identity = keys.lines().next().and_then(|row| row.split('\t').nth(2)).map(str::to_owned);
    let reader = Reader { identity, seal: Seal::Waived };
    // Of each program that runs: seconds of the processor, and KiB of address space, of which Node.js takes what it likes.
    let bounded = |limits: &str, command: Command| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{limits} && exec \"$@\""), "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    };
    let commands = vec![
        ("verify.py", bounded("ulimit -t 60 && ulimit -v 1048576", with_python())),
        ("verify.mjs", bounded("ulimit -t 60", with_node())),
        ("verify.sh", bounded("ulimit -t 20", with_openssl())),
    ];
    let said = reader.agree(&bundles, commands);
    assert_eq!(said, [(BTreeSet::new(), true), (BTreeSet::new(), true)]);
}

#[test]
fn the_shell_sorts_ranges_once_however_many_openings_name_a_branch() {
    let folder = tempfile::tempdir().expect("a folder");
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).expect("made");
    let sorted = folder.path().join("sorted");
    let real = told(&ran(Command::new("sh").args(["-c", "command -v sort"])));
    let counting = format!("#!/bin/sh\necho >>'{}'\nexec {} \"$@\"\n", sorted.display(), real.trim());
    fs::write(programs.join("sort"), counting).expect("written");
    fs::set_permissions(programs.join("sort"), PermissionsExt::from_mode(0o755)).expect("set");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a path"));
    let mut sorts = Vec::new();
    for n in [2, 5] {
        fs::write(&sorted, "").expect("written");
        let bundle = made(folder.path(), &CASES[4], n);
        let mut command = Command::new("sh");
        command.arg(verifier("verify.sh")).arg(format!("--identity={}", Life::identity())).arg(bundle);
        let output = ran(command.env("PATH", &path));
        assert!(output.status.success(), "{}", told(&output));
        sorts.push(fs::read(&sorted).expect("readable").len());
    }
    assert!(sorts[0] > 0 && sorts[0] == sorts[1], "sorts with 2 and with 5 branches: {sorts:?}");
}

#[test]
#[ignore = "minutes and a gigabyte: tests/run verifiers-long"]
fn the_largest_bundles_are_held_by_the_product_within_fixed_memory_and_one_more_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    held_by_the_product(folder.path(), &CASES[4], HELD);
    held_by_the_product(folder.path(), &DAYS, SUMMARIES);
}

#[test]
#[ignore = "minutes: tests/run verifiers-long"]
fn python_and_node_hold_as_many_as_the_format_says_and_refuse_one_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut bundles, mut expected) = (Vec::new(), Vec::new());
    for case in &CASES {
        for (n, words) in [(HELD, &[][..]), (HELD + 1, case.2)] {
            bundles.push(made(folder.path(), case, n));
            expected.push(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        }
    }
    let verifiers = verifiers();
    for output in [verifiers.python(&bundles), verifiers.node(&bundles)] {
        assert_eq!(contradictions(&told(&output)), expected);
    }
}
