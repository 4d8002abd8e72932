use super::*;
use picket_record::encode::Name;

fn made() -> (tempfile::TempDir, Custody) {
    let home = tempfile::tempdir().unwrap();
    let custody = Custody::init(&home.path().join("central"), &Name::parse("hq").unwrap()).unwrap();
    custody.make_root(1_000).unwrap();
    (home, custody)
}

#[test]
fn the_first_root_document_names_the_keys_of_the_directory() {
    let (_home, custody) = made();
    let (_, roots) = custody.roots().unwrap().unwrap();
    let root = roots.in_force();
    assert_eq!((root.ver, &root.receipt), (1, &custody.receipt_key().unwrap().public()));
    assert_eq!(root.order, custody.order_key().unwrap().public());
    assert!(custody.make_root(2_000).is_err(), "and is made once");
}

#[test]
fn no_root_document_is_made_that_no_gateway_would_take() {
    for (signers, too_large) in [(3, true), (2, false)] {
        let (_home, custody) = made();
        let keys: Vec<PathBuf> = (1..=signers).map(|n| custody.path(&format!("root-{n}.key"))).collect();
        let renew = |ver| custody.renew_root(&keys, Renewal::default(), ver);
        let refused = (2..200).find_map(|ver| renew(ver).err()).unwrap();
        match refused {
            RootFault::Large { bytes } => assert!(too_large && bytes > DOWN_LINES_MAX),
            other => {
                assert!(!too_large && matches!(other, RootFault::Custody(CustodyError::Documents { .. })), "{other}")
            }
        }
        let (text, roots) = custody.roots().unwrap().unwrap();
        assert!(text.len() <= DOWN_LINES_MAX && roots.in_force().ver > 40, "{}", roots.in_force().ver);
    }
}

#[test]
fn two_root_keys_make_the_next_version_and_one_does_not() {
    let (_home, custody) = made();
    let key = |n: u8| custody.path(&format!("root-{n}.key"));
    let renewal = Renewal { order: true, ..Renewal::default() };
    for keys in [vec![key(1)], vec![key(1), key(1)], vec![key(1), custody.path("receipt.key")]] {
        assert!(matches!(custody.renew_root(&keys, renewal, 5), Err(RootFault::Keys { given: 1, ver: 1 })));
    }
    let (before, receipt) = (custody.order_key().unwrap().public(), custody.receipt_key().unwrap().public());
    let (first, _) = custody.roots().unwrap().unwrap();
    assert_eq!(custody.renew_root(&[key(3), key(2)], renewal, 5).unwrap(), Renewed { ver: 2, root_key: None });
    let (text, roots) = custody.roots().unwrap().unwrap();
    assert!(text.starts_with(&first), "every version is kept");
    assert_eq!(roots.in_force().order, custody.order_key().unwrap().public());
    assert_ne!(roots.in_force().order, before);
    assert_eq!(roots.in_force().receipt, receipt, "nothing else changed");
}

/// Every file of a directory.
fn files(custody: &Custody) -> std::collections::BTreeMap<String, String> {
    let entries = std::fs::read_dir(custody.path("")).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap_or_default())
        })
        .collect()
}

/// As after a kill: these files and no others.
fn put(custody: &Custody, wanted: &std::collections::BTreeMap<String, String>) {
    for file in files(custody).keys() {
        std::fs::remove_file(custody.path(file)).unwrap();
    }
    for (file, text) in wanted {
        write_new(&custody.path(file), text.trim_end()).unwrap();
    }
}

#[test]
fn a_directory_whose_making_was_killed_at_any_step_is_finished_by_the_next_call() {
    let (_home, custody) = made();
    let whole = files(&custody);
    let order = ["sms.name", "receipt.key", "accept.key", "accept.pub", "root-1.key", "root-2.key", "root-3.key"];
    let order: Vec<&str> = order.into_iter().chain(["order.key"]).collect();
    assert_eq!(order.len() + 1, whole.len(), "and the document");
    for step in 0..=order.len() {
        for cut in [false, true] {
            let mut left: std::collections::BTreeMap<String, String> =
                order[..step].iter().map(|file| ((*file).to_owned(), whole[*file].clone())).collect();
            put(&custody, &left);
            if cut && step < order.len() {
                // The power went: the file is there and empty. Beside it the one that was to become it.
                std::fs::write(custody.path(order[step]), "").unwrap();
                let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(custody.path(order[step]), closed).unwrap();
                std::fs::write(custody.path("root.new"), "half").unwrap();
            }
            let again = Custody::init(&custody.path(""), &Name::parse("hq").unwrap()).unwrap();
            again.make_root(9).unwrap();
            let after = files(&custody);
            left.retain(|file, text| after[file] != *text);
            assert!(left.is_empty(), "step {step}: what was there is taken over: {:?}", left.keys());
            let (_, roots) = custody.roots().unwrap().unwrap();
            assert_eq!(roots.in_force().receipt, custody.receipt_key().unwrap().public(), "step {step}");
            assert_eq!(after["accept.pub"].trim(), custody.accept_key().unwrap().public().text(), "step {step}");
        }
    }
}

/// What gateways get installed is the key that signs their acceptances.
fn check_public(custody: &Custody, when: &str) {
    assert_eq!(files(custody)["accept.pub"].trim(), custody.accept_pub().unwrap().text(), "{when}");
}

#[test]
fn a_renewal_that_is_killed_at_any_step_leaves_a_centre_that_starts_and_can_be_renewed() {
    let (_home, custody) = made();
    let all = Renewal { order: true, receipt: true, accept: true, root: false };
    let keys = [custody.path("root-1.key"), custody.path("root-2.key")];
    let before = files(&custody);
    custody.renew_root(&keys, all, 5).unwrap();
    let after = files(&custody);
    assert_eq!(after["accept.pub"].trim(), custody.accept_key().unwrap().public().text());
    assert_ne!(after["accept.pub"], before["accept.pub"]);
    // Step by step: the new keys, the documents, then each key moved in two renames, then the public half.
    let mut steps = vec![before.clone()];
    let mut now = before.clone();
    for signer in &SIGNERS {
        now.insert(numbered(signer.file, 2), after[signer.file].clone());
        steps.push(now.clone());
    }
    now.insert(ROOT.into(), after[ROOT].clone());
    steps.push(now.clone());
    for signer in &SIGNERS {
        let old = now.remove(signer.file).unwrap();
        now.insert(format!("{}.before-2", signer.file), old);
        steps.push(now.clone());
        let new = now.remove(&numbered(signer.file, 2)).unwrap();
        now.insert(signer.file.into(), new);
        steps.push(now.clone());
    }
    for (n, step) in steps.iter().enumerate() {
        put(&custody, step);
        let named = custody.roots().unwrap().unwrap().1.in_force().clone();
        let check = |when: &str| {
            assert_eq!(custody.receipt_key().unwrap().public(), named.receipt, "{when} step {n}");
            assert_eq!(custody.accept_key().unwrap().public(), named.accept, "{when} step {n}");
            assert_eq!(custody.order_key().unwrap().public(), named.order, "{when} step {n}");
        };
        check("killed at");
        custody.settle().unwrap();
        check("started after");
        if named.ver == 2 {
            assert_eq!(files(&custody), after, "step {n}");
        }
        let renewed = custody.renew_root(&keys, all, 6).unwrap();
        assert_eq!(renewed.ver, named.ver + 1, "step {n}");
        // Another key alone, and nothing started in between.
        put(&custody, step);
        custody.renew_root(&keys, Renewal { order: true, ..Renewal::default() }, 6).unwrap();
        check_public(&custody, &format!("step {n}"));
    }
}

#[test]
fn a_key_that_is_lost_or_foreign_is_refused_with_a_renewal_that_helps() {
    for signer in &SIGNERS {
        for foreign in [Some("root-3.key"), None] {
            let (_home, custody) = made();
            let keys = [custody.path("root-1.key"), custody.path("root-2.key")];
            let mut left = files(&custody);
            match foreign.map(|other| left[other].clone()) {
                Some(other) => left.insert(signer.file.into(), other),
                None => left.remove(signer.file),
            };
            put(&custody, &left);
            let every = || [custody.receipt_key().err(), custody.accept_key().err(), custody.order_key().err()];
            let told = every().into_iter().flatten().map(|fault| fault.to_string()).collect::<String>();
            assert!(told.contains(&format!("{} is not the key", signer.file)), "{told}");
            let flag = told.split_whitespace().find_map(|word| word.strip_prefix("--")).unwrap();
            // A renewal of something else is not stopped by it.
            custody.renew_root(&keys, Renewal::default(), 4).unwrap();
            let renewal =
                Renewal { order: flag == "order", receipt: flag == "receipt", accept: flag == "accept", root: false };
            custody.renew_root(&keys, renewal, 5).unwrap();
            assert!(every().iter().all(Option::is_none), "{told}");
            assert_eq!(files(&custody)["accept.pub"].trim(), custody.accept_pub().unwrap().text());
            custody.settle().unwrap();
        }
    }
}

#[test]
fn a_lost_root_key_is_replaced_by_the_two_others_and_signs_nothing_any_more() {
    let (_home, custody) = made();
    let key = |n: u8| custody.path(&format!("root-{n}.key"));
    let renewal = Renewal { root: true, ..Renewal::default() };
    let every = custody.renew_root(&[key(1), key(2), key(3)], renewal, 5);
    assert!(matches!(every, Err(RootFault::NoneLeft)));
    let renewed = custody.renew_root(&[key(1), key(3)], renewal, 5).unwrap();
    let new = renewed.root_key.unwrap();
    assert_eq!(new, custody.path("root-2.key.2"));
    let lost = custody.renew_root(&[key(2), key(3)], Renewal::default(), 6);
    assert!(matches!(lost, Err(RootFault::Keys { given: 1, ver: 2 })));
    assert_eq!(custody.renew_root(&[new, key(3)], Renewal::default(), 6).unwrap().ver, 3);
}
