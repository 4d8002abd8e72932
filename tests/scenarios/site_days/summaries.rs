//! What `summary.day` says against the records that it says it of, as the central side holds them.

use super::run::Day;
use super::wall::Wall;
use picket_record::chain::Parsed;
use picket_record::kind::Kind;
use serde_json::json;

impl Day {
    /// Each summary counts every record of its numbers once, but those that only the central side has after the disk was
    /// put back: it says how many are missing. One goes on where the one before ends.
    pub(crate) fn check_summaries(&mut self) {
        let db = rusqlite::Connection::open(self.folder.path().join("central.db")).expect("the central store opens");
        let mut statement = db.prepare("SELECT line FROM record ORDER BY seq").expect("the table is there");
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).expect("the table reads");
        let lines: Vec<String> = lines.collect::<Result<_, _>>().expect("rows read");
        let records: Vec<Parsed<'_>> = lines.iter().map(|line| Parsed::read(line).expect("a record reads")).collect();
        let hole = self.restored.hole.map(|(from, to, _)| from..=to);
        let lost = |seq: u64| hole.as_ref().is_some_and(|hole| hole.contains(&seq));
        let (mut said, mut back) = (0, self.restored.hole);
        for summary in records.iter().filter(|one| one.kind == Kind::SummaryDay && one.eq.is_none()) {
            let data = summary.data();
            let number = |field: &str| data.get(field).and_then(serde_json::Value::as_u64).unwrap_or(0);
            if data.contains_key("void") {
                continue;
            }
            // The first one behind the place where the chain went on may begin again.
            if let Some((_, upto, summed_up)) = back.take_if(|(_, upto, _)| summary.seq > *upto) {
                said = if number("from") <= upto { summed_up } else { said };
            }
            let (from, to) = (number("from"), number("to"));
            assert_eq!(from, said + 1, "seed {}: {data:?}", self.seed);
            said = to;
            // One that was written before the disk was put back lacks nothing.
            let here = |seq: u64| summary.seq <= hole.as_ref().map_or(u64::MAX, |hole| *hole.end()) || !lost(seq);
            let mut by_sev = [0_u64; 5];
            records.iter().filter(|one| (from..=to).contains(&one.seq) && here(one.seq)).for_each(|one| {
                by_sev[one.sev as usize] += 1;
            });
            let counted: u64 = by_sev.iter().sum();
            let told = (data.get("by_sev").cloned().unwrap_or_default(), number("records"), number("missing"));
            let is = (json!(by_sev), counted, to + 1 - from - counted);
            assert_eq!(told, is, "seed {}: {data:?}", self.seed);
            self.summaries += 1;
        }
        // A clock that nobody vouches for ends no day.
        assert!(self.summaries > 0 || self.wall == Wall::Jumping, "seed {}: the day was summed up", self.seed);
    }
}
