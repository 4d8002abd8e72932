//! The last records at a start: what is good, what is set aside, how the last run ended.

use super::at_rest::{Line, numbered};
use super::damage::Damage;
use super::openings::Rows;
use super::store::Store;
use super::{Credentials, Fault, salvage};
use picket_record::chain::{Closed, Epochs, Found, Head, Parsed, TailState, verify};
use picket_record::encode::Link;
use picket_record::refusal::Refusal;
use serde_json::json;

/// Records at the end that are verified at every start: more than an append of many messages holds. One message may
/// make a longer one (1,024); the log of SQLite holds that whole or not at all, and its last records are verified.
pub(super) const TAIL: u64 = 300;

/// Verifies the last records, link by link and signature by signature. What follows the last good one is set aside; a
/// damaged one before it stays where it is and is told: numbers that were sent must never be given again.
pub(super) fn check_tail(store: &Store, credentials: &Credentials, damage: &mut Damage) -> Result<Head, Fault> {
    loop {
        super::openings::mend(store, credentials, Rows::Newest, damage)?;
        let last: Option<u64> =
            store.row("SELECT max(seq) FROM record", [], "cannot read the head", |row| row.get(0))?.flatten();
        let Some(last) = last else { return Ok(Head::genesis(credentials.acceptance)) };
        // Where not one record of a window is good, it is set aside, and the one before is looked at.
        if let Some(head) = check_window(store, credentials, last, damage)? {
            return Ok(head);
        }
    }
}

/// Checks the last records up to `last`; the last good one.
fn check_window(
    store: &Store,
    credentials: &Credentials,
    last: u64,
    damage: &mut Damage,
) -> Result<Option<Head>, Fault> {
    let lines: Vec<(u64, Vec<u8>)> = store.rows(
        "SELECT seq, line FROM record WHERE seq > ?1 ORDER BY seq",
        [last.saturating_sub(TAIL)],
        "cannot read the tail",
        numbered,
    )?;
    let mut epochs = known_epochs(store, credentials)?;
    let mut head: Option<Head> = None;
    let mut before: Option<Head> = None;
    let mut bad: Vec<(u64, String)> = Vec::new();
    for (seq, line) in &lines {
        match tail_step(*seq, line, before, &mut epochs, credentials) {
            Ok(next) => {
                head = Some(next);
                before = head;
            }
            Err(cause) => {
                before = None;
                bad.push((*seq, cause));
            }
        }
    }
    let good_to = head.map_or(0, |head| head.seq);
    for (seq, cause) in bad.iter().filter(|(seq, _)| *seq < good_to) {
        damage.push(json!({ "what": "record", "seq": seq, "cause": cause }));
    }
    if let Some((from, cause)) = bad.iter().find(|(seq, _)| *seq > good_to) {
        damage.push(json!({ "what": "tail", "from": from, "to": last, "cause": cause }));
        set_tail_aside(store, *from, cause, damage)?;
    }
    Ok(head)
}

fn tail_step(
    seq: u64,
    line: &[u8],
    before: Option<Head>,
    epochs: &mut Epochs,
    credentials: &Credentials,
) -> Result<Head, String> {
    let record = Parsed::read_bytes(line).map_err(|refusal| refusal.to_string())?;
    if record.seq != seq {
        return Err(format!("row {seq} holds record {}", record.seq));
    }
    let expected = if seq == 1 { Some((0, credentials.acceptance)) } else { before.map(|head| (head.seq, head.link)) };
    // Behind a receipt it follows what the central side has, and not what lies before it here.
    let behind_receipt = record.tail_state().is_some_and(TailState::leaves_a_branch);
    if let Some((before, link)) = expected.filter(|_| !behind_receipt) {
        if before + 1 != seq || record.prev != link {
            return Err(format!("record {seq} does not follow record {before}"));
        }
    }
    match verify(&record, epochs) {
        Ok(Some(opened)) => epochs.restore(opened.ep(), opened.key().clone()),
        Ok(None) => {}
        // The opening of an older epoch was disposed of: the links to what follows tell damage as well as a signature.
        Err(Refusal::UnknownEpoch { ep }) if epochs.iter().next().is_some_and(|(oldest, _)| ep < oldest) => {}
        Err(refusal) => return Err(refusal.to_string()),
    }
    Ok(Head::after(&record))
}

/// Keys of the epochs that the tail may belong to, from their own `epoch.open` records.
pub(super) fn known_epochs(store: &Store, credentials: &Credentials) -> Result<Epochs, Fault> {
    let mut epochs = credentials.epochs();
    let lines: Vec<Line> = store.rows(
        "SELECT line FROM (SELECT ep, seq FROM epoch ORDER BY ep DESC LIMIT ?1) JOIN record USING(seq) ORDER BY ep",
        [TAIL],
        "cannot read the epochs",
        |row| row.get(0),
    )?;
    for Line(line) in lines {
        let opened = Parsed::read_bytes(&line).ok().and_then(|record| verify(&record, &epochs).ok().flatten());
        if let Some(opened) = opened {
            epochs.restore(opened.ep(), opened.key().clone());
        }
    }
    Ok(epochs)
}

/// Lines that the quarantine keeps, the first of each tail and the newest tails: enough to see what happened, and 6 MiB at most of the budget.
const QUARANTINE_MAX: u64 = 512;

/// What cannot be built upon goes to the quarantine, from a number on. How much it was, the finding says: it is noted with
/// all that was found, until a record tells of it.
pub(super) fn set_tail_aside(store: &Store, from: u64, cause: &str, damage: &Damage) -> Result<(), Fault> {
    store.transaction(|| {
        salvage::note(store, damage)?;
        store.run(
            "INSERT INTO quarantine(seq, line, why) SELECT seq, coalesce(CAST(line AS BLOB), x''), ?2 FROM record
             WHERE seq >= ?1 ORDER BY seq LIMIT ?3",
            (from, cause, QUARANTINE_MAX),
            "cannot set the tail aside",
        )?;
        let sql = "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?1";
        store.run(sql, [QUARANTINE_MAX], "cannot bound the quarantine")?;
        store.run("DELETE FROM epoch WHERE seq >= ?1", [from], "cannot set the tail aside")?;
        store.run("DELETE FROM urgent WHERE seq >= ?1", [from], "cannot set the tail aside")?;
        super::lost::forget_declared(store)?;
        super::summaries::unmark(store, from)?;
        super::personal::forget(store, (from, i64::MAX as u64))?;
        store.run("DELETE FROM record WHERE seq >= ?1", [from], "cannot set the tail aside")
    })?;
    Ok(())
}

/// Link of a line that reads.
pub(super) fn link_of(line: &[u8]) -> Option<Link> {
    Parsed::read_bytes(line).ok().map(|record| record.link)
}

/// How the last run ended, and behind what the next epoch opens.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) state: TailState,
    pub(super) head: Head,
    /// The last record that is there, where the head is not.
    pub(super) found: Option<Found>,
}

/// How the last run ended. A close that names the key of the next epoch was stored together with the opening: where that
/// one is gone, its number was used, and only the epoch after it may open.
pub(super) fn tail_state(store: &Store, head: Head, damage: &mut Damage) -> Result<Tail, Fault> {
    if head.seq == 0 {
        let state = if damage.is_empty() { TailState::Genesis } else { TailState::Reset };
        return Ok(Tail { state, head, found: None });
    }
    match closed(store, head.seq)? {
        Some(closed) if closed.names_a_key() => {
            let gone = head.seq + 1;
            damage.push(json!({ "what": "lost", "from": gone, "to": gone }));
            let found = Some(Found { seq: head.seq, link: head.link });
            let head = Head { ep: head.ep + 1, seq: gone, link: head.link };
            Ok(Tail { state: TailState::Crash, head, found })
        }
        Some(_) => Ok(Tail { state: TailState::Clean, head, found: None }),
        None => Ok(Tail { state: TailState::Crash, head, found: None }),
    }
}

/// How a record closes its epoch: as the last one, it says that the stop was in order.
pub(super) fn closed(store: &Store, seq: u64) -> Result<Option<Closed>, Fault> {
    let line = store.line(seq)?;
    Ok(line.as_deref().and_then(|line| Parsed::read_bytes(line).ok()).and_then(|record| Closed::by(&record)))
}
