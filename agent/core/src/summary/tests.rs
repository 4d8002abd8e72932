use super::*;
use crate::testbed::{MIDNIGHT_MS, at};
use picket_record::kind::Severity;

/// Record `seq` so many seconds after midnight.
fn past(seq: u64, second: u64, kind: Kind, equipment: Option<&str>, data: Value) -> Past {
    let Value::Object(data) = data else { panic!("an object") };
    Past {
        seq,
        boot: "b0".into(),
        mono_us: s(second),
        wall_ms: Some(MIDNIGHT_MS + i64::try_from(second * 1_000).unwrap()),
        synced: true,
        mode: "live".into(),
        kind,
        severity: Severity::Info,
        equipment: equipment.map(str::to_owned),
        standing: equipment.map(|_| "good".to_owned()),
        data,
    }
}

fn beat(seq: u64, second: u64) -> Past {
    past(seq, second, Kind::Heartbeat, None, json!({}))
}

/// Looks back over all of it, slice by slice.
fn look(summaries: &mut Summaries, records: &[Past]) -> Vec<Vec<Statement>> {
    let head = records.last().map_or(0, |record| record.seq);
    summaries.stored(head, 0);
    let (mut groups, mut now) = (Vec::new(), at(s(1_000_000)));
    while let Some(after) = summaries.next(&now) {
        let behind = records.iter().filter(|record| record.seq > after).take(SLICE as usize);
        let slice: Vec<Past> = behind.cloned().collect();
        let through = slice.last().map_or(head, |record| record.seq);
        groups.extend(summaries.looked_back(&now, (after, through), 1, &slice));
        now.mono_us += IDLE_US;
    }
    groups
}

fn day_of_beats(from_seq: u64, from_s: u64) -> Vec<Past> {
    (0..RECORDS_MIN).map(|n| beat(from_seq + n, from_s + n * 60)).collect()
}

#[test]
fn a_day_is_summed_up_for_each_piece_of_equipment_when_the_next_begins() {
    let mut records = day_of_beats(1, 0);
    let n = records.len() as u64;
    let raised = json!({ "alarm": "door-held/DOOR-1", "rule": "door-held" });
    records.push(past(n + 1, 40_000, Kind::AlarmRaised, Some("DOOR-1"), raised));
    let seen = json!({ "alarm": "door-held/DOOR-1" });
    records.push(past(n + 2, 40_030, Kind::ActAcknowledged, Some("DOOR-1"), seen));
    let readings = |v: i64| json!({ "dev": "m", "p": { "temp": { "v": v, "e": -1, "u": "Cel" }, "open": true } });
    records.push(past(n + 3, 41_000, Kind::Readings, Some("FRIDGE-1"), readings(-184)));
    records.push(past(n + 4, 42_000, Kind::Readings, Some("FRIDGE-1"), readings(-172)));
    records.push(beat(n + 5, 86_400));

    let groups = look(&mut Summaries::new(&at(0), &[], n + 5), &records);
    assert_eq!(groups.len(), 1);
    let [door, fridge, own] = groups[0].as_slice() else { panic!("{groups:?}") };
    assert_eq!(door.equipment.as_ref().unwrap().as_str(), "DOOR-1");
    assert_eq!(
        Value::Object(door.data.clone()),
        json!({
            "day": "2026-11-22", "from": 1, "to": n + 4, "worst": 0,
            "kinds": { "alarm.raised": 1, "act.acknowledged": 1 },
            "rules": { "door-held": 1 },
            "standings": { "good": 2 },
            "acknowledged": { "n": 1, "sum_ms": 30_000, "max_ms": 30_000 },
        })
    );
    assert_eq!(fridge.data["points"], json!({ "temp": [2, -184, -172, -1, "Cel"] }));
    assert_eq!((own.equipment.as_ref(), &own.data["records"]), (None, &json!(n + 4)));
    assert_eq!(own.data["by_sev"], json!([n + 4, 0, 0, 0, 0]));
}

#[test]
fn a_start_goes_on_behind_the_last_summary_and_counts_nothing_twice() {
    let rows = [StateRow { key: ROW.into(), body: json!({ "to": 600 }).to_string(), seq: 601 }];
    let mut summaries = Summaries::new(&at(0), &rows, 2_000);
    assert_eq!(summaries.next(&at(0)), None, "what watches equipment goes first");
    assert_eq!(summaries.next(&at(START_US)), Some(600));
    assert_eq!(summaries.next(&at(START_US)), None, "one look back is open at a time");
    // An answer to something else, as after a journal that went back.
    assert!(summaries.looked_back(&at(START_US), (0, 600), 1, &[beat(1, 0)]).is_empty());
    assert_eq!(summaries.folded, 600);
}

fn rebased(upto: u64, summed_up: u64) -> Rebased {
    let (tail, found, left) = ("rollback".into(), 0, 0);
    Rebased { tail, found, upto, head: upto + 2, left, branch: None, summed_up, nameless_from: 1 }
}

/// The statements of the gateway itself: first and last number, records counted, and numbers that are missing.
fn own(groups: &[Vec<Statement>]) -> Vec<[Option<u64>; 4]> {
    let number = |statement: &Statement, field| statement.data.get(field).and_then(Value::as_u64);
    let of =
        |group: &Vec<Statement>| ["from", "to", "records", "missing"].map(|field| number(group.last().unwrap(), field));
    groups.iter().map(of).collect()
}

#[test]
fn what_was_counted_of_a_branch_that_was_left_is_counted_anew_and_the_lost_numbers_are_stated_as_missing() {
    let mut summaries = Summaries::new(&at(0), &[], 0);
    let chain = day_of_beats(1, 0);
    let n = chain.len() as u64;
    // Fifty more that the central side does not have were counted too.
    let branch = [chain.clone(), (1..=50).map(|more| beat(n + more, 50_000)).collect()].concat();
    assert!(look(&mut summaries, &branch).is_empty());
    assert_eq!(summaries.folded, n + 50);
    summaries.went_back(&at(s(1)), &rebased(n + 200, 0));
    let mut held = [chain, day_of_beats(n + 201, 86_400)].concat();
    held.push(beat(2 * n + 201, 2 * 86_400));
    let groups = look(&mut summaries, &held);
    assert_eq!(own(&groups), [[Some(1), Some(n), Some(n), None], [Some(n + 1), Some(2 * n + 200), Some(n), Some(200)]]);
    assert!(groups.iter().flatten().all(|statement| statement.data[BEHIND] == json!(n + 200)));
}

#[test]
fn a_summary_that_went_with_the_lost_records_is_made_again() {
    let mut summaries = Summaries::new(&at(0), &[], 0);
    let mut records = day_of_beats(1, 0);
    let n = records.len() as u64;
    records.push(beat(n + 1, 86_400));
    assert_eq!(look(&mut summaries, &records).len(), 1);
    // The journal says that no summary of the chain that goes on is behind number 0.
    summaries.went_back(&at(s(1)), &rebased(n, 0));
    assert_eq!(own(&look(&mut summaries, &records)), [[Some(1), Some(n), Some(n), None]]);
}

#[test]
fn an_answer_that_was_asked_for_before_the_chain_went_back_counts_nothing() {
    let mut summaries = Summaries::new(&at(0), &[], 0);
    summaries.stored(600, 0);
    assert_eq!(summaries.next(&at(START_US)), Some(0));
    summaries.went_back(&at(START_US), &rebased(300, 0));
    assert!(summaries.looked_back(&at(START_US), (0, 256), 1, &[beat(1, 0)]).is_empty());
    assert_eq!((summaries.folded, summaries.open.records), (0, 0));
}

#[test]
fn damaged_records_and_those_that_are_gone_are_missing_from_the_summary_that_spans_them() {
    let mut records = day_of_beats(11, 0);
    records.remove(5);
    let last = records.last().unwrap().seq;
    records.push(beat(last + 1, 86_400));
    let groups = look(&mut Summaries::new(&at(0), &[], last + 1), &records);
    assert_eq!(groups.len(), 0, "one record less than makes a day");
    records.pop();
    records.extend((1..=5).map(|more| beat(last + more, 60_000)));
    records.push(beat(last + 6, 86_400));
    let groups = look(&mut Summaries::new(&at(0), &[], last + 6), &records);
    assert_eq!(own(&groups), [[Some(1), Some(last + 5), Some(RECORDS_MIN + 4), Some(11)]]);
}

#[test]
fn a_clock_that_is_not_synchronised_ends_no_day() {
    let mut records = day_of_beats(1, 0);
    let n = records.len() as u64;
    records.push(Past { synced: false, ..beat(n + 1, 90 * 86_400) });
    records.push(Past { wall_ms: None, ..beat(n + 2, 0) });
    assert!(look(&mut Summaries::new(&at(0), &[], n + 2), &records).is_empty());
}

#[test]
fn a_clock_that_flaps_around_midnight_makes_few_summaries() {
    let flapping: Vec<Past> = (1..=6 * RECORDS_MIN).map(|seq| beat(seq, seq % 2 * 86_400)).collect();
    let groups = look(&mut Summaries::new(&at(0), &[], 6 * RECORDS_MIN), &flapping);
    assert_eq!(groups.len(), 5);
    let own = groups[0].last().unwrap();
    assert_eq!((&own.data["day"], &own.data["to_day"]), (&json!("2026-11-22"), &json!("2026-11-23")));
}

#[test]
fn a_day_is_summed_up_in_parts_where_the_journal_must_make_room() {
    let mut summaries = Summaries::new(&at(0), &[], 0);
    let records: Vec<Past> = (1..=300).map(|seq| beat(seq, seq)).collect();
    let now = at(START_US);
    for (permille, oldest, parts) in [(549, 1, 0), (550, 2_000, 1)] {
        summaries.stored(300, permille);
        summaries.folded = 0;
        summaries.asked = Some(0);
        let groups = summaries.looked_back(&now, (0, 300), oldest, &records);
        assert_eq!(groups.len(), parts, "{permille} and {oldest}");
    }
    // Enough of the oldest is summed up already.
    summaries.stored(900, 990);
    summaries.said = 300;
    summaries.asked = Some(300);
    let more: Vec<Past> = (301..=900).map(|seq| beat(seq, seq)).collect();
    assert!(summaries.looked_back(&now, (300, 900), 0, &more).len() <= 1);
}

#[test]
fn what_is_no_live_record_is_no_figure_of_the_day() {
    let mut drill = past(1, 0, Kind::AlarmRaised, Some("DOOR-1"), json!({ "alarm": "a", "rule": "door-held" }));
    drill.mode = "drill".into();
    let mut counts = Counts::default();
    counts.take(&drill);
    assert_eq!(Value::Object(counts.data()), json!({ "kinds": { "drill": 1 }, "worst": 0 }));
}

#[test]
fn the_largest_summary_fits_into_a_record() {
    let mut counts = Counts::default();
    for n in 0..200_u32 {
        let word = format!("{n:064}");
        let readings = json!({ "p": { word.clone(): { "v": i64::MIN >> 11, "e": -128, "u": word } } });
        counts.take(&past(1, 0, Kind::Readings, Some("X"), readings));
        counts.take(&past(1, 0, Kind::AlarmRaised, Some("X"), json!({ "alarm": word, "rule": word })));
        counts.take(&past(1, 0, Kind::NonconformityOpened, Some("X"), json!({ "reason": word })));
        let mut other = past(1, 0, Kind::Readings, Some("X"), json!({}));
        other.standing = Some(word);
        counts.take(&other);
    }
    assert!(Value::Object(counts.data()).to_string().len() < 7_000);
}

#[test]
fn without_a_synchronised_clock_a_summary_goes_over_so_many_records() {
    let dated = |record: Past| record.seq <= 700;
    let records: Vec<Past> =
        (1..=4_000).map(|n| beat(n, n)).map(|past| Past { synced: dated(past.clone()), ..past }).collect();
    let groups = look(&mut Summaries::new(&at(0), &[], 4_000), &records);
    let ends: Vec<&Value> = groups.iter().filter_map(|group| group.last()?.data.get("to")).collect();
    assert_eq!(ends, [&json!(700 + UNDATED_MAX), &json!(700 + 2 * UNDATED_MAX)]);
    assert_eq!(groups[0][0].data["day"], "2026-11-22");
    assert!(!groups[1][0].data.contains_key("day"));
}
