//! The strict reading of a payload: one object, integers only, no duplicate key, bounded depth and size.
//!
//! One pass over the text, no recursion past the depth limit. Yields the members of the object as slices of the text;
//! what is stored and forwarded stays the text as it was written.

use crate::encode::{Name, PAYLOAD_MAX, bytes32};
use crate::keys::PublicKey;
use crate::refusal::Refusal;
use crate::wall;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting, the payload itself counted as one.
pub const DEPTH_MAX: usize = 4;

/// Largest integer in size: what every JSON library keeps exactly (RFC 8259 section 6).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a payload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonRefusal {
    /// More than a payload may have.
    #[error("the payload has {bytes} bytes, more than the {PAYLOAD_MAX} that it may have")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the payload is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// First byte that is not.
        at: usize,
    },
    /// Not JSON, or not one object alone.
    #[error("the payload is not one JSON object: fault at byte {at}")]
    Syntax {
        /// Where reading stopped.
        at: usize,
    },
    /// Nested too deeply.
    #[error("the payload nests deeper than {DEPTH_MAX} levels at byte {at}")]
    TooDeep {
        /// The bracket too many.
        at: usize,
    },
    /// A fraction, an exponent, a minus zero or 2^53 and more.
    #[error("the number at byte {at} is not an integer below 2^53")]
    Number {
        /// Its first byte.
        at: usize,
    },
    /// Two members of one object have the same name.
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey {
        /// The first 80 characters.
        key: String,
    },
}

/// Keys, each with the place of its value in the text.
type Keyed<'a> = Vec<(Cow<'a, str>, Range<usize>)>;

/// The members of a payload, as written.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    text: &'a str,
    members: Keyed<'a>,
}

impl<'a> Members<'a> {
    /// Checks every rule for payloads.
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, JsonRefusal> {
        if payload.len() > PAYLOAD_MAX {
            return Err(JsonRefusal::TooLarge { bytes: payload.len() });
        }
        Self::read_file(payload)
    }

    /// Checks every rule for payloads but their size: of a text whose size the caller bounds.
    pub(crate) fn read_file(payload: &'a [u8]) -> Result<Self, JsonRefusal> {
        let text = std::str::from_utf8(payload).map_err(|e| JsonRefusal::NotUtf8 { at: e.valid_up_to() })?;
        let mut scan = Scan { text, bytes: payload, at: 0 };
        scan.space();
        if scan.peek() != Some(b'{') {
            return Err(scan.syntax());
        }
        let members = scan.object(1)?;
        scan.space();
        if scan.at != payload.len() {
            return Err(scan.syntax());
        }
        Ok(Self { text, members })
    }

    fn raw(&self, field: &str) -> Option<&'a str> {
        self.range(field).map(|range| &self.text[range])
    }

    /// Where the value of a member stands in the payload.
    pub(crate) fn range(&self, field: &str) -> Option<Range<usize>> {
        self.members.iter().find(|(key, _)| key == field).map(|(_, range)| range.clone())
    }

    /// A text, or `None` where the member is absent.
    pub(crate) fn maybe_text(&self, field: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => Ok(Some(unescape(inner, raw))),
            None => Err(Refusal::Field { field, expected: "a text" }),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, field: &'static str) -> Result<Cow<'a, str>, Refusal> {
        self.maybe_text(field)?.ok_or(Refusal::Missing { field })
    }

    /// An integer from zero, or `None` where the member is absent.
    pub(crate) fn maybe_count(&self, field: &'static str) -> Result<Option<u64>, Refusal> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let count = raw.parse().map_err(|_| Refusal::Field { field, expected: "an integer from zero" })?;
        Ok(Some(count))
    }

    /// An integer from zero that must be there.
    pub(crate) fn count(&self, field: &'static str) -> Result<u64, Refusal> {
        self.maybe_count(field)?.ok_or(Refusal::Missing { field })
    }

    /// Refuses every version but 1, which fixes algorithm, header and hash.
    pub(crate) fn version(&self) -> Result<(), Refusal> {
        match self.count("v")? {
            1 => Ok(()),
            found => Err(Refusal::Version { found }),
        }
    }

    /// A moment that must be there, in milliseconds since 1970 UTC.
    pub(crate) fn moment(&self, field: &'static str) -> Result<i64, Refusal> {
        let text = self.text(field)?;
        wall::from_text(&text).ok_or(Refusal::Field { field, expected: "a UTC time with milliseconds" })
    }

    /// A link or digest that must be there.
    pub(crate) fn link(&self, field: &'static str) -> Result<[u8; 32], Refusal> {
        bytes32(&self.text(field)?, field)
    }

    /// A name that must be there.
    pub(crate) fn name(&self, field: &'static str) -> Result<Name, Refusal> {
        Name::parse(&self.text(field)?)
    }

    /// A public key that must be there.
    pub(crate) fn key(&self, field: &'static str) -> Result<PublicKey, Refusal> {
        PublicKey::parse(&self.text(field)?)
    }

    /// Refuses a member that the list does not name, and one that does not stand in the order of the list. Members of the
    /// list may be absent here: reading them demands those that must be there.
    pub(crate) fn in_order(&self, fields: &[&str]) -> Result<(), Refusal> {
        let mut rest = fields.iter();
        match self.members.iter().find(|(key, _)| !rest.any(|field| key == field)) {
            Some((key, _)) => Err(Refusal::Place { field: key.chars().take(80).collect() }),
            None => Ok(()),
        }
    }

    /// Whether the member is there and null.
    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.raw(field) == Some("null")
    }

    /// Whether the member is there and an object.
    pub(crate) fn is_object(&self, field: &str) -> bool {
        self.raw(field).is_some_and(|raw| raw.starts_with('{'))
    }

    /// The values of a list, as written, `most` and one more at most; `None` where the member is no list.
    pub(crate) fn items(&self, field: &str, most: usize) -> Option<Vec<&'a str>> {
        let raw = self.raw(field).filter(|raw| raw.starts_with('['))?;
        let mut scan = Scan { text: raw, bytes: raw.as_bytes(), at: 0 };
        let mut items = Vec::new();
        scan.enter(b'[', 1).ok()?;
        let mut more = scan.peek() != Some(b']');
        while more && items.len() <= most {
            let from = scan.at;
            scan.value(2).ok()?;
            items.push(&raw[from..scan.at]);
            more = scan.more(b']').ok()?;
        }
        Some(items)
    }

    /// Any value, or `None` where the member is absent.
    pub(crate) fn value(&self, field: &str) -> Option<Value> {
        serde_json::from_str(self.raw(field)?).ok()
    }
}

fn unescape<'a>(inner: &'a str, quoted: &'a str) -> Cow<'a, str> {
    if inner.contains('\\') {
        Cow::Owned(serde_json::from_str(quoted).expect("the scan checked every escape"))
    } else {
        Cow::Borrowed(inner)
    }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn syntax(&self) -> JsonRefusal {
        JsonRefusal::Syntax { at: self.at }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), JsonRefusal> {
        if self.peek() != Some(byte) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), JsonRefusal> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonRefusal> {
        match self.peek() {
            Some(b'{') => self.object(depth).map(drop),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn enter(&mut self, bracket: u8, depth: usize) -> Result<(), JsonRefusal> {
        if depth > DEPTH_MAX {
            return Err(JsonRefusal::TooDeep { at: self.at });
        }
        self.take(bracket)?;
        self.space();
        Ok(())
    }

    /// After a value: true for a comma, false for the closing bracket.
    fn more(&mut self, bracket: u8) -> Result<bool, JsonRefusal> {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
            return Ok(true);
        }
        self.take(bracket).map(|()| false)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonRefusal> {
        self.enter(b'[', depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Keyed<'a>, JsonRefusal> {
        let mut members = Vec::new();
        self.enter(b'{', depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            let key = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            let from = self.at;
            self.value(depth + 1)?;
            members.push((key, from..self.at));
            if !self.more(b'}')? {
                break;
            }
        }
        no_duplicate(&members)?;
        Ok(members)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonRefusal> {
        let from = self.at;
        self.take(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.syntax()),
            }
        }
        self.at += 1;
        Ok(unescape(&self.text[from + 1..self.at - 1], &self.text[from..self.at]))
    }

    fn escape(&mut self) -> Result<(), JsonRefusal> {
        self.take(b'\\')?;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                // A high surrogate stands for a character only together with a low one.
                0xD800..=0xDBFF => {
                    self.take(b'\\')?;
                    if !(0xDC00..=0xDFFF).contains(&self.unit()?) {
                        return Err(self.syntax());
                    }
                }
                0xDC00..=0xDFFF => return Err(self.syntax()),
                _ => {}
            },
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, JsonRefusal> {
        self.take(b'u')?;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16)).ok_or_else(|| self.syntax())?;
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), JsonRefusal> {
        let from = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        let text = &self.text[from..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = digits.starts_with('0') && (digits.len() > 1 || text.starts_with('-'));
        match digits.parse::<u64>() {
            Ok(n) if plain && !leading_zero && n <= INTEGER_MAX => Ok(()),
            _ => Err(JsonRefusal::Number { at: from }),
        }
    }
}

fn no_duplicate(members: &Keyed<'_>) -> Result<(), JsonRefusal> {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(JsonRefusal::DuplicateKey { key: pair[0].chars().take(80).collect() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
