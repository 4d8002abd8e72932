//! Personal data beside a record: the record carries a salted hash, so that the text can be erased and the chain stays.
//!
//! Life: the salt and the text are drawn and kept beside the record; they travel behind it on the wire, and in
//! `sidecar.json` where a bundle discloses them; once erased, nothing but the hash is left, which the salt keeps from
//! being guessed.

use crate::encode::{base64url, from_base64url};
use crate::json::Members;
use crate::refusal::Refusal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What `pii` holds: SHA-256 of salt and text.
pub type Commitment = [u8; 32];

/// Bytes of a salt: too many to guess, whatever the text.
pub const SALT_BYTES: usize = 16;
/// Longest text in bytes: written as JSON a second time it stays within a payload's size.
pub const PERSONAL_MAX: usize = 2048;
/// Most openings in one `sidecar.json`: a verifier holds forty bytes of each.
pub const OPENINGS_MAX: usize = 65_536;

/// Personal data as it is said, a JSON object of at most [`PERSONAL_MAX`] bytes as text, before a salt is drawn for it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalText(String);

impl PersonalText {
    /// Named texts, in the order of their names. `None` where they are longer than [`PERSONAL_MAX`].
    pub fn of(named: &[(&str, &str)]) -> Option<Self> {
        let named = named.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
        let text = Value::Object(named.collect()).to_string();
        (text.len() <= PERSONAL_MAX).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With a salt that was drawn for it alone.
    pub fn salted(&self, salt: [u8; SALT_BYTES]) -> Disclosure {
        Disclosure { salt, text: self.0.clone() }
    }
}

/// Personal data is never printed.
impl std::fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonalText({} bytes)", self.0.len())
    }
}

/// What stands beside a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Personal {
    /// The data themselves. No record is written of them: whoever keeps them draws the salt first.
    Said(PersonalText),
    /// What the record commits to.
    Committed(Commitment),
}

/// What opens a commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// Drawn anew for each text.
    pub salt: [u8; SALT_BYTES],
    /// The personal data, a JSON object as text, as strict as a payload.
    pub text: String,
}

impl Disclosure {
    /// SHA-256 of the salt's sixteen bytes and the UTF-8 text.
    pub fn commitment(&self) -> Commitment {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(self.text.as_bytes());
        hash.finalize().into()
    }

    /// Whether this is what the record was written about.
    pub fn opens(&self, commitment: &Commitment) -> bool {
        self.commitment() == *commitment
    }

    /// The line that travels behind record `seq`: it begins with `{`, which no record does.
    pub fn to_line(&self, seq: u64) -> String {
        let (salt, text) = (base64url(&self.salt), Value::from(self.text.as_str()));
        format!(r#"{{"pii":{seq},"salt":"{salt}","text":{text}}}"#)
    }

    /// As it stands in a `sidecar.json`, between the texts of [`SIDECAR_FRAME`].
    pub fn to_row(&self, seq: u64) -> String {
        let (salt, text) = (base64url(&self.salt), Value::from(self.text.as_str()));
        format!(r#"{{"seq":{seq},"salt":"{salt}","text":{text}}}"#)
    }

    /// Reads such a line, with the number of the record it belongs to.
    pub fn from_line(line: &str) -> Result<(u64, Self), Refusal> {
        let members = Members::read(line.as_bytes())?;
        let seq = members.count("pii")?;
        Ok((seq, Self::read(&members)?))
    }

    fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let salt = from_base64url(&members.text("salt")?, "salt")?;
        let salt = salt.try_into().map_err(|salt: Vec<u8>| Refusal::Length {
            part: "salt",
            bytes: salt.len(),
            expected: SALT_BYTES,
        })?;
        let text = members.text("text")?;
        // Every member of it is evidence: it is read as strictly as what stands around it.
        if text.len() > PERSONAL_MAX || Members::read(text.as_bytes()).is_err() {
            return Err(Refusal::Field { field: "text", expected: "a JSON object of at most 2048 bytes" });
        }
        Ok(Self { salt, text: text.into_owned() })
    }
}

/// Personal data is never printed.
impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosure({} bytes)", self.text.len())
    }
}

/// What stands before the openings in a `sidecar.json`, between two of them, and behind them.
pub const SIDECAR_FRAME: [&str; 3] = ["{\"v\":1,\"openings\":[", ",\n", "]}\n"];

/// `sidecar.json` of a bundle: openings in the order of their records.
pub fn sidecar<'a>(openings: impl IntoIterator<Item = (u64, &'a Disclosure)>) -> String {
    let rows: Vec<String> = openings.into_iter().map(|(seq, opening)| opening.to_row(seq)).collect();
    let [begin, between, end] = SIDECAR_FRAME;
    format!("{begin}{}{end}", rows.join(between))
}

/// Reads a `sidecar.json`: rising numbers, at most [`OPENINGS_MAX`]. The JSON is as strict as that of a payload, or readers
/// would open one commitment with two texts; so is that of each text.
pub fn read_sidecar(text: &str) -> Result<Vec<(u64, Disclosure)>, Refusal> {
    let expected = "at most 65536 openings {seq, salt, text}, rising";
    let refused = || Refusal::Field { field: "openings", expected };
    let whole = Members::read_file(text.as_bytes()).map_err(|_| refused())?;
    whole.version()?;
    if whole.range("openings").is_none() {
        return Err(Refusal::Missing { field: "openings" });
    }
    let rows = whole.items("openings", OPENINGS_MAX).ok_or_else(refused)?;
    if rows.len() > OPENINGS_MAX {
        return Err(refused());
    }
    let mut openings: Vec<(u64, Disclosure)> = Vec::with_capacity(rows.len());
    for row in rows {
        let row = Members::read_file(row.as_bytes()).map_err(|_| refused())?;
        let last = openings.last().map_or(0, |(last, _)| *last);
        let seq = row.count("seq")?;
        if seq <= last {
            return Err(refused());
        }
        openings.push((seq, Disclosure::read(&row)?));
    }
    Ok(openings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Disclosure {
        Disclosure { salt: *b"0123456789abcdef", text: r#"{"by":"Zo\u00eb"}"#.into() }
    }

    #[test]
    fn a_commitment_is_the_hash_of_salt_and_text() {
        // printf '0123456789abcdef{"by":"guard"}' | openssl sha256 -binary | basenc --base64url
        let guard = Disclosure { text: r#"{"by":"guard"}"#.into(), ..opening() };
        assert_eq!(base64url(&guard.commitment()), "OpLqfIljejZipPD1vRQ5mKWqZCtWzJ3ovXN1cd2jLeM");
        assert!(guard.opens(&guard.commitment()));
        assert!(!guard.opens(&opening().commitment()));
    }

    #[test]
    fn an_opening_is_read_back_from_its_line_and_from_a_sidecar() {
        let line = opening().to_line(7);
        assert!(line.starts_with('{'));
        assert_eq!(Disclosure::from_line(&line).unwrap(), (7, opening()));
        let text = sidecar([(7, &opening()), (9, &opening())]);
        assert_eq!(read_sidecar(&text).unwrap(), [(7, opening()), (9, opening())]);
        assert!(read_sidecar(&sidecar([(9, &opening()), (7, &opening())])).is_err());
    }

    #[test]
    fn a_sidecar_that_two_readers_could_read_two_ways_is_refused() {
        let good = sidecar([(7, &opening())]);
        for (from, to) in [
            (r#""v":1"#, r#""v":1,"v":1"#),
            (r#""v":1"#, r#""v":1.0"#),
            (r#""v":1"#, r#""v":1,"of":{"a":1,"\u0061":2}"#),
            (r#""seq":7"#, r#""seq":6,"seq":7"#),
            (r#""seq":7"#, r#""seq":7e0"#),
            (r#""text""#, r#""text":"{}","text""#),
            (r#""openings""#, r#""openings":[],"openings""#),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good);
            assert_eq!(read_sidecar(&changed).unwrap_err().reason(), "field", "{changed}");
        }
        assert_eq!(read_sidecar(&good.replacen(r#""v":1"#, r#""v":1,"of":[{}]"#, 1)).unwrap(), [(7, opening())]);
    }

    #[test]
    fn what_is_said_is_a_json_object_and_is_never_printed() {
        let said = PersonalText::of(&[("by", "Zoë"), ("note", "\"1\"")]).unwrap();
        assert_eq!(said.as_str(), r#"{"by":"Zoë","note":"\"1\""}"#);
        assert_eq!(said.salted(*b"0123456789abcdef").text, said.as_str());
        assert!(!format!("{:?}", Personal::Said(said)).contains("Zo"));
        assert_eq!(PersonalText::of(&[("note", &"x".repeat(PERSONAL_MAX))]), None);
    }

    #[test]
    fn a_short_salt_and_a_long_text_are_refused() {
        assert!(Disclosure::from_line(r#"{"pii":7,"salt":"AA","text":"{}"}"#).is_err());
        let of = |bytes: usize| Disclosure { text: format!(r#"{{"by":"{}"}}"#, "x".repeat(bytes - 9)), ..opening() };
        assert_eq!(Disclosure::from_line(&of(PERSONAL_MAX).to_line(7)).unwrap().1.text.len(), PERSONAL_MAX);
        assert!(Disclosure::from_line(&of(PERSONAL_MAX + 1).to_line(7)).is_err());
    }

    #[test]
    fn a_text_that_two_readers_could_read_two_ways_opens_nothing() {
        for text in [
            "",
            "[]",
            "{no json",
            "{} {}",
            r#"{"by":1,"by":2}"#,
            r#"{"by":1.5}"#,
            r#"{"by":"\ud800"}"#,
            "{\"by\":\"\0\"}",
            r#"{"a":{"b":{"c":{"d":[]}}}}"#,
        ] {
            let wrong = Disclosure { text: text.into(), ..opening() };
            assert_eq!(read_sidecar(&sidecar([(7, &wrong)])).unwrap_err().reason(), "field", "{text}");
            assert_eq!(Disclosure::from_line(&wrong.to_line(7)).unwrap_err().reason(), "field", "{text}");
        }
    }
}
