use super::*;
use crate::journal::{ReceiptFault, memory};
use picket_core::wire::Rebased;
use std::fs;
use std::path::PathBuf;

/// The bytes of a disk, as an image takes them beside the open journal.
pub(super) struct Image(Vec<(PathBuf, Vec<u8>)>);

impl Image {
    pub(super) fn take(site: &Site) -> Self {
        let files = ["journal.db", "journal.db-wal"].map(|name| site.folder.path().join(name));
        Self(files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap_or_default())).collect())
    }

    pub(super) fn put_back(&self) {
        for (file, bytes) in &self.0 {
            fs::write(file, bytes).unwrap();
        }
    }
}

fn parsed(line: &[u8]) -> (u64, u64, Kind) {
    let record = Parsed::read_bytes(line).unwrap();
    (record.seq, record.ep, record.kind)
}

/// All lines of what was left, read as they are sent.
fn branch(journal: &Journal) -> Vec<(u64, u64, Kind)> {
    let (mut after, mut all) = (0, Vec::new());
    while let Some((text, through)) = read(journal, &Batch::Branch { after }) {
        all.extend(text.lines().map(|line| parsed(line.as_bytes())));
        assert!(through > after);
        after = through;
    }
    all
}

/// Two lives of one gateway: the receipt of what the first one wrote, and the journal as an image of its disk took it.
pub(super) fn put_back() -> (Site, Journal, String) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A"), beat()]).unwrap();
    receive(&mut journal, 1, 4);
    let image = Image::take(&site);
    journal.append(&[raised("door/B"), closed("door/A")]).unwrap();
    journal.append(&vec![beat(); 13]).unwrap();
    let upto = head(&journal);
    let line = signed(&receipt(&journal, 2, upto));
    drop(journal);
    image.put_back();
    let (journal, _) = site.start();
    (site, journal, line)
}

pub(super) fn told(journal: &mut Journal) -> Rebased {
    journal.rebased().expect("it was left")
}

#[test]
fn a_disk_image_that_was_put_back_goes_on_behind_the_receipt_and_keeps_what_it_wrote() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&[raised("door/C")]).unwrap();
    let found_to = head(&journal);
    assert_eq!(found_to, 7);
    assert_eq!(journal.receipt(&line, &at(9)).unwrap().upto, 20);
    let rebased = told(&mut journal);
    assert_eq!((rebased.tail.as_str(), rebased.found, rebased.upto, rebased.left), ("rollback", 7, 20, 3));
    assert_eq!((rebased.head, journal.rebased()), (head(&journal), None));
    let stored = journal.append(&[beat(), closed("door/C")]).unwrap();
    assert_eq!(stored.head, rebased.head + 2);
    let all = lines(&journal);
    let open = all.iter().map(|line| Parsed::read_bytes(line).unwrap()).find(|record| record.seq == 21).unwrap();
    assert_eq!((open.kind, open.ep, &open.data()["tail"]["seq"]), (Kind::EpochOpen, 3, &json!(7)));
    assert_eq!(open.data()["tail_state"], "rollback");
    // Sent once more: its own records without a receipt, behind the opening that the first belongs to.
    let sent: Vec<u64> = branch(&journal).iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(sent, [1, 5, 6, 7]);
    assert_eq!(rows(&journal), ["alarm/door/A"]);
    // The chain that a stranger verifies holds none of them.
    let (_, text) = journal.slice(0).unwrap().unwrap();
    let chain: Vec<u64> =
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| parsed(line).0).collect();
    assert_eq!(chain, [1, 2, 3, 4, 21, 22, 23, 24]);
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal), recovered.tail.as_str(), recovered.receipted), (vec![], "crash", 20));
    assert_eq!(recovered.branch, rebased.branch);
    assert_eq!(rows(&journal), ["alarm/door/A"]);
    journal.branch_told(recovered.branch.unwrap().1).unwrap();
    drop(journal);
    assert_eq!(site.start().1.branch, None);
}

#[test]
fn a_branch_longer_than_what_the_central_side_has_moves_out_of_the_way_with_its_openings() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&vec![large(); 60]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/C"), large()]).unwrap();
    let (own, ep) = (head(&journal), journal.sealer.head().ep);
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    assert_eq!((rebased.upto, rebased.left, own), (20, own - 4, 69));
    assert!(rebased.head < own && head(&journal) == rebased.head);
    assert_eq!(journal.sealer.head().ep, ep + 1, "numbers of epochs are never given again");
    let sent = branch(&journal);
    let once: std::collections::BTreeSet<u64> = sent.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(once.into_iter().collect::<Vec<_>>(), [vec![1], (5..=own).collect()].concat());
    // Each part can be verified alone.
    let (text, through) = read(&journal, &Batch::Branch { after: 30 }).unwrap();
    assert!(text.len() <= 256 * 1024 + 10_000 && through > 30);
    let (_, ep, kind) = parsed(text.lines().next().unwrap().as_bytes());
    assert_eq!((kind, ep), (Kind::EpochOpen, parsed(text.lines().nth(1).unwrap().as_bytes()).1));
    // An alarm of the left branch is still open, and stands on a record that is there.
    assert_eq!(rows(&journal), ["alarm/door/A", "alarm/door/C"]);
    memory::refold(&journal.store).unwrap();
    assert_eq!(rows(&journal), ["alarm/door/A", "alarm/door/C"]);
    journal.append(&vec![beat(); 80]).unwrap();
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal), recovered.rows.len()), (vec![], 2));
    assert!(recovered.rows.iter().all(|row| row.seq <= 21), "{:?}", recovered.rows);
}

#[test]
fn what_the_left_branch_closed_does_not_come_back_when_everything_is_folded_again() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 20]).unwrap();
    journal.append(&[closed("door/A")]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(rows(&journal), [""; 0]);
    memory::refold(&journal.store).unwrap();
    assert_eq!(rows(&journal), [""; 0]);
}

#[test]
fn a_journal_that_was_lost_whole_goes_on_behind_the_receipt_as_reset() {
    let (site, journal, line) = put_back();
    drop(journal);
    let mut fresh = Site::new();
    fresh.starts = 100;
    let (mut journal, recovered) = fresh.start();
    assert_eq!(recovered.tail, "genesis");
    journal.append(&[raised("door/C")]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    assert_eq!((rebased.tail.as_str(), rebased.found, rebased.upto, rebased.left), ("reset", 3, 20, 3));
    assert_eq!(branch(&journal).iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), [1, 2, 3]);
    let upto = head(&journal);
    receive(&mut journal, 3, upto);
    assert_eq!(journal.newest_receipt(), 3);
    drop(site);
}

#[test]
fn a_tail_that_a_lying_disk_lost_is_behind_the_receipt_and_nothing_is_left() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 18]).unwrap();
    receive(&mut journal, 1, 10);
    let line = signed(&receipt(&journal, 2, 20));
    drop(journal);
    site.by_hand("DELETE FROM record WHERE seq > 10");
    let (mut journal, _) = site.start();
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    // Its own opening took number 11.
    assert_eq!((rebased.found, rebased.left), (11, 1));
    let first = branch(&journal);
    assert_eq!(first.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), [11]);
}

#[test]
fn the_same_twice_in_a_row_keeps_both_branches_and_a_receipt_counts_once() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 4]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let first = told(&mut journal);
    assert!(matches!(journal.receipt(&line, &at(9)), Err(ReceiptFault::Old { .. })));
    journal.append(&vec![beat(); 4]).unwrap();
    let other = Receipt { n: 9, upto: 24, head: [7; 32], ep: 40, ..receipt(&journal, 9, 20) };
    journal.receipt(&signed(&other), &at(10)).unwrap();
    let second = told(&mut journal);
    assert_eq!((second.upto, second.found), (24, first.head + 4));
    assert_eq!(journal.sealer.head().ep, 41);
    let (one, two) = (first.branch.unwrap(), second.branch.unwrap());
    assert_eq!((one.0, two.0), (1, 1));
    assert!(two.1 > one.1);
    let seqs: Vec<u64> = branch(&journal).iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(seqs, [vec![1], (5..=10).collect(), (21..=second.found).collect()].concat());
}

#[test]
fn one_that_is_driven_from_branch_to_branch_stops_and_says_so() {
    let (_site, mut journal, _) = put_back();
    for n in 1..=9u8 {
        let other =
            Receipt { n: 10 + u64::from(n), upto: 1_000 * u64::from(n), head: [n; 32], ..receipt(&journal, 1, 4) };
        let answer = journal.receipt(&signed(&other), &at(10));
        assert_eq!(answer.is_ok(), n <= 8, "{n}: {answer:?}");
    }
    let later = Receipt { n: 99, upto: 50_000, head: [99; 32], ..receipt(&journal, 1, 4) };
    journal.receipt(&signed(&later), &at(3_700_000_000)).unwrap();
}

#[test]
fn a_receipt_that_contradicts_one_that_is_held_has_nothing_follow() {
    let (_site, mut journal, line) = put_back();
    journal.receipt(&line, &at(9)).unwrap();
    told(&mut journal);
    let before = head(&journal);
    for upto in [3, 4] {
        let other = Receipt { n: 50, upto, head: [7; 32], ..receipt(&journal, 1, 4) };
        assert!(matches!(journal.receipt(&signed(&other), &at(9)), Err(ReceiptFault::Refused(_))));
    }
    assert_eq!((head(&journal), journal.rebased()), (before, None));
}

/// Lives and dies with the connection, as the faults of a disk do.
pub(super) const BREAK: &str = "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.record WHEN new.seq > 21
                     BEGIN SELECT RAISE(ABORT, 'input/output error'); END";

#[test]
fn a_fault_in_the_middle_leaves_the_branch_as_it_was_and_the_next_receipt_tries_again() {
    let (_site, mut journal, line) = put_back();
    let before = (head(&journal), lines(&journal).len());
    journal.store.db.execute_batch(BREAK).unwrap();
    assert!(matches!(journal.receipt(&line, &at(9)), Err(ReceiptFault::Journal(_))));
    assert_eq!((head(&journal), journal.newest_receipt()), (before.0, 1));
    let stored = journal.append(&[beat()]).unwrap();
    assert_eq!((stored.head, journal.rebased()), (before.0 + 2, None));
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(told(&mut journal).upto, 20);
}

#[test]
fn a_commit_that_was_reported_as_failed_but_is_done_is_gone_on_from() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&[raised("door/C")]).unwrap();
    // The commit is done, and SQLite says that it is not.
    journal.store.lose_next_commit();
    assert!(matches!(journal.receipt(&line, &at(9)), Err(ReceiptFault::Journal(_))));
    assert_eq!(journal.rebased(), None);
    let stored = journal.append(&[beat()]).unwrap();
    let rebased = told(&mut journal);
    assert_eq!((rebased.upto, rebased.left, stored.head), (20, 3, rebased.head + 2));
    assert_eq!(journal.newest_receipt(), 2);
    assert!(found(&journal).iter().all(|fault| fault["what"] == "reopened"), "{:?}", found(&journal));
    drop(journal);
    assert_eq!(found(&site.start().0), Vec::<Value>::new());
}

#[test]
fn a_kill_at_any_point_of_it_leaves_the_one_branch_or_the_other() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&[raised("door/C")]).unwrap();
    journal.append(&vec![large(); 60]).unwrap();
    let (own, before) = (head(&journal), Image::take(&site));
    journal.receipt(&line, &at(9)).unwrap();
    let after = Image::take(&site);
    drop(journal);
    let (old, new) = (&before.0[1].1, &after.0[1].1);
    let differs = |at: &usize| old.get(*at) != new.get(*at);
    let (begin, end) = ((0..new.len()).find(differs).unwrap(), (0..new.len()).rfind(differs).unwrap() + 1);
    let mut done = 0;
    for n in 0..=24 {
        let cut = begin + (end - begin) * n / 24;
        before.put_back();
        // The database itself is written when the commit is done.
        fs::write(&before.0[1].0, [&new[..cut], old.get(cut..).unwrap_or_default()].concat()).unwrap();
        let (mut journal, recovered) = site.start();
        assert_eq!(found(&journal), Vec::<Value>::new(), "cut at {cut}");
        assert_eq!(rows(&journal), ["alarm/door/A", "alarm/door/C"], "cut at {cut}");
        if recovered.receipted == 20 {
            done += 1;
        } else {
            assert_eq!(recovered.head, own + 1, "cut at {cut}");
            journal.receipt(&line, &at(9)).unwrap();
            told(&mut journal);
        }
        let sent: Vec<u64> = branch(&journal).iter().map(|(seq, ..)| *seq).collect();
        assert!((5..=own).all(|seq| sent.contains(&seq)), "cut at {cut}: {sent:?}");
    }
    assert!((1..25).contains(&done), "{done}");
}

#[test]
fn appends_that_wait_are_stored_behind_it_and_the_site_hears_of_it_before_them() {
    use crate::journal::thread::{Request, serve};
    use picket_core::wire::Input;
    use tokio::sync::{mpsc, watch};
    let (_site, journal, line) = put_back();
    let (requests, asked) = mpsc::channel(8);
    let (inputs, mut taken) = mpsc::channel(16);
    let (parcels, _carried) = mpsc::channel(8);
    let (mending, _seen) = watch::channel(None);
    let append = |through| Request::Append { through, bodies: std::sync::Arc::new(vec![raised("door/C"), beat()]) };
    for request in [append(2), Request::Receipt { line, when: at(9) }, append(4)] {
        requests.try_send(request).unwrap();
    }
    drop(requests);
    serve(journal, asked, &inputs, &parcels, &mending);
    drop(inputs);
    let mut told = Vec::new();
    while let Some(input) = taken.blocking_recv() {
        match input {
            Input::Stored { through, head, .. } => told.push(format!("stored {through} to {head}")),
            Input::Rebased(rebased) => told.push(format!("rebased to {} of {}", rebased.head, rebased.found)),
            Input::Receipted(receipted) => told.push(format!("receipted to {}", receipted.upto)),
            _ => {}
        }
    }
    assert_eq!(told, ["stored 2 to 8", "rebased to 22 of 8", "receipted to 20", "stored 4 to 24"]);
}

#[test]
fn what_was_left_is_carried_over_into_a_new_file_and_not_disposed_of_before_the_central_side_has_it() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 40]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let before = branch(&journal);
    drop(journal);
    drop(crate::journal::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    let (journal, _) = site.start();
    assert_eq!(branch(&journal), before);
    assert_eq!(crate::journal::branch::first_untold(&journal.store).unwrap(), Some(5));
}

#[test]
fn a_branch_that_the_central_side_has_goes_where_space_is_short_and_that_is_stated() {
    let (mut site, mut journal, line) = put_back();
    journal.append(&vec![large(); 160]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let rebased = told(&mut journal);
    drop(journal);
    site.budget = 1_100_000;
    let (mut journal, _) = site.start();
    journal.append(&[beat()]).unwrap();
    assert!(branch(&journal).len() > 160, "it stays while the central side may not have it");
    journal.branch_told(rebased.branch.unwrap().1).unwrap();
    // What lay among the records goes with those that have a receipt.
    for _ in 0..4 {
        journal.append(&[beat()]).unwrap();
    }
    let all = lines(&journal);
    let stated = all.iter().filter_map(|line| Parsed::read_bytes(line).ok()).map(|record| record.data());
    assert!(stated.into_iter().any(|data| data.get("branch") == Some(&json!([21, rebased.found]))));
    assert_eq!(count(&journal, "branch"), 0);
}

#[test]
fn a_receipt_that_asks_back_behind_our_own_record_is_gone_on_behind_once() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A"), beat()]).unwrap();
    receive(&mut journal, 1, 3);
    journal.append(&[raised("door/B"), beat()]).unwrap();
    let (own, paper) = (head(&journal), receipt(&journal, 2, 4));
    let asked = |n, rebase| signed(&Receipt { n, rebase, state: State::Fork, ..paper.clone() });
    let back = receipt(&journal, 2, 2);
    let back = Receipt { rebase: Some((2, back.head)), state: State::Fork, ..back };
    journal.receipt(&signed(&back), &at(9)).unwrap();
    assert_eq!(journal.rebased(), None, "record 3 has a receipt");
    for (n, rebase) in [(3, None), (4, Some((4, [7; 32]))), (5, Some((3, paper.head)))] {
        journal.receipt(&asked(n, rebase), &at(9)).unwrap();
        assert_eq!((head(&journal), journal.rebased()), (own, None), "{rebase:?} is no mark of ours");
    }
    let mark = Some((4, paper.head));
    assert_eq!(journal.receipt(&asked(6, mark), &at(9)).unwrap().upto, 4);
    let rebased = told(&mut journal);
    assert_eq!((rebased.tail.as_str(), rebased.found, rebased.upto, rebased.left), ("rollback", own, 4, own - 4));
    let open = journal.store.line(5).unwrap().unwrap();
    let open = Parsed::read_bytes(&open).unwrap();
    assert_eq!((open.kind, open.prev), (Kind::EpochOpen, paper.head));
    let left: Vec<u64> = branch(&journal).iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(left, [vec![1], (5..=own).collect()].concat());
    assert_eq!(rows(&journal), ["alarm/door/A", "alarm/door/B"]);
    // Those that were on their way say the same once more.
    let before = head(&journal);
    journal.receipt(&asked(7, mark), &at(9)).unwrap();
    assert_eq!((head(&journal), journal.rebased()), (before, None));
    let all = checked(&journal);
    assert_eq!((all.contradictions, all.records), (0, before));
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal), recovered.receipted, recovered.head), (vec![], 4, before + 1));
}

#[test]
fn the_opening_of_what_lies_among_the_records_stays_where_the_rest_of_a_branch_goes() {
    use crate::journal::prune::{SPACE, dispose};
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 30]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    let through = told(&mut journal).branch.unwrap().1;
    journal.branch_told(through).unwrap();
    // Its records from 6 on are of one epoch; of what lies among the records 11 to 20 are left.
    journal.in_one(|store, sealer| dispose(store, sealer, &at(9), (1, 10), SPACE)).unwrap();
    assert!(journal.dispose_of_branch(&at(9), u64::MAX, SPACE).unwrap());
    let left: Vec<(u64, Kind)> = branch(&journal).into_iter().map(|(seq, _, kind)| (seq, kind)).collect();
    assert_eq!((left.len(), left[0], left[1].0), (11, (6, Kind::EpochOpen), 11));
    journal.in_one(|store, sealer| dispose(store, sealer, &at(9), (11, 20), SPACE)).unwrap();
    assert_eq!(count(&journal, "branch"), 0, "and goes with the last of them");
}
