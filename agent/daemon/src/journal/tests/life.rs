use super::*;

#[test]
fn record_one_opens_the_first_epoch_after_the_acceptance_and_record_two_is_the_genesis() {
    let mut site = Site::new();
    let (journal, recovered) = site.start();
    let all = lines(&journal);
    let first = Parsed::read_bytes(&all[0]).unwrap();
    assert_eq!((first.seq, first.prev, first.kind), (1, ACCEPTANCE, Kind::EpochOpen));
    assert_eq!(kinds(&journal), [Kind::EpochOpen, Kind::LogGenesis]);
    assert_eq!((recovered.head, recovered.tail.as_str()), (2, "genesis"));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_stop_in_order_leaves_a_clean_tail_and_anything_else_a_crash() {
    let mut site = Site::new();
    stop(site.start().0);
    let (journal, recovered) = site.start();
    assert_eq!(recovered.tail, "clean");
    drop(journal);
    let (journal, recovered) = site.start();
    assert_eq!(recovered.tail, "crash");
    assert_eq!(checked(&journal).unclosed, [2]);
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn what_an_append_told_is_on_the_disk_before_another_word() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let stored = journal.append(&[raised("door/A"), beat()]).unwrap();
    let links = lines(&journal);
    let mut cut = site.cut();
    let (left, recovered) = cut.start();
    assert_eq!((recovered.tail.as_str(), recovered.head), ("crash", stored.head + 1));
    assert_eq!(lines(&left)[..links.len()], links);
}

#[test]
fn the_rows_follow_an_alarm_and_are_there_after_a_start() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let cleared = body(Kind::AlarmCleared, Severity::Notice, json!({ "alarm": "door/A" }));
    journal.append(&[raised("door/A"), raised("door/B"), cleared, closed("door/B")]).unwrap();
    assert_eq!(rows(&journal), ["alarm/door/A"]);
    drop(journal);
    let (mut journal, recovered) = site.start();
    assert_eq!(recovered.rows.iter().map(|row| (row.key.as_str(), row.seq)).collect::<Vec<_>>(), [("alarm/door/A", 5)]);
    assert_eq!(recovered.urgent, [3, 4]);
    journal.append(&[closed("door/A")]).unwrap();
    assert_eq!(rows(&journal), [""; 0]);
}

#[test]
fn a_row_changed_by_hand_is_folded_again_and_told() {
    for change in ["body = 'x'", "seq = 0", "seq = 99", "body = x'ff'"] {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        journal.append(&[raised("door/A")]).unwrap();
        drop(journal);
        site.by_hand(&format!("UPDATE state SET {change}"));
        let (journal, recovered) = site.start();
        assert_eq!(recovered.rows[0].seq, 3, "{change}");
        assert_eq!(found(&journal)[0]["what"], "state", "{change}");
        drop(journal);
        assert!(found(&site.start().0).is_empty(), "{change}");
    }
}

#[test]
fn a_row_dropped_after_a_stop_in_order_is_noticed_by_the_signed_digest() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A")]).unwrap();
    stop(journal);
    site.by_hand("DELETE FROM state");
    let (journal, recovered) = site.start();
    assert_eq!(recovered.rows.len(), 1);
    assert_eq!(found(&journal)[0]["cause"], "rows do not match the signed digest");
}

/// What records said, one append each, before a stop without a word; what is done to the rows; what the next start finds.
fn after_a_crash(said: &[Body], by_hand: &str) -> (Vec<Value>, Vec<String>) {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for one in said {
        journal.append(std::slice::from_ref(one)).unwrap();
    }
    drop(journal);
    site.by_hand(by_hand);
    let (journal, _) = site.start();
    let causes = (found(&journal).iter().map(|found| found["cause"].clone()).collect(), rows(&journal));
    drop(journal);
    assert_eq!(found(&site.start().0), Vec::<Value>::new());
    causes
}

fn snapshot() -> Body {
    body(Kind::Snapshot, Severity::Info, json!({ "why": "hourly" }))
}

#[test]
fn a_row_that_is_gone_or_came_back_after_a_crash_is_noticed_by_the_records_since_the_last_snapshot() {
    let (open, gone) = ("alarm/door/A", "DELETE FROM state WHERE key = 'alarm/door/A'");
    let back = "INSERT INTO state(key, body, said, seq)
                SELECT 'alarm/door/A', replace(body, 'door/B', 'door/A'), 5, 5 FROM state";
    let by_snapshot = "rows do not match the last signed snapshot";
    for (said, by_hand, cause) in [
        (vec![raised("door/A"), beat()], gone, Some("row alarm/door/A is gone")),
        (vec![snapshot(), raised("door/A"), beat()], gone, Some("row alarm/door/A is gone")),
        (vec![raised("door/A"), snapshot(), beat()], gone, Some(by_snapshot)),
        (vec![raised("door/A"), closed("door/A"), raised("door/A"), snapshot()], gone, Some(by_snapshot)),
        (vec![raised("door/A"), snapshot(), closed("door/B"), beat()], "", None),
        (vec![raised("door/A"), snapshot(), raised("door/B"), closed("door/B")], "", None),
        (vec![raised("door/A"), snapshot()], "", None),
    ] {
        let (found, rows) = after_a_crash(&said, by_hand);
        assert_eq!((found, rows), (cause.map(Value::from).into_iter().collect(), vec![open.to_owned()]));
    }
    let said = [raised("door/A"), closed("door/A"), raised("door/A"), raised("door/B"), closed("door/A")];
    let (found, rows) = after_a_crash(&said, back);
    assert_eq!(
        (found, rows),
        (vec!["row alarm/door/A is there, and was taken back".into()], vec!["alarm/door/B".to_owned()])
    );
}

#[test]
fn limit_a_row_from_before_the_last_snapshot_that_is_gone_after_a_crash_is_not_noticed_where_others_changed_since() {
    let gone = "DELETE FROM state WHERE key = 'alarm/door/A'";
    let (found, rows) = after_a_crash(&[raised("door/A"), snapshot(), raised("door/B")], gone);
    assert_eq!((found, rows), (vec![], vec!["alarm/door/B".to_owned()]));
}

#[test]
fn a_body_that_is_too_large_is_stated_as_lost_in_its_place() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let mut huge = raised("door/A");
    huge.data.insert("x".into(), "x".repeat(9_000).into());
    let stored = journal.append(&[beat(), huge, beat()]).unwrap();
    assert_eq!((stored.head, stored.urgent), (5, vec![4]));
    assert_eq!(kinds(&journal)[2..], [Kind::Heartbeat, Kind::GapDropped, Kind::Heartbeat]);
    assert_eq!(rows(&journal), [""; 0]);
}

#[test]
fn after_a_day_a_new_epoch_opens_and_the_drafts_stay_one_run() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let mut late = beat();
    late.when = at(24 * 3_600 * 1_000_000);
    let stored = journal.append(&[late, beat()]).unwrap();
    assert_eq!(kinds(&journal)[2..], [Kind::EpochClose, Kind::EpochOpen, Kind::Heartbeat, Kind::Heartbeat]);
    assert_eq!(stored.head, 6);
    let summary = checked(&journal);
    assert_eq!((summary.epochs, summary.contradictions, summary.unclosed.len()), (2, 0, 0));
}

#[test]
fn an_epoch_does_not_outgrow_its_limit() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let many = vec![beat(); 256];
    for _ in 0..=256 {
        let before = head(&journal);
        let stored = journal.append(&many).unwrap();
        assert!(stored.head - before == 256 || stored.head - before == 258);
    }
    let summary = checked(&journal);
    assert_eq!((summary.epochs, summary.contradictions), (2, 0));
}

#[test]
fn the_pragmas_are_the_promised_ones_and_nobody_else_opens_the_file() {
    let mut site = Site::new();
    let (journal, _) = site.start();
    let pragma = |name: &str| {
        let value: Value = journal
            .store
            .db
            .query_row(&format!("PRAGMA {name}"), [], |row| {
                Ok(row.get::<_, i64>(0).map_or_else(|_| row.get::<_, String>(0).map(Value::from), |n| Ok(n.into())))
            })
            .unwrap()
            .unwrap();
        value
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("locking_mode"), "exclusive");
    assert_eq!(pragma("synchronous"), 2);
    assert_eq!(pragma("trusted_schema"), 0);
    assert_eq!(pragma("secure_delete"), 2);
    assert_eq!(pragma("mmap_size"), 0);
    assert_eq!(pragma("cell_size_check"), 1);
    assert_eq!(pragma("page_size"), 2_048);
    assert_eq!(pragma("max_page_count"), BUDGET / 2_048 + 512);
    assert_eq!(pragma("journal_size_limit"), 4_194_304);
    let other = Connection::open(site.file()).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    assert!(other.query_row("SELECT count(*) FROM record", [], |row| row.get::<_, u64>(0)).is_err());
    assert!(rusqlite::version_number() >= 3_051_003);
    assert!(!site.names().contains(&"journal.db-shm".to_owned()));
}

#[test]
fn a_journal_keeps_the_page_that_it_was_made_with() {
    let mut site = Site::new();
    stop(site.start().0);
    let sql = "PRAGMA journal_mode=DELETE; PRAGMA page_size=4096; VACUUM;";
    Connection::open(site.file()).unwrap().execute_batch(sql).unwrap();
    let (journal, _) = site.start();
    let pragma = |name: &str| journal.store.row(&format!("PRAGMA {name}"), [], "test", |row| row.get::<_, u64>(0));
    assert_eq!(pragma("page_size").unwrap(), Some(4_096));
    assert_eq!(pragma("max_page_count").unwrap(), Some(BUDGET / 4_096 + 256));
    assert_eq!(pragma("wal_autocheckpoint").unwrap(), Some(256));
    let pages = pragma("page_count").unwrap().unwrap_or(0) - pragma("freelist_count").unwrap().unwrap_or(0);
    assert_eq!(journal.store.used(), Some(pages * 4_096), "what is used is counted in its own pages");
}

#[test]
fn another_gateway_or_another_identity_does_not_take_the_journal() {
    let mut site = Site::new();
    drop(site.start());
    for (gw, seed) in [("gate-8", 1), ("gate-7", 2)] {
        let opened = Journal::open(&site.place(), credentials(gw, seed), Box::new(|| [3; 32]), &at(0), "test");
        let refusal = opened.unwrap_err().to_string();
        assert!(refusal.contains("move it away to begin a new one"), "{refusal}");
    }
    assert_eq!(site.start().1.head, 3);
}

#[test]
fn an_identity_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let file = site.folder.path().join("identity.key");
    std::fs::write(&file, picket_record::encode::base64url(&[1; 32])).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(crate::journal::identity(&file).unwrap_err().to_string().contains("chmod 600"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(crate::journal::identity(&file).unwrap().public(), IdentityKey::from_seed([1; 32]).public());
}

#[test]
fn an_identity_key_file_without_a_key_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.key");
    for text in ["", "\n"] {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let fault = crate::journal::identity(&file).unwrap_err();
        let remedy = format!("rm {0} && picket identity {0}", file.display());
        assert!(
            matches!(&fault, crate::journal::Fault::NoKey { .. }) && fault.to_string().contains(&remedy),
            "{fault}"
        );
    }
}

#[test]
fn an_acceptance_of_another_identity_or_gateway_is_refused() {
    use picket_record::{acceptance::Acceptance, keys::AcceptKey};
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let path = |name: &str| site.folder.path().join(name);
    let key = AcceptKey::from_seed([4; 32]);
    let accepted = Acceptance {
        sms: Name::parse("sms").unwrap(),
        site: Name::parse("harbour").unwrap(),
        gw: Name::parse("gate-7").unwrap(),
        identity: IdentityKey::from_seed([1; 32]).public(),
        receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        ts_ms: 0,
        by: "Ada".into(),
    };
    std::fs::write(path("enrol.jws"), accepted.sign(&key).unwrap().line).unwrap();
    std::fs::write(path("accept.pub"), key.public().text()).unwrap();
    let mut place = site.place();
    (place.identity, place.acceptance, place.accept_key) = (path("id.key"), path("enrol.jws"), path("accept.pub"));
    let with = |seed: u8, gateway: &str| {
        std::fs::write(path("id.key"), picket_record::encode::base64url(&[seed; 32])).unwrap();
        std::fs::set_permissions(path("id.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        place.credentials("harbour", gateway).map(|_| ()).map_err(|fault| fault.to_string())
    };
    assert_eq!(with(1, "gate-7"), Ok(()));
    assert!(with(2, "gate-7").unwrap_err().contains("accepts another identity"));
    assert!(with(1, "gate-8").unwrap_err().contains("the settings name harbour/gate-8"));
}

#[test]
fn a_rotation_names_the_key_of_the_next_epoch_before_it_opens() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.rotate(&at(5)).unwrap();
    let data = |seq| Parsed::read_bytes(&journal.store.line(seq).unwrap().unwrap()).unwrap().data();
    assert_eq!(kinds(&journal)[2..], [Kind::EpochClose, Kind::EpochOpen]);
    assert_eq!((&data(3)["why"], &data(3)["next_epk"]), (&json!("rotate"), &data(4)["epk"]));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn an_epoch_that_was_named_and_whose_opening_rotted_is_declared_as_lost_and_not_opened_again() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.rotate(&at(5)).unwrap();
    drop(journal);
    site.by_hand("UPDATE record SET line = 'rot' WHERE seq = 4");
    let (journal, recovered) = site.start();
    assert_eq!(recovered.tail, "crash");
    let opening = journal.store.line(5).unwrap().unwrap();
    assert_eq!(Parsed::read_bytes(&opening).unwrap().ep, 3);
    let summary = checked(&journal);
    assert_eq!((summary.contradictions, summary.epochs), (0, 2), "{:?}", summary.found);
    assert!(
        summary.losses.contains(&picket_record::chain::Loss::Lost { from: 4, to: 4, seq: 6 }),
        "{:?}",
        summary.losses
    );
}

/// The words of a stop, in a journal that stays open for as long as they are sent.
fn close(journal: &mut Journal) -> u64 {
    let words = [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose].map(|kind| body(kind, Severity::Info, json!({})));
    journal.append(&words).unwrap().head
}

#[test]
fn nothing_is_stored_behind_the_close_of_a_stop_whoever_asks() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    for _ in 0..3 {
        journal.append(&vec![beat(); 400]).unwrap();
    }
    let last = close(&mut journal);
    let data = serde_json::Map::from_iter([("by".to_owned(), json!("N. N."))]);
    let refused = journal.state(&at(4), Kind::RecordsExported, data).unwrap_err().to_string();
    assert!(refused.contains("once the agent has started"), "{refused}");
    assert!(matches!(journal.append(&[beat()]), Err(Fault::Refused(_))));
    // What is asked for and is gone, and what was disposed of, is told by the next start.
    journal.store.run("DELETE FROM record WHERE seq = 7", [], "test").unwrap();
    let paper = Receipt { resend: vec![(7, 9)], ..receipt(&journal, 1, 6) };
    journal.receipt(&signed(&paper), &at(5)).unwrap();
    assert_eq!((head(&journal), journal.declared()), (last, None));
    drop(journal);
    let (mut journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), recovered.head), ("clean", last + 1));
    let paper = Receipt { n: 2, ..paper };
    journal.receipt(&signed(&paper), &at(6)).unwrap();
    assert_eq!(journal.declared(), Some(vec![last + 2]));
    assert_eq!(checked(&journal).unclosed, [0; 0]);
}

#[test]
fn what_was_disposed_of_is_not_said_again_behind_the_close_of_a_stop() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![beat(); 10]).unwrap();
    receive(&mut journal, 1, 9);
    let last = close(&mut journal);
    journal.store.run("DELETE FROM record WHERE seq <= 6", [], "test").unwrap();
    let back = Receipt { n: 2, upto: 3, head: [7; 32], ..receipt(&journal, 2, 9) };
    journal.receipt(&signed(&back), &at(5)).unwrap();
    assert_eq!((head(&journal), journal.declared()), (last, None));
}

#[test]
fn a_close_among_other_records_is_refused_whole_and_a_chain_that_goes_on_behind_a_receipt_is_open_again() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let before = head(&journal);
    let words = [body(Kind::EpochClose, Severity::Info, json!({})), beat()];
    assert!(matches!(journal.append(&words), Err(Fault::Refused(_))));
    assert_eq!(head(&journal), before);
    close(&mut journal);
    let other = Receipt { n: 3, upto: 40, head: [7; 32], ep: 4, ..receipt(&journal, 3, before) };
    journal.receipt(&signed(&other), &at(9)).unwrap();
    let rebased = journal.rebased().unwrap();
    assert_eq!(journal.append(&[beat()]).unwrap().head, rebased.head + 1);
}

#[test]
fn a_journal_whose_lines_are_texts_goes_on_with_lines_that_take_a_quarter_less() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![raised("door/A"); 20]).unwrap();
    stop(journal);
    let texts = {
        let db = Connection::open(site.file()).unwrap();
        let mut rows = db.prepare("SELECT seq, line FROM record").unwrap();
        let rows = rows.query_map([], at_rest::numbered).unwrap();
        rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
    };
    for (seq, text) in &texts {
        let text = std::str::from_utf8(text).unwrap();
        site.by_hand(&format!("UPDATE record SET line = '{text}' WHERE seq = {seq}"));
    }
    site.by_hand("DROP TABLE at_rest; PRAGMA user_version = 4");
    let (mut journal, _) = site.start();
    assert_eq!((found(&journal), checked(&journal).contradictions), (Vec::<Value>::new(), 0));
    let upto = journal.sealer.head().seq;
    journal.append(&vec![raised("door/B"); 20]).unwrap();
    let text: u64 = lines(&journal)[upto as usize..].iter().map(|line| line.len() as u64).sum();
    let sql = "SELECT sum(octet_length(line)) FROM record WHERE seq > ?1 AND typeof(line) = 'blob'";
    let stored: u64 = journal.store.row(sql, [upto], "test", |row| row.get(0)).unwrap().unwrap();
    assert!(stored * 100 < text * 76, "{stored} bytes for {text}");
    stop(journal);
    let (journal, _) = site.start();
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_file_of_a_layout_to_come_is_refused_and_left_as_it_is() {
    for (sql, layout) in [("PRAGMA user_version = 6", 6), ("CREATE TABLE more(a); PRAGMA user_version = 7", 7)] {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        journal.append(&vec![raised("door/A"); 20]).unwrap();
        stop(journal);
        site.by_hand(sql);
        let before = std::fs::read(site.file()).unwrap();
        let refused = site.try_start().unwrap_err().to_string();
        assert!(refused.contains(&format!("layout {layout} is not 5; use the agent that wrote it")), "{refused}");
        assert_eq!((site.names(), std::fs::read(site.file()).unwrap() == before), (vec!["journal.db".into()], true));
    }
}

#[test]
fn a_file_with_the_number_of_layout_5_and_the_tables_of_layout_4_keeps_its_records() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&vec![raised("door/A"); 20]).unwrap();
    let before = lines(&journal);
    stop(journal);
    site.by_hand("DROP TABLE at_rest");
    let (journal, _) = site.start();
    assert_eq!((&found(&journal)[0]["what"], &lines(&journal)[..before.len()]), (&json!("file"), &before[..]));
    assert_eq!(checked(&journal).contradictions, 0);
}
