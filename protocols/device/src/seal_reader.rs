//! Line-oriented seal and barcode readers: framing, AIM identifiers, block check.
//!
//! ```text
//! stx-etx   STX [AIM id] text [CR] [LF] ETX [BCC]
//! cr-lf     [STX] [AIM id] text (CR | LF)
//! ```
//!
//! The life of a frame: bytes before STX are noise; STX begins it, and begins it anew wherever it comes; its end gives
//! a scan or one fault; past [`MAX_FRAME`] bytes it is dropped and the next begin or end is waited for.

use serde::Deserialize;

/// Longest frame in bytes between start and end; more is noise and is dropped and counted.
pub const MAX_FRAME: usize = 512;

/// How a reader frames its lines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framing {
    /// `stx-etx` or `cr-lf` (CR, LF or both end a line).
    pub framing: FrameKind,
    /// A block check character (XOR of the bytes after STX up to and including ETX) follows ETX. Unconfirmed by a
    /// manual: compare with the reader's before relying on it.
    #[serde(default)]
    pub bcc: bool,
    /// An AIM identifier (`]C1` and so on) comes first and is cut off and told.
    #[serde(default)]
    pub aim: bool,
}

/// Where a frame begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameKind {
    /// STX 0x02 .. ETX 0x03.
    StxEtx,
    /// Ended by CR, LF or CR LF.
    CrLf,
}

/// One thing the reader said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The text read, without framing and AIM identifier; valid UTF-8, no control characters but GS (0x1D).
    pub text: String,
    /// AIM identifier such as `]C1`, where the reader sends it.
    pub aim: Option<String>,
    /// The raw frame as it stood on the wire, framing included: hashed into the record. Of a line that ends in CR LF
    /// it has the CR only: the scan is given before the LF comes.
    pub raw: Vec<u8>,
}

/// Why bytes were not a scan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanFault {
    /// More than [`MAX_FRAME`] bytes without an end.
    #[error("frame longer than {MAX_FRAME} bytes")]
    TooLong,
    /// The block check does not match.
    #[error("block check is {got:#04x}, should be {want:#04x}")]
    BlockCheck {
        /// Byte received.
        got: u8,
        /// Byte computed.
        want: u8,
    },
    /// Not UTF-8, control characters inside, nothing between start and end, or a new start before the end.
    #[error("unreadable characters in the frame, or none")]
    Unreadable,
    /// The AIM identifier is missing or malformed although the framing says it is sent.
    #[error("no AIM identifier at the start")]
    NoAim,
}

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const LF: u8 = 0x0A;
const CR: u8 = 0x0D;
/// FNC1 inside GS1 data is sent as GS (GS1 General Specifications, FNC1 as separator).
const GS: char = '\u{1D}';

/// Cuts a byte stream into scans. Holds at most [`MAX_FRAME`] bytes and the two of the framing. What it gives does not
/// depend on how the stream is cut into pieces.
#[derive(Debug, Clone)]
pub struct Framer {
    framing: Framing,
    stage: Stage,
    /// The frame so far, framing included; empty between frames.
    held: Vec<u8>,
    noise: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before a frame, or inside one that has begun to be held.
    Frame,
    /// After ETX, before the block check.
    BlockCheck,
    /// Inside a line that was too long.
    Overlong,
}

impl Framer {
    /// A framer with nothing held.
    pub fn new(framing: Framing) -> Self {
        Self { framing, stage: Stage::Frame, held: Vec::new(), noise: 0 }
    }

    /// Takes bytes as they come, in any pieces; gives what was completed by them, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Scan, ScanFault>> {
        let mut given = Vec::new();
        for byte in bytes {
            given.extend(match (self.stage, self.framing.framing) {
                (Stage::BlockCheck, _) => Some(self.check(*byte)),
                (Stage::Overlong, _) => {
                    self.skip(*byte);
                    None
                }
                (Stage::Frame, FrameKind::StxEtx) => self.take_framed(*byte),
                (Stage::Frame, FrameKind::CrLf) => self.take_line(*byte),
            });
        }
        given
    }

    /// Bytes dropped outside frames since the start, CR and LF between frames not counted: a worn cable or a wrong
    /// speed shows here.
    pub fn noise(&self) -> u64 {
        self.noise
    }

    fn take_framed(&mut self, byte: u8) -> Option<Result<Scan, ScanFault>> {
        match byte {
            STX => self.begin(),
            CR | LF if self.held.is_empty() => None,
            _ if self.held.is_empty() => {
                self.noise = self.noise.saturating_add(1);
                None
            }
            ETX => {
                self.held.push(byte);
                if !self.framing.bcc {
                    return Some(self.finish());
                }
                self.stage = Stage::BlockCheck;
                None
            }
            _ => self.hold(byte, Stage::Frame),
        }
    }

    fn take_line(&mut self, byte: u8) -> Option<Result<Scan, ScanFault>> {
        match byte {
            STX => self.begin(),
            CR | LF if self.held.is_empty() => None,
            CR | LF => {
                self.held.push(byte);
                Some(self.finish())
            }
            _ => self.hold(byte, Stage::Overlong),
        }
    }

    /// A start inside a frame is the next frame: the end of the one before was lost.
    fn begin(&mut self) -> Option<Result<Scan, ScanFault>> {
        let lost = !self.held.is_empty();
        self.stage = Stage::Frame;
        self.held.clear();
        self.held.push(STX);
        lost.then_some(Err(ScanFault::Unreadable))
    }

    fn hold(&mut self, byte: u8, when_too_long: Stage) -> Option<Result<Scan, ScanFault>> {
        let start = usize::from(self.held.first() == Some(&STX));
        if self.held.len() - start < MAX_FRAME {
            self.held.push(byte);
            return None;
        }
        self.held.clear();
        self.stage = when_too_long;
        Some(Err(ScanFault::TooLong))
    }

    fn skip(&mut self, byte: u8) {
        match byte {
            STX => {
                self.begin();
            }
            CR | LF => self.stage = Stage::Frame,
            _ => self.noise = self.noise.saturating_add(1),
        }
    }

    fn check(&mut self, got: u8) -> Result<Scan, ScanFault> {
        self.stage = Stage::Frame;
        let want = self.held.iter().skip(1).fold(0, |check, byte| check ^ byte);
        if got == want {
            self.held.push(got);
            return self.finish();
        }
        self.held.clear();
        if got == STX {
            self.begin();
        }
        Err(ScanFault::BlockCheck { got, want })
    }

    fn finish(&mut self) -> Result<Scan, ScanFault> {
        scan(&self.framing, std::mem::take(&mut self.held))
    }
}

fn scan(framing: &Framing, raw: Vec<u8>) -> Result<Scan, ScanFault> {
    let text = std::str::from_utf8(content(framing, &raw)).map_err(|_| ScanFault::Unreadable)?;
    let (aim, text) = if framing.aim { aim(text)? } else { (None, text) };
    if text.is_empty() || text.chars().any(|c| c.is_control() && c != GS) {
        return Err(ScanFault::Unreadable);
    }
    Ok(Scan { text: text.to_owned(), aim, raw })
}

/// What stands between the framing bytes.
fn content<'a>(framing: &Framing, raw: &'a [u8]) -> &'a [u8] {
    let end = match framing.framing {
        FrameKind::StxEtx => 1 + usize::from(framing.bcc),
        FrameKind::CrLf => 1,
    };
    let mut content = &raw[..raw.len().saturating_sub(end)];
    content = content.strip_prefix(&[STX]).unwrap_or(content);
    content = content.strip_suffix(&[LF]).unwrap_or(content);
    content.strip_suffix(&[CR]).unwrap_or(content)
}

/// `]`, a letter for the symbology, a modifier (ISO/IEC 15424).
fn aim(text: &str) -> Result<(Option<String>, &str), ScanFault> {
    match text.as_bytes() {
        [b']', letter, modifier, ..] if letter.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() => {
            let (id, rest) = text.split_at(3);
            Ok((Some(id.to_owned()), rest))
        }
        _ => Err(ScanFault::NoAim),
    }
}

#[cfg(test)]
mod tests;
