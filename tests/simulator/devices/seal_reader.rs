//! A hand-held reader of seals and container numbers on a serial line: one scan, one line of bytes.

/// How the reader was set to frame its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// STX text ETX.
    StxEtx,
    /// AIM identifier, text, CR LF.
    AimCrLf,
}

/// One reader.
#[derive(Debug, Clone, Copy)]
pub struct SealReader {
    framing: Framing,
}

impl SealReader {
    /// A reader set so.
    pub fn new(framing: Framing) -> Self {
        Self { framing }
    }

    /// The bytes of one scan of a Code 128 label (`]C0` in ISO/IEC 15424).
    pub fn scan(&self, text: &str) -> Vec<u8> {
        match self.framing {
            Framing::StxEtx => [b"\x02", text.as_bytes(), b"\x03"].concat(),
            Framing::AimCrLf => [b"]C0", text.as_bytes(), b"\r\n"].concat(),
        }
    }
}
