//! How much a gateway has sent without a receipt, seen at the broker: mosquitto hands everything on in the order in
//! which it came, so nothing that a receipt allowed is seen before that receipt.

use std::collections::VecDeque;

/// Records of the backlog's lane without a receipt.
#[derive(Debug, Default)]
pub(crate) struct OpenWindow {
    /// Highest number seen.
    last: u64,
    /// Number and bytes of each line.
    open: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl OpenWindow {
    /// A batch was sent; what was sent before counts once.
    pub(crate) fn sent(&mut self, first: u64, text: &[u8]) {
        for (seq, line) in (first..).zip(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
            if seq > self.last {
                self.open.push_back((seq, line.len()));
                self.bytes += line.len();
                self.last = seq;
            }
        }
    }

    /// A receipt covers everything up to here.
    pub(crate) fn receipted(&mut self, upto: u64) {
        while let Some((_, bytes)) = self.open.front().copied().filter(|(seq, _)| *seq <= upto) {
            self.open.pop_front();
            self.bytes -= bytes;
        }
    }

    /// Records and bytes without a receipt.
    pub(crate) fn open(&self) -> (usize, usize) {
        (self.open.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_from_its_first_sending_to_its_receipt() {
        let mut window = OpenWindow::default();
        window.sent(1, b"aa\nbb\ncc\n");
        window.sent(2, b"bb\ncc\ndd\n");
        assert_eq!(window.open(), (4, 8));
        window.receipted(3);
        assert_eq!(window.open(), (1, 2));
        window.receipted(2);
        window.sent(1, b"aa");
        assert_eq!(window.open(), (1, 2));
    }
}
