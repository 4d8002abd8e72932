//! Text of somebody else that a person is shown before he decides: nothing in it may change what he sees around it.

/// First and last of characters that are not seen, or that change the place or direction of others: controls, the soft
/// hyphen, marks and overrides of direction, joiners and other zero-width characters, separators of lines, tags.
const UNSEEN: [(char, char); 12] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e007f}'),
];

/// Whether every character of a text is seen as itself.
pub fn is_plain(text: &str) -> bool {
    !text.contains(is_unseen)
}

/// A text with a question mark for every character that is not seen as itself.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { '?' } else { c }).collect()
}

fn is_unseen(c: char) -> bool {
    UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_as_itself_is_found_and_shown_as_a_question_mark() {
        for text in ["Jürg \"J\" Ømund", "警备 7", "שלום", "e\u{301}"] {
            assert!(is_plain(text), "{text}");
            assert_eq!(plain(text), text);
        }
        for c in ['\u{1b}', '\n', '\u{9b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{e0041}'] {
            let text = format!("box{c}7");
            assert!(!is_plain(&text), "{c:?}");
            assert_eq!(plain(&text), "box?7");
        }
    }
}
