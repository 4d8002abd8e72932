//! Seal and container numbers.

/// A seal number as compared: upper case, blanks and hyphens cut. ISO 17712 has no global format or check digit.
pub fn normalise_seal(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).flat_map(char::to_uppercase).collect()
}

/// What a text is as a container number (ISO 6346).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// One, and its check digit is right.
    Right,
    /// One by its shape, but another digit belongs to it: misread, mistyped, or painted wrongly.
    WrongDigit {
        /// The digit that would be right, 0 to 9.
        should_be: u8,
    },
    /// None: another unit, a seal, or anything else.
    No,
}

/// Reads a text as a container number: three letters of the owner, one of U, J or Z, six digits, the check digit. Case,
/// blanks and hyphens do not count (`CSQU 305438-3`).
pub fn container(text: &str) -> Container {
    let number = normalise_seal(text);
    let Some((head, check)) = number.as_bytes().split_last_chunk::<1>().filter(|_| number.len() == 11) else {
        return Container::No;
    };
    // What upper case makes three letters of is none of them.
    if !text.is_ascii() {
        return Container::No;
    }
    let (owner, serial) = head.split_at(4);
    let well_formed = owner.iter().all(u8::is_ascii_uppercase)
        && matches!(owner[3], b'U' | b'J' | b'Z')
        && serial.iter().all(u8::is_ascii_digit)
        && check[0].is_ascii_digit();
    match (well_formed, check_digit(head)) {
        (false, _) => Container::No,
        (true, right) if right == check[0] - b'0' => Container::Right,
        (true, should_be) => Container::WrongDigit { should_be },
    }
}

/// True where the text is a container number with a right check digit.
pub fn is_container_number(text: &str) -> bool {
    container(text) == Container::Right
}

/// How strong a mechanical seal is (ISO 17712:2013, clause 4): each class resists what the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealClass {
    /// I: shows that it was opened.
    Indicative,
    /// S: resists for a while.
    Security,
    /// H: resists as long as its bolt or cable does.
    High,
}

impl SealClass {
    /// From the weakest.
    pub const ALL: [Self; 3] = [Self::Indicative, Self::Security, Self::High];

    /// The letter on the seal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Indicative => "I",
            Self::Security => "S",
            Self::High => "H",
        }
    }

    /// From the letter, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str().eq_ignore_ascii_case(text))
    }
}

/// ISO 6346, annex A: the sum of the values, each times two to the power of its place, modulo 11, a remainder of 10
/// counting as 0.
fn check_digit(head: &[u8]) -> u8 {
    let sum = head.iter().fold((0u32, 1u32), |(sum, weight), byte| (sum + value(*byte) * weight, weight * 2)).0;
    u8::try_from(sum % 11 % 10).expect("a remainder of ten is below 256")
}

/// ISO 6346, annex A: digits count as themselves, letters from A = 10 upwards leaving out 11, 22 and 33.
fn value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A' => 10,
        b'B'..=b'K' => u32::from(byte - b'B') + 12,
        b'L'..=b'U' => u32::from(byte - b'L') + 23,
        _ => u32::from(byte.saturating_sub(b'V')) + 34,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn container_numbers_with_a_right_check_digit_are_known() {
        for number in ["CSQU3054383", "MSKU9070323", "APZU4812090", "CSQU 305438-3", "msku907032-3"] {
            assert!(is_container_number(number), "{number}");
        }
    }

    #[test]
    fn every_wrong_check_digit_is_told_with_the_right_one() {
        for digit in "012456789".chars() {
            let number = format!("CSQU305438{digit}");
            assert_eq!(container(&number), Container::WrongDigit { should_be: 3 }, "{digit}");
            assert!(!is_container_number(&number), "{digit}");
        }
    }

    /// The remainder of CSQU305407 and of TRIU111111 is 10, computed apart from this code; that of APZU481209 is 0.
    #[test]
    fn a_remainder_of_ten_counts_as_zero() {
        for number in ["CSQU3054070", "TRIU1111110", "APZU4812090"] {
            assert_eq!(container(number), Container::Right, "{number}");
        }
        assert_eq!(container("CSQU3054071"), Container::WrongDigit { should_be: 0 });
    }

    #[test]
    fn a_class_is_read_from_its_letter_and_the_weaker_one_is_lower() {
        assert_eq!(["I", "s", "H"].map(SealClass::parse), SealClass::ALL.map(Some));
        assert!(SealClass::Indicative < SealClass::Security && SealClass::Security < SealClass::High);
        assert_eq!(["", "HS", "X"].map(SealClass::parse), [None; 3]);
    }

    #[test]
    fn two_digits_in_the_wrong_order_are_refused() {
        assert!(!is_container_number("CSQU3504383"));
    }

    #[test]
    fn what_has_another_shape_is_no_container_number() {
        for text in
            ["", "CSQU305438", "CSQU30543833", "CSQA3054383", "CS1U3054383", "CSQU30543X3", "ÄÖÜU305438", "ﬃU3054383"]
        {
            assert_eq!(container(text), Container::No, "{text}");
        }
    }

    #[test]
    fn a_seal_number_is_compared_without_blanks_hyphens_and_case() {
        assert_eq!(normalise_seal(" abc-123 456"), "ABC123456");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,20}") {
            container(&text);
        }
    }
}
