//! What lies beside the records goes with them where a branch is left.

use super::branches::{BREAK, put_back, told};
use super::*;
use crate::journal::at_rest::Line;
use crate::journal::{ReceiptFault, memory};

/// Marks of summaries that another record lies under.
fn misplaced(journal: &Journal) -> Vec<u64> {
    let sql = "SELECT summary.seq, record.line FROM summary LEFT JOIN record USING(seq)
               WHERE summary.line IS NULL";
    let marks: Vec<(u64, Option<Line>)> =
        journal.store.rows(sql, [], "test", |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let is_one = |Line(line): &Line| Parsed::read_bytes(line).is_ok_and(|record| record.kind == Kind::SummaryDay);
    marks.into_iter().filter(|(_, line)| !line.as_ref().is_some_and(is_one)).map(|(seq, _)| seq).collect()
}

fn summary(to: u64) -> Body {
    body(Kind::SummaryDay, Severity::Info, json!({ "to": to }))
}

#[test]
fn marks_and_reach_of_summaries_go_back_with_the_branch() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 20]).unwrap();
    journal.append(&[summary(24)]).unwrap();
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(journal.summed_up().unwrap(), Some(0), "no summary of the chain that goes on is left");
    journal.append(&vec![beat(); 20]).unwrap();
    assert_eq!((misplaced(&journal), rows(&journal)), (vec![], vec!["alarm/door/A".into(), "summary".into()]));
    memory::refold(&journal.store).unwrap();
    assert_eq!(journal.summed_up().unwrap(), Some(0));
}

#[test]
fn a_summary_that_is_appended_once_more_has_one_mark_under_its_new_number() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.store.lose_next_commit();
    assert!(journal.append(&[summary(1)]).is_err());
    journal.append(&[summary(1), beat()]).unwrap();
    assert_eq!((misplaced(&journal), count(&journal, "summary")), (vec![], 1));
}

#[test]
fn what_was_declared_of_a_branch_that_is_left_is_declared_of_no_other_record() {
    let (_site, mut journal, line) = put_back();
    journal.append(&vec![beat(); 20]).unwrap();
    journal.store.run("DELETE FROM record WHERE seq = 22", [], "test").unwrap();
    let paper = Receipt { resend: vec![(5, 30)], ..receipt(&journal, 2, 4) };
    journal.receipt(&signed(&paper), &at(3)).unwrap();
    assert_eq!(count(&journal, "lost"), 1);
    let line = signed(&Receipt {
        n: 3,
        ..Receipt::verify(&line, &ReceiptKey::from_seed([9; 32]).public(), &paper.gw).unwrap().0
    });
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!((count(&journal, "lost"), told(&mut journal).upto), (0, 20));
}

#[test]
fn leaves_that_did_not_succeed_are_not_counted() {
    let (_site, mut journal, line) = put_back();
    for n in 0..10 {
        journal.store.db.execute_batch(&BREAK.replace("21", "0")).unwrap();
        assert!(matches!(journal.receipt(&line, &at(9)), Err(ReceiptFault::Journal(_))), "{n}");
        journal.append(&[beat()]).unwrap();
    }
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(told(&mut journal).upto, 20);
}

#[test]
fn what_stands_beside_records_that_are_gone_goes_at_a_start() {
    use picket_record::personal::{Personal, PersonalText};
    let personal = Some(Personal::Said(PersonalText::of(&[("by", "Ada")]).unwrap()));
    let act = Body { personal, ..body(Kind::ActAcknowledged, Severity::Notice, json!({ "alarm": "door/A" })) };
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, 2);
    journal.append(&[beat(), beat(), act.clone(), act.clone(), summary(2), summary(2), raised("door/A")]).unwrap();
    journal.store.run("UPDATE record SET line = 'x' WHERE seq = 4", [], "test").unwrap();
    let paper = Receipt { n: 2, resend: vec![(4, 4)], ..receipt(&journal, 2, 3) };
    journal.receipt(&signed(&paper), &at(9)).unwrap();
    assert_eq!((count(&journal, "personal"), count(&journal, "summary"), count(&journal, "lost")), (2, 2, 1));
    drop(journal);
    // As a page that is lost takes the last records, and nothing else.
    site.by_hand("DELETE FROM record WHERE seq > 5");
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.head, count(&journal, "quarantine")), (7, 0));
    assert_eq!((count(&journal, "personal"), count(&journal, "summary")), (0, 0));
    assert_eq!(journal.declared(), Some(vec![7]), "what declared it is gone, and it is declared once more");
    journal.append(&[act.clone(), act, raised("door/A"), raised("door/B"), summary(2), beat(), beat()]).unwrap();
    assert_eq!((count(&journal, "personal"), misplaced(&journal)), (2, vec![]));
}
