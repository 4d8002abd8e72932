//! The oracle: a folder as a fault left it, opened with the product's own journal, against what was told outside.

use crate::book::Book;
use crate::scene::{self, DATABASE};
use picket::journal::{Journal, told};
use picket_core::memory::{Change, Stated, changes};
use picket_core::time::Chance;
use picket_core::wire::Recovered;
use picket_record::chain::{Closed, Epochs, Head, OpenedEpoch, Parsed, Verdict, verify};
use picket_record::encode::Link;
use picket_record::kind::Kind;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Later than anything the writer says.
const LATER_US: u64 = 1 << 50;
/// A start verifies the last 300 records: in a shorter journal it finds every damaged one.
const VERIFIED_AT_START: usize = 290;

/// What a fault may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Nothing: what was told is there, and no damage is stated.
    Nothing,
    /// Damage that is stated, as long as what was told is there.
    Stated,
    /// Records may be damaged or gone, as long as that is stated; none may be another one.
    Loss,
}

/// A checker remembers which lines were verified: the states of one history share most of them.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    verified: HashMap<Vec<u8>, Option<OpenedEpoch>>,
}

/// What was found, for the tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Records that the recovered journal holds.
    pub(crate) records: u64,
    /// Told records that were disposed of.
    pub(crate) disposed: u64,
    /// Journals that stated damage.
    pub(crate) stated: u64,
    /// Lines that are there and do not verify.
    pub(crate) damaged: u64,
    /// Told records that are gone.
    pub(crate) gone: u64,
}

impl Found {
    /// Sums up.
    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.disposed += other.disposed;
        self.stated += other.stated;
        self.damaged += other.damaged;
        self.gone += other.gone;
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        let Self { records, disposed, stated, damaged, gone } = self;
        format!(
            "{records} records there, {disposed} disposed of, {gone} gone, {damaged} damaged; damage stated {stated} times"
        )
    }
}

struct Walk {
    links: BTreeMap<u64, Link>,
    rows: BTreeMap<String, (String, u64)>,
    /// Ranges that a record says were disposed of.
    disposed: Vec<(u64, u64)>,
    /// What `journal.recovered` said was found.
    found: Vec<Value>,
    damaged: Vec<String>,
    /// How many commit to what stands beside them.
    committed: u64,
    /// Those whose signature was verified.
    verified: BTreeSet<u64>,
    /// Number of the newest `epoch.open`: what was told from there on belongs to a tail that is gone.
    opened: u64,
}

impl Checker {
    /// Opens, reads, appends, opens again: each time everything told must be there.
    pub(crate) fn check(&mut self, folder: &Path, budget: u64, book: &Book, allowed: Allowed) -> Result<Found, String> {
        if let Some(seq) = book.forked {
            return Err(format!("number {seq} was told twice with two links"));
        }
        let mut book = book.clone();
        let (mut first, mut known) = (None, 0);
        for turn in 0..2 {
            let seed = 0xC0FFEE + turn + ((book.records.len() as u64) << 20);
            let opened = scene::open(folder, budget, seed, LATER_US + turn);
            let (mut journal, recovered) = opened.map_err(|fault| format!("it does not open: {}", told(&fault)))?;
            let mut walk = self.walk(&lines(&journal, 0)?);
            // What was stated once is stated; only the first open may find anything.
            let stated = walk.found.len();
            walk.found.drain(..known.min(stated));
            known = stated;
            let found =
                compare(&walk, &book, &recovered, allowed, turn).map_err(|why| format!("open {}: {why}", turn + 1))?;
            let beside = journal.personal_in(&[(1, LATER_US)]).map_err(|fault| format!("reading: {}", told(&fault)))?;
            if beside != walk.committed && allowed != Allowed::Loss {
                let committed = walk.committed;
                return Err(format!("{committed} records commit to a text and {beside} texts are there"));
            }
            if turn > 0 && found.gone > 0 {
                return Err(format!("{} records went between two starts in order", found.gone));
            }
            first.get_or_insert(found);
            // What was lost stays lost: from here on everything must be whole.
            if allowed == Allowed::Loss {
                book.records = walk.links.clone();
            } else {
                walk.links.iter().for_each(|(seq, link)| book.told(*seq, *link));
            }
            go_on(&mut journal, &mut book, turn)?;
        }
        let verdict = Connection::open(folder.join(DATABASE)).and_then(|db| {
            let look = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0));
            Ok((look("PRAGMA integrity_check")?, look("SELECT count(*) || '' FROM record")?))
        });
        match verdict {
            Ok((verdict, _)) if verdict == "ok" => Ok(first.unwrap_or_default()),
            Ok((verdict, _)) => Err(format!("integrity_check: {verdict}")),
            Err(error) => Err(format!("integrity_check: {error}")),
        }
    }

    fn walk(&mut self, lines: &[Vec<u8>]) -> Walk {
        let mut walk = Walk {
            links: BTreeMap::new(),
            rows: BTreeMap::new(),
            disposed: Vec::new(),
            found: Vec::new(),
            damaged: Vec::new(),
            committed: 0,
            verified: BTreeSet::new(),
            opened: 0,
        };
        let origin = scene::origin();
        let mut epochs = Epochs::new(origin.gw, scene::identity()).at_site(origin.site);
        let mut before: Option<(Head, Option<Closed>)> = None;
        for line in lines {
            let step = self.step(line, &mut epochs, before, &mut walk);
            match step {
                Ok(next) => before = Some(next),
                Err(why) => {
                    walk.damaged.push(why);
                    before = None;
                }
            }
        }
        walk
    }

    fn step(
        &mut self,
        line: &[u8],
        epochs: &mut Epochs,
        before: Option<(Head, Option<Closed>)>,
        walk: &mut Walk,
    ) -> Result<(Head, Option<Closed>), String> {
        let record = Parsed::read_bytes(line).map_err(|refusal| format!("a line is unreadable: {refusal}"))?;
        let seq = record.seq;
        let opened = match self.verified.get(line) {
            Some(opened) => opened.clone(),
            // The opening of an epoch that is partly disposed of is gone; the links hold its rest.
            None if record.kind != Kind::EpochOpen && epochs.iter().next().is_none() => None,
            None => {
                let opened = verify(&record, epochs).map_err(|refusal| format!("record {seq}: {refusal}"))?;
                self.verified.insert(line.to_owned(), opened.clone());
                opened
            }
        };
        if self.verified.contains_key(line) {
            walk.verified.insert(seq);
        }
        if let Some(opened) = opened {
            epochs.admit(&opened).map_err(|refusal| format!("record {seq}: {refusal}"))?;
        }
        if let Some((head, closed)) = before {
            let verdict = head.place_after(closed.as_ref(), &record, |_| None);
            if verdict != Verdict::Next {
                walk.damaged.push(format!("record {seq} after record {}: {verdict:?}", head.seq));
            }
        }
        walk.links.insert(seq, record.link);
        walk.committed += u64::from(record.personal.is_some());
        if record.kind == Kind::EpochOpen {
            walk.opened = seq;
        }
        let data = record.data();
        let number = |field: &str| data.get(field).and_then(Value::as_u64);
        match record.kind {
            Kind::RecordsDisposed => walk.disposed.extend(number("from").zip(number("to"))),
            Kind::JournalRecovered => {
                let found = data.get("found").and_then(Value::as_array).cloned().unwrap_or_default();
                for one in &found {
                    if one["what"] == "disposed" {
                        walk.disposed.extend(one["from"].as_u64().zip(one["to"].as_u64()));
                    }
                }
                walk.found.extend(found);
            }
            _ => {}
        }
        fold(&mut walk.rows, &record, &data);
        Ok((Head::after(&record), Closed::by(&record)))
    }
}

/// The rows as the records state them.
fn fold(rows: &mut BTreeMap<String, (String, u64)>, record: &Parsed<'_>, data: &serde_json::Map<String, Value>) {
    let Ok(Value::Object(payload)) = serde_json::from_str::<Value>(record.payload()) else { return };
    let Some(stated) = Stated::read(&payload, data) else { return };
    for change in changes(stated) {
        match change {
            Change::Put { key, body } => drop(rows.insert(key, (body, record.seq))),
            Change::Again(row) => drop(rows.insert(row.key, (row.body, row.seq))),
            Change::Drop { key } => drop(rows.remove(&key)),
            Change::Clear => rows.clear(),
        }
    }
}

/// Lines that lie behind this number.
fn lines(journal: &Journal, mut after: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::new();
    while let Some((last, text)) = journal.slice(after).map_err(|fault| format!("reading: {}", told(&fault)))? {
        all.extend(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        after = last;
    }
    Ok(all)
}

fn compare(walk: &Walk, book: &Book, recovered: &Recovered, allowed: Allowed, turn: u64) -> Result<Found, String> {
    let told_of_damage = walk.found.iter().any(|one| one["what"] != "disposed" && one["what"] != "reopened");
    if let Some(why) = walk.damaged.first().filter(|_| allowed != Allowed::Loss) {
        return Err(format!("the chain does not verify: {why}"));
    }
    if allowed == Allowed::Nothing && told_of_damage && !book.records.is_empty() {
        return Err(format!("damage is stated: {:?}", walk.found));
    }
    let first = walk.links.first_key_value().map_or(0, |(seq, _)| *seq);
    // The statement about the oldest ones may be disposed of in its turn; the newest one reaches to the first kept.
    let disposed = |seq: &u64| {
        let oldest = *seq < first && walk.disposed.iter().any(|(_, to)| to + 1 == first);
        *seq <= book.receipted && (oldest || walk.disposed.iter().any(|(from, to)| (*from..=*to).contains(seq)))
    };
    let (mut gone, mut away) = (0, 0);
    for (seq, link) in &book.records {
        match walk.links.get(seq) {
            Some(found) if found == link => {}
            Some(_) if allowed == Allowed::Loss && *seq >= walk.opened => gone += 1,
            // Without its epoch's opening a record is held by its link alone, and that is broken.
            Some(_) if allowed == Allowed::Loss && !walk.verified.contains(seq) && !walk.damaged.is_empty() => {}
            Some(_) => return Err(format!("record {seq} is there and is another one than was told")),
            None if disposed(seq) => away += 1,
            None => {
                gone += 1;
                if allowed != Allowed::Loss {
                    let last = walk.links.last_key_value().map_or(0, |(seq, _)| *seq);
                    return Err(format!(
                        "record {seq} was told and is gone; told up to {}, the journal ends at {last}, receipt up to {}",
                        book.last(),
                        book.receipted
                    ));
                }
            }
        }
    }
    let damaged = walk.damaged.len() as u64;
    if (gone > 0 || damaged > 0) && !told_of_damage {
        // A line that does not verify shows itself to whoever verifies; what is gone must be stated, or leave a hole.
        let hole = walk.links.keys().zip(walk.links.keys().skip(1)).any(|(a, b)| a + 1 != *b);
        // The end of an epoch that nobody closed is lost, and its next opening says so.
        if gone > 0 && damaged == 0 && !hole && recovered.tail != "crash" {
            return Err(format!("{gone} records are gone and nothing states it"));
        }
    }
    if damaged > 0 && !told_of_damage && allowed == Allowed::Loss && turn == 0 && walk.links.len() < VERIFIED_AT_START {
        return Err(format!("damage is not stated: {:?}", walk.damaged));
    }
    let rows: BTreeMap<String, (String, u64)> =
        recovered.rows.iter().map(|row| (row.key.clone(), (row.body.clone(), row.seq))).collect();
    if rows != walk.rows && damaged == 0 && gone == 0 {
        return Err(format!("the rows are not the fold of the records: {rows:?} instead of {:?}", walk.rows));
    }
    Ok(Found { records: walk.links.len() as u64, disposed: away, stated: u64::from(told_of_damage), damaged, gone })
}

/// The recovered journal takes records, and tells them.
fn go_on(journal: &mut Journal, book: &mut Book, turn: u64) -> Result<(), String> {
    let mut chance = Chance::new(turn);
    let last = book.last();
    let bodies = [scene::small(LATER_US + turn, &mut chance), scene::large(LATER_US + turn, &mut chance)];
    match journal.append(&bodies) {
        Ok(_) | Err(picket::journal::Fault::Full { .. }) => {}
        Err(fault) => return Err(format!("it takes no record: {}", told(&fault))),
    }
    // By where they lie: a damaged line may say any number.
    for line in lines(journal, last)? {
        if let Ok(record) = Parsed::read_bytes(&line) {
            book.told(record.seq, record.link);
        }
    }
    Ok(())
}
