//! Rows of `left_out`: gateways whose rows can no longer be read, and that nothing is done for until somebody looked. One
//! rotten row never stops the others.

use rusqlite::{Connection, Error, Result, params};

/// Whether a fault is of what one row holds, and not of the store.
pub(super) fn is_rot(fault: &Error) -> bool {
    matches!(
        fault,
        Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
    )
}

/// A part of a transaction that is about one gateway. Where what it reads is rotten, nothing of this part was done, and
/// the reason is given.
pub(crate) fn alone<T>(db: &Connection, work: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, String>> {
    let step = |sql| db.prepare_cached(sql)?.execute([]).map(drop);
    step("SAVEPOINT one_gateway")?;
    let done = work();
    match done {
        Ok(done) => step("RELEASE one_gateway").map(|()| Ok(done)),
        Err(fault) if is_rot(&fault) => {
            step("ROLLBACK TO one_gateway")?;
            step("RELEASE one_gateway").map(|()| Err(fault.to_string()))
        }
        Err(fault) => Err(fault),
    }
}

/// Keeps that a gateway is left out, and why.
pub(crate) fn leave_out(db: &Connection, gw: &str, why: &str) -> Result<()> {
    tracing::error!(
        gw,
        why,
        "left out: what the store holds of this gateway cannot be read; restore it from a backup and restart"
    );
    db.prepare_cached("INSERT OR REPLACE INTO left_out(gw,why) VALUES(?1,?2)")?.execute(params![gw, why])?;
    Ok(())
}

/// Every gateway is tried once more.
pub(crate) fn try_again(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM left_out", []).map(drop)
}
