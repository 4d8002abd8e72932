//! The key of a certificate and the request for it. The key is made on the gateway and never leaves it.

use picket_record::certificate::Wanted;
use picket_record::encode::Name;
use picket_record::keys::IdentityKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use sha2::{Digest as _, Sha256};

/// A new P-256 key, PKCS #8 as PEM.
pub fn new_key() -> Result<String, String> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| format!("no key can be made: {error}"))?;
    Ok(key.serialize_pem())
}

/// Whether a text is a key that a request can be made for.
pub fn is_key(pem: &[u8]) -> bool {
    read(pem).is_ok()
}

/// SHA-256 of the public key, as a certificate for it is answered with.
pub fn digest(pem: &[u8]) -> Result<[u8; 32], String> {
    Ok(Sha256::digest(read(pem)?.subject_public_key_info()).into())
}

/// PKCS #10 as DER: the name of the gateway, the public key, signed by the key.
pub fn request(pem: &[u8], gw: &str) -> Result<Vec<u8>, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, gw);
    let request = params.serialize_request(&read(pem)?);
    Ok(request.map_err(|error| format!("no request can be made: {error}"))?.der().to_vec())
}

/// The wish as it is sent.
pub fn signed(key: &[u8], sms: &Name, gw: &Name, identity: &IdentityKey, wall_ms: i64) -> Result<String, String> {
    let csr = request(key, gw.as_str())?;
    let wanted = Wanted { sms: sms.clone(), gw: gw.clone(), ts_ms: wall_ms, csr };
    wanted.sign(identity).map(|signed| signed.line).map_err(|refusal| refusal.to_string())
}

fn read(pem: &[u8]) -> Result<KeyPair, String> {
    let text = std::str::from_utf8(pem).map_err(|_| "the key is not text".to_owned())?;
    KeyPair::from_pem(text).map_err(|error| format!("the key cannot be read: {error}"))
}
