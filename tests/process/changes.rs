//! Every kind of change to every line of every file of a bundle, without the manifest, which would show each of them:
//! what a verifier says is the same word, whoever wrote it.

use crate::agreement::{Reader, strangers, with_node, with_openssl, with_python};
use crate::bundle::{ran, vectors};
use crate::programs::{ask, product, told};
use picket_record::bundle::Seal;
use picket_record::encode::{base64url, from_base64url};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: [&str; 8] = [
    "root.jws",
    "enrol.jws",
    "receipts.jws",
    "summaries.jws",
    "sidecar.json",
    "orders.jws",
    "records.jws",
    "branches.jws",
];
/// Bits of each line that are turned round, over its whole length.
const FLIPS: usize = 12;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

type Lines = Vec<Vec<u8>>;

/// Names of changes to a line, and the lines after each.
fn changes(good: &Lines, at: usize) -> Vec<(String, Lines)> {
    let changed = |name: &str, change: &dyn Fn(&mut Lines)| {
        let mut lines = good.clone();
        change(&mut lines);
        (name.to_owned(), lines)
    };
    let mut all = vec![
        changed("dropped", &|lines| drop(lines.remove(at))),
        changed("repeated", &|lines| lines.insert(at, good[at].clone())),
        changed("truncated", &|lines| lines[at].truncate(good[at].len() - 1)),
        changed("ended-with-a-blank", &|lines| lines[at].push(b' ')),
        changed("ended-with-a-return", &|lines| lines[at].push(b'\r')),
        changed("with-a-zero", &|lines| {
            let middle = lines[at].len() / 2;
            lines[at][middle] = 0;
        }),
    ];
    if at + 1 < good.len() {
        all.push(changed("swapped", &|lines| lines.swap(at, at + 1)));
    }
    let parts: Vec<&[u8]> = good[at].split(|byte| *byte == b'.').collect();
    for part in (0..3).filter(|_| parts.len() == 3) {
        let with = |text: Vec<u8>| {
            let mut parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
            parts[part] = text;
            parts.join(&b'.')
        };
        let mut other = parts[part].to_vec();
        let last = other.last_mut().expect("no part is empty");
        let place = ALPHABET.iter().position(|byte| byte == last).expect("base64url");
        *last = ALPHABET[place ^ 1];
        all.push(changed(&format!("re-encoded-{part}"), &|lines| lines[at] = with(other.clone())));
        all.push(changed(&format!("padded-{part}"), &|lines| lines[at] = with([parts[part], b"="].concat())));
    }
    if parts.len() == 3 {
        let mut payload = from_base64url(std::str::from_utf8(parts[1]).expect("ASCII"), "payload").expect("base64url");
        let middle = payload.len() / 2;
        payload[middle] = 0xFF;
        let other = [parts[0], base64url(&payload).as_bytes(), parts[2]].join(&b'.');
        all.push(changed("not-utf8-within", &|lines| lines[at] = other.clone()));
    }
    for flip in 0..FLIPS {
        all.push(changed(&format!("flipped-{flip}"), &|lines| {
            let byte = lines[at].len() * (flip + 1) / (FLIPS + 1);
            lines[at][byte] ^= 1 << (flip % 8);
            // A line feed would make two lines of it.
            lines[at][byte] ^= u8::from(lines[at][byte] == b'\n') << 5;
        }));
    }
    all
}

/// The frozen bundle, unsealed, once for each change.
fn made(folder: &Path) -> Vec<PathBuf> {
    let bundle = vectors().join("bundle");
    let read = |file: &str| -> Lines {
        let bytes = fs::read(bundle.join(file)).expect("a file of the bundle");
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect()
    };
    let mut made = Vec::new();
    for changed in FILES {
        let good = read(changed);
        for at in 0..good.len() {
            for (change, lines) in changes(&good, at) {
                let copy = folder.join(format!("{changed}-{}-{change}", at + 1));
                fs::create_dir(&copy).expect("made");
                for file in FILES.iter().filter(|file| **file != changed) {
                    fs::hard_link(bundle.join(file), copy.join(file))
                        .or_else(|_| fs::copy(bundle.join(file), copy.join(file)).map(drop))
                        .expect("there");
                }
                let text: Vec<u8> = lines.iter().flat_map(|line| [line, b"\n".as_slice()].concat()).collect();
                fs::write(copy.join(changed), text).expect("written");
                made.push(copy);
            }
        }
    }
    made
}

fn identity() -> String {
    let keys = fs::read_to_string(vectors().join("keys.tsv")).expect("the keys");
    keys.lines().next().and_then(|row| row.split('\t').nth(2)).expect("the identity").to_owned()
}

/// A reader who knows the identity, and holds nothing to a manifest.
fn reader() -> Reader {
    Reader { identity: Some(identity()), seal: Seal::Waived }
}

/// All that is said, by everybody alike, of changes of which hardly one is silent.
fn agree(reader: &Reader, bundles: &[PathBuf], commands: Vec<(&str, Command)>) -> BTreeSet<String> {
    let said = reader.agree(bundles, commands);
    let refused = said.iter().filter(|(_, verified)| !verified).count();
    println!("{} changes, {refused} refused, by the same words", bundles.len());
    assert!(refused * 10 > bundles.len() * 9, "{refused} of {}", bundles.len());
    said.into_iter().flat_map(|(words, _)| words).collect()
}

/// The frozen bundle with other files, of which those without a text are gone.
fn with(copy: PathBuf, changed: &[(&str, Option<String>)]) -> PathBuf {
    fs::create_dir(&copy).expect("made");
    for file in FILES.iter().chain(&["MANIFEST.jws", "REPORT.txt"]) {
        let other = changed.iter().find(|(name, _)| name == file).map(|(_, text)| text.clone());
        let text = other.unwrap_or_else(|| Some(read(file)));
        text.into_iter().for_each(|text| fs::write(copy.join(file), text).expect("written"));
    }
    copy
}

fn read(file: &str) -> String {
    fs::read_to_string(vectors().join("bundle").join(file)).expect("a file of the bundle")
}

#[test]
fn every_change_to_every_line_has_one_word_in_every_verifier_without_a_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundles = made(folder.path());
    let words = agree(&reader(), &bundles, vec![("verify.py", with_python()), ("verify.mjs", with_node())]);
    for file in FILES.iter().filter(|file| file.ends_with(".jws")) {
        for word in ["not-text", "payload-not-utf8"] {
            assert!(words.contains(&format!("{file}:{word}")), "no change of {file} comes to {word}: {words:?}");
        }
    }
    // The shell starts a program for each signature: a sample here, all of them in the long tier.
    let is_not_text = |bundle: &&PathBuf| {
        ["-1-flipped-7", "-1-not-utf8-within"].iter().any(|end| bundle.to_string_lossy().ends_with(end))
    };
    let not_text = bundles.iter().filter(is_not_text);
    let few: Vec<PathBuf> = bundles.iter().step_by(97).chain(not_text).cloned().collect();
    agree(&reader(), &few, vec![("verify.sh", with_openssl())]);
}

#[test]
fn to_a_reader_without_an_identity_every_verifier_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundles = made(folder.path());
    let nobody = Reader { identity: None, seal: Seal::Demanded };
    // What he believes comes from these two files.
    let papers =
        |bundle: &&PathBuf| ["root.jws", "enrol.jws"].iter().any(|file| bundle.to_string_lossy().contains(file));
    let few: Vec<PathBuf> = bundles.iter().filter(papers).chain(bundles.iter().step_by(31)).cloned().collect();
    let said = nobody.agree(&few, vec![("verify.py", with_python()), ("verify.mjs", with_node())]);
    assert!(said.iter().all(|(_, verified)| !verified), "there is no manifest");
    let alone = BTreeSet::from(["enrol.jws:signature", "enrol.jws:unverifiable"].map(str::to_owned));
    assert!(said.iter().any(|(words, _)| *words == alone), "{said:?}");
    nobody.agree(&few.into_iter().step_by(17).collect::<Vec<_>>(), vec![("verify.sh", with_openssl())]);
}

#[test]
fn a_sidecar_is_read_by_everybody_alike_and_opens_nothing_where_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = read("sidecar.json");
    let wrong = good.replacen("\"seq\":7", "\"seq\":8", 1);
    let swapped = |text: &str, from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from:?}");
        changed
    };
    let beside = |member: &str| swapped(&good, "{\"v\":1", &format!("{{\"v\":1,{member}"));
    let cases = [
        (beside("\"known\":[{\"to\":\"nobody\"}]"), None),
        (swapped(&good, "\"seq\"", "\"s\\u0065q\""), None),
        (beside("\"v\":1"), Some("field")),
        (beside("\"a\":{\"b\":1,\"\\u0062\":1}"), Some("field")),
        (beside("\"a\":1.5"), Some("field")),
        (beside("\"a\":9007199254740992"), Some("field")),
        (beside("\"a\":[[[[]]]]"), Some("field")),
        (beside("\"a\":\"\\ud800\""), Some("field")),
        (swapped(&good, "\"v\":1", "\"v\":1.0"), Some("field")),
        (swapped(&good, "\"seq\":7", "\"seq\":7.0"), Some("field")),
        (swapped(&good, "\"seq\":7", "\"seq\":6,\"seq\":7"), Some("field")),
        (swapped(&good, "\"text\":", "\"text\":\"{}\",\"text\":"), Some("field")),
        (swapped(&swapped(&good, "\"text\"", "\"test\""), "\"salt\":\"", "\"salt\":\"="), Some("base64")),
        // The first row is whole, and of a record that has no commitment.
        (swapped(&wrong, "}]}", "},{\"seq\":9,\"seq\":9}]}"), Some("field")),
        (swapped(&wrong, "}]}", "},{\"seq\":9}]}"), Some("field-missing")),
    ];
    let mut bundles = Vec::new();
    for (at, (text, _)) in cases.iter().enumerate() {
        let changed = [("sidecar.json", Some(text.clone())), ("MANIFEST.jws", None), ("REPORT.txt", None)];
        bundles.push(with(folder.path().join(at.to_string()), &changed));
    }
    for ((text, word), said) in cases.iter().zip(reader().agree(&bundles, strangers())) {
        let words: BTreeSet<String> = word.iter().map(|word| format!("sidecar.json:{word}")).collect();
        assert_eq!(said, (words, word.is_none()), "{text}");
    }
}

/// A line that says another thing in header and payload, under the signature that it had.
fn turned(line: &str, from: &str, to: &str) -> String {
    let parts: Vec<&str> = line.split('.').collect();
    let said = |part: &str| String::from_utf8(from_base64url(part, "part").expect("base64url")).expect("text");
    let other = |part: &str| base64url(said(part).replace(from, to).as_bytes());
    assert!(said(parts[1]).contains(from), "{from}");
    format!("{}.{}.{}", other(parts[0]), other(parts[1]), parts[2])
}

#[test]
fn without_an_acceptance_the_first_record_of_each_file_says_whose_that_file_is_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = |file: &str, from: &str, to: &str| {
        let text = read(file);
        let (line, rest) = text.split_once('\n').expect("a line");
        format!("{}\n{rest}", turned(line, from, to))
    };
    let site = ("\"harbour\"", "\"harbous\"");
    let opening = turned(read("records.jws").lines().next().expect("a line"), site.0, site.1);
    let made = |name: &str, gone: &[&str], changed: &[(&str, String)]| {
        let gone = gone.iter().map(|file| (*file, None));
        let changed = changed.iter().map(|(file, text)| (*file, Some(text.clone())));
        with(folder.path().join(name), &gone.chain(changed).chain([("REPORT.txt", None)]).collect::<Vec<_>>())
    };
    let (alone, none) = (["enrol.jws", "summaries.jws"], ("records.jws", String::new()));
    // What is made, and the files in which something is a stranger's.
    let cases = [
        (
            made("site", &["enrol.jws"], &[("summaries.jws", first("summaries.jws", site.0, site.1))]),
            vec!["summaries.jws"],
        ),
        (
            made("gateway", &["enrol.jws"], &[("summaries.jws", first("summaries.jws", "gate-7", "gate-8"))]),
            vec!["summaries.jws"],
        ),
        (made("no-records", &alone, std::slice::from_ref(&none)), vec![]),
        (
            made("branch", &["enrol.jws"], &[("branches.jws", first("branches.jws", site.0, site.1))]),
            vec!["branches.jws"],
        ),
        (
            made("manifest", &alone, &[none, ("MANIFEST.jws", format!("{opening}\n{}", read("MANIFEST.jws")))]),
            vec!["MANIFEST.jws"],
        ),
        (made("accepted", &[], &[("summaries.jws", first("summaries.jws", site.0, site.1))]), vec!["summaries.jws"]),
    ];
    let bundles: Vec<PathBuf> = cases.iter().map(|(bundle, _)| bundle.clone()).collect();
    for ((bundle, files), (words, _)) in cases.iter().zip(reader().agree(&bundles, strangers())) {
        let strangers: Vec<&str> = words.iter().filter_map(|word| word.strip_suffix(":stranger")).collect();
        assert_eq!(strangers, *files, "{}: {words:?}", bundle.display());
    }
}

#[test]
fn without_an_identity_or_with_another_one_everybody_says_so_of_the_acceptance_and_what_follows_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (papers, folder) = (read("enrol.jws"), folder.path());
    let request = papers.lines().next().expect("a request").to_owned() + "\n";
    let damaged = papers.trim_end().to_owned() + "=\n";
    let none = || ("enrol.jws", None);
    let cases = [
        (with(folder.join("none"), &[none()]), vec!["enrol.jws:unverifiable"]),
        (with(folder.join("request"), &[("enrol.jws", Some(request))]), vec!["enrol.jws:unverifiable"]),
        (
            with(folder.join("damaged"), &[("enrol.jws", Some(damaged))]),
            vec!["enrol.jws:base64", "enrol.jws:unverifiable"],
        ),
        (with(folder.join("unsealed"), &[none(), ("MANIFEST.jws", None)]), vec!["enrol.jws:unverifiable"]),
        (
            with(folder.join("sidecar"), &[none(), ("sidecar.json", Some("no json".into())), ("root.jws", None)]),
            vec!["enrol.jws:unverifiable"],
        ),
        (
            with(folder.join("root"), &[none(), ("root.jws", Some("no root\n".into()))]),
            vec!["root.jws:not-three-parts", "enrol.jws:unverifiable"],
        ),
    ];
    let bundles: Vec<PathBuf> = cases.iter().map(|(bundle, _)| bundle.clone()).collect();
    let nobody = Reader { identity: None, seal: Seal::Demanded };
    for ((bundle, words), said) in cases.iter().zip(nobody.agree(&bundles, strangers())) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(said, (words, false), "{}", bundle.display());
    }
    // RFC 8037 appendix A.2.
    let other = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
    let other = Reader { identity: Some(other), seal: Seal::Demanded };
    let whole = [with(folder.join("whole"), &[])];
    let said = other.agree(&whole, strangers());
    assert!(said[0].0.contains("enrol.jws:acceptance") && !said[0].0.contains("records.jws:acceptance"), "{said:?}");
}

#[test]
fn a_bundle_without_records_is_refused_and_a_folder_without_a_bundle_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = |name: &str, gone: &[&str]| {
        with(folder.path().join(name), &gone.iter().map(|file| (*file, None)).collect::<Vec<_>>())
    };
    let papers = ["root.jws", "enrol.jws", "receipts.jws", "summaries.jws", "sidecar.json", "orders.jws"];
    let bundles = [
        gone("records", &["records.jws"]),
        gone("most", &[&papers[2..], &["records.jws", "branches.jws"]].concat()),
        gone("all-but-the-report", &[&papers[..], &["records.jws", "branches.jws", "MANIFEST.jws"]].concat()),
    ];
    for seal in [Seal::Demanded, Seal::Waived] {
        for identity in [Some(identity()), None] {
            for (words, verified) in (Reader { identity, seal }).agree(&bundles, strangers()) {
                assert!(!verified, "{words:?}");
            }
        }
    }
    for bundle in &bundles {
        assert_eq!(ask(&product().picket, &[Path::new("verify"), bundle]).status.code(), Some(1));
    }
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("made");
    fs::write(empty.join("notes.txt"), "nothing").expect("written");
    let mut told_by = vec![("picket", ask(&product().picket, &[Path::new("verify"), &empty]))];
    told_by.extend(strangers().into_iter().map(|(name, mut command)| (name, ran(command.arg(&empty)))));
    for (name, output) in told_by {
        assert_eq!(output.status.code(), Some(2), "{name}: {}", told(&output));
        assert!(told(&output).contains("holds no file of a bundle"), "{name}: {}", told(&output));
    }
}

#[test]
#[ignore = "half an hour: tests/run verifiers-long"]
fn every_change_to_every_line_has_one_word_in_the_shell_too() {
    let folder = tempfile::tempdir().expect("a folder");
    agree(&reader(), &made(folder.path()), vec![("verify.sh", with_openssl())]);
}
