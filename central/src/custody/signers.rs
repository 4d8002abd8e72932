//! The three keys that root documents name, and where each lies.

use super::{ACCEPT_KEY, ORDER_KEY, RECEIPT_KEY};
use picket_record::keys::{AcceptKey, OrderKey, PublicKey, ReceiptKey};
use picket_record::root::Root;

/// A key that root documents name.
pub(crate) struct Signer {
    pub(crate) file: &'static str,
    pub(super) what: &'static str,
    pub(super) named: fn(&Root) -> &PublicKey,
    pub(super) public: fn([u8; 32]) -> PublicKey,
}

/// For receipts, for acceptances, for orders.
pub(crate) const SIGNERS: [Signer; 3] = [
    Signer {
        file: RECEIPT_KEY,
        what: "receipt",
        named: |root| &root.receipt,
        public: |seed| ReceiptKey::from_seed(seed).public(),
    },
    Signer {
        file: ACCEPT_KEY,
        what: "accept",
        named: |root| &root.accept,
        public: |seed| AcceptKey::from_seed(seed).public(),
    },
    Signer {
        file: ORDER_KEY,
        what: "order",
        named: |root| &root.order,
        public: |seed| OrderKey::from_seed(seed).public(),
    },
];

/// Where a key lies that a version names, until that version is in force.
pub(crate) fn numbered(file: &str, ver: u64) -> String {
    format!("{file}.{ver}")
}
