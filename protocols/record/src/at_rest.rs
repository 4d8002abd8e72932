//! How a line lies on flash: its three parts without base64url, three quarters of the bytes.
//!
//! One byte with the length of the header, the header, the payload, the signature. The line comes back byte for byte:
//! strict base64url spells the same bytes in one way only, and what is spelt otherwise is not taken.

use crate::encode::base64url_onto;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// The bytes to store for a line; none where the line is not header, payload and signature in strict base64url, or its
/// header is longer than 255 bytes: such a line is stored as it is.
pub fn from_line(line: &str) -> Option<Vec<u8>> {
    let mut parts = line.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let mut bytes = Vec::with_capacity(line.len());
    bytes.push(0);
    // Refuses padding, and bits behind the last byte that are not zero.
    URL_SAFE_NO_PAD.decode_vec(header, &mut bytes).ok()?;
    bytes[0] = u8::try_from(bytes.len() - 1).ok()?;
    URL_SAFE_NO_PAD.decode_vec(payload, &mut bytes).ok()?;
    let signed = bytes.len();
    URL_SAFE_NO_PAD.decode_vec(signature, &mut bytes).ok()?;
    (bytes.len() - signed == SIGNATURE).then_some(bytes)
}

/// The line that [`from_line`] made these bytes of. Of other bytes, none or a line that does not verify.
pub fn to_line(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let (header, rest) = rest.split_at_checked(usize::from(*length))?;
    let (payload, signature) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE)?)?;
    let mut line = String::with_capacity(bytes.len() / 3 * 4 + 12);
    base64url_onto(header, &mut line);
    line.push('.');
    base64url_onto(payload, &mut line);
    line.push('.');
    base64url_onto(signature, &mut line);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = concat!(
        "eyJhIjoxfQ.eyJiIjoyfQ.",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );

    #[test]
    fn a_line_takes_the_bytes_of_its_parts_and_one() {
        let bytes = from_line(GOOD).unwrap();
        assert_eq!(&bytes[..15], b"\x07{\"a\":1}{\"b\":2}");
        assert_eq!(bytes[15..], [0; SIGNATURE]);
        assert_eq!(to_line(&bytes).unwrap(), GOOD);
    }

    #[test]
    fn what_has_a_second_spelling_is_not_taken() {
        let long_header = format!("{}.eyJiIjoyfQ.{}", "A".repeat(344), GOOD.rsplit('.').next().unwrap());
        for line in [
            "",
            "x",
            "a.b.c",
            &format!("{GOOD}."),
            &format!("{GOOD}=="),
            &GOOD.replace("fQ.eyJi", "fR.eyJi"),
            &format!("{}B", &GOOD[..GOOD.len() - 1]),
            &GOOD[..GOOD.len() - 4],
            &format!("{GOOD}AAAA"),
            &format!("{GOOD}\n"),
            &long_header,
        ] {
            assert_eq!(from_line(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_back_byte_for_byte(
            header in prop::collection::vec(any::<u8>(), 0..=255),
            payload in prop::collection::vec(any::<u8>(), 0..=700),
            signature in prop::collection::vec(any::<u8>(), SIGNATURE),
        ) {
            let line = [header, payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let bytes = from_line(&line).expect("strict base64url");
            prop_assert_eq!(to_line(&bytes).unwrap(), line);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(line) = to_line(&bytes) {
                prop_assert_eq!(from_line(&line).unwrap(), bytes);
            }
        }
    }
}
