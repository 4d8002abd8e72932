//! The table of attackers in FORMAT.md, as far as a bundle decides it. Every thief has the disk and the identity key; the
//! key of an epoch died with the power. The last two tests hold the limits of version 1: what is *not* detected.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::{ChainCheck, Found, Head, Loss, NEXT_EPK, Opening, Origin, Sealer, Summary, TailState};
use picket_record::encode::{Link, Name};
use picket_record::keys::{EpochKey, IdentityKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::{Receipt, State};
use serde_json::json;

const ACCEPTANCE: Link = [0xac; 32];

fn when() -> When {
    let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
    When { boot: "b".into(), mono_us: 1, wall_ms: None, clock }
}

/// Lines of one gateway, and the links of its records from record 1.
#[derive(Clone, Default)]
struct Chain {
    lines: Vec<String>,
    links: Vec<Link>,
    ep: u64,
}

impl Chain {
    fn head(&self) -> Head {
        let link = self.links.last().copied().unwrap_or(ACCEPTANCE);
        Head { ep: self.ep, seq: self.links.len() as u64, link }
    }

    /// Goes on with an epoch of `n` heartbeats under a key from `seed`.
    fn epoch(mut self, seed: u8, state: TailState, n: u64, told: &str) -> Self {
        let origin = Origin { site: Name::parse("s").unwrap(), gw: Name::parse("g").unwrap() };
        let opening = Opening { tail_state: state, found: None, last_receipt: None, version: "1".into() };
        let identity = IdentityKey::from_seed([1; 32]);
        let (mut sealer, open) = Sealer::open(&origin, &identity, [seed; 32], self.head(), &opening, &when()).unwrap();
        self.add(open.line, open.link);
        self.ep += 1;
        for _ in 0..n {
            let data = json!({ "told": told }).as_object().unwrap().clone();
            let sealed = sealer.seal(&Body::new(when(), Kind::Heartbeat, Severity::Info, data)).unwrap();
            self.add(sealed.line, sealed.link);
        }
        self
    }

    fn add(&mut self, line: String, link: Link) {
        self.lines.push(line);
        self.links.push(link);
    }

    fn receipt(&self, n: u64, upto: u64) -> Receipt {
        let name = |text| Name::parse(text).unwrap();
        Receipt {
            sms: name("sms"),
            gw: name("g"),
            n,
            prev: ACCEPTANCE,
            upto,
            head: self.links[upto as usize - 1],
            ep: 1,
            received_ms: 0,
            ts_ms: 0,
            state: State::Ok,
            have: vec![],
            resend: vec![],
            rebase: None,
            register: None,
            settings: None,
        }
    }
}

/// What a reader finds in lines beside receipts.
fn read(lines: &[String], receipts: &[Receipt]) -> Summary {
    let mut check = ChainCheck::new(IdentityKey::from_seed([1; 32]).public());
    receipts.iter().for_each(|receipt| check.expect(receipt).expect("receipts agree"));
    for line in lines {
        let _ = check.line(line.as_bytes());
    }
    check.finish()
}

fn reasons(summary: &Summary) -> Vec<&'static str> {
    summary.found.iter().map(|placed| placed.what.reason()).collect()
}

/// An epoch of six records, and what a receipt says of the first four.
fn honest() -> (Chain, Receipt) {
    let chain = Chain::default().epoch(2, TailState::Genesis, 5, "truth");
    let receipt = chain.receipt(1, 4);
    (chain, receipt)
}

#[test]
fn a_thief_who_rewrites_what_has_a_receipt_contradicts_it() {
    let (_, receipt) = honest();
    let forged = Chain::default().epoch(9, TailState::Genesis, 5, "lie");
    assert_eq!(reasons(&read(&forged.lines, &[receipt])), ["receipt-head"]);
}

#[test]
fn a_thief_cannot_sign_records_of_an_epoch_that_was_announced() {
    let (chain, _) = honest();
    let forged = Chain::default().epoch(9, TailState::Genesis, 5, "lie");
    // The announced opening stays; the records behind it are the thief's, under another key.
    let lines: Vec<String> = chain.lines[..1].iter().chain(&forged.lines[1..]).cloned().collect();
    assert_eq!(reasons(&read(&lines, &[])), ["signature"; 5]);
}

#[test]
fn a_thief_who_cuts_the_tail_leaves_an_epoch_that_was_not_closed() {
    let (chain, receipt) = honest();
    let mut cut = Chain { lines: chain.lines[..5].to_vec(), links: chain.links[..5].to_vec(), ep: 1 };
    cut = cut.epoch(3, TailState::Crash, 1, "after");
    let summary = read(&cut.lines, &[receipt]);
    assert_eq!((summary.contradictions, summary.losses), (0, vec![Loss::Unclosed { ep: 1, last: 5 }]));
    let below = Chain { lines: chain.lines[..3].to_vec(), links: chain.links[..3].to_vec(), ep: 1 };
    assert_eq!(reasons(&read(&below.lines, &[chain.receipt(1, 4)])), ["missing"], "what has a receipt is missed");
}

#[test]
fn a_restored_image_that_goes_on_by_itself_contradicts_the_receipts() {
    let (chain, _) = honest();
    let image = Chain { lines: chain.lines[..3].to_vec(), links: chain.links[..3].to_vec(), ep: 1 };
    let again = image.epoch(4, TailState::Crash, 4, "again");
    assert_eq!(reasons(&read(&again.lines, &[chain.receipt(1, 6)])), ["receipt-head"]);
}

#[test]
fn a_restored_image_that_asks_first_declares_what_it_had_lost() {
    let (chain, _) = honest();
    let receipt = chain.receipt(1, 6);
    let origin = Origin { site: Name::parse("s").unwrap(), gw: Name::parse("g").unwrap() };
    let tail = Found { seq: 3, link: chain.links[2] };
    let opening =
        Opening { tail_state: TailState::Rollback, found: Some(tail), last_receipt: None, version: "1".into() };
    let identity = IdentityKey::from_seed([1; 32]);
    let (_, open) = Sealer::open(&origin, &identity, [5; 32], chain.head(), &opening, &when()).unwrap();
    let mut lines = chain.lines[..3].to_vec();
    lines.push(open.line.clone());
    let summary = read(&lines, &[receipt]);
    let rollback = Loss::Rollback { from: 4, to: 6, seq: 7, proved: true };
    assert_eq!((summary.contradictions, &summary.losses[0]), (0, &rollback));
    // Without the records that it says it found, the opening contradicts the file.
    let shorter = [&chain.lines[..2], &[open.line]].concat();
    assert_eq!(reasons(&read(&shorter, &[])), ["tail"]);
}

#[test]
fn an_insider_who_deletes_the_newest_records_contradicts_the_receipts_of_the_gateway() {
    let (chain, receipt) = honest();
    let summary = read(&chain.lines[..2], &[receipt]);
    assert_eq!(reasons(&summary), ["missing"]);
}

#[test]
fn a_loss_is_declared_by_the_journal_alone_and_only_as_far_as_it_says() {
    let (mut chain, _) = honest();
    let origin = Origin { site: Name::parse("s").unwrap(), gw: Name::parse("g").unwrap() };
    let opening = Opening { tail_state: TailState::Crash, found: None, last_receipt: None, version: "1".into() };
    let identity = IdentityKey::from_seed([1; 32]);
    let (mut sealer, open) = Sealer::open(&origin, &identity, [6; 32], chain.head(), &opening, &when()).unwrap();
    chain.add(open.line, open.link);
    let data = json!({"lost": [[3, 4]]}).as_object().unwrap().clone();
    let told = sealer.seal(&Body::new(when(), Kind::JournalRecovered, Severity::Fault, data)).unwrap();
    chain.add(told.line, told.link);
    let without = |gone: &[usize]| {
        let kept = chain.lines.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        read(&kept.map(|(_, line)| line.clone()).collect::<Vec<_>>(), &[])
    };
    assert_eq!(without(&[2, 3]).contradictions, 0);
    assert_eq!(reasons(&without(&[2, 3, 4])), ["missing"]);
    let mut damaged = chain.lines.clone();
    damaged[2] = "damaged".into();
    damaged.remove(3);
    assert_eq!(read(&damaged, &[]).contradictions, 0, "an unreadable line of a declared loss");
    damaged.insert(2, "more".into());
    damaged.insert(2, "lines than numbers".into());
    assert_eq!(reasons(&read(&damaged, &[])), ["not-three-parts"; 3]);
}

/// Closes the epoch under the key from `seed`, which has `n` heartbeats, and names the key from `next`.
fn closed_for(mut chain: Chain, seed: u8, n: u64, told: &str, next: u8) -> Chain {
    let opened = Chain {
        lines: chain.lines[..chain.lines.len() - n as usize - 1].to_vec(),
        links: chain.links[..chain.links.len() - n as usize - 1].to_vec(),
        ep: chain.ep - 1,
    };
    let origin = Origin { site: Name::parse("s").unwrap(), gw: Name::parse("g").unwrap() };
    let state = if opened.lines.is_empty() { TailState::Genesis } else { TailState::Rotate };
    let opening = Opening { tail_state: state, found: None, last_receipt: None, version: "1".into() };
    let identity = IdentityKey::from_seed([1; 32]);
    let (mut sealer, open) = Sealer::open(&origin, &identity, [seed; 32], opened.head(), &opening, &when()).unwrap();
    assert_eq!(open.line, chain.lines[opened.lines.len()], "the same epoch");
    let body =
        |kind, data: serde_json::Value| Body::new(when(), kind, Severity::Info, data.as_object().unwrap().clone());
    for _ in 0..n {
        sealer.seal(&body(Kind::Heartbeat, json!({ "told": told }))).unwrap();
    }
    let next = EpochKey::from_seed([next; 32]).public().text();
    let close = sealer.seal(&body(Kind::EpochClose, json!({ "why": "rotate", (NEXT_EPK): next }))).unwrap();
    chain.add(close.line, close.link);
    chain
}

#[test]
fn a_thief_who_rewrites_an_epoch_that_was_rotated_to_in_process_is_detected() {
    let chain = Chain::default().epoch(2, TailState::Genesis, 3, "truth");
    let chain = closed_for(chain, 2, 3, "truth", 3);
    let truth = chain.clone().epoch(3, TailState::Rotate, 3, "truth");
    assert_eq!(read(&truth.lines, &[]).contradictions, 0);
    for state in [TailState::Rotate, TailState::Clean, TailState::Crash] {
        let lie = chain.clone().epoch(9, state, 3, "lie");
        assert_eq!(reasons(&read(&lie.lines, &[])), ["break-key"], "{state:?}");
    }
    // The one exemption, for a journal that was put back to this point, is never silent.
    let elsewhere = read(&chain.clone().epoch(9, TailState::Rollback, 3, "?").lines, &[]);
    assert!(matches!(elsewhere.losses[..], [Loss::Branch { seq: 6, proved: false, .. }]), "{:?}", elsewhere.losses);
    // Without the close it is an epoch that was not closed; where the close has a receipt, that is missed.
    let mut cut = chain.clone();
    cut.lines.pop();
    cut.links.pop();
    let cut = cut.epoch(9, TailState::Crash, 3, "lie");
    assert_eq!(read(&cut.lines, &[]).losses, [Loss::Unclosed { ep: 1, last: 4 }]);
    assert_eq!(reasons(&read(&cut.lines, &[chain.receipt(1, 5)])), ["receipt-head"]);
}

#[test]
fn limit_a_thief_who_rewrites_an_epoch_that_was_never_announced_is_not_detected() {
    let (chain, receipt) = honest();
    let truth = chain.clone().epoch(3, TailState::Crash, 3, "truth");
    let lie = chain.epoch(9, TailState::Crash, 3, "lie");
    for history in [truth, lie] {
        assert_eq!(read(&history.lines, std::slice::from_ref(&receipt)).contradictions, 0);
    }
}

#[test]
fn limit_a_live_root_who_rewrites_the_tail_without_receipt_is_not_detected() {
    let (chain, receipt) = honest();
    // The same epoch key, in memory, signs another record 5 and 6.
    let origin = Origin { site: Name::parse("s").unwrap(), gw: Name::parse("g").unwrap() };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "1".into() };
    let identity = IdentityKey::from_seed([1; 32]);
    let (mut sealer, _) =
        Sealer::open(&origin, &identity, [2; 32], Head::genesis(ACCEPTANCE), &opening, &when()).unwrap();
    let mut lines = chain.lines[..1].to_vec();
    for told in ["truth", "truth", "truth", "lie", "lie"] {
        let data = json!({ "told": told }).as_object().unwrap().clone();
        lines.push(sealer.seal(&Body::new(when(), Kind::Heartbeat, Severity::Info, data)).unwrap().line);
    }
    assert_ne!(lines, chain.lines);
    assert_eq!(read(&lines, &[receipt]).contradictions, 0);
}
