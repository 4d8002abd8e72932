//! Rows of `quarantine`: what was refused, with the reason, bounded.

use rusqlite::{Connection, Result, params};

/// Refused lines kept for each gateway: with the longest lines about 110 MB, which a flood can cost at most.
const KEPT_MAX: u64 = 10_000;

/// Keeps a refused line with its reason. The oldest one gives way past the limit and is counted.
pub(crate) fn quarantine(db: &Connection, gw: &str, received_ms: i64, reason: &str, line: &[u8]) -> Result<()> {
    let shown = &line[..line.len().min(picket_record::encode::LINE_MAX)];
    let line = String::from_utf8_lossy(shown);
    db.prepare_cached("INSERT INTO quarantine(gw,received_ms,reason,line) VALUES(?1,?2,?3,?4)")?.execute(params![
        gw,
        received_ms,
        reason,
        line
    ])?;
    let (total, dropped): (u64, u64) = db
        .prepare_cached(
            "INSERT INTO quarantined(gw,total,dropped) VALUES(?1,1,0)
             ON CONFLICT(gw) DO UPDATE SET total=total+1 RETURNING total,dropped",
        )?
        .query_row([gw], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if total - dropped > KEPT_MAX {
        db.prepare_cached("DELETE FROM quarantine WHERE id=(SELECT min(id) FROM quarantine WHERE gw=?1)")?
            .execute([gw])?;
        db.prepare_cached("UPDATE quarantined SET dropped=dropped+1 WHERE gw=?1")?.execute([gw])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_refused_line_gives_way_and_is_counted() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::schema::SCHEMA).unwrap();
        for i in 0..KEPT_MAX + 3 {
            quarantine(&db, "g", i as i64, "why", b"line").unwrap();
        }
        let row = |sql| db.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
        assert_eq!(row("SELECT count(*) FROM quarantine"), KEPT_MAX);
        assert_eq!(row("SELECT min(received_ms) FROM quarantine"), 3);
        assert_eq!(row("SELECT total*100000+dropped FROM quarantined"), (KEPT_MAX + 3) * 100_000 + 3);
    }
}
