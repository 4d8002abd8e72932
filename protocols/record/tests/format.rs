//! FORMAT.md says what the code does: kinds, limits, headers, words.

use picket_record::bundle::{Part, WHOLE_MAX};
use picket_record::certificate::{CERTIFICATE_MAX, CHAIN_MAX};
use picket_record::chain::{
    DRILL_ID_MAX, EPOCH_RECORDS_MAX, HELD_MAX, LISTED_MAX, SUMMARIES_MAX, TailState, WITNESSES_MAX,
};
use picket_record::command::{COMMAND_AGE_MAX_S, DRILL_MAX_S};
use picket_record::encode::{LINE_MAX, PAYLOAD_MAX};
use picket_record::enrolment::{CSR_MAX, MACHINE_MAX};
use picket_record::json::{DEPTH_MAX, INTEGER_MAX};
use picket_record::kind::Kind;
use picket_record::order::{DRILL_EQUIPMENT_MAX, DRILLS_MAX, ORDER_TEXT_MAX, SETTINGS_MAX};
use picket_record::personal::{OPENINGS_MAX, PERSONAL_MAX, SALT_BYTES};
use picket_record::receipt::RANGES_MAX;
use picket_record::root::{DOWN_LINES_MAX, ROOT_KEYS, ROOT_THRESHOLD, ROOT_VERSIONS_MAX};
use picket_record::token::TOKEN_LIFE_MAX_MS;
use std::collections::BTreeSet;

const FORMAT: &str = include_str!("../FORMAT.md");
const SOURCES: [&str; 5] = [
    include_str!("../src/refusal.rs"),
    include_str!("../src/chain/contradiction.rs"),
    include_str!("../src/root.rs"),
    include_str!("../src/order.rs"),
    include_str!("../src/command.rs"),
];

#[test]
fn every_kind_stands_in_the_format() {
    for kind in Kind::ALL {
        assert!(FORMAT.contains(&format!("`{}`", kind.as_str())), "{}", kind.as_str());
    }
}

/// The verifiers that share no code with this crate: a kind that one does not know, it refuses with the whole record.
const VERIFIERS: [(&str, &str); 3] = [
    ("verify.py", include_str!("../verifiers/verify.py")),
    ("verify.mjs", include_str!("../verifiers/verify.mjs")),
    ("read.awk", include_str!("../verifiers/read.awk")),
];

#[test]
fn every_kind_is_known_to_every_verifier() {
    for (name, text) in VERIFIERS {
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_lowercase() && !matches!(c, '.' | '_')).collect();
        for kind in Kind::ALL {
            assert!(words.contains(kind.as_str()), "{name} does not know {}", kind.as_str());
        }
    }
}

#[test]
fn every_limit_stands_in_the_format_with_its_number() {
    let limits: [(&str, u64); 29] = [
        ("LINE_MAX", LINE_MAX as u64),
        ("PAYLOAD_MAX", PAYLOAD_MAX as u64),
        ("DEPTH_MAX", DEPTH_MAX as u64),
        ("INTEGER_MAX", INTEGER_MAX),
        ("EPOCH_RECORDS_MAX", EPOCH_RECORDS_MAX),
        ("SALT_BYTES", SALT_BYTES as u64),
        ("PERSONAL_MAX", PERSONAL_MAX as u64),
        ("OPENINGS_MAX", OPENINGS_MAX as u64),
        ("TOKEN_LIFE_MAX_MS", TOKEN_LIFE_MAX_MS as u64),
        ("MACHINE_MAX", MACHINE_MAX as u64),
        ("CSR_MAX", CSR_MAX as u64),
        ("CHAIN_MAX", CHAIN_MAX as u64),
        ("CERTIFICATE_MAX", CERTIFICATE_MAX as u64),
        ("ROOT_KEYS", ROOT_KEYS as u64),
        ("ROOT_THRESHOLD", ROOT_THRESHOLD as u64),
        ("ROOT_VERSIONS_MAX", ROOT_VERSIONS_MAX as u64),
        ("DOWN_LINES_MAX", DOWN_LINES_MAX as u64),
        ("SETTINGS_MAX", SETTINGS_MAX as u64),
        ("ORDER_TEXT_MAX", ORDER_TEXT_MAX as u64),
        ("DRILLS_MAX", DRILLS_MAX as u64),
        ("DRILL_EQUIPMENT_MAX", DRILL_EQUIPMENT_MAX as u64),
        ("COMMAND_AGE_MAX_S", COMMAND_AGE_MAX_S),
        ("DRILL_MAX_S", DRILL_MAX_S),
        ("DRILL_ID_MAX", DRILL_ID_MAX as u64),
        ("RANGES_MAX", RANGES_MAX as u64),
        ("WITNESSES_MAX", WITNESSES_MAX as u64),
        ("LISTED_MAX", LISTED_MAX as u64),
        ("HELD_MAX", HELD_MAX as u64),
        ("SUMMARIES_MAX", SUMMARIES_MAX as u64),
    ];
    for (name, limit) in limits.into_iter().chain([("WHOLE_MAX", WHOLE_MAX as u64)]) {
        let sentences = FORMAT.lines().filter(|line| line.contains(&format!("`{name}`")));
        let told = sentences.flat_map(|line| line.split(|c: char| !c.is_ascii_digit())).any(|n| n == limit.to_string());
        assert!(told, "{name} {limit}");
    }
}

#[test]
fn every_header_file_and_state_stands_in_the_format() {
    let kids = ["<gw>#<ep>", "<gw>#id", "<gw>#id", "<sms>#receipt", "<sms>#accept", "<sms>#accept", "<sms>#root:<key>"];
    let typs = ["rec", "open", "enrol", "receipt", "accept", "token", "root"];
    let orders = [("<sms>#order", "order"), ("<sms>#order", "command")];
    let certificates = [("<gw>#id", "csr"), ("<sms>#receipt", "certificate")];
    for (kid, typ) in kids.into_iter().zip(typs).chain(orders).chain(certificates) {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}+jws"}}"#);
        assert!(FORMAT.contains(&header), "{header}");
    }
    for part in Part::ALL {
        assert!(FORMAT.contains(&format!("`{}`", part.file())), "{}", part.file());
    }
    for word in ["genesis", "clean", "crash", "rotate", "rollback", "reset"] {
        assert!(TailState::parse(word).is_some() && FORMAT.contains(&format!("| `{word}` |")), "{word}");
    }
}

#[test]
fn every_reason_word_of_the_code_stands_in_the_format() {
    let mut words = 0;
    for source in SOURCES {
        for line in source.lines().filter(|line| line.contains("=> \"")) {
            let word = line.split('"').nth(1).unwrap_or_default();
            assert!(FORMAT.contains(&format!("`{word}`")), "{word}");
            words += 1;
        }
    }
    assert!(words > 50, "{words}");
}
