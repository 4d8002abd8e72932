//! What `bench-sink` knows of the chain: only numbers, and the link of the last record of each batch. It believes both.

use picket_central::custody::Custody;
use picket_record::chain::Parsed;
use picket_record::encode::{Link, Name, from_base64url, line_link};
use picket_record::keys::ReceiptKey;
use picket_record::receipt::{Receipt, State};
use std::collections::BTreeMap;
use std::path::Path;

/// A receipt is due after so many records ...
const EVERY: u64 = 1_024;
/// ... or so long after the first that has none.
const AFTER_NS: u64 = 20_000_000;

/// A batch as far as its ends tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    /// Number of the first record.
    pub(crate) first: u64,
    /// Number of the last.
    pub(crate) last: u64,
    link: Link,
    ep: u64,
}

impl Batch {
    /// Reads the first and the last line; as many must stand between as their numbers say.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let read = |line| Parsed::read_bytes(line).map_err(|refusal| format!("not a record: {refusal}"));
        let (first, last) = (read(first)?, read(last)?);
        let count = 1 + lines.count() as u64;
        if last.seq + 1 != first.seq + count {
            return Err(format!("{count} lines from record {} to {}", first.seq, last.seq));
        }
        Ok(Self { first: first.seq, last: last.seq, link: last.link, ep: last.ep })
    }
}

/// The chain of one gateway, and its receipts.
#[derive(Debug)]
pub(crate) struct Chain {
    key: ReceiptKey,
    sms: Name,
    gw: Name,
    n: u64,
    prev: Link,
    /// Number, link and epoch of the last record without a hole before it.
    head: (u64, Link, u64),
    receipted: u64,
    /// When the first record without a receipt came.
    since: Option<u64>,
    /// Batches whose turn has not come, by their first record.
    ahead: BTreeMap<u64, Batch>,
}

impl Chain {
    /// Of a gateway that was accepted by this document, and of which nothing else is known.
    pub(crate) fn of(central: &Path, acceptance: &Path, gateway: &str) -> Result<Self, String> {
        let custody = Custody::at(central);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", central.display());
        let key = custody.receipt_key().map_err(|error| told(&error))?;
        let sms = custody.sms().map_err(|error| told(&error))?;
        let gw = Name::parse(gateway).map_err(|error| told(&error))?;
        let accepted = std::fs::read_to_string(acceptance).map_err(|error| told(&error))?;
        let prev = line_link(accepted.trim());
        let head = (0, prev, 0);
        Ok(Self { key, sms, gw, n: 0, prev, head, receipted: 0, since: None, ahead: BTreeMap::new() })
    }

    /// Takes a batch; one that came before, or before its turn, counts as often as it says something new.
    pub(crate) fn take(&mut self, batch: &Batch) {
        self.ahead.insert(batch.first, *batch);
        while let Some(next) = self.ahead.first_entry().filter(|next| *next.key() <= self.head.0 + 1) {
            let batch = next.remove();
            if batch.last > self.head.0 {
                self.head = (batch.last, batch.link, batch.ep);
                self.since = self.since.or_else(|| Some(crate::mono_ns()));
            }
        }
    }

    /// A gateway asks, and had that receipt before.
    pub(crate) fn asked(&mut self, n: u64) {
        self.n = self.n.max(n);
    }

    /// Up to here there is a receipt.
    pub(crate) fn receipted(&self) -> u64 {
        self.receipted
    }

    /// The receipt that is due, and up to where it says everything is stored.
    pub(crate) fn due(&mut self, now: u64, at_once: bool) -> Option<(String, u64)> {
        let late = self.since.is_some_and(|since| now.saturating_sub(since) >= AFTER_NS);
        if !(at_once || late || self.head.0 >= self.receipted + EVERY) {
            return None;
        }
        self.n += 1;
        let (upto, head, ep) = self.head;
        let ms = jiff::Timestamp::now().as_millisecond();
        let receipt = Receipt {
            sms: self.sms.clone(),
            gw: self.gw.clone(),
            n: self.n,
            prev: self.prev,
            upto,
            head,
            ep,
            received_ms: ms,
            ts_ms: ms,
            state: State::Ok,
            have: Vec::new(),
            resend: Vec::new(),
            rebase: None,
            register: None,
            settings: None,
        };
        let signed = receipt.sign(&self.key);
        (self.prev, self.receipted, self.since) = (signed.link, upto, None);
        Some((signed.line, upto))
    }
}

/// What a receipt that was heard says is stored; its signature is the gateway's to check.
pub(crate) fn upto(line: &[u8]) -> Option<u64> {
    let payload = std::str::from_utf8(line).ok()?.split('.').nth(1)?;
    let payload: serde_json::Value = serde_json::from_slice(&from_base64url(payload, "payload").ok()?).ok()?;
    payload["upto"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::keys::PublicKey;

    const MS: u64 = 1_000_000;

    fn chain() -> (Chain, PublicKey) {
        let key = ReceiptKey::from_seed([9; 32]);
        let public = key.public();
        let name = |text| Name::parse(text).expect("a name");
        let (prev, head) = ([0; 32], (0, [0; 32], 0));
        let (sms, gw) = (name("sms"), name("gw"));
        (Chain { key, sms, gw, n: 0, prev, head, receipted: 0, since: None, ahead: BTreeMap::new() }, public)
    }

    fn batch(first: u64, last: u64) -> Batch {
        Batch { first, last, link: [u8::try_from(last % 251).expect("below 251"); 32], ep: 1 }
    }

    #[test]
    fn a_receipt_is_due_after_so_many_records_so_much_time_or_an_ask() {
        let (mut chain, _) = chain();
        let now = crate::mono_ns();
        assert!(chain.due(now, false).is_none());
        assert_eq!(chain.due(now, true).expect("an ask").1, 0);
        chain.take(&batch(1, 1_023));
        assert!(chain.due(now, false).is_none());
        chain.take(&batch(1_024, 1_024));
        assert_eq!(chain.due(now, false).expect("so many").1, 1_024);
        chain.take(&batch(1_025, 1_025));
        let later = crate::mono_ns() + 20 * MS;
        assert_eq!(chain.due(later, false).expect("so late").1, 1_025);
        assert!(chain.due(later + 100 * MS, false).is_none());
    }

    #[test]
    fn nothing_behind_a_hole_is_receipted_and_a_gateway_takes_the_receipt() {
        let (mut chain, public) = chain();
        chain.asked(7);
        chain.take(&batch(1, 10));
        chain.take(&batch(21, 30));
        let (line, upto) = chain.due(0, true).expect("an ask");
        let (receipt, _) = Receipt::verify(&line, &public, &Name::parse("gw").expect("a name")).expect("its own key");
        assert_eq!((receipt.n, receipt.upto, receipt.head, upto), (8, 10, [10; 32], 10));
        assert_eq!(super::upto(line.as_bytes()), Some(10));
        chain.take(&batch(5, 20));
        assert_eq!(chain.due(0, true).expect("an ask").1, 30);
    }

    #[test]
    fn a_batch_that_is_no_record_is_refused() {
        assert!(Batch::read(b"").is_err());
        assert!(Batch::read(b"a.b.c\nd.e.f").is_err());
    }
}
