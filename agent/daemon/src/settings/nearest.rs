//! "Did you mean": the known word that a mistyped one is nearest to.

/// Words longer than this are no typing mistakes of ours.
const MAX_LETTERS: usize = 64;

/// The known word with the fewest letters wrong, missing, added or swapped: at most a third of them and at most three.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let letters = lowered(word);
    if letters.is_empty() || letters.len() > MAX_LETTERS {
        return None;
    }
    let most = (letters.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 4 * most)
        .map(|candidate| (distance(&letters, &lowered(candidate)), candidate))
        .filter(|(wrong, _)| *wrong <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// As a remedy: `did you mean x?`, else what is said instead.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>, otherwise: &str) -> String {
    nearest(word, known).map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
}

fn lowered(word: &str) -> Vec<char> {
    word.chars().take(MAX_LETTERS + 1).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment distance: like Levenshtein's, and a swap of neighbours counts one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (above[j - 1] + same).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let known = ["poll_ms", "patience_ms", "silence_s", "unit"];
        assert_eq!(nearest("pol_ms", known), Some("poll_ms"));
        assert_eq!(nearest("patinece_ms", known), Some("patience_ms"));
        assert_eq!(nearest("Silence-S", known), Some("silence_s"));
        assert_eq!(nearest("uint", known), Some("unit"));
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("colour", ["poll_ms", "unit"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), ["x"]), None);
    }
}
