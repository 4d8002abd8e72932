use super::*;
use crate::testbed::at;
use crate::wire::Lane;
use proptest::prelude::*;

mod branches;

fn linked(head: u64, receipted: u64, urgent: &[u64]) -> Uplink {
    let mut uplink = Uplink::new(head, receipted, urgent.to_vec());
    up(&mut uplink, 0, 1);
    uplink
}

/// The link stands, and the central side says what it has.
fn up(uplink: &mut Uplink, now_us: u64, session: u32) {
    uplink.up(&at(now_us), session);
    let (upto, have) = (uplink.receipted, uplink.have.clone());
    receive(uplink, &at(now_us), upto, have, vec![]);
}

fn receive(uplink: &mut Uplink, now: &Now, upto: u64, have: Vec<(u64, u64)>, resend: Vec<(u64, u64)>) {
    uplink.receipted(
        now,
        Receipted { state: State::Ok, upto, have, resend, ts_ms: 0, order: 0, mark: (1, [1; 32]), gone: 0 },
    );
}

fn next(uplink: &mut Uplink, now_us: u64) -> Option<Batch> {
    uplink.next(&at(now_us)).map(|(_, batch)| batch)
}

fn left(uplink: &mut Uplink, now_us: u64, through: u64) {
    packed(uplink, through);
    uplink.sent(&at(now_us), 1, Lane::Record, Ok(through));
}

fn packed(uplink: &mut Uplink, through: u64) {
    uplink.packed(1, Lane::Record, through, 1_000);
}

fn range(from: u64, to: u64) -> Option<Batch> {
    Some(Batch::Range { from, to })
}

#[test]
fn urgent_records_go_first_by_their_numbers_and_the_backlog_beside_them() {
    let mut uplink = linked(100, 10, &[7, 40, 90]);
    assert_eq!(next(&mut uplink, 0), Some(Batch::Urgent { seqs: vec![40, 90], receipted: 10 }));
    assert_eq!(next(&mut uplink, 0), range(11, 100));
    assert_eq!(next(&mut uplink, 0), None);
}

#[test]
fn nothing_is_sent_while_the_link_is_down_and_everything_without_a_receipt_after_it_is_up_again() {
    let mut uplink = linked(100, 10, &[]);
    assert_eq!(next(&mut uplink, 0), range(11, 100));
    left(&mut uplink, 0, 100);
    uplink.down(&at(5), "cut".into());
    assert_eq!((next(&mut uplink, 5), uplink.deadline()), (None, None));
    up(&mut uplink, 9, 2);
    assert_eq!(uplink.next(&at(9)), Some((2, Batch::Range { from: 11, to: 100 })));
}

#[test]
fn at_most_the_window_is_sent_without_a_receipt() {
    let mut uplink = linked(20_000, 0, &[]);
    while let Some(Batch::Range { from, to }) = next(&mut uplink, 0) {
        assert!(to - from < BATCH && to <= WINDOW);
        left(&mut uplink, 0, to);
    }
    assert_eq!(uplink.sent, WINDOW);
    receive(&mut uplink, &at(1), 1_000, vec![], vec![]);
    assert_eq!(next(&mut uplink, 1), range(WINDOW + 1, WINDOW + BATCH));
}

#[test]
fn what_a_message_had_no_room_for_follows_in_the_next() {
    let mut uplink = linked(100, 0, &[]);
    assert_eq!(next(&mut uplink, 0), range(1, 100));
    left(&mut uplink, 0, 30);
    assert_eq!(next(&mut uplink, 0), range(31, 100));
}

#[test]
fn a_receipt_that_went_back_has_everything_after_it_sent_again_although_a_batch_is_under_way() {
    let mut uplink = linked(1_000, 0, &[]);
    next(&mut uplink, 0);
    left(&mut uplink, 0, 512);
    receive(&mut uplink, &at(0), 400, vec![], vec![]);
    assert_eq!(next(&mut uplink, 0), range(513, 1_000));
    packed(&mut uplink, 1_000);
    receive(&mut uplink, &at(1), 100, vec![], vec![]);
    uplink.sent(&at(2), 1, Lane::Record, Ok(1_000));
    assert_eq!(next(&mut uplink, 2), range(101, 612));
}

#[test]
fn ranges_asked_for_again_go_lowest_first_and_do_not_hide_what_lies_between() {
    let mut uplink = linked(5_000, 0, &[]);
    next(&mut uplink, 0);
    left(&mut uplink, 0, 512);
    receive(&mut uplink, &at(0), 10, vec![(301, 5_000)], vec![(4_000, 4_001), (11, 300), (9_000, 9_001)]);
    assert_eq!(next(&mut uplink, 0), range(11, 300));
    left(&mut uplink, 0, 200);
    assert_eq!(next(&mut uplink, 0), range(201, 300));
    left(&mut uplink, 0, 300);
    assert_eq!(next(&mut uplink, 0), range(4_000, 4_001));
    left(&mut uplink, 0, 4_001);
    assert_eq!(next(&mut uplink, 0), range(513, 1_024));
}

#[test]
fn a_range_that_holds_no_record_any_more_is_passed_over() {
    let mut uplink = linked(1_000, 0, &[]);
    next(&mut uplink, 0);
    uplink.sent(&at(0), 1, Lane::Record, Ok(0));
    assert_eq!(next(&mut uplink, 0), range(513, 1_000));
}

#[test]
fn a_lane_that_failed_is_tried_again_after_a_second_and_its_pause_is_no_deadline_afterwards() {
    let mut uplink = linked(100, 0, &[]);
    next(&mut uplink, 0);
    uplink.sent(&at(0), 1, Lane::Record, Err("full".into()));
    assert_eq!((next(&mut uplink, 999_999), uplink.deadline()), (None, Some(1_000_000)));
    assert_eq!(next(&mut uplink, 1_000_000), range(1, 100));
    assert_eq!(uplink.deadline(), None);
}

#[test]
fn an_urgent_batch_that_failed_goes_again_and_one_that_left_does_not() {
    let mut uplink = linked(9, 9, &[]);
    uplink.stored(10, &[10]);
    assert_eq!(next(&mut uplink, 0), Some(Batch::Urgent { seqs: vec![10], receipted: 9 }));
    uplink.sent(&at(0), 1, Lane::Urgent, Ok(10));
    uplink.stored(11, &[11]);
    assert_eq!(next(&mut uplink, 0), Some(Batch::Urgent { seqs: vec![11], receipted: 9 }));
    uplink.sent(&at(0), 1, Lane::Urgent, Err("full".into()));
    assert_eq!(next(&mut uplink, s(1)), Some(Batch::Urgent { seqs: vec![11], receipted: 9 }));
}

#[test]
fn an_urgent_record_that_the_central_side_has_ahead_of_the_chain_is_not_sent_again() {
    let mut uplink = linked(100, 0, &[90, 95]);
    receive(&mut uplink, &at(0), 0, vec![(90, 90)], vec![]);
    up(&mut uplink, 1, 2);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Urgent { seqs: vec![95], receipted: 0 }));
}

#[test]
fn without_a_receipt_for_a_minute_it_is_sent_again_counted_from_when_it_left() {
    let mut uplink = linked(1, 1, &[]);
    uplink.stored(2, &[]);
    assert_eq!(next(&mut uplink, s(3_600)), range(2, 2));
    left(&mut uplink, s(3_600), 2);
    assert_eq!(next(&mut uplink, s(3_600)), None);
    assert_eq!(uplink.deadline(), Some(s(3_660)));
    assert_eq!(next(&mut uplink, s(3_660)), range(2, 2));
}

#[test]
fn sending_again_opens_no_second_batch_on_a_lane() {
    let mut uplink = linked(10, 0, &[10]);
    assert!(matches!(next(&mut uplink, 0), Some(Batch::Urgent { .. })));
    assert_eq!(next(&mut uplink, 0), range(1, 10));
    left(&mut uplink, 0, 10);
    assert_eq!(next(&mut uplink, s(61)), range(1, 10));
    assert_eq!(next(&mut uplink, s(61)), None);
}

#[test]
fn nothing_is_sent_before_the_first_receipt_of_a_session_or_ten_seconds_without_one() {
    let mut uplink = Uplink::new(100, 10, vec![40]);
    uplink.up(&at(5), 1);
    assert_eq!((next(&mut uplink, 5), uplink.deadline()), (None, Some(s(10) + 5)));
    uplink.stored(101, &[101]);
    assert_eq!(next(&mut uplink, s(10) + 4), None);
    receive(&mut uplink, &at(6), 30, vec![], vec![]);
    assert_eq!(next(&mut uplink, 6), Some(Batch::Urgent { seqs: vec![40, 101], receipted: 30 }));
    assert_eq!(next(&mut uplink, 6), range(31, 101));
    uplink.down(&at(7), "cut".into());
    uplink.up(&at(8), 2);
    assert_eq!(next(&mut uplink, s(10) + 7), None, "each session hears one of its own");
    assert!(matches!(next(&mut uplink, s(10) + 8), Some(Batch::Urgent { .. })));
    assert_eq!((next(&mut uplink, s(10) + 8), uplink.deadline()), (range(31, 101), None));
}

#[test]
fn four_batches_are_under_way_at_most_and_the_next_begins_where_the_last_one_ended() {
    let mut uplink = linked(20_000, 0, &[]);
    for n in 0..4 {
        assert_eq!(next(&mut uplink, 0), range(n * 300 + 1, n * 300 + BATCH));
        assert_eq!(next(&mut uplink, 0), None, "where it ends is not known");
        packed(&mut uplink, (n + 1) * 300);
    }
    assert_eq!(next(&mut uplink, 0), None);
    uplink.sent(&at(0), 1, Lane::Record, Ok(300));
    assert_eq!(next(&mut uplink, 0), range(1_201, 1_712));
}

#[test]
fn one_batch_that_failed_takes_those_behind_it_along_and_all_go_again_in_order() {
    let mut uplink = linked(20_000, 0, &[]);
    for through in [300, 600, 900] {
        next(&mut uplink, 0);
        packed(&mut uplink, through);
    }
    uplink.sent(&at(0), 1, Lane::Record, Ok(300));
    uplink.sent(&at(0), 1, Lane::Record, Err("refused".into()));
    assert_eq!(next(&mut uplink, 999_999), None);
    assert_eq!(next(&mut uplink, s(1)), None, "an answer is owed, and it names no batch");
    uplink.sent(&at(s(1)), 1, Lane::Record, Ok(900));
    assert_eq!(next(&mut uplink, s(1)), range(301, 812), "what a lost batch is told of later moves nothing");
    packed(&mut uplink, 600);
    assert_eq!(next(&mut uplink, s(1)), range(601, 1_112));
}

#[test]
fn at_most_eight_mebibytes_of_lines_are_sent_without_a_receipt() {
    let mut uplink = linked(20_000, 0, &[]);
    let mut bytes = 0;
    while let Some(Batch::Range { from, .. }) = next(&mut uplink, 0) {
        bytes += 250_000;
        uplink.packed(1, Lane::Record, from + 29, 250_000);
        uplink.sent(&at(0), 1, Lane::Record, Ok(from + 29));
    }
    assert!(bytes <= WINDOW_BYTES && bytes + 2 * BATCH_BYTES as u64 > WINDOW_BYTES, "{bytes}");
    assert_eq!(uplink.sent, bytes / 250_000 * 30);
    receive(&mut uplink, &at(1), 60, vec![], vec![]);
    assert!(next(&mut uplink, 1).is_some(), "a receipt opens it again");
    receive(&mut uplink, &at(2), 60, vec![], vec![(61, 70)]);
    let end = uplink.sent + 1;
    packed(&mut uplink, end);
    assert_eq!(next(&mut uplink, 2), range(61, 70), "what is asked for goes whatever is under way");
}

#[test]
fn what_was_disposed_of_is_not_waited_for_and_what_says_so_goes_first() {
    let mut uplink = linked(30_000, 25_000, &[]);
    let mark = (9, [1; 32]);
    let (have, resend) = (vec![], vec![]);
    let gone = Receipted { state: State::Ok, upto: 100, have, resend, ts_ms: 0, order: 0, mark, gone: 19_999 };
    uplink.declared(&[30_001]);
    uplink.receipted(&at(1), gone);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Urgent { seqs: vec![30_001], receipted: 100 }));
    assert_eq!(next(&mut uplink, 1), range(20_000, 20_511));
    assert_eq!((uplink.receipted_upto(), uplink.waiting()), (100, 10_002));
    // The window counts from what is left.
    let mut last = 20_511;
    left(&mut uplink, 1, last);
    while let Some(Batch::Range { to, .. }) = next(&mut uplink, 1) {
        last = to;
        left(&mut uplink, 1, to);
    }
    assert_eq!(last, 19_999 + WINDOW);
}

#[test]
fn what_declares_a_loss_goes_first_however_far_behind_the_window_and_the_newest_it_is() {
    let mut uplink = linked(200_000, 1_000, &[]);
    uplink.declared(&[200_001]);
    let newer: Vec<u64> = (200_002..=202_000).collect();
    uplink.stored(202_000, &newer);
    let Some(Batch::Urgent { seqs, .. }) = next(&mut uplink, 0) else { panic!("it goes first") };
    assert_eq!((seqs[0], seqs.len()), (200_001, URGENT_BATCH));
    receive(&mut uplink, &at(1), 200_500, vec![], vec![]);
    assert!(!uplink.urgent.has(200_001));
}

#[derive(Debug, Clone)]
enum Step {
    Stored(u64, bool),
    Sent(bool, u64),
    UrgentSent(bool),
    Receipt(u64, u64),
    Back(u64),
    Up,
    Down,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..2_000, any::<bool>()).prop_map(|(n, urgent)| Step::Stored(n, urgent)),
        6 => (any::<bool>(), 0_u64..600).prop_map(|(ok, cut)| Step::Sent(ok, cut)),
        2 => any::<bool>().prop_map(Step::UrgentSent),
        3 => (0_u64..3_000, 0_u64..900).prop_map(|(by, gap)| Step::Receipt(by, gap)),
        1 => (0_u64..3_000).prop_map(Step::Back),
        1 => Just(Step::Up),
        1 => Just(Step::Down),
        2 => (1_u64..70_000_000).prop_map(Step::Wait),
    ]
}

/// What is under way, as a carrier knows it.
#[derive(Default)]
struct Carrier {
    session: u32,
    up: bool,
    /// So many records of a range have no room.
    cut: u64,
    /// Last records of the batches at the broker.
    ranges: VecDeque<u64>,
    urgent: Option<u64>,
}

fn take(step: &Step, uplink: &mut Uplink, carrier: &mut Carrier, now: &mut u64, receipted: &mut u64) {
    match *step {
        Step::Stored(n, urgent) => {
            let head = uplink.head() + n;
            let urgent = [head].repeat(usize::from(urgent));
            uplink.stored(head, &urgent);
        }
        Step::Sent(ok, cut) => {
            carrier.cut = cut;
            if let Some(through) = carrier.ranges.pop_front() {
                let result = if ok { Ok(through) } else { Err("cut".to_owned()) };
                uplink.sent(&at(*now), carrier.session, Lane::Record, result);
            }
        }
        Step::UrgentSent(ok) => {
            if let Some(last) = carrier.urgent.take() {
                let result = if ok { Ok(last) } else { Err("cut".to_owned()) };
                uplink.sent(&at(*now), carrier.session, Lane::Urgent, result);
            }
        }
        Step::Receipt(by, gap) => {
            *receipted = (*receipted + by).min(uplink.sent);
            let resend = if gap > 0 { vec![(*receipted + 1, *receipted + gap)] } else { vec![] };
            receive(uplink, &at(*now), *receipted, vec![], resend);
        }
        Step::Back(by) => {
            *receipted = receipted.saturating_sub(by);
            receive(uplink, &at(*now), *receipted, vec![], vec![]);
        }
        Step::Up => {
            *carrier = Carrier { session: carrier.session + 1, up: true, ..Carrier::default() };
            uplink.up(&at(*now), carrier.session);
            receive(uplink, &at(*now), *receipted, vec![], vec![]);
        }
        Step::Down => {
            carrier.up = false;
            uplink.down(&at(*now), "cut".into());
        }
        Step::Wait(us) => *now += us,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn only_stored_records_within_the_window_are_sent_one_batch_a_lane_and_in_the_end_all(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut uplink, mut carrier) = (Uplink::new(0, 0, vec![]), Carrier::default());
        let (mut now, mut receipted) = (0, 0);
        for step in &steps {
            take(step, &mut uplink, &mut carrier, &mut now, &mut receipted);
            while let Some((session, batch)) = uplink.next(&at(now)) {
                prop_assert!(carrier.up && session == carrier.session);
                match batch {
                    Batch::Range { from, to } => {
                        prop_assert!(1 <= from && from <= to && to <= uplink.head() && to - from < BATCH);
                        prop_assert!(to <= receipted + WINDOW, "{} is beyond the window after {}", to, receipted);
                        let through = to - carrier.cut.min(to - from);
                        carrier.ranges.push_back(through);
                        uplink.packed(carrier.session, Lane::Record, through, 256);
                    }
                    Batch::Branch { .. } => prop_assert!(false, "there is no branch"),
                    Batch::Urgent { seqs, .. } => {
                        prop_assert!(carrier.urgent.is_none(), "two urgent batches are open");
                        prop_assert!(!seqs.is_empty() && seqs.is_sorted());
                        prop_assert!(seqs.iter().all(|seq| *seq > receipted && *seq <= uplink.head()));
                        carrier.urgent = seqs.last().copied();
                    }
                }
            }
            prop_assert!(uplink.deadline().is_none_or(|due| due > now), "hot loop at {}", now);
        }
        take(&Step::Up, &mut uplink, &mut carrier, &mut now, &mut receipted);
        let mut rounds = 0;
        while receipted < uplink.head() {
            rounds += 1;
            prop_assert!(rounds < 4_000, "it stands at {} of {}", receipted, uplink.head());
            while let Some((_, batch)) = uplink.next(&at(now)) {
                match batch {
                    Batch::Range { from, to } => {
                        prop_assert!(from <= receipted + 1, "a hole before {}", from);
                        receipted = receipted.max(to);
                        uplink.packed(carrier.session, Lane::Record, to, 256);
                        uplink.sent(&at(now), carrier.session, Lane::Record, Ok(to));
                        receive(&mut uplink, &at(now), receipted, vec![], vec![]);
                    }
                    Batch::Branch { .. } => prop_assert!(false, "there is no branch"),
                    Batch::Urgent { seqs, .. } => {
                        uplink.sent(&at(now), carrier.session, Lane::Urgent, Ok(seqs[seqs.len() - 1]));
                    }
                }
            }
        }
        prop_assert_eq!(uplink.waiting(), 0);
    }
}
