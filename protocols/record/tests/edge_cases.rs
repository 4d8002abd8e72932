//! Ed25519 where implementations differ: Wycheproof, CCTV and "Taming the many EdDSAs". The numbers are frozen: another one
//! means that the library changed its mind about signatures.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]
#![allow(clippy::disallowed_methods, reason = "a test reads the vectors that somebody names")]

use ed25519_dalek::{Signature, VerifyingKey};
use picket_record::keys::PublicKey;
use serde_json::Value;
use std::path::PathBuf;

/// The folder with `cctv-ed25519vectors.json` and `speccheck-cases.json`.
const VECTORS: &str = "PICKET_VECTORS";

/// What the product does: strict, and pure Ed25519.
fn is_accepted(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (<[u8; 32]>::try_from(key), <[u8; 64]>::try_from(signature)) else { return false };
    let key = VerifyingKey::from_bytes(&key);
    key.is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(&signature)).is_ok())
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
fn forty_three_of_cctv_are_accepted_and_one_once_the_key_is_checked() {
    let Some(cases) = cases("cctv-ed25519vectors.json") else { return };
    let accepted: Vec<&Value> = cases
        .iter()
        .filter(|case| is_accepted(&hex(&case["key"]), case["msg"].as_str().unwrap().as_bytes(), &hex(&case["sig"])))
        .collect();
    let checked = accepted.iter().filter(|case| is_key_accepted(&hex(&case["key"]))).count();
    assert_eq!((cases.len(), accepted.len(), checked), (914, 43, 1));
}

#[test]
fn only_case_three_of_speccheck_is_accepted_and_its_key_is_not() {
    let Some(cases) = cases("speccheck-cases.json") else { return };
    let accepted = |case: &Value| is_accepted(&hex(&case["pub_key"]), &hex(&case["message"]), &hex(&case["signature"]));
    let accepted: Vec<usize> = (0..cases.len()).filter(|at| accepted(&cases[*at])).collect();
    assert_eq!((cases.len(), accepted), (12, vec![3]));
    assert!(!is_key_accepted(&hex(&cases[3]["pub_key"])));
}
