//! Answers of the centre: what is taken, and which refusal says what.

use super::*;
use picket_record::keys::ReceiptKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tls::IssuedFault;

/// 2026-11-22.
const TODAY_S: u64 = 1_795_305_600;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn pinned() -> ReceiptKey {
    ReceiptKey::from_seed([5; 32])
}

struct Centre {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

fn params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    params
}

fn centre() -> Centre {
    let mut params = params("hq gateways");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Centre { issuer: Issuer::new(params, key), der }
}

impl Centre {
    /// A certificate for a key of the gateway, under a name.
    fn certify(&self, key: &str, common: &str) -> Vec<u8> {
        let mut params = params(common);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&KeyPair::from_pem(key).unwrap(), &self.issuer).unwrap().der().to_vec()
    }

    fn answer(&self, key: &str, common: &str) -> Issued {
        let chain = vec![self.certify(key, common), self.der.clone()];
        let digest = wish::digest(key.as_bytes()).unwrap();
        Issued { sms: name("hq"), gw: name("gw-1"), key: digest, ts_ms: 0, chain }
    }
}

fn read(line: &str, key: &str) -> Result<(Own, Validity), AnswerFault> {
    read_answer(line, &[pinned().public()], &name("gw-1"), key.as_bytes(), Some(TODAY_S))
}

#[test]
fn an_answer_for_the_own_key_is_taken() {
    let key = wish::new_key().unwrap();
    let line = centre().answer(&key, "gw-1").sign(&pinned()).unwrap().line;
    let (own, validity) = read(&line, &key).unwrap();
    assert_eq!(own.check().unwrap(), validity);
}

#[test]
fn an_answer_of_somebody_else_for_another_key_authority_or_name_is_refused_by_its_own_word() {
    let (centre, key) = (centre(), wish::new_key().unwrap());
    let good = centre.answer(&key, "gw-1");
    let forged = good.sign(&ReceiptKey::from_seed([6; 32])).unwrap().line;
    assert!(matches!(read(&forged, &key), Err(AnswerFault::Forged(_))));
    for garbage in ["", "x", "a.b.c", &"A".repeat(1 << 20)] {
        assert!(matches!(read(garbage, &key), Err(AnswerFault::Forged(_))));
    }
    let line = |issued: Issued| issued.sign(&pinned()).unwrap().line;
    assert!(matches!(read(&line(good.clone()), &wish::new_key().unwrap()), Err(AnswerFault::Another)));
    let elsewhere = Issued { gw: name("gw-2"), ..good.clone() };
    assert!(matches!(read(&line(elsewhere), &key), Err(AnswerFault::Forged(_))));
    let useless = |issued: Issued| match read(&line(issued), &key) {
        Err(AnswerFault::Useless(fault)) => fault,
        other => panic!("{other:?}"),
    };
    let other_authority = Issued { chain: vec![good.chain[0].clone(), self::centre().der], ..good.clone() };
    assert!(matches!(useless(other_authority), IssuedFault::Authority(_)));
    let other_name = centre.answer(&key, "gw-2");
    assert!(matches!(useless(other_name), IssuedFault::Name(_)));
    // The answer says that it is for this key; the certificate in it is not.
    let swapped =
        Issued { chain: vec![centre.certify(&wish::new_key().unwrap(), "gw-1"), good.chain[1].clone()], ..good };
    assert!(matches!(useless(swapped), IssuedFault::Key(_)));
}

#[test]
fn a_request_names_the_gateway_and_nothing_else() {
    let key = wish::new_key().unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    let der = wish::request(key.as_bytes(), "gw-1").unwrap();
    assert!(der.len() < picket_record::enrolment::CSR_MAX, "{}", der.len());
    let count = |needle: &[u8]| der.windows(needle.len()).filter(|part| *part == needle).count();
    assert_eq!(count(b"gw-1"), 1);
    // id-at (2.5.4) of any attribute: the common name alone.
    assert_eq!(count(&[0x55, 0x04]), 1);
    assert!(wish::request(b"no key", "gw-1").is_err());
}
