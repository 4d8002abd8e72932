//! Bundles: what is verified, what is declared as lost, and what every attack that a bundle can show comes to.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]
#![allow(clippy::disallowed_methods, reason = "a test reads the vectors")]

#[path = "v1/bundle.rs"]
mod bundle;
#[path = "v1/story.rs"]
#[allow(dead_code, reason = "the vectors use all of it")]
mod story;

use bundle::{Files, files, judged, resealed};
use picket_record::acceptance::Acceptance;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::bundle::{BundleCheck, Finding, Kept, Manifest, Part, Seal, Trust, Verdict};
use picket_record::chain::{Contradiction, Head, Loss, Opening, Origin, Sealer, TailState};
use picket_record::keys::{IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::Receipt;
use std::path::Path;

fn frozen() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/v1/bundle");
    Part::ALL.into_iter().map(|part| (part, std::fs::read(folder.join(part.file())).unwrap())).collect()
}

fn reasons(files: &Files, seal: Seal) -> Vec<&'static str> {
    judged(files, seal).found.iter().map(|finding| finding.what.reason()).collect()
}

fn text(files: &Files, part: Part) -> String {
    String::from_utf8(files[&part].clone()).unwrap()
}

/// The files with other lines in one of them.
fn with(files: &Files, part: Part, change: impl FnOnce(&mut Vec<String>)) -> Files {
    let mut lines: Vec<String> = text(files, part).lines().map(str::to_owned).collect();
    change(&mut lines);
    let mut changed = files.clone();
    changed.insert(part, lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes());
    changed
}

#[test]
fn of_two_receipts_that_differ_the_second_is_told_with_its_line() {
    let good = unsealed(&frozen());
    let newest = text(&good, Part::Receipts).lines().last().unwrap().to_owned();
    let keys = [[4; 32], [6; 32]].map(ReceiptKey::from_seed);
    let read = |key: &ReceiptKey| Receipt::verify(&newest, &key.public(), &story::name("gate-7")).ok();
    let (receipt, link) = keys.iter().find_map(read).unwrap();
    let n = receipt.n + 1;
    let other = Receipt { n, prev: link, head: [9; 32], ..receipt.clone() }.sign(&keys[0]);
    let verdict = judged(&with(&good, Part::Receipts, |lines| lines.push(other.line)), Seal::Waived);
    let line = Some(text(&good, Part::Receipts).lines().count() as u64 + 1);
    let what = Contradiction::Receipts { n: receipt.n, other: n, upto: receipt.upto };
    assert_eq!(verdict.found[0], Finding { part: Part::Receipts, line, what });
}

/// The same files, unsealed.
fn unsealed(files: &Files) -> Files {
    let mut open = files.clone();
    open.remove(&Part::Manifest);
    open
}

#[test]
fn the_same_life_gives_the_same_bundle() {
    for (part, bytes) in files() {
        assert_eq!(String::from_utf8(bytes).unwrap(), text(&frozen(), part), "{}", part.file());
    }
}

#[test]
fn the_frozen_bundle_is_verified_and_declares_every_kind_of_loss() {
    let verdict = judged(&frozen(), Seal::Demanded);
    assert_eq!(verdict.found, []);
    assert!(verdict.is_verified());
    let losses = [
        Loss::Dropped { seq: 11, events: 17, reason: "disk_full".into() },
        Loss::Unclosed { ep: 2, last: 11 },
        Loss::Lost { from: 9, to: 10, seq: 13 },
        Loss::Disposed { from: 1, to: 5, why: "space".into(), seq: 14 },
        Loss::Rollback { from: 16, to: 18, seq: 19, proved: true },
        Loss::Unclosed { ep: 3, last: 15 },
        Loss::Branch { seq: 22, tail: 23, proved: true },
        Loss::Unclosed { ep: 5, last: 21 },
    ];
    assert_eq!(verdict.losses(), losses);
    let chain = &verdict.chain;
    assert_eq!((chain.records, chain.first, chain.last, chain.epochs, chain.disclosed), (17, 6, 27, 5, 1));
    assert_eq!((verdict.receipts, verdict.orders, verdict.summaries), (5, 3, 1));
    assert_eq!(verdict.branches, [Kept { from: 22, to: 23 }]);
    assert_eq!(verdict.roots.unwrap().in_force().ver, 2);
    assert_eq!(verdict.manifest.unwrap().reason, "inquiry 4");
    for loss in losses {
        println!("{loss} [{}]", loss.word());
    }
}

#[test]
fn every_change_to_a_line_of_any_file_is_refused() {
    let good = frozen();
    let mut tried = 0;
    for part in Part::ALL {
        let n = text(&good, part).lines().count();
        for at in 0..n {
            let mut changes = vec![
                ("dropped", with(&good, part, |lines| drop(lines.remove(at)))),
                ("repeated", with(&good, part, |lines| lines.insert(at, lines[at].clone()))),
                ("truncated", with(&good, part, |lines| lines[at] = lines[at][..lines[at].len() - 1].to_owned())),
                ("re-encoded", with(&good, part, |lines| lines[at] = reencoded(&lines[at]))),
            ];
            for bit in 0..8 {
                let flipped = |lines: &mut Vec<String>| {
                    let mut bytes = lines[at].clone().into_bytes();
                    let byte = bytes.len() * (bit + 1) / 9;
                    bytes[byte] ^= 1 << (bit % 7);
                    lines[at] = String::from_utf8(bytes).unwrap();
                };
                changes.push(("flipped", with(&good, part, flipped)));
            }
            if at + 1 < n {
                changes.push(("swapped", with(&good, part, |lines| lines.swap(at, at + 1))));
            }
            for (change, changed) in changes {
                tried += 1;
                let verdict = judged(&changed, Seal::Demanded);
                assert!(!verdict.is_verified(), "{} line {} {change}", part.file(), at + 1);
            }
        }
    }
    println!("{tried} changes, every one refused");
}

/// The last character with other unused bits, or a blank behind the line.
fn reencoded(line: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = *line.as_bytes().last().unwrap();
    match alphabet.iter().position(|byte| *byte == last) {
        Some(at) if line.matches('.').count() == 2 => {
            format!("{}{}", &line[..line.len() - 1], char::from(alphabet[at ^ 1]))
        }
        _ => format!("{line} "),
    }
}

/// What nothing but the signed manifest shows: papers that are missing or there twice, the end of the records, and line 4
/// of them, which is what is left of a record that is declared as lost. No change to the text of another line is here.
const SILENT: [&str; 19] = [
    "enrol.jws 1 dropped",
    "enrol.jws 1 repeated",
    "receipts.jws 1 dropped",
    "receipts.jws 2 dropped",
    "receipts.jws 3 dropped",
    "receipts.jws 4 dropped",
    "receipts.jws 5 dropped",
    "summaries.jws 2 dropped",
    "orders.jws 1 dropped",
    "orders.jws 2 dropped",
    "orders.jws 3 dropped",
    "records.jws 4 dropped",
    "records.jws 4 repeated",
    "records.jws 4 re-encoded",
    "records.jws 4 truncated",
    "records.jws 18 dropped",
    "branches.jws 1 dropped",
    "branches.jws 1 repeated",
    "branches.jws 2 repeated",
];

#[test]
fn a_change_to_a_signed_line_is_refused_without_a_manifest_too() {
    let good = unsealed(&frozen());
    let mut silent = Vec::new();
    for part in Part::ALL.into_iter().filter(|part| part.file().ends_with(".jws") && *part != Part::Manifest) {
        let n = text(&good, part).lines().count();
        for at in 0..n {
            let changes = [
                ("dropped", with(&good, part, |lines| drop(lines.remove(at)))),
                ("repeated", with(&good, part, |lines| lines.insert(at, lines[at].clone()))),
                ("re-encoded", with(&good, part, |lines| lines[at] = reencoded(&lines[at]))),
                ("truncated", with(&good, part, |lines| lines[at] = lines[at][..lines[at].len() - 1].to_owned())),
            ];
            for (change, changed) in changes {
                if judged(&changed, Seal::Waived).is_verified() {
                    silent.push(format!("{} {} {change}", part.file(), at + 1));
                }
            }
        }
    }
    assert_eq!(silent, SILENT);
}

#[test]
fn a_file_that_the_manifest_does_not_name_and_one_that_is_gone_are_refused() {
    for part in Part::ALL {
        let mut gone = frozen();
        gone.remove(&part);
        assert!(!judged(&gone, Seal::Demanded).is_verified(), "{}", part.file());
    }
    assert_eq!(reasons(&unsealed(&frozen()), Seal::Demanded), ["unsealed"]);
    assert_eq!(reasons(&unsealed(&frozen()), Seal::Waived), [] as [&str; 0]);
}

#[test]
fn each_file_beside_the_records_is_held_to_its_own_rules() {
    let good = unsealed(&frozen());
    let refused = |part, change: fn(&mut Vec<String>)| reasons(&with(&good, part, change), Seal::Waived);
    assert_eq!(refused(Part::Root, |lines| drop(lines.remove(1)))[0], "root-threshold");
    assert_eq!(refused(Part::Root, |lines| lines.truncate(2))[..2], ["signature", "signature"]);
    assert!(refused(Part::Enrolment, |lines| lines.truncate(1)).contains(&"unverifiable"));
    assert_eq!(refused(Part::Receipts, |lines| lines.swap(0, 1)), ["receipt-chain", "receipt-chain"]);
    assert_eq!(refused(Part::Summaries, |lines| drop(lines.remove(0))), ["unknown-epoch"]);
    assert_eq!(refused(Part::Orders, |lines| lines.swap(0, 1)), ["order-chain"]);
    assert_eq!(refused(Part::Branches, |lines| lines.truncate(1)), ["tail"]);
    let disclosed = |lines: &mut Vec<String>| lines[0] = lines[0].replace("Okafor", "Adeyemi");
    assert_eq!(refused(Part::Sidecar, disclosed), ["disclosure"]);
    let mut rootless = good.clone();
    rootless.remove(&Part::Root);
    assert!(reasons(&rootless, Seal::Waived).contains(&"unverifiable"));
}

/// The verdict of a reader with this trust.
fn judged_by(trust: Trust, files: &Files, seal: Seal) -> Verdict {
    let mut check = BundleCheck::new(trust, seal);
    for (part, bytes) in files {
        check.begin(*part);
        check.feed(bytes);
        check.end();
    }
    check.finish()
}

#[test]
fn another_identity_than_the_one_that_the_reader_knows_is_told_at_the_request_and_the_acceptance() {
    let other = IdentityKey::from_seed([9; 32]).public();
    let verdict = judged_by(Trust { identity: Some(other), root: None }, &frozen(), Seal::Demanded);
    let told = |at: u64| Finding { part: Part::Enrolment, line: Some(at), what: Contradiction::Acceptance };
    let acceptance: Vec<_> =
        verdict.found.into_iter().filter(|finding| finding.what.reason() == "acceptance").collect();
    assert_eq!(acceptance, [told(1), told(2)]);
}

#[test]
fn where_nobody_names_an_identity_nothing_behind_the_acceptance_is_judged() {
    let mut files = frozen();
    files.insert(Part::Sidecar, b"no json".to_vec());
    files.insert(Part::Enrolment, b"no line\n".to_vec());
    for gone in [None, Some(Part::Enrolment), Some(Part::Root), Some(Part::Records), Some(Part::Manifest)] {
        if let Some(gone) = gone {
            files.remove(&gone);
        }
        let verdict = judged_by(Trust::default(), &files, Seal::Demanded);
        let reasons: Vec<_> = verdict.found.iter().map(|finding| (finding.part, finding.what.reason())).collect();
        let damaged = (Part::Enrolment, "not-three-parts");
        let expected = [damaged, (Part::Enrolment, "unverifiable")];
        assert_eq!(reasons, expected[usize::from(gone.is_some())..], "without {gone:?}");
        assert!(!verdict.is_verified());
    }
}

#[test]
fn a_manifest_over_other_records_is_refused() {
    let cut = with(&unsealed(&frozen()), Part::Records, |lines| drop(lines.pop()));
    let mut sealed = cut.clone();
    sealed.insert(Part::Manifest, resealed(&cut));
    assert_eq!(reasons(&sealed, Seal::Demanded), ["range"]);
}

#[test]
fn a_reader_who_knows_a_root_document_is_not_content_with_a_bundle_that_has_none() {
    let mut files = frozen();
    for part in [Part::Root, Part::Orders] {
        files.remove(&part);
    }
    let seal = files.remove(&Part::Manifest);
    files.insert(Part::Manifest, resealed(&files));
    assert_ne!(files.get(&Part::Manifest), seal.as_ref());
    let verdict = judged_by(Trust { identity: None, root: Some([7; 32]) }, &files, Seal::Demanded);
    assert!(verdict.found.iter().any(|finding| finding.what.reason() == "root-unknown"), "{:?}", verdict.found);
    assert!(!verdict.is_verified());
}

#[test]
fn the_seal_of_a_backup_is_one_record_of_its_kind_by_the_accepted_gateway() {
    let identity = IdentityKey::from_seed([1; 32]);
    let accepted = judged(&frozen(), Seal::Demanded).acceptance.unwrap();
    let accepted = Acceptance { identity: identity.public(), ..accepted };
    let origin = Origin { site: accepted.site.clone(), gw: accepted.gw.clone() };
    let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
    let when = When { boot: "b".into(), mono_us: 1, wall_ms: None, clock };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "test".into() };
    let (mut sealer, open) =
        Sealer::open(&origin, &identity, [2; 32], Head::genesis([3; 32]), &opening, &when).unwrap();
    let files = [("SHA256SUMS".to_owned(), (9, [4; 32]))].into();
    let manifest =
        Manifest { seq: 2, prev: open.link, from: 1, to: 1, by: "N. N.".into(), reason: "box".into(), files };
    let body = Body::new(when, Kind::RecordsBackedUp, Severity::Notice, manifest.data());
    let sealed = sealer.seal(&body).unwrap();
    let text = format!("{}\n{}\n", open.line, sealed.line);
    assert_eq!(Manifest::verify(&text, &accepted, Kind::RecordsBackedUp), Ok((manifest, sealed.link)));
    let refused =
        |text: &str, accepted: &Acceptance, kind| Manifest::verify(text, accepted, kind).unwrap_err().reason();
    let other = Acceptance { identity: IdentityKey::from_seed([9; 32]).public(), ..accepted.clone() };
    assert_eq!(refused(&text, &other, Kind::RecordsBackedUp), "signature");
    assert_eq!(refused(&text, &accepted, Kind::RecordsExported), "field");
    assert_eq!(refused(&format!("{}\n", open.line), &accepted, Kind::RecordsBackedUp), "field-missing");
    assert_eq!(refused(&format!("{text}{}\n", sealed.line), &accepted, Kind::RecordsBackedUp), "field");
    assert_eq!(refused(&sealed.line, &accepted, Kind::RecordsBackedUp), "unknown-epoch");
}
