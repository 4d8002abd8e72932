//! How a signed text is written: names, strict base64url, header templates, the three parts of a compact line.
//!
//! Refuses every second spelling of the same bytes. Decides nothing about what a text states.

use crate::json::Members;
use crate::keys::PublicKey;
use crate::refusal::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Longest payload in bytes, before base64url.
pub const PAYLOAD_MAX: usize = 8192;

/// Longest line in bytes: the longest header, payload and signature in base64url and two dots make 11,173.
pub const LINE_MAX: usize = 11_264;

/// SHA-256 of a signing input: the link from one signed text to the next.
pub type Link = [u8; 32];

/// A site, gateway or central system: `[a-z0-9-]{1,63}`. No dots, because some brokers map them in topics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// Checks the rule for names.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 63 || !text.bytes().all(good) {
            return Err(Refusal::Name { text: text.chars().take(80).collect() });
        }
        Ok(Self(text.into()))
    }

    /// The name itself; needs no escape in JSON, in a topic or in a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A map with names as keys is asked with the text of a topic.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Base64url without padding (RFC 7515 section 2).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends base64url to a text.
pub(crate) fn base64url_onto(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Strict base64url: no padding, no foreign character, zero trailing bits. Encoding the result gives the text again.
pub fn from_base64url(text: &str, part: &'static str) -> Result<Vec<u8>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Base64 { part })?;
    if URL_SAFE_NO_PAD.encode(&bytes) != text {
        return Err(Refusal::Base64 { part });
    }
    Ok(bytes)
}

/// Thirty-two bytes (a key or a link) from strict base64url.
pub fn bytes32(text: &str, part: &'static str) -> Result<[u8; 32], Refusal> {
    let bytes = from_base64url(text, part)?;
    bytes.try_into().map_err(|bytes: Vec<u8>| Refusal::Length { part, bytes: bytes.len(), expected: 32 })
}

/// SHA-256 of the signed bytes, without the signature: a re-encoded signature does not change it.
pub fn link(signing_input: &str) -> Link {
    Sha256::digest(signing_input.as_bytes()).into()
}

/// [`link`] of a whole line, as it is signed; of a text without a dot all is taken.
pub fn line_link(line: &str) -> Link {
    link(line.rsplit_once('.').map_or(line, |(signing_input, _)| signing_input))
}

/// The protected headers. Written and compared as bytes, never parsed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Header<'a> {
    /// A record under the key of its epoch.
    Record { gw: &'a Name, ep: u64 },
    /// The record that opens an epoch, under the identity key.
    Opening { gw: &'a Name },
    /// A receipt of a central system.
    Receipt { sms: &'a Name },
    /// The acceptance of a gateway by a central system.
    Acceptance { sms: &'a Name },
    /// A version of the root document, under one of the root keys.
    Root { sms: &'a Name, key: &'a PublicKey },
    /// A token for one enrolment.
    EnrolmentToken { sms: &'a Name },
    /// The request of a gateway to be accepted, under its identity key.
    Request { gw: &'a Name },
    /// An order to a gateway.
    Order { sms: &'a Name },
    /// A command to a gateway.
    Command { sms: &'a Name },
    /// A gateway's wish for a certificate, under its identity key.
    Wanted { gw: &'a Name },
    /// Certificates for a gateway, under the key of receipts.
    Issued { sms: &'a Name },
}

impl Header<'_> {
    /// The header as it stands in a line, in base64url.
    pub(crate) fn encoded(self) -> String {
        let (kid, typ) = match self {
            Header::Record { gw, ep } => (format!("{gw}#{ep}"), "rec+jws"),
            Header::Opening { gw } => (format!("{gw}#id"), "open+jws"),
            Header::Receipt { sms } => (format!("{sms}#receipt"), "receipt+jws"),
            Header::Acceptance { sms } => (format!("{sms}#accept"), "accept+jws"),
            Header::Root { sms, key } => (format!("{sms}#root:{}", key.text()), "root+jws"),
            Header::EnrolmentToken { sms } => (format!("{sms}#accept"), "token+jws"),
            Header::Request { gw } => (format!("{gw}#id"), "enrol+jws"),
            Header::Order { sms } => (format!("{sms}#order"), "order+jws"),
            Header::Command { sms } => (format!("{sms}#order"), "command+jws"),
            Header::Wanted { gw } => (format!("{gw}#id"), "csr+jws"),
            Header::Issued { sms } => (format!("{sms}#receipt"), "certificate+jws"),
        };
        base64url(format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#).as_bytes())
    }

    /// Whether a line carries exactly this header.
    pub(crate) fn check(self, token: &Token<'_>) -> Result<(), Refusal> {
        if token.header == self.encoded() { Ok(()) } else { Err(Refusal::Header) }
    }
}

/// A compact line in its three parts. Nothing is verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    /// Header, dot, payload: what is signed and hashed.
    pub(crate) signing_input: &'a str,
    pub(crate) signature: [u8; 64],
}

impl<'a> Token<'a> {
    pub(crate) fn split(line: &'a str) -> Result<Self, Refusal> {
        if line.len() > LINE_MAX {
            return Err(Refusal::LineTooLong { bytes: line.len(), limit: LINE_MAX });
        }
        let (signing_input, signature) = line.rsplit_once('.').ok_or(Refusal::NotThreeParts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Refusal::NotThreeParts)?;
        if payload.contains('.') {
            return Err(Refusal::NotThreeParts);
        }
        let signature = from_base64url(signature, "signature")?;
        let signature = signature.try_into().map_err(|bytes: Vec<u8>| Refusal::Length {
            part: "signature",
            bytes: bytes.len(),
            expected: 64,
        })?;
        Ok(Self { header, payload, signing_input, signature })
    }

    /// Reads what a central system signed: version, header and signature are checked before anything else is read. Without
    /// a key the signature is not looked at.
    pub(crate) fn of_central<T>(
        line: &'a str,
        header: fn(&Name) -> Header<'_>,
        key: Option<(&PublicKey, &'static str)>,
        read: impl FnOnce(Name, &Members<'_>) -> Result<T, Refusal>,
    ) -> Result<(T, Link), Refusal> {
        let token = Self::split(line)?;
        let payload = token.payload_bytes()?;
        let members = Members::read(&payload)?;
        members.version()?;
        let sms = Name::parse(&members.text("sms")?)?;
        header(&sms).check(&token)?;
        if let Some((key, by)) = key {
            if !key.verifies(token.signing_input.as_bytes(), &token.signature) {
                return Err(Refusal::Signature { by });
            }
        }
        Ok((read(sms, &members)?, link(token.signing_input)))
    }

    /// Signed by this key?
    pub(crate) fn signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(self.signing_input.as_bytes(), &self.signature)
    }

    pub(crate) fn payload_bytes(&self) -> Result<Vec<u8>, Refusal> {
        from_base64url(self.payload, "payload")
    }
}

/// A signed text and its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The compact line, without a line feed.
    pub line: String,
    /// SHA-256 of its signing input.
    pub link: Link,
}

/// Assembles and signs one line. `sign` gets the signing input.
pub(crate) fn assemble(header: &str, payload: &[u8], sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Signed {
    // A signature is 86 characters in base64url; the second dot makes 87.
    let mut line = String::with_capacity(header.len() + 1 + payload.len().div_ceil(3) * 4 + 87);
    line.push_str(header);
    line.push('.');
    base64url_onto(payload, &mut line);
    let link = link(&line);
    let signature = sign(line.as_bytes());
    line.push('.');
    base64url_onto(&signature, &mut line);
    Signed { line, link }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_dot_no_capital_and_at_most_63_characters() {
        assert!(Name::parse("gate-7").is_ok());
        for bad in ["", "Gate", "a.b", "a/b", "ä", &"x".repeat(64)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn base64url_with_trailing_bits_padding_or_a_line_feed_is_refused() {
        assert_eq!(from_base64url("AQ", "payload").unwrap(), [1]);
        for bad in ["AR", "AQ==", "AQ\n", "A", "A+", "A/"] {
            assert_eq!(from_base64url(bad, "payload"), Err(Refusal::Base64 { part: "payload" }), "{bad}");
        }
    }

    #[test]
    fn headers_are_written_as_the_format_says_byte_for_byte() {
        let gw = Name::parse("gate-7").unwrap();
        let key = PublicKey::parse("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let cases = [
            (Header::Record { gw: &gw, ep: 12 }, r#"{"alg":"EdDSA","kid":"gate-7#12","typ":"rec+jws"}"#),
            (Header::Opening { gw: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#id","typ":"open+jws"}"#),
            (Header::Receipt { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#receipt","typ":"receipt+jws"}"#),
            (Header::Acceptance { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#accept","typ":"accept+jws"}"#),
            (Header::EnrolmentToken { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#accept","typ":"token+jws"}"#),
            (Header::Request { gw: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#id","typ":"enrol+jws"}"#),
            (Header::Order { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#order","typ":"order+jws"}"#),
            (Header::Command { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#order","typ":"command+jws"}"#),
            (Header::Wanted { gw: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#id","typ":"csr+jws"}"#),
            (Header::Issued { sms: &gw }, r#"{"alg":"EdDSA","kid":"gate-7#receipt","typ":"certificate+jws"}"#),
            (
                Header::Root { sms: &gw, key: &key },
                r#"{"alg":"EdDSA","kid":"gate-7#root:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","typ":"root+jws"}"#,
            ),
        ];
        for (header, text) in cases {
            assert_eq!(from_base64url(&header.encoded(), "header").unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn the_example_of_rfc_8037_is_reproduced_byte_for_byte() {
        // RFC 8037 appendix A.1, A.3 and A.4.
        let seed = bytes32("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "d").unwrap();
        let key = crate::keys::EpochKey::from_seed(seed);
        assert_eq!(key.public().text(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, key.public().text());
        assert_eq!(base64url(&link(&jwk)), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signed = assemble("eyJhbGciOiJFZERTQSJ9", b"Example of Ed25519 signing", |input| key.sign(input));
        let expected = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIb\
                        QR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(signed.line, expected);
        let token = Token::split(&signed.line).unwrap();
        assert!(key.public().verifies(token.signing_input.as_bytes(), &token.signature));
    }

    #[test]
    fn a_line_is_exactly_three_parts() {
        assert_eq!(Token::split("a.b").unwrap_err(), Refusal::NotThreeParts);
        assert_eq!(Token::split("a.b.c.d").unwrap_err(), Refusal::NotThreeParts);
        assert!(matches!(Token::split(&"x".repeat(LINE_MAX + 1)), Err(Refusal::LineTooLong { .. })));
    }
}
