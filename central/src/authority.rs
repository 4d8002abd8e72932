//! The small authority for gateways' certificates: one key, one certificate of its own, and what it signs: the line of one
//! gateway, P-256, for clients alone, under its name alone. Decides nothing about who may have one.

use crate::custody::{Custody, CustodyError, random_seed, replace};
use picket_record::encode::Name;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKey,
    PublicKeyData as _, SerialNumber, date_time_ymd,
};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Private key of the authority, PKCS #8 as PEM.
const KEY: &str = "authority.key";
/// Its certificate, for brokers.
pub const CERTIFICATE: &str = "authority.pem";
/// Days that a gateway's certificate lasts.
const DAYS: &str = "authority.days";
/// What `authority make` writes where nobody says otherwise: two thirds of it are two months between renewals.
pub const DAYS_USUAL: u32 = 90;
/// Shortest life: renewal begins at two thirds of it, and a link may be down for two days.
pub const DAYS_MIN: u32 = 7;
/// Longest life, as public authorities had it (CA/Browser Forum, ballot SC31).
pub const DAYS_MAX: u32 = 398;
/// Life of the authority itself: it has to be installed at the broker by hand.
const AUTHORITY_DAYS: u64 = 10 * 365;
/// A certificate is valid before it was made: clocks of brokers and gateways differ.
const BEFORE_S: u64 = 3_600;
/// Bytes of a public key of P-256: a point, not compressed (SEC 1 section 2.3.3).
const POINT: usize = 65;
const DAY_S: u64 = 86_400;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFault {
    /// Keys or files.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// A file of the authority is not what it must be.
    #[error("{} is not what `picket-central authority make` wrote: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The authority ends before the certificate would begin to be of use.
    #[error(
        "the authority itself ends within {DAYS_MIN} days: move {KEY} and {CERTIFICATE} aside, make another one with \
         picket-central authority make, install it at the broker, and restart picket-central run"
    )]
    Ending,
    /// The request is none, or its signature is not of the key in it.
    #[error("the certificate request is refused: {0}")]
    Request(String),
    /// It is for somebody else.
    #[error("the certificate request is for {found}, not for {expected} alone")]
    Name {
        /// Its subject.
        found: String,
        /// The gateway.
        expected: String,
    },
    /// It asks for what is not given.
    #[error("the certificate request asks for extensions; none are given")]
    Extensions,
    /// Its key is of another kind.
    #[error("the key of the certificate request is not of P-256")]
    Key,
}

/// A certificate that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// As DER.
    pub der: Vec<u8>,
    /// Its last second, since 1970 UTC.
    pub until_s: u64,
}

/// A request that may be signed.
#[derive(Debug)]
pub struct Asked {
    gw: Name,
    key: PublicKey,
    /// SHA-256 of its key (SubjectPublicKeyInfo, DER).
    pub digest: [u8; 32],
}

/// The authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    until_s: u64,
    life_s: u64,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("until_s", &self.until_s)
            .field("life_s", &self.life_s)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes key and certificate in the directory, the certificate last and whole: a key that a run which was killed has
    /// left is taken over. Refuses to touch a certificate that is there.
    pub fn make(custody: &Custody, days: u32, now_s: u64) -> Result<(), AuthorityFault> {
        let path = custody.path(CERTIFICATE);
        let broken = |why: rcgen::Error| AuthorityFault::Content { path: path.clone(), why: why.to_string() };
        if path.exists() {
            return Err(CustodyError::Exists { path }.into());
        }
        let mut params = params(&format!("{} gateways", custody.sms()?), now_s, now_s + AUTHORITY_DAYS * DAY_S)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = made_key(&custody.path(KEY))?;
        let certificate = params.self_signed(&key).map_err(broken)?;
        replace(&custody.path(DAYS), &days.clamp(DAYS_MIN, DAYS_MAX).to_string())?;
        Ok(replace(&path, &certificate.pem())?)
    }

    /// The authority of the directory, if one was made.
    pub fn open(custody: &Custody) -> Result<Option<Self>, AuthorityFault> {
        use picket_session::tls::Own;
        let (path, file) = (custody.path(KEY), custody.path(CERTIFICATE));
        if !file.exists() {
            return Ok(None);
        }
        let content = |path: &PathBuf, why: String| AuthorityFault::Content { path: path.clone(), why };
        Custody::closed(&path)?;
        let read = |path: &PathBuf| -> Result<String, CustodyError> {
            fs::read_to_string(path).map_err(|source| CustodyError::Io { path: path.clone(), source })
        };
        let (key, certificate) = (read(&path)?, read(&file)?);
        let own = Own { certificate: certificate.clone().into(), key: key.clone().into() };
        let validity = own.check().map_err(|fault| content(&file, fault.to_string()))?;
        let key = KeyPair::from_pem(&key).map_err(|error| content(&path, error.to_string()))?;
        let der = own.first().ok_or_else(|| content(&file, "no certificate".into()))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| content(&file, error.to_string()))?;
        let days = custody.path(DAYS);
        let life = read(&days)?.trim().parse::<u32>().ok().filter(|life| (DAYS_MIN..=DAYS_MAX).contains(life));
        let life =
            life.ok_or_else(|| content(&days, format!("it holds no number of days from {DAYS_MIN} to {DAYS_MAX}")))?;
        Ok(Some(Self { issuer, der, until_s: validity.until_s, life_s: u64::from(life) * DAY_S }))
    }

    /// Its certificate as DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Last second of its own certificate, since 1970 UTC.
    pub fn until_s(&self) -> u64 {
        self.until_s
    }

    /// Reads a request (PKCS #10 as DER) whose subject is this gateway and nothing else, and which was signed by the key
    /// that it is about.
    pub fn read(gw: &Name, csr: &[u8]) -> Result<Asked, AuthorityFault> {
        let refused = |error: rcgen::Error| AuthorityFault::Request(error.to_string());
        let asked = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).map_err(refused)?;
        let subject = &asked.params.distinguished_name;
        if subject != &name(gw.as_str()) {
            let found = subject.iter().map(|(_, value)| shown(value)).collect::<Vec<_>>().join(", ");
            return Err(AuthorityFault::Name { found, expected: gw.to_string() });
        }
        let CertificateParams { subject_alt_names, key_usages, extended_key_usages, .. } = &asked.params;
        if !(subject_alt_names.is_empty() && key_usages.is_empty() && extended_key_usages.is_empty()) {
            return Err(AuthorityFault::Extensions);
        }
        let key = &asked.public_key;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 || key.der_bytes().len() != POINT {
            return Err(AuthorityFault::Key);
        }
        if !is_whole(csr) {
            return Err(AuthorityFault::Request("what its signature does not cover is not as it is written".into()));
        }
        Ok(Asked {
            gw: gw.clone(),
            digest: Sha256::digest(key.subject_public_key_info()).into(),
            key: asked.public_key,
        })
    }

    /// Signs what was asked for.
    pub fn certify(&self, Asked { gw, key, .. }: &Asked, now_s: u64) -> Result<Certified, AuthorityFault> {
        let refused = |error: rcgen::Error| AuthorityFault::Request(error.to_string());
        let until_s = (now_s + self.life_s).min(self.until_s);
        if until_s < now_s + u64::from(DAYS_MIN) * DAY_S {
            return Err(AuthorityFault::Ending);
        }
        let mut params = params(gw.as_str(), now_s, until_s)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(refused)?;
        Ok(Certified { der: certificate.der().to_vec(), until_s })
    }
}

/// ecdsa-with-SHA256 as DER (RFC 5758, section 3.2).
const ECDSA_SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// Whether the parts beside what is signed are as everybody writes them: the parser is lax about the tag of the
/// algorithm, and passes over what follows the request.
fn is_whole(csr: &[u8]) -> bool {
    let signed = element(csr).filter(|(_, rest)| rest.is_empty()).and_then(|(inner, _)| element(inner));
    let behind = signed.and_then(|(_, rest)| rest.strip_prefix(&ECDSA_SHA256));
    // The first byte of a bit string counts the bits that are left over (X.690, section 8.6.2.2).
    behind.and_then(element).is_some_and(|(bits, rest)| rest.is_empty() && bits.first() == Some(&0))
}

/// The contents of a DER element shorter than 64 KiB, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, body) = match der.get(1..)? {
        [short @ 0..=0x7f, body @ ..] => (usize::from(*short), body),
        [0x81, one, body @ ..] => (usize::from(*one), body),
        [0x82, one, two, body @ ..] => (usize::from(u16::from_be_bytes([*one, *two])), body),
        _ => return None,
    };
    body.split_at_checked(length)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn shown(value: &DnValue) -> String {
    let text = match value {
        DnValue::Utf8String(text) => text.clone(),
        other => format!("{other:?}"),
    };
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The key that a run which was killed has left, or a new one. No certificate was made with it.
fn made_key(path: &PathBuf) -> Result<KeyPair, AuthorityFault> {
    let content = |error: rcgen::Error| AuthorityFault::Content { path: path.clone(), why: error.to_string() };
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => {
            Custody::closed(path)?;
            return KeyPair::from_pem(&text).map_err(content);
        }
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(CustodyError::Io { path: path.clone(), source }.into());
        }
        // The power went before anything was in it.
        Ok(_) | Err(_) => {}
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(content)?;
    replace(path, &key.serialize_pem())?;
    Ok(key)
}

fn params(common: &str, now_s: u64, until_s: u64) -> Result<CertificateParams, AuthorityFault> {
    let at = |at_s| date_time_ymd(1970, 1, 1) + Duration::from_secs(at_s);
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    (params.not_before, params.not_after) = (at(now_s.saturating_sub(BEFORE_S)), at(until_s));
    params.serial_number = Some(SerialNumber::from_slice(&serial()?));
    Ok(params)
}

/// Nobody guesses it (127 bits), and DER wants a positive number.
fn serial() -> Result<[u8; 16], CustodyError> {
    let mut serial: [u8; 16] = random_seed()?[..16].try_into().expect("sixteen of thirty-two bytes");
    serial[0] = serial[0] & 0x7F | 0x40;
    Ok(serial)
}
