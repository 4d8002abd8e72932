//! What a day starts with: keys, an acceptance that both sides know, a journal's place, a central store.

use super::run::MIDNIGHT_MS;
use picket::journal::{Credentials, Place};
use picket_central::ingest::Ingest;
use picket_central::store::{Accepted, Store};
use picket_core::plan::Plan;
use picket_record::acceptance::Acceptance;
use picket_record::encode::{Link, Name};
use picket_record::keys::{AcceptKey, IdentityKey, ReceiptKey};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

pub(crate) const IDENTITY: [u8; 32] = [1; 32];

/// A journal that holds the day; every other day one that does not, and must dispose of what has a receipt.
pub(crate) fn place(folder: &Path, seed: u64) -> Place {
    let unused = folder.join("unused");
    Place {
        file: folder.join("journal.db"),
        budget_bytes: if is_tight(seed) { 2_500_000 } else { 256 << 20 },
        retention_days: 30,
        identity: unused.clone(),
        acceptance: unused.clone(),
        accept_key: unused.clone(),
        root: unused,
    }
}

pub(crate) fn is_tight(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

fn accepted(plan: &Plan) -> (Acceptance, String, Link) {
    let name = |text: &str| Name::parse(text).expect("names of the shipped settings");
    let acceptance = Acceptance {
        sms: name("sms"),
        site: name(&plan.site),
        gw: name(&plan.gateway),
        identity: IdentityKey::from_seed(IDENTITY).public(),
        receipt_key: ReceiptKey::from_seed([2; 32]).public(),
        ts_ms: MIDNIGHT_MS,
        by: "simulation".into(),
    };
    let signed = acceptance.sign(&AcceptKey::from_seed([3; 32])).expect("an acceptance signs");
    (acceptance, signed.line, signed.link)
}

pub(crate) fn credentials(plan: &Plan) -> Credentials {
    let (acceptance, line, link) = accepted(plan);
    Credentials::new(IdentityKey::from_seed(IDENTITY), acceptance, link, line, None)
}

pub(crate) fn central(folder: &Path, plan: &Plan) -> Ingest {
    let (acceptance, line, link) = accepted(plan);
    let path = central_file(folder);
    let mut store = Store::open(&path).expect("a central store");
    let row = Accepted { site: acceptance.site, gw: acceptance.gw, identity: acceptance.identity, link };
    store.accept(&line, &row).expect("an acceptance is stored");
    drop(store);
    Ingest::open(&path, acceptance.sms, ReceiptKey::from_seed([2; 32])).expect("an ingest")
}

fn central_file(folder: &Path) -> PathBuf {
    folder.join("central.db")
}

/// The store of the central side, by SQL.
pub(crate) fn central_db(folder: &Path) -> Connection {
    Connection::open(central_file(folder)).expect("the central store opens")
}
