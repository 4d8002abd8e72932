//! Rows of `token`, `ordered` and `commanded`: what was given out, and what waits for a gateway.

use picket_record::encode::{Link, Name};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

/// An order as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// Its version.
    pub ver: u64,
    /// Its link.
    pub link: Link,
    /// The signed line.
    pub line: String,
    /// Text of the register that it names.
    pub register: Option<String>,
}

/// A command as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    /// Its number.
    pub n: u64,
    /// The signed line.
    pub line: String,
    /// When it was made, in milliseconds since 1970 UTC.
    pub made_ms: i64,
}

/// A token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The site that it is for.
    pub site: String,
    /// The gateway that it is for.
    pub gw: String,
    /// When it ends, in milliseconds since 1970 UTC.
    pub exp_ms: i64,
    /// When it was used.
    pub used_ms: Option<i64>,
}

pub(crate) fn insert_token(db: &Connection, id: &[u8; 16], issued: &Issued) -> Result<()> {
    db.execute(
        "INSERT INTO token(id,site,gw,exp_ms) VALUES(?1,?2,?3,?4)",
        params![id, issued.site, issued.gw, issued.exp_ms],
    )?;
    Ok(())
}

pub(crate) fn token(db: &Connection, id: &[u8; 16]) -> Result<Option<Issued>> {
    db.prepare_cached("SELECT site,gw,exp_ms,used_ms FROM token WHERE id=?1")?
        .query_row([id], |row| {
            Ok(Issued { site: row.get(0)?, gw: row.get(1)?, exp_ms: row.get(2)?, used_ms: row.get(3)? })
        })
        .optional()
}

/// Uses a token up; whether it was there to be used.
pub(crate) fn use_token(db: &Connection, id: &[u8; 16], now_ms: i64) -> Result<bool> {
    Ok(db.execute("UPDATE token SET used_ms=?2 WHERE id=?1 AND used_ms IS NULL", params![id, now_ms])? == 1)
}

pub(crate) fn insert_order(db: &Connection, gw: &Name, order: &Ordered, by: &str, now_ms: i64) -> Result<()> {
    db.execute(
        "INSERT INTO ordered(gw,ver,link,line,register,approved_by,made_ms) VALUES(?1,?2,?3,?4,?5,?6,?7)",
        params![gw.as_str(), order.ver, order.link, order.line, order.register, by, now_ms],
    )?;
    Ok(())
}

/// The newest order for a gateway.
pub(crate) fn newest_order(db: &Connection, gw: &Name) -> Result<Option<Ordered>> {
    db.prepare_cached("SELECT ver,link,line,register FROM ordered WHERE gw=?1 ORDER BY ver DESC LIMIT 1")?
        .query_row([gw.as_str()], |row: &Row<'_>| {
            Ok(Ordered { ver: row.get(0)?, link: row.get(1)?, line: row.get(2)?, register: row.get(3)? })
        })
        .optional()
}

/// Version and link of the newest order for a gateway.
pub(crate) fn newest_mark(db: &Connection, gw: &Name) -> Result<Option<(u64, Link)>> {
    db.prepare_cached("SELECT ver,link FROM ordered WHERE gw=?1 ORDER BY ver DESC LIMIT 1")?
        .query_row([gw.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

pub(crate) fn insert_command(db: &Connection, gw: &Name, command: &Commanded, by: &str) -> Result<()> {
    db.execute(
        "INSERT INTO commanded(gw,n,line,approved_by,made_ms) VALUES(?1,?2,?3,?4,?5)",
        params![gw.as_str(), command.n, command.line, by, command.made_ms],
    )?;
    Ok(())
}

/// Commands to a gateway after a number that are not older than a moment, oldest first.
pub(crate) fn commands_after(db: &Connection, gw: &Name, n: u64, since_ms: i64) -> Result<Vec<Commanded>> {
    let mut statement = db.prepare_cached(
        "SELECT n,line,made_ms FROM commanded WHERE gw=?1 AND n>?2 AND made_ms>=?3 ORDER BY n LIMIT 8",
    )?;
    let rows = statement.query_map(params![gw.as_str(), n, since_ms], |row| {
        Ok(Commanded { n: row.get(0)?, line: row.get(1)?, made_ms: row.get(2)? })
    })?;
    rows.collect()
}

/// Number of the newest command to a gateway, 0 for none.
pub(crate) fn last_command(db: &Connection, gw: &Name) -> Result<u64> {
    db.prepare_cached("SELECT coalesce(max(n),0) FROM commanded WHERE gw=?1")?
        .query_row([gw.as_str()], |row| row.get(0))
}

/// Orders and commands of a gateway that a record of a drill is held against, the newest: a drill that is as old as
/// all of these is no longer known here.
const DRILLS_KNOWN: u64 = 4_096;

/// The newest orders to a gateway.
pub(crate) fn order_lines(db: &Connection, gw: &Name) -> Result<Vec<String>> {
    lines(db, "SELECT line FROM ordered WHERE gw=?1 ORDER BY ver DESC LIMIT ?2", gw)
}

/// The newest commands to a gateway.
pub(crate) fn command_lines(db: &Connection, gw: &Name) -> Result<Vec<String>> {
    lines(db, "SELECT line FROM commanded WHERE gw=?1 ORDER BY n DESC LIMIT ?2", gw)
}

fn lines(db: &Connection, sql: &str, gw: &Name) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), DRILLS_KNOWN], |row| row.get(0))?;
    rows.collect()
}
