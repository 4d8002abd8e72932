//! The slots on a real file system: what the machine believes of a change is what lies there, killed before it or after.

use super::*;
use crate::certificate::wish;
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn slots() -> (TempDir, Slots) {
    let home = tempfile::tempdir().unwrap();
    let slots = Slots::open(&home.path().join("tls")).unwrap();
    (home, slots)
}

/// A certificate for the key of a slot.
fn certificate(slots: &Slots, slot: Slot) -> String {
    let key = String::from_utf8(slots.key(slot).unwrap().unwrap()).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    CertificateParams::new(["gw-1".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
}

fn word(content: Content) -> &'static str {
    match content {
        Content::Empty => "empty",
        Content::Key => "key",
        Content::Candidate(_) => "candidate",
        Content::Whole(_) => "whole",
        Content::Damaged => "damaged",
    }
}

fn words(slots: &Slots) -> [&'static str; 2] {
    slots.look().unwrap().slots.map(word)
}

#[test]
fn each_change_of_a_renewal_lies_on_the_disk_as_the_machine_believes() {
    let (_home, slots) = slots();
    assert_eq!((slots.look().unwrap().pointer, words(&slots)), (None, ["empty", "empty"]));
    slots.take(Step::MakeKey(Slot::A), wish::new_key().unwrap().as_bytes()).unwrap();
    assert_eq!(words(&slots), ["key", "empty"]);
    slots.take(Step::Store(Slot::A), certificate(&slots, Slot::A).as_bytes()).unwrap();
    assert_eq!(words(&slots), ["candidate", "empty"]);
    slots.take(Step::Point(Slot::A), b"").unwrap();
    assert_eq!((slots.look().unwrap().in_force(), words(&slots)), (Some(Slot::A), ["candidate", "empty"]));
    slots.take(Step::Seal(Slot::A), b"").unwrap();
    assert_eq!((slots.look().unwrap().in_force(), words(&slots)), (Some(Slot::A), ["whole", "empty"]));
    // Killed after each of the removals.
    for (op, left) in Step::Clear(Slot::A).ops().into_iter().zip(["damaged", "damaged", "empty"]) {
        slots.apply(op, b"").unwrap();
        assert_eq!(words(&slots)[0], left, "{op:?}");
        slots.apply(op, b"").unwrap();
    }
}

#[test]
fn keys_and_certificates_are_their_owners_alone() {
    let (home, slots) = slots();
    slots.take(Step::MakeKey(Slot::B), wish::new_key().unwrap().as_bytes()).unwrap();
    slots.take(Step::Store(Slot::B), certificate(&slots, Slot::B).as_bytes()).unwrap();
    slots.take(Step::Point(Slot::B), b"").unwrap();
    let mode = |path: &str| fs::metadata(home.path().join("tls").join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(""), mode("a"), mode("b")], [0o700; 3]);
    assert_eq!([mode("b/key.pem"), mode("b/candidate.pem"), mode("in-force")], [0o600; 3]);
    assert_eq!(fs::read_to_string(home.path().join("tls/in-force")).unwrap(), "b\n");
}

#[test]
fn a_key_without_its_certificate_garbage_a_megabyte_and_another_key_are_damage() {
    let (home, slots) = slots();
    let file = |name: &str| home.path().join("tls").join(name);
    slots.take(Step::MakeKey(Slot::A), wish::new_key().unwrap().as_bytes()).unwrap();
    let good = certificate(&slots, Slot::A);
    for bad in [Vec::new(), b"-----BEGIN CERTIFICATE-----\n!!\n".to_vec(), vec![b'A'; 1 << 20], good.repeat(50).into()]
    {
        fs::write(file("a/certificate.pem"), bad).unwrap();
        assert_eq!(words(&slots)[0], "damaged");
    }
    fs::write(file("a/certificate.pem"), &good).unwrap();
    assert_eq!(words(&slots)[0], "whole");
    fs::write(file("a/key.pem"), wish::new_key().unwrap()).unwrap();
    assert_eq!(words(&slots)[0], "damaged", "the key of another certificate");
    fs::write(file("a/key.pem"), "no key").unwrap();
    fs::remove_file(file("a/certificate.pem")).unwrap();
    assert_eq!(words(&slots)[0], "damaged");
    for pointer in ["", "c", "a b", "\0"] {
        fs::write(file("in-force"), pointer).unwrap();
        assert_eq!(slots.look().unwrap().pointer, None, "{pointer:?}");
    }
}

#[test]
fn what_cannot_be_read_is_a_fault_and_not_damage() {
    let (home, slots) = slots();
    slots.take(Step::MakeKey(Slot::A), wish::new_key().unwrap().as_bytes()).unwrap();
    // A loop of links cannot be followed, whoever asks.
    let certificate = home.path().join("tls/a/certificate.pem");
    std::os::unix::fs::symlink(&certificate, &certificate).unwrap();
    let fault = slots.look().unwrap_err().to_string();
    assert!(fault.contains("a/certificate.pem: cannot read"), "{fault}");
}

#[test]
fn what_a_power_cut_left_of_a_key_on_its_way_is_gone_behind_the_next_start() {
    let (home, slots) = slots();
    slots.take(Step::MakeKey(Slot::A), wish::new_key().unwrap().as_bytes()).unwrap();
    let key = slots.key(Slot::A).unwrap();
    let dir = home.path().join("tls");
    let left =
        ["a/key.pem.new", "b/candidate.pem.new", "b/certificate.pem.new", "in-force.new"].map(|name| dir.join(name));
    for file in &left {
        fs::write(file, wish::new_key().unwrap()).unwrap();
    }
    let slots = Slots::open(&dir).unwrap();
    assert_eq!(left.each_ref().map(|file| file.exists()), [true; 4], "a command beside the running agent");
    slots.clear_unfinished().unwrap();
    assert_eq!(left.each_ref().map(|file| file.exists()), [false; 4]);
    assert_eq!((slots.key(Slot::A).unwrap(), words(&slots)), (key, ["key", "empty"]));
}
