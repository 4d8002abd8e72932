use super::*;
use crate::journal::thread::{Request, serve};
use picket_core::wire::Input;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Whether an append was shown as one that mends the file, and what it was answered.
fn appended(journal: Journal) -> (bool, Input) {
    let (requests, asked) = mpsc::channel(1);
    let (inputs, mut taken) = mpsc::channel(4);
    let (parcels, _carried) = mpsc::channel(1);
    let (mending, seen) = watch::channel(None);
    requests.try_send(Request::Append { through: 1, bodies: Arc::new(vec![beat()]) }).unwrap();
    drop(requests);
    serve(journal, asked, &inputs, &parcels, &mending);
    assert_eq!(*mending.borrow(), None, "it is over");
    (seen.has_changed().unwrap(), taken.try_recv().unwrap())
}

#[test]
fn an_append_that_has_to_mend_the_file_first_is_shown_as_such_and_no_other() {
    let (mut site, mut other) = (Site::new(), Site::new());
    let (sound, _) = site.start();
    let (broken, _) = other.start();
    let _ = broken.store.disk("test", rusqlite::Error::InvalidQuery);
    let (shown, answer) = appended(sound);
    assert!(!shown && matches!(answer, Input::Stored { .. }), "{answer:?}");
    let (shown, answer) = appended(broken);
    assert!(shown && matches!(answer, Input::Stored { .. }), "{answer:?}");
}
