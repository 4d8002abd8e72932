use super::*;

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
    assert!(journal.next_slice(2).unwrap().is_some());
    drop(journal);
    site.by_hand("DELETE FROM record WHERE seq <= 6");
    let (journal, _) = site.start();
    let refused = journal.next_slice(2).unwrap_err().to_string();
    assert_eq!(refused, "records 3 to 6 were disposed of meanwhile; run the export again");
    assert!(journal.next_slice(6).unwrap().is_some());
    assert!(journal.next_slice(head(&journal)).unwrap().is_none());
}
