//! The search beside a plain look at every record.

use super::*;
use crate::testbed::{MIDNIGHT_MS, Rows, at, body, id};
use picket_record::kind::Kind;
use proptest::prelude::*;

/// 2026-11-22, and so many days before: the day in doubt, as its facts name it.
fn facts(day: &str) -> Facts {
    Facts::from([("in_doubt_from".to_owned(), day.to_owned())])
}

fn past(seq: u64, wall_ms: Option<i64>) -> Past {
    let body = body(Kind::Readings, Severity::Info, None);
    Past {
        seq,
        boot: body.when.boot.to_string(),
        mono_us: 0,
        wall_ms,
        synced: true,
        mode: "live".into(),
        kind: body.kind,
        severity: body.severity,
        equipment: None,
        standing: None,
        data: Map::new(),
    }
}

/// Lets it look through records until it lists; how often it asked.
fn listed(affected: &mut Affected, records: &[Past], oldest: u64) -> (Statement, usize) {
    let head = records.last().map_or(0, |last| last.seq);
    for asked in 0..64 {
        match affected.next(&at(0), head).expect("something waits") {
            Err(statement) => return (statement, asked),
            Ok(after) => {
                let slice: Vec<Past> =
                    records.iter().filter(|record| record.seq > after).take(SLICE as usize).cloned().collect();
                let through = slice.last().map_or(head, |last| last.seq);
                assert!(affected.looked_back(&at(0), (after, through), oldest, &slice));
            }
        }
    }
    panic!("it does not end");
}

/// A record an hour, the last one at midnight.
fn hourly(count: u64) -> Vec<Past> {
    let hour = |seq: u64| MIDNIGHT_MS - i64::try_from(count - seq).unwrap() * 3_600_000;
    (1..=count).map(|seq| past(seq, Some(hour(seq)))).collect()
}

#[test]
fn r05_every_record_since_the_last_good_day_is_listed_by_its_number() {
    let records = hourly(10_000);
    let mut affected = Affected::default();
    affected.doubt(id("CAM-1"), facts("2026-11-20"));
    let (statement, asked) = listed(&mut affected, &records, 1);
    // Two days, and the hours by which a day begins earlier elsewhere: 48 + 14 hours before midnight.
    assert_eq!(statement.data["records"], json!([[10_000 - 62, 10_000]]));
    assert_eq!((statement.kind, statement.equipment), (Kind::AffectedListed, Some(id("CAM-1"))));
    assert!(asked <= 8, "{asked} slices");
    assert!(affected.next(&at(0), 10_000).is_none());
}

#[test]
fn where_nobody_knows_since_when_everything_is_listed() {
    let mut affected = Affected::default();
    affected.doubt(id("CAM-1"), Facts::new());
    let (statement, asked) = listed(&mut affected, &hourly(100), 1);
    assert_eq!((&statement.data["records"], asked), (&json!([[1, 100]]), 0));
}

#[test]
fn what_was_listed_is_not_listed_again_after_a_start_and_a_longer_doubt_is() {
    let (mut affected, mut rows) = (Affected::default(), Rows::default());
    affected.doubt(id("CAM-1"), facts("2026-11-20"));
    let (statement, _) = listed(&mut affected, &hourly(500), 1);
    rows.take(&statement, "good");
    let open = || [(id("CAM-1"), facts("2026-11-20"))].into_iter();
    assert!(Affected::recover(&rows.all(), open()).deadline().is_none());
    let longer = || [(id("CAM-1"), facts("2026-11-19"))].into_iter();
    assert!(Affected::recover(&rows.all(), longer()).deadline().is_some());
    // Killed before it was listed: it is looked for again.
    assert!(Affected::recover(&[], open()).deadline().is_some());
}

#[test]
fn a_journal_that_cannot_look_is_asked_again_later() {
    let mut affected = Affected::default();
    affected.doubt(id("CAM-1"), facts("2026-11-20"));
    let Some(Ok(after)) = affected.next(&at(0), 10_000) else { panic!("it asks") };
    assert!(affected.is_asking() && affected.next(&at(0), 10_000).is_none());
    assert!(!affected.looked_back(&at(0), (after + 1, after + 9), 1, &[]), "that was for somebody else");
    assert!(affected.looked_back(&at(0), (after, after), 1, &[]));
    assert!(affected.next(&at(1), 10_000).is_none());
    assert_eq!((affected.deadline(), affected.next(&at(RETRY_US), 10_000).is_some()), (Some(RETRY_US), true));
}

#[test]
fn of_more_than_can_wait_everything_is_listed_rather_than_nothing() {
    let mut affected = Affected::default();
    let ids: Vec<EquipmentId> = (0..=WAITING).map(|n| id(&format!("CAM-{n}"))).collect();
    ids.iter().for_each(|id| affected.doubt(id.clone(), facts("2026-11-20")));
    let (first, asked) = listed(&mut affected, &hourly(10_000), 1);
    assert_eq!((&first.data["records"], asked), (&json!([[1, 10_000]]), 0));
    assert_eq!(listed(&mut affected, &hourly(10_000), 1).0.data["records"], json!([[9_938, 10_000]]));
}

proptest! {
    /// Times that never go back, holes where records are damaged or gone, records without a time.
    #[test]
    fn r05_the_search_finds_what_a_look_at_every_record_finds(
        gaps in prop::collection::vec((1_u64..4, 0_i64..7_200_000, prop::bool::weighted(0.02)), 1..3_000),
        oldest in 1_u64..500,
    ) {
        let (mut seq, mut ms) = (0, MIDNIGHT_MS - 4 * DAY_MS);
        let mut records = Vec::new();
        for (step, later, undated) in gaps {
            seq += step;
            ms += later;
            records.push(past(seq, (!undated).then_some(ms)));
        }
        records.retain(|record| record.seq >= oldest);
        prop_assume!(!records.is_empty());
        let mut affected = Affected::default();
        affected.doubt(id("CAM-1"), facts("2026-11-20"));
        let (statement, _) = listed(&mut affected, &records, oldest);
        let from = MIDNIGHT_MS - 2 * DAY_MS - ZONES_MS;
        let first = statement.data["records"].get(0).map_or(u64::MAX, |range| range[0].as_u64().unwrap());
        // Nothing that is known to be in doubt is left out; what is listed too much stands by a record without a time.
        for record in &records {
            let in_doubt = record.wall_ms.is_some_and(|ms| ms >= from);
            prop_assert!(!in_doubt || record.seq >= first, "{} is left out by {}", record.seq, first);
        }
        let dated = records.iter().all(|record| record.wall_ms.is_some());
        let older = records.iter().filter(|record| record.wall_ms.is_some_and(|ms| ms < from)).map(|record| record.seq);
        if let (true, Some(older)) = (dated, older.max()) {
            prop_assert!(first > older, "{first} is not behind {older}");
        }
    }
}
