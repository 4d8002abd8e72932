//! From the journal to the central side.

use crate::harness::World;
use picket_core::wire::{Batch, Input, Receipted};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::State;

#[test]
fn an_alarm_goes_ahead_of_the_backlog_by_its_number() {
    let mut world = World::new();
    world.run_s(600);
    world.link = false;
    world.give(Input::LinkUp { session: 1 });
    world.give(receipted(State::Ok, 0));
    world.scan("XX999");
    let urgent: Vec<u64> = (2..)
        .zip(&world.journal.records)
        .filter(|(_, body)| body.severity >= Severity::Security)
        .map(|(seq, _)| seq)
        .collect();
    assert_eq!(world.sent.last(), Some(&Batch::Urgent { seqs: urgent, receipted: 0 }));
}

#[test]
fn a_record_is_never_sent_before_it_is_stored() {
    let mut world = World::new();
    world.give(Input::LinkUp { session: 1 });
    world.give(receipted(State::Ok, 0));
    world.journal.prompt = false;
    let sent = world.sent.len();
    world.scan("XX999");
    world.run_s(50);
    assert_eq!(world.sent.len(), sent);
    world.store();
    assert!(world.sent.len() > sent);
}

#[test]
fn a_store_that_fails_is_shown_and_the_same_bodies_are_tried_again() {
    let mut world = World::new();
    world.run_s(1);
    world.journal.prompt = false;
    world.scan("XX999");
    let (through, bodies) = world.journal.open.take().unwrap();
    world.give(Input::StoreFailed { cause: "disk full".into() });
    assert_eq!(world.status().journal.fault.as_deref(), Some("disk full"));
    world.run_s(1);
    assert_eq!(world.journal.open, Some((through, bodies)));
    world.store();
    assert_eq!(world.status().journal.fault, None);
}

#[test]
fn a_receipt_that_counts_lower_has_the_central_side_asked_once_in_a_while() {
    let mut world = World::new();
    world.give(Input::ReceiptBehind);
    assert_eq!(world.asked_receipts, 0, "there is no link to ask by");
    world.give(Input::LinkUp { session: 1 });
    assert_eq!(world.asked_receipts, 1);
    for _ in 0..20 {
        world.give(Input::ReceiptBehind);
        world.run_s(1);
    }
    assert_eq!(world.asked_receipts, 3, "two in twenty seconds");
}

#[test]
fn a_burst_of_receipts_never_floods_the_journal() {
    let mut world = World::new();
    world.journal.prompt = false;
    for n in 0..500 {
        world.give(Input::ReceiptHeard { line: format!("receipt {n}") });
    }
    assert_eq!(world.checks, 8);
    world.give(receipted(State::Ok, 1));
    assert_eq!(world.checks, 9);
}

fn receipted(state: State, upto: u64) -> Input {
    Input::Receipted(Receipted {
        state,
        upto,
        have: vec![],
        resend: vec![],
        ts_ms: 0,
        order: 0,
        mark: (1, [1; 32]),
        gone: 0,
    })
}

#[test]
fn what_the_central_side_doubts_is_shown_at_once_and_recorded_once_a_change() {
    let mut world = World::new();
    for state in [State::Ok, State::Gap, State::Bad, State::Bad, State::Ok, State::Bad] {
        world.give(receipted(state, 1));
    }
    assert_eq!(world.status().link.state.as_deref(), Some("bad"));
    assert_eq!(world.status().link.receipted, 1);
    world.run_s(61);
    for state in [State::Gap, State::Fork] {
        world.give(receipted(state, 1));
    }
    world.run_s(61);
    world.give(receipted(State::Fork, 1));
    let stated = world.journal.records.iter().filter(|b| b.kind == Kind::HealthCentral);
    let stated: Vec<_> = stated.map(|b| (b.data["seen_as"].as_str().unwrap(), b.severity)).collect();
    let [bad, ok, fork] = [("bad", Severity::Security), ("ok", Severity::Notice), ("fork", Severity::Security)];
    assert_eq!(stated, [bad, ok, fork]);
}

#[test]
fn refused_receipts_are_recorded_once_a_minute_with_their_number() {
    let mut world = World::new();
    for _ in 0..100 {
        world.give(Input::ReceiptRefused { cause: "bad signature".into() });
    }
    world.run_s(60);
    world.give(Input::ReceiptRefused { cause: "bad signature".into() });
    let counts: Vec<_> =
        world.journal.records.iter().filter(|b| b.kind == Kind::ReceiptBad).map(|b| b.data["n"].clone()).collect();
    assert_eq!(counts, [1, 100]);
}

#[test]
fn refusals_do_not_open_the_way_for_a_flood_and_the_next_record_does_for_the_newest() {
    let mut world = World::new();
    world.journal.prompt = false;
    for n in 0..100 {
        world.give(Input::ReceiptHeard { line: format!("receipt {n}") });
        world.give(Input::ReceiptRefused { cause: "bad signature".into() });
    }
    assert_eq!(world.checks, 8);
    world.store();
    assert_eq!(world.checks, 9);
}
