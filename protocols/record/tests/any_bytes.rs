//! Whatever comes in: reading never panics, what was sealed is verified, one flipped bit is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_record::acceptance::Acceptance;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::{ChainCheck, Head, Opening, Origin, Parsed, Sealer, TailState};
use picket_record::encode::{Name, base64url};
use picket_record::keys::{IdentityKey, PublicKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::Receipt;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn value() -> impl Strategy<Value = Value> {
    let limit = (1_i64 << 53) - 1;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-limit..=limit).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Body> {
    let data = prop::collection::btree_map(any::<String>(), value(), 0..6);
    (
        data,
        0..1_u64 << 53,
        prop::option::of(-62_167_219_200_000..253_402_300_800_000_i64),
        "\\PC{0,9}",
        1..Kind::ALL.len(),
    )
        .prop_filter("an epoch is opened elsewhere", |(.., kind)| Kind::ALL[*kind] != Kind::EpochOpen)
        .prop_map(|(data, mono_us, wall_ms, boot, kind)| {
            let clock = ClockQuality { src: ClockSource::Rtc, sync: false, err_ms: 0, age_s: 0, era: 0 };
            let when = When { boot: boot.as_str().into(), mono_us, wall_ms, clock };
            Body::new(when, Kind::ALL[kind], Severity::Info, data.into_iter().collect::<Map<String, Value>>())
        })
}

fn seal(body: &Body) -> Option<(String, String, PublicKey)> {
    let identity = IdentityKey::from_seed([1; 32]);
    let origin = Origin { site: Name::parse("s").ok()?, gw: Name::parse("g").ok()? };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: String::new() };
    let when = When { boot: "b".into(), ..body.when.clone() };
    let (mut sealer, open) = Sealer::open(&origin, &identity, [2; 32], Head::genesis([0; 32]), &opening, &when).ok()?;
    Some((open.line, sealer.seal(body).ok()?.line, identity.public()))
}

/// Few bodies pass a limit: a product that sealed none would run out of tries.
fn sealed(body: &Body) -> Result<(String, String, PublicKey), TestCaseError> {
    seal(body).ok_or_else(|| TestCaseError::reject("a body past a limit is refused, which is tested elsewhere"))
}

proptest! {
    #[test]
    fn reading_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let key = ReceiptKey::from_seed([1; 32]).public();
        let _ = Parsed::read_bytes(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Receipt::verify(&text, &key, &Name::parse("g").unwrap());
        let _ = Acceptance::verify(&text, &key);
    }

    #[test]
    fn reading_any_payload_never_panics(payload in "[\\{\\}\\[\\]\",:0-9a-u\\\\ .-]{0,60}", raw in "\\PC{0,60}") {
        for payload in [payload, raw] {
            let line = format!("AA.{}.{}", base64url(payload.as_bytes()), "A".repeat(86));
            let _ = Parsed::read(&line);
        }
    }

    #[test]
    fn every_sealed_body_is_verified_and_carries_its_data(body in body()) {
        let (open, line, identity) = sealed(&body)?;
        let mut check = ChainCheck::new(identity);
        prop_assert!(check.line(open.as_bytes()).is_ok());
        let record = check.line(line.as_bytes());
        prop_assert!(record.is_ok(), "{record:?}");
        let record = record.unwrap();
        prop_assert_eq!(record.data(), body.data);
        prop_assert_eq!(record.wall_ms, body.when.wall_ms);
        prop_assert_eq!(record.boot.as_str(), &*body.when.boot);
    }

    #[test]
    fn any_single_flipped_bit_is_refused(body in body(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (open, line, identity) = sealed(&body)?;
        let mut bytes = line.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut check = ChainCheck::new(identity);
        prop_assert!(check.line(open.as_bytes()).is_ok());
        prop_assert!(check.line(&bytes).is_err());
    }
}
