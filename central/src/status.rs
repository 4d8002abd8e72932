//! What the store says of each gateway, for a person at a terminal.

use crate::store::{Store, StoreError};
use std::fmt::Write as _;
use std::path::Path;

const SQL: &str = "
SELECT g.gw, g.site,
  coalesce((SELECT max(seq) FROM record r WHERE r.gw=g.gw), 0),
  coalesce((SELECT max(ep) FROM epoch e WHERE e.gw=g.gw), 0),
  (SELECT count(*) FROM ahead a WHERE a.gw=g.gw),
  coalesce((SELECT max(seq) FROM ahead a WHERE a.gw=g.gw), 0),
  (SELECT count(*) FROM fork f WHERE f.gw=g.gw),
  coalesce((SELECT total FROM quarantined q WHERE q.gw=g.gw), 0),
  (SELECT count(*) FROM open_alarm o WHERE o.gw=g.gw),
  coalesce((SELECT state FROM receipt t WHERE t.gw=g.gw ORDER BY n DESC LIMIT 1), '-')
FROM gateway g ORDER BY g.gw";

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
    /// State in the last receipt.
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
