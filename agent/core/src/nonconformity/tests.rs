use super::*;
use crate::testbed::{Rows, at, id};

#[test]
fn a_reason_opens_once_per_equipment_and_closes_once() {
    let mut book = Nonconformities::default();
    let (first, second) = (id("CAM-1"), id("CAM-2"));
    let open = |book: &mut Nonconformities, id| book.open(&at(0), "silent", id, Facts::new()).is_some();
    assert_eq!([open(&mut book, &first), open(&mut book, &first), open(&mut book, &second)], [true, false, true]);
    assert!(book.close("silent", &first).is_some() && book.close("silent", &first).is_none());
    assert!(open(&mut book, &first));
}

#[test]
fn what_is_open_is_recovered_from_its_records() {
    let (mut book, mut rows) = (Nonconformities::default(), Rows::default());
    let facts = Facts::from([("due".to_owned(), "2026-11-01".to_owned())]);
    rows.take(&book.open(&at(0), "calibration-overdue", &id("CAM-1"), facts).unwrap(), "overdue");
    rows.take(&book.open(&at(0), "silent", &id("CAM-1"), Facts::new()).unwrap(), "overdue");
    rows.take(&book.close("silent", &id("CAM-1")).unwrap(), "overdue");
    let recovered = Nonconformities::recover(&rows.all());
    assert_eq!(recovered.iter().collect::<Vec<_>>(), book.iter().collect::<Vec<_>>());
}
