//! The request of a gateway to be accepted: signed by the identity that it names, so that it proves to hold it.

use crate::encode::{Header, Link, Name, Signed, Token, assemble, base64url, from_base64url, link};
use crate::json::Members;
use crate::keys::{IdentityKey, PublicKey};
use crate::refusal::Refusal;
use crate::shown;
use crate::token::{TokenId, token_id};
use crate::wall;

/// Longest description of a machine, in bytes.
pub const MACHINE_MAX: usize = 128;
/// Longest certificate request in bytes: one of a P-256 key has about 250.
pub const CSR_MAX: usize = 2048;

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The central system.
    pub sms: Name,
    /// The site.
    pub site: Name,
    /// The gateway.
    pub gw: Name,
    /// The token that allows it.
    pub token: TokenId,
    /// Its identity.
    pub identity: PublicKey,
    /// What the machine says of itself, for the person who approves; 1 to 128 bytes.
    pub machine: String,
    /// When, by the clock of the gateway, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// PKCS #10 request for a certificate of the line, as DER.
    pub csr: Option<Vec<u8>>,
}

impl Request {
    /// Signs. Refuses a key that is not the identity named, and what is longer than its field.
    pub fn sign(&self, key: &IdentityKey) -> Result<Signed, Refusal> {
        if key.public() != self.identity {
            return Err(Refusal::Signature { by: "identity" });
        }
        self.bounded()?;
        let ts = wall::written(self.ts_ms, "ts")?;
        let csr = self.csr.as_ref().map_or(String::new(), |csr| format!(r#","csr":"{}""#, base64url(csr)));
        let payload = format!(
            r#"{{"v":1,"sms":"{}","site":"{}","gw":"{}","token":"{}","identity":"{}","machine":{},"ts":"{ts}"{csr}}}"#,
            self.sms,
            self.site,
            self.gw,
            base64url(&self.token),
            self.identity.text(),
            serde_json::Value::from(self.machine.as_str()),
        );
        let header = Header::Request { gw: &self.gw }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads a request and verifies it under the identity that it names: whoever sent it holds that key. Whether this
    /// is the gateway is for a person to decide, by [`PublicKey::fingerprint`].
    pub fn verify(line: &str) -> Result<(Self, Link), Refusal> {
        let token = Token::split(line)?;
        let payload = token.payload_bytes()?;
        let members = Members::read(&payload)?;
        members.version()?;
        members.in_order(&["v", "sms", "site", "gw", "token", "identity", "machine", "ts", "csr"])?;
        let gw = members.name("gw")?;
        Header::Request { gw: &gw }.check(&token)?;
        let identity = members.key("identity")?;
        let csr = members.maybe_text("csr")?.map(|text| from_base64url(&text, "csr")).transpose()?;
        let request = Self {
            sms: members.name("sms")?,
            site: members.name("site")?,
            gw,
            token: token_id(&members, "token")?,
            identity,
            machine: members.text("machine")?.into_owned(),
            ts_ms: members.moment("ts")?,
            csr,
        };
        request.bounded()?;
        if !token.signed_by(&request.identity) {
            return Err(Refusal::Signature { by: "identity" });
        }
        Ok((request, link(token.signing_input)))
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if !(1..=MACHINE_MAX).contains(&self.machine.len()) || !shown::is_plain(&self.machine) {
            let expected = "a text of 1 to 128 bytes without control or invisible characters";
            return Err(Refusal::Field { field: "machine", expected });
        }
        if self.csr.as_ref().is_some_and(|csr| csr.len() > CSR_MAX) {
            return Err(Refusal::Field { field: "csr", expected: "at most 2048 bytes" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let name = |text| Name::parse(text).unwrap();
        Request {
            sms: name("sms"),
            site: name("harbour"),
            gw: name("gate-7"),
            token: [9; 16],
            identity: IdentityKey::from_seed([1; 32]).public(),
            machine: "Raspberry Pi 4 \"Rev 1.5\"".into(),
            ts_ms: 1_763_778_000_120,
            csr: Some(vec![0x30, 0x82]),
        }
    }

    #[test]
    fn a_request_proves_the_identity_that_it_names() {
        let key = IdentityKey::from_seed([1; 32]);
        for request in [request(), Request { csr: None, ..request() }] {
            let signed = request.sign(&key).unwrap();
            assert_eq!(Request::verify(&signed.line).unwrap(), (request, signed.link));
        }
        let stranger = IdentityKey::from_seed([2; 32]);
        assert_eq!(request().sign(&stranger), Err(Refusal::Signature { by: "identity" }));
        let claimed = Request { identity: stranger.public(), ..request() };
        let header = Header::Request { gw: &request().gw }.encoded();
        let payload = claimed.sign(&stranger).unwrap().line;
        let payload = from_base64url(payload.split('.').nth(1).unwrap(), "payload").unwrap();
        let forged = assemble(&header, &payload, |input| key.sign(input));
        assert_eq!(Request::verify(&forged.line), Err(Refusal::Signature { by: "identity" }));
    }

    #[test]
    fn a_request_with_a_field_too_many_is_refused() {
        let key = IdentityKey::from_seed([1; 32]);
        let gw = request().gw;
        let text = request().sign(&key).unwrap().line;
        let payload = String::from_utf8(from_base64url(text.split('.').nth(1).unwrap(), "payload").unwrap()).unwrap();
        for (from, to) in [(r#","csr""#, r#","sudo""#), (r#""v":1,"sms":"sms""#, r#""sms":"sms","v":1"#)] {
            let changed = payload.replacen(from, to, 1);
            let line =
                assemble(&Header::Request { gw: &gw }.encoded(), changed.as_bytes(), |input| key.sign(input)).line;
            assert!(matches!(Request::verify(&line), Err(Refusal::Place { .. })), "{changed}");
        }
        assert!(Request { machine: String::new(), ..request() }.sign(&key).is_err());
        // A second line that looks like one of the program that shows it.
        let told = request().sign(&key).unwrap().line;
        let payload = String::from_utf8(from_base64url(told.split('.').nth(1).unwrap(), "payload").unwrap()).unwrap();
        for unseen in ["\\nfingerprint ABCD", "\\u001b[2J", "\u{202e}"] {
            let changed = payload.replacen("Raspberry", unseen, 1);
            let header = Header::Request { gw: &gw }.encoded();
            let line = assemble(&header, changed.as_bytes(), |input| key.sign(input)).line;
            assert!(matches!(Request::verify(&line), Err(Refusal::Field { field: "machine", .. })), "{changed}");
        }
    }
}
