//! The queries of the verdict.

use super::Verdict;
use rusqlite::Connection;
use std::fmt;

/// `happened`: what the journal tells, in the words of the ledger. Readings are told by their turns: a point that says
/// the same again, as it does after every start, has not turned; one never heard of counts as off.
const HAPPENED: &str = "
CREATE TEMP VIEW turned AS
  SELECT told.seq, eq, wall_ms, point.key AS point, point.value AS state,
    coalesce(lag(point.value) OVER (PARTITION BY eq, point.key ORDER BY told.seq), 0) AS before
  FROM told, json_each(told.data, '$.p') AS point
  WHERE store = 'journal' AND kind = 'readings' AND point.type IN ('true', 'false');
CREATE TABLE happened AS
  SELECT seq, kind, eq, wall_ms, CASE
      WHEN kind LIKE 'alarm.%' THEN json_extract(data, '$.rule')
      WHEN kind LIKE 'nonconformity.%' THEN json_extract(data, '$.reason')
      WHEN kind LIKE 'seal.%' THEN json_extract(data, '$.read')
      WHEN kind = 'act.acknowledged' THEN json_extract(data, '$.alarm')
      ELSE '' END AS what
  FROM told WHERE store = 'journal' AND kind <> 'readings'
  UNION ALL
  SELECT seq, 'readings', eq, wall_ms, point || CASE state WHEN 1 THEN '=true' ELSE '=false' END
  FROM turned WHERE state <> before;
CREATE INDEX happened_what ON happened(kind, eq, what);
";

/// Messages of a camera, known by the time it put to them, that are recorded more than once for one point.
const HEARD_TWICE: &str = "
SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM told, json_each(told.data, '$.p') AS point
  WHERE store = 'journal' AND kind = 'readings' AND dev_ts IS NOT NULL GROUP BY eq, point.key, dev_ts HAVING n > 1)
";

/// Each thing the ledger asks for, how often it must and may be told, and how often it is. A thing that the ledger never
/// asked for is a false alarm, where it is of a kind that only acts lead to.
const COMPARED: &str = "
WITH asked AS (SELECT kind, eq, what, sum(must) AS least, count(*) AS most FROM ledger.expected GROUP BY kind, eq, what),
  told AS (SELECT kind, eq, what, count(*) AS n FROM happened GROUP BY kind, eq, what)
SELECT kind, eq, what, least, most, coalesce(n, 0) FROM asked LEFT JOIN told USING (kind, eq, what)
UNION ALL
SELECT kind, eq, what, 0, 0, n FROM told LEFT JOIN asked USING (kind, eq, what)
WHERE least IS NULL AND (kind LIKE 'alarm.%' OR kind LIKE 'nonconformity.%' OR kind LIKE 'seal.%' OR kind LIKE 'act.%')
ORDER BY kind, eq, what
";

/// The first telling of each alarm and nonconformity at or after its act. 20 ms before it: the agent reads its clock when
/// it asks for a poll, the ledger when the act is written down.
const LATENCIES: &str = "
SELECT event.step, first.wall_ms - event.at_ms, seen.at_ms - event.at_ms, received.received_ms - event.at_ms
FROM ledger.expected AS expected
JOIN ledger.event AS event ON event.id = expected.event
LEFT JOIN happened AS first ON first.seq = (SELECT min(seq) FROM happened AS h WHERE h.kind = expected.kind
  AND h.eq = expected.eq AND h.what = expected.what AND h.wall_ms >= event.at_ms - 20)
LEFT JOIN ledger.seen AS seen ON seen.event = event.id
LEFT JOIN central.record AS received ON received.gw = ?1 AND received.seq = first.seq
WHERE expected.must AND expected.id = (SELECT min(id) FROM ledger.expected AS e WHERE e.event = event.id
  AND e.kind IN ('alarm.raised', 'nonconformity.opened'))
ORDER BY event.id
";

/// Something that is told too rarely or too often.
#[derive(Debug)]
pub(crate) struct Disagreement {
    kind: String,
    eq: String,
    what: String,
    least: u64,
    most: u64,
    told: u64,
}

impl Disagreement {
    /// How many are missing.
    pub(crate) fn missing(&self) -> u64 {
        self.least.saturating_sub(self.told)
    }

    /// How many there are too many.
    pub(crate) fn surplus(&self) -> u64 {
        self.told.saturating_sub(self.most)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, eq, what, least, told, .. } = self;
        write!(f, "{kind} {what} of {eq}: {least} asked for, {told} written")
    }
}

/// How long the alarms of one step took.
#[derive(Debug)]
pub(crate) struct Latency {
    step: String,
    recorded: Vec<i64>,
    shown: Vec<i64>,
    received: Vec<i64>,
    times: usize,
}

impl Latency {
    /// A row: median and longest of each.
    pub(crate) fn row(&self) -> String {
        let [recorded, shown, received] = [&self.recorded, &self.shown, &self.received].map(|times| middle(times));
        format!("  {:<28} {:>6}   {recorded:<15} {shown:<15} {received}", self.step, self.times).trim_end().to_owned()
    }
}

fn middle(times: &[i64]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) if sorted.len() > 1 => format!("{median} (max {longest})"),
        (Some(only), _) => only.to_string(),
        (None, _) => "-".to_owned(),
    }
}

pub(super) fn count(db: &Connection, gateway: &str, verdict: &mut Verdict) -> rusqlite::Result<()> {
    db.execute_batch(HAPPENED)?;
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u64>(0));
    let of = |sql: &str| db.query_row(sql, [gateway], |row| row.get::<_, u64>(0));
    verdict.written = one("SELECT count(*) FROM journal.record")?;
    verdict.received = of("SELECT count(*) FROM central.record WHERE gw = ?1")?;
    verdict.not_received = of("SELECT count(*) FROM journal.record AS j LEFT JOIN central.record AS c
        ON c.gw = ?1 AND c.seq = j.seq AND c.line = jws(j.line) WHERE c.seq IS NULL")?;
    verdict.lost = of("SELECT count(*) FROM central.record AS c LEFT JOIN journal.record AS j ON j.seq = c.seq
        WHERE c.gw = ?1 AND j.seq IS NULL")?;
    verdict.holes = one("SELECT coalesce(max(seq), 0) - count(*) FROM journal.record")?;
    verdict.repeated = of("SELECT count(*) - count(DISTINCT link) FROM central.record WHERE gw = ?1")?
        + one("SELECT count(*) - count(DISTINCT line) FROM journal.record")?;
    verdict.heard_twice = one(HEARD_TWICE)?;
    for (sql, what) in [
        ("SELECT count(*) FROM journal.quarantine WHERE ?1 <> ''", "set aside by the journal"),
        ("SELECT count(*) FROM central.ahead WHERE gw = ?1", "left waiting in the central store"),
        ("SELECT count(*) FROM central.fork WHERE gw = ?1", "forked"),
        ("SELECT count(*) FROM central.quarantine WHERE ?1 <> ''", "refused by the central side"),
    ] {
        let apart = of(sql)?;
        verdict.unverified += apart;
        verdict.reasons.extend((apart > 0).then(|| format!("{apart} {what}")));
    }
    verdict.acts = one("SELECT count(*) FROM ledger.event")?;
    verdict.expected = one("SELECT count(*) FROM ledger.expected WHERE must")?;
    let compared = compare(db)?;
    // What clears an alarm that was never raised is not an event of its own.
    let raised = compared.iter().filter(|row| row.kind == "alarm.raised");
    verdict.at_kill = raised.map(|row| row.most.saturating_sub(row.told.max(row.least))).sum();
    verdict.disagreements = compared.into_iter().filter(|row| row.missing() + row.surplus() > 0).collect();
    verdict.latencies = latencies(db, gateway)?;
    Ok(())
}

fn compare(db: &Connection) -> rusqlite::Result<Vec<Disagreement>> {
    let mut rows = db.prepare(COMPARED)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Disagreement {
            kind: row.get(0)?,
            eq: row.get(1)?,
            what: row.get(2)?,
            least: row.get(3)?,
            most: row.get(4)?,
            told: row.get(5)?,
        })
    };
    rows.query_map([], read)?.collect()
}

fn latencies(db: &Connection, gateway: &str) -> rusqlite::Result<Vec<Latency>> {
    let mut rows = db.prepare(LATENCIES)?;
    let read = |row: &rusqlite::Row<'_>| {
        let times: [Option<i64>; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((row.get::<_, String>(0)?, times))
    };
    let mut steps: Vec<Latency> = Vec::new();
    for row in rows.query_map([gateway], read)? {
        let (step, [recorded, shown, received]) = row?;
        let index = steps.iter().position(|known| known.step == step).unwrap_or_else(|| {
            let (recorded, shown, received) = (Vec::new(), Vec::new(), Vec::new());
            steps.push(Latency { step, recorded, shown, received, times: 0 });
            steps.len() - 1
        });
        let known = &mut steps[index];
        known.times += 1;
        known.recorded.extend(recorded);
        known.shown.extend(shown);
        known.received.extend(received);
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two records of one forced door, as a sound run leaves them: an act, its record in both stores.
    fn sound() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        simulator::stored::teach(&db).unwrap();
        db.execute_batch(
            "ATTACH ':memory:' AS ledger; ATTACH ':memory:' AS journal; ATTACH ':memory:' AS central;
            CREATE TABLE ledger.event(id INTEGER PRIMARY KEY, at_ms INTEGER, step TEXT, eq TEXT, what TEXT);
            CREATE TABLE ledger.expected(id INTEGER PRIMARY KEY, event INTEGER, kind TEXT, eq TEXT, what TEXT, must);
            CREATE TABLE ledger.seen(event INTEGER PRIMARY KEY, at_ms INTEGER);
            CREATE TABLE journal.record(seq INTEGER PRIMARY KEY, line TEXT);
            CREATE TABLE central.record(gw, seq, line, link, received_ms);
            CREATE TABLE journal.quarantine(seq); CREATE TABLE central.ahead(gw);
            CREATE TABLE central.fork(gw); CREATE TABLE central.quarantine(gw);
            CREATE TABLE told(store, seq, verified, kind, eq, wall_ms, data, dev_ts);
            INSERT INTO ledger.event VALUES (1, 1000, 'door forced', 'D', 'forced open');
            INSERT INTO ledger.expected VALUES (1, 1, 'alarm.raised', 'D', 'door-forced', 1);
            INSERT INTO ledger.expected VALUES (2, 1, 'readings', 'IO', 'di0=true', 1);
            INSERT INTO ledger.seen VALUES (1, 1090);
            INSERT INTO journal.record VALUES (1, 'one'), (2, 'two');
            INSERT INTO central.record VALUES ('gw', 1, 'one', x'01', 1100), ('gw', 2, 'two', x'02', 1200);
            INSERT INTO told VALUES ('journal', 1, 1, 'readings', 'IO', 1050, '{\"p\":{\"di0\":true,\"di1\":false}}', NULL);
            INSERT INTO told VALUES ('journal', 2, 1, 'alarm.raised', 'D', 1050, '{\"rule\":\"door-forced\"}', NULL);",
        )
        .unwrap();
        db
    }

    fn judged(change: &str) -> Verdict {
        let db = sound();
        db.execute_batch(change).unwrap();
        let mut verdict = Verdict::default();
        count(&db, "gw", &mut verdict).unwrap();
        verdict
    }

    #[test]
    fn a_sound_run_is_good_and_timed() {
        let verdict = judged("");
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!(verdict.latencies.len(), 1);
        let times = &verdict.latencies[0];
        assert_eq!((&times.recorded[..], &times.shown[..], &times.received[..]), (&[50][..], &[90][..], &[200][..]));
    }

    #[test]
    fn every_way_to_lose_a_record_is_missing() {
        for change in [
            "DELETE FROM central.record WHERE seq = 2",
            "UPDATE central.record SET line = 'other' WHERE seq = 2",
            "DELETE FROM journal.record WHERE seq = 1",
            "DELETE FROM told WHERE kind = 'alarm.raised'",
            "DELETE FROM told WHERE kind = 'readings'",
            "INSERT INTO ledger.expected VALUES (3, 1, 'alarm.raised', 'D', 'door-forced', 1)",
        ] {
            let verdict = judged(change);
            assert!(verdict.missing() > 0 && !verdict.is_good(), "{change}: {verdict:?}");
        }
    }

    #[test]
    fn every_way_to_tell_twice_is_doubled() {
        for change in [
            "INSERT INTO told SELECT store, 3, 1, kind, eq, wall_ms, data, NULL FROM told WHERE kind = 'alarm.raised'",
            "INSERT INTO told VALUES ('journal', 3, 1, 'alarm.raised', 'E', 1, '{\"rule\":\"silent\"}', NULL)",
            "UPDATE central.record SET link = x'01'",
        ] {
            let verdict = judged(change);
            assert!(verdict.doubled() > 0 && !verdict.is_good(), "{change}: {verdict:?}");
        }
    }

    #[test]
    fn a_camera_event_recorded_twice_is_doubled() {
        let event = |seq: u32, time: &str| {
            format!(
                "INSERT INTO told VALUES ('journal', {seq}, 1, 'readings', 'C', 1, '{{\"p\":{{\"m\":true}}}}', '{time}');"
            )
        };
        let twice = judged(&format!("{}{}", event(3, "10:15:00Z"), event(4, "10:15:00Z")));
        assert!(twice.doubled() == 1 && !twice.is_good(), "{twice:?}");
    }

    #[test]
    fn what_the_journal_set_aside_is_unverified() {
        let verdict = judged("INSERT INTO journal.quarantine VALUES (1)");
        assert!(verdict.unverified == 1 && !verdict.is_good(), "{verdict:?}");
    }

    #[test]
    fn what_the_central_side_keeps_apart_is_unverified() {
        for table in ["ahead", "fork", "quarantine"] {
            let verdict = judged(&format!("INSERT INTO central.{table} VALUES ('gw')"));
            assert!(verdict.unverified == 1 && !verdict.is_good(), "{table}: {verdict:?}");
        }
    }

    #[test]
    fn an_alarm_at_the_kill_may_be_there_or_not_but_not_twice() {
        let uncertain = "UPDATE ledger.expected SET must = 0 WHERE kind = 'alarm.raised';";
        let there = judged(uncertain);
        assert!(there.is_good() && there.at_kill == 0, "{there:?}");
        let lost = judged(&format!("{uncertain} DELETE FROM told WHERE kind = 'alarm.raised'"));
        assert!(lost.is_good() && lost.at_kill == 1, "{lost:?}");
        let again =
            "INSERT INTO told SELECT store, 3, 1, kind, eq, wall_ms, data, NULL FROM told WHERE kind = 'alarm.raised'";
        assert!(!judged(&format!("{uncertain} {again}")).is_good());
    }

    #[test]
    fn a_point_that_says_the_same_again_after_a_start_has_not_turned() {
        let again = "INSERT INTO told VALUES ('journal', 3, 1, 'readings', 'IO', 1, '{\"p\":{\"di0\":true}}', NULL)";
        assert!(judged(again).is_good());
        let off_and_on =
            "INSERT INTO told VALUES ('journal', 3, 1, 'readings', 'IO', 1, '{\"p\":{\"di0\":false}}', NULL);
            INSERT INTO told VALUES ('journal', 4, 1, 'readings', 'IO', 1, '{\"p\":{\"di0\":true}}', NULL)";
        assert_eq!(judged(off_and_on).doubled(), 1);
    }
}
