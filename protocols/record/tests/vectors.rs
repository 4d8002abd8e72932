//! The frozen vectors of version 1. A failure here means that the format changed: that needs a new version.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

#[path = "v1/story.rs"]
mod story;

use picket_record::acceptance::Acceptance;
use picket_record::chain::{ChainCheck, Contradiction, Epochs, Loss, Parsed, Summary, verify};
use picket_record::keys::{AcceptKey, IdentityKey, PublicKey, ReceiptKey};
use picket_record::receipt::{Receipt, State};

const RECORDS: &str = include_str!("../vectors/v1/records.jws");
const RECEIPTS: &str = include_str!("../vectors/v1/receipts.jws");
const ACCEPTANCE: &str = include_str!("../vectors/v1/acceptance.jws");
const MUTATIONS: &str = include_str!("../vectors/v1/mutations.tsv");
const REASONS: &str = include_str!("../vectors/v1/reasons.tsv");
const KEYS: &str = include_str!("../vectors/v1/keys.tsv");

fn identity() -> PublicKey {
    let text = KEYS.lines().find_map(|line| line.strip_prefix("identity\t")).unwrap();
    PublicKey::parse(text.split('\t').nth(1).unwrap()).unwrap()
}

fn epochs() -> Epochs {
    let mut epochs = Epochs::new(story::name("gate-7"), identity());
    for line in RECORDS.lines() {
        if let Some(opened) = verify(&Parsed::read(line).unwrap(), &epochs).unwrap() {
            epochs.admit(&opened).unwrap();
        }
    }
    epochs
}

fn walk<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> (Summary, Vec<Contradiction>) {
    let mut check = ChainCheck::new(identity());
    let receipt_key = ReceiptKey::from_seed(story::RECEIPT_SEED).public();
    for line in RECEIPTS.lines() {
        check.expect(&Receipt::verify(line, &receipt_key, &story::name("gate-7")).unwrap().0).unwrap();
    }
    let bad = lines.into_iter().filter_map(|line| check.line(line).err()).collect();
    (check.finish(), bad)
}

fn lines() -> Vec<&'static [u8]> {
    RECORDS.lines().map(str::as_bytes).collect()
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let records: String = story::records().iter().map(|record| format!("{}\n", record.line)).collect();
    assert_eq!(records, RECORDS);
    let receipts: String = story::receipts().iter().map(|receipt| format!("{}\n", receipt.line)).collect();
    assert_eq!(receipts, RECEIPTS);
    assert_eq!(format!("{}\n", story::acceptance().line), ACCEPTANCE);
}

#[test]
fn the_frozen_history_is_verified() {
    let (summary, bad) = walk(lines());
    assert_eq!(bad, []);
    let expected = Summary {
        records: 20,
        epochs: 2,
        first: 1,
        last: 20,
        running: true,
        losses: vec![Loss::Dropped { seq: 12, events: 17, reason: "disk".into() }],
        lost: 1,
        declared_losses: 17,
        receipted: 2,
        ..Summary::default()
    };
    assert_eq!(summary, expected);
}

#[test]
fn the_frozen_receipts_form_a_chain_from_the_acceptance() {
    let accept = AcceptKey::from_seed(story::ACCEPT_SEED).public();
    let (acceptance, mut prev) = Acceptance::verify(ACCEPTANCE.trim_end(), &accept).unwrap();
    assert_eq!(acceptance.identity, IdentityKey::from_seed(story::IDENTITY_SEED).public());
    for (line, (n, state)) in RECEIPTS.lines().zip([(1, State::Ok), (2, State::Gap), (3, State::Ok)]) {
        let (receipt, link) = Receipt::verify(line, &acceptance.receipt_key, &acceptance.gw).unwrap();
        assert_eq!((receipt.n, receipt.state, receipt.prev), (n, state, prev));
        prev = link;
    }
}

#[test]
fn every_mutation_is_refused_for_its_reason() {
    let epochs = epochs();
    for row in MUTATIONS.lines() {
        let mut columns = row.split('\t');
        let (rule, reason, line) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let refusal = Parsed::read(line).and_then(|record| verify(&record, &epochs)).unwrap_err();
        assert_eq!(refusal.to_string(), reason, "{rule}");
    }
}

#[test]
fn every_mutation_has_the_word_of_its_rule() {
    let epochs = epochs();
    let words: Vec<String> = MUTATIONS
        .lines()
        .map(|row| {
            let (rule, line) = (row.split('\t').next().unwrap(), row.split('\t').nth(2).unwrap());
            let refusal = Parsed::read(line).and_then(|record| verify(&record, &epochs)).unwrap_err();
            format!("{rule}\t{}\n", refusal.reason())
        })
        .collect();
    assert_eq!(words.concat(), REASONS);
}

#[test]
fn every_flipped_bit_of_every_line_is_refused() {
    let epochs = epochs();
    for line in lines() {
        for bit in 0..8 * line.len() {
            let mut flipped = line.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let result = Parsed::read_bytes(&flipped).and_then(|record| verify(&record, &epochs));
            assert!(result.is_err(), "bit {bit} of {}", String::from_utf8_lossy(line));
        }
    }
}

#[test]
fn a_dropped_swapped_repeated_or_truncated_line_contradicts() {
    let good = lines();
    for at in 0..good.len() {
        let (mut dropped, mut swapped, mut repeated, mut cut) =
            (good.clone(), good.clone(), good.clone(), good.clone());
        dropped.remove(at);
        repeated.insert(at, good[at]);
        cut[at] = &good[at][..good[at].len() - 1];
        assert!(!walk(repeated).1.is_empty(), "repeated {at}");
        assert!(!walk(cut).1.is_empty(), "cut {at}");
        if at + 1 < good.len() {
            swapped.swap(at, at + 1);
            assert!(!walk(swapped).1.is_empty(), "swapped {at}");
            assert!(!walk(dropped).1.is_empty(), "dropped {at}");
        } else {
            // A chain alone never shows a cut tail: the receipt for record 20 does.
            let summary = walk(dropped).0;
            let unplaced: Vec<_> = summary.unplaced().collect();
            assert_eq!(unplaced, [&Contradiction::Missing { from: 20, to: 20 }]);
            assert_eq!((summary.receipted, summary.contradictions), (1, 1));
        }
    }
}

#[test]
fn a_history_that_a_receipt_contradicts_is_refused() {
    let mut check = ChainCheck::new(identity());
    let key = ReceiptKey::from_seed(story::RECEIPT_SEED).public();
    let (mut receipt, _) = Receipt::verify(RECEIPTS.lines().next().unwrap(), &key, &story::name("gate-7")).unwrap();
    receipt.head = [0; 32];
    check.expect(&receipt).unwrap();
    let bad: Vec<_> = lines().into_iter().filter_map(|line| check.line(line).err()).collect();
    assert_eq!(bad, [Contradiction::Receipt { seq: 11, n: 1 }]);
}

#[test]
fn two_receipts_that_disagree_contradict() {
    let mut check = ChainCheck::new(identity());
    let key = ReceiptKey::from_seed(story::RECEIPT_SEED).public();
    let (receipt, _) = Receipt::verify(RECEIPTS.lines().next().unwrap(), &key, &story::name("gate-7")).unwrap();
    check.expect(&Receipt { n: 9, head: [0; 32], ..receipt.clone() }).unwrap();
    let upto = receipt.upto;
    assert_eq!(check.expect(&receipt), Err(Contradiction::Receipts { n: 9, other: 1, upto }));
    check.expect(&receipt).unwrap();
    for line in lines() {
        assert!(check.line(line).is_ok());
    }
    assert_eq!(check.finish().contradictions, 0);
}

#[test]
fn the_acceptance_binds_the_records() {
    let (acceptance, link) = Acceptance::claims(ACCEPTANCE.trim_end()).unwrap();
    let walked = |acceptance: &Acceptance, link| {
        let mut check = ChainCheck::new(identity());
        check.accepted(acceptance.clone(), link);
        let bad: Vec<_> = lines().into_iter().filter_map(|line| check.line(line).err()).collect();
        (check.finish(), bad)
    };
    assert_eq!(walked(&acceptance, link).0.contradictions, 0);
    assert_eq!(walked(&acceptance, [0; 32]).1, [Contradiction::Acceptance]);
    let moved = Acceptance { site: story::name("elsewhere"), ..acceptance };
    assert_eq!(walked(&moved, link).0.records, 0);
}
