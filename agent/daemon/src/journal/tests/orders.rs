//! Documents of the central side against a real journal: what comes into force, what is refused, what a start finds.

use super::*;
use picket_core::wire::Checked;
use picket_record::bundle::{BundleCheck, Part, Seal, Trust};
use picket_record::command::{Act, Command};
use picket_record::encode::Signed;
use picket_record::keys::{AcceptKey, OrderKey, RootKey};
use picket_record::order::{Judgement, Order, Register};
use picket_record::root::{Root, Roots};
use sha2::{Digest, Sha256};

const REGISTER: &str = "[[equipment]]\nid = \"DOOR-1\"\nkind = \"door\"\n";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn root_keys(first: u8) -> [RootKey; 3] {
    [first, first + 1, first + 2].map(|seed| RootKey::from_seed([seed; 32]))
}

/// A version whose order key has this seed, signed by two of its keys and two of `before`.
fn root(ver: u64, order: u8, before: Option<&[RootKey; 3]>) -> String {
    root_with(ver, order, 9, before)
}

fn root_with(ver: u64, order: u8, receipt: u8, before: Option<&[RootKey; 3]>) -> String {
    let keys = root_keys(100);
    let root = Root {
        sms: name("sms"),
        ver,
        ts_ms: 1_795_305_600_000,
        keys: keys.each_ref().map(RootKey::public),
        accept: AcceptKey::from_seed([8; 32]).public(),
        receipt: ReceiptKey::from_seed([receipt; 32]).public(),
        order: OrderKey::from_seed([order; 32]).public(),
        order_floor: 0,
    };
    let others = before.into_iter().flatten().filter(|key| !keys.iter().any(|own| own.public() == key.public()));
    let signers = keys.iter().take(2).chain(others.take(2));
    signers.map(|key| root.sign(key).unwrap().line + "\n").collect()
}

fn order(ver: u64, prev: Link) -> Order {
    Order {
        sms: name("sms"),
        gw: name("gate-7"),
        ver,
        prev,
        iat_ms: 1_795_305_600_000,
        exp_ms: 1_795_392_000_000,
        root: 1,
        register: Some(Register { sha256: Sha256::digest(REGISTER).into(), bytes: REGISTER.len() as u64 }),
        settings: serde_json::Map::new(),
        drills: Vec::new(),
    }
}

fn sign(order: &Order) -> Signed {
    order.sign(&OrderKey::from_seed([20; 32])).unwrap()
}

fn with_root(site: &mut Site, text: &str) -> Journal {
    site.starts += 1;
    let mut credentials = credentials("gate-7", 1);
    credentials.roots = Some(Roots::verify(text).unwrap());
    let mut seed = [site.starts; 32];
    let entropy = Box::new(move || {
        seed[0] = seed[0].wrapping_add(1);
        seed
    });
    Journal::open(&site.place(), credentials, entropy, &at(0), "test").unwrap().0
}

/// As the site does it: kept, then put into force by a record.
fn put_into_force(journal: &mut Journal, signed: &Signed, ver: u64) {
    let sha256 = Sha256::digest(REGISTER).into();
    journal.keep_order(&signed.line, &signed.link, Some((&sha256, REGISTER))).unwrap();
    let data = json!({ "ver": ver, "link": picket_record::encode::base64url(&signed.link) });
    journal.append(&[body(Kind::OrderApplied, Severity::Notice, data)]).unwrap();
}

fn reason(checked: Checked) -> (&'static str, &'static str) {
    match checked {
        Checked::Refused { what, reason, .. } => (what, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_root_document_nothing_that_comes_down_is_believed() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let line = sign(&order(1, ACCEPTANCE)).line;
    assert_eq!(reason(journal.check_order(&line, &at(5))), ("lines", "no-root"));
}

#[test]
fn an_order_is_in_force_once_a_record_says_so_and_after_every_start() {
    let mut site = Site::new();
    let text = root(1, 20, None);
    let mut journal = with_root(&mut site, &text);
    let signed = sign(&order(1, ACCEPTANCE));
    let checked = journal.check_order(&signed.line, &at(5));
    assert!(matches!(checked, Checked::Order { judgement: Judgement::Next, link, .. } if link == signed.link));
    let sha256 = Sha256::digest(REGISTER).into();
    journal.keep_order(&signed.line, &signed.link, Some((&sha256, REGISTER))).unwrap();
    drop(journal);
    let mut journal = with_root(&mut site, &text);
    assert_eq!(journal.order_in_force().unwrap(), None, "kept, and no record says that it is in force");
    put_into_force(&mut journal, &signed, 1);
    drop(journal);
    let mut journal = with_root(&mut site, &text);
    let found = journal.order_in_force().unwrap().unwrap();
    assert_eq!(found, order(1, ACCEPTANCE));
    assert_eq!(journal.ordered_register(&found).unwrap().as_deref(), Some(REGISTER));
    let again = journal.check_order(&signed.line, &at(5));
    assert!(matches!(again, Checked::Order { judgement: Judgement::Same, .. }));
}

/// What comes down, as the site takes it; whether it came into force.
fn comes_down(journal: &mut Journal, signed: &Signed, ver: u64) -> bool {
    let checked = journal.check_order(&signed.line, &at(5));
    let is_next = matches!(checked, Checked::Order { judgement: Judgement::Next, .. });
    if is_next {
        put_into_force(journal, signed, ver);
    }
    is_next
}

#[test]
fn an_order_or_a_register_that_damage_has_taken_is_told_and_comes_into_force_when_it_comes_again() {
    let edited = "body = replace(body, 'O', 'P')";
    for (change, names) in [
        (edited, "name GLOB 'order/*' OR name GLOB 'answered/*'"),
        ("body = CAST(x'ff' || body AS BLOB)", "name GLOB 'order/*' OR name GLOB 'answered/*'"),
        ("body = CAST(x'ff' AS TEXT), digest = CAST(x'ff' AS TEXT)", "true"),
        (edited, "name GLOB 'register/*'"),
        ("body = x'ff'", "name GLOB 'register/*'"),
    ] {
        let mut site = Site::new();
        let text = root(1, 20, None);
        let mut journal = with_root(&mut site, &text);
        let signed = sign(&order(1, ACCEPTANCE));
        put_into_force(&mut journal, &signed, 1);
        stop(journal);
        site.by_hand(&format!("UPDATE document SET {change} WHERE {names}"));
        let mut journal = with_root(&mut site, &text);
        assert_eq!(found(&journal)[0]["what"], "order", "{change} {names}");
        assert_eq!(journal.order_found, None, "{change} {names}");
        assert!(comes_down(&mut journal, &signed, 1), "{change} {names}: it is taken for the same");
        drop(journal);
        for _ in 0..2 {
            let mut journal = with_root(&mut site, &text);
            let in_force =
                journal.order_in_force().unwrap().unwrap_or_else(|| panic!("{change} {names}: not in force"));
            assert_eq!(journal.ordered_register(&in_force).unwrap().as_deref(), Some(REGISTER), "{change} {names}");
            assert_eq!(found(&journal), Vec::<Value>::new(), "{change} {names}");
            assert!(!comes_down(&mut journal, &signed, 1), "{change} {names}: it is in force");
        }
    }
}

#[test]
fn of_an_order_that_is_kept_twice_either_copy_is_enough() {
    for names in ["order", "answered"] {
        let mut site = Site::new();
        let text = root(1, 20, None);
        let mut journal = with_root(&mut site, &text);
        put_into_force(&mut journal, &sign(&order(1, ACCEPTANCE)), 1);
        drop(journal);
        site.by_hand(&format!("UPDATE document SET body = 'x' WHERE name GLOB '{names}/*'"));
        let journal = with_root(&mut site, &text);
        assert_eq!(journal.order_in_force().unwrap(), Some(order(1, ACCEPTANCE)), "{names}");
        assert_eq!(found(&journal), Vec::<Value>::new(), "{names}");
        assert_eq!(exported(&journal), [1], "{names}");
    }
}

#[test]
fn a_root_document_that_damage_has_taken_is_kept_again_when_it_comes_again() {
    let mut site = Site::new();
    let first = root(1, 20, None);
    let both = first.clone() + &root(2, 21, Some(&root_keys(100)));
    let mut journal = with_root(&mut site, &first);
    assert!(matches!(journal.check_order(&both, &at(5)), Checked::Root { ver: 2, .. }));
    drop(journal);
    site.by_hand("UPDATE document SET body = CAST(replace(body, 'A', 'B') AS BLOB) WHERE name = 'root'");
    let mut journal = with_root(&mut site, &first);
    assert_eq!(journal.root_in_force().map(|(ver, _)| ver), Some(1));
    assert!(matches!(journal.check_order(&both, &at(5)), Checked::Root { ver: 2, .. }));
    drop(journal);
    assert_eq!(with_root(&mut site, &first).root_in_force().map(|(ver, _)| ver), Some(2));
}

#[test]
fn an_order_that_was_edited_on_the_disk_is_no_longer_in_force() {
    let mut site = Site::new();
    let text = root(1, 20, None);
    let mut journal = with_root(&mut site, &text);
    put_into_force(&mut journal, &sign(&order(1, ACCEPTANCE)), 1);
    let other = sign(&order(7, ACCEPTANCE)).line;
    drop(journal);
    site.by_hand(&format!("UPDATE document SET body = '{other}' WHERE name GLOB 'order/*' OR name GLOB 'answered/*'"));
    assert_eq!(with_root(&mut site, &text).order_in_force().unwrap(), None, "no record names that one");
}

#[test]
fn what_does_not_follow_the_order_in_force_is_refused_by_its_rule() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    let first = sign(&order(3, ACCEPTANCE));
    put_into_force(&mut journal, &first, 3);
    let mut told = |order: Order| reason(journal.check_order(&sign(&order).line, &at(5)));
    assert_eq!(told(order(2, ACCEPTANCE)), ("order", "order-back"));
    assert_eq!(told(order(4, ACCEPTANCE)), ("order", "order-prev"));
    assert_eq!(told(Order { exp_ms: 1_795_305_600_001, ..order(3, ACCEPTANCE) }), ("order", "order-twice"));
    assert_eq!(told(Order { gw: name("gate-8"), ..order(4, first.link) }), ("order", "stranger"));
    assert_eq!(told(Order { root: 2, ..order(4, first.link) }), ("order", "order-root"));
    let stranger = order(4, first.link).sign(&OrderKey::from_seed([21; 32])).unwrap();
    assert_eq!(reason(journal.check_order(&stranger.line, &at(5))), ("order", "signature"));
    assert_eq!(journal.order_in_force().unwrap().unwrap().ver, 3);
    for garbage in ["", "x", "a.b.c", &"y".repeat(100_000)] {
        assert!(matches!(journal.check_order(garbage, &at(5)), Checked::Refused { .. }), "{garbage:.20}");
    }
}

#[test]
fn a_new_root_withdraws_the_order_key_and_versions_begin_anew() {
    let mut site = Site::new();
    let (first, second) = (root(1, 20, None), root(2, 21, Some(&root_keys(100))));
    let mut journal = with_root(&mut site, &first);
    put_into_force(&mut journal, &sign(&order(900, ACCEPTANCE)), 900);
    assert!(matches!(journal.check_order(&(first.clone() + &second), &at(5)), Checked::Root { ver: 2, .. }));
    assert_eq!(journal.root_in_force().map(|(ver, _)| ver), Some(2));
    assert_eq!(reason(journal.check_order(&sign(&order(901, ACCEPTANCE)).line, &at(5))), ("order", "signature"));
    let past = order(901, ACCEPTANCE).sign(&OrderKey::from_seed([21; 32])).unwrap();
    assert_eq!(reason(journal.check_order(&past.line, &at(5))), ("order", "order-root"), "by the key of another root");
    let fresh = Order { root: 2, ..order(1, ACCEPTANCE) }.sign(&OrderKey::from_seed([21; 32])).unwrap();
    assert!(matches!(journal.check_order(&fresh.line, &at(5)), Checked::Order { judgement: Judgement::Next, .. }));
    drop(journal);
    // The pinned file is the old one; what came down since is found again.
    let mut journal = with_root(&mut site, &first);
    assert!(matches!(journal.check_order(&fresh.line, &at(5)), Checked::Order { .. }));
    assert_eq!(journal.order_in_force().unwrap().unwrap().ver, 900, "what is in force stays in force");
}

#[test]
fn a_root_document_of_somebody_else_is_refused() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    let stranger = root(1, 33, None);
    assert_eq!(reason(journal.check_order(&stranger, &at(5))), ("root", "root-stranger"));
    let unreadable = stranger.replace('\n', "!\n");
    assert_eq!(
        reason(journal.check_order(&unreadable, &at(5))),
        ("root", "root-stranger"),
        "no signature is looked at"
    );
    let unsigned = root(1, 20, None) + root(2, 21, None).lines().next().unwrap() + "\n";
    assert_eq!(reason(journal.check_order(&unsigned, &at(5))), ("root", "root-threshold"));
}

fn command(journal: &Journal, n: u64, seq: u64) -> Command {
    let on = journal.store.line(seq).unwrap().map_or([0; 32], |line| Parsed::read_bytes(&line).unwrap().link);
    Command { sms: name("sms"), gw: name("gate-7"), n, seq, on, act: Act::Heartbeat }
}

/// How a command that is for this gateway is judged.
fn judged(checked: Checked) -> Result<(), &'static str> {
    match checked {
        Checked::Command { judged, .. } => judged.map_err(|(reason, _)| reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_is_good_only_while_the_record_that_it_names_is_here_and_young() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    journal.append(&[beat()]).unwrap();
    let last = head(&journal);
    let line = |command: &Command| command.sign(&OrderKey::from_seed([20; 32])).unwrap().line;
    let first = line(&command(&journal, 1, last));
    let minutes = |n: u64| at(n * 60_000_000);
    assert_eq!(judged(journal.check_order(&first, &minutes(11))), Err("command-stale"));
    let elsewhere = When { boot: "b1".into(), ..minutes(1) };
    assert_eq!(judged(journal.check_order(&first, &elsewhere)), Err("command-stale"));
    assert_eq!(judged(journal.check_order(&first, &minutes(1))), Ok(()));
    assert_eq!(judged(journal.check_order(&first, &minutes(1))), Ok(()), "no record answers it: nothing is used up");
    let unbound = Command { on: [1; 32], ..command(&journal, 2, last) };
    assert_eq!(judged(journal.check_order(&line(&unbound), &minutes(1))), Err("command-unbound"));
    let ahead = command(&journal, 3, last + 100);
    assert_eq!(judged(journal.check_order(&line(&ahead), &minutes(1))), Err("command-unbound"));
}

#[test]
fn a_number_of_another_gateway_is_not_told_as_one_of_ours() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    let elsewhere = Command { gw: name("gate-8"), ..command(&journal, 5, 1) };
    let command = elsewhere.sign(&OrderKey::from_seed([20; 32])).unwrap().line;
    let order = sign(&Order { gw: name("gate-8"), ..order(5, ACCEPTANCE) }).line;
    for line in [command, order] {
        let checked = journal.check_order(&line, &at(5));
        assert!(matches!(checked, Checked::Refused { n: 0, reason: "stranger", .. }), "{checked:?}");
    }
}

#[test]
fn orders_that_were_replaced_are_let_go_of() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    let mut prev = ACCEPTANCE;
    for ver in 1..=20 {
        let signed = sign(&order(ver, prev));
        put_into_force(&mut journal, &signed, ver);
        prev = signed.link;
    }
    let texts = "SELECT count(*) FROM document WHERE name NOT GLOB 'answered/*'";
    let texts: u64 = journal.store.row(texts, [], "test", |row| row.get(0)).unwrap().unwrap();
    assert!(texts <= 3, "two orders and one register");
    assert_eq!(journal.order_in_force().unwrap().unwrap().ver, 20);
}

#[test]
fn a_receipt_under_a_key_that_came_down_counts_from_the_start() {
    let mut site = Site::new();
    let first = root(1, 20, None);
    let mut journal = with_root(&mut site, &first);
    let both = first.clone() + &root_with(2, 20, 77, Some(&root_keys(100)));
    assert!(matches!(journal.check_order(&both, &at(5)), Checked::Root { ver: 2, .. }));
    journal.append(&[beat()]).unwrap();
    let paper = receipt(&journal, 1, 3);
    journal.receipt(&paper.sign(&ReceiptKey::from_seed([77; 32])).line, &at(6)).unwrap();
    journal.append(&[beat()]).unwrap();
    drop(journal);
    site.by_hand("DELETE FROM record WHERE seq > 2");
    let journal = with_root(&mut site, &first);
    assert_eq!((journal.receipts.upto(), journal.sealer.opened()), (3, 4));
}

/// Orders and commands of an export, by number: orders as they are, commands less 1,000.
fn exported(journal: &Journal) -> Vec<i64> {
    let key = OrderKey::from_seed([20; 32]).public();
    let number = |line: &str| match Order::verify(line, &key) {
        Ok((order, _)) => order.ver as i64,
        Err(_) => Command::verify(line, &key).unwrap().0.n as i64 - 1_000,
    };
    journal.order_lines().unwrap().lines().map(number).collect()
}

#[test]
fn an_export_has_the_orders_that_were_replaced_and_the_commands_that_were_answered_in_their_order() {
    let mut site = Site::new();
    let text = root(1, 20, None);
    let mut journal = with_root(&mut site, &text);
    let first = sign(&order(1, ACCEPTANCE));
    put_into_force(&mut journal, &first, 1);
    let heard = |journal: &mut Journal, n| {
        let line = command(journal, n, 2).sign(&OrderKey::from_seed([20; 32])).unwrap().line;
        assert_eq!(judged(journal.check_order(&line, &at(5))), Ok(()));
    };
    heard(&mut journal, 4);
    heard(&mut journal, 5);
    journal.append(&[body(Kind::Heartbeat, Severity::Info, json!({ "command": 4 }))]).unwrap();
    let second = sign(&order(2, first.link));
    put_into_force(&mut journal, &second, 2);
    put_into_force(&mut journal, &second, 2);
    assert_eq!(exported(&journal), [1, -996, 2], "no record answers the other command");
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    let journal = with_root(&mut site, &text);
    assert_eq!(exported(&journal), [1, -996, 2], "in a new file too");
    let third = sign(&order(3, second.link));
    journal.keep_order(&third.line, &third.link, None).unwrap();
    assert_eq!(exported(&journal), [1, -996, 2], "it is not in force");
    drop(journal);
    site.by_hand(
        "UPDATE document SET body = replace(body, 'a', 'b') WHERE digest IN (SELECT digest FROM document
                  WHERE name GLOB 'answered/*1')",
    );
    assert_eq!(exported(&with_root(&mut site, &text)), [-996, 2], "damage is left out");
    let link = picket_record::encode::base64url(&second.link);
    for change in [
        "body = replace(body, 'a', 'b')".to_owned(),
        format!("digest = 'x', body = (SELECT body FROM document WHERE name = 'order/{link}')"),
    ] {
        site.by_hand(&format!("UPDATE document SET {change} WHERE name GLOB 'answered/*3'"));
        let told = exported(&with_root(&mut site, &text));
        assert_eq!(told, [-996, 2], "{change}: the order in force is whole, and stands in its place");
    }
}

#[test]
fn an_order_of_before_any_were_kept_comes_first() {
    let mut site = Site::new();
    let mut journal = with_root(&mut site, &root(1, 20, None));
    put_into_force(&mut journal, &sign(&order(1, ACCEPTANCE)), 1);
    journal.store.by_hand("DELETE FROM document WHERE name GLOB 'answered/*'");
    let line = command(&journal, 4, 2).sign(&OrderKey::from_seed([20; 32])).unwrap().line;
    assert_eq!(judged(journal.check_order(&line, &at(5))), Ok(()));
    journal.append(&[body(Kind::Heartbeat, Severity::Info, json!({ "command": 4 }))]).unwrap();
    assert_eq!(exported(&journal), [1, -996]);
}

#[test]
fn an_order_in_force_whose_own_row_is_gone_follows_the_orders_before_it() {
    let mut site = Site::new();
    let text = root(1, 20, None);
    let mut journal = with_root(&mut site, &text);
    let first = sign(&order(1, ACCEPTANCE));
    put_into_force(&mut journal, &first, 1);
    let line = command(&journal, 4, 2).sign(&OrderKey::from_seed([20; 32])).unwrap().line;
    assert_eq!(judged(journal.check_order(&line, &at(5))), Ok(()));
    journal.append(&[body(Kind::Heartbeat, Severity::Info, json!({ "command": 4 }))]).unwrap();
    put_into_force(&mut journal, &sign(&order(2, first.link)), 2);
    journal.store.by_hand("DELETE FROM document WHERE name GLOB 'answered/*3'");
    assert_eq!(exported(&journal), [1, 2, -996]);
    let (identity, root) = (Some(journal.credentials.identity.public()), Some(Roots::verify(&text).unwrap().hash()));
    let mut check = BundleCheck::new(Trust { identity, root }, Seal::Waived);
    for (part, text) in [(Part::Root, text.clone()), (Part::Orders, journal.order_lines().unwrap())] {
        check.begin(part);
        check.feed(text.as_bytes());
        check.end();
    }
    let verdict = check.finish();
    let wrong: Vec<String> =
        verdict.found.iter().filter(|found| found.part == Part::Orders).map(ToString::to_string).collect();
    assert_eq!((wrong, verdict.orders), (Vec::new(), 3));
}

#[test]
fn orders_and_commands_that_are_kept_are_bounded_in_number_and_in_bytes_and_the_newest_stay() {
    for (budget, text, most) in [(BUDGET, 10, 730), (8 << 20, 200, 512 * 1_024 / 1_500)] {
        let mut site = Site { budget, ..Site::new() };
        let mut journal = with_root(&mut site, &root(1, 20, None));
        let mut prev = ACCEPTANCE;
        for ver in 1..=800 {
            let mut order = order(ver, prev);
            let texts = (0..4).map(|n| (format!("name-{n}"), Value::from("x".repeat(text))));
            order.settings = texts.collect();
            let signed = sign(&order);
            journal.keep_order(&signed.line, &signed.link, None).unwrap();
            let data = json!({ "ver": ver, "link": picket_record::encode::base64url(&signed.link) });
            journal.append(&[body(Kind::OrderApplied, Severity::Notice, data)]).unwrap();
            prev = signed.link;
        }
        let kept = exported(&journal);
        assert!(kept.len() <= most && kept.len() > most / 3, "{} of {most}", kept.len());
        assert_eq!(kept, ((801 - kept.len() as i64)..=800).collect::<Vec<_>>());
    }
}
