//! Reading what was left, for the uplink and for an export.

use super::Leaving;
use crate::journal::at_rest::Line;
use crate::journal::store::Store;
use crate::journal::{Fault, Journal};

const DOING: &str = "cannot read a branch";

impl Journal {
    /// Lines of what was left, behind a position, as many as fit a message; with the position of the last. In front of
    /// what begins a branch stands the opening that it is verified with, `each` time in front of what goes on with one.
    pub(in crate::journal) fn branch_lines(&self, after: u64, each: bool) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let mut after = after;
        while let Some(leaving) = next_leaving(&self.store, after)? {
            let from = leaving.base.max(after + 1);
            let mut text = Vec::new();
            let mut through = self.kept_lines(leaving, from, &mut text)?;
            if through.unwrap_or(from - 1) >= leaving.position(leaving.kept) || through.is_none() {
                through = self.moved_lines(leaving, from, &mut text)?.or(through);
            }
            let Some(through) = through else {
                after = leaving.end();
                continue;
            };
            if each || from == leaving.base {
                let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                if let Some(mut open) = self.opening_of(leaving, from)?.filter(|open| open != first) {
                    open.push(b'\n');
                    open.append(&mut text);
                    text = open;
                }
            }
            return Ok(Some((through, text)));
        }
        Ok(None)
    }

    /// Those that lie among the records still.
    fn kept_lines(&self, leaving: Leaving, from: u64, text: &mut Vec<u8>) -> Result<Option<u64>, Fault> {
        let (low, high) = (leaving.first + (from - leaving.base), leaving.kept.min(leaving.last));
        if low > high {
            return Ok(None);
        }
        let sql = "SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let through = self.store.take_lines(sql, (low, high), text, DOING)?;
        Ok(through.map(|seq| leaving.position(seq)))
    }

    fn moved_lines(&self, leaving: Leaving, from: u64, text: &mut Vec<u8>) -> Result<Option<u64>, Fault> {
        let sql = "SELECT pos, line FROM branch WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos";
        self.store.take_lines(sql, (from, leaving.end()), text, DOING)
    }

    /// The opening of the epoch that a position belongs to.
    fn opening_of(&self, leaving: Leaving, position: u64) -> Result<Option<Vec<u8>>, Fault> {
        let doing = "cannot find the opening of a branch";
        let sql = "SELECT line FROM branch WHERE pos =
                   (SELECT max(pos) FROM branch_open WHERE pos BETWEEN ?1 AND ?2)";
        let line = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Line>(0)?.0);
        let moved = self.store.row(sql, (leaving.base, position), doing, line)?;
        if moved.is_some() {
            return Ok(moved);
        }
        let seq = (leaving.first + (position - leaving.base)).min(leaving.kept);
        let sql = "SELECT line FROM record WHERE seq = (SELECT max(seq) FROM epoch WHERE seq <= ?1)";
        let there = self.store.row(sql, [seq], doing, line)?;
        if there.is_some() {
            return Ok(there);
        }
        let sql = "SELECT line FROM branch WHERE pos = -?1";
        self.store.row(sql, [leaving.base], doing, line)
    }
}

/// Takes over the opening that the rest of a branch is verified with, inside the transaction that disposes of a range of
/// records and before the marks of its epochs go.
pub(in crate::journal) fn keep_openings(store: &Store, (from, to): (u64, u64)) -> Result<(), Fault> {
    let doing = "cannot keep the opening of a branch";
    let sql = "SELECT base, first, kept, last FROM leaving WHERE first <= (SELECT max(seq) FROM record)
               AND (kept > ?1 OR EXISTS (SELECT 1 FROM branch WHERE pos BETWEEN base AND base + last - first))";
    let branches: Vec<Leaving> = store.rows(sql, [to], doing, |row| {
        Ok(Leaving { base: row.get(0)?, first: row.get(1)?, kept: row.get(2)?, last: row.get(3)? })
    })?;
    for Leaving { base, first, kept, .. } in branches {
        // Of the first record that stays; none where that opens an epoch itself, or its opening stays too.
        let stays = first.max(to + 1).min(kept);
        let sql = "INSERT OR REPLACE INTO branch(pos, line) SELECT -?1, coalesce(line, x'') FROM record
                   WHERE seq = (SELECT max(seq) FROM epoch WHERE seq <= ?2) AND seq BETWEEN ?3 AND ?4";
        store.run(sql, (base, stays, from, to), doing)?;
    }
    // One whose last lines go needs none.
    let sql = "DELETE FROM branch WHERE pos IN (SELECT -base FROM leaving WHERE kept BETWEEN ?1 AND ?2
               AND NOT EXISTS (SELECT 1 FROM branch WHERE pos BETWEEN base AND base + last - first))";
    store.run(sql, (from, to), doing).map(drop)
}

fn next_leaving(store: &Store, after: u64) -> Result<Option<Leaving>, Fault> {
    let sql = "SELECT base, first, kept, last FROM leaving WHERE base + last - first > ?1 ORDER BY base LIMIT 1";
    store.row(sql, [after], "cannot read the branches", |row| {
        Ok(Leaving { base: row.get(0)?, first: row.get(1)?, kept: row.get(2)?, last: row.get(3)? })
    })
}
