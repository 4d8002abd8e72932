//! One cell of a foreign table as the register has it: formulas, dates, words and numbers that a spreadsheet has changed.

use super::dates::{self, DateOrder};
use super::mapping::Mapping;
use crate::settings::codes::Code;
use picket_core::register::EquipmentKind;

/// Why a cell cannot be taken.
#[derive(Debug)]
pub(super) struct Unclear {
    pub(super) code: Code,
    pub(super) cause: String,
    pub(super) remedy: String,
    /// Cells of one field and one group are told once, with their number.
    pub(super) group: Option<String>,
}

impl Unclear {
    /// Told for each cell.
    pub(super) fn one(code: Code, cause: impl Into<String>, remedy: &str) -> Self {
        Self { code, cause: cause.into(), remedy: remedy.to_owned(), group: None }
    }
}

/// The text of a field, or why it is unclear. `text` has no blanks around it.
pub(super) fn read(mapping: &Mapping, order: Option<DateOrder>, field: &str, text: &str) -> Result<String, Unclear> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if runs_as_formula(text) {
        let cause = format!("{} begins as a formula does", quoted(text));
        let remedy = "put the value there, not the formula; spreadsheets run what begins with = + - or @";
        return Err(Unclear::one(Code::Formula, cause, remedy));
    }
    if let Some(words) = mapping.words(field) {
        return word(words, field, text);
    }
    if is_date(field) {
        return dates::read(text, order);
    }
    if field.ends_with("_interval") && mapping.is_foreign() {
        return Ok(text.to_lowercase().replace("(s)", "s"));
    }
    if is_scientific(text) {
        let cause = format!("{} is a number that a spreadsheet has shortened", quoted(text));
        let remedy = "give the column the number format Text, and enter or import the number again";
        return Err(Unclear::one(Code::LostDigits, cause, remedy));
    }
    Ok(text.to_owned())
}

/// Whether a spreadsheet that opens an export would run it.
pub(super) fn runs_as_formula(text: &str) -> bool {
    text.len() > 1 && text.starts_with(['=', '+', '-', '@'])
}

/// Whether a field holds a day, or a moment.
pub(super) fn is_date(field: &str) -> bool {
    ["_last", "_due", "_until"].iter().any(|ending| field.ends_with(ending))
}

fn word(words: &[(String, String)], field: &str, text: &str) -> Result<String, Unclear> {
    let lower = text.to_lowercase();
    let known = words.iter().find(|(foreign, _)| *foreign == lower).map(|(_, ours)| ours.clone());
    let own = || EquipmentKind::ALL.iter().map(|(word, _)| *word).find(|word| field == "kind" && *word == lower);
    if let Some(found) = known.or_else(|| own().map(str::to_owned)) {
        return Ok(found);
    }
    let cause = format!("{} has no meaning for {field} yet", quoted(text));
    let example = match field {
        "kind" => "\"module\"",
        "withdrawn" => "\"\" where that is in use, else a tag and the reason",
        _ => "\"...\"",
    };
    let remedy = format!("add it to the file of --map: [words.{field}], {} = {example}", quoted(text));
    Err(Unclear { code: Code::ForeignWord, cause, remedy, group: Some(lower) })
}

/// A number as a spreadsheet shows one that is too long: `1.23457E+15`.
fn is_scientific(text: &str) -> bool {
    let Some((digits, power)) = text.split_once("E+") else { return false };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(power) && digits.split(['.', ',']).count() <= 2 && digits.split(['.', ',']).all(is_number)
}

/// As a message shows a cell: short, on one line.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(field: &str, text: &str) -> String {
        let mapping = Mapping::preset("gagetrak").expect("known");
        read(&mapping, None, field, text).expect_err(text).cause
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_refused_in_every_field() {
        for text in ["=1+1", "+49 40 1", "-2", "@SUM(A1)", "=cmd|' /C calc'!A0"] {
            assert!(refused("place", text).contains("begins as a formula"), "{text}");
        }
        let mapping = Mapping::preset("gagetrak").expect("known");
        assert_eq!(read(&mapping, None, "place", "-").ok().as_deref(), Some("-"));
    }

    #[test]
    fn a_number_without_its_digits_is_refused() {
        for text in ["1.23457E+15", "1,23457E+15", "9E+14"] {
            assert!(refused("serial", text).contains("shortened"), "{text}");
        }
        let mapping = Mapping::preset("gagetrak").expect("known");
        for text in ["QUINT4E+X", "E+12", "7E-3", "1.2.3E+4"] {
            assert_eq!(read(&mapping, None, "serial", text).ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_word_is_translated_or_asked_for_and_never_guessed() {
        let mapping = Mapping::preset("gagetrak").expect("known");
        assert_eq!(read(&mapping, None, "withdrawn", "1-Active").ok().as_deref(), Some(""));
        assert_eq!(read(&mapping, None, "kind", "Camera").ok().as_deref(), Some("camera"));
        assert!(refused("withdrawn", "2-Lost").contains("no meaning for withdrawn"));
        assert!(refused("kind", "Micrometer").contains("no meaning for kind"));
    }

    #[test]
    fn an_interval_of_two_columns_is_read_in_small_letters() {
        let mapping = Mapping::preset("gagetrak").expect("known");
        assert_eq!(read(&mapping, None, "calibration_interval", "12 Month(s)").ok().as_deref(), Some("12 months"));
    }
}
