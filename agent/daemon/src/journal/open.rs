//! Opening: tail, state, a new epoch. Damage is set aside and told, never deleted, and never a crash loop.

use super::at_rest::Text;
use super::damage::Damage;
use super::first::{Begun, First};
use super::memory::StateCheck;
use super::own_words::own_words;
use super::receipts::Receipts;
use super::store::Store;
use super::tail::{check_tail, known_epochs};
use super::{Credentials, Entropy, Fault, Journal, Place, salvage};
use picket_core::sensitivity::Sensitivity;
use picket_core::wire::Recovered;
use picket_record::body::When;
use picket_record::chain::Head;
use picket_record::kind::{Kind, Severity};
use picket_record::order::Order;
use serde_json::json;

impl Journal {
    /// Opens the journal, puts right what a crash left, and opens an epoch.
    pub fn open(
        place: &Place,
        credentials: Credentials,
        mut entropy: Entropy,
        when: &When,
        version: &str,
    ) -> Result<(Self, Recovered), Fault> {
        let mut damage = Damage::new();
        let mut credentials = credentials;
        let mut ready = ready(place, &mut credentials, &mut damage)?;
        let mut first = First { place, credentials: &credentials, entropy: &mut entropy, when, version };
        let begun = match first.epoch(&ready, &mut damage) {
            Ok(begun) => begun,
            // A stop in order saves the check of the whole file: a damaged list of free pages shows here.
            Err(fault) => {
                let Some(cause) = salvage::damage_of(&fault) else { return Err(fault) };
                drop(ready);
                ready = exchanged(place, &mut credentials, &mut damage, &cause)?;
                let mut first = First { place, credentials: &credentials, entropy: &mut entropy, when, version };
                first.epoch(&ready, &mut damage)?
            }
        };
        let Begun { sealer, tail_state, behind, clock, when } = begun;
        let (Ready { store, head, receipts }, when) = (ready, &when);
        let declared = super::lost::declared_after(&store, receipts.upto())?;
        let mut journal = Self {
            declared_is_news: !declared.is_empty(),
            declared,
            commands: super::answered::Waiting::default(),
            store,
            credentials,
            sealer,
            closed: false,
            entropy,
            version: version.to_owned(),
            epoch_opened_us: when.mono_us,
            receipts,
            leaves: super::branch::Leaves::default(),
            // They may be on their way still, or with the central side and without an answer.
            handed: head.seq,
            retention: super::retention::Retention::of_settings(place.retention_days),
            sensitivity: Sensitivity::default(),
            told_of_rows: false,
            order_found: None,
            root_file: place.root.clone(),
        };
        let order = journal.recover_order(&mut damage);
        journal.first_words(when, behind.seq == 0, damage)?;
        let recovered = journal.recovered(tail_state.as_str(), order)?;
        Ok((journal, Recovered { clock, ..recovered }))
    }

    /// `log.genesis` in a new journal, `journal.recovered` where something was wrong.
    fn first_words(&mut self, when: &When, genesis: bool, mut damage: Damage) -> Result<(), Fault> {
        if genesis {
            self.commit(&[own_words(when, Kind::LogGenesis, Severity::Info, json!({ "layout": 1 }))])?;
        }
        if !damage.is_empty() {
            let head = self.sealer.head().seq;
            let from = (self.receipts.upto() + 1).max(head.saturating_sub(super::tail::TAIL));
            let lost = self.undeclared(self.unreadable(from, head, &mut { super::tail::TAIL })?)?;
            self.leave_out_declared(&mut damage)?;
            if !damage.is_empty() || !lost.is_empty() {
                tracing::warn!(faults = damage.len(), "the journal was damaged; what could not be kept is set aside");
                self.state_lost(&lost, damage, when)?;
            }
        }
        salvage::told(&self.store)
    }

    fn recovered(&self, tail: &str, order: Option<Order>) -> Result<Recovered, Fault> {
        let receipted = self.receipts.upto();
        let urgent = self.store.rows(
            "SELECT seq FROM (SELECT seq FROM urgent WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
            (receipted, picket_core::uplink::MAX_URGENT as u64),
            "cannot read the urgent records",
            |row| row.get(0),
        )?;
        let rows = super::memory::rows(&self.store)?;
        Ok(Recovered {
            head: self.sealer.head().seq,
            receipted,
            urgent,
            personal: super::personal::of_rows(&self.store, &rows)?,
            rows,
            fill_permille: self.store.fill_permille(),
            tail: tail.to_owned(),
            order,
            root: self.root_in_force(),
            branch: super::branch::untold_branch(&self.store)?,
            receipt: self.receipts.mark(),
            clock: None,
            anew: false,
        })
    }
}

/// A sound file, with its head and its receipts.
pub(super) struct Ready {
    pub(super) store: Store,
    pub(super) head: Head,
    pub(super) receipts: Receipts,
}

/// A sound file, or the new one that took the place of a damaged one.
fn ready(place: &Place, credentials: &mut Credentials, damage: &mut Damage) -> Result<Ready, Fault> {
    let log = super::log::damaged(&place.file)?;
    let store = salvage::open(&place.file, place.budget_bytes)?;
    if let Some(found) = log {
        let mut noted = salvage::untold(&store)?;
        noted.push(found);
        salvage::note(&store, &noted)?;
    }
    let fault = match checked(&store, credentials, damage) {
        Ok((head, receipts)) => return Ok(Ready { store, head, receipts }),
        Err(fault) => fault,
    };
    // A stop in order saves the check of the whole file: what it would have found shows here.
    let Some(cause) = salvage::damage_of(&fault) else { return Err(fault) };
    drop(store);
    exchanged(place, credentials, damage, &cause)
}

/// The new file that takes the place of a damaged one.
fn exchanged(place: &Place, credentials: &mut Credentials, damage: &mut Damage, cause: &str) -> Result<Ready, Fault> {
    damage.clear();
    let store = salvage::replace(&place.file, place.budget_bytes, cause)?;
    match checked(&store, credentials, damage) {
        Ok((head, receipts)) => Ok(Ready { store, head, receipts }),
        Err(fault) => {
            // Else each start that ends here left one more file.
            let bound = super::aside::bound(&store, &place.file, place.budget_bytes, damage);
            if let Err(fault) = bound {
                tracing::warn!(cause = super::told(&fault), "what was set aside is not held to its budget");
            }
            Err(fault)
        }
    }
}

fn checked(store: &Store, credentials: &mut Credentials, damage: &mut Damage) -> Result<(Head, Receipts), Fault> {
    of_their_types(store)?;
    damage.extend(salvage::untold(store)?);
    own(store, credentials, damage)?;
    // Documents come down once more; what watches equipment does not wait for them.
    if let Err(fault) = super::orders::recover_root(store, credentials) {
        tracing::warn!(cause = super::told(&fault), "the root document that was kept cannot be read");
    }
    let receipts = Receipts::load(store, credentials)?;
    let head = check_tail(store, credentials, damage)?;
    store.transaction(|| cut_behind(store, head.seq))?;
    StateCheck::run(store, head.seq, damage)?;
    small_tables(store)?;
    Ok((head, receipts))
}

/// What stands beside records that are gone goes: their numbers are given again.
fn cut_behind(store: &Store, head: u64) -> Result<(), Fault> {
    super::summaries::unmark(store, head + 1)?;
    super::personal::forget(store, (head + 1, i64::MAX.unsigned_abs()))?;
    super::lost::cut_behind(store, head)?;
    store.run("DELETE FROM urgent WHERE seq > ?1", [head], "cannot take back urgent marks").map(drop)
}

/// A start that does not check the whole file meets damage of what it needs here, where a new file can take its place.
fn small_tables(store: &Store) -> Result<(), Fault> {
    for newest in [
        "SELECT max(seq) FROM urgent",
        "SELECT max(n) FROM receipt",
        "SELECT max(told) FROM leaving",
        "SELECT max(pos) FROM branch_open",
        "SELECT max(first) FROM lost",
        "SELECT max(seq) FROM summary",
        "SELECT max(seq) FROM personal",
    ] {
        store.row(newest, [], "cannot read a table", |row| row.get::<_, Option<u64>>(0))?;
    }
    Ok(())
}

/// Numbers that are no numbers, and receipts and notes that are no texts, are damage here, where a new file without them can
/// take the place of this one. Whoever needs one later takes it for one that is not there.
fn of_their_types(store: &Store) -> Result<(), Fault> {
    let doing = "cannot read a table";
    let damaged = |table: &str| {
        let found = rusqlite::Error::InvalidColumnType(0, table.to_owned(), rusqlite::types::Type::Null);
        store.disk(doing, found)
    };
    for (table, columns) in [
        ("receipt", ["upto", "day"].as_slice()),
        ("leaving", &["base", "first", "kept", "last", "told"]),
        ("lost", &["last"]),
    ] {
        let wrong =
            columns.iter().map(|column| format!("typeof({column}) <> 'integer'")).collect::<Vec<_>>().join(" OR ");
        let sql = format!("SELECT 1 FROM {table} WHERE {wrong} LIMIT 1");
        if store.row(&sql, [], doing, |_| Ok(()))?.is_some() {
            return Err(damaged(table));
        }
    }
    for (table, sql) in [
        ("meta", "SELECT value FROM meta WHERE key NOT GLOB 'restored/*' LIMIT ?1"),
        ("receipt", "SELECT line FROM receipt ORDER BY n DESC LIMIT ?1"),
    ] {
        let texts: Vec<Text> = store.rows(sql, [super::receipts::LOAD_MAX], doing, |row| row.get(0))?;
        if texts.iter().any(|Text(text)| text.is_none()) {
            return Err(damaged(table));
        }
    }
    Ok(())
}

/// The journal belongs to one gateway and one identity for its whole life: under another key its records do not verify.
/// Where an opening of ours is in it, it is ours, whatever became of the note.
fn own(store: &Store, credentials: &Credentials, damage: &mut Damage) -> Result<(), Fault> {
    let origin = &credentials.origin;
    let names = format!("{}/{}", origin.site, origin.gw);
    let identity = credentials.identity.public().text();
    for (key, mine) in [("origin", names), ("identity", identity)] {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        let found: Option<Text> = store.row(sql, [key], "cannot read the owner", |row| row.get(0))?;
        match found.and_then(|Text(found)| found) {
            Some(found) if found != mine && known_epochs(store, credentials)?.iter().next().is_some() => {
                damage.push(json!({ "what": "owner", "cause": format!("it says {found}") }));
                store.transaction(|| {
                    salvage::note(store, damage)?;
                    let sql = "UPDATE meta SET value = ?2 WHERE key = ?1";
                    store.run(sql, [key, &mine], "cannot note the owner").map(drop)
                })?;
            }
            Some(found) if found != mine => {
                return Err(Fault::Refused(format!(
                    "journal {} belongs to {found}, the settings name {mine}; move it away to begin a new one",
                    store.file().display()
                )));
            }
            Some(_) => {}
            None => {
                let sql = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)";
                store.run(sql, [key, &mine], "cannot note the owner")?;
            }
        }
    }
    Ok(())
}
