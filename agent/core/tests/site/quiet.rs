//! Nothing spins and nothing panics.

use crate::harness::{DESK, World, YARD};
use picket_core::health::Vitals;
use picket_core::plan::LineId;
use picket_core::wire::{Delivery, Heard, Input, Lane, Receipted};
use picket_device::modbus::{Answer, Fault};
use picket_device::seal_reader::ScanFault;
use picket_record::kind::Kind;
use picket_record::receipt::State;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_quiet_site_wakes_for_its_polls_and_little_else() {
    let mut world = World::new();
    world.give(Input::LinkUp { session: 1 });
    world.run_s(60);
    let (timeouts, asks) = (world.timeouts, world.asks);
    for _ in 0..3_600 {
        let before = world.timeouts;
        world.run_s(1);
        assert!(world.timeouts - before <= 15, "{} time-outs in one second", world.timeouts - before);
    }
    assert!(world.asks - asks >= 35_990);
    assert!(world.timeouts - timeouts <= world.asks - asks + 300);
    assert_eq!((world.count(Kind::Heartbeat), world.count(Kind::Snapshot)), (61, 1));
}

#[test]
fn a_site_in_every_kind_of_trouble_does_not_spin_either() {
    let mut world = World::new();
    world.link = false;
    world.give(Input::LinkUp { session: 1 });
    world.give(Input::Sent { session: 1, lane: Lane::Record, result: Err("no room".into()) });
    world.alive = false;
    world.journal.prompt = false;
    world.scan("XX999");
    let before = world.timeouts;
    world.run_s(600);
    assert!(world.timeouts - before <= 600 * 4, "{} time-outs in ten minutes", world.timeouts - before);
    world.give(Input::StoreFailed { cause: "disk gone".into() });
    let before = world.timeouts;
    world.run_s(600);
    assert!(world.timeouts - before <= 600 * 4, "{} time-outs in ten minutes", world.timeouts - before);
}

#[test]
fn a_step_of_the_clock_is_a_record_and_one_that_jumps_all_the_time_fills_nothing() {
    let mut world = World::new();
    world.run_s(10);
    assert_eq!(world.count(Kind::ClockStep), 0);
    world.stepped = (-7_200_000, 1);
    world.run_s(10);
    let step = world.journal.records.iter().find(|body| body.kind == Kind::ClockStep).unwrap();
    assert_eq!((&step.data["delta_ms"], &step.data["era"]), (&json!(-7_200_000), &json!(1)));
    assert_eq!(step.when.clock.era, 1, "the record itself is of the new era");
    for _ in 0..600 {
        world.stepped = (world.stepped.0 + 1_000, world.stepped.1 + 1);
        world.run_s(1);
    }
    let steps = world.journal.records.iter().filter(|body| body.kind == Kind::ClockStep);
    let told: u64 = steps.map(|body| body.data["steps"].as_u64().unwrap()).sum();
    assert!(world.count(Kind::ClockStep) <= 12, "{} records", world.count(Kind::ClockStep));
    assert!((540..=601).contains(&told), "{told} of 601 steps told");
}

#[test]
fn a_heartbeat_tells_settings_register_and_free_space_once_that_is_known() {
    let mut world = World::new();
    world.run_s(5);
    world.give(Input::Measured(Vitals { free_mib: Some(812), rss_kib: Some(9_000), ..Vitals::default() }));
    world.run_s(60);
    let beats: Vec<_> = world.journal.records.iter().filter(|body| body.kind == Kind::Heartbeat).collect();
    assert_eq!((&beats[0].data["free_mib"], &beats[1].data["free_mib"]), (&json!(null), &json!(812)));
    assert_eq!((&beats[1].data["settings"], &beats[1].data["register"]), (&json!("0909090909090909"), &json!(1)));
    assert_eq!(world.status().journal.free_mib, Some(812));
    let health = beats[1].data["health"].as_object().unwrap();
    assert_eq!((health.len(), &health["rss_kib"], &health["up_s"]), (12, &json!(9_000), &json!(60)));
    assert_eq!(world.status().health.unwrap().rss_kib, Some(9_000));
}

#[test]
fn a_heartbeat_names_the_last_receipt_and_counts_what_was_ever_dropped_over_restarts() {
    let mut world = World::new();
    world.journal.fill_permille = 700;
    world.run_s(61);
    (1..9).for_each(|second| {
        world.scene(second % 2 == 1, second);
    });
    world.run_s(130);
    let last = |world: &World| {
        let beat = world.journal.records.iter().rfind(|body| body.kind == Kind::Heartbeat);
        beat.unwrap().data.clone()
    };
    let told = last(&world);
    let dropped = told["dropped"].as_u64().unwrap();
    assert_eq!((&told["receipt"], told["dropped_by_sev"][0].as_u64()), (&json!(null), Some(dropped)));
    assert!(dropped > 0, "routine records are dropped from 70 % on");
    let mut world = world.restarted();
    world.run_s(1);
    assert!(last(&world)["dropped"].as_u64().unwrap() >= dropped, "{} after {dropped}", last(&world)["dropped"]);
    let (state, have, resend) = (State::Ok, vec![], vec![]);
    let mark = (7, [1; 32]);
    world.give(Input::Receipted(Receipted { state, upto: 1, have, resend, ts_ms: 0, order: 0, mark, gone: 0 }));
    // A heartbeat is routine: it is stored within three seconds.
    world.run_s(65);
    assert_eq!(last(&world)["receipt"], json!([7, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"]));
}

#[test]
fn a_heartbeat_stays_far_below_the_size_of_a_record() {
    let mut world = World::new();
    world.alive = false;
    world.give(Input::Measured(Vitals { free_mib: Some(u64::MAX), rss_kib: Some(u64::MAX), ..Vitals::default() }));
    world.run_s(300);
    let beats = world.journal.records.iter().filter(|body| body.kind == Kind::Heartbeat);
    let longest = beats.map(|body| serde_json::Value::Object(body.data.clone()).to_string().len()).max();
    assert!(longest.is_some_and(|bytes| bytes < 1_500), "{longest:?}");
}

fn payload() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("no json".to_owned()),
        (any::<bool>(), 0_u32..60).prop_map(|(state, second)| {
            format!(r#"{{"UtcTime":"2026-11-22T08:00:{second:02}Z","Data":{{"State":{state}}}}}"#)
        }),
    ]
}

fn delivery() -> impl Strategy<Value = Option<Delivery>> {
    prop::option::of((1_u16..9, any::<bool>()).prop_map(|(packet, again)| Delivery { packet, again }))
}

fn heard() -> impl Strategy<Value = (LineId, Heard)> {
    let topic = prop_oneof![
        (0_u8..3, 0_u8..3).prop_map(|(cam, source)| {
            format!("cam-{cam}/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&V{source}")
        }),
        ".{0,20}",
    ];
    prop_oneof![
        (topic, payload(), any::<bool>(), prop::option::weighted(0.1, any::<u64>()), delivery()).prop_map(
            |(topic, payload, retained, oversize, delivery)| {
                (YARD, Heard::Message { topic, payload: payload.into_bytes(), retained, oversize, delivery })
            }
        ),
        Just((DESK, Heard::Scan(Err(ScanFault::TooLong)))),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let fault = prop_oneof![
        Just(Fault::Timeout(500)),
        any::<u8>().prop_map(Fault::Exception),
        Just(Fault::WrongUnit),
        Just(Fault::Closed),
    ];
    let answer = prop_oneof![
        prop::collection::vec(any::<bool>(), 0..8).prop_map(|bits| Ok(Answer::Bits(bits))),
        prop::collection::vec(any::<u16>(), 0..4).prop_map(|words| Ok(Answer::Words(words))),
        fault.prop_map(Err),
    ];
    let lane = prop_oneof![Just(Lane::Urgent), Just(Lane::Record)];
    let ranges = || prop::collection::vec((0_u64..60, 0_u64..60), 0..3);
    prop_oneof![
        (0_u16..4, 0_u64..40, answer).prop_map(|(line, ask, result)| Input::Outcome {
            line: LineId(line),
            ask,
            result
        }),
        (heard(), 0_u64..1_000).prop_map(|((line, heard), token)| Input::Heard { line, token, heard }),
        (0_u16..4, any::<bool>())
            .prop_map(|(line, up)| { Input::Line { line: LineId(line), fault: (!up).then(|| "gone".to_owned()) } }),
        (0_u64..30, 0_u64..60, 0_u16..=1_000).prop_map(|(through, head, fill_permille)| {
            Input::Stored { through, head, urgent: vec![head], fill_permille }
        }),
        Just(Input::StoreFailed { cause: "disk gone".into() }),
        (0_u32..4).prop_map(|session| Input::LinkUp { session }),
        Just(Input::LinkDown { cause: "cut".into() }),
        (0_u32..4, lane, 0_u64..60, any::<bool>()).prop_map(|(session, lane, last, ok)| {
            Input::Sent { session, lane, result: if ok { Ok(last) } else { Err("no room".into()) } }
        }),
        (0_u64..60, ranges(), ranges()).prop_map(|(upto, have, resend)| Input::Receipted(Receipted {
            state: State::Ok,
            upto,
            have,
            resend,
            ts_ms: 0,
            order: 0,
            mark: (upto, [1; 32]),
            gone: 0,
        })),
        (0_u64..60).prop_map(|seq| Input::Declared { seqs: vec![seq] }),
        Just(Input::ReceiptHeard { line: "receipt".into() }),
        Just(Input::ReceiptRefused { cause: "bad".into() }),
        Just(Input::OrderMisheard { cause: "large".into() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Carriers that lie: answers nobody asked for, receipts for what was never sent.
    #[test]
    fn whatever_comes_in_a_site_does_not_panic_and_its_next_deadline_lies_ahead(
        inputs in prop::collection::vec((input(), 0_u64..3_000_000), 1..60),
        stop_at in 0_usize..120,
    ) {
        let mut world = World::new();
        let now = |us: u64, world: &World| crate::harness::moment(us, world.trusted);
        let mut us = 1_000_000;
        for (index, (input, wait)) in inputs.into_iter().enumerate() {
            us += wait;
            let input = if index == stop_at { Input::Stop } else { input };
            world.site.handle(&now(us, &world), input);
            while world.site.next_output().is_some() {}
            world.site.timeout(&now(us, &world));
            while world.site.next_output().is_some() {}
            prop_assert!(world.site.deadline() > us, "hot loop at {}", us);
            let status = world.site.status(&now(us, &world));
            prop_assert!(status.link.waiting <= status.journal.head);
        }
    }

    /// Honest carriers, a random day at the gate: alarms, acts, cuts, kills.
    #[test]
    fn a_random_day_leaves_the_page_and_the_journal_in_agreement(
        steps in prop::collection::vec((0_u8..10, any::<bool>(), 0_u64..40_000), 1..60),
    ) {
        let mut world = World::new();
        let mut second = 0;
        for (step, on, wait_ms) in steps {
            match step {
                0 => world.contacts[0] = on,
                1 => world.contacts[1] = on,
                2 => world.contacts[2] = on,
                3 => world.alive = on,
                4 => { second = (second + 1) % 60; world.scene(on, second); }
                5 => { world.scan(if on { "AB123456" } else { "XX999" }); }
                6 => if let Some(alarm) = world.status().alarms.first() { world.acknowledge(&alarm.id.clone()) },
                7 => world.give(if on { Input::LinkUp { session: second } } else { Input::LinkDown { cause: "cut".into() } }),
                8 => world.give(Input::Line { line: YARD, fault: (!on).then(|| "gone".into()) }),
                _ => world = world.restarted(),
            }
            world.run(wait_ms * 1_000);
            let open: Vec<String> = {
                let mut ids: Vec<String> = world.status().alarms.into_iter().map(|a| a.id).collect();
                ids.sort();
                ids
            };
            let rows: Vec<String> =
                world.journal.rows.keys().filter_map(|key| key.strip_prefix("alarm/")).map(str::to_owned).collect();
            prop_assert_eq!(open, rows);
            let held = world.status().nonconformities.len();
            prop_assert_eq!(held, world.journal.rows.keys().filter(|key| key.starts_with("nonconformity/")).count());
        }
    }
}
