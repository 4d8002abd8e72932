//! What goes down: orders until they are in force, commands until they are answered, to nobody who is silent.

use crate::scene::*;
use picket_central::custody::Custody;
use picket_central::ingest::{Downlink, Ingest};
use picket_central::orders::{self, Wanted};
use picket_central::roots::Renewal;
use picket_central::status;
use picket_central::store::Store;
use picket_record::command::{Act, Command};
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use picket_record::order::Order;
use serde_json::json;
use sha2::{Digest, Sha256};

/// A central directory beside the scene, whose orders go into the scene's store.
fn custody(scene: &Scene) -> Custody {
    let custody = Custody::init(&scene.home.path().join("keys"), &name("sms")).unwrap();
    custody.make_root(0).unwrap();
    custody
}

fn order(scene: &Scene, custody: &Custody, register: Option<&str>) -> u64 {
    let mut store = Store::open(&scene.path()).unwrap();
    let wanted =
        Wanted { register: register.map(str::to_owned), life_ms: 1_000_000, by: "N. N.".into(), ..Wanted::default() };
    orders::order(custody, &mut store, &name(GW), &wanted, at(0).wall_ms).unwrap()
}

fn down(scene: &mut Scene, ms: u64) -> Vec<Downlink> {
    scene.ingest.downlinks(at(ms)).unwrap()
}

fn stated(scene: &mut Scene, kind: Kind, data: serde_json::Value) {
    let seq = scene.seal(&body(kind, Severity::Info, data)) + 1;
    scene.send([seq], 100_000);
}

#[test]
fn an_order_is_sent_with_its_register_until_the_gateway_s_records_say_that_it_is_in_force() {
    let mut scene = Scene::new();
    scene.send([1], 1);
    let custody = custody(&scene);
    assert!(down(&mut scene, 10).is_empty());
    let text = "x".repeat(300_000);
    assert_eq!(order(&scene, &custody, Some(&text)), 1);
    let sent = down(&mut scene, 1_000);
    let root = custody.roots().unwrap().unwrap().1;
    let line = String::from_utf8(sent[0].payload.clone()).unwrap();
    let (first, link) = Order::verify(&line, &root.in_force().order).unwrap();
    assert_eq!((first.ver, first.prev, first.gw.as_str()), (1, scene.acceptance, GW));
    let sha256 = base64url(&Sha256::digest(&text));
    let mut whole = Vec::new();
    for part in &sent[1..] {
        let end = part.payload.iter().position(|byte| *byte == b'\n').unwrap();
        let head = String::from_utf8(part.payload[..end].to_vec()).unwrap();
        assert_eq!(head, format!("{sha256} {} {}", whole.len(), text.len()));
        whole.extend_from_slice(&part.payload[end + 1..]);
    }
    assert_eq!(whole, text.as_bytes());
    let (receipt, _) = scene.receipt(2_000).unwrap();
    assert_eq!((receipt.settings, receipt.register), (Some((1, link)), Some((1, link))));

    assert!(down(&mut scene, 2_000).is_empty(), "not all the time");
    assert_eq!(down(&mut scene, 31_000).len(), sent.len(), "but again");
    stated(&mut scene, Kind::OrderApplied, json!({ "ver": 1 }));
    assert!(down(&mut scene, 100_500).is_empty());
    // The gateway's disk was restored: its heartbeat says so, and it is sent once more.
    stated(&mut scene, Kind::Heartbeat, json!({ "order": 0 }));
    assert_eq!(down(&mut scene, 140_000).len(), sent.len());
    stated(&mut scene, Kind::Heartbeat, json!({ "order": 1 }));
    assert_eq!(order(&scene, &custody, None), 2);
    let next = down(&mut scene, 141_000);
    let line = String::from_utf8(next[0].payload.clone()).unwrap();
    assert_eq!(Order::verify(&line, &root.in_force().order).unwrap().0.prev, link, "one names the other");
}

#[test]
fn a_command_names_the_newest_record_and_is_sent_until_it_is_answered_or_old() {
    let mut scene = Scene::new();
    scene.fill(5);
    scene.send(1..=5, 1);
    let custody = custody(&scene);
    let give = |scene: &Scene, ms| {
        let mut store = Store::open(&scene.path()).unwrap();
        orders::command(&custody, &mut store, &name(GW), Act::Heartbeat, "N. N.", at(ms).wall_ms).unwrap()
    };
    assert_eq!(give(&scene, 0), 1);
    let sent = down(&mut scene, 1_000);
    let key = custody.roots().unwrap().unwrap().1.in_force().order.clone();
    let (command, _) = Command::verify(std::str::from_utf8(&sent[0].payload).unwrap(), &key).unwrap();
    assert_eq!((command.n, command.seq, command.on), (1, 5, scene.sent[4].link));
    stated(&mut scene, Kind::Heartbeat, json!({ "command": 1 }));
    assert!(down(&mut scene, 100_500).is_empty());
    assert_eq!(give(&scene, 100_000), 2);
    assert_eq!(down(&mut scene, 101_000).len(), 1);
    scene.send([5], 699_000);
    assert_eq!(down(&mut scene, 699_500).len(), 1);
    scene.send([5], 760_000);
    assert!(down(&mut scene, 760_500).is_empty(), "a command is acted on at once or never");
}

#[test]
fn nothing_goes_down_to_who_is_silent_or_no_longer_trusted() {
    let mut scene = Scene::new();
    scene.send([1], 1);
    let custody = custody(&scene);
    order(&scene, &custody, None);
    assert!(down(&mut scene, 70_000).is_empty(), "silent for a minute");
    scene.send([1], 71_000);
    assert_eq!(down(&mut scene, 71_500).len(), 1);
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 1, "N. N.", 0).unwrap();
    scene.send([1], 110_000);
    assert!(down(&mut scene, 110_500).is_empty());
}

#[test]
fn orders_and_commands_to_strangers_are_refused() {
    let scene = Scene::new();
    let custody = custody(&scene);
    let mut store = Store::open(&scene.path()).unwrap();
    let refused = orders::order(&custody, &mut store, &name("gate-9"), &Wanted::default(), 0).unwrap_err();
    assert!(refused.to_string().contains("no gateway gate-9"), "{refused}");
    let refused = orders::command(&custody, &mut store, &name(GW), Act::Heartbeat, "N. N.", 0).unwrap_err();
    assert!(refused.to_string().contains("no record that a command could name"), "{refused}");
}

/// Makes a second version of the root documents and starts the centre with them.
fn renewed(scene: &mut Scene, custody: &Custody) -> String {
    let keys = ["root-1.key", "root-2.key"].map(|file| scene.home.path().join("keys").join(file));
    custody.renew_root(&keys, Renewal { receipt: true, ..Renewal::default() }, 7).unwrap();
    start_with_roots(scene, custody);
    custody.roots().unwrap().unwrap().0
}

fn start_with_roots(scene: &mut Scene, custody: &Custody) {
    let ingest = Ingest::open(&scene.path(), name("sms"), key()).unwrap();
    scene.ingest = ingest.with_roots(custody.roots().unwrap());
}

fn texts(messages: &[Downlink]) -> Vec<String> {
    messages.iter().map(|one| String::from_utf8(one.payload.clone()).unwrap()).collect()
}

#[test]
fn a_renewed_root_document_goes_down_by_itself_when_asked_and_until_it_is_in_force() {
    let mut scene = Scene::new();
    let custody = custody(&scene);
    start_with_roots(&mut scene, &custody);
    scene.send([1], 1);
    assert!(down(&mut scene, 10).is_empty(), "the first version is what a gateway was enrolled with");
    let roots = renewed(&mut scene, &custody);
    assert!(down(&mut scene, 15).is_empty(), "nobody is heard");
    scene.send([1], 20);
    assert_eq!(texts(&down(&mut scene, 30)), [roots.as_str()], "nothing else is ordered");
    let mut again = Vec::new();
    for s in 1..=3_600 {
        if s % 50 == 0 {
            scene.send([1], s * 1_000);
        }
        again.extend((!down(&mut scene, s * 1_000).is_empty()).then_some(s));
    }
    assert_eq!(again, [31, 91, 211], "who says no version is not sent it again and again");
    scene.ingest.ask(GW, Some(1), at(3_641_000)).unwrap();
    assert_eq!(texts(&down(&mut scene, 3_641_000)), [roots.as_str()]);
    scene.ingest.ask(GW, Some(1), at(3_641_100)).unwrap();
    assert!(down(&mut scene, 3_641_100).is_empty(), "questions are not signed");
    assert_eq!(texts(&down(&mut scene, 3_646_001)), [roots.as_str()]);
    // One that says which version it has.
    stated(&mut scene, Kind::Heartbeat, json!({ "root": 1 }));
    scene.send([1], 4_100_000);
    assert_eq!(texts(&down(&mut scene, 4_100_001)), [roots.as_str()]);
    assert!(down(&mut scene, 4_110_000).is_empty());
    scene.send([1], 4_131_000);
    assert_eq!(texts(&down(&mut scene, 4_131_000)), [roots.as_str()]);
    stated(&mut scene, Kind::Heartbeat, json!({ "root": 2 }));
    scene.ingest.ask(GW, Some(1), at(4_190_000)).unwrap();
    assert!(down(&mut scene, 4_190_000).is_empty());
    start_with_roots(&mut scene, &custody);
    scene.ingest.ask(GW, Some(1), at(4_200_000)).unwrap();
    assert!(down(&mut scene, 4_200_000).is_empty(), "after a start too");
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains("root document 2 is in force"), "{details}");
}

#[test]
fn a_gateway_that_could_not_look_is_sent_the_root_document_again_and_one_that_has_none_is_not() {
    for (reason, again) in [("disk", 1), ("no-root", 0)] {
        let mut scene = Scene::new();
        let custody = custody(&scene);
        start_with_roots(&mut scene, &custody);
        scene.send([1], 10);
        renewed(&mut scene, &custody);
        scene.send([1], 20);
        assert_eq!(down(&mut scene, 30).len(), 1);
        stated(&mut scene, Kind::OrderRejected, json!({ "what": "lines", "n": 0, "reason": reason, "cause": "x" }));
        assert_eq!(down(&mut scene, 100_500).len(), again, "{reason}");
    }
}

#[test]
fn what_a_gateway_refuses_for_good_is_not_sent_again_and_is_told() {
    let mut scene = Scene::new();
    scene.send([1], 1);
    let custody = custody(&scene);
    order(&scene, &custody, None);
    assert_eq!(down(&mut scene, 1_000).len(), 1);
    let no =
        |reason: &str| json!({ "what": "order", "n": 1, "reason": reason, "cause": "colour\u{202e} is not known" });
    stated(&mut scene, Kind::OrderRejected, no("disk"));
    assert_eq!(down(&mut scene, 101_000).len(), 1, "a full disk says nothing about the order");
    stated(&mut scene, Kind::OrderRejected, no("settings"));
    for ms in [200_000, 4_000_000] {
        scene.send([1], ms);
        assert!(down(&mut scene, ms).is_empty());
        scene.reopen();
    }
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains("no order is in force\n  order 1 was REFUSED"), "{details}");
    assert!(details.contains("order 1 was refused (settings: colour? is not known), by record 3"), "{details}");
    assert_eq!(order(&scene, &custody, None), 2);
    scene.send([1], 5_000_000);
    assert_eq!(down(&mut scene, 5_000_000).len(), 1, "the next one is");
    let seq = scene.seal(&body(Kind::OrderApplied, Severity::Info, json!({ "ver": 2 }))) + 1;
    scene.send([seq], 5_000_100);
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains("order 2 is in force, by record 4") && !details.contains("REFUSED"), "{details}");
}

#[test]
fn an_order_that_nobody_answers_is_sent_less_and_less_often_and_again_when_the_link_is_new() {
    let mut scene = Scene::new();
    let custody = custody(&scene);
    order(&scene, &custody, None);
    let mut sent = Vec::new();
    for s in 0..7_200 {
        if s % 50 == 0 {
            scene.send([1], s * 1_000);
        }
        sent.extend((!down(&mut scene, s * 1_000).is_empty()).then_some(s));
    }
    assert_eq!(sent, [0, 30, 90, 210, 450, 930, 1_890, 3_810]);
    scene.ingest.ask(GW, None, at(7_200_000)).unwrap();
    assert_eq!(down(&mut scene, 7_200_000).len(), 1);
}

#[test]
fn a_command_that_was_answered_is_not_sent_again_after_a_start_of_the_centre() {
    let mut scene = Scene::new();
    scene.send([1], 1);
    let custody = custody(&scene);
    let mut store = Store::open(&scene.path()).unwrap();
    for answer in [json!({ "command": 1 }), json!({ "what": "command", "n": 2, "reason": "command-stale" })] {
        orders::command(&custody, &mut store, &name(GW), Act::Heartbeat, "N. N.", at(2).wall_ms).unwrap();
        scene.reopen();
        scene.ingest.ask(GW, None, at(10)).unwrap();
        assert_eq!(down(&mut scene, 10).len(), 1);
        let kind = if answer.get("what").is_some() { Kind::OrderRejected } else { Kind::Heartbeat };
        let seq = scene.seal(&body(kind, Severity::Info, answer)) + 1;
        scene.send([seq], 20);
        scene.reopen();
        scene.ingest.ask(GW, None, at(30)).unwrap();
        assert!(down(&mut scene, 30).is_empty());
    }
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains("command 1 was done, by record 2"), "{details}");
    assert!(details.contains("command 2 was refused (command-stale: ), by record 3"), "{details}");
}

#[test]
fn a_command_that_could_only_be_refused_is_not_given() {
    let mut scene = Scene::new();
    scene.send([1], 0);
    let custody = custody(&scene);
    let mut store = Store::open(&scene.path()).unwrap();
    let mut give = |ms| orders::command(&custody, &mut store, &name(GW), Act::Heartbeat, "N. N.", at(ms).wall_ms);
    assert!(give(600_000).is_ok());
    let told = give(661_000).unwrap_err().to_string();
    assert!(told.contains("came 11 minutes ago") && told.contains("--set heartbeat_s=300"), "{told}");
}
