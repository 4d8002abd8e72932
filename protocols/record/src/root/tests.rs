use super::*;
use crate::keys::{AcceptKey, OrderKey, ReceiptKey};

fn key(seed: u8) -> RootKey {
    RootKey::from_seed([seed; 32])
}

fn root(ver: u64, keys: [u8; 3], receipt: u8) -> Root {
    Root {
        sms: Name::parse("sms").unwrap(),
        ver,
        ts_ms: 1_763_778_000_120,
        keys: keys.map(|seed| key(seed).public()),
        accept: AcceptKey::from_seed([21; 32]).public(),
        receipt: ReceiptKey::from_seed([receipt; 32]).public(),
        order: OrderKey::from_seed([23; 32]).public(),
        order_floor: 1,
    }
}

fn signed(root: &Root, by: &[u8]) -> String {
    by.iter().map(|seed| root.sign(&key(*seed)).unwrap().line + "\n").collect()
}

fn first() -> Root {
    root(1, [1, 2, 3], 22)
}

#[test]
fn two_of_three_keys_make_a_first_version() {
    let roots = Roots::verify(&signed(&first(), &[1, 3])).unwrap();
    assert_eq!((roots.in_force(), roots.hash()), (&first(), first().hash().unwrap()));
    assert!(roots.holds(&first().hash().unwrap()) && !roots.holds(&[0; 32]));
    let one = Roots::verify(&signed(&first(), &[2]));
    assert_eq!(one, Err(RootRefusal::Threshold { ver: 1, keys_of: 1, found: 1 }));
    assert_eq!(Roots::verify(""), Err(RootRefusal::Empty));
}

#[test]
fn a_text_that_begins_with_another_first_version_is_known_without_a_signature() {
    let ours = signed(&first(), &[1, 2]);
    let roots = Roots::verify(&ours).unwrap();
    assert!(roots.begins(&ours) && roots.begins(&signed(&first(), &[3])), "whoever signed it");
    for foreign in [signed(&root(1, [4, 5, 6], 22), &[4, 5]), String::new(), "x".into(), "a.b.c\n".into()] {
        assert!(!roots.begins(&foreign), "{foreign}");
    }
}

#[test]
fn one_key_that_signs_twice_is_one_key() {
    assert_eq!(Roots::verify(&signed(&first(), &[2, 2])), Err(RootRefusal::Signer { line: 2, ver: 1 }));
    assert_eq!(Roots::verify(&signed(&first(), &[2, 9])), Err(RootRefusal::Signer { line: 2, ver: 1 }));
}

#[test]
fn the_next_version_needs_two_keys_of_its_own_and_two_of_the_version_before() {
    let second = root(2, [3, 4, 5], 30);
    let chain = |by: &[u8]| Roots::verify(&(signed(&first(), &[1, 2]) + &signed(&second, by)));
    assert_eq!(chain(&[4, 5]), Err(RootRefusal::Threshold { ver: 2, keys_of: 1, found: 0 }));
    assert_eq!(chain(&[1, 2]), Err(RootRefusal::Threshold { ver: 2, keys_of: 2, found: 0 }));
    assert_eq!(chain(&[1, 3]), Err(RootRefusal::Threshold { ver: 2, keys_of: 2, found: 1 }));
    let roots = chain(&[1, 3, 4]).unwrap();
    assert_eq!(roots.in_force(), &second);
    let receipt = |seed| ReceiptKey::from_seed([seed; 32]).public();
    assert_eq!(roots.receipt_keys(), [Named { ver: 1, key: receipt(22) }, Named { ver: 2, key: receipt(30) }]);
    assert_eq!((roots.order_keys().len(), roots.accept_keys().len()), (1, 1));
    let older = Roots::verify(&signed(&first(), &[1, 2])).unwrap();
    assert!(roots.continue_from(&older) && !older.continue_from(&roots));
    let other = Roots::verify(&signed(&root(1, [1, 2, 3], 77), &[1, 2])).unwrap();
    assert!(!roots.continue_from(&other));
}

#[test]
fn versions_rise_one_by_one_from_the_first() {
    let skipped = signed(&first(), &[1, 2]) + &signed(&root(3, [1, 2, 3], 30), &[1, 2]);
    assert_eq!(Roots::verify(&skipped), Err(RootRefusal::Order { found: 3, expected: 2 }));
    let late = signed(&root(2, [1, 2, 3], 30), &[1, 2]);
    assert_eq!(Roots::verify(&late), Err(RootRefusal::Order { found: 2, expected: 1 }));
    let twice = signed(&first(), &[1, 2]) + &signed(&root(1, [1, 2, 3], 30), &[1, 2]);
    assert_eq!(Roots::verify(&twice), Err(RootRefusal::Order { found: 1, expected: 2 }));
    let mut whole = String::new();
    for ver in 1..=ROOT_VERSIONS_MAX as u64 {
        whole += &signed(&root(ver, [1, 2, 3], 30), &[1, 2]);
    }
    assert_eq!(Roots::verify(&whole).unwrap().in_force().ver, 64);
    whole += &signed(&root(65, [1, 2, 3], 30), &[1, 2]);
    assert_eq!(Roots::verify(&whole), Err(RootRefusal::TooLong));
}

#[test]
fn a_root_with_one_key_twice_or_of_another_system_is_refused() {
    let same = Roots::verify(&signed(&root(1, [1, 1, 3], 22), &[1, 3])).unwrap_err();
    assert_eq!(same.reason(), "field");
    let other = Root { sms: Name::parse("other").unwrap(), ..root(2, [1, 2, 3], 22) };
    let chain = signed(&first(), &[1, 2]) + &signed(&other, &[1, 2]);
    assert_eq!(Roots::verify(&chain).unwrap_err().reason(), "stranger");
    let flipped = signed(&first(), &[1, 2]).replace("eyJhbGci", "eyJhbGcj");
    assert_eq!(Roots::verify(&flipped), Err(RootRefusal::Signer { line: 1, ver: 1 }));
}
