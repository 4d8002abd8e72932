use super::*;
use crate::testbed::{at, body};
use proptest::prelude::*;

fn push(drafts: &mut Drafts, kind: Kind, severity: Severity, commit: Commit) -> Option<u64> {
    drafts.push(&at(0), body(kind, severity, Some("DOOR-1")), commit)
}

fn alarm(drafts: &mut Drafts) -> Option<u64> {
    push(drafts, Kind::AlarmRaised, Severity::Security, Commit::Now)
}

fn reading(drafts: &mut Drafts) -> Option<u64> {
    push(drafts, Kind::Readings, Severity::Info, Commit::Routine)
}

fn gap(bodies: &[Body]) -> Option<&Body> {
    bodies.iter().find(|body| body.kind == Kind::GapDropped)
}

#[test]
fn an_alarm_is_handed_out_at_once_with_everything_before_it() {
    let mut drafts = Drafts::new(0);
    reading(&mut drafts);
    assert_eq!(drafts.next_append(&at(0)), None);
    assert_eq!(alarm(&mut drafts), Some(2));
    let (through, bodies) = drafts.next_append(&at(0)).unwrap();
    assert_eq!((through, bodies[0].kind, bodies[1].kind), (2, Kind::Readings, Kind::AlarmRaised));
}

#[test]
fn routine_records_wait_three_seconds_or_for_sixty_four() {
    let mut drafts = Drafts::new(0);
    reading(&mut drafts);
    assert_eq!(drafts.deadline(), Some(3_000_000));
    assert_eq!(drafts.next_append(&at(2_999_999)), None);
    assert_eq!(drafts.next_append(&at(3_000_000)).map(|(through, _)| through), Some(1));
    drafts.stored(1, 0);
    for _ in 0..64 {
        assert_eq!(drafts.next_append(&at(0)), None);
        reading(&mut drafts);
    }
    assert_eq!(drafts.next_append(&at(0)).map(|(through, _)| through), Some(65));
}

#[test]
fn never_more_than_one_append_is_open() {
    let mut drafts = Drafts::new(0);
    alarm(&mut drafts);
    assert!(drafts.next_append(&at(0)).is_some());
    alarm(&mut drafts);
    assert_eq!(drafts.next_append(&at(9_000_000)), None);
    assert_eq!(drafts.deadline(), None);
    drafts.stored(1, 0);
    assert_eq!(drafts.next_append(&at(9_000_000)).map(|(through, _)| through), Some(2));
}

#[test]
fn what_could_not_be_stored_is_handed_out_again_unchanged_after_a_second() {
    let mut drafts = Drafts::new(0);
    alarm(&mut drafts);
    let (through, bodies) = drafts.next_append(&at(0)).unwrap();
    alarm(&mut drafts);
    drafts.failed(&at(10));
    assert_eq!(drafts.deadline(), Some(1_000_010));
    assert_eq!(drafts.next_append(&at(1_000_009)), None);
    let again = drafts.next_append(&at(1_000_010)).unwrap();
    assert_eq!((through, bodies), again);
    assert_eq!(drafts.deadline(), None);
    assert_eq!(drafts.not_stored(), 2);
}

#[test]
fn one_append_takes_at_most_256() {
    let mut drafts = Drafts::new(0);
    for _ in 0..300 {
        alarm(&mut drafts);
    }
    assert_eq!(drafts.next_append(&at(0)).map(|(through, bodies)| (through, bodies.len())), Some((256, 256)));
    drafts.stored(256, 0);
    assert_eq!(drafts.next_append(&at(0)).map(|(through, bodies)| (through, bodies.len())), Some((300, 44)));
}

fn group(drafts: &mut Drafts, count: usize) {
    drafts.begin_group();
    for _ in 0..count {
        alarm(drafts);
    }
    drafts.end_group();
}

/// Sizes of the appends until nothing waits.
fn appends(drafts: &mut Drafts) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let Some((through, bodies)) = drafts.next_append(&at(0)) {
        drafts.stored(through, 0);
        sizes.push(bodies.len());
    }
    sizes
}

#[test]
fn an_append_ends_before_a_group_that_it_would_cut() {
    let mut drafts = Drafts::new(0);
    group(&mut drafts, 250);
    group(&mut drafts, 6);
    group(&mut drafts, 2);
    assert_eq!(appends(&mut drafts), [256, 2]);
    group(&mut drafts, 250);
    group(&mut drafts, 7);
    alarm(&mut drafts);
    assert_eq!(appends(&mut drafts), [250, 8]);
}

#[test]
fn a_group_that_is_longer_than_an_append_is_stored_whole_and_a_monstrous_one_is_cut() {
    let mut drafts = Drafts::new(0);
    alarm(&mut drafts);
    group(&mut drafts, 600);
    group(&mut drafts, 1);
    assert_eq!(appends(&mut drafts), [1, 600, 1]);
    group(&mut drafts, MAX_GROUP + 1);
    assert_eq!(appends(&mut drafts), [MAX_GROUP, 1]);
}

#[test]
fn what_takes_effect_by_order_is_stated_however_full_the_journal_is() {
    let mut drafts = Drafts::new(900);
    for kind in [Kind::OrderApplied, Kind::ExerciseStarted, Kind::ExerciseEnded, Kind::RegisterApplied] {
        assert!(push(&mut drafts, kind, Severity::Notice, Commit::Now).is_some(), "{kind:?}");
    }
}

#[test]
fn from_seventy_percent_of_the_budget_severity_0_is_dropped_and_from_85_what_is_below_3() {
    let admitted = |fill: u16| {
        let mut drafts = Drafts::new(fill);
        let severities = [Severity::Info, Severity::Notice, Severity::Fault, Severity::Security, Severity::Life];
        severities.map(|severity| push(&mut drafts, Kind::HealthLine, severity, Commit::Now).is_some())
    };
    assert_eq!(admitted(699), [true, true, true, true, true]);
    assert_eq!(admitted(700), [false, true, true, true, true]);
    assert_eq!(admitted(849), [false, true, true, true, true]);
    assert_eq!(admitted(850), [false, false, false, true, true]);
}

#[test]
fn a_full_budget_still_takes_heartbeats_acts_and_what_memory_follows_from() {
    let mut drafts = Drafts::new(999);
    for kind in [
        Kind::Heartbeat,
        Kind::Snapshot,
        Kind::EpochClose,
        Kind::ActStopped,
        Kind::RegisterApplied,
        Kind::RegisterImported,
        Kind::ActAcknowledged,
        Kind::AlarmClosed,
        Kind::NonconformityOpened,
    ] {
        assert!(push(&mut drafts, kind, Severity::Info, Commit::Routine).is_some(), "{kind:?}");
    }
    assert_eq!(push(&mut drafts, Kind::SealChecked, Severity::Info, Commit::Now), None);
}

#[test]
fn the_last_five_percent_of_the_budget_still_take_every_alarm() {
    for fill in [950, 999] {
        for severity in [Severity::Security, Severity::Life] {
            assert!(push(&mut Drafts::new(fill), Kind::AlarmRaised, severity, Commit::Now).is_some(), "{fill}");
        }
    }
}

#[test]
fn a_gap_states_exactly_what_was_dropped() {
    let mut drafts = Drafts::new(850);
    reading(&mut drafts);
    reading(&mut drafts);
    push(&mut drafts, Kind::HealthLine, Severity::Fault, Commit::Now);
    let (_, bodies) = drafts.next_append(&at(5)).unwrap();
    let data = &gap(&bodies).unwrap().data;
    assert_eq!(data["n"], 3);
    assert_eq!(data["by_sev"], json!([2, 0, 1, 0, 0]));
    assert_eq!(data["by_kind"], json!({ "readings": 2, "health.line": 1 }));
    assert_eq!(data["eqs"], json!({ "DOOR-1": 3 }));
    assert_eq!(drafts.dropped(), 3);
}

#[test]
fn drops_are_stated_at_once_and_then_once_a_minute() {
    let mut drafts = Drafts::new(700);
    reading(&mut drafts);
    assert!(drafts.next_append(&at(0)).is_some());
    drafts.stored(1, 700);
    for second in 1..60 {
        drafts.push(&at(s(second)), body(Kind::Readings, Severity::Info, None), Commit::Routine);
        assert_eq!(drafts.next_append(&at(s(second))), None);
    }
    assert_eq!(drafts.deadline(), Some(s(60)));
    let (_, bodies) = drafts.next_append(&at(s(60))).unwrap();
    let data = &gap(&bodies).unwrap().data;
    assert_eq!((&data["n"], &data["total"]), (&json!(59), &json!(60)));
}

#[test]
fn under_pressure_readings_go_first_faults_next_and_alarms_last() {
    let mut drafts = Drafts::new(0);
    let kept = |drafts: &mut Drafts, kind, severity| {
        (0..20_000).filter(|_| push(drafts, kind, severity, Commit::Now).is_some()).count()
    };
    assert_eq!(kept(&mut drafts, Kind::Readings, Severity::Info), 5_000);
    assert_eq!(kept(&mut drafts, Kind::HealthLine, Severity::Fault), 4_000);
    assert_eq!(kept(&mut drafts, Kind::AlarmRaised, Severity::Security), 1_000);
    assert_eq!(drafts.dropped(), 60_000 - MAX_WAITING as u64);
}

#[derive(Debug, Clone)]
enum Step {
    Push(bool, u8),
    Stored(u16),
    Failed,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 0_u8..5).prop_map(|(now, severity)| Step::Push(now, severity)),
        2 => (0_u16..1_000).prop_map(Step::Stored),
        1 => Just(Step::Failed),
        2 => (1_u64..4_000_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Each draft carries its number, so that order and loss can be seen.
    #[test]
    fn no_draft_is_lost_or_reordered_unless_it_is_counted(steps in prop::collection::vec(step(), 1..200)) {
        let (mut drafts, mut now, mut pushed, mut dropped) = (Drafts::new(0), 0, 0_u64, 0_u64);
        let (mut admitted, mut stored, mut stated) = (Vec::new(), Vec::new(), 0_u64);
        let mut open: Option<(u64, Arc<Vec<Body>>)> = None;
        for step in steps {
            match step {
                Step::Push(at_once, severity) => {
                    pushed += 1;
                    let severity = Severity::from_int(u64::from(severity)).unwrap();
                    let mut body = body(Kind::AlarmRaised, severity, Some("DOOR-1"));
                    body.data.insert("n".into(), pushed.into());
                    let commit = if at_once { Commit::Now } else { Commit::Routine };
                    match drafts.push(&at(now), body, commit) {
                        Some(_) => admitted.push(pushed),
                        None => dropped += 1,
                    }
                }
                Step::Stored(fill) => if let Some((through, bodies)) = open.take() {
                    drafts.stored(through, fill);
                    for body in bodies.iter() {
                        match body.kind {
                            Kind::GapDropped => stated += body.data["n"].as_u64().unwrap(),
                            _ => stored.push(body.data["n"].as_u64().unwrap()),
                        }
                    }
                },
                Step::Failed => drafts.failed(&at(now)),
                Step::Wait(us) => now += us,
            }
            if let Some((through, bodies)) = drafts.next_append(&at(now)) {
                if let Some(before) = &open {
                    prop_assert_eq!(before, &(through, Arc::clone(&bodies)));
                }
                open = Some((through, bodies));
            }
            prop_assert_eq!(&stored[..], &admitted[..stored.len()]);
            prop_assert!(stated <= dropped && drafts.dropped() == dropped);
            prop_assert!(drafts.deadline().is_none_or(|due| due > now), "hot loop at {}", now);
        }
        let gaps = open.iter().flat_map(|(_, bodies)| bodies.iter()).chain(drafts.waiting.iter().map(|draft| &draft.body));
        let gaps = gaps.filter(|b| b.kind == Kind::GapDropped).count() as u64;
        prop_assert_eq!(pushed + gaps, stored.len() as u64 + drafts.not_stored() + dropped);
    }
}
