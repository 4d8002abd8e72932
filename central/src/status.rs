//! What the store says of each gateway, for a person at a terminal.

mod drills;
mod orders;

use crate::store::{self, Store, StoreError};
use picket_record::encode::Name;
use picket_record::shown;
use rusqlite::Connection;
use std::fmt::Write as _;
use std::path::Path;

/// Rows of each part of the details.
const SHOWN: usize = 20;

const SQL: &str = "
SELECT g.gw, g.site,
  coalesce((SELECT max(seq) FROM record r WHERE r.gw=g.gw), 0),
  coalesce((SELECT max(ep) FROM epoch e WHERE e.gw=g.gw), 0),
  (SELECT count(*) FROM ahead a WHERE a.gw=g.gw),
  coalesce((SELECT max(seq) FROM ahead a WHERE a.gw=g.gw), 0),
  (SELECT count(*) FROM fork f WHERE f.gw=g.gw),
  coalesce((SELECT total FROM quarantined q WHERE q.gw=g.gw), 0),
  (SELECT count(*) FROM open_alarm o WHERE o.gw=g.gw),
  coalesce((SELECT 'LEFT OUT' FROM left_out x WHERE x.gw=g.gw), (SELECT 'revoked' FROM revoked v WHERE v.gw=g.gw),
    (SELECT state FROM receipt t WHERE t.gw=g.gw ORDER BY n DESC LIMIT 1), '-')
    ||coalesce((SELECT iif(stopped, ', stopped', iif(silent_ms IS NULL, '', ', SILENT')) FROM life l WHERE l.gw=g.gw), '')
FROM gateway g ORDER BY g.gw";

/// Every history beside the first, in words.
const BRANCHES: &str = "
SELECT 'second history from record '||b.from_seq||': '||b.records||iif(b.records=1, ' record', ' records')||' to number '||b.last_seq||', epoch '||b.ep
  ||iif(b.beyond>0, ', and '||b.beyond||iif(b.beyond=1, ' more that is', ' more that are')||' not kept', '')
  ||', since '||strftime('%Y-%m-%dT%H:%M:%SZ', b.since_ms/1000, 'unixepoch')||': '||b.why
  ||coalesce('; it opens epoch '||b.ep||' with record '||b.opened_seq||', here that is record '
    ||(SELECT e.open_seq FROM epoch e WHERE e.gw=b.gw AND e.ep=b.ep), '')
  ||CASE WHEN b.left_behind IS NOT NULL THEN '; the gateway went on behind record '||b.left_behind
      ||' at '||strftime('%Y-%m-%dT%H:%M:%SZ', b.left_ms/1000, 'unixepoch')
    WHEN b.contradicts THEN '; the gateway has NOT gone on behind what is here'
    ELSE '; it does not contradict what is here so far' END
FROM branch b WHERE b.gw=?1 ORDER BY b.id DESC LIMIT ?2";

/// Another epoch follows, and no `epoch.close` stands before it.
const UNCLOSED: &str = "
SELECT 'epoch '||r.ep||' was not closed: what came after record '||r.seq||', if anything, is lost'
FROM epoch e JOIN record r ON r.gw=e.gw AND r.seq=e.open_seq-1
WHERE e.gw=?1 AND r.kind<>'epoch.close' ORDER BY e.open_seq DESC LIMIT ?2";

const ROLLBACKS: &str = "
SELECT 'found '||coalesce('record '||r.found_seq||' as its last', 'nothing')
  ||CASE r.found_fits WHEN 1 THEN ', as it is here' WHEN 0 THEN ', which is not the one that is here' ELSE '' END
  ||'; went on behind record '||(r.seq-1)||' with epoch '||r.ep||' ('||r.tail_state||') at '
  ||strftime('%Y-%m-%dT%H:%M:%SZ', r.received_ms/1000, 'unixepoch')
FROM rollback r WHERE r.gw=?1 ORDER BY r.seq DESC LIMIT ?2";

const LOSSES: &str = "
SELECT iif(l.from_seq=l.to_seq, 'record '||l.from_seq, 'records '||l.from_seq||' to '||l.to_seq)||', declared by record '||l.declared_by
  ||coalesce((SELECT ': disposed of there before this store was restored without them' FROM record d
      WHERE d.gw=l.gw AND d.seq=l.declared_by AND d.kind='records.disposed'), '')
  ||iif(f.n=0, '', '; '||iif(l.from_seq=l.to_seq, 'it', f.n||' of them')||' came all the same')
FROM lost l JOIN (SELECT l2.from_seq, (SELECT count(*) FROM record r WHERE r.gw=l2.gw
  AND r.seq BETWEEN l2.from_seq AND l2.to_seq) AS n FROM lost l2 WHERE l2.gw=?1) f ON f.from_seq=l.from_seq
WHERE l.gw=?1 ORDER BY l.from_seq DESC LIMIT ?2";

const ALARMS: &str = "
SELECT alarm_id||': severity '||sev||', raised by record '||raised_seq
  ||coalesce(' at '||strftime('%Y-%m-%dT%H:%M:%SZ', raised_ms/1000, 'unixepoch'), '')
  ||coalesce('; gone with record '||cleared_seq, '; holds')
  ||coalesce('; acknowledged by record '||acked_seq, '; not acknowledged')
  ||iif(ahead, '; its records before have not come yet', '')
  ||iif(unknown_seq=raised_seq, '; that record IS LOST', coalesce('; since record '||unknown_seq
    ||' the gateway NO LONGER KNOWS it (its disk was put back), or nobody knows what came of it', ''))
  ||iif(unknown_seq IS NULL, '', ': look, and run picket-central close-alarm')
FROM open_alarm WHERE gw=?1 ORDER BY unknown_seq IS NULL, sev DESC, raised_seq DESC LIMIT ?2";

const RECEIPTS: &str = "
SELECT 'receipt '||n||' says that records to '||upto||' are here, state '||state||', signed at '
  ||strftime('%Y-%m-%dT%H:%M:%SZ', ts_ms/1000, 'unixepoch')
FROM receipt WHERE gw=?1 ORDER BY n DESC LIMIT min(?2,1)";

const LIFE: &str = "
SELECT CASE WHEN stopped THEN 'stopped in order'
    WHEN silent_ms IS NOT NULL THEN 'gateway SILENT since '||strftime('%Y-%m-%dT%H:%M:%SZ', silent_ms/1000, 'unixepoch')
    ELSE 'heard' END
  ||iif(heard_ms=0, '; NEVER heard since it was accepted', '; last heard '
    ||strftime('%Y-%m-%dT%H:%M:%SZ', heard_ms/1000, 'unixepoch'))||', a heartbeat every '||every_s||' s'
FROM life WHERE gw=?1 LIMIT ?2";

const LEFT_OUT: &str = "
SELECT 'what this store holds of the gateway cannot be read: '||why||'; nothing is taken from it, and it keeps what it has:'
  ||' restore the store from a backup and restart picket-central run' FROM left_out WHERE gw=?1 LIMIT ?2";

const REVOKED: &str = "
SELECT 'not trusted after record '||after_seq||', by '||approved_by||' at '
  ||strftime('%Y-%m-%dT%H:%M:%SZ', at_ms/1000, 'unixepoch')||'; records kept and not trusted: '
  ||(SELECT count(*) FROM record r WHERE r.gw=v.gw AND r.seq>v.after_seq)
FROM revoked v WHERE gw=?1 LIMIT ?2";

/// Who did something, as far as it was disclosed and is not erased.
const PERSONAL: &str = "
SELECT 'record '||p.seq||coalesce(' ('||r.kind||')', ' ('||f.kind||', of another history)', '')
  ||': '||coalesce(p.text, 'erased by record '||p.erased_by)
FROM personal p LEFT JOIN record r ON r.gw=p.gw AND r.seq=p.seq AND r.link=p.link
LEFT JOIN fork f ON f.gw=p.gw AND f.seq=p.seq AND f.link=p.link WHERE p.gw=?1 ORDER BY p.seq DESC LIMIT ?2";

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Its name.
    pub gw: String,
    /// Its site.
    pub site: String,
    /// Records 1 to this are stored without a hole.
    pub upto: u64,
    /// Its newest epoch.
    pub ep: u64,
    /// Records that wait before their turn.
    pub ahead: u64,
    /// Records that are missing below the highest one that waits.
    pub missing: u64,
    /// Records of other histories.
    pub forks: u64,
    /// Lines ever refused.
    pub quarantined: u64,
    /// Alarms that are not closed.
    pub open_alarms: u64,
    /// State in the last receipt, and whether it is stopped or silent.
    pub state: String,
}

/// Reads the state of every gateway, beside a running ingest or without one.
pub fn gateways(path: &Path) -> Result<Vec<GatewayStatus>, StoreError> {
    Store::open_to_read(path)?.read("reading the state of the gateways", |db| {
        let mut statement = db.prepare(SQL)?;
        let rows = statement.query_map([], |row| {
            let (upto, ahead, highest): (u64, u64, u64) = (row.get(2)?, row.get(4)?, row.get(5)?);
            Ok(GatewayStatus {
                gw: row.get(0)?,
                site: row.get(1)?,
                upto,
                ep: row.get(3)?,
                ahead,
                missing: highest.saturating_sub(upto).saturating_sub(ahead),
                forks: row.get(6)?,
                quarantined: row.get(7)?,
                open_alarms: row.get(8)?,
                state: row.get(9)?,
            })
        })?;
        rows.collect()
    })
}

/// One line for each gateway, under a heading.
pub fn table(gateways: &[GatewayStatus]) -> String {
    let mut text = format!(
        "{:<24} {:<16} {:>10} {:>6} {:>7} {:>8} {:>6} {:>12} {:>7}  {}\n",
        "gateway", "site", "upto", "epoch", "ahead", "missing", "forks", "quarantined", "alarms", "state"
    );
    for g in gateways {
        writeln!(
            text,
            "{:<24} {:<16} {:>10} {:>6} {:>7} {:>8} {:>6} {:>12} {:>7}  {}",
            g.gw, g.site, g.upto, g.ep, g.ahead, g.missing, g.forks, g.quarantined, g.open_alarms, g.state
        )
        .expect("writing to a text never fails");
    }
    text
}

/// What is missing from one gateway, its forks and its last refusals, at most twenty of each.
pub fn details(path: &Path, gw: &Name) -> Result<String, StoreError> {
    Store::open_to_read(path)?.read("reading the details of a gateway", |db| {
        let mut text = String::new();
        part(&mut text, "orders and commands", orders::rows(db, gw)?);
        part(&mut text, "receipts", rows(db, RECEIPTS, gw)?);
        part(&mut text, "drills", drills::rows(db, gw)?);
        part(&mut text, "open alarms", rows(db, ALARMS, gw)?);
        part(&mut text, "missing", missing(db, gw)?);
        part(&mut text, "second histories", rows(db, BRANCHES, gw)?);
        part(&mut text, "epochs not closed", rows(db, UNCLOSED, gw)?);
        part(&mut text, "disk restored, or a tail lost", rows(db, ROLLBACKS, gw)?);
        part(&mut text, "declared as lost", rows(db, LOSSES, gw)?);
        part(&mut text, "life", rows(db, LIFE, gw)?);
        part(&mut text, "left out", rows(db, LEFT_OUT, gw)?);
        part(&mut text, "revoked", rows(db, REVOKED, gw)?);
        part(&mut text, "personal data", rows(db, PERSONAL, gw)?);
        let refused = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', received_ms/1000, 'unixepoch')||'  '||reason
                       FROM quarantine WHERE gw=?1 ORDER BY id DESC LIMIT ?2";
        part(&mut text, "refused", rows(db, refused, gw)?);
        Ok(text)
    })
}

fn missing(db: &Connection, gw: &Name) -> rusqlite::Result<Vec<String>> {
    let mut from = store::head(db, gw)?.map_or(0, |(head, ..)| head.seq) + 1;
    let mut gaps = Vec::new();
    for (first, last) in store::ahead_ranges(db, gw, SHOWN)? {
        gaps.push(format!("{from} to {}", first - 1));
        from = last + 1;
    }
    Ok(gaps)
}

fn rows(db: &Connection, sql: &str, gw: &Name) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map(rusqlite::params![gw.as_str(), SHOWN as u64], |row| row.get(0))?;
    rows.collect()
}

/// A moment in UTC, to the second.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Reasons quote what was received: nothing of that changes what a terminal shows around it.
fn part(text: &mut String, title: &str, rows: Vec<String>) {
    let rows = if rows.is_empty() { vec!["none".to_owned()] } else { rows };
    writeln!(text, "\n{title}").expect("writing to a text never fails");
    for row in rows {
        let row = shown::plain(&row);
        writeln!(text, "  {row}").expect("writing to a text never fails");
    }
}
