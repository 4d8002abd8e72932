use super::*;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn keys_are_made_once_and_only_for_their_owner() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("central");
    let custody = Custody::init(&dir, &Name::parse("sms").unwrap()).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join(RECEIPT_KEY)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(custody.accept_pub().unwrap(), custody.accept_key().unwrap().public());
    assert_eq!(custody.sms().unwrap().as_str(), "sms");
    let made = (custody.receipt_key().unwrap().public(), custody.accept_key().unwrap().public());
    Custody::init(&dir, &Name::parse("sms").unwrap()).unwrap();
    assert_eq!((custody.receipt_key().unwrap().public(), custody.accept_key().unwrap().public()), made);
    let other = Custody::init(&dir, &Name::parse("other").unwrap());
    assert!(matches!(other, Err(CustodyError::Exists { path }) if path == dir.join(NAME)));
    custody.make_root(0).unwrap();
    assert!(matches!(Custody::init(&dir, &Name::parse("sms").unwrap()), Err(CustodyError::Exists { .. })));
}

#[test]
fn keys_are_not_put_into_a_directory_that_others_can_use() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Custody::init(home.path(), &Name::parse("sms").unwrap());
    assert!(matches!(refused, Err(CustodyError::OpenDir { mode: 0o755, .. })));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("central");
    let custody = Custody::init(&dir, &Name::parse("sms").unwrap()).unwrap();
    fs::set_permissions(dir.join(RECEIPT_KEY), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(custody.receipt_key(), Err(CustodyError::Open { mode: 0o640, .. })));
}

#[test]
fn a_key_file_that_a_power_cut_left_empty_is_refused_as_such() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("central");
    let custody = Custody::init(&dir, &Name::parse("sms").unwrap()).unwrap();
    fs::write(dir.join(RECEIPT_KEY), "").unwrap();
    assert!(matches!(custody.receipt_key(), Err(CustodyError::NoKey { path }) if path == dir.join(RECEIPT_KEY)));
}
