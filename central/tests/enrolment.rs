//! Enrolment at the centre, as the one who approves meets it: tokens, fingerprints, refusals.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_central::custody::Custody;
use picket_central::enrol::{self, EnrolFault};
use picket_central::store::Store;
use picket_record::acceptance::Acceptance;
use picket_record::encode::Name;
use picket_record::enrolment::Request;
use picket_record::keys::IdentityKey;
use picket_record::root::Roots;
use picket_record::token::EnrolmentToken;

const NOW: i64 = 1_795_305_600_000;
const HOUR: i64 = 3_600_000;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

struct Centre {
    _home: tempfile::TempDir,
    custody: Custody,
    store: Store,
}

impl Centre {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let custody = Custody::init(&home.path().join("central"), &name("hq")).unwrap();
        custody.make_root(NOW).unwrap();
        let store = Store::open(&custody.store()).unwrap();
        Self { _home: home, custody, store }
    }

    fn token(&mut self, gw: &str) -> EnrolmentToken {
        let line = enrol::issue(&self.custody, &mut self.store, (&name("yard"), &name(gw)), HOUR, NOW).unwrap();
        EnrolmentToken::verify(&line, &self.custody.accept_pub().unwrap()).unwrap().0
    }

    fn approve(&mut self, line: &str, now_ms: i64) -> Result<String, String> {
        let asked = enrol::read(line).map_err(|fault| fault.to_string())?;
        let now = picket_central::clock::Now { wall_ms: now_ms, mono_ms: 0 };
        let answer = enrol::approve(&self.custody, &mut self.store, &asked, "N. N.", now);
        answer.map(|answer| answer.text).map_err(|fault| fault.to_string())
    }
}

fn request(token: &EnrolmentToken, seed: u8) -> Request {
    let EnrolmentToken { sms, site, gw, id, .. } = token.clone();
    let identity = IdentityKey::from_seed([seed; 32]).public();
    Request { sms, site, gw, token: id, identity, machine: "box".into(), ts_ms: NOW, csr: None }
}

fn sign(request: &Request, seed: u8) -> String {
    request.sign(&IdentityKey::from_seed([seed; 32])).unwrap().line
}

#[test]
fn an_approved_request_is_answered_with_root_documents_and_acceptance_and_its_token_is_used_up() {
    let mut centre = Centre::new();
    let token = centre.token("gate-7");
    let line = sign(&request(&token, 1), 1);
    let answer = centre.approve(&line, NOW + 1).unwrap();
    let (root, acceptance) = answer.trim_end().rsplit_once('\n').unwrap();
    let roots = Roots::verify(&format!("{root}\n")).unwrap();
    assert!(roots.holds(&token.root));
    let (accepted, _) = Acceptance::verify(acceptance, &roots.in_force().accept).unwrap();
    assert_eq!((accepted.gw, accepted.by.as_str()), (name("gate-7"), "N. N."));
    assert_eq!(accepted.identity, IdentityKey::from_seed([1; 32]).public());
    assert_eq!(centre.approve(&line, NOW + HOUR).unwrap(), answer, "the same request, the same answer");
    let other = centre.approve(&sign(&request(&token, 2), 2), NOW + 2).unwrap_err();
    assert!(other.contains("used before"), "{other}");
}

#[test]
fn a_request_without_a_token_of_ours_or_beside_it_is_refused() {
    let mut centre = Centre::new();
    let token = centre.token("gate-7");
    let mut refused = |change: &dyn Fn(&mut Request), now_ms| {
        let mut request = request(&token, 1);
        change(&mut request);
        centre.approve(&sign(&request, 1), now_ms).unwrap_err()
    };
    assert!(refused(&|r| r.token = [0; 16], NOW).contains("no token"));
    assert!(refused(&|r| r.gw = name("gate-8"), NOW).contains("given out for yard/gate-7"));
    assert!(refused(&|r| r.site = name("port"), NOW).contains("given out for yard/gate-7"));
    assert!(refused(&|r| r.sms = name("other"), NOW).contains("this is hq"));
    assert!(refused(&|_| {}, NOW + HOUR).contains("has ended"));
    let stolen = centre.token("gate-7");
    centre.approve(&sign(&request(&token, 1), 1), NOW).unwrap();
    let second = centre.approve(&sign(&request(&stolen, 2), 2), NOW).unwrap_err();
    assert!(second.contains("accepted before"), "{second}");
}

#[test]
fn a_fingerprint_is_compared_without_groups_and_case_and_nothing_else_passes() {
    let mut centre = Centre::new();
    let token = centre.token("gate-7");
    let asked = enrol::read(&sign(&request(&token, 1), 1)).unwrap();
    let plain: String = asked.fingerprint.chars().filter(|c| *c != ' ').collect();
    for good in [asked.fingerprint.clone(), plain.to_lowercase(), format!(" {}\n", plain.replace("A", "A-"))] {
        assert!(enrol::is_fingerprint(&asked, &good), "{good}");
    }
    let other = IdentityKey::from_seed([2; 32]).public().fingerprint();
    for wrong in ["", &other, &plain[1..], &format!("{plain}A")] {
        assert!(!enrol::is_fingerprint(&asked, wrong), "{wrong}");
    }
}

#[test]
fn a_centre_without_root_documents_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let custody = Custody::init(&home.path().join("central"), &name("hq")).unwrap();
    let mut store = Store::open(&custody.store()).unwrap();
    let fault = enrol::issue(&custody, &mut store, (&name("yard"), &name("gate-7")), HOUR, NOW).unwrap_err();
    assert!(matches!(fault, EnrolFault::NoRoot));
    assert!(fault.to_string().contains("picket-central root make"));
}
