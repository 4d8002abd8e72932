//! Makes the vectors of version 1, once: `cargo run -p picket-record --example make_vectors -- records`, and likewise
//! `receipts`, `acceptance`, `keys`, `mutations`, `reasons` and one file of `bundle` by its name. The files in `vectors/v1` are frozen: add, never edit.

#[path = "../tests/v1/bundle.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod bundle;
#[path = "../tests/v1/story.rs"]
mod story;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use picket_record::bundle::Part;
use picket_record::chain::{Epochs, Parsed, verify};
use picket_record::encode::base64url;
use picket_record::keys::PublicKey;
use picket_record::refusal::Refusal;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "records" => story::records().iter().for_each(|record| println!("{}", record.line)),
        "receipts" => story::receipts().iter().for_each(|receipt| println!("{}", receipt.line)),
        "acceptance" => println!("{}", story::acceptance().line),
        "keys" => keys(),
        "mutations" => mutations().iter().for_each(|(rule, line)| println!("{rule}\t{}\t{line}", refusal(line))),
        "reasons" => mutations().iter().for_each(|(rule, line)| println!("{rule}\t{}", refusal(line).reason())),
        _ => print!("{}", file_of_bundle(&what)),
    }
}

/// Why the line is refused. Read by a person before the file was frozen.
fn refusal(line: &str) -> Refusal {
    let identity = PublicKey::accept(&SigningKey::from_bytes(&story::IDENTITY_SEED).verifying_key().to_bytes());
    let mut epochs = Epochs::new(story::name("gate-7"), identity.expect("a good key"));
    for record in story::records() {
        let record = Parsed::read(&record.line).expect("a good line");
        if let Some(opened) = verify(&record, &epochs).expect("a good signature") {
            epochs.admit(&opened).expect("a new epoch");
        }
    }
    let result = Parsed::read(line).and_then(|record| verify(&record, &epochs));
    result.expect_err("every mutation is refused")
}

fn file_of_bundle(name: &str) -> String {
    let usage = "usage: make_vectors records|receipts|acceptance|keys|mutations|reasons|FILE_OF_BUNDLE\n";
    let part = Part::of_file(name).and_then(|part| bundle::files().remove(&part));
    part.map_or_else(|| usage.into(), |bytes| String::from_utf8(bytes).expect("a bundle is text"))
}

fn keys() {
    let all = [
        ("identity", story::IDENTITY_SEED),
        ("epoch1", story::EPOCH_SEEDS[0]),
        ("epoch2", story::EPOCH_SEEDS[1]),
        ("receipt", story::RECEIPT_SEED),
        ("accept", story::ACCEPT_SEED),
    ];
    for (name, seed) in all {
        let public = SigningKey::from_bytes(&seed).verifying_key();
        println!("{name}\t{}\t{}", base64url(&seed), base64url(public.as_bytes()));
    }
}

/// One line for each rule that a single line can break, otherwise correct and correctly signed.
fn mutations() -> Vec<(&'static str, String)> {
    let records = story::records();
    let (opening, heartbeat) = (&records[0].line, &records[14].line);
    let mut all = text_mutations(heartbeat);
    all.extend(header_mutations(&payload(heartbeat), &payload(opening)));
    all.extend(payload_mutations(&payload(heartbeat)));
    all.extend(signature_mutations(heartbeat, opening));
    all.extend(opening_mutations(&payload(opening)));
    all.extend(drill_mutations(&payload(heartbeat)));
    all
}

const BEAT: &str = r#"{"alg":"EdDSA","kid":"gate-7#2","typ":"rec+jws"}"#;
const OPEN: &str = r#"{"alg":"EdDSA","kid":"gate-7#id","typ":"open+jws"}"#;

fn payload(line: &str) -> String {
    let part = line.split('.').nth(1).expect("a line has three parts");
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("strict")).expect("text")
}

fn sign(header: &str, payload: &str, seed: [u8; 32]) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let signature = SigningKey::from_bytes(&seed).sign(input.as_bytes()).to_bytes();
    format!("{input}.{}", base64url(&signature))
}

fn beat(payload: &str) -> String {
    sign(BEAT, payload, story::EPOCH_SEEDS[1])
}

fn text_mutations(line: &str) -> Vec<(&'static str, String)> {
    // The last character of a signature carries four bits that mean nothing; A to P with the last bits set.
    let (start, last) = line.split_at(line.len() - 1);
    let reencoded = char::from(last.as_bytes()[0] + 1);
    vec![
        ("two parts", line.rsplit_once('.').expect("three parts").0.into()),
        ("four parts", format!("{line}.AA")),
        ("padding", format!("{line}==")),
        ("trailing bits", format!("{start}{reencoded}")),
        ("foreign character", format!("{start}+")),
        ("truncated signature", line[..line.len() - 2].into()),
        ("too long", format!("{line}{}", "A".repeat(12_000))),
    ]
}

fn header_mutations(beat: &str, open: &str) -> Vec<(&'static str, String)> {
    let epoch2 = story::EPOCH_SEEDS[1];
    let other = |header: &str| sign(header, beat, epoch2);
    vec![
        ("header order", other(r#"{"typ":"rec+jws","alg":"EdDSA","kid":"gate-7#2"}"#)),
        ("header space", other(r#"{"alg": "EdDSA","kid":"gate-7#2","typ":"rec+jws"}"#)),
        ("header algorithm", other(r#"{"alg":"Ed25519","kid":"gate-7#2","typ":"rec+jws"}"#)),
        ("header none", other(r#"{"alg":"none","kid":"gate-7#2","typ":"rec+jws"}"#)),
        ("header epoch", other(r#"{"alg":"EdDSA","kid":"gate-7#1","typ":"rec+jws"}"#)),
        ("header gateway", other(r#"{"alg":"EdDSA","kid":"gate-8#2","typ":"rec+jws"}"#)),
        ("header extra", other(r#"{"alg":"EdDSA","kid":"gate-7#2","typ":"rec+jws","jku":"x"}"#)),
        ("record as opening", sign(OPEN, beat, story::IDENTITY_SEED)),
        ("opening as record", sign(r#"{"alg":"EdDSA","kid":"gate-7#1","typ":"rec+jws"}"#, open, story::EPOCH_SEEDS[0])),
    ]
}

fn payload_mutations(good: &str) -> Vec<(&'static str, String)> {
    let put = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        beat(&good.replacen(from, to, 1))
    };
    let cases: &[(&'static str, &str, &str)] = &[
        ("unknown version", r#""v":1"#, r#""v":2"#),
        ("missing field", r#""mode":"live","#, ""),
        ("number zero", r#""seq":15"#, r#""seq":0"#),
        ("unknown kind", "heartbeat", "heartbeet"),
        ("unknown mode", r#""live""#, r#""lively""#),
        ("severity five", r#""sev":0"#, r#""sev":5"#),
        ("wall without milliseconds", ".120Z", "Z"),
        ("wall of no day", "2025-11-22", "2025-02-29"),
        ("clock not an object", r#""clk":{"#, r#""clk":"x","clk2":{"#),
        ("name with a dot", r#""site":"harbour""#, r#""site":"har.bour""#),
        ("fraction", "1048576", "1048576.0"),
        ("exponent", "1048576", "1e6"),
        ("integer too large", "1048576", "9007199254740992"),
        ("minus zero", "1048576", "-0"),
        ("duplicate key", r#""free""#, r#""by_sev":1,"free""#),
        ("duplicate key, escaped", r#""free""#, r#""by_\u0073ev":1,"free""#),
        ("too deep", "[9,2,0,1,0]", "[[[9]]]"),
        ("half a surrogate", "1048576", r#""\ud83d""#),
        ("control character", "1048576", "\"\n\""),
        ("prev too short", r#""prev":""#, r#""prev":"AA","old":""#),
        ("other gateway", "gate-7", "gate-8"),
    ];
    let mut all: Vec<_> = cases.iter().map(|(rule, from, to)| (*rule, put(from, to))).collect();
    all.last_mut().expect("cases").1 =
        sign(&BEAT.replace("gate-7", "gate-8"), &good.replacen("gate-7", "gate-8", 1), story::EPOCH_SEEDS[1]);
    all.push(("unknown epoch", sign(&BEAT.replace("#2", "#3"), &good.replacen(r#""ep":2"#, r#""ep":3"#, 1), [9; 32])));
    all.push(("too large", put("1048576", &format!("\"{}\"", "x".repeat(7900)))));
    all.push(("two objects", beat(&format!("{good}{{}}"))));
    all.push(("a list", beat("[]")));
    all
}

fn signature_mutations(line: &str, opening: &str) -> Vec<(&'static str, String)> {
    let (good, open) = (payload(line), payload(opening));
    let flipped =
        format!("{}.{}.{}", part(line, 0), base64url(good.replacen("1048576", "1048577", 1).as_bytes()), part(line, 2));
    let mut high = URL_SAFE_NO_PAD.decode(part(line, 2)).expect("strict");
    add_order(&mut high[32..]);
    vec![
        ("edited", flipped),
        ("signed by the epoch before", sign(BEAT, &good, story::EPOCH_SEEDS[0])),
        ("signed by the identity", sign(BEAT, &good, story::IDENTITY_SEED)),
        ("scalar plus order", format!("{}.{}.{}", part(line, 0), part(line, 1), base64url(&high))),
        ("opening signed by an epoch", sign(OPEN, &open, story::EPOCH_SEEDS[0])),
    ]
}

fn opening_mutations(open: &str) -> Vec<(&'static str, String)> {
    let data: serde_json::Value = serde_json::from_str(open).expect("JSON");
    let field = |name: &str| data["data"][name].as_str().expect("a text").to_owned();
    let put = |from: &str, to: &str| sign(OPEN, &open.replacen(from, to, 1), story::IDENTITY_SEED);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut twice = [0xff; 32];
    (twice[0], twice[31]) = (0xee, 0x7f);
    let other_pop = SigningKey::from_bytes(&[9; 32]).sign(b"pop1|gate-7|1|x").to_bytes();
    // Public key of speccheck case 3, of mixed order (novifinancial/ed25519-speccheck, cases.json).
    let mixed = "zbJnzkDFzUUwb6XS8pcxRZOH2_nrkzt71a7Zp2W4jU0";
    vec![
        ("weak epoch key", put(&field("epk"), &base64url(&neutral))),
        ("second encoding of a key", put(&field("epk"), &base64url(&twice))),
        ("mixed epoch key", put(&field("epk"), mixed)),
        ("possession not proved", put(&field("pop"), &base64url(&other_pop))),
        ("opening without a key", put(r#""epk""#, r#""epx""#)),
    ]
}

fn drill_mutations(good: &str) -> Vec<(&'static str, String)> {
    let of = |drill: &str| beat(&good.replacen(r#""mode":"live""#, &format!(r#""mode":"drill","drill":{drill}"#), 1));
    let auth = base64url(&[7; 32]);
    vec![
        ("drill without an id", of(&format!(r#"{{"auth":"{auth}"}}"#))),
        ("drill without an authority", of(r#"{"id":"spring"}"#)),
        ("drill with an empty id", of(&format!(r#"{{"id":"","auth":"{auth}"}}"#))),
    ]
}

fn part(line: &str, i: usize) -> &str {
    line.split('.').nth(i).expect("a line has three parts")
}

/// Adds the order of the base point to a little-endian scalar: RFC 8032 section 5.1.7 forbids the result.
fn add_order(scalar: &mut [u8]) {
    let mut order = [0_u8; 32];
    order[..16].copy_from_slice(&27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes());
    order[31] = 0x10;
    let mut carry = 0_u16;
    for (byte, plus) in scalar.iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(plus);
        *byte = carry as u8;
        carry >>= 8;
    }
}
