//! Certificates of a gateway's line: what the gateway asks, signed by its identity, so that it alone can renew; and what
//! the central system answers, signed by the key that gateways pin for receipts. What stands inside the certificates is
//! for whoever speaks TLS.

use crate::encode::{Header, Link, Name, PAYLOAD_MAX, Signed, Token, assemble, base64url, from_base64url, link};
use crate::enrolment::CSR_MAX;
use crate::json::Members;
use crate::keys::{IdentityKey, PublicKey, ReceiptKey};
use crate::refusal::Refusal;
use crate::wall;

/// Most certificates in an answer: the gateway's, two between, the authority's.
pub const CHAIN_MAX: usize = 4;
/// Longest certificate in bytes: one of a P-256 key has about 450.
pub const CERTIFICATE_MAX: usize = 2048;

/// What a gateway asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The central system.
    pub sms: Name,
    /// The gateway.
    pub gw: Name,
    /// When, by the clock of the gateway, in milliseconds since 1970 UTC; nothing is judged by it.
    pub ts_ms: i64,
    /// PKCS #10 request as DER, at most 2048 bytes.
    pub csr: Vec<u8>,
}

impl Wanted {
    /// Signs. Refuses a request that is empty or too long.
    pub fn sign(&self, key: &IdentityKey) -> Result<Signed, Refusal> {
        bounded(&self.csr, CSR_MAX, CSR)?;
        let ts = wall::written(self.ts_ms, "ts")?;
        let payload = format!(
            r#"{{"v":1,"sms":"{}","gw":"{}","ts":"{ts}","csr":"{}"}}"#,
            self.sms,
            self.gw,
            base64url(&self.csr)
        );
        let header = Header::Wanted { gw: &self.gw }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads a request and verifies it under the identity that the gateway was accepted with.
    pub fn verify(line: &str, gw: &Name, identity: &PublicKey) -> Result<(Self, Link), Refusal> {
        let token = Token::split(line)?;
        let payload = token.payload_bytes()?;
        let members = Members::read(&payload)?;
        members.version()?;
        members.in_order(&["v", "sms", "gw", "ts", "csr"])?;
        Header::Wanted { gw }.check(&token)?;
        if !token.signed_by(identity) {
            return Err(Refusal::Signature { by: "identity" });
        }
        stranger(&members.name("gw")?, gw)?;
        let csr = from_base64url(&members.text("csr")?, "csr")?;
        bounded(&csr, CSR_MAX, CSR)?;
        let wanted = Self { sms: members.name("sms")?, gw: gw.clone(), ts_ms: members.moment("ts")?, csr };
        Ok((wanted, link(token.signing_input)))
    }

    /// The gateway that a request names, before anything is verified: whose identity is to be looked up.
    pub fn claims(line: &str) -> Result<Name, Refusal> {
        let payload = Token::split(line)?.payload_bytes()?;
        Members::read(&payload)?.name("gw")
    }
}

/// What the central system answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The central system.
    pub sms: Name,
    /// The gateway that it is for.
    pub gw: Name,
    /// SHA-256 of the key that it is for, as its certificate has it (SubjectPublicKeyInfo, DER).
    pub key: [u8; 32],
    /// When, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// Certificates as DER: the gateway's first, its authority's last; 2 to 4.
    pub chain: Vec<Vec<u8>>,
}

impl Issued {
    /// Signs. Refuses a chain of another length, and one that a payload does not hold.
    pub fn sign(&self, key: &ReceiptKey) -> Result<Signed, Refusal> {
        self.bounded()?;
        let ts = wall::written(self.ts_ms, "ts")?;
        let chain: Vec<String> = self.chain.iter().map(|one| format!(r#""{}""#, base64url(one))).collect();
        let payload = format!(
            r#"{{"v":1,"sms":"{}","aud":"{}","key":"{}","ts":"{ts}","chain":[{}]}}"#,
            self.sms,
            self.gw,
            base64url(&self.key),
            chain.join(",")
        );
        if payload.len() > PAYLOAD_MAX {
            return Err(CHAIN);
        }
        let header = Header::Issued { sms: &self.sms }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads an answer for this gateway and verifies it under a key that is pinned for receipts.
    pub fn verify(line: &str, key: &PublicKey, gw: &Name) -> Result<(Self, Link), Refusal> {
        Token::of_central(
            line,
            |sms| Header::Issued { sms },
            Some((key, "receipt")),
            |sms, members| {
                members.in_order(&["v", "sms", "aud", "key", "ts", "chain"])?;
                stranger(&members.name("aud")?, gw)?;
                let (key, ts_ms) = (members.link("key")?, members.moment("ts")?);
                let issued = Self { sms, gw: gw.clone(), key, ts_ms, chain: chain(members)? };
                issued.bounded()?;
                Ok(issued)
            },
        )
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if !(2..=CHAIN_MAX).contains(&self.chain.len()) {
            return Err(CHAIN);
        }
        self.chain.iter().try_for_each(|one| bounded(one, CERTIFICATE_MAX, CHAIN))
    }
}

const CSR: Refusal = Refusal::Field { field: "csr", expected: "1 to 2048 bytes" };
const CHAIN: Refusal = Refusal::Field { field: "chain", expected: "2 to 4 certificates of at most 2048 bytes" };

fn bounded(bytes: &[u8], most: usize, refusal: Refusal) -> Result<(), Refusal> {
    if (1..=most).contains(&bytes.len()) { Ok(()) } else { Err(refusal) }
}

fn stranger(found: &Name, expected: &Name) -> Result<(), Refusal> {
    if found == expected {
        return Ok(());
    }
    Err(Refusal::Stranger { found: found.to_string(), expected: expected.to_string() })
}

fn chain(members: &Members<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
    let list = members.value("chain").ok_or(Refusal::Missing { field: "chain" })?;
    let list = list.as_array().filter(|list| list.len() <= CHAIN_MAX).ok_or(CHAIN)?;
    list.iter().map(|one| from_base64url(one.as_str().ok_or(CHAIN)?, "chain")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn wanted() -> Wanted {
        Wanted { sms: name("hq"), gw: name("gate-7"), ts_ms: 1_763_778_000_120, csr: vec![0x30; 250] }
    }

    fn issued() -> Issued {
        let chain = vec![vec![0x30; 450], vec![0x31; 450]];
        Issued { sms: name("hq"), gw: name("gate-7"), key: [7; 32], ts_ms: 1_763_778_000_120, chain }
    }

    #[test]
    fn only_the_identity_that_was_accepted_asks_for_a_certificate() {
        let (key, stranger) = (IdentityKey::from_seed([1; 32]), IdentityKey::from_seed([2; 32]));
        let signed = wanted().sign(&key).unwrap();
        let verified = Wanted::verify(&signed.line, &name("gate-7"), &key.public());
        assert_eq!(verified.unwrap(), (wanted(), signed.link));
        assert_eq!(Wanted::claims(&signed.line).unwrap(), name("gate-7"));
        let forged = Wanted::verify(&signed.line, &name("gate-7"), &stranger.public());
        assert_eq!(forged, Err(Refusal::Signature { by: "identity" }));
        let other = Wanted::verify(&signed.line, &name("gate-8"), &key.public());
        assert_eq!(other, Err(Refusal::Header));
    }

    #[test]
    fn an_answer_is_read_under_the_pinned_key_and_for_its_gateway_only() {
        let (key, other) = (ReceiptKey::from_seed([3; 32]), ReceiptKey::from_seed([4; 32]));
        let signed = issued().sign(&key).unwrap();
        assert_eq!(Issued::verify(&signed.line, &key.public(), &name("gate-7")).unwrap(), (issued(), signed.link));
        let forged = Issued::verify(&signed.line, &other.public(), &name("gate-7"));
        assert_eq!(forged, Err(Refusal::Signature { by: "receipt" }));
        let stranger = Issued::verify(&signed.line, &key.public(), &name("gate-8"));
        assert!(matches!(stranger, Err(Refusal::Stranger { .. })), "{stranger:?}");
    }

    #[test]
    fn chains_and_requests_outside_their_size_are_neither_written_nor_read() {
        let key = ReceiptKey::from_seed([3; 32]);
        for n in [0, 1, 5, 50] {
            assert_eq!(Issued { chain: vec![vec![1; 9]; n], ..issued() }.sign(&key), Err(CHAIN), "{n}");
        }
        assert!(Issued { chain: vec![vec![1; 2049]; 2], ..issued() }.sign(&key).is_err());
        assert!(Issued { chain: vec![vec![1; 2000]; 4], ..issued() }.sign(&key).is_err());
        let header = Header::Issued { sms: &name("hq") }.encoded();
        let fifty = vec![r#""MDAw""#; 50].join(",");
        let digest = base64url(&[7; 32]);
        let payload = format!(
            r#"{{"v":1,"sms":"hq","aud":"gate-7","key":"{digest}","ts":"2026-11-22T00:00:00.000Z","chain":[{fifty}]}}"#
        );
        let line = assemble(&header, payload.as_bytes(), |input| key.sign(input)).line;
        assert_eq!(Issued::verify(&line, &key.public(), &name("gate-7")), Err(CHAIN));
        let identity = IdentityKey::from_seed([1; 32]);
        for size in [0, CSR_MAX + 1] {
            assert_eq!(Wanted { csr: vec![1; size], ..wanted() }.sign(&identity), Err(CSR), "{size}");
        }
    }
}
