//! The acceptance of a gateway: who it is, whose receipts it trusts, who decided that. Its link is `prev` of record 1.

use crate::encode::{Header, Link, Name, Signed, Token, assemble};
use crate::json::Members;
use crate::keys::{AcceptKey, PublicKey};
use crate::refusal::Refusal;
use crate::shown;
use crate::wall;

/// Longest name of who accepts, or asks for evidence, in bytes.
pub const BY_MAX: usize = 128;

/// Whether a text can be the name of who approved something: 1 to 128 bytes, every character seen as itself.
pub fn is_approver(by: &str) -> bool {
    (1..=BY_MAX).contains(&by.len()) && shown::is_plain(by)
}

/// What an acceptance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The central system.
    pub sms: Name,
    /// The site.
    pub site: Name,
    /// The gateway.
    pub gw: Name,
    /// Identity of the gateway.
    pub identity: PublicKey,
    /// Key that the gateway trusts for receipts.
    pub receipt_key: PublicKey,
    /// When, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// Who approved, at most 128 bytes.
    pub by: String,
}

impl Acceptance {
    /// Signs. Refuses a moment that cannot be written and a name that is too long.
    pub fn sign(&self, key: &AcceptKey) -> Result<Signed, Refusal> {
        self.bounded()?;
        let ts = wall::to_text(self.ts_ms).ok_or(Refusal::Field { field: "ts", expected: "in the years 0 to 9999" })?;
        let payload = format!(
            r#"{{"v":1,"sms":"{}","site":"{}","gw":"{}","identity":"{}","receipt_key":"{}","ts":"{ts}","by":{}}}"#,
            self.sms,
            self.site,
            self.gw,
            self.identity.text(),
            self.receipt_key.text(),
            serde_json::Value::from(self.by.as_str()),
        );
        let header = Header::Acceptance { sms: &self.sms }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads and verifies an acceptance under the key that was installed for that, and gives its link.
    pub fn verify(line: &str, key: &PublicKey) -> Result<(Self, Link), Refusal> {
        Self::read(line, Some(key))
    }

    /// What an acceptance claims, with its link, for a reader without the key that signed it: worth no more than the
    /// file it is in, until record 1 names the link.
    pub fn claims(line: &str) -> Result<(Self, Link), Refusal> {
        Self::read(line, None)
    }

    fn read(line: &str, key: Option<&PublicKey>) -> Result<(Self, Link), Refusal> {
        let key = key.map(|key| (key, "acceptance"));
        Token::of_central(line, |sms| Header::Acceptance { sms }, key, Self::from_members)
    }

    fn from_members(sms: Name, members: &Members<'_>) -> Result<Self, Refusal> {
        let ts = wall::from_text(&members.text("ts")?);
        let acceptance = Self {
            sms,
            site: Name::parse(&members.text("site")?)?,
            gw: Name::parse(&members.text("gw")?)?,
            identity: PublicKey::parse(&members.text("identity")?)?,
            receipt_key: PublicKey::parse(&members.text("receipt_key")?)?,
            ts_ms: ts.ok_or(Refusal::Field { field: "ts", expected: "a UTC time with milliseconds" })?,
            by: members.text("by")?.into_owned(),
        };
        acceptance.bounded()?;
        Ok(acceptance)
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if is_approver(&self.by) {
            return Ok(());
        }
        let expected = "a name of 1 to 128 bytes without control or invisible characters";
        Err(Refusal::Field { field: "by", expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{IdentityKey, ReceiptKey};

    fn acceptance() -> Acceptance {
        Acceptance {
            sms: Name::parse("sms").unwrap(),
            site: Name::parse("harbour").unwrap(),
            gw: Name::parse("gate-7").unwrap(),
            identity: IdentityKey::from_seed([1; 32]).public(),
            receipt_key: ReceiptKey::from_seed([2; 32]).public(),
            ts_ms: 1_763_778_000_120,
            by: "M. \"Mo\" Okafor".into(),
        }
    }

    #[test]
    fn an_acceptance_is_read_back_under_the_installed_key_only() {
        let key = AcceptKey::from_seed([3; 32]);
        let signed = acceptance().sign(&key).unwrap();
        assert_eq!(Acceptance::verify(&signed.line, &key.public()).unwrap(), (acceptance(), signed.link));
        let other = AcceptKey::from_seed([4; 32]).public();
        assert_eq!(Acceptance::verify(&signed.line, &other), Err(Refusal::Signature { by: "acceptance" }));
    }

    #[test]
    fn an_acceptance_names_who_approved() {
        for by in ["", "N. N.\u{1b}[2J", "N.\u{202e}.N"] {
            let nobody = Acceptance { by: by.into(), ..acceptance() };
            assert!(nobody.sign(&AcceptKey::from_seed([3; 32])).is_err(), "{by:?}");
        }
    }
}
