//! Certificates of the central link from enrolment to renewal, by the shipped programs and a mosquitto that lets in nobody
//! without one and takes the name in it for the user; openssl has the second opinion.

use crate::enrolment::run;
use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, Program, ask, free_port, product, told, until};
use crate::readme;
use picket_record::certificate::Issued;
use picket_record::encode::{Name, bytes32, from_base64url};
use picket_record::keys::ReceiptKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// An authority that the test makes: of the broker and of the centre's own certificate, or a stranger.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

const YEARS: (i32, i32) = (2020, 2090);

impl Authority {
    /// Under a name of its own: openssl looks for the one who signed by the name.
    fn make(name: &str) -> Self {
        let mut params = params(name, YEARS);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("signed");
        Self { pem: own.pem(), der: own.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// For a broker at loopback, or for a client.
    fn issue(&self, name: &str, years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(name, years);
        params.subject_alt_names = CertificateParams::new([name.to_owned()]).expect("a name").subject_alt_names;
        (params.signed_by(&key, &self.issuer).expect("signed").pem(), key.serialize_pem())
    }

    fn certify(&self, key: &KeyPair, name: &str) -> Vec<u8> {
        let mut params = params(name, YEARS);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(key, &self.issuer).expect("signed").der().to_vec()
    }
}

/// A site whose central link goes through TLS.
struct Site {
    site: Installation,
    _site_broker: Broker,
    authority: Authority,
    port: u16,
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its owner's");
}

fn openssl(arguments: &[&str]) -> String {
    let output = ask(Path::new("/usr/bin/openssl"), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    told(&output)
}

impl Site {
    /// Settings as an installer writes them, with these lines of [central] beside TLS; nobody knows the gateway.
    fn make(lines: &str) -> Self {
        let (site_broker, port) = (Broker::start(), free_port());
        let site = Installation::make(site_broker.port, port);
        let authority = Authority::make("site");
        fs::write(site.path("site.pem"), &authority.pem).expect("written");
        let (certificate, key) = authority.issue("hq", YEARS);
        write(&site.path("hq.pem"), &certificate);
        write(&site.path("hq.key"), &key);
        let root = site.path("").display().to_string();
        let tls = format!("tls = true\nca_file = \"{root}/site.pem\"\n");
        let file = site.settings().join("agent.toml");
        let text = fs::read_to_string(&file).expect("it is there");
        let broker = format!("broker = \"mqtt://127.0.0.1:{port}\"\n");
        fs::write(&file, text.replacen(&broker, &format!("{broker}{tls}{}", lines.replace("ROOT", &root)), 1))
            .expect("written");
        let mut central = fs::read_to_string(site.path("central.toml")).expect("it is there");
        central.push_str(&tls);
        central.push_str(&format!("certificate_file = \"{root}/hq.pem\"\nkey_file = \"{root}/hq.key\"\n"));
        fs::write(site.path("central.toml"), central).expect("written");
        Self { site, _site_broker: site_broker, authority, port }
    }

    fn text(&self, name: &str) -> String {
        self.site.path(name).display().to_string()
    }

    /// By a central side that has an authority.
    fn enrol(&self) {
        self.site.begin_anew();
        run(&product().central, &["authority", "make", "--dir", &self.text("central")]);
        self.site.enrol(GATEWAY, &self.site.settings());
    }

    /// mosquitto as README.md shows it: it knows whoever comes by the name in the certificate, of the site's authority or
    /// the centre's.
    fn broker(&self) -> Program {
        self.broker_that_knows("")
    }

    /// The same, that lets in those of one more authority.
    fn broker_that_knows(&self, another: &str) -> Program {
        let (at, port) = (self.site.path("broker"), self.port);
        for folder in ["ca", "certs"] {
            fs::create_dir_all(at.join(folder)).expect("made");
        }
        let (certificate, key) = self.authority.issue("127.0.0.1", YEARS);
        let centre = fs::read_to_string(self.site.path("central/authority.pem")).unwrap_or_default();
        let ca = format!("{}{centre}{another}", self.authority.pem);
        let (settings, list) = readme::mosquitto(&at, port, "hq");
        let files = [
            ("ca/all.pem", ca),
            ("certs/broker.pem", certificate),
            ("certs/broker.key", key),
            ("acl", list),
            ("mosquitto.conf", settings),
        ];
        for (file, text) in files {
            fs::write(at.join(file), text).expect("written");
        }
        let mut command = Command::new("/usr/sbin/mosquitto");
        let mut program = Program::start(command.arg("-c").arg(at.join("mosquitto.conf")), &at.join("log"));
        until("mosquitto listens", || {
            program.must_run();
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        program
    }

    fn pointer(&self) -> String {
        fs::read_to_string(self.site.path("tls/in-force")).unwrap_or_default().trim().to_owned()
    }

    fn slot(&self, name: &str) -> Vec<String> {
        let files = fs::read_dir(self.site.path("tls").join(name)).expect("a slot");
        let mut names: Vec<_> =
            files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// `picket renew` at the running agent.
    fn renew(&self, arguments: &[&str]) -> Output {
        let runtime = self.text("run");
        ask(&product().picket, &[&["renew", "--runtime", &runtime], arguments].concat())
    }

    /// Asks for the next certificate, and hands over one that the centre signed, of this authority.
    fn renew_with(&self, authority: &Authority) {
        let wish = self.renew(&["--out", &self.text("wish.jws")]);
        assert!(wish.status.success(), "{}", told(&wish));
        let key = self.waiting_key();
        self.hand_over(&key, authority.certify(&key, GATEWAY), authority, &self.pinned());
        let taken = self.renew(&["--answer", &self.text("by-hand.jws")]);
        assert!(taken.status.success(), "{}", told(&taken));
    }

    /// The key in slot b.
    fn waiting_key(&self) -> KeyPair {
        let key = fs::read_to_string(self.site.path("tls/b/key.pem")).expect("a key waits");
        KeyPair::from_pem(&key).expect("a key")
    }

    /// The key that the gateway pins for receipts.
    fn pinned(&self) -> ReceiptKey {
        let key = fs::read_to_string(self.site.path("central/receipt.key")).expect("a key");
        ReceiptKey::from_seed(bytes32(key.trim(), "key").expect("a seed"))
    }

    /// Writes an answer with this certificate, and this authority behind it, into `by-hand.jws`.
    fn hand_over(&self, key: &KeyPair, certificate: Vec<u8>, authority: &Authority, signer: &ReceiptKey) {
        let digest = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(key)).into();
        let name = |text| Name::parse(text).expect("a name");
        let chain = vec![certificate, authority.der.clone()];
        let issued = Issued { sms: name("hq"), gw: name(GATEWAY), key: digest, ts_ms: 0, chain };
        fs::write(self.site.path("by-hand.jws"), issued.sign(signer).expect("signed").line).expect("written");
    }

    fn serial(&self, name: &str) -> String {
        openssl(&["x509", "-noout", "-serial", "-in", &self.text(&format!("tls/{name}/certificate.pem"))])
    }
}

fn state(status: &Value) -> Option<&str> {
    status["certificate"]["state"].as_str()
}

#[test]
fn a_gateway_is_enrolled_with_a_certificate_renews_it_by_connecting_and_drops_the_old_one() {
    let tls = Site::make("certificate_dir = \"ROOT/tls\"\n");
    tls.enrol();
    assert_eq!((tls.pointer().as_str(), tls.slot("a").join(" ").as_str()), ("a", "certificate.pem key.pem"));
    let mode = |name: &str| fs::metadata(tls.site.path(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!([mode("tls/a/key.pem"), mode("central/authority.key"), mode("tls")], [0o600, 0o600, 0o700]);
    looks_right_to_openssl(&tls);

    let broker = tls.broker();
    let _central = tls.site.start_central();
    let agent = tls.site.start();
    tls.site.until_receipted();
    tls.site.until("the certificate is good", |status| (state(status) == Some("good")).then_some(()));
    let first = tls.serial("a");
    let asked = tls.renew(&[]);
    assert!(asked.status.success(), "{}", told(&asked));
    until("the new certificate is in force and the old one is gone", || {
        (tls.pointer() == "b" && tls.slot("a").is_empty()).then_some(())
    });
    assert_eq!(tls.slot("b").join(" "), "certificate.pem key.pem");
    assert_ne!(tls.serial("b"), first);
    let log = broker.log();
    let as_test = log.find("as gw-1-test (").expect("it was tested under another client id");
    assert!(log[as_test..].contains("as gw-1 ("), "and the link came anew behind the test");
    let head = tls.site.until_receipted();
    agent.kill();
    let _agent = tls.site.start();
    tls.site.until("the link stands with the new one after a kill", |status| {
        status["link"]["receipted"].as_u64().filter(|upto| *upto > head)
    });
    until("the centre has the gateway's word for it", || {
        let told = |record: &Value| record["kind"] == "health.certificate" && record["data"]["state"] == "good";
        tls.site.received().iter().any(told).then_some(())
    });
}

fn looks_right_to_openssl(tls: &Site) {
    let (own, authority) = (tls.text("tls/a/certificate.pem"), tls.text("central/authority.pem"));
    openssl(&["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", &authority, &own]);
    let server = ask(Path::new("/usr/bin/openssl"), &["verify", "-purpose", "sslserver", "-CAfile", &authority, &own]);
    assert!(!server.status.success(), "it is for clients alone");
    let text = openssl(&["x509", "-noout", "-text", "-in", &own]);
    for part in ["Subject: CN = gw-1\n", "TLS Web Client Authentication", "NIST CURVE: P-256", "Digital Signature"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["Subject Alternative Name", "TLS Web Server", "CA:TRUE"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    let request = fs::read_to_string(tls.site.path("gw-1-request.jws")).expect("it was written");
    let payload = from_base64url(request.split('.').nth(1).expect("three parts"), "payload").expect("base64url");
    let payload: Value = serde_json::from_slice(&payload).expect("JSON");
    let csr = from_base64url(payload["csr"].as_str().expect("a request"), "csr").expect("base64url");
    fs::write(tls.site.path("request.der"), csr).expect("written");
    let text = openssl(&["req", "-inform", "DER", "-verify", "-noout", "-text", "-in", &tls.text("request.der")]);
    assert!(text.contains("verify OK") && text.contains("Subject: CN = gw-1\n"), "{text}");
}

#[test]
fn the_mosquitto_of_the_readme_lets_a_gateway_speak_for_its_own_name_alone_and_not_at_all_once_it_is_denied() {
    let tls = Site::make("");
    let mut broker = tls.broker();
    let (certificate, key) = tls.authority.issue(GATEWAY, YEARS);
    write(&tls.site.path("gw.pem"), &certificate);
    write(&tls.site.path("gw.key"), &key);
    let client = |program: &str, of: Option<&str>| {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-q", "1", "-p"]).arg(tls.port.to_string());
        command.arg("--cafile").arg(tls.site.path("site.pem"));
        for (option, end) in [("--cert", "pem"), ("--key", "key")] {
            command.args(of.map(|of| [option.to_owned(), tls.text(&format!("{of}.{end}"))]).into_iter().flatten());
        }
        command
    };
    let publish = |of: Option<&str>, topic: &str| {
        client("mosquitto_pub", of).args(["-t", topic, "-m", "x"]).output().expect("mosquitto_pub runs")
    };
    let mut listen = client("mosquitto_sub", Some("hq"));
    let mut centre = Program::start(listen.args(["-t", "sms/v1/#", "-C", "2", "-F", "%t"]), &tls.site.path("heard"));
    until("the centre listens", || broker.log().contains("Sending SUBACK").then_some(()));

    assert!(!publish(None, "sms/v1/gw-1/record").status.success(), "it has no certificate");
    let foreign = publish(Some("gw"), "sms/v1/gw-2/record");
    let own = publish(Some("gw"), "sms/v1/gw-1/record");
    assert!(own.status.success(), "{} {}", told(&foreign), told(&own));
    until("the centre hears it", || centre.log().contains("gw-1").then_some(()));

    let list = tls.site.path("broker/acl");
    let text = fs::read_to_string(&list).expect("it was written");
    fs::write(&list, text + &readme::denial(GATEWAY)).expect("written");
    broker.hang_up();
    until("the list is read again", || broker.log().contains("Reloading config").then_some(()));
    publish(Some("gw"), "sms/v1/gw-1/record");
    assert!(publish(Some("hq"), "sms/v1/gw-1/receipt").status.success());
    assert!(centre.ended(Duration::from_secs(10)).success(), "{}", centre.log());
    let heard = centre.log();
    assert_eq!(heard.lines().collect::<Vec<_>>(), ["sms/v1/gw-1/record", "sms/v1/gw-1/receipt"], "{}", broker.log());
    assert_eq!(broker.log().matches("Denied PUBLISH").count(), 2, "{}", broker.log());
}

#[test]
fn an_answer_of_a_stranger_or_with_another_authority_name_or_key_is_refused_and_nothing_is_swapped() {
    let tls = Site::make("certificate_dir = \"ROOT/tls\"\n");
    tls.enrol();
    let _broker = tls.broker();
    let _agent = tls.site.start();
    let first = tls.serial("a");
    let (wish, answer) = (tls.text("wish.jws"), tls.text("by-hand.jws"));
    let stranger = Authority::make("stranger");
    let refused = |make: &dyn Fn(&KeyPair) -> (Vec<u8>, ReceiptKey), word: &str| {
        let asked = tls.renew(&["--out", &wish]);
        assert!(asked.status.success(), "{}", told(&asked));
        let key = tls.waiting_key();
        let (ours, signer) = make(&key);
        tls.hand_over(&key, ours, &stranger, &signer);
        let told_of = tls.renew(&["--answer", &answer]);
        assert_eq!(told_of.status.code(), Some(3), "{}", told(&told_of));
        assert!(told(&told_of).contains(word), "{word}: {}", told(&told_of));
        assert_eq!((tls.pointer().as_str(), tls.serial("a")), ("a", first.clone()));
    };
    let other = Authority::make("other");
    refused(&|key| (stranger.certify(key, GATEWAY), ReceiptKey::from_seed([9; 32])), "not of the centre");
    refused(&|key| (other.certify(key, GATEWAY), tls.pinned()), "not one of its authority");
    refused(&|key| (stranger.certify(key, "gw-2"), tls.pinned()), "for another name than gw-1");
    refused(&|_| (stranger.certify(&KeyPair::generate().expect("a key"), GATEWAY), tls.pinned()), "not for the key");
    let asked = tls.renew(&["--out", &wish]);
    assert!(asked.status.success(), "{}", told(&asked));
    for garbage in [String::new(), "x".repeat(1 << 20), "a.b.c".into()] {
        fs::write(&answer, garbage).expect("written");
        assert_eq!(tls.renew(&["--answer", &answer]).status.code(), Some(3));
    }
    fs::remove_file(&answer).expect("it was there");
    let central = ["--dir", &tls.text("central"), "--request", &wish, "--out", &answer].map(str::to_owned);
    let certified = ask(&product().central, &[&["certify".to_owned()], &central[..]].concat());
    assert!(certified.status.success(), "{}", told(&certified));
    let taken = tls.renew(&["--answer", &answer]);
    assert!(taken.status.success(), "{}", told(&taken));
    until("what was carried by hand comes into force", || (tls.pointer() == "b").then_some(()));
    assert_eq!(
        tls.slot("a").join(" "),
        "certificate.pem key.pem",
        "the old one stays: the centre has not answered yet"
    );
    let _central = tls.site.start_central();
    until("the centre has answered", || tls.slot("a").is_empty().then_some(()));
}

#[test]
fn a_new_certificate_that_the_broker_refuses_leaves_the_one_before_in_force_and_this_is_told() {
    let tls = Site::make("certificate_dir = \"ROOT/tls\"\n");
    tls.enrol();
    let broker = tls.broker();
    let central = tls.site.start_central();
    let _agent = tls.site.start();
    let first = tls.serial("a");
    tls.site.until_receipted();
    let stranger = Authority::make("stranger");
    let why = |status: &Value| status["certificate"]["why"].as_str().unwrap_or_default().to_owned();

    // Away, or it would answer the wish before the test does.
    assert!(central.terminate(Duration::from_secs(10)).success());

    // Refused where it is tested: the link does not even blink.
    tls.renew_with(&stranger);
    tls.site.until("it is told that the test failed", |status| {
        let told = why(status).contains("with the new certificate failed: the broker does not trust whoever signed");
        (told && tls.slot("b").is_empty() && status["link"]["up"] == true).then_some(())
    });
    assert_eq!((tls.pointer().as_str(), tls.serial("a")), ("a", first.clone()));
    assert_eq!(broker.log().matches("as gw-1 (").count(), 1, "the link stood all the while");

    // Taken by the test and refused later, before the centre has answered.
    assert!(broker.terminate(Duration::from_secs(10)).success());
    let broker = tls.broker_that_knows(&stranger.pem);
    tls.site.until("the link is up again", |status| (status["link"]["up"] == true).then_some(()));
    tls.renew_with(&stranger);
    until("it comes into force", || (tls.pointer() == "b").then_some(()));
    tls.site.until("the link stands with it", |status| {
        (status["link"]["up"] == true && why(status).contains("slot b is in force")).then_some(())
    });
    assert_eq!(tls.serial("a"), first, "the one before stays until the centre has answered");
    assert!(broker.terminate(Duration::from_secs(10)).success());
    let _broker = tls.broker();
    tls.site.until("the one before is in force again, with the reason", |status| {
        let told = why(status).contains("slot a is in force again: the broker refused the newer one in slot b: ");
        (told && tls.pointer() == "a" && status["link"]["up"] == true).then_some(())
    });
    let _central = tls.site.start_central();
    until("the refused one is removed once the centre has answered", || tls.slot("b").is_empty().then_some(()));
    assert_eq!((tls.pointer().as_str(), tls.serial("a")), ("a", first));
    until("the centre has the gateway's word for both", || {
        let received = tls.site.received();
        let said = |part: &str| {
            let told = |record: &&Value| record["kind"] == "health.certificate";
            received.iter().filter(told).any(|record| record["data"]["why"].as_str().is_some_and(|w| w.contains(part)))
        };
        (said("with the new certificate failed") && said("slot a is in force again")).then_some(())
    });
}

#[test]
fn a_certificate_that_has_expired_stops_the_link_and_nothing_else_until_an_installer_replaces_it() {
    let tls = Site::make("certificate_file = \"ROOT/gw.pem\"\nkey_file = \"ROOT/gw.key\"\n");
    let install = |years| {
        let (certificate, key) = tls.authority.issue(GATEWAY, years);
        for (name, text) in [("gw.key", key), ("gw.pem", certificate)] {
            let fresh: PathBuf = tls.site.path("fresh");
            write(&fresh, &text);
            fs::rename(fresh, tls.site.path(name)).expect("renamed");
        }
    };
    install((2020, 2021));
    let _broker = tls.broker();
    let _central = tls.site.start_central();
    let agent = tls.site.start_listening();
    tls.site.until("it is said that the certificate has expired", |status| {
        let rings = status["alarms"].as_array()?.iter().any(|alarm| alarm["rule"] == "certificate");
        (state(status) == Some("expired") && rings && status["link"]["up"] == false).then_some(())
    });
    let refused = tls.renew(&[]);
    assert!(told(&refused).contains("not renewed here"), "{}", told(&refused));
    let head = |status: &Value| status["journal"]["head"].as_u64();
    let before = tls.site.until("there is a head", head);
    tls.site.until("records are written as ever", |status| head(status).filter(|now| *now > before));
    let words = ask(&product().picket, &["status", "--runtime", &tls.text("run")]);
    assert!(told(&words).contains("link TLS   EXPIRED on 2021-01-01"), "{}", told(&words));
    install(YEARS);
    tls.site.until("the files are read again and the link comes up", |status| {
        (status["link"]["up"] == true && state(status) == Some("good")).then_some(())
    });
    tls.site.until_receipted();
    assert_eq!(agent.terminate(Duration::from_secs(10)).code(), Some(0));
}
