//! Stopping follows the data.

use crate::harness::{DOOR, World};
use picket_core::wire::{Input, Rebased, Receipted};
use picket_record::kind::Kind;
use picket_record::receipt::State;

const LAST: [Kind; 3] = [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose];

fn last_three(world: &World) -> Vec<Kind> {
    world.journal.records.iter().rev().take(3).rev().map(|body| body.kind).collect()
}

#[test]
fn a_stop_lets_the_open_ask_end_says_its_last_words_and_ends() {
    let mut world = World::new();
    world.run_s(1);
    world.run_until_asked();
    let asks = world.asks;
    world.give(Input::Stop);
    assert_eq!(world.stopped_at, None);
    world.run_s(5);
    assert_eq!((world.asks, last_three(&world)), (asks, LAST.to_vec()));
    assert!(world.stopped_at.is_some());
    assert_eq!(world.site.deadline(), u64::MAX);
}

#[test]
fn what_the_last_ask_brought_is_recorded_before_the_last_words() {
    let mut world = World::new();
    world.run_until_asked();
    world.run(50_000);
    world.contacts[DOOR] = true;
    world.run_until_asked();
    world.give(Input::Stop);
    world.run_s(5);
    assert_eq!(world.told(), ["alarm.raised door-forced/DOOR-1"]);
    assert_eq!(last_three(&world), LAST);
}

#[test]
fn nothing_is_recorded_or_confirmed_behind_the_last_words() {
    let mut world = World::new();
    world.run_s(1);
    world.link = false;
    world.give(Input::LinkUp { session: 1 });
    world.give(Input::Stop);
    world.run(50_000);
    assert_eq!((last_three(&world), world.stopped_at), (LAST.to_vec(), None));
    let confirmed = world.confirmed.len();
    world.scene(true, 1);
    world.acknowledge("silent/MOD-1");
    world.give(Input::ReceiptRefused { cause: "bad signature".into() });
    world.run_s(5);
    assert_eq!((last_three(&world), world.confirmed.len()), (LAST.to_vec(), confirmed));
    assert!(world.stopped_at.is_some());
}

#[test]
fn what_the_central_side_says_behind_the_last_words_is_recorded_by_nobody() {
    let mut world = World::new();
    world.run_s(1);
    world.link = false;
    world.give(Input::LinkUp { session: 1 });
    world.give(Input::Stop);
    world.run(50_000);
    assert_eq!((last_three(&world), world.stopped_at), (LAST.to_vec(), None));
    let (have, resend, mark) = (vec![], vec![], (7, [1; 32]));
    let bad = Receipted { state: State::Bad, upto: 1, have, resend, ts_ms: 0, order: 0, mark, gone: 0 };
    world.give(Input::Receipted(bad));
    let (tail, head) = ("rollback".to_owned(), world.journal.head);
    let rebased = Rebased { tail, found: 9, upto: 9, head, left: 1, branch: None, summed_up: 0 };
    world.give(Input::Rebased(rebased));
    world.run_s(5);
    assert_eq!(last_three(&world), LAST);
    assert!(world.stopped_at.is_some());
}

#[test]
fn a_link_that_takes_nothing_holds_a_stop_for_two_seconds_at_most() {
    let mut world = World::new();
    world.link = false;
    world.run_s(1);
    world.give(Input::LinkUp { session: 1 });
    let asked = world.now_us;
    world.give(Input::Stop);
    world.run_s(60);
    assert!(world.stopped_at.is_some_and(|at| at - asked <= 2_600_000), "{:?}", world.stopped_at);
}

#[test]
fn a_disk_that_takes_nothing_and_a_line_that_never_answers_hold_it_for_a_bounded_time() {
    let mut world = World::new();
    world.run_s(1);
    world.journal.prompt = false;
    world.run_until_asked();
    world.answers.clear();
    let asked = world.now_us;
    world.give(Input::Stop);
    world.run_s(60);
    assert!(world.stopped_at.is_some_and(|at| at - asked <= 15_000_000), "{:?}", world.stopped_at);
}

#[test]
fn what_was_dropped_is_stated_before_the_last_words() {
    let mut world = World::new();
    world.run_s(1);
    world.journal.fill_permille = 900;
    world.scan("AB123456");
    world.run_s(1);
    for _ in 0..3 {
        world.scan("AB123456");
    }
    world.give(Input::Stop);
    world.run_s(5);
    assert_eq!(last_three(&world), LAST);
    let gaps: Vec<u64> = world
        .journal
        .records
        .iter()
        .filter(|b| b.kind == Kind::GapDropped)
        .map(|b| b.data["n"].as_u64().unwrap())
        .collect();
    assert_eq!(gaps.iter().sum::<u64>(), world.status().journal.dropped);
}
