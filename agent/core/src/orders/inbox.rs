//! What comes down in messages: lines of signed documents, and the parts of one text that an order names by its hash.
//!
//! **Parts.** A message of content type [`PART`] is one line `<sha256> <at> <of>` (the hash in base64url, place of the
//! first byte, size of the whole, decimal), LF, and bytes. Parts of one text come in order; a text that another one
//! follows is given up. At most [`REGISTER_MAX`] bytes are held.

use picket_record::encode::bytes32;
use picket_record::order::Register;
use picket_record::root::DOWN_LINES_MAX;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Lines, as records travel up.
const LINES: &str = "application/jose-lines";
/// A part of a text.
const PART: &str = "application/picket-part";
/// Most bytes of a register: about four thousand rows.
pub const REGISTER_MAX: usize = 1024 * 1024;
/// Longest first line of a part.
const HEAD_MAX: usize = 96;

/// What a message holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Downlink {
    /// Signed lines, not verified.
    Lines(String),
    /// A part of a text.
    Part(Part),
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    sha256: [u8; 32],
    at: usize,
    of: usize,
    bytes: Vec<u8>,
}

/// Reads a message by its content type.
pub fn read(content_type: Option<&str>, payload: Vec<u8>) -> Result<Downlink, String> {
    match content_type {
        Some(LINES) if payload.len() > DOWN_LINES_MAX => Err(format!("{} bytes of lines are too many", payload.len())),
        Some(LINES) => {
            let text = String::from_utf8(payload).map_err(|_| "lines that are not text".to_owned())?;
            Ok(Downlink::Lines(text.trim_end().to_owned()))
        }
        Some(PART) => part(payload).ok_or_else(|| "a part of a text that does not say which".to_owned()),
        Some(other) => Err(format!("content of type {:?}", other.chars().take(80).collect::<String>())),
        None => Err("content of no type".into()),
    }
}

fn part(mut payload: Vec<u8>) -> Option<Downlink> {
    let end = payload.iter().take(HEAD_MAX).position(|byte| *byte == b'\n')?;
    let bytes = payload.split_off(end + 1);
    let head = std::str::from_utf8(&payload[..end]).ok()?;
    let mut words = head.split(' ');
    let (sha256, at, of) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let whole = words.next().is_none() && of <= REGISTER_MAX && bytes.len() <= of;
    whole.then_some(Downlink::Part(Part { sha256: bytes32(sha256, "sha256").ok()?, at, of, bytes }))
}

/// The one text that is gathered.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    sha256: [u8; 32],
    of: usize,
    bytes: Vec<u8>,
}

impl Inbox {
    /// Takes a part; its first one gives up whatever was gathered of another text, but of the one that is waited for.
    pub(super) fn take(&mut self, part: Part, wanted: Option<[u8; 32]>) -> Result<(), String> {
        if wanted.is_some_and(|wanted| wanted != part.sha256) {
            return Err("a part of a text that no order names".into());
        }
        if part.at == 0 {
            *self = Self { sha256: part.sha256, of: part.of, bytes: Vec::new() };
        }
        let end = part.at.saturating_add(part.bytes.len());
        if part.sha256 == self.sha256 && self.bytes.get(part.at..end).is_some_and(|known| *known == part.bytes) {
            // A second delivery.
            return Ok(());
        }
        let follows = part.sha256 == self.sha256 && part.of == self.of && part.at == self.bytes.len();
        if !follows || self.bytes.len() + part.bytes.len() > self.of {
            return Err(format!("a part from byte {} that follows nothing", part.at));
        }
        self.bytes.extend_from_slice(&part.bytes);
        Ok(())
    }

    /// The text of a register, once all of it is there and is the one that is named.
    pub(super) fn whole(&self, wanted: &Register) -> Option<Arc<str>> {
        let complete = self.sha256 == wanted.sha256 && self.bytes.len() as u64 == wanted.bytes;
        let genuine = complete && Sha256::digest(&self.bytes)[..] == wanted.sha256;
        std::str::from_utf8(&self.bytes).ok().filter(|_| genuine).map(Arc::from)
    }
}
