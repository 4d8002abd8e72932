//! Orders and commands that records refer to, for exports: kept in the transaction of the record that puts an order into
//! force or answers a command.
//!
//! **Layout.** `document('answered/<number>', 'order' or 'command', link, line)`: numbers rise with time.

use super::at_rest::Text;
use super::store::Store;
use super::{Fault, Journal};
use picket_core::memory::Stated;
use picket_record::encode::{Link, base64url, line_link};
use picket_record::kind::Kind;
use rusqlite::Row;
use serde_json::Value;
use std::collections::VecDeque;

/// Most orders and commands that are kept, the newest: a year of an order a day and a command a day.
const KEPT_MAX: usize = 730;
/// They take at most this share of the budget.
const SHARE: u64 = 16;
/// Most bytes of them, whatever the budget: an export asks for all of them at once.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Commands that were verified and that no record answers yet: more than the central side has under way in ten minutes.
const WAITING_MAX: usize = 32;

/// Commands that were verified, with number, link and line, the eldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(u64, Link, String)>);

impl Waiting {
    /// One was verified.
    pub(super) fn heard(&mut self, n: u64, link: Link, line: &str) {
        if self.0.iter().any(|(_, known, _)| *known == link) {
            return;
        }
        if self.0.len() == WAITING_MAX {
            self.0.pop_front();
        }
        self.0.push_back((n, link, line.to_owned()));
    }
}

/// Keeps what a record refers to, inside its transaction.
pub(super) fn keep(store: &Store, waiting: &Waiting, stated: Stated<'_>) -> Result<(), Fault> {
    if let Some(n) = stated.data.get("command").and_then(Value::as_u64) {
        // Of two with one number the first is taken.
        let Some((_, link, line)) = waiting.0.iter().find(|(number, ..)| *number == n) else { return Ok(()) };
        return insert(store, "command", &base64url(link), line);
    }
    let link = stated.data.get("link").and_then(Value::as_str).filter(|_| stated.kind == Kind::OrderApplied);
    let Some(link) = link else { return Ok(()) };
    match super::document::kept(store, &format!("{}{link}", super::orders::ORDER))? {
        Some((_, _, line)) => insert(store, "order", link, &line),
        None => Ok(()),
    }
}

fn insert(store: &Store, file: &str, link: &str, line: &str) -> Result<(), Fault> {
    let doing = "cannot keep what a record refers to";
    let sql = "INSERT INTO document(name, file, digest, body)
               SELECT printf('answered/%012d', coalesce(max(CAST(substr(name, 10) AS INTEGER)), 0) + 1), ?1, ?2, ?3
               FROM document WHERE name GLOB 'answered/*' HAVING coalesce(sum(digest = ?2), 0) = 0";
    if store.run(sql, (file, link, line), doing)? == 0 {
        return Ok(());
    }
    let sql =
        "SELECT rowid, coalesce(octet_length(body), 0) FROM document WHERE name GLOB 'answered/*' ORDER BY name DESC";
    let rows: Vec<(i64, u64)> = store.rows(sql, [], doing, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (most, mut bytes) = (BYTES_MAX.min(store.budget() / SHARE), 0);
    for (at, (row, size)) in rows.into_iter().enumerate() {
        bytes += size;
        if at >= KEPT_MAX || bytes > most {
            store.run("DELETE FROM document WHERE rowid = ?1", [row], doing)?;
        }
    }
    Ok(())
}

/// The text that is kept of an order beside the one in force.
pub(super) fn order(store: &Store, link: &Link) -> Result<Option<String>, Fault> {
    let sql = "SELECT body FROM document WHERE name GLOB 'answered/*' AND digest = ?1";
    let body: Option<Text> = store.row(sql, [base64url(link)], "cannot read an order", |row| row.get(0))?;
    Ok(body.and_then(|Text(body)| body))
}

impl Journal {
    /// Orders and commands as received, oldest first, each ended by LF: those that are kept, and the order in force. What
    /// damage has changed is left out; the order in force is kept twice, and stands in its place.
    pub(super) fn order_lines(&self) -> Result<String, Fault> {
        let sql = "SELECT file, digest, body FROM document WHERE name GLOB 'answered/*' ORDER BY name";
        let read = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
        let rows: Vec<[Text; 3]> = self.store.rows(sql, [], "cannot read orders and commands", read)?;
        let mut in_force = self.order_line()?.map(|line| (base64url(&line_link(&line)), line));
        let (mut lines, mut behind) = (Vec::new(), 0);
        for [Text(file), Text(digest), Text(body)] in rows {
            let is_it =
                |(link, line): &mut (String, String)| Some(&*link) == digest.as_ref() || Some(&*line) == body.as_ref();
            let whole = in_force
                .take_if(is_it)
                .map(|(_, line)| line)
                .or_else(|| body.filter(|line| Some(base64url(&line_link(line))) == digest));
            match whole {
                Some(line) => lines.push(line),
                None => tracing::warn!(link = digest, "an order or command that was kept is damaged: it is left out"),
            }
            if file.as_deref() == Some("order") {
                behind = lines.len();
            }
        }
        // No order that is kept is newer: where its own row is gone, or none was kept then, it follows the last of them.
        if let Some((_, line)) = in_force {
            lines.insert(behind, line);
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }
}
