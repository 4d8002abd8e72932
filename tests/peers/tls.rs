//! TLS of the three links against mosquitto: whoever comes shows a certificate, and is named by it.

use crate::line::Running;
use crate::programs::{DEADLINE, Program, free_port};
use picket::broker::Endpoint;
use picket::central::Link;
use picket::journal::Lines;
use picket::journal::thread::Parcel;
use picket::line::{BrokerSession, Carrier};
use picket_central::link::{Heard, Lane, Session};
use picket_core::wire::{self, Input};
use picket_session::tls::{Own, Papers};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::fs;
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

const REMEDY: &str = "apt-get install mosquitto mosquitto-clients";
const YEARS: (i32, i32) = (2020, 2090);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name, YEARS);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, name: &str, years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(name, years).signed_by(&key, &self.issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }
}

/// mosquitto with a certificate of the site's authority, which lets in who has one too and may speak for its own name
/// alone.
struct Broker {
    _directory: TempDir,
    _running: Program,
    port: u16,
    authority: Authority,
}

impl Broker {
    async fn start() -> Self {
        Self::start_as("127.0.0.1", YEARS).await
    }

    async fn start_as(name: &str, years: (i32, i32)) -> Self {
        let authority = Authority::new("site");
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let (certificate, key) = authority.issue(name, years);
        let rights =
            "pattern readwrite sms/v1/%u/#\nuser hq\ntopic readwrite sms/v1/#\nuser line\ntopic readwrite gate/#\n";
        let files = [("ca.pem", &*authority.pem), ("broker.crt", &certificate), ("broker.key", &key), ("acl", rights)];
        for (file, text) in files {
            fs::write(directory.path().join(file), text).expect("written");
        }
        let at = directory.path().display();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous false\nuser root\ncafile {at}/ca.pem\ncertfile {at}/broker.crt\n\
             keyfile {at}/broker.key\nrequire_certificate true\nuse_identity_as_username true\nacl_file {at}/acl\n\
             log_dest stderr\nlog_type all\n"
        );
        let file = directory.path().join("mosquitto.conf");
        fs::write(&file, settings).expect("written");
        let mut running = Program::start(Command::new("/usr/sbin/mosquitto").arg("-c").arg(file), REMEDY);
        running.wait_for(" running").await;
        Self { _directory: directory, _running: running, port, authority }
    }

    /// TLS of whoever bears this name.
    fn tls(&self, name: &str) -> Papers {
        let (certificate, key) = self.authority.issue(name, YEARS);
        Papers {
            authority: self.authority.pem.clone().into(),
            authority_file: "ca.pem".into(),
            own: own(certificate, key),
            server_name: None,
            time: picket::clock::certificates(0),
        }
    }

    fn endpoint(&self, tls: Option<Papers>) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port: self.port, login: None, tls: tls.map(Box::new) }
    }

    fn line(&self, tls: Option<Papers>) -> Running {
        Running::start(Carrier::Mqtt(BrokerSession {
            broker: self.endpoint(tls),
            client_id: "picket-line".into(),
            topics: vec!["gate/#".into()],
        }))
    }

    /// What the line says of a session that cannot be.
    async fn refusal(&self, tls: Option<Papers>) -> String {
        self.line(tls).standing().await.expect("a fault")
    }

    fn central(&self, lane: Lane) -> mpsc::Receiver<Heard> {
        let broker = picket_central::settings::Broker {
            host: "127.0.0.1".into(),
            port: self.port,
            login: None,
            tls: Some(self.tls("hq")),
        };
        let (to, heard) = mpsc::channel(64);
        tokio::spawn(Session { lane, client: "hq".into(), broker }.run(to));
        heard
    }
}

fn own(certificate: String, key: String) -> Option<Own> {
    Some(Own { certificate: certificate.into(), key: key.into() })
}

async fn within<T>(work: impl Future<Output = Option<T>>) -> T {
    timeout(DEADLINE, work).await.expect("within the deadline").expect("it runs")
}

#[tokio::test]
async fn a_batch_and_its_receipt_travel_encrypted_between_two_that_the_broker_knows_by_their_certificates() {
    let broker = Broker::start().await;
    let mut heard = broker.central(Lane::Record);
    let Heard::Connected(mouth) = within(heard.recv()).await else { panic!("not connected") };
    let (to_link, parcels) = mpsc::channel(4);
    let (to_think, mut inputs) = mpsc::channel(16);
    tokio::spawn(Link::new(broker.endpoint(Some(broker.tls("gw-1"))), "gw-1".into(), to_think).run(parcels, 7));
    assert!(matches!(within(inputs.recv()).await, Input::LinkUp { session: 1 }));

    let lines = Lines { payload: vec![b'x'; 200_000], deflated: false, through: 9, bytes: 200_000 };
    to_link.send(Parcel::Batch { session: 1, lane: wire::Lane::Record, lines }).await.expect("the link runs");
    let Heard::Message(_, message) = within(heard.recv()).await else { panic!("no message") };
    assert_eq!(message.topic, "sms/v1/gw-1/record");
    assert!(matches!(&message.payload, picket_central::link::Payload::Whole(bytes) if bytes.len() == 200_000));
    let sent = within(inputs.recv()).await;
    assert!(matches!(sent, Input::Sent { session: 1, lane: wire::Lane::Record, result: Ok(9) }), "{sent:?}");

    assert!(mouth.publish("sms/v1/gw-1/receipt".into(), None, b"a.b.c".to_vec()));
    let receipt = within(inputs.recv()).await;
    assert!(matches!(&receipt, Input::ReceiptHeard { line } if line == "a.b.c"), "{receipt:?}");
}

#[tokio::test]
async fn a_gateway_may_not_listen_for_another_name_than_that_of_its_certificate() {
    let broker = Broker::start().await;
    let (_to_link, parcels) = mpsc::channel(4);
    let (to_think, mut inputs) = mpsc::channel(16);
    tokio::spawn(Link::new(broker.endpoint(Some(broker.tls("gw-2"))), "gw-1".into(), to_think).run(parcels, 7));
    // mosquitto 2.0.11 grants the subscription and lets nothing through: the batch is what is refused.
    match within(inputs.recv()).await {
        Input::LinkUp { session } => {
            let lines = Lines { payload: b"x".to_vec(), deflated: false, through: 1, bytes: 1 };
            _to_link.send(Parcel::Batch { session, lane: wire::Lane::Record, lines }).await.expect("the link runs");
            let sent = within(inputs.recv()).await;
            assert!(matches!(&sent, Input::Sent { result: Err(why), .. } if why.contains("NotAuthorized")), "{sent:?}");
        }
        Input::LinkDown { cause } => assert!(cause.contains("refuses"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_line_hears_its_devices_through_tls() {
    let broker = Broker::start().await;
    let mut line = broker.line(Some(broker.tls("line")));
    assert_eq!(line.standing().await, None);
}

#[tokio::test]
async fn what_keeps_a_link_from_being_is_told_in_words() {
    let broker = Broker::start().await;
    let tls = || broker.tls("line");
    let other = Authority::new("elsewhere");
    let wrong_authority = Papers { authority: other.pem.clone().into(), ..tls() };
    assert_eq!(broker.refusal(Some(wrong_authority)).await, "the broker's certificate is not signed by ca.pem");
    let wrong_name = Papers { server_name: Some("broker.lan".into()), ..tls() };
    let told = broker.refusal(Some(wrong_name)).await;
    assert!(told.starts_with("the broker's certificate is not for broker.lan"), "{told}");
    let told = broker.refusal(Some(Papers { own: None, ..tls() })).await;
    assert!(told.starts_with("the broker wants a certificate"), "{told}");
    let (certificate, key) = other.issue("line", YEARS);
    let told = broker.refusal(Some(Papers { own: own(certificate, key), ..tls() })).await;
    assert_eq!(told, "the broker does not trust whoever signed our certificate");
    let (certificate, key) = broker.authority.issue("line", (2020, 2021));
    let told = broker.refusal(Some(Papers { own: own(certificate, key), ..tls() })).await;
    assert_eq!(told, "the broker says that our certificate has expired");
    let told = broker.refusal(None).await;
    assert_eq!(told, "connection to the broker lost");
}

#[tokio::test]
async fn a_broker_whose_certificate_ended_or_is_none_is_told_in_words() {
    let broker = Broker::start_as("127.0.0.1", (2020, 2021)).await;
    let told = broker.refusal(Some(broker.tls("line"))).await;
    assert!(told.starts_with("the broker's certificate was valid until 2021-01-01, and it is "), "{told}");
    assert!(told.ends_with(": is the clock set?"), "{told}");

    let plain = tempfile::tempdir().expect("a directory");
    let file = plain.path().join("mosquitto.conf");
    let port = free_port();
    fs::write(&file, format!("listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n")).expect("written");
    let mut running = Program::start(Command::new("/usr/sbin/mosquitto").arg("-c").arg(file), REMEDY);
    running.wait_for(" running").await;
    let broker = Broker { port, ..broker };
    let told = broker.refusal(Some(broker.tls("line"))).await;
    assert_eq!(told, "the broker closed the connection where TLS begins: is this its port for TLS?");
}
