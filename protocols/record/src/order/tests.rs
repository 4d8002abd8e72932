use super::*;
use crate::keys::RootKey;
use crate::root::Root;
use serde_json::json;

fn order(ver: u64, prev: Link) -> Order {
    let name = |text| Name::parse(text).unwrap();
    let settings = json!({"heartbeat_s": 60, "ntp": true, "zone": "Europe/Berlin"});
    let equipment = vec!["DOOR-1".to_owned(), "CAM-2".to_owned()];
    Order {
        sms: name("sms"),
        gw: name("gate-7"),
        ver,
        prev,
        iat_ms: 1_763_778_000_120,
        exp_ms: 1_763_878_000_120,
        root: 2,
        register: Some(Register { sha256: [3; 32], bytes: 18_112 }),
        settings: settings.as_object().unwrap().clone(),
        drills: vec![Window { id: "spring".into(), from_ms: 0, to_ms: 1000, equipment }],
    }
}

fn key() -> OrderKey {
    OrderKey::from_seed([6; 32])
}

/// Version 1 has another key for orders, version 2 the one that signs here.
fn roots() -> Roots {
    let held = [1, 2, 3].map(|seed| RootKey::from_seed([seed; 32]));
    let keys = held.each_ref().map(RootKey::public);
    let version = |ver, order| {
        let (accept, receipt, keys) = (keys[0].clone(), keys[0].clone(), keys.clone());
        let root =
            Root { sms: Name::parse("sms").unwrap(), ver, ts_ms: 0, keys, accept, receipt, order, order_floor: 3 };
        held[..2].iter().map(|key| root.sign(key).unwrap().line + "\n").collect::<String>()
    };
    Roots::verify(&(version(1, OrderKey::from_seed([5; 32]).public()) + &version(2, key().public()))).unwrap()
}

fn judged(order: &Order, last: &InForce) -> Result<Judgement, OrderRefusal> {
    let link = order.sign(&key()).unwrap().link;
    order.judged(&link, &roots(), &Name::parse("gate-7").unwrap(), last)
}

#[test]
fn an_order_is_read_back_under_the_key_for_orders_only() {
    let bare = Order { register: None, settings: Map::new(), drills: vec![], ..order(1, [9; 32]) };
    for order in [order(1, [9; 32]), bare] {
        let signed = order.sign(&key()).unwrap();
        let other = OrderKey::from_seed([7; 32]).public();
        assert_eq!(Order::verify(&signed.line, &other), Err(Refusal::Signature { by: "order" }));
        assert_eq!(Order::verify(&signed.line, &key().public()).unwrap(), (order, signed.link));
    }
}

#[test]
fn an_order_past_a_limit_is_refused() {
    let base = order(1, [9; 32]);
    let many = vec![base.drills[0].clone(); DRILLS_MAX + 1];
    let backwards = Window { from_ms: 5, to_ms: 5, ..base.drills[0].clone() };
    let nested = json!({"a": [1]}).as_object().unwrap().clone();
    for wrong in [
        Order { ver: 0, ..base.clone() },
        Order { exp_ms: base.iat_ms, ..base.clone() },
        Order { drills: many, ..base.clone() },
        Order { drills: vec![backwards], ..base.clone() },
        Order { settings: nested, ..base.clone() },
    ] {
        assert!(wrong.sign(&key()).is_err(), "{wrong:?}");
    }
    assert!(base.is_over(base.exp_ms) && !base.is_over(base.exp_ms - 1));
    assert!(base.drills[0].holds(0) && !base.drills[0].holds(1000));
}

#[test]
fn a_higher_version_follows_and_the_same_one_is_in_force() {
    let last = InForce { ver: 4, link: [4; 32], key: Some(key().public()) };
    assert_eq!(judged(&order(5, [4; 32]), &last), Ok(Judgement::Next));
    assert_eq!(judged(&order(7, [0; 32]), &last), Ok(Judgement::Next), "the orders between were missed");
    assert_eq!(judged(&order(5, [0; 32]), &last), Err(OrderRefusal::Prev { ver: 5 }));
    assert_eq!(judged(&order(3, [0; 32]), &last), Err(OrderRefusal::Back { ver: 3, last: 4 }));
    assert_eq!(judged(&order(4, [0; 32]), &last), Err(OrderRefusal::Twice { ver: 4 }));
    let same = order(4, [0; 32]);
    let known = InForce { link: same.sign(&key()).unwrap().link, ..last };
    assert_eq!(judged(&same, &known), Ok(Judgement::Same));
    assert_eq!(judged(&order(3, [8; 32]), &InForce::nothing([8; 32])), Ok(Judgement::Next));
}

#[test]
fn the_root_document_bounds_orders_and_a_new_key_starts_again_at_its_floor() {
    let gone = OrderKey::from_seed([5; 32]).public();
    let flooded = InForce { ver: INTEGER_MAX, link: [4; 32], key: Some(gone) };
    assert_eq!(judged(&order(3, [0; 32]), &flooded), Ok(Judgement::Next));
    assert_eq!(judged(&order(2, [0; 32]), &flooded), Err(OrderRefusal::BelowFloor { ver: 2, floor: 3 }));
    let later = Order { root: 3, ..order(9, [0; 32]) };
    assert_eq!(judged(&later, &flooded), Err(OrderRefusal::RootFirst { needed: 3, known: 2 }));
    let past = Order { root: 1, ..order(9, [0; 32]) };
    let refused = OrderRefusal::RootPast { named: 1, known: 2 };
    assert_eq!(judged(&past, &flooded), Err(refused), "whoever reads it later would take the key of version 1");
    let other = Order { gw: Name::parse("gate-8").unwrap(), ..order(9, [0; 32]) };
    assert!(matches!(judged(&other, &flooded), Err(OrderRefusal::Stranger { .. })));
}
