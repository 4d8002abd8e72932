//! A handshake in memory, with certificates of two authorities and clocks that stand still.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use std::io;

/// 2026-11-22.
const TODAY_S: u64 = 1_795_305_600;
const HOST: &str = "broker.lan";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Valid from 2020 to 2040.
fn authority(name: &str) -> Authority {
    let mut params = params(name, (2020, 2040));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

/// Valid from the first of January of one year to that of another.
fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

impl Authority {
    fn issue(&self, name: &str, years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, years).signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

struct Scene {
    trusted: Authority,
    broker: (String, String),
    own: Option<(String, String)>,
    time: Time,
}

impl Scene {
    fn new(years: (i32, i32)) -> Self {
        let trusted = authority("site");
        let (broker, own) = (trusted.issue("broker.lan", years), Some(trusted.issue("gw-1", (2026, 2027))));
        Self { trusted, broker, own, time: Time::new(0, || TODAY_S) }
    }

    fn papers(&self) -> Papers {
        let own = self.own.clone();
        Papers {
            authority: self.trusted.pem.clone().into(),
            authority_file: "ca.pem".into(),
            own: own.map(|(certificate, key)| Own { certificate: certificate.into(), key: key.into() }),
            server_name: None,
            time: self.time,
        }
    }

    /// The words for how it failed; `None` where both sides are content.
    fn handshake(&self) -> Option<String> {
        self.meet().map(|(error, _)| self.papers().told(&error, HOST).unwrap())
    }

    /// How it failed, and whether the broker had shown who it is.
    fn meet(&self) -> Option<(io::Error, bool)> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusted.pem.as_bytes()).unwrap()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let today: Arc<dyn TimeProvider> = Arc::new(Time::new(0, || TODAY_S));
        let broker = ServerConfig::builder_with_details(provider, today)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                certificates(self.broker.0.as_bytes()).unwrap(),
                PrivateKeyDer::from_pem_slice(self.broker.1.as_bytes()).unwrap(),
            );
        let mut broker = ServerConnection::new(Arc::new(broker.unwrap())).unwrap();
        let Client { config, server, proof } = self.papers().client(HOST).unwrap();
        let mut agent = ClientConnection::new(config, server).unwrap();
        for _ in 0..6 {
            let mut way = Vec::new();
            agent.write_tls(&mut way).unwrap();
            broker.read_tls(&mut way.as_slice()).unwrap();
            let _ = broker.process_new_packets();
            let mut way = Vec::new();
            broker.write_tls(&mut way).unwrap();
            agent.read_tls(&mut way.as_slice()).unwrap();
            if let Err(error) = agent.process_new_packets() {
                return Some((io::Error::new(io::ErrorKind::InvalidData, error), proof.is_given()));
            }
        }
        assert!(!agent.is_handshaking() && !broker.is_handshaking());
        None
    }
}

#[test]
fn both_sides_show_who_they_are() {
    assert_eq!(Scene::new((2026, 2027)).handshake(), None);
}

#[test]
fn a_broker_of_another_authority_is_told() {
    let broker = authority("elsewhere").issue("broker.lan", (2026, 2027));
    let told = Scene { broker, ..Scene::new((2026, 2027)) }.handshake().unwrap();
    assert_eq!(told, "the broker's certificate is not signed by ca.pem");
    // One that bears our authority's name and is not it.
    let broker = authority("site").issue("broker.lan", (2026, 2027));
    assert!(Scene { broker, ..Scene::new((2026, 2027)) }.handshake().is_some());
}

#[test]
fn a_certificate_outside_its_time_is_told_with_both_dates() {
    let expired = Scene::new((2025, 2026)).handshake().unwrap();
    assert_eq!(expired, "the broker's certificate was valid until 2026-01-01, and it is 2026-11-22: is the clock set?");
    let early = Scene::new((2027, 2028)).handshake().unwrap();
    assert_eq!(
        early,
        "the broker's certificate is not valid before 2027-01-01, and it is 2026-11-22: is the clock set?"
    );
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let scene = Scene::new((2026, 2027));
    let broker = scene.trusted.issue("other.lan", (2026, 2027));
    let told = Scene { broker, ..scene }.handshake().unwrap();
    assert_eq!(told, "the broker's certificate is not for broker.lan: write the name that it is for as server_name");
}

#[test]
fn a_broker_that_wants_a_certificate_or_another_one_is_told() {
    let scene = Scene { own: None, ..Scene::new((2026, 2027)) };
    let told = scene.handshake().unwrap();
    assert_eq!(
        told,
        "the broker wants a certificate (CertificateRequired), and there is none of ours: name it as certificate_file and \
         key_file; where certificate_dir is set, have the centre fill it: picket renew --out wish.jws"
    );
    let own = Some(authority("elsewhere").issue("gw-1", (2026, 2027)));
    let told = Scene { own, ..scene }.handshake().unwrap();
    assert_eq!(told, "the broker does not trust whoever signed our certificate");
    let scene = Scene::new((2026, 2027));
    let own = Some(scene.trusted.issue("gw-1", (2025, 2026)));
    let told = Scene { own, ..scene }.handshake().unwrap();
    assert_eq!(told, "the broker says that our certificate has expired");
}

#[test]
fn a_certificate_is_refused_by_a_broker_that_showed_who_it_is_and_by_an_alert_about_certificates() {
    let scene = Scene::new((2026, 2027));
    let own = Some(authority("elsewhere").issue("gw-1", (2026, 2027)));
    let elsewhere = Scene { own, ..Scene::new((2026, 2027)) };
    let own_expired = Some(scene.trusted.issue("gw-1", (2025, 2026)));
    let expired = Scene { own: own_expired, ..scene };
    for scene in [&elsewhere, &expired] {
        let (error, proven) = scene.meet().unwrap();
        assert!(proven && scene.papers().is_refused(&error), "{error}");
    }
    let stranger = authority("elsewhere").issue("broker.lan", (2026, 2027));
    let (error, proven) = Scene { broker: stranger, ..Scene::new((2026, 2027)) }.meet().unwrap();
    assert!(!proven && !expired.papers().is_refused(&error));
}

#[test]
fn an_alert_about_tls_refuses_no_certificate() {
    use AlertDescription as Alert;
    let papers = Scene::new((2026, 2027)).papers();
    let refuses = |alert| papers.is_refused(&io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(alert)));
    for alert in [Alert::InternalError, Alert::HandshakeFailure, Alert::ProtocolVersion, Alert::UserCanceled] {
        assert!(!refuses(alert), "{alert:?}");
    }
    for alert in [Alert::CertificateRequired, Alert::AccessDenied, Alert::CertificateRevoked, Alert::BadCertificate] {
        assert!(refuses(alert), "{alert:?}");
    }
}

#[test]
fn a_board_that_starts_in_1970_connects_and_still_refuses_what_ended_before_the_floor() {
    let in_1970 = Time::new(TODAY_S, || 60);
    assert_eq!(Scene { time: in_1970, ..Scene::new((2026, 2027)) }.handshake(), None);
    // Renewed since: what the board knows is old, and the true time is later than it by who knows how much.
    assert_eq!(Scene { time: in_1970, ..Scene::new((2027, 2028)) }.handshake(), None);
    let ended = Scene { time: in_1970, ..Scene::new((2025, 2026)) }.handshake().unwrap();
    assert!(ended.contains("was valid until 2026-01-01"), "{ended}");
    // Nothing but the beginning is forgiven.
    let broker = authority("elsewhere").issue("broker.lan", (2027, 2028));
    let other = Scene { time: in_1970, broker, ..Scene::new((2026, 2027)) }.handshake().unwrap();
    assert_eq!(other, "the broker's certificate is not signed by ca.pem");
    // A clock that is not behind what is known is believed.
    let set = Time::new(TODAY_S, || TODAY_S);
    assert!(Scene { time: set, ..Scene::new((2027, 2028)) }.handshake().is_some());
}

#[test]
fn a_receipt_of_a_clock_that_was_far_ahead_locks_no_gateway_out() {
    const YEAR_S: u64 = 365 * 86_400;
    let released = TODAY_S - YEAR_S / 2;
    let clock_is = |clock_s, told_s| Time::new(released, clock_s).told(told_s);
    let handshake = |time, years| Scene { time, ..Scene::new(years) }.handshake();
    let ahead = clock_is(|| TODAY_S, TODAY_S + 20 * YEAR_S);
    assert_eq!(handshake(ahead, (2026, 2027)), None, "by a clock that was set");
    let ended = handshake(ahead, (2024, 2025)).unwrap();
    assert!(ended.contains("was valid until"), "{ended}");
    // A clock that nobody set says nothing against it.
    let never_set = clock_is(|| 60, TODAY_S);
    assert_eq!(handshake(never_set, (2026, 2027)), None);
    assert!(handshake(never_set, (2025, 2026)).is_some());
}

#[test]
fn texts_that_are_no_papers_are_told_apart() {
    let scene = Scene::new((2026, 2027));
    let (certificate, key) = scene.own.clone().unwrap();
    let fault = |authority: &str, certificate: &str, key: &str| {
        let own = Some(Own { certificate: certificate.into(), key: key.into() });
        Papers { authority: authority.into(), own, ..scene.papers() }.config().map(drop).unwrap_err()
    };
    assert_eq!(fault("", &certificate, &key), PapersFault::NoAuthority);
    assert_eq!(fault(&key, &certificate, &key), PapersFault::NoAuthority);
    assert_eq!(fault(&scene.trusted.pem, "x", &key), PapersFault::NoCertificate);
    assert_eq!(fault(&scene.trusted.pem, &certificate, &certificate), PapersFault::NoKey);
    let another = fault(&scene.trusted.pem, &certificate, &scene.broker.1);
    assert_eq!(another.paper(), Paper::Key);
    assert_eq!(format!("{:?}", scene.papers()), "Papers { authority_file: \"ca.pem\", .. }");
}

#[test]
fn what_is_no_host_is_no_name_for_a_certificate() {
    let papers = Scene::new((2026, 2027)).papers();
    for host in ["broker.lan", "127.0.0.1", "::1"] {
        assert!(papers.client(host).is_ok(), "{host}");
    }
    assert_eq!(papers.client("a b").unwrap_err(), "a b is no name that a certificate can be for");
    let named = Papers { server_name: Some("broker.hq".into()), ..papers };
    assert!(named.client("a b").is_ok());
}

#[test]
fn a_broker_that_closes_where_tls_begins_is_taken_for_one_without_it() {
    let papers = Scene::new((2026, 2027)).papers();
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
        let told = papers.told_of_handshake(&kind.into(), HOST);
        assert_eq!(told.unwrap(), "the broker closed the connection where TLS begins: is this its port for TLS?");
        assert_eq!(papers.told(&kind.into(), HOST), None);
    }
    assert_eq!(papers.told_of_handshake(&io::ErrorKind::TimedOut.into(), HOST), None);
}
