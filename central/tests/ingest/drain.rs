//! A backlog that drains: receipts in time, signatures verified by threads.

use crate::scene::*;
use picket_central::check::Desk;
use picket_central::ingest::Ingest;
use picket_central::turns::Parcel;
use picket_central::work::Intake;
use picket_record::chain::TailState;
use picket_record::kind::Kind;

#[test]
fn while_a_backlog_drains_a_quarter_of_the_window_is_receipted_at_once() {
    let mut scene = Scene::new();
    scene.fill(2_500);
    scene.send(1..=100, 0);
    assert_eq!(scene.receipt(0).unwrap().0.upto, 100);
    scene.send(101..=2_000, 10);
    assert_eq!(scene.receipt(60), None, "less than a quarter, and somebody may send more");
    scene.send(2_001..=2_200, 65);
    assert_eq!(scene.receipt(65).unwrap().0.upto, 2_200);
    scene.send(2_201..=2_500, 70);
    assert_eq!(scene.receipt(200), None);
    assert_eq!(scene.receipt(315).unwrap().0.upto, 2_500, "the last of a backlog does not wait a second");
}

#[test]
fn a_round_of_several_gateways_is_checked_by_threads_and_stored_in_order() {
    let mut scene = Scene::new();
    scene.fill(700);
    scene.seal(&about_alarm(Kind::EpochClose, "-"));
    let (sealer, opening) = open(3, scene.sealer.head(), TailState::Rotate);
    scene.sealer = sealer;
    scene.sent.push(opening);
    scene.fill(1_500);
    let mut lines: Vec<String> = scene.sent.iter().map(|sealed| sealed.line.clone()).collect();
    // One bit of one signature, and a line twice.
    let last = lines[1_200].pop().unwrap();
    lines[1_200].push(if last == 'A' { 'Q' } else { 'A' });
    lines.insert(20, lines[19].clone());
    let desk = Desk::default();
    let ingest = Ingest::open(&scene.path(), name("sms"), key()).unwrap();
    let mut intake = Intake::new(ingest, desk.clone());
    for (gw, part) in lines.chunks(300).map(|part| (GW, part)).chain([("gate-9", &lines[..2])]) {
        let payload = (part.join("\n") + "\n").into();
        intake.put(Parcel { gw: gw.into(), content_type: None, payload, owed: None });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| desk.serve())));
        intake.start(at(0)).unwrap();
        while !intake.is_idle() {
            runtime.block_on(intake.checked());
            intake.store(at(0)).unwrap();
        }
        desk.close();
    });
    scene.reopen();
    assert_eq!(scene.ask_store::<u64>("SELECT max(seq) FROM record"), 1_200, "up to the flipped one");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 299);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM quarantine WHERE gw='?'"), 2);
    assert_eq!(scene.send([1_201], 10).stored, 300);
}
