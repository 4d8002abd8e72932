//! Rows of `gateway`, `epoch` and `receipt`.

use super::rot::is_rot;
use picket_record::encode::{Link, Name};
use picket_record::keys::PublicKey;
use picket_record::receipt::State;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

/// Receipts kept for each gateway beside the newest of each day.
const RECEIPTS_KEPT: u64 = 1000;
const DAY_MS: i64 = 86_400_000;

/// An accepted gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its site.
    pub site: Name,
    /// Its name.
    pub gw: Name,
    /// Its identity.
    pub identity: PublicKey,
    /// Link of the acceptance.
    pub link: Link,
}

/// The newest receipt of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastReceipt {
    pub(crate) n: u64,
    pub(crate) line: String,
}

pub(crate) fn insert_accepted(db: &Connection, line: &str, accepted: &Accepted) -> Result<()> {
    db.execute(
        "INSERT INTO gateway(gw,site,identity,accepted_line,accepted_link) VALUES(?1,?2,?3,?4,?5)",
        params![accepted.gw.as_str(), accepted.site.as_str(), accepted.identity.bytes(), line, accepted.link],
    )?;
    Ok(())
}

/// The acceptance of a gateway with exactly these values.
pub(crate) fn accepted_line(db: &Connection, site: &Name, gw: &Name, identity: &PublicKey) -> Result<Option<String>> {
    db.query_row(
        "SELECT accepted_line FROM gateway WHERE gw=?1 AND site=?2 AND identity=?3",
        params![gw.as_str(), site.as_str(), identity.bytes()],
        |row| row.get(0),
    )
    .optional()
}

/// A gateway by name.
pub(crate) fn accepted(db: &Connection, gw: &str) -> Result<Option<Accepted>> {
    db.prepare_cached("SELECT gw,site,identity,accepted_link FROM gateway WHERE gw=?1")?
        .query_row([gw], read_accepted)
        .optional()
}

/// A gateway as the store gives it back, or its name and why its row cannot be read.
pub(crate) type Found = std::result::Result<Accepted, (String, String)>;

/// Every gateway.
pub(crate) fn all_accepted(db: &Connection) -> Result<Vec<Found>> {
    let mut statement = db.prepare("SELECT gw,site,identity,accepted_link FROM gateway ORDER BY gw")?;
    let rows = statement.query_map([], |row| match read_accepted(row) {
        Err(fault) if is_rot(&fault) => {
            let gw = row.get_ref(0)?.as_bytes().unwrap_or_default();
            Ok(Err((String::from_utf8_lossy(gw).into_owned(), format!("its acceptance: {fault}"))))
        }
        found => found.map(Ok),
    })?;
    rows.collect()
}

fn read_accepted(row: &Row<'_>) -> Result<Accepted> {
    Ok(Accepted { gw: name(row, 0)?, site: name(row, 1)?, identity: key(row, 2)?, link: row.get(3)? })
}

/// Keeps the key of an epoch that the chain has reached.
pub(crate) fn insert_epoch(db: &Connection, gw: &Name, ep: u64, key: &PublicKey, open_seq: u64) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO epoch(gw,ep,epk,open_seq) VALUES(?1,?2,?3,?4)")?.execute(params![
        gw.as_str(),
        ep,
        key.bytes(),
        open_seq
    ])?;
    Ok(())
}

/// An epoch as the store gives it back.
#[derive(Debug)]
pub(crate) struct KnownEpoch {
    pub(crate) ep: u64,
    /// The record that opens it.
    pub(crate) open_seq: u64,
    /// Its key, where that can be read.
    pub(crate) key: Option<PublicKey>,
}

/// Every epoch of a gateway that was opened up to this number.
pub(crate) fn epochs(db: &Connection, gw: &Name, upto: u64) -> Result<Vec<KnownEpoch>> {
    let sql = "SELECT ep,open_seq,epk FROM epoch WHERE gw=?1 AND open_seq<=?2 ORDER BY ep";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), upto], |row| {
        let key = match key(row, 2) {
            Err(fault) if is_rot(&fault) => None,
            key => Some(key?),
        };
        Ok(KnownEpoch { ep: row.get(0)?, open_seq: row.get(1)?, key })
    })?;
    rows.collect()
}

/// Keeps a receipt.
pub(crate) fn insert_receipt(
    db: &Connection,
    gw: &Name,
    (n, upto, state, ts_ms): (u64, u64, State, i64),
    line: &str,
) -> Result<()> {
    db.prepare_cached("INSERT INTO receipt(gw,n,upto,state,ts_ms,line) VALUES(?1,?2,?3,?4,?5,?6)")?
        .execute(params![gw.as_str(), n, upto, state.as_str(), ts_ms, line])?;
    Ok(())
}

/// Lets go of receipts before the last thousand that are not the newest of their day. Numbers may be left out, so that
/// rows are counted.
pub(crate) fn prune_receipts(db: &Connection, gw: &Name) -> Result<()> {
    let sql = "DELETE FROM receipt WHERE gw=?1
               AND n<=(SELECT n FROM receipt WHERE gw=?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)
               AND ts_ms/?3=(SELECT next.ts_ms/?3 FROM receipt next WHERE next.gw=?1 AND next.n>receipt.n
                             ORDER BY next.n LIMIT 1)";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), RECEIPTS_KEPT, DAY_MS])?;
    Ok(())
}

/// The newest receipt.
pub(crate) fn last_receipt(db: &Connection, gw: &Name) -> Result<Option<LastReceipt>> {
    db.prepare_cached("SELECT n,line FROM receipt WHERE gw=?1 ORDER BY n DESC LIMIT 1")?
        .query_row([gw.as_str()], |row| Ok(LastReceipt { n: row.get(0)?, line: row.get(1)? }))
        .optional()
}

fn name(row: &Row<'_>, column: usize) -> Result<Name> {
    let text: String = row.get(column)?;
    Name::parse(&text).map_err(|refusal| foreign(column, rusqlite::types::Type::Text, refusal))
}

fn key(row: &Row<'_>, column: usize) -> Result<PublicKey> {
    let bytes: [u8; 32] = row.get(column)?;
    PublicKey::accept(&bytes).map_err(|refusal| foreign(column, rusqlite::types::Type::Blob, refusal))
}

/// Somebody else wrote into the store.
fn foreign(
    column: usize,
    kind: rusqlite::types::Type,
    refusal: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(refusal))
}
