//! What was left of a branch: sent beside what is new, and told where the central side has it.

use super::*;

fn rebased(head: u64, branch: Option<(u64, u64)>) -> Rebased {
    Rebased { tail: "rollback".into(), found: 300, upto: 200, head, left: 290, branch, summed_up: 0, nameless_from: 1 }
}

#[test]
fn behind_a_receipt_of_another_history_nothing_of_the_left_branch_counts_as_sent_or_stored() {
    let mut uplink = linked(300, 10, &[290]);
    while next(&mut uplink, 0).is_some() {}
    packed(&mut uplink, 300);
    uplink.rebased(&at(1), &rebased(202, None));
    receive(&mut uplink, &at(1), 200, vec![], vec![]);
    uplink.sent(&at(1), 1, Lane::Record, Ok(300));
    assert_eq!((uplink.head(), uplink.receipted_upto(), uplink.waiting()), (202, 200, 2));
    assert_eq!(next(&mut uplink, 1), range(201, 202));
    uplink.stored(203, &[203]);
    assert_eq!(next(&mut uplink, 1), None, "the answer for 290 of the left branch is owed");
    uplink.sent(&at(1), 1, Lane::Urgent, Ok(290));
    assert_eq!(next(&mut uplink, 1), Some(Batch::Urgent { seqs: vec![203], receipted: 200 }));
    assert!(uplink.status().left.is_some_and(|left| left.sent));
}

#[test]
fn what_was_left_goes_beside_what_is_new_and_is_known_to_be_there_by_a_receipt_for_what_followed_it() {
    let mut uplink = linked(300, 10, &[]);
    uplink.rebased(&at(1), &rebased(202, Some((5, 400))));
    receive(&mut uplink, &at(1), 200, vec![], vec![]);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Branch { after: 4 }));
    assert_eq!(next(&mut uplink, 1), None, "where it ends is not known");
    packed(&mut uplink, 250);
    assert_eq!(next(&mut uplink, 1), range(201, 202));
    packed(&mut uplink, 202);
    uplink.sent(&at(1), 1, Lane::Record, Ok(250));
    uplink.sent(&at(1), 1, Lane::Record, Ok(202));
    receive(&mut uplink, &at(2), 202, vec![], vec![]);
    assert_eq!(uplink.branch_told(), None, "those were sent before it");
    assert_eq!(next(&mut uplink, 2), Some(Batch::Branch { after: 250 }));
    packed(&mut uplink, 400);
    uplink.sent(&at(2), 1, Lane::Record, Ok(400));
    uplink.stored(203, &[]);
    assert!(!uplink.status().left.unwrap().sent);
    receive(&mut uplink, &at(3), 203, vec![], vec![]);
    assert_eq!((uplink.branch_told(), uplink.branch_told()), (Some(400), None));
    assert!(uplink.status().left.unwrap().sent);
}

#[test]
fn a_branch_whose_link_was_lost_goes_again_from_what_is_known_to_be_there() {
    let mut uplink = linked(300, 10, &[]).with_branch(Some((5, 400)));
    assert_eq!(next(&mut uplink, 1), Some(Batch::Branch { after: 4 }));
    packed(&mut uplink, 250);
    uplink.sent(&at(1), 1, Lane::Record, Ok(250));
    assert_eq!(next(&mut uplink, 1), range(11, 300));
    packed(&mut uplink, 300);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Branch { after: 250 }));
    uplink.down(&at(2), "cut".into());
    up(&mut uplink, 3, 2);
    assert_eq!(next(&mut uplink, 3), Some(Batch::Branch { after: 4 }));
    uplink.sent(&at(3), 2, Lane::Record, Ok(0));
    assert_eq!(uplink.branch_told(), Some(400), "nothing of it is there any more");
}

#[test]
fn a_late_answer_to_a_range_is_not_taken_for_that_of_the_branch_behind_it() {
    let mut uplink = linked(300, 10, &[]);
    assert_eq!(next(&mut uplink, 0), range(11, 300));
    uplink.rebased(&at(1), &rebased(202, Some((5, 400))));
    receive(&mut uplink, &at(1), 200, vec![], vec![]);
    while next(&mut uplink, 1).is_some() {}
    // The journal looked for the range in the new history.
    uplink.sent(&at(2), 1, Lane::Record, Ok(0));
    assert_eq!(uplink.branch_told(), None);
    assert_eq!(next(&mut uplink, 2), Some(Batch::Branch { after: 4 }));
}

#[test]
fn a_branch_is_not_told_by_a_receipt_for_a_record_that_went_ahead_of_it() {
    let mut uplink = linked(300, 10, &[]);
    uplink.rebased(&at(1), &rebased(202, Some((5, 400))));
    uplink.stored(203, &[203]);
    receive(&mut uplink, &at(1), 202, vec![], vec![]);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Urgent { seqs: vec![203], receipted: 202 }));
    assert_eq!(next(&mut uplink, 1), Some(Batch::Branch { after: 4 }));
    packed(&mut uplink, 400);
    uplink.sent(&at(1), 1, Lane::Record, Ok(400));
    uplink.sent(&at(1), 1, Lane::Urgent, Ok(203));
    receive(&mut uplink, &at(2), 203, vec![], vec![]);
    assert_eq!(uplink.branch_told(), None, "203 went by the urgent lane before it");
    uplink.stored(204, &[]);
    receive(&mut uplink, &at(3), 204, vec![], vec![]);
    assert_eq!(uplink.branch_told(), Some(400));
}

#[test]
fn a_branch_is_not_told_by_a_receipt_for_a_record_that_was_sent_before_it_and_is_sent_again() {
    let mut uplink = linked(300, 10, &[]);
    uplink.rebased(&at(1), &rebased(400, Some((5, 400))));
    receive(&mut uplink, &at(1), 200, vec![], vec![]);
    assert_eq!(next(&mut uplink, 1), Some(Batch::Branch { after: 4 }));
    packed(&mut uplink, 300);
    assert_eq!(next(&mut uplink, 1), range(201, 400));
    packed(&mut uplink, 400);
    uplink.sent(&at(2), 1, Lane::Record, Err("refused".into()));
    uplink.sent(&at(2), 1, Lane::Record, Ok(400));
    assert_eq!(next(&mut uplink, s(2)), Some(Batch::Branch { after: 4 }));
    packed(&mut uplink, 300);
    uplink.sent(&at(s(2)), 1, Lane::Record, Ok(300));
    receive(&mut uplink, &at(s(2)), 400, vec![], vec![]);
    assert_eq!(uplink.branch_told(), None, "the broker had 400 before it");
}
