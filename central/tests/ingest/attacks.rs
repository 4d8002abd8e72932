//! Floods: what one gateway, or whoever speaks in its name, can cost the store and the others.

use crate::scene::*;
use picket_central::check::Desk;
use picket_central::ingest::{Ingest, Tally};
use picket_central::status;
use picket_central::store::{Accepted, Store};
use picket_central::turns::Parcel;
use picket_central::work::Intake;
use picket_record::chain::{Head, Opening, Origin, Sealed, Sealer, TailState};
use picket_record::keys::IdentityKey;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

const OTHER: &str = "gate-8";

/// A second gateway, accepted, with so many records.
fn other(scene: &Scene, records: usize) -> Vec<Sealed> {
    let identity = IdentityKey::from_seed([21; 32]);
    let accepted = Accepted { site: name("harbour"), gw: name(OTHER), identity: identity.public(), link: [9; 32] };
    Store::open(&scene.path()).unwrap().accept("line", &accepted).unwrap();
    let origin = Origin { site: name("harbour"), gw: name(OTHER) };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "0".into() };
    let head = Head::genesis([9; 32]);
    let (mut sealer, first) = Sealer::open(&origin, &identity, [22; 32], head, &opening, &beat().when).unwrap();
    let mut sealed = vec![first];
    sealed.extend((1..records).map(|_| sealer.seal(&beat()).unwrap()));
    sealed
}

fn parcel(gw: &str, lines: &[String]) -> Parcel {
    Parcel { gw: gw.into(), content_type: None, payload: (lines.join("\n") + "\n").into(), owed: None }
}

fn texts(sealed: &[Sealed]) -> Vec<String> {
    sealed.iter().map(|one| one.line.clone()).collect()
}

/// The same record with another signature of the right shape.
fn forged(sealed: &Sealed) -> String {
    let (input, signature) = sealed.line.rsplit_once('.').unwrap();
    let turned: String = signature[..80].chars().rev().chain(signature[80..].chars()).collect();
    format!("{input}.{turned}")
}

/// Puts floods of one gateway, then something of the other, and counts the rounds until that is stored.
fn rounds_until_served(scene: &Scene, floods: Vec<Parcel>, sealed: &[Sealed]) -> usize {
    let desk = Desk::default();
    let mut intake = Intake::new(Ingest::open(&scene.path(), name("sms"), key()).unwrap(), desk.clone());
    floods.into_iter().for_each(|flood| intake.put(flood));
    intake.put(parcel(OTHER, &texts(sealed)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut served = None;
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(|| desk.serve())));
        let mut rounds = 0;
        intake.start(at(0)).unwrap();
        while !intake.is_idle() {
            runtime.block_on(intake.checked());
            intake.store(at(0)).unwrap();
            rounds += 1;
            let stored: u64 = scene.ask_store("SELECT count(*) FROM record WHERE gw='gate-8'");
            if stored == sealed.len() as u64 {
                served.get_or_insert(rounds);
            }
        }
        desk.close();
    });
    served.expect("the other gateway is served")
}

#[test]
fn a_flood_of_bad_signatures_delays_no_other_gateway_and_fills_no_disk() {
    let mut scene = Scene::new();
    scene.fill(4);
    scene.send(1..=3, 0);
    let sealed = other(&scene, 100);
    let bad = vec![forged(&scene.sent[3]); 512];
    let floods = (0..21).map(|_| parcel(GW, &bad)).collect();
    assert_eq!(rounds_until_served(&scene, floods, &sealed), 1);
    let row = "SELECT total||' '||dropped FROM quarantined WHERE gw='gate-7'";
    assert_eq!(scene.ask_store::<String>(row), "10752 752");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM quarantine"), 10_000);
}

#[test]
fn a_flood_of_records_before_their_turn_is_bounded_and_the_chain_goes_on() {
    let mut scene = Scene::new();
    scene.fill(16_700);
    scene.send(1..=2, 0);
    let sealed = other(&scene, 100);
    let floods = scene.sent[3..].chunks(512).map(|chunk| parcel(GW, &texts(chunk))).collect();
    assert_eq!(rounds_until_served(&scene, floods, &sealed), 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 16_384);
    scene.reopen();
    assert_eq!(scene.send([3], 10).stored, 16_385, "what was missing brings all that waited into its place");
    assert_eq!(scene.send(16_388..=16_700, 20).stored, 313);
}

#[test]
fn an_alarm_that_was_shown_and_not_kept_is_taken_back_when_its_gateway_leaves_that_history() {
    let mut scene = Scene::new();
    scene.fill(16_388);
    let alarm = scene.seal(&raised("passed")) + 1;
    scene.send([1, 2], 0);
    scene.send(4..=alarm, 10);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 16_384);
    assert_eq!(scene.ask_store::<String>("SELECT group_concat(alarm_id) FROM open_alarm"), "passed");
    let behind = Head { ep: 1, seq: 2, link: scene.sent[1].link };
    let (mut sealer, opening) = open(9, behind, TailState::Rollback);
    let own = sealer.seal(&raised("own")).unwrap();
    scene.ingest.batch(GW, &[opening.line.as_bytes(), own.line.as_bytes()], at(20)).unwrap();
    assert_eq!(scene.ask_store::<String>("SELECT group_concat(alarm_id) FROM open_alarm"), "own");
}

/// An alarm was shown and not kept, and its number is declared as lost in the record behind it.
fn with_a_lost_alarm() -> (Scene, usize) {
    let mut scene = Scene::new();
    scene.fill(16_386);
    let alarm = scene.seal(&raised("passed")) + 1;
    let lost = json!({ "lost": [[alarm, alarm]] });
    scene.seal(&body(Kind::JournalRecovered, Severity::Fault, lost));
    scene.send([1], 0);
    scene.send(3..alarm, 10);
    assert_eq!(scene.send([alarm], 20).passed, 1);
    assert_eq!(scene.send([2], 30).stored, 16_385);
    assert_eq!(scene.send([alarm + 1], 40).stored, 1);
    (scene, alarm)
}

/// Each alarm with `ahead` and whether its gateway is said to know it.
fn shown(scene: &Scene) -> String {
    scene
        .ask_store("SELECT coalesce(group_concat(alarm_id||' '||ahead||' '||(unknown_seq IS NULL)),'') FROM open_alarm")
}

#[test]
fn an_alarm_that_was_shown_and_not_kept_and_is_lost_is_closed_by_a_person() {
    let (mut scene, alarm) = with_a_lost_alarm();
    assert_eq!(shown(&scene), "passed 0 0");
    let details = |scene: &Scene| status::details(&scene.path(), &name(GW)).unwrap();
    let told = details(&scene);
    assert!(told.contains("that record IS LOST: look, and run picket-central close-alarm"), "{told}");
    // What is said of it behind the declaration, and later is not trusted.
    let declared = alarm as u64 + 1;
    scene.seal(&about_alarm(Kind::AlarmCleared, "passed"));
    scene.seal(&about_alarm(Kind::ActAcknowledged, "passed"));
    scene.seal(&raised("passed"));
    scene.seal(&about_alarm(Kind::AlarmClosed, "passed"));
    scene.send(alarm + 2..=alarm + 5, 50);
    assert_eq!(shown(&scene), "");
    let mut store = Store::open(&scene.path()).unwrap();
    let lost = format!("raised by record {alarm}");
    let gone = format!("gone with record {}", declared + 1);
    let as_it_was = [
        format!("raised by record {}; holds; not acknowledged\n", declared + 3),
        format!("{lost}; {gone}; acknowledged by record {}; that record IS LOST", declared + 2),
        format!("{lost}; {gone}; not acknowledged; that record IS LOST"),
        format!("{lost}; holds; not acknowledged; that record IS LOST"),
    ];
    for (after, as_it_was) in (declared..=declared + 3).rev().zip(as_it_was) {
        store.revoke(&name(GW), after, "N. N.", 7).unwrap();
        let told = details(&scene);
        assert!(told.contains(&as_it_was), "after {after}: no {as_it_was} in {told}");
    }
    assert_eq!(shown(&scene), "passed 0 0", "no record says it, and it stays");
    assert!(store.close_alarm(&name(GW), "passed", "N. N.", 8).unwrap());
    assert_eq!(shown(&scene), "");
    store.revoke(&name(GW), declared - 1, "N. N.", 9).unwrap();
    assert_eq!(shown(&scene), "", "a person closed it");
}

#[test]
fn an_alarm_that_was_declared_as_lost_and_turns_up_all_the_same_is_one_like_any_other() {
    let (mut scene, alarm) = with_a_lost_alarm();
    assert_eq!(scene.send([alarm], 50).found, 1);
    assert_eq!(shown(&scene), "passed 0 1");
    scene.seal(&about_alarm(Kind::AlarmClosed, "passed"));
    scene.send([alarm + 2], 60);
    assert_eq!(shown(&scene), "");
}

#[test]
fn a_gateway_is_no_longer_silent_once_a_record_came_that_there_is_no_room_to_keep() {
    let mut scene = Scene::new();
    scene.fill(16_387);
    scene.send([1], 0);
    scene.send(3..=16_386, 10);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 16_384);
    scene.ingest.listen(at(600_000)).unwrap();
    let shown = |scene: &Scene| status::gateways(&scene.path()).unwrap()[0].state.clone();
    assert!(shown(&scene).contains("SILENT"), "{}", shown(&scene));
    let tally = scene.send([16_387], 600_001);
    assert_eq!(tally, Tally { passed: 1, ..Tally::default() });
    assert!(!shown(&scene).contains("SILENT"), "{}", shown(&scene));
}

#[test]
fn an_alarm_that_was_shown_and_not_kept_is_taken_back_when_another_record_has_its_number() {
    let mut scene = Scene::new();
    let first = scene.sealer.head();
    scene.fill(2);
    // Epoch 2 is opened in a history that the gateway lost, and only what came behind the alarm is kept.
    let (sealer, opening) = open(8, scene.sealer.head(), TailState::Crash);
    scene.sealer = sealer;
    scene.sent.push(opening);
    let alarm = scene.seal(&raised("passed")) + 1;
    scene.fill(16_387);
    scene.send([1, 3], 0);
    scene.send(alarm + 1..=16_387, 10);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 16_384);
    assert_eq!(scene.send([alarm], 20).passed, 1);
    assert_eq!(scene.ask_store::<String>("SELECT group_concat(alarm_id) FROM open_alarm"), "passed");
    // It is opened elsewhere, and the chain comes as far.
    scene.sealer = open(2, Head::genesis(scene.acceptance), TailState::Genesis).0;
    scene.sealer.rewind(first);
    let before = scene.sealer.seal(&raised("own")).unwrap();
    let (mut sealer, opening) = open(9, scene.sealer.head(), TailState::Crash);
    let next = sealer.seal(&beat()).unwrap();
    let lines = [&before, &opening, &next].map(|sealed| sealed.line.as_bytes());
    assert_eq!(scene.ingest.batch(GW, &lines, at(30)).unwrap().stored, 3);
    assert_eq!(scene.ask_store::<String>("SELECT group_concat(alarm_id) FROM open_alarm"), "own");
}

#[test]
fn a_flood_of_openings_of_one_epoch_holds_few_keys_and_the_true_one_comes_through() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.send(1..=3, 0);
    let sealed = other(&scene, 10);
    let stray = |seed: u8, seq: u64| {
        let (mut sealer, opening) = open(seed, Head { ep: 1, seq, link: [seed; 32] }, TailState::Crash);
        [opening.line, sealer.seal(&raised("stray")).unwrap().line]
    };
    let lines: Vec<String> = (0..150).flat_map(|n| stray(50 + n, 10 + 2 * u64::from(n))).collect();
    let floods = lines.chunks(100).map(|chunk| parcel(GW, chunk)).collect();
    assert_eq!(rounds_until_served(&scene, floods, &sealed), 1);
    scene.reopen();
    let (mut sealer, opening) = open(9, Head { ep: 1, seq: 3, link: scene.sent[2].link }, TailState::Crash);
    let next = sealer.seal(&raised("true")).unwrap();
    let tally = scene.ingest.batch(GW, &[opening.line.as_bytes(), next.line.as_bytes()], at(100)).unwrap();
    assert_eq!(tally.stored, 2);
    assert_eq!(scene.ask_store::<String>("SELECT group_concat(alarm_id) FROM open_alarm"), "true");
}

#[test]
fn what_is_not_stored_yet_is_bounded_before_the_session_reads_on() {
    let scene = Scene::new();
    let mut intake = Intake::new(Ingest::open(&scene.path(), name("sms"), key()).unwrap(), Desk::default());
    let lines = vec!["x".repeat(1_000); 1_000];
    let put = (0..20).take_while(|_| intake.has_room().then(|| intake.put(parcel(GW, &lines))).is_some()).count();
    assert_eq!(put, 9, "8 MiB, and what was begun");
}
