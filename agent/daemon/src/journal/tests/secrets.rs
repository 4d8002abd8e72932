//! The secret of an epoch is never on a disk: whoever holds that later signs nothing for a day that is over.

use super::*;
use picket_record::encode::base64url;
use picket_record::keys::EpochKey;
use sha2::{Digest, Sha256, Sha512};
use std::fs;
use std::sync::{Arc, Mutex};

type Drawn = Arc<Mutex<Vec<[u8; 32]>>>;

/// Each seed looks like noise: bytes that are found are no chance.
fn start(site: &Site, drawn: &Drawn) -> Journal {
    let drawn = Arc::clone(drawn);
    let entropy = Box::new(move || {
        let mut drawn = drawn.lock().unwrap();
        let seed = Sha256::digest(format!("seed {}", drawn.len())).into();
        drawn.push(seed);
        seed
    });
    Journal::open(&site.place(), credentials("gate-7", 1), entropy, &at(0), "test").unwrap().0
}

/// Both halves: the border of a page may cut one.
fn halves(bytes: &[u8]) -> [Vec<u8>; 2] {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    [first.to_vec(), second.to_vec()]
}

/// 32 bytes as they are, and as texts write them.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = base64url(bytes);
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>();
    let texts =
        [hex.to_uppercase(), hex, url.replace('-', "+").replace('_', "/"), url, list.join(", "), list.join(",")];
    texts.iter().map(String::as_bytes).chain([bytes]).flat_map(halves).collect()
}

/// The seed, and what Ed25519 makes of it to sign with: a scalar, of which some bits at both ends are set, and a prefix.
fn secrets(seed: &[u8; 32]) -> Vec<Vec<u8>> {
    let expanded = Sha512::digest(seed);
    [&seed[..], &expanded[1..31], &expanded[32..]].into_iter().flat_map(forms).collect()
}

/// Every byte of every file that lies beside the journal, the log of SQLite and files set aside included; and what the
/// payloads of records say, whose text hides what it encodes.
fn files(site: &Site) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(site.folder.path().join(&name)).unwrap();
        let decoded = (0..4).map(|skipped| decoded(&bytes, skipped));
        let all: Vec<Vec<u8>> = [bytes.clone()].into_iter().chain(decoded).collect();
        (name, all.concat())
    };
    site.names().into_iter().map(read).collect()
}

/// Runs of base64url, read as if they began so many characters later: what lies before one may look like a part of it.
fn decoded(bytes: &[u8], skipped: usize) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut all = Vec::new();
    for run in bytes.split(|byte| value(byte).is_none()) {
        for four in run.get(skipped..).unwrap_or_default().chunks_exact(4) {
            let bits = four.iter().filter_map(value).fold(0_u32, |bits, six| bits << 6 | u32::from(six));
            all.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        all.push(0);
    }
    all
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn nothing_secret(site: &Site, drawn: &Drawn) {
    let all = files(site);
    for (n, seed) in drawn.lock().unwrap().iter().enumerate() {
        for secret in secrets(seed) {
            for (name, bytes) in &all {
                assert!(!holds(bytes, &secret), "{name} holds the secret of epoch key {n}: {secret:02x?}");
            }
        }
    }
}

#[test]
fn the_secret_of_an_epoch_is_in_no_file_that_the_journal_writes() {
    let (site, drawn) = (Site::new(), Drawn::default());
    let mut journal = start(&site, &drawn);
    journal.append(&[raised("door/A"), beat()]).unwrap();
    nothing_secret(&site, &drawn);
    journal.rotate(&at(5)).unwrap();
    receive(&mut journal, 1, 4);
    drop(journal);
    let mut journal = start(&site, &drawn);
    // The central side holds another history: what was written is left.
    journal.receipt(&signed(&receipt(&journal, 2, 500)), &at(6)).unwrap();
    assert!(journal.rebased().is_some());
    journal.append(&vec![beat(); 40]).unwrap();
    nothing_secret(&site, &drawn);
    stop(journal);
    let all = files(&site);
    let seeds = drawn.lock().unwrap().clone();
    assert_eq!(seeds.len(), 4);
    for (n, seed) in seeds.iter().enumerate() {
        let public = EpochKey::from_seed(*seed).public().text();
        let found = halves(public.as_bytes()).iter().all(|half| all.iter().any(|(_, bytes)| holds(bytes, half)));
        assert!(found, "the search finds what is there: public key {n}");
    }
    nothing_secret(&site, &drawn);
    // Damage: a new file takes its place, and the old one stays beside it.
    let mut bytes = fs::read(site.file()).unwrap();
    let page = usize::try_from(crate::journal::PAGE_BYTES).unwrap();
    bytes[2 * page..6 * page].fill(0xA5);
    fs::write(site.file(), bytes).unwrap();
    drop(start(&site, &drawn));
    assert!(site.names().contains(&"journal.db.damaged-1".to_owned()), "{:?}", site.names());
    nothing_secret(&site, &drawn);
}
