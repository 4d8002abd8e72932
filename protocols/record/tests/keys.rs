//! Keys at every door: one that a verifier could disagree about is taken nowhere, whatever it is given as.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_record::acceptance::Acceptance;
use picket_record::encode::base64url;
use picket_record::enrolment::Request;
use picket_record::keys::{PublicKey, RootKey};
use picket_record::root::Roots;

/// RFC 8037 appendix A.2.
const GOOD: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// The neutral element; case 3 of speccheck (novifinancial/ed25519-speccheck), of mixed order; the neutral element with
/// y = 1 + p (ZIP 215).
const BAD: [(&str, &str); 3] = [
    ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "key-weak"),
    ("zbJnzkDFzUUwb6XS8pcxRZOH2_nrkzt71a7Zp2W4jU0", "key-torsion"),
    ("7v_______________________________________38", "key-encoding"),
];

/// A line with a signature by nobody: every key is looked at before it.
fn line(kid: &str, typ: &str, payload: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}+jws"}}"#);
    let part = |text: &str| base64url(text.as_bytes());
    format!("{}.{}.{}", part(&header), part(payload), base64url(&[0; 64]))
}

fn request(identity: &str) -> &'static str {
    let payload = format!(
        r#"{{"v":1,"sms":"sms","site":"yard","gw":"gw-1","token":"{}","identity":"{identity}","machine":"box","ts":"2026-03-01T10:00:00.000Z"}}"#,
        base64url(&[9; 16])
    );
    Request::verify(&line("gw-1#id", "enrol", &payload)).unwrap_err().reason()
}

/// As a reader without the key that signed it reads it.
fn acceptance(identity: &str, receipt: &str) -> Option<&'static str> {
    let payload = format!(
        r#"{{"v":1,"sms":"sms","site":"yard","gw":"gw-1","identity":"{identity}","receipt_key":"{receipt}","ts":"2026-03-01T10:00:00.000Z","by":"N. N."}}"#
    );
    Acceptance::claims(&line("sms#accept", "accept", &payload)).err().map(|refusal| refusal.reason())
}

/// A root document with this key in one of its six places.
fn root(place: usize, key: &str) -> &'static str {
    let mut keys: [String; 6] = std::array::from_fn(|n| RootKey::from_seed([11 + n as u8; 32]).public().text());
    keys[place] = key.to_owned();
    let [a, b, c, accept, receipt, order] = &keys;
    let payload = format!(
        r#"{{"v":1,"sms":"sms","ver":1,"ts":"2026-03-01T10:00:00.000Z","keys":["{a}","{b}","{c}"],"accept":"{accept}","receipt":"{receipt}","order":"{order}","order_floor":1}}"#
    );
    Roots::verify(&(line(&format!("sms#root:{a}"), "root", &payload) + "\n")).unwrap_err().reason()
}

#[test]
fn a_weak_a_mixed_and_a_twice_encoded_key_are_taken_nowhere_and_told_by_their_words() {
    for (key, word) in BAD {
        assert_eq!(PublicKey::parse(key).unwrap_err().reason(), word);
        assert_eq!(request(key), word);
        assert_eq!([acceptance(key, GOOD), acceptance(GOOD, key)], [Some(word); 2]);
        for place in 0..6 {
            assert_eq!(root(place, key), word, "place {place}");
        }
    }
}

#[test]
fn with_a_good_key_the_same_lines_are_refused_for_their_signature_alone() {
    assert_eq!(request(GOOD), "signature");
    assert_eq!(acceptance(GOOD, GOOD), None, "its signature is for another to see");
    for place in 1..6 {
        assert_eq!(root(place, GOOD), "signature", "place {place}");
    }
}
