use super::branches::{put_back, told};
use super::*;
use crate::journal::bundle::{Part, Range, Wanted};
use crate::journal::prune;
use picket_record::bundle::{BundleCheck, Part as File, Seal, Trust};
use serde_json::Map;

const ALL: u64 = i64::MAX as u64;

#[test]
fn records_disposed_of_between_two_slices_are_told_and_a_hole_of_damage_is_not() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for _ in 0..10 {
        journal.append(&[beat()]).unwrap();
    }
    drop(journal);
    site.by_hand("DELETE FROM record WHERE seq BETWEEN 3 AND 5");
    let (journal, _) = site.start();
    assert!(journal.next_slice(2, ALL).unwrap().is_some());
    drop(journal);
    site.by_hand("DELETE FROM record WHERE seq <= 6");
    let (journal, _) = site.start();
    let refused = journal.next_slice(2, ALL).unwrap_err().to_string();
    assert_eq!(refused, "records 3 to 6 were disposed of meanwhile; run the export again");
    assert!(journal.next_slice(6, ALL).unwrap().is_some());
    assert!(journal.next_slice(head(&journal), ALL).unwrap().is_none());
}

/// The range that is exported where this one is asked for.
fn widened(journal: &Journal, from: Option<u64>, to: Option<u64>) -> Result<(u64, u64), String> {
    let papers = journal.papers(Range { from, to }).map_err(|fault| fault.to_string())?;
    Ok((papers.from, papers.to))
}

#[test]
fn a_range_begins_at_the_opening_it_is_verified_with_and_ends_at_the_receipt_behind_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 8]).unwrap();
    stop(journal);
    let (mut journal, _) = site.start();
    let second = head(&journal);
    journal.append(&vec![beat(); 20]).unwrap();
    receive(&mut journal, 1, second + 6);
    journal.append(&[beat()]).unwrap();
    let end = head(&journal);
    assert_eq!(widened(&journal, None, None), Ok((1, end)));
    assert_eq!(widened(&journal, Some(4), Some(6)), Ok((1, second + 6)));
    assert_eq!(widened(&journal, Some(second + 3), Some(second + 6)), Ok((second, second + 6)));
    assert_eq!(widened(&journal, Some(second + 3), Some(second + 9)), Ok((second, second + 9)), "no receipt behind it");
    assert_eq!(widened(&journal, Some(second), Some(ALL)), Ok((second, end)));
    let nothing = widened(&journal, Some(end + 1), None).unwrap_err();
    assert!(nothing.contains(&format!("to {end}")), "{nothing}");
    assert!(widened(&journal, Some(9), Some(4)).is_err(), "backwards");
    journal.store.run("DELETE FROM record WHERE seq < ?1", [second], "test").unwrap();
    assert!(widened(&journal, None, Some(3)).is_err(), "disposed of, and the receipt behind it does not stand for it");
}

#[test]
fn receipts_in_a_bundle_are_those_of_its_records_and_the_newest_is_among_them_before_it_is_written() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 8]).unwrap();
    let line = signed(&receipt(&journal, 1, 5));
    journal.receipt(&line, &at(3)).unwrap();
    let lines = |to| journal.bundle_lines(Wanted { part: Part::Receipts, after: 0, to }).unwrap();
    assert_eq!(lines(4), None, "its record is not in the bundle");
    assert_eq!(lines(5), Some((1, format!("{line}\n").into_bytes())));
}

#[test]
fn a_record_that_is_stated_on_request_comes_back_with_its_opening_and_one_that_fits_none_is_told() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let data = Map::from_iter([("by".to_owned(), json!("N. N."))]);
    let written = journal.state(&at(4), Kind::RecordsExported, data).unwrap();
    assert_eq!((written.opened, written.seq), (1, head(&journal)));
    let (open, line) = (Parsed::read(&written.opening).unwrap(), Parsed::read(&written.line).unwrap());
    assert_eq!(
        (open.kind, line.kind, line.data()["by"].as_str()),
        (Kind::EpochOpen, Kind::RecordsExported, Some("N. N."))
    );
    let large = Map::from_iter([("by".to_owned(), json!("x".repeat(9_000)))]);
    let refused = journal.state(&at(5), Kind::RecordsExported, large).unwrap_err().to_string();
    assert!(refused.contains("does not fit a record"), "{refused}");
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn an_archive_is_stated_once_over_all_starts() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let data = || Map::from_iter([("gw".to_owned(), json!("gate-6"))]);
    assert_eq!(journal.state_restored(&at(4), &[3; 32], data()).unwrap(), Some(3));
    assert_eq!(journal.state_restored(&at(5), &[3; 32], data()).unwrap(), None);
    drop(journal);
    let (mut journal, _) = site.start();
    assert_eq!(journal.state_restored(&at(6), &[3; 32], data()).unwrap(), None);
    assert!(journal.state_restored(&at(6), &[4; 32], data()).unwrap().is_some());
    assert_eq!(kinds(&journal).iter().filter(|kind| **kind == Kind::RecordsRestored).count(), 2);
}

/// What a stranger verifies of the branches in an export from a number on: the ranges, without the openings in front.
fn exported(journal: &Journal, from: Option<u64>) -> Vec<(u64, u64)> {
    let papers = journal.papers(Range { from, to: None }).unwrap();
    let trust = Trust { identity: Some(IdentityKey::from_seed([1; 32]).public()), root: None };
    let mut check = BundleCheck::new(trust, Seal::Waived);
    for (part, file, mut after) in
        [(Part::Records, File::Records, papers.from - 1), (Part::Branches, File::Branches, 0)]
    {
        check.begin(file);
        while let Some((last, text)) = journal.bundle_lines(Wanted { part, after, to: papers.to }).unwrap() {
            check.feed(&text);
            after = last;
        }
        check.end();
    }
    let verdict = check.finish();
    let found: Vec<String> =
        verdict.found.iter().filter(|found| found.part == File::Branches).map(ToString::to_string).collect();
    assert_eq!(found, [""; 0], "from {from:?}");
    verdict.branches.iter().map(|kept| (kept.from, kept.to)).collect()
}

#[test]
fn a_branch_that_begins_in_the_middle_of_an_epoch_is_exported_with_the_opening_in_front() {
    let (_site, mut journal, line) = put_back();
    journal.append(&[raised("door/C")]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    assert_eq!(exported(&journal, None), [(1, 1), (5, 7)]);
    // Its opening is none of the records that were asked for.
    assert_eq!(exported(&journal, Some(rebased.head)), [(1, 1), (5, 7)]);
}

#[test]
fn a_branch_is_verified_with_its_opening_when_that_is_disposed_of() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&vec![large(); 60]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&vec![large(); 60]).unwrap();
    let own = head(&journal);
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    let (text, _) = read(&journal, &Batch::Branch { after: 0 }).unwrap();
    let first = text.lines().next().unwrap().to_owned();
    let dispose = |journal: &mut Journal, from, to| {
        journal.in_one(|store, sealer| prune::dispose(store, sealer, &at(9), (from, to), prune::SPACE)).unwrap();
    };
    dispose(&mut journal, 1, 4);
    // What goes up needs it as well.
    let (text, _) = read(&journal, &Batch::Branch { after: 0 }).unwrap();
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert_eq!(exported(&journal, None), [(1, 1), (5, own)]);
    journal.branch_told(rebased.branch.unwrap().1).unwrap();
    dispose(&mut journal, 5, 5);
    assert_eq!(exported(&journal, None).last(), Some(&(6, own)));
    dispose(&mut journal, 6, 9);
    assert_eq!(exported(&journal, None), [(6, 6), (10, own)]);
    dispose(&mut journal, 10, 20);
    assert_eq!(exported(&journal, None), [(6, 6), (21, own)]);
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    let (mut journal, _) = site.start();
    assert_eq!(exported(&journal, None), [(6, 6), (21, own)]);
    assert!(journal.dispose_of_branch(&at(9), u64::MAX, prune::SPACE).unwrap());
    assert_eq!((exported(&journal, None), count(&journal, "branch")), (vec![], 0));
}
