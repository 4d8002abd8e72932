//! `sidecar.json` from rows: within the size that a verifier reads as a whole; what does not fit is counted.

use picket_record::bundle::WHOLE_MAX;
use picket_record::personal::{OPENINGS_MAX, SIDECAR_FRAME};

/// A `sidecar.json` on its way, held as a whole: at most [`WHOLE_MAX`] bytes.
#[derive(Debug, Default)]
pub(super) struct Sidecar {
    text: Vec<u8>,
    rows: usize,
    /// Rows that did not fit. After the first nothing is added, so that what is left out is the end of the range.
    pub(super) beyond: u64,
}

impl Sidecar {
    /// Adds what is disclosed beside a record.
    pub(super) fn row(&mut self, row: &[u8]) {
        let [begin, between, end] = SIDECAR_FRAME;
        let before = if self.rows == 0 { begin } else { between };
        let bytes = self.text.len() + before.len() + row.len() + end.len();
        if self.beyond > 0 || self.rows == OPENINGS_MAX || bytes > WHOLE_MAX {
            self.beyond += 1;
            return;
        }
        self.text.extend_from_slice(before.as_bytes());
        self.text.extend_from_slice(row);
        self.rows += 1;
    }

    /// The file; none without a row.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        let [_, _, end] = SIDECAR_FRAME;
        (self.rows > 0).then(|| [self.text.as_slice(), end.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::personal::{Disclosure, read_sidecar};

    fn row(seq: u64, bytes: usize) -> Vec<u8> {
        Disclosure { salt: [7; 16], text: format!(r#"{{"by":"{}"}}"#, "x".repeat(bytes)) }.to_row(seq).into_bytes()
    }

    #[test]
    fn rows_make_one_document_that_a_verifier_reads() {
        let mut sidecar = Sidecar::default();
        assert_eq!(sidecar.text(), None, "nothing is disclosed");
        (1..=500).for_each(|seq| sidecar.row(&row(seq, 100)));
        let read = read_sidecar(&String::from_utf8(sidecar.text().unwrap()).unwrap()).unwrap();
        assert_eq!((read.len(), read[499].0, sidecar.beyond), (500, 500, 0));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_rest_is_whole() {
        let mut sidecar = Sidecar::default();
        let fit = WHOLE_MAX / row(1_000, 1_900).len();
        (1..=fit as u64 + 9).for_each(|seq| sidecar.row(&row(seq, 1_900)));
        sidecar.row(&row(9_999, 0));
        let text = sidecar.text().unwrap();
        assert!(text.len() <= WHOLE_MAX, "{}", text.len());
        let read = read_sidecar(&String::from_utf8(text).unwrap()).unwrap();
        assert_eq!(read.len() as u64 + sidecar.beyond, fit as u64 + 10);
        assert!(sidecar.beyond > 1, "the small row behind the first that did not fit is left out too");
    }
}
