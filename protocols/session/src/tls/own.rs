//! What our own certificate says: from when, until when, for whom; and whether one that was issued is what was asked for.
//!
//! Asked of the library that will judge it in the handshake, so that there is no second reading of X.509: a certificate
//! is verified far before and far after its time, and the refusals name its ends; its subject is compared as bytes.

use super::{Own, PapersFault, certificates};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// When a certificate is valid, in seconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from_s: u64,
    /// The last second.
    pub until_s: u64,
}

/// Why a certificate that was issued is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuedFault {
    /// No chain of certificates from one to its authority.
    #[error("the certificates are none: {0}")]
    Unreadable(String),
    /// The authority beside it did not sign it, or not for this use.
    #[error("the certificate is not one of its authority: {0}")]
    Authority(String),
    /// Its subject is not this name alone.
    #[error("the certificate is for another name than {0}")]
    Name(String),
    /// It is for another key.
    #[error("the certificate is not for the key that was made for it: {0}")]
    Key(String),
    /// It is not valid at the time that is judged by.
    #[error("the certificate is not valid now: {0}")]
    Time(String),
}

/// Later than any certificate ends (RFC 5280 section 4.1.2.5: 9999-12-31T23:59:59Z).
const END_OF_TIME_S: u64 = 253_402_300_800;

impl Own {
    /// When the certificate is valid, whatever the time is.
    pub fn validity(&self) -> Result<Validity, PapersFault> {
        let chain = certificates(&self.certificate).ok_or(PapersFault::NoCertificate)?;
        validity(&chain[0]).ok_or(PapersFault::NoCertificate)
    }

    /// The first certificate of the text as DER.
    pub fn first(&self) -> Option<Vec<u8>> {
        certificates(&self.certificate).map(|chain| chain[0].to_vec())
    }

    /// Whether the texts are of use for TLS, and the key is the certificate's.
    pub fn check(&self) -> Result<Validity, PapersFault> {
        let chain = certificates(&self.certificate).ok_or(PapersFault::NoCertificate)?;
        let validity = validity(&chain[0]).ok_or(PapersFault::NoCertificate)?;
        certified(chain, &self.key)?;
        Ok(validity)
    }
}

/// Checks a chain of DER, ours first and our authority's last: signed for clients by that authority, for this name alone
/// and for this key; valid at `now_s` where that is a time to judge by. Gives what is to be shown to a broker.
pub fn issued(chain: &[Vec<u8>], key: &[u8], name: &str, now_s: Option<u64>) -> Result<(Own, Validity), IssuedFault> {
    let chain: Vec<CertificateDer<'static>> = chain.iter().cloned().map(CertificateDer::from).collect();
    let [ours, between @ .., authority] = chain.as_slice() else {
        return Err(IssuedFault::Unreadable("there are less than two".into()));
    };
    let read = |error: Error| IssuedFault::Unreadable(error.to_string());
    let entity = EndEntityCert::try_from(ours).map_err(read)?;
    let anchor = anchor_from_trusted_cert(authority).map_err(read)?;
    let validity = validity(ours).ok_or_else(|| IssuedFault::Unreadable("its dates cannot be read".into()))?;
    if entity.subject() != common_name(name) {
        return Err(IssuedFault::Name(name.to_owned()));
    }
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now_s.unwrap_or(validity.from_s)));
    let (algorithms, usage) = (ring::default_provider().signature_verification_algorithms.all, KeyUsage::client_auth());
    let anchors = [anchor];
    let verified = entity.verify_for_usage(algorithms, &anchors, between, at, usage, None, None);
    verified.map_err(|error| match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => IssuedFault::Time(error.to_string()),
        other => IssuedFault::Authority(other.to_string()),
    })?;
    let shown = &chain[..chain.len() - 1];
    certified(shown.to_vec(), key).map_err(|fault| IssuedFault::Key(fault.to_string()))?;
    Ok((Own { certificate: shown.iter().map(|one| pem(one)).collect::<String>().into(), key: key.to_vec() }, validity))
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<CertifiedKey, PapersFault> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PapersFault::NoKey)?;
    let wrong = |error: rustls::Error| PapersFault::WrongKey(error.to_string());
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(wrong)
}

/// The dates are looked at before any authority is, so that none is needed.
fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let entity = EndEntityCert::try_from(certificate).ok()?;
    let refusal = |at_s| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s));
        entity.verify_for_usage(&[], &[], &[], at, KeyUsage::client_auth(), None, None).err()
    };
    match (refusal(0)?, refusal(END_OF_TIME_S)?) {
        (Error::CertNotValidYet { not_before, .. }, Error::CertExpired { not_after, .. }) => {
            Some(Validity { from_s: not_before.as_secs(), until_s: not_after.as_secs() })
        }
        _ => None,
    }
}

/// The content of a `Name` whose only part is this common name, as a UTF8String (X.501, X.690). A name of a gateway has at
/// most 63 bytes, so that every length is one byte.
fn common_name(name: &str) -> Vec<u8> {
    const OID_COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let length = |bytes: usize| u8::try_from(bytes).ok().filter(|length| *length < 0x80);
    let attribute = |bytes: usize| OID_COMMON_NAME.len() + 2 + bytes;
    let lengths = (length(attribute(name.len()) + 2), length(attribute(name.len())), length(name.len()));
    let (Some(set), Some(sequence), Some(text)) = lengths else { return Vec::new() };
    [&[0x31, set, 0x30, sequence], &OID_COMMON_NAME[..], &[0x0C, text], name.as_bytes()].concat()
}

/// RFC 7468 section 5: lines of 64 characters.
fn pem(certificate: &CertificateDer<'_>) -> String {
    let lines: String = certificate.chunks(48).map(|chunk| STANDARD.encode(chunk) + "\n").collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    /// 2026-11-22.
    const TODAY_S: u64 = 1_795_305_600;

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        der: Vec<u8>,
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
        params
    }

    fn authority() -> Authority {
        let mut params = params("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Authority { issuer: Issuer::new(params, key), der }
    }

    fn client(params: CertificateParams, authority: &Authority) -> (Vec<Vec<u8>>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let ours = params.signed_by(&key, &authority.issuer).unwrap().der().to_vec();
        (vec![ours, authority.der.clone()], key.serialize_pem().into())
    }

    fn for_clients(name: &str) -> CertificateParams {
        with_use(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn with_use(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
        let mut params = params(name);
        params.extended_key_usages = vec![usage];
        params
    }

    #[test]
    fn what_was_asked_for_is_taken_with_its_dates() {
        let (chain, key) = client(for_clients("gate-7"), &authority());
        let (own, validity) = issued(&chain, &key, "gate-7", Some(TODAY_S)).unwrap();
        // date --utc --date=2026-01-01 +%s
        assert_eq!(validity, Validity { from_s: 1_767_225_600, until_s: 1_798_761_600 });
        assert_eq!((own.check(), own.validity()), (Ok(validity), Ok(validity)));
        assert_eq!(certificates(&own.certificate).unwrap()[0].as_ref(), chain[0], "and the authority is not shown");
    }

    #[test]
    fn another_authority_name_key_use_or_time_is_told_apart() {
        let (site, other) = (authority(), authority());
        let (chain, key) = client(for_clients("gate-7"), &site);
        let refused = |chain: &[Vec<u8>], key: &[u8], name| issued(chain, key, name, Some(TODAY_S)).unwrap_err();
        let stranger = refused(&[chain[0].clone(), other.der.clone()], &key, "gate-7");
        assert!(matches!(stranger, IssuedFault::Authority(_)), "{stranger}");
        let long = "x".repeat(200);
        for name in ["gate-8", "gate", "", &long] {
            assert_eq!(refused(&chain, &key, name), IssuedFault::Name(name.to_owned()));
        }
        let mut two_names = for_clients("gate-7");
        two_names.distinguished_name.push(DnType::OrganizationName, "gate-7");
        let (two_names, its_key) = client(two_names, &site);
        assert!(matches!(refused(&two_names, &its_key, "gate-7"), IssuedFault::Name(_)));
        let another_key = KeyPair::generate().unwrap().serialize_pem();
        assert!(matches!(refused(&chain, another_key.as_bytes(), "gate-7"), IssuedFault::Key(_)));
        assert!(matches!(refused(&chain, b"no key", "gate-7"), IssuedFault::Key(_)));
        let server = with_use("gate-7", ExtendedKeyUsagePurpose::ServerAuth);
        let (server, its_key) = client(server, &site);
        assert!(matches!(refused(&server, &its_key, "gate-7"), IssuedFault::Authority(_)));
        let late = issued(&chain, &key, "gate-7", Some(1_798_761_601)).unwrap_err();
        assert!(matches!(late, IssuedFault::Time(_)), "{late}");
        assert!(issued(&chain, &key, "gate-7", None).is_ok(), "without a time to judge by nothing is refused for it");
    }

    #[test]
    fn what_is_no_chain_is_refused() {
        let (chain, key) = client(for_clients("gate-7"), &authority());
        let garbage = vec![0x30, 0x82, 0xFF, 0xFF, 1, 2, 3];
        let cut = chain[0][..chain[0].len() - 1].to_vec();
        for chain in [vec![], vec![chain[0].clone()], vec![garbage.clone(), chain[1].clone()], vec![cut, garbage]] {
            let refused = issued(&chain, &key, "gate-7", None).unwrap_err();
            assert!(matches!(refused, IssuedFault::Unreadable(_)), "{refused}");
        }
    }

    #[test]
    fn the_dates_of_a_certificate_are_read_whoever_signed_it_and_whenever_it_is() {
        for (from, to) in [((1990, 1, 1), (1991, 1, 1)), ((2026, 1, 1), (2075, 6, 1)), ((2100, 1, 1), (9999, 1, 1))] {
            let mut params = params("any");
            params.not_before = date_time_ymd(from.0, from.1, from.2);
            params.not_after = date_time_ymd(to.0, to.1, to.2);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().pem();
            let own = Own { certificate: certificate.into(), key: Vec::new() };
            let validity = own.validity().unwrap();
            let stated = (params.not_before.unix_timestamp(), params.not_after.unix_timestamp());
            assert_eq!((validity.from_s as i64, validity.until_s as i64), stated);
        }
        let own = Own {
            certificate: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            key: Vec::new(),
        };
        assert_eq!(own.validity(), Err(PapersFault::NoCertificate));
    }
}
