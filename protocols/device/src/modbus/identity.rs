//! Who a device says it is, from its identity registers.

use super::Answer;
use crate::profile::{Identity, IdentityCoding, IdentityField, IdentityPoint};

/// Joins the answers of the entries; an entry without an answer, or with one that tells nothing, leaves its field empty.
pub(super) fn join(entries: &[IdentityPoint], answers: &[Option<Answer>]) -> Identity {
    let mut identity = Identity::default();
    for (entry, answer) in entries.iter().zip(answers) {
        let Some(Answer::Words(words)) = answer else { continue };
        if words.len() != usize::from(entry.count) {
            continue;
        }
        let field = match entry.field {
            IdentityField::Make => &mut identity.make,
            IdentityField::Model => &mut identity.model,
            IdentityField::Serial => &mut identity.serial,
            IdentityField::Firmware => &mut identity.firmware,
        };
        *field = field.take().or_else(|| text(entry.coding, words));
    }
    identity
}

/// Registers that are all zero or all ones were never written: they tell nothing.
fn text(coding: IdentityCoding, words: &[u16]) -> Option<String> {
    if words.iter().all(|word| *word == 0) || words.iter().all(|word| *word == u16::MAX) {
        return None;
    }
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    let text = match coding {
        IdentityCoding::Ascii => ascii(bytes),
        IdentityCoding::Hex => words.iter().map(|word| format!("{word:04X}")).collect(),
        IdentityCoding::DottedBytes => dotted(bytes.collect()),
    };
    (!text.is_empty()).then_some(text)
}

fn ascii(bytes: impl Iterator<Item = u8>) -> String {
    let text: String = bytes.filter(|byte| (0x20..0x7F).contains(byte)).map(char::from).collect();
    text.trim().to_owned()
}

fn dotted(mut bytes: Vec<u8>) -> String {
    while bytes.len() > 3 && bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Table;
    use proptest::prelude::*;

    fn told(coding: IdentityCoding, words: &[u16]) -> Option<String> {
        let count = u16::try_from(words.len()).unwrap();
        let entry = IdentityPoint {
            field: IdentityField::Serial,
            table: Table::InputRegister,
            address: 5024,
            count,
            coding,
            page: String::new(),
        };
        join(&[entry], &[Some(Answer::Words(words.to_vec()))]).serial
    }

    #[test]
    fn a_mac_address_is_twelve_upper_case_digits() {
        // The example of the ioLogik E1200 manual: 00:90:E8:3E:18:CC.
        assert_eq!(told(IdentityCoding::Hex, &[0x0090, 0xE83E, 0x18CC]).as_deref(), Some("0090E83E18CC"));
    }

    #[test]
    fn a_firmware_version_is_its_bytes_with_dots() {
        // The example of the ioLogik E1200 manual: V1.2.3.
        assert_eq!(told(IdentityCoding::DottedBytes, &[0x0102, 0x0300]).as_deref(), Some("1.2.3"));
        assert_eq!(told(IdentityCoding::DottedBytes, &[0x0300, 0x0000]).as_deref(), Some("3.0.0"));
        assert_eq!(told(IdentityCoding::DottedBytes, &[0x0102, 0x0304]).as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn a_model_name_loses_its_padding_and_control_characters() {
        let padded = [0x4531, 0x3231, 0x3020, 0x0000, 0x0A00];
        assert_eq!(told(IdentityCoding::Ascii, &padded).as_deref(), Some("E1210"));
        assert_eq!(told(IdentityCoding::Ascii, &[0x0045, 0x0031]).as_deref(), Some("E1"));
    }

    #[test]
    fn registers_that_were_never_written_tell_nothing() {
        for coding in [IdentityCoding::Ascii, IdentityCoding::Hex, IdentityCoding::DottedBytes] {
            assert_eq!(told(coding, &[0, 0, 0]), None);
            assert_eq!(told(coding, &[0xFFFF, 0xFFFF, 0xFFFF]), None);
        }
    }

    proptest! {
        #[test]
        fn any_registers_give_a_clean_short_text(words in prop::collection::vec(any::<u16>(), 0..=125)) {
            for coding in [IdentityCoding::Ascii, IdentityCoding::Hex, IdentityCoding::DottedBytes] {
                if let Some(text) = told(coding, &words) {
                    prop_assert!(!text.is_empty() && text.len() <= 1000);
                    prop_assert!(text.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
                }
            }
        }
    }
}
