//! A short name for any text: what does not fit is replaced, and then a hash tells it from others that look alike.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Digits of the hash.
const DIGITS: usize = 12;
/// Longest part of the text that is kept.
const KEPT: usize = 40;

/// A name of `[A-Za-z0-9._-]`, at most 40 bytes, for a text that is one; any other keeps what fits, `-` for the rest,
/// and ends in `:` and twelve digits of its SHA-256. At most 53 bytes. Two texts never share a name but by a hash that
/// is the same.
pub(crate) fn of(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // Every name begins with a character of the text, or with `-`.
    let mut name: String = text.chars().take(KEPT).map(|c| if fits(c) { c } else { '-' }).collect();
    if name == text && !name.is_empty() {
        return name;
    }
    if name.is_empty() {
        name.push('-');
    }
    name.push(':');
    for byte in Sha256::digest(text).iter().take(DIGITS / 2) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_text_is_its_own_name() {
        assert_eq!(of("cam-1"), "cam-1");
        assert_eq!(of(&"x".repeat(40)), "x".repeat(40));
    }

    /// The digits are those of `printf cam/1 | sha256sum`.
    #[test]
    fn what_lost_something_is_told_from_what_looks_alike() {
        assert_eq!(of("cam/1"), "cam-1:e77d7fc47632");
        assert_ne!(of("cam/1"), of("cam+1"));
        assert_ne!(of(&"x".repeat(41)), of(&"x".repeat(42)));
        assert_ne!(of(""), of("-"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_bounded_name_of_its_own(a in ".{0,80}", b in ".{0,80}") {
            prop_assert!((1..=53).contains(&of(&a).len()));
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
