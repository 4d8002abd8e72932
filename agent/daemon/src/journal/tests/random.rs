use super::*;
use picket_core::time::Chance;

fn any(chance: &mut Chance) -> Body {
    let alarm = format!("door/{}", chance.below(5));
    match chance.below(6) {
        0 => raised(&alarm),
        1 => closed(&alarm),
        2 => body(Kind::ActAcknowledged, Severity::Notice, json!({ "alarm": alarm, "by": "Ada" })),
        3 => body(Kind::NonconformityOpened, Severity::Fault, json!({ "nonconformity": alarm, "judged_ms": 5 })),
        4 => body(Kind::NonconformityClosed, Severity::Notice, json!({ "nonconformity": alarm })),
        _ => beat(),
    }
}

#[test]
fn whatever_happens_the_chain_verifies_and_the_rows_are_the_fold_of_the_records() {
    for seed in 1..=12 {
        let mut chance = Chance::new(seed);
        let mut site = Site::new();
        let mut journal = site.start().0;
        let mut n = 0;
        for _ in 0..60 {
            match chance.below(10) {
                0 => {
                    drop(journal);
                    journal = site.start().0;
                }
                1 => {
                    stop(journal);
                    journal = site.start().0;
                }
                2 => {
                    n += 1;
                    let upto = 1 + chance.below(head(&journal));
                    receive(&mut journal, n, upto);
                }
                3 => drop(journal.store.disk("injected", rusqlite::Error::QueryReturnedNoRows)),
                _ => {
                    let bodies: Vec<Body> = (0..=chance.below(8)).map(|_| any(&mut chance)).collect();
                    let before = head(&journal);
                    let stored = journal.append(&bodies).unwrap();
                    assert!(stored.head >= before + bodies.len() as u64, "seed {seed}");
                }
            }
        }
        let summary = checked(&journal);
        assert_eq!((summary.contradictions, summary.records), (0, head(&journal)), "seed {seed}");
        let kept = crate::journal::memory::rows(&journal.store).unwrap();
        journal.store.transaction(|| crate::journal::memory::refold(&journal.store)).unwrap();
        assert_eq!(crate::journal::memory::rows(&journal.store).unwrap(), kept, "seed {seed}");
    }
}
