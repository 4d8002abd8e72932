//! The token for one enrolment: names the gateway that may come, and pins the root document of the central system.
//!
//! A person carries it to the gateway, typed or on a stick, so that the gateway trusts no network for its first contact.

use crate::encode::{Header, Link, Name, Signed, Token, assemble, base64url, from_base64url};
use crate::json::Members;
use crate::keys::{AcceptKey, PublicKey};
use crate::refusal::Refusal;
use crate::wall;

/// Longest life of a token in milliseconds: a day. The central system keeps to it; a gateway sees only the end.
pub const TOKEN_LIFE_MAX_MS: i64 = 86_400_000;

/// Names a token: the central system takes each one once.
pub type TokenId = [u8; 16];

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// The central system.
    pub sms: Name,
    /// The site.
    pub site: Name,
    /// The gateway that may use it.
    pub gw: Name,
    /// Its own name, drawn at random.
    pub id: TokenId,
    /// When it ends, in milliseconds since 1970 UTC.
    pub exp_ms: i64,
    /// Hash of the newest version of the root document at that moment.
    pub root: Link,
}

impl EnrolmentToken {
    /// Signs. Refuses a moment that cannot be written.
    pub fn sign(&self, key: &AcceptKey) -> Result<Signed, Refusal> {
        let exp = wall::written(self.exp_ms, "exp")?;
        let payload = format!(
            r#"{{"v":1,"sms":"{}","site":"{}","gw":"{}","id":"{}","exp":"{exp}","root":"{}"}}"#,
            self.sms,
            self.site,
            self.gw,
            base64url(&self.id),
            base64url(&self.root),
        );
        let header = Header::EnrolmentToken { sms: &self.sms }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads and verifies under the key for acceptances of the root document that the token pins.
    pub fn verify(line: &str, key: &PublicKey) -> Result<(Self, Link), Refusal> {
        Self::read(line, Some(key))
    }

    /// What a token claims: enough to ask for the root document that it pins, and nothing more.
    pub fn claims(line: &str) -> Result<Self, Refusal> {
        Self::read(line, None).map(|(token, _)| token)
    }

    /// Whether it has ended, by a clock that the reader trusts.
    pub fn is_over(&self, trusted_ms: i64) -> bool {
        trusted_ms >= self.exp_ms
    }

    fn read(line: &str, key: Option<&PublicKey>) -> Result<(Self, Link), Refusal> {
        let key = key.map(|key| (key, "acceptance"));
        Token::of_central(
            line,
            |sms| Header::EnrolmentToken { sms },
            key,
            |sms, members| {
                members.in_order(&["v", "sms", "site", "gw", "id", "exp", "root"])?;
                Ok(Self {
                    sms,
                    site: members.name("site")?,
                    gw: members.name("gw")?,
                    id: token_id(members, "id")?,
                    exp_ms: members.moment("exp")?,
                    root: members.link("root")?,
                })
            },
        )
    }
}

/// Sixteen bytes from strict base64url.
pub(crate) fn token_id(members: &Members<'_>, field: &'static str) -> Result<TokenId, Refusal> {
    let bytes = from_base64url(&members.text(field)?, field)?;
    bytes.try_into().map_err(|bytes: Vec<u8>| Refusal::Length { part: field, bytes: bytes.len(), expected: 16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_under_the_key_for_acceptances_only() {
        let name = |text| Name::parse(text).unwrap();
        let token = EnrolmentToken {
            sms: name("sms"),
            site: name("harbour"),
            gw: name("gate-7"),
            id: [9; 16],
            exp_ms: 1_763_778_000_120,
            root: [8; 32],
        };
        let key = AcceptKey::from_seed([3; 32]);
        let signed = token.sign(&key).unwrap();
        assert_eq!(EnrolmentToken::verify(&signed.line, &key.public()).unwrap(), (token.clone(), signed.link));
        assert_eq!(EnrolmentToken::claims(&signed.line).unwrap(), token);
        let other = AcceptKey::from_seed([4; 32]).public();
        assert_eq!(EnrolmentToken::verify(&signed.line, &other), Err(Refusal::Signature { by: "acceptance" }));
        assert!(token.is_over(token.exp_ms) && !token.is_over(token.exp_ms - 1));
    }
}
