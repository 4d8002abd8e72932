//! Certificates for gateways' links: who gets one, for what request, and how often.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_central::authority::{Authority, AuthorityFault};
use picket_central::certify::{Certifier, CertifyFault};
use picket_central::clock::Now;
use picket_central::custody::{Custody, CustodyError};
use picket_central::enrol::certifier;
use picket_central::ingest::{CERTIFICATE, Ingest};
use picket_central::store::{Accepted, Store};
use picket_record::certificate::{Issued, Wanted};
use picket_record::encode::Name;
use picket_record::keys::IdentityKey;
use picket_session::tls;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

/// 2026-11-22T00:00:00Z.
const NOW_S: u64 = 1_795_305_600;

fn at(s: u64) -> Now {
    Now { wall_ms: i64::try_from((NOW_S + s) * 1_000).unwrap(), mono_ms: s * 1_000 }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn identity() -> IdentityKey {
    IdentityKey::from_seed([1; 32])
}

struct Scene {
    home: TempDir,
    custody: Custody,
    store: Store,
    certifier: Certifier,
}

/// A central system with an authority that accepted gate-7.
fn scene() -> Scene {
    let home = tempfile::tempdir().unwrap();
    let custody = Custody::init(&home.path().join("central"), &name("hq")).unwrap();
    Authority::make(&custody, 90, NOW_S).unwrap();
    let mut store = Store::open(&custody.store()).unwrap();
    let accepted = Accepted { site: name("yard"), gw: name("gate-7"), identity: identity().public(), link: [3; 32] };
    store.accept("a line", &accepted).unwrap();
    let certifier = certifier(&custody).unwrap().unwrap();
    Scene { home, custody, store, certifier }
}

fn csr(key: &KeyPair, names: &[(DnType, &str)], sans: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new(sans.iter().map(|san| (*san).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    names.iter().for_each(|(kind, name)| params.distinguished_name.push(kind.clone(), *name));
    params.serialize_request(key).unwrap().der().to_vec()
}

fn good(key: &KeyPair) -> Vec<u8> {
    csr(key, &[(DnType::CommonName, "gate-7")], &[])
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn wish(csr: Vec<u8>) -> String {
    Wanted { sms: name("hq"), gw: name("gate-7"), ts_ms: 0, csr }.sign(&identity()).unwrap().line
}

impl Scene {
    fn ask(&mut self, csr: Vec<u8>, s: u64) -> Result<String, CertifyFault> {
        self.certifier.answer(&mut self.store, "gate-7", &wish(csr), at(s))
    }
}

/// How many certificates the store has.
fn kept(custody: &Custody) -> u64 {
    let db = rusqlite::Connection::open(custody.store()).unwrap();
    db.query_row("SELECT count(*) FROM certificate", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_store_that_kept_numbers_of_certificates_is_taken_over() {
    let mut scene = scene();
    let key = new_key();
    let line = scene.ask(good(&key), 0).unwrap();
    let before =
        "CREATE TABLE before(gw TEXT NOT NULL, key BLOB NOT NULL, serial BLOB NOT NULL, until_s INTEGER NOT NULL,
          made_ms INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY(gw, key)) STRICT;
        INSERT INTO before SELECT gw,key,X'01',until_s,made_ms,line FROM certificate;
        DROP TABLE certificate;
        ALTER TABLE before RENAME TO certificate;";
    rusqlite::Connection::open(scene.custody.store()).unwrap().execute_batch(before).unwrap();
    scene.store = Store::open(&scene.custody.store()).unwrap();
    assert_eq!(scene.ask(good(&key), 1).unwrap(), line, "the same key has the same answer");
    scene.ask(good(&new_key()), 2).unwrap();
    assert_eq!(kept(&scene.custody), 2);
}

#[test]
fn a_gateway_gets_a_certificate_of_ninety_days_for_its_own_key_and_name() {
    let mut scene = scene();
    let key = new_key();
    let line = scene.ask(good(&key), 0).unwrap();
    let pinned = scene.custody.receipt_key().unwrap().public();
    let (issued, _) = Issued::verify(&line, &pinned, &name("gate-7")).unwrap();
    let pem = key.serialize_pem();
    let (_, validity) = tls::issued(&issued.chain, pem.as_bytes(), "gate-7", Some(NOW_S)).unwrap();
    assert_eq!((validity.from_s, validity.until_s), (NOW_S - 3_600, NOW_S + 90 * 86_400));
    let other = new_key().serialize_pem();
    assert!(tls::issued(&issued.chain, other.as_bytes(), "gate-7", None).is_err());
    let second = scene.ask(good(&new_key()), 1).unwrap();
    let (second, _) = Issued::verify(&second, &pinned, &name("gate-7")).unwrap();
    assert_ne!(second.chain[0], issued.chain[0]);
    assert_eq!(kept(&scene.custody), 2);
}

#[test]
fn the_same_key_has_the_same_answer_and_another_one_is_signed_three_times_in_ten_minutes_and_eight_times_a_day() {
    let mut scene = scene();
    let key = new_key();
    let first = scene.ask(good(&key), 0).unwrap();
    // ECDSA is random: the request is another one, the key is not.
    assert_ne!(good(&key), good(&key));
    for s in 0..100 {
        assert_eq!(scene.ask(good(&key), s).unwrap(), first);
    }
    for s in [1, 2] {
        assert!(scene.ask(good(&new_key()), s).is_ok());
    }
    assert!(matches!(scene.ask(good(&new_key()), 599), Err(CertifyFault::TooSoon)));
    for s in [610, 1_220, 1_830, 2_440, 3_050] {
        assert!(scene.ask(good(&new_key()), s).is_ok(), "{s}");
    }
    assert!(matches!(scene.ask(good(&new_key()), 80_000), Err(CertifyFault::TooMany)));
    assert!(scene.ask(good(&new_key()), 86_403).is_ok());
}

#[test]
fn an_old_wish_that_is_repeated_is_never_signed_anew_and_takes_nothing_from_the_renewal() {
    let mut scene = scene();
    let keys: Vec<KeyPair> = (0..20).map(|_| new_key()).collect();
    let old: Vec<String> = keys.iter().map(|key| wish(good(key))).collect();
    let first: Vec<String> = (0..20_u64)
        .map(|n| scene.certifier.answer(&mut scene.store, "gate-7", &old[n as usize], at(n * 86_400 / 4)).unwrap())
        .collect();
    let later = 200 * 86_400;
    for (line, answer) in old.iter().zip(&first) {
        assert_eq!(&scene.certifier.answer(&mut scene.store, "gate-7", line, at(later)).unwrap(), answer);
    }
    assert!(scene.ask(good(&new_key()), later).is_ok(), "the renewal");
    // A gateway that was away for so long asks for the same key again, and says so: once.
    let said = |s: u64| {
        let ts_ms = i64::try_from((NOW_S + s) * 1_000).unwrap();
        Wanted { sms: name("hq"), gw: name("gate-7"), ts_ms, csr: good(&keys[0]) }.sign(&identity()).unwrap().line
    };
    let again = said(later);
    let new = scene.certifier.answer(&mut scene.store, "gate-7", &again, at(later)).unwrap();
    assert_ne!(new, first[0]);
    for s in [later, 2 * later] {
        assert_eq!(scene.certifier.answer(&mut scene.store, "gate-7", &again, at(s)).unwrap(), new);
    }
    // A moment that has not come yet is worth no more than this one.
    assert_eq!(scene.certifier.answer(&mut scene.store, "gate-7", &said(9 * later), at(later + 1)).unwrap(), new);
}

#[test]
fn whoever_is_not_the_accepted_gateway_gets_nothing() {
    let mut scene = scene();
    let Scene { certifier, store, .. } = &mut scene;
    let csr = good(&new_key());
    let wanted = Wanted { sms: name("hq"), gw: name("gate-7"), ts_ms: 0, csr: csr.clone() };
    let forged = wanted.sign(&IdentityKey::from_seed([2; 32])).unwrap().line;
    assert!(matches!(certifier.answer(store, "gate-7", &forged, at(0)), Err(CertifyFault::Wish(_))));
    assert!(matches!(certifier.answer(store, "gate-8", &wish(csr.clone()), at(0)), Err(CertifyFault::Unknown(_))));
    let elsewhere = Wanted { sms: name("other"), ..wanted }.sign(&identity()).unwrap().line;
    assert!(matches!(certifier.answer(store, "gate-7", &elsewhere, at(0)), Err(CertifyFault::System(_))));
    for garbage in ["", "x", "a.b.c", &"A".repeat(1 << 20)] {
        assert!(matches!(certifier.answer(store, "gate-7", garbage, at(0)), Err(CertifyFault::Wish(_))));
    }
    store.revoke(&name("gate-7"), 0, "N. N.", 0).unwrap();
    assert!(matches!(certifier.answer(store, "gate-7", &wish(csr), at(0)), Err(CertifyFault::Revoked(_))));
    assert_eq!(kept(&scene.custody), 0);
}

#[test]
fn a_request_for_another_name_kind_of_key_or_with_extensions_or_a_broken_signature_is_refused() {
    let mut scene = scene();
    let common = |name| (DnType::CommonName, name);
    let key = new_key();
    let names: [&[(DnType, &str)]; 4] =
        [&[common("gate-8")], &[], &[common("gate-7"), (DnType::OrganizationName, "gate-7")], &[common("GATE-7")]];
    for names in names {
        let refused = scene.ask(csr(&key, names, &[]), 0);
        assert!(matches!(refused, Err(CertifyFault::Authority(AuthorityFault::Name { .. }))), "{names:?}");
    }
    let refused = scene.ask(csr(&key, &[common("gate-7")], &["broker.lan"]), 0);
    assert!(matches!(refused, Err(CertifyFault::Authority(AuthorityFault::Extensions))));
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let refused = scene.ask(good(&KeyPair::generate_for(algorithm).unwrap()), 0);
        assert!(matches!(refused, Err(CertifyFault::Authority(AuthorityFault::Key))), "{refused:?}");
    }
    let whole = good(&key);
    for n in 0..whole.len() {
        let mut changed = whole.clone();
        changed[n] ^= 1;
        let refused = scene.ask(changed, 0);
        assert!(matches!(refused, Err(CertifyFault::Authority(_))), "byte {n}: {refused:?}");
    }
    assert!(scene.ask(whole[..whole.len() - 1].to_vec(), 0).is_err());
    assert!(scene.ask([whole.as_slice(), b"x"].concat(), 0).is_err());
    assert_eq!(kept(&scene.custody), 0);
}

#[test]
fn an_authority_that_ends_is_replaced_as_its_fault_says() {
    let scene = scene();
    let asked = Authority::read(&name("gate-7"), &good(&new_key())).unwrap();
    let late_s = scene.certifier.authority.until_s() - 3 * 86_400;
    let told = scene.certifier.authority.certify(&asked, late_s).unwrap_err().to_string();
    let home = scene.home.path().join("central");
    let named: Vec<&str> = told.split_whitespace().filter(|word| word.starts_with("authority.")).collect();
    assert_eq!(named.len(), 2, "{told}");
    for file in named {
        fs::rename(home.join(file), home.join(format!("{file}.before"))).unwrap();
    }
    Authority::make(&scene.custody, 90, late_s).unwrap();
    let next = Authority::open(&scene.custody).unwrap().unwrap();
    assert_ne!(next.der(), scene.certifier.authority.der());
    assert_eq!(next.certify(&asked, late_s).unwrap().until_s, late_s + 90 * 86_400);
}

#[test]
fn the_authority_is_made_once_closed_to_others_and_never_signs_beyond_its_own_end() {
    let scene = scene();
    assert!(matches!(
        Authority::make(&scene.custody, 90, NOW_S),
        Err(AuthorityFault::Custody(CustodyError::Exists { .. }))
    ));
    let file = |name: &str| scene.home.path().join("central").join(name);
    assert_eq!(fs::metadata(file("authority.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let asked = Authority::read(&name("gate-7"), &good(&new_key())).unwrap();
    let authority = &scene.certifier.authority;
    let (end_s, day_s) = (authority.until_s(), 86_400);
    assert_eq!(authority.certify(&asked, end_s - 30 * day_s).unwrap().until_s, end_s);
    assert!(matches!(authority.certify(&asked, end_s - 3 * day_s), Err(AuthorityFault::Ending)));
    for (name, text) in [("authority.days", "9000\n"), ("authority.pem", "no certificate\n")] {
        let before = fs::read(file(name)).unwrap();
        fs::write(file(name), text).unwrap();
        assert!(matches!(Authority::open(&scene.custody), Err(AuthorityFault::Content { .. })), "{name}");
        fs::write(file(name), before).unwrap();
    }
    fs::set_permissions(file("authority.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let open = Authority::open(&scene.custody);
    assert!(matches!(open, Err(AuthorityFault::Custody(CustodyError::Open { .. }))));
}

#[test]
fn an_authority_whose_making_was_killed_is_finished_by_the_next_call() {
    let scene = scene();
    let file = |name: &str| scene.home.path().join("central").join(name);
    let key = fs::read(file("authority.key")).unwrap();
    for gone in [&["authority.pem"][..], &["authority.pem", "authority.days"]] {
        gone.iter().for_each(|gone| fs::remove_file(file(gone)).unwrap());
        Authority::make(&scene.custody, 30, NOW_S).unwrap();
        assert!(Authority::open(&scene.custody).unwrap().is_some());
        assert_eq!(fs::read(file("authority.key")).unwrap(), key, "taken over");
    }
    fs::remove_file(file("authority.pem")).unwrap();
    fs::write(file("authority.key"), "").unwrap();
    Authority::make(&scene.custody, 30, NOW_S).unwrap();
    assert!(Authority::open(&scene.custody).unwrap().is_some());
    assert_eq!(fs::metadata(file("authority.key")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_wish_at_the_broker_is_answered_on_the_topic_of_orders_or_kept_with_the_reason() {
    let mut scene = scene();
    let (sms, key) = (name("hq"), scene.custody.receipt_key().unwrap());
    let ingest = Ingest::open(&scene.custody.store(), sms, key).unwrap();
    let mut ingest = ingest.with_certifier(certifier(&scene.custody).unwrap());
    let line = wish(good(&new_key()));
    let answer = ingest.certificate("gate-7", line.as_bytes(), at(0)).unwrap().unwrap();
    assert_eq!((answer.gw.as_str(), answer.content_type), ("gate-7", CERTIFICATE));
    let refused: [(&str, &[u8]); 4] =
        [("gate-7", b"\xFF"), ("gate-7", b""), ("gate-9", line.as_bytes()), ("#", &[b'A'; 20_000])];
    for (gw, payload) in refused {
        assert_eq!(ingest.certificate(gw, payload, at(1)).unwrap(), None, "{gw}");
    }
    ingest.keep_refused().unwrap();
    let Scene { custody, .. } = &mut scene;
    let details = picket_central::status::details(&custody.store(), &name("gate-7")).unwrap();
    assert!(details.contains("wish for a certificate"), "{details}");
}
