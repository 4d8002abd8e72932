//! What identifies a person in an act: kept beside the record, never in it.

use crate::fields::{Field, Reader};
use picket_record::personal::PersonalText;
use picket_record::shown;

/// Longest name and terminal, in characters: what the page takes.
const NAME: usize = 64;

/// What every form asks of the person who fills it in.
pub(crate) const FIELDS: [Field; 2] = [
    ("by", "who did it; kept beside the record and erasable"),
    ("note", "what there is to add; kept beside the record and erasable"),
];

/// Who fills in a form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Person {
    by: String,
    note: String,
}

impl Person {
    /// The fields of a form that are about its author.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let by = reader.needed("by", "name who did it: by=\"N. N.\"");
        let note = reader.text("note");
        if by.chars().count() > NAME || !shown::is_plain(by) {
            reader.fault("by", format!("longer than {NAME} characters, or with some that are not seen"), "shorten it");
        }
        if !shown::is_plain(note) {
            reader.fault("note", "with characters that are not seen", "leave them out");
        }
        Self { by: by.to_owned(), note: note.to_owned() }
    }

    /// As it is kept beside the record.
    pub(crate) fn text(&self) -> PersonalText {
        guard(&self.by, &self.note, "")
    }
}

/// A guard's name and words, and the address of the terminal, which leads to the person too. A note that does not fit
/// ends in `…` where it was cut; the page takes none that is so long.
pub(crate) fn guard(by: &str, note: &str, terminal: &str) -> PersonalText {
    let by: String = by.chars().take(NAME).collect();
    let terminal: String = terminal.chars().take(NAME).collect();
    let said = |note: &str| {
        let named = [("by", by.as_str()), ("note", note), ("terminal", terminal.as_str())];
        let named: Vec<_> = named.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        PersonalText::of(&named)
    };
    if let Some(whole) = said(note) {
        return whole;
    }
    let ends = note.char_indices().rev().map(|(at, _)| format!("{}…", &note[..at]));
    ends.filter_map(|cut| said(&cut)).next().expect("a name and a terminal of 64 characters fit by themselves")
}

/// The name in such a text.
pub(crate) fn name(text: &str) -> Option<String> {
    let said: serde_json::Value = serde_json::from_str(text).ok()?;
    said.get("by")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_note_that_does_not_fit_shows_where_it_was_cut() {
        let text = guard("Ana", &"🚨".repeat(600), "10.0.0.7");
        assert!(text.as_str().contains("🚨…"), "{}", text.as_str());
        assert_eq!(name(text.as_str()).as_deref(), Some("Ana"));
        assert_eq!(guard("Ana", "", "").as_str(), r#"{"by":"Ana"}"#);
    }

    proptest! {
        #[test]
        fn any_words_fit(by in ".{0,80}", note in "[\u{0}-\u{ff}🚨]{0,700}", terminal in ".{0,80}") {
            prop_assert!(guard(&by, &note, &terminal).as_str().len() <= picket_record::personal::PERSONAL_MAX);
        }
    }
}
