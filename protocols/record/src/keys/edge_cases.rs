//! Ed25519 where implementations differ: Wycheproof, CCTV and "Taming the many EdDSAs". The numbers are frozen: another one
//! means that the library changed its mind about signatures.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]
#![allow(clippy::disallowed_methods, reason = "a test reads the vectors that somebody names")]

use super::{PublicKey, Signature, VerifyingKey};
use ed25519_dalek::Verifier;
use serde_json::Value;
use std::path::PathBuf;

/// The folder with `cctv-ed25519vectors.json` and `speccheck-cases.json`.
const VECTORS: &str = "PICKET_VECTORS";

/// A key that nobody checked, and a signature; `None` where their bytes are none.
fn read(key: &[u8], signature: &[u8]) -> Option<(PublicKey, [u8; 64])> {
    let key = VerifyingKey::from_bytes(&key.try_into().ok()?).ok()?;
    Some((PublicKey(key), signature.try_into().ok()?))
}

/// By the product's own rule.
fn is_accepted(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    read(key, signature).is_some_and(|(key, signature)| key.verifies(message, &signature))
}

/// By the lax rule, which the product never uses.
fn is_accepted_laxly(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let lax = |(key, signature): (PublicKey, _)| key.0.verify(message, &Signature::from_bytes(&signature)).is_ok();
    read(key, signature).is_some_and(lax)
}

fn is_key_accepted(key: &[u8]) -> bool {
    <[u8; 32]>::try_from(key).is_ok_and(|key| PublicKey::accept(&key).is_ok())
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Cases of a file that is not part of the repository; `None`, and a word about it, where nobody named its folder.
fn cases(file: &str) -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os(VECTORS) else {
        println!("not checked: {VECTORS} names no folder with {file}");
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(folder).join(file)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn wycheproof_signatures_are_accepted_and_refused_as_expected() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        assert!(is_key_accepted(&group.key.pk));
        for test in group.tests {
            let expected = test.result == wycheproof::TestResult::Valid;
            assert_eq!(is_accepted(&group.key.pk, &test.msg, &test.sig), expected, "case {}", test.tc_id);
            tried += 1;
        }
    }
    assert_eq!(tried, 151);
    println!("{tried} cases");
}

#[test]
fn forty_three_of_cctv_are_accepted_one_once_the_key_is_checked_and_208_by_the_lax_rule() {
    type Rule = fn(&[u8], &[u8], &[u8]) -> bool;
    let Some(cases) = cases("cctv-ed25519vectors.json") else { return };
    let by = |rule: Rule| -> Vec<&Value> {
        let message = |case: &Value| case["msg"].as_str().unwrap().to_owned();
        let passes = |case: &&Value| rule(&hex(&case["key"]), message(case).as_bytes(), &hex(&case["sig"]));
        cases.iter().filter(passes).collect()
    };
    let accepted = by(is_accepted);
    let checked = accepted.iter().filter(|case| is_key_accepted(&hex(&case["key"]))).count();
    assert_eq!((cases.len(), by(is_accepted_laxly).len(), accepted.len(), checked), (914, 208, 43, 1));
}

#[test]
fn only_case_three_of_speccheck_is_accepted_and_its_key_is_not() {
    let Some(cases) = cases("speccheck-cases.json") else { return };
    let accepted = |case: &Value| is_accepted(&hex(&case["pub_key"]), &hex(&case["message"]), &hex(&case["signature"]));
    let accepted: Vec<usize> = (0..cases.len()).filter(|at| accepted(&cases[*at])).collect();
    assert_eq!((cases.len(), accepted), (12, vec![3]));
    assert!(!is_key_accepted(&hex(&cases[3]["pub_key"])));
}
