use super::branches::{put_back, told};
use super::*;

const DAY_MS: i64 = 86_400_000;

/// A receipt of a later day, for everything stored.
fn day(journal: &mut Journal, days: i64) {
    let upto = head(journal);
    let paper = receipt(journal, journal.newest_receipt() + 1, upto);
    let paper = Receipt { ts_ms: paper.ts_ms + days * DAY_MS, ..paper };
    journal.receipt(&signed(&paper), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
}

fn numbers(journal: &Journal) -> Vec<u64> {
    lines(journal).iter().map(|line| Parsed::read_bytes(line).unwrap().seq).collect()
}

fn disposed(journal: &Journal) -> Vec<Value> {
    let all = lines(journal);
    let records = all.iter().map(|line| Parsed::read_bytes(line).unwrap());
    records.filter(|record| record.kind == Kind::RecordsDisposed).map(|record| record.data().into()).collect()
}

/// Two epochs; the first holds an alarm that is still open and the summary of a day. The receipt for all of it is of day 0.
fn old() -> (Site, Journal) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal
        .append(&[raised("door/A"), beat(), body(Kind::SummaryDay, Severity::Info, json!({ "to": 1_000_000 })), beat()])
        .unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&[beat()]).unwrap();
    day(&mut journal, 0);
    (site, journal)
}

#[test]
fn what_has_had_a_receipt_for_its_days_goes_and_says_on_whose_authority() {
    let (mut site, mut journal) = old();
    day(&mut journal, 29);
    journal.append(&[beat()]).unwrap();
    assert_eq!((numbers(&journal)[0], disposed(&journal).len()), (1, 0));
    day(&mut journal, 30);
    let mut late = beat();
    late.when = at(61_000_000);
    journal.append(&[late]).unwrap();
    assert_eq!(numbers(&journal)[0], 7, "the current epoch stays whole");
    let authority = "retention of the settings";
    assert_eq!(disposed(&journal), [json!({ "from": 1, "to": 6, "why": "age", "authority": authority })]);
    assert_eq!(rows(&journal), ["alarm/door/A", "summary"]);
    drop(journal);
    let (journal, _) = site.start();
    assert_eq!(found(&journal), Vec::<Value>::new());
    assert_eq!(rows(&journal), ["alarm/door/A", "summary"]);
}

#[test]
fn a_clock_of_the_gateway_that_runs_ahead_disposes_of_nothing() {
    let (_site, mut journal) = old();
    for year in 1..20u64 {
        let mut late = beat();
        late.when = at(year * 61_000_000);
        late.when.wall_ms = late.when.wall_ms.map(|ms| ms + year as i64 * 365 * DAY_MS);
        journal.append(&[late]).unwrap();
    }
    assert_eq!(numbers(&journal)[0], 1);
}

#[test]
fn another_authority_may_set_another_time() {
    let (_site, mut journal) = old();
    day(&mut journal, 2);
    journal.retain(Some(2), "order 4 of the central side");
    journal.append(&[beat()]).unwrap();
    assert_eq!(disposed(&journal)[0]["authority"], "order 4 of the central side");
}

#[test]
fn a_summary_outlives_its_records_with_the_opening_that_it_is_verified_with() {
    let (mut site, mut journal) = old();
    day(&mut journal, 1);
    journal.retain(Some(1), "test");
    journal.append(&[beat()]).unwrap();
    assert_eq!(numbers(&journal)[0], 7);
    let (last, text) = journal.summary_lines(0).unwrap().unwrap();
    let kept: Vec<(u64, Kind)> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| Parsed::read_bytes(line).map(|record| (record.seq, record.kind)).unwrap())
        .collect();
    assert_eq!(kept, [(1, Kind::EpochOpen), (5, Kind::SummaryDay)]);
    assert_eq!(journal.summary_lines(last).unwrap(), None);
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    assert_eq!(site.start().0.summary_lines(0).unwrap().unwrap().1, text, "in a new file too");
}

#[test]
fn kept_summaries_take_a_quarter_of_the_budget_and_what_goes_then_is_stated() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    let summary =
        |n: u64| body(Kind::SummaryDay, Severity::Info, json!({ "to": 1_000_000, "n": n, "x": "x".repeat(4_000) }));
    for n in 1..600 {
        journal.append(&[summary(n)]).unwrap();
        let upto = head(&journal);
        journal.receipt(&signed(&receipt(&journal, n, upto)), &at(2)).unwrap();
        if n % 40 == 0 {
            journal.rotate(&at(2)).unwrap();
        }
    }
    let stated = disposed(&journal);
    assert!(stated.iter().any(|data| data["what"] == "summaries" && data["why"] == "space"), "{stated:?}");
    // Every one that is kept can be verified.
    let (mut after, mut known, mut kept) = (0, std::collections::BTreeSet::new(), Vec::new());
    while let Some((last, text)) = journal.summary_lines(after).unwrap() {
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record = Parsed::read_bytes(line).unwrap();
            assert!(record.kind == Kind::EpochOpen && known.insert(record.ep) || known.contains(&record.ep));
            kept.push(record.seq);
        }
        after = last;
    }
    assert!(kept[1] > kept[0] + 1, "an opening outlives the first summaries of its epoch: {kept:?}");
    let sql = "SELECT sum(length(line)) FROM summary";
    let bytes: u64 = journal.store.row(sql, [], "test", |row| row.get(0)).unwrap().unwrap();
    assert!(bytes < 600_000, "{bytes}");
}

#[test]
fn what_no_summary_tells_of_does_not_go_by_age() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[beat()]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    day(&mut journal, 0);
    day(&mut journal, 60);
    let mut late = beat();
    late.when = at(61_000_000);
    journal.append(&[late]).unwrap();
    assert_eq!((numbers(&journal)[0], disposed(&journal).len()), (1, 0));
}

/// The journal looks once a minute.
fn look(journal: &mut Journal, minute: u64) {
    let mut late = beat();
    late.when = at(minute * 61_000_000);
    journal.append(&[late]).unwrap();
}

#[test]
fn one_receipt_of_a_wrong_day_makes_nothing_old() {
    for wrong in [4_000, -4_000] {
        let (_site, mut journal) = old();
        day(&mut journal, wrong);
        // The one behind it is written with the next append, and counts before.
        let paper = receipt(&journal, journal.newest_receipt() + 1, head(&journal));
        let paper = Receipt { ts_ms: paper.ts_ms + DAY_MS, ..paper };
        journal.receipt(&signed(&paper), &at(2)).unwrap();
        look(&mut journal, 1);
        assert_eq!((numbers(&journal)[0], disposed(&journal).len()), (1, 0), "{wrong}");
        day(&mut journal, 30);
        look(&mut journal, 2);
        assert_eq!((numbers(&journal)[0], disposed(&journal).len()), (7, 1), "{wrong}: what is old goes all the same");
    }
}

#[test]
fn what_was_left_goes_by_age_once_the_record_that_the_chain_went_on_with_is_old() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 30]).unwrap();
    let own = head(&journal);
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    let moved = count(&journal, "branch");
    assert_eq!(moved, own - 20);
    // The receipt that it was left for is old, and what was left may be of any day since.
    day(&mut journal, 60);
    look(&mut journal, 1);
    day(&mut journal, 90);
    look(&mut journal, 2);
    assert_eq!((count(&journal, "branch"), disposed(&journal).len()), (moved, 0), "the central side may not have it");
    journal.branch_told(rebased.branch.unwrap().1).unwrap();
    journal.store.run("DELETE FROM receipt WHERE upto > 20 AND n < ?1", [journal.newest_receipt()], "test").unwrap();
    look(&mut journal, 3);
    assert_eq!(count(&journal, "branch"), moved, "only the receipt for what is not of it is old");
    day(&mut journal, 120);
    look(&mut journal, 4);
    assert_eq!((count(&journal, "branch"), count(&journal, "branch_open")), (0, 0));
    let authority = "retention of the settings";
    assert_eq!(disposed(&journal), [json!({ "branch": [21, own], "why": "age", "authority": authority })]);
}

#[test]
fn lines_that_were_set_aside_go_by_age_once_their_numbers_are_old() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 10]).unwrap();
    drop(journal);
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 8");
    let (mut journal, _) = site.start();
    assert_eq!((count(&journal, "quarantine"), head(&journal)), (4, 10));
    day(&mut journal, 0);
    day(&mut journal, 29);
    look(&mut journal, 1);
    assert_eq!(count(&journal, "quarantine"), 4);
    day(&mut journal, 30);
    look(&mut journal, 2);
    assert_eq!(count(&journal, "quarantine"), 2, "11 and 12 were given again later");
    let authority = "retention of the settings";
    assert_eq!(disposed(&journal), [json!({ "quarantine": [9, 10], "why": "age", "authority": authority })]);
}
