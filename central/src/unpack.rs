//! From a message to its lines: content type, inflation with a limit, splitting.

use bytes::Bytes;
use std::io::Read as _;
use std::ops::Range;

/// Lines as they are.
pub const PLAIN: &str = "application/jose-lines";
/// Lines in the zlib format (RFC 1950).
pub const DEFLATED: &str = "application/jose-lines+deflate";
/// Largest batch once inflated: far above the 256 KiB of a gateway, and what one may cost in memory.
pub const INFLATED_MAX: usize = 8 * 1024 * 1024;

/// Why a message has no lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackRefusal {
    /// Another content type.
    #[error("the content type {found:?} is not known")]
    ContentType {
        /// The first 80 characters.
        found: String,
    },
    /// Not zlib, or damaged.
    #[error("the message is not in the zlib format")]
    Zlib,
    /// Inflates beyond the limit.
    #[error("the message inflates to more than {INFLATED_MAX} bytes")]
    TooLarge,
}

/// The text of a message. A message without content type, as MQTT 3.1.1 sends it, is taken as plain lines.
pub fn text(content_type: Option<&str>, payload: &Bytes) -> Result<Bytes, UnpackRefusal> {
    match content_type {
        None | Some(PLAIN) if payload.len() > INFLATED_MAX => Err(UnpackRefusal::TooLarge),
        None | Some(PLAIN) => Ok(payload.clone()),
        Some(DEFLATED) => inflate(payload).map(Bytes::from),
        Some(other) => Err(UnpackRefusal::ContentType { found: other.chars().take(80).collect() }),
    }
}

/// Where the next lines of a text stand from `at` on, at most so many, without empty ones; moves `at` behind them.
pub fn next_lines(text: &[u8], at: &mut usize, limit: usize) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    while *at < text.len() && lines.len() < limit {
        let rest = &text[*at..];
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        if end > 0 {
            lines.push(*at..*at + end);
        }
        *at += end + 1;
    }
    lines
}

fn inflate(payload: &[u8]) -> Result<Vec<u8>, UnpackRefusal> {
    let mut text = Vec::with_capacity((payload.len() * 8).min(INFLATED_MAX));
    let limit = u64::try_from(INFLATED_MAX).expect("8 MiB fit") + 1;
    flate2::read::ZlibDecoder::new(payload).take(limit).read_to_end(&mut text).map_err(|_| UnpackRefusal::Zlib)?;
    if text.len() > INFLATED_MAX { Err(UnpackRefusal::TooLarge) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn deflate(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn both_content_types_give_the_same_lines() {
        // python3 -c 'import zlib; print(zlib.compress(b"a.b.c\nd.e.f\n").hex())'
        let packed = [
            0x78, 0x9c, 0x4b, 0xd4, 0x4b, 0xd2, 0x4b, 0xe6, 0x4a, 0xd1, 0x4b, 0xd5, 0x4b, 0xe3, 0x02, 0x00, 0x15, 0x94,
            0x03, 0x22,
        ];
        let text = text(Some(DEFLATED), &Bytes::copy_from_slice(&packed)).unwrap();
        let plain = super::text(Some(PLAIN), &Bytes::from_static(b"a.b.c\nd.e.f\n")).unwrap();
        assert_eq!(text, plain);
    }

    #[test]
    fn lines_are_taken_in_slices_without_empty_ones() {
        let (text, mut at) = (b"a\n\nb\nc", 0);
        assert_eq!(next_lines(text, &mut at, 2), [0..1, 3..4]);
        assert_eq!(next_lines(text, &mut at, 2).first(), Some(&(5..6)));
        assert!(next_lines(text, &mut at, 2).is_empty());
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = deflate(&vec![b'A'; INFLATED_MAX + 1]);
        assert!(bomb.len() < 100_000);
        assert_eq!(text(Some(DEFLATED), &bomb), Err(UnpackRefusal::TooLarge));
        assert_eq!(text(Some(DEFLATED), &deflate(&vec![b'A'; INFLATED_MAX])).unwrap().len(), INFLATED_MAX);
    }

    #[test]
    fn what_is_not_zlib_and_what_is_not_known_is_refused() {
        assert_eq!(text(Some(DEFLATED), &Bytes::from_static(b"a.b.c")), Err(UnpackRefusal::Zlib));
        assert_eq!(
            text(Some("text/plain"), &Bytes::new()),
            Err(UnpackRefusal::ContentType { found: "text/plain".into() })
        );
    }
}
