//! Keys: who may sign what, and which public keys are accepted at all.
//!
//! Seeds are arguments: this crate makes no randomness. A private key is wiped when dropped and never printed.

use crate::encode::{base64url, bytes32};
use crate::refusal::Refusal;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Why a public key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Not a point, or a second encoding of one (ZIP 215 decoders accept those).
    #[error("it is not the canonical encoding of a point of the curve")]
    Encoding,
    /// Of small order: such a key verifies any message in lax verifiers.
    #[error("it is of small order")]
    Weak,
    /// Has a part of small order: verifiers would disagree about its signatures.
    #[error("it is not torsion-free")]
    Torsion,
}

/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A public key that passed every check. There is no other way to hold one.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks canonical encoding, order and torsion. Done once, at enrolment and at the opening of an epoch.
    pub fn accept(bytes: &[u8; 32]) -> Result<Self, KeyRefusal> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyRefusal::Encoding)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyRefusal::Encoding);
        }
        if key.is_weak() {
            return Err(KeyRefusal::Weak);
        }
        if !point.is_torsion_free() {
            return Err(KeyRefusal::Torsion);
        }
        Ok(Self(key))
    }

    /// From base64url, as people exchange keys.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(Self::accept(&bytes32(text, "key")?)?)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Base64url, as people exchange keys.
    pub fn text(&self) -> String {
        base64url(self.0.as_bytes())
    }

    /// What people compare: base32 (RFC 4648 section 6, without padding) of the SHA-256 of the key, 52 characters in
    /// thirteen groups of four.
    pub fn fingerprint(&self) -> String {
        let digest: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        let mut text = String::with_capacity(64);
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in digest.into_iter().chain([0]) {
            bits = bits << 8 | u32::from(byte);
            held += 8;
            while held >= 5 && text.len() < 64 {
                held -= 5;
                if text.len() % 5 == 4 {
                    text.push(' ');
                }
                text.push(char::from(BASE32[(bits >> held & 31) as usize]));
            }
        }
        text
    }

    /// Pure Ed25519, strict: refuses small-order points, non-canonical values and everything the lax rule lets through.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.text())
    }
}

macro_rules! private_keys {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        pub struct $name(SigningKey);

        impl $name {
            /// From 32 random bytes. The caller wipes its own copy of the seed.
            pub fn from_seed(mut seed: [u8; 32]) -> Self {
                let key = Self(SigningKey::from_bytes(&seed));
                seed.fill(0);
                // Keeps the wipe from being optimised away.
                std::hint::black_box(&seed);
                key
            }

            /// The public half.
            pub fn public(&self) -> PublicKey {
                PublicKey(self.0.verifying_key())
            }

            pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
                self.0.sign(message).to_bytes()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "(public {})"), self.public().text())
            }
        }
    )+};
}

private_keys! {
    /// Identity of a gateway. Signs `epoch.open` and nothing else.
    IdentityKey
    /// Key of one epoch. Signs every other record; lives in memory only and never touches a disk.
    EpochKey
    /// Signs receipts of a central system.
    ReceiptKey
    /// Signs the acceptance of gateways.
    AcceptKey
    /// One of the three keys that say which keys a central system has. Kept off line.
    RootKey
    /// Signs orders and commands.
    OrderKey
}

#[cfg(test)]
mod edge_cases;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_never_printed() {
        let key = IdentityKey::from_seed([7; 32]);
        assert_eq!(format!("{key:?}"), format!("IdentityKey(public {})", key.public().text()));
    }

    #[test]
    fn weak_mixed_and_second_encodings_of_keys_are_refused() {
        // The neutral element, order 1.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::accept(&neutral), Err(KeyRefusal::Weak));
        // y = 1 + p: the neutral element once more, not reduced (ZIP 215 test set).
        let mut twice = [0xff; 32];
        twice[0] = 0xee;
        twice[31] = 0x7f;
        assert_eq!(PublicKey::accept(&twice), Err(KeyRefusal::Encoding));
        // speccheck cases 3 and 4 (novifinancial/ed25519-speccheck): a key of mixed order.
        let mixed = hex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d");
        assert_eq!(PublicKey::accept(&mixed), Err(KeyRefusal::Torsion));
    }

    #[test]
    fn the_key_of_rfc_8032_test_1_is_accepted() {
        let key = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(PublicKey::accept(&key).unwrap().bytes(), key);
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        assert_eq!(IdentityKey::from_seed(seed).public().bytes(), key);
    }

    #[test]
    fn a_fingerprint_is_base32_of_the_digest_in_groups_of_four() {
        // printf d75a..511a | xxd -r -p | sha256sum | xxd -r -p | base32
        let key = PublicKey::accept(&hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")).unwrap();
        assert_eq!(key.fingerprint(), "EH7D DX5B KSRG CYTL 7BKA I36S E4NX X3KL NK7E LKSY Q57P I74X EG4Q");
    }

    #[test]
    fn a_signature_with_a_commitment_of_small_order_is_refused() {
        // Key of RFC 8032 test 1; R is the neutral element and S the hash times the secret scalar, computed with Python:
        // the lax rule takes it, the strict one does not (RFC 8032 leaves it open; "Taming the many EdDSAs", table 5).
        let key = PublicKey::accept(&hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        signature[32..].copy_from_slice(&hex("976120bb82bdbf6d047417641ad468c96d65b7bc9d550947798c71efe4a3890a"));
        assert!(ed25519_dalek::Verifier::verify(&key.0, b"picket", &Signature::from_bytes(&signature)).is_ok());
        assert!(!key.verifies(b"picket", &signature));
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }
}
