use super::*;
use crate::journal::ReceiptFault;

fn refused(journal: &mut Journal, line: &str) -> String {
    match journal.receipt(line, &at(2)) {
        Err(ReceiptFault::Refused(cause)) => cause,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_receipt_counts_at_once_and_is_kept_with_the_next_append() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A")]).unwrap();
    let mut paper = receipt(&journal, 1, 3);
    (paper.have, paper.resend) = (vec![(7, 8)], vec![(4, 6)]);
    let accepted = journal.receipt(&signed(&paper), &at(2)).unwrap();
    assert_eq!((accepted.upto, accepted.have, accepted.resend), (3, vec![(7, 8)], vec![(4, 6)]));
    assert_eq!((count(&journal, "receipt"), count(&journal, "urgent")), (0, 1));
    journal.append(&[beat()]).unwrap();
    assert_eq!((count(&journal, "receipt"), count(&journal, "urgent")), (1, 0));
    drop(journal);
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.receipted, journal.newest_receipt()), (3, 1));
    let again = journal.receipt(&signed(&paper), &at(2));
    assert!(matches!(again, Err(ReceiptFault::Old { n: 1, known: 1 })), "{again:?}");
}

#[test]
fn a_receipt_that_is_not_ours_or_contradicts_the_journal_is_refused() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let good = receipt(&journal, 1, 2);
    let stranger = good.sign(&ReceiptKey::from_seed([8; 32])).line;
    assert!(refused(&mut journal, &stranger).contains("sign"));
    let other = signed(&Receipt { gw: Name::parse("gate-8").unwrap(), ..good.clone() });
    assert!(refused(&mut journal, &other).contains("gate-8"));
    assert_eq!(journal.newest_receipt(), 0);
    journal.receipt(&signed(&good), &at(2)).unwrap();
    let fork = signed(&Receipt { n: 2, head: [7; 32], ..good });
    assert!(refused(&mut journal, &fork).contains("has a receipt already"));
}

#[test]
fn a_receipt_that_goes_back_is_accepted_and_the_newest_of_each_day_and_the_farthest_are_kept() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    let mut back = receipt(&journal, 3, 1);
    assert_eq!(journal.receipt(&signed(&back), &at(2)).unwrap().upto, 1);
    journal.append(&[beat()]).unwrap();
    assert_eq!(count(&journal, "receipt"), 2, "the farthest one stays");
    (back.n, back.ts_ms) = (4, back.ts_ms + 86_400_000);
    journal.receipt(&signed(&back), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
    assert_eq!(count(&journal, "receipt"), 3, "and the newest one of each of the two days");
}

#[test]
fn a_range_is_cut_at_the_size_of_a_message_and_reads_back() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![large(); 100]).unwrap();
    let (text, through) = read(&journal, &Batch::Range { from: 1, to: 102 }).unwrap();
    assert!(text.len() <= 256 * 1024 && text.len() > 240 * 1024);
    assert_eq!(text.lines().count() as u64, through);
    let (rest, _) = read(&journal, &Batch::Range { from: through + 1, to: 102 }).unwrap();
    let next = Parsed::read(rest.lines().next().unwrap()).unwrap();
    assert_eq!(next.seq, through + 1);
}

#[test]
fn an_urgent_batch_begins_with_its_opening_unless_that_has_a_receipt() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[beat(), raised("door/A")]).unwrap();
    let seqs = |receipted| {
        let (text, through) = read(&journal, &Batch::Urgent { seqs: vec![4], receipted }).unwrap();
        assert_eq!(through, 4);
        text.lines().map(|line| Parsed::read(line).unwrap().seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0), [1, 4]);
    assert_eq!(seqs(1), [4]);
}

#[test]
fn an_urgent_batch_holds_what_fits_a_message_and_says_how_far_it_goes() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let heavy = body(Kind::AlarmRaised, Severity::Security, json!({ "alarm": "a", "facts": "x".repeat(5_000) }));
    journal.append(&vec![heavy; 64]).unwrap();
    let seqs: Vec<u64> = (3..=66).collect();
    let (text, through) = read(&journal, &Batch::Urgent { seqs: seqs.clone(), receipted: 0 }).unwrap();
    assert!(text.len() <= 256 * 1024 && text.len() > 240 * 1024);
    let told: Vec<u64> = text.lines().map(|line| Parsed::read(line).unwrap().seq).collect();
    assert_eq!((told[0], told[1], told.last()), (1, 3, Some(&through)));
    let rest = seqs.into_iter().filter(|seq| *seq > through).collect();
    let (rest, last) = read(&journal, &Batch::Urgent { seqs: rest, receipted: 0 }).unwrap();
    assert_eq!((Parsed::read(rest.lines().nth(1).unwrap()).unwrap().seq, last), (through + 1, 66));
}

#[test]
fn records_that_are_gone_give_no_batch() {
    let mut site = Site::new();
    let (journal, _) = site.start();
    assert_eq!(journal.lines(&Batch::Range { from: 50, to: 60 }).unwrap(), None);
    assert_eq!(journal.lines(&Batch::Urgent { seqs: vec![50, 51], receipted: 9 }).unwrap(), None);
}

/// 20 records of three epochs with a receipt for all, written; and a receipt for the last of them as it would come again.
fn receipted() -> (Site, Receipt) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A"), beat()]).unwrap();
    for _ in 0..2 {
        drop(journal);
        journal = site.start().0;
        journal.append(&vec![beat(); 7]).unwrap();
    }
    let last = head(&journal);
    assert_eq!(last, 20);
    let paper = receipt(&journal, 1, last);
    journal.receipt(&signed(&paper), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
    (site, paper)
}

#[test]
fn a_journal_that_lost_what_it_has_a_receipt_for_goes_on_behind_that() {
    let (mut site, paper) = receipted();
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 10");
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), recovered.receipted, recovered.head), ("rollback", 20, 22));
    let all = lines(&journal);
    let records: Vec<Parsed<'_>> = all.iter().map(|line| Parsed::read_bytes(line).unwrap()).collect();
    assert_eq!(
        records.iter().map(|record| record.seq).collect::<Vec<_>>(),
        [(1..=10).collect(), vec![21, 22]].concat()
    );
    assert_eq!((records[10].prev, records[10].ep), (paper.head, 4));
    assert_eq!(records[10].data()["tail"]["seq"], 10);
    assert_eq!(rows(&journal), ["alarm/door/A"]);
    // The central side goes on from there.
    journal.receipt(&signed(&Receipt { n: 2, ..paper.clone() }), &at(3)).unwrap();
    assert_eq!(journal.rebased(), None);
    receive(&mut journal, 3, 22);
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!((found(&journal), recovered.tail.as_str(), recovered.receipted), (vec![], "crash", 22));
}

#[test]
fn what_had_a_receipt_is_given_no_number_again_where_the_central_side_went_back_since() {
    let (mut site, paper) = receipted();
    let (mut journal, _) = site.start();
    receive(&mut journal, 2, 2);
    journal.append(&[beat()]).unwrap();
    assert_eq!(count(&journal, "receipt"), 2);
    drop(journal);
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 10");
    let (journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), recovered.receipted, journal.sealer.opened()), ("rollback", 2, 21));
    let open = journal.store.line(21).unwrap().unwrap();
    assert_eq!(Parsed::read_bytes(&open).unwrap().prev, paper.head);
    let said = journal.store.line(22).unwrap().unwrap();
    assert_eq!(Parsed::read_bytes(&said).unwrap().data()["lost"], json!([[11, 20]]), "it may not have them");
}

#[test]
fn an_opening_that_is_gone_and_has_a_receipt_is_gone_on_behind() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[beat()]).unwrap();
    journal.rotate(&at(5)).unwrap();
    let opened = head(&journal);
    let paper = receipt(&journal, 1, opened);
    journal.receipt(&signed(&paper), &at(6)).unwrap();
    journal.append(&[beat()]).unwrap();
    drop(journal);
    site.by_hand(&format!("DELETE FROM record WHERE seq >= {opened}; DELETE FROM epoch WHERE seq >= {opened}"));
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), journal.sealer.opened()), ("rollback", opened + 1));
    let open = journal.store.line(opened + 1).unwrap().unwrap();
    let open = Parsed::read_bytes(&open).unwrap();
    assert_eq!((open.prev, open.ep), (paper.head, 3));
    journal.receipt(&signed(&Receipt { n: 2, ..paper }), &at(7)).unwrap();
    assert_eq!(journal.rebased(), None);
}

#[test]
fn a_journal_that_lost_all_but_its_receipt_gives_no_number_again() {
    let (mut site, paper) = receipted();
    site.by_hand("DELETE FROM record; DELETE FROM epoch; DELETE FROM urgent");
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), recovered.receipted), ("reset", 20));
    let first = Parsed::read_bytes(&lines(&journal)[0]).unwrap().seq;
    assert_eq!((first, kinds(&journal).contains(&Kind::LogGenesis)), (21, false));
    journal.receipt(&signed(&Receipt { n: 2, ..paper }), &at(3)).unwrap();
    assert_eq!(journal.rebased(), None);
}

#[test]
fn a_damaged_record_under_the_head_of_a_receipt_is_known_by_the_one_that_follows() {
    let (mut site, paper) = receipted();
    // It reads, and says something else.
    let (mut journal, _) = site.start();
    let other = journal.store.line(19).unwrap().unwrap();
    let other = String::from_utf8(other).unwrap();
    journal.store.run("UPDATE record SET line = ?1 WHERE seq = 20", [other], "test").unwrap();
    journal.receipt(&signed(&Receipt { n: 2, ..paper }), &at(3)).unwrap();
    assert_eq!(journal.rebased(), None);
}

#[test]
fn a_receipt_that_no_key_verifies_says_nothing_of_what_may_be_disposed_of() {
    let (mut site, paper) = receipted();
    site.by_hand("UPDATE receipt SET line = substr(line, 1, length(line) - 6) || 'AAAAAA'");
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.receipted, journal.newest_receipt(), journal.receipts.stored()), (0, 0, 0));
    journal.receipt(&signed(&paper), &at(3)).unwrap();
    journal.append(&[beat()]).unwrap();
    assert_eq!((journal.receipts.stored(), count(&journal, "receipt")), (20, 1));
}

/// Three epochs; records 1 to 300 were disposed of with a receipt, and with them the opening of the second.
fn disposed() -> (Site, Journal, u64) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 200]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 200]).unwrap();
    drop(journal);
    let (mut journal, _) = site.start();
    let opened = journal.sealer.opened();
    receive(&mut journal, 1, 390);
    journal.store.run("DELETE FROM record WHERE seq <= 300", [], "test").unwrap();
    journal.store.run("DELETE FROM epoch WHERE seq <= 300", [], "test").unwrap();
    (site, journal, opened)
}

#[test]
fn a_receipt_for_a_record_that_was_disposed_of_is_taken_and_what_is_gone_is_stated_once_ahead_of_all() {
    let (mut site, mut journal, opened) = disposed();
    let back = |n| {
        let resend = vec![(101, 390)];
        signed(&Receipt { n, upto: 100, ep: 1, head: [7; 32], resend, ..receipt(&journal, n, 390) })
    };
    let (first, second) = (back(5), back(6));
    let before = head(&journal);
    let taken = journal.receipt(&first, &at(2)).unwrap();
    assert_eq!((taken.upto, taken.gone, journal.declared()), (100, opened - 1, Some(vec![before + 1])));
    let said =
        Parsed::read_bytes(&lines(&journal).pop().unwrap()).map(|record| (record.kind, record.sev, record.data()));
    let (kind, severity, data) = said.unwrap();
    assert_eq!((kind, severity), (Kind::RecordsDisposed, Severity::Security));
    assert_eq!((&data["from"], &data["to"], &data["why"]), (&json!(101), &json!(opened - 1), &json!("restored")));
    let again = journal.receipt(&second, &at(3)).unwrap();
    assert_eq!((again.gone, journal.declared(), head(&journal)), (opened - 1, None, before + 1), "once");
    // It is not forgotten by a start either.
    journal.append(&[beat()]).unwrap();
    drop(journal);
    let (mut journal, recovered) = site.start();
    assert_eq!(recovered.urgent, [before + 1]);
    let third = signed(&Receipt { n: 7, upto: 100, ep: 1, head: [7; 32], ..receipt(&journal, 7, 390) });
    let head_then = head(&journal);
    assert_eq!((journal.receipt(&third, &at(4)).unwrap().gone, head(&journal)), (opened - 1, head_then));
}

#[test]
fn a_receipt_for_a_disposed_record_that_contradicts_one_that_is_held_is_refused() {
    let (_site, mut journal, _) = disposed();
    // The newest receipt of the day before names record 250.
    let held = Receipt { n: 2, upto: 390, ..receipt(&journal, 2, 390) };
    journal.receipt(&signed(&held), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
    journal.store.run("DELETE FROM record WHERE seq <= 392", [], "test").unwrap();
    let newer = Receipt { n: 3, upto: 395, ts_ms: held.ts_ms + 86_400_000, ..receipt(&journal, 3, 395) };
    journal.receipt(&signed(&newer), &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
    let other = signed(&Receipt { n: 4, head: [7; 32], ts_ms: newer.ts_ms, ..held.clone() });
    assert!(refused(&mut journal, &other).contains("another one than that of a receipt"));
    journal.receipt(&signed(&Receipt { n: 5, ts_ms: newer.ts_ms, ..held }), &at(2)).unwrap();
}

#[test]
fn what_the_central_side_is_told_of_lost_records_goes_ahead_of_the_backlog() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 20]).unwrap();
    journal.store.run("DELETE FROM record WHERE seq = 9", [], "test").unwrap();
    let paper = Receipt { resend: vec![(9, 9)], ..receipt(&journal, 1, 8) };
    let taken = journal.receipt(&signed(&paper), &at(2)).unwrap();
    assert_eq!((taken.gone, journal.declared()), (0, Some(vec![head(&journal)])));
}

#[test]
fn a_lost_record_is_lost_and_not_disposed_of_where_the_central_side_went_back_before_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 30]).unwrap();
    receive(&mut journal, 1, 25);
    let back = Receipt { resend: vec![(10, 25)], ..receipt(&journal, 2, 9) };
    journal.store.run("DELETE FROM record WHERE seq = 10", [], "test").unwrap();
    let taken = journal.receipt(&signed(&back), &at(3)).unwrap();
    let said = Parsed::read_bytes(&lines(&journal).pop().unwrap()).map(|record| (record.kind, record.data()));
    let (kind, data) = said.unwrap();
    assert_eq!((taken.gone, kind, &data["lost"]), (0, Kind::JournalRecovered, &json!([[10, 10]])));
}

#[test]
fn what_the_central_side_can_verify_by_an_opening_that_it_has_is_not_gone() {
    let (_site, mut journal, _) = disposed();
    // Record 250 is of the second epoch, as record 301 is, the first that is here.
    let back = Receipt { n: 5, upto: 250, ep: 2, head: [7; 32], ..receipt(&journal, 5, 390) };
    assert_eq!(journal.receipt(&signed(&back), &at(2)).unwrap().gone, 300);
    let last = lines(&journal).pop().unwrap();
    let data = Parsed::read_bytes(&last).unwrap().data();
    assert_eq!((&data["from"], &data["to"], &data["why"]), (&json!(251), &json!(300), &json!("restored")));
}
