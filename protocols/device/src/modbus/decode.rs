//! From the items of one answer to the observation of one point.

use super::{Answer, Read};
use crate::profile::{Coding, Point};
use crate::quantity::{Observation, Quality, Value};

enum Raw {
    Flag(bool),
    Integer(i64),
}

/// Unknown and bad where the answer does not hold the point.
pub(super) fn observe(point: &Point, read: Read, answer: &Answer) -> Observation {
    let (value, quality) = match raw(point, read, answer) {
        Some(Raw::Flag(flag)) => (Value::Bit(flag != point.inverted), Quality::Good),
        Some(Raw::Integer(mantissa)) => {
            (Value::Number { mantissa, exponent: point.exponent }, quality(point, mantissa))
        }
        None => (Value::Unknown, Quality::Bad),
    };
    Observation { point: point.name.clone(), value, quality }
}

fn quality(point: &Point, mantissa: i64) -> Quality {
    match point.range {
        Some((low, high)) if !(low..=high).contains(&mantissa) => Quality::Bad,
        Some(_) | None => Quality::Good,
    }
}

fn raw(point: &Point, read: Read, answer: &Answer) -> Option<Raw> {
    let at = usize::from(point.address.checked_sub(read.start)?);
    let count = usize::from(read.count);
    match answer {
        Answer::Bits(bits) if bits.len() == count && point.coding == Coding::Bit => {
            bits.get(at).map(|bit| Raw::Flag(*bit))
        }
        Answer::Words(words) if words.len() == count => from_words(point.coding, words.get(at..)?),
        Answer::Bits(_) | Answer::Words(_) => None,
    }
}

fn from_words(coding: Coding, words: &[u16]) -> Option<Raw> {
    let first = *words.first()?;
    let second = || words.get(1).copied();
    Some(match coding {
        Coding::Bit => return None,
        Coding::RegisterBit(bit) => Raw::Flag(first.checked_shr(u32::from(bit))? & 1 == 1),
        Coding::U16 => Raw::Integer(i64::from(first)),
        Coding::I16 => Raw::Integer(i64::from(i16::from_ne_bytes(first.to_ne_bytes()))),
        Coding::U32 => Raw::Integer(i64::from(joined(first, second()?))),
        Coding::U32LowFirst => Raw::Integer(i64::from(joined(second()?, first))),
        Coding::I32 => Raw::Integer(i64::from(signed(joined(first, second()?)))),
        Coding::I32LowFirst => Raw::Integer(i64::from(signed(joined(second()?, first)))),
    })
}

fn joined(high: u16, low: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

fn signed(bits: u32) -> i32 {
    i32::from_ne_bytes(bits.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Table;
    use crate::quantity::Signal;
    use proptest::prelude::*;

    fn point(table: Table, address: u16, coding: Coding) -> Point {
        Point {
            name: "p".to_owned(),
            table,
            address,
            coding,
            exponent: 0,
            unit: String::new(),
            range: None,
            signal: Some(Signal::Measured),
            inverted: false,
            page: String::new(),
        }
    }

    fn word_value(coding: Coding, words: &[u16]) -> Value {
        let read = Read { table: Table::InputRegister, start: 100, count: u16::try_from(words.len()).unwrap() };
        observe(&point(Table::InputRegister, 100, coding), read, &Answer::Words(words.to_vec())).value
    }

    fn number(mantissa: i64) -> Value {
        Value::Number { mantissa, exponent: 0 }
    }

    /// WAGO 750 couplers give these constants at 0x2000.. so that a client can test its word order.
    #[test]
    fn the_constants_of_a_wago_coupler_keep_their_sign_and_order() {
        assert_eq!(word_value(Coding::U16, &[0xAAAA]), number(43_690));
        assert_eq!(word_value(Coding::I16, &[0xFFFF]), number(-1));
        assert_eq!(word_value(Coding::I16, &[0x8000]), number(-32_768));
        assert_eq!(word_value(Coding::U32, &[0x1234, 0xAAAA]), number(0x1234_AAAA));
        assert_eq!(word_value(Coding::U32LowFirst, &[0x1234, 0xAAAA]), number(0xAAAA_1234));
        assert_eq!(word_value(Coding::I32, &[0x8000, 0x0000]), number(-2_147_483_648));
        assert_eq!(word_value(Coding::I32LowFirst, &[0xFFFF, 0x7FFF]), number(2_147_483_647));
    }

    #[test]
    fn one_bit_of_a_register_counts_from_the_least_significant() {
        assert_eq!(word_value(Coding::RegisterBit(0), &[0x0001]), Value::Bit(true));
        assert_eq!(word_value(Coding::RegisterBit(15), &[0x8000]), Value::Bit(true));
        assert_eq!(word_value(Coding::RegisterBit(14), &[0x8000]), Value::Bit(false));
    }

    #[test]
    fn an_inverted_contact_tells_the_opposite() {
        let mut contact = point(Table::DiscreteInput, 3, Coding::Bit);
        contact.inverted = true;
        let read = Read { table: Table::DiscreteInput, start: 2, count: 2 };
        let seen = observe(&contact, read, &Answer::Bits(vec![true, false]));
        assert_eq!((seen.value, seen.quality), (Value::Bit(true), Quality::Good));
    }

    #[test]
    fn a_number_outside_its_range_is_told_but_bad() {
        let mut reading = point(Table::HoldingRegister, 0, Coding::I16);
        reading.exponent = -1;
        reading.range = Some((-400, 850));
        let read = Read { table: Table::HoldingRegister, start: 0, count: 1 };
        let seen = |word| observe(&reading, read, &Answer::Words(vec![word]));
        assert_eq!(
            (seen(850).value, seen(850).quality),
            (Value::Number { mantissa: 850, exponent: -1 }, Quality::Good)
        );
        assert_eq!((seen(851).value, seen(851).quality), (Value::Number { mantissa: 851, exponent: -1 }, Quality::Bad));
    }

    #[test]
    fn an_answer_that_does_not_hold_the_point_is_unknown_and_bad() {
        let half = point(Table::InputRegister, 1, Coding::U32);
        let read = Read { table: Table::InputRegister, start: 0, count: 2 };
        for answer in [Answer::Words(vec![1, 2]), Answer::Words(vec![1, 2, 3]), Answer::Bits(vec![true, true])] {
            let seen = observe(&half, read, &answer);
            assert_eq!((seen.value, seen.quality), (Value::Unknown, Quality::Bad), "{answer:?}");
        }
    }

    fn any_coding() -> impl Strategy<Value = Coding> {
        prop_oneof![
            Just(Coding::Bit),
            any::<u8>().prop_map(Coding::RegisterBit),
            Just(Coding::U16),
            Just(Coding::I16),
            Just(Coding::U32),
            Just(Coding::U32LowFirst),
            Just(Coding::I32),
            Just(Coding::I32LowFirst),
        ]
    }

    proptest! {
        #[test]
        fn any_answer_gives_one_observation(
            coding in any_coding(),
            address: u16,
            start: u16,
            count: u16,
            words in prop::collection::vec(any::<u16>(), 0..4),
        ) {
            let read = Read { table: Table::InputRegister, start, count };
            let bits = words.iter().map(|word| word % 2 == 1).collect();
            let point = point(Table::InputRegister, address, coding);
            prop_assert_eq!(observe(&point, read, &Answer::Words(words)).point, "p");
            prop_assert_eq!(observe(&point, read, &Answer::Bits(bits)).point, "p");
        }
    }
}
