use super::*;
use std::fs;

/// A journal of `n` heartbeats after the two first records and an open alarm, stopped without a word.
pub(super) fn written(n: usize) -> Site {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A")]).unwrap();
    for _ in 0..n {
        journal.append(&[beat()]).unwrap();
    }
    site
}

/// Twice more, so that a crash loop would show.
pub(super) fn starts_twice_more(site: &mut Site) -> Journal {
    let before = head(&site.start().0);
    let (journal, _) = site.start();
    assert!(head(&journal) > before);
    journal
}

#[test]
fn a_torn_last_line_is_set_aside_and_told() {
    for change in ["line = substr(line, 1, 40)", "line = CAST(x'ff' || substr(line, 2) AS TEXT)", "line = ''"] {
        let mut site = written(5);
        site.by_hand(&format!("UPDATE record SET {change} WHERE seq = 8"));
        let (journal, _) = site.start();
        assert_eq!(found(&journal)[0]["what"], "tail", "{change}");
        assert_eq!(found(&journal)[0]["from"], 8, "{change}");
        assert_eq!(count(&journal, "quarantine"), 1, "{change}");
        assert_eq!(checked(&journal).contradictions, 0, "{change}");
        drop(journal);
        assert!(found(&starts_twice_more(&mut site)).is_empty(), "{change}");
    }
}

#[test]
fn of_a_long_bad_tail_the_quarantine_keeps_512_lines_and_the_findings_name_all_of_it() {
    let mut site = written(600);
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 3");
    let (journal, _) = site.start();
    let set_aside =
        found(&journal).iter().map(|tail| tail["to"].as_u64().unwrap() - tail["from"].as_u64().unwrap() + 1).sum();
    assert_eq!((count(&journal, "quarantine"), set_aside), (512, 600u64));
}

#[test]
fn two_swapped_records_at_the_end_are_both_set_aside() {
    let mut site = written(5);
    site.by_hand(
        "UPDATE record SET seq = 100 WHERE seq = 8; UPDATE record SET seq = 8 WHERE seq = 7;
         UPDATE record SET seq = 7 WHERE seq = 100",
    );
    let (journal, _) = site.start();
    assert_eq!((&found(&journal)[0]["from"], count(&journal, "quarantine")), (&json!(7), 2));
    assert_eq!(checked(&journal).contradictions, 0);
    drop(journal);
    starts_twice_more(&mut site);
}

#[test]
fn a_last_record_that_nobody_signed_is_set_aside() {
    let mut site = written(5);
    // The signature of the record before it: canonical, of the right key, and over something else.
    site.by_hand(
        "UPDATE record SET line = CAST(substr(line, 1, length(line) - 64) ||
         (SELECT substr(b.line, -64) FROM record b WHERE b.seq = 7) AS BLOB)
         WHERE seq = 8",
    );
    let (journal, _) = site.start();
    assert_eq!((&found(&journal)[0]["from"], count(&journal, "quarantine")), (&json!(8), 1));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_last_record_that_follows_another_one_than_lies_there_is_set_aside() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let before = journal.sealer.head();
    let other = journal.sealer.seal(&raised("door/B")).unwrap();
    journal.sealer.rewind(before);
    journal.append(&[beat(), beat()]).unwrap();
    drop(journal);
    let values = (other.seq, &other.line);
    Connection::open(site.file()).unwrap().execute("UPDATE record SET line = ?2 WHERE seq = ?1", values).unwrap();
    let (journal, _) = site.start();
    assert_eq!((&found(&journal)[0]["from"], count(&journal, "quarantine")), (&json!(other.seq + 1), 1));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn damage_before_a_good_tail_is_told_and_no_number_is_given_again() {
    let changes = ["DELETE FROM record WHERE seq = 5", "UPDATE record SET line = CAST(x'ff41' AS TEXT) WHERE seq = 5"];
    for change in changes {
        let mut site = written(5);
        site.by_hand(change);
        let (journal, recovered) = site.start();
        assert_eq!((found(&journal)[0]["what"].as_str(), recovered.head), (Some("record"), 10), "{change}");
        assert_eq!(count(&journal, "quarantine"), 0, "{change}");
        assert!(read(&journal, &Batch::Range { from: 6, to: 9 }).is_some(), "{change}");
        assert!(journal.lines(&Batch::Range { from: 1, to: 9 }).unwrap().is_some(), "{change}");
        assert!(journal.slice(0).unwrap().is_some(), "{change}");
        drop(journal);
        starts_twice_more(&mut site);
    }
}

#[test]
fn damage_beyond_the_checked_tail_is_looked_through() {
    let mut site = written(3);
    let (mut journal, _) = site.start();
    for _ in 0..3 {
        journal.append(&vec![beat(); 250]).unwrap();
    }
    drop(journal);
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 100");
    let (journal, _) = site.start();
    assert_eq!(head(&journal), 102);
    assert_eq!(checked(&journal).contradictions, 0);
    drop(journal);
    starts_twice_more(&mut site);
}

#[test]
fn an_epoch_whose_opening_no_longer_reads_does_not_stop_a_start() {
    let mut site = written(3);
    site.by_hand("UPDATE record SET line = CAST(x'ff' AS TEXT) WHERE seq = 1");
    drop(site.start());
    starts_twice_more(&mut site);
}

#[test]
fn a_text_file_or_an_empty_one_is_set_aside_and_told_once() {
    for text in ["not a journal\n".repeat(600), String::new()] {
        let mut site = Site::new();
        fs::write(site.file(), &text).unwrap();
        let (journal, recovered) = site.start();
        assert_eq!((recovered.tail.as_str(), recovered.head), ("reset", 3));
        assert_eq!((&found(&journal)[0]["what"], &found(&journal)[0]["kept"]), (&json!("file"), &json!(0)));
        drop(journal);
        assert_eq!(fs::read_to_string(site.folder.path().join("journal.db.damaged-1")).unwrap(), text);
        assert!(found(&starts_twice_more(&mut site)).is_empty());
        assert!(!site.names().contains(&"journal.db.damaged-2".to_owned()));
    }
}

/// Overwrites a page in the middle of the file.
pub(super) fn spoil(site: &Site, at_permille: u64) {
    let mut bytes = fs::read(site.file()).unwrap();
    let page = (bytes.len() as u64 * at_permille / 1_000 / 2_048 * 2_048) as usize;
    bytes[page..page + 2_048].fill(0xA5);
    fs::write(site.file(), bytes).unwrap();
}

#[test]
fn a_spoiled_page_costs_its_own_records_and_neither_the_head_nor_the_open_alarms() {
    let mut site = written(3);
    let (mut journal, _) = site.start();
    for _ in 0..3 {
        journal.append(&vec![beat(); 250]).unwrap();
    }
    let last = head(&journal);
    drop(journal);
    spoil(&site, 500);
    let (journal, recovered) = site.start();
    assert_eq!(found(&journal)[0]["what"], "file");
    assert!(found(&journal)[0]["kept"].as_u64().unwrap() > 600);
    assert_eq!(recovered.head, last + 2);
    assert_eq!(rows(&journal), ["alarm/door/A"]);
    assert_eq!(recovered.urgent[0], 3);
    drop(journal);
    starts_twice_more(&mut site);
    assert!(!site.names().contains(&"journal.db.damaged-2".to_owned()));
}

#[test]
fn a_truncated_file_is_set_aside_after_a_stop_in_order_too() {
    let mut site = written(100);
    stop(site.start().0);
    let file = fs::OpenOptions::new().write(true).open(site.file()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 4_096 * 2_048).unwrap();
    let (journal, _) = site.start();
    assert_eq!(found(&journal)[0]["what"], "file");
    drop(journal);
    starts_twice_more(&mut site);
}

#[test]
fn a_file_that_ends_in_the_middle_of_its_last_page_is_set_aside() {
    for cut in [1, 700, 2_047, 2_048, 3_000] {
        let mut site = Site::new();
        let (mut journal, _) = site.start();
        journal.append(&vec![large(); 3]).unwrap();
        stop(journal);
        let file = fs::OpenOptions::new().write(true).open(site.file()).unwrap();
        file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        let (journal, _) = site.try_start().unwrap_or_else(|fault| panic!("{cut}: {fault}"));
        assert!(!found(&journal).is_empty(), "{cut}: nothing is told");
    }
}

#[test]
fn every_spoiled_page_is_survived() {
    for at_permille in (0..1_000).step_by(60) {
        let mut site = written(60);
        if at_permille % 120 == 0 {
            stop(site.start().0);
        }
        spoil(&site, at_permille);
        let opened = site.try_start();
        assert!(opened.is_ok(), "at {at_permille}: {:?}", opened.err());
        drop(opened);
        starts_twice_more(&mut site);
    }
}

#[test]
fn a_power_cut_during_the_exchange_loses_nothing() {
    let mut site = written(20);
    drop(site.start());
    let whole = fs::read(site.file()).unwrap();
    drop(super::super::salvage::replace(&site.file(), BUDGET, "test").unwrap());
    // Before the first rename: both files lie there.
    fs::rename(site.file(), site.folder.path().join("journal.db.new")).unwrap();
    fs::write(site.file(), &whole[..2_048]).unwrap();
    let (journal, recovered) = site.start();
    assert_eq!((recovered.head, &found(&journal)[0]["what"]), (26, &json!("file")));
    drop(journal);
    // Half-made: made again from the damaged file.
    fs::write(site.folder.path().join("journal.db.new"), "half").unwrap();
    assert!(found(&site.start().0).is_empty());
    assert!(!site.names().contains(&"journal.db.new".to_owned()));
}

#[test]
fn bits_that_turn_over_in_header_tables_or_owner_stop_no_start() {
    let schema = |of: &str, to: &str| {
        format!("PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(sql, '{of}', '{to}');")
    };
    for (sql, what, kept) in [
        ("PRAGMA user_version=2097154".to_owned(), "file", true),
        ("PRAGMA user_version=0".to_owned(), "file", true),
        ("PRAGMA user_version=7".to_owned(), "file", true),
        ("PRAGMA user_version=4".to_owned(), "file", true),
        (schema("upto INTEGER", "uptn INTEGER"), "file", true),
        (schema("TABLE record", "TABLE recorl"), "file", false),
        ("UPDATE receipt SET line = CAST(x'ff' || line AS TEXT)".to_owned(), "file", true),
        ("UPDATE meta SET value = CAST(x'ff' AS TEXT)".to_owned(), "file", true),
        ("UPDATE meta SET value = 'harbour/gatE-7' WHERE key = 'origin'".to_owned(), "owner", true),
        // A number of three bytes becomes a text of as many.
        ("UPDATE epoch SET seq = 'abc'".to_owned(), "epoch", true),
        ("UPDATE receipt SET upto = 'abc'".to_owned(), "file", true),
        ("INSERT INTO lost(first, last) VALUES(3, 'abc')".to_owned(), "file", true),
        ("INSERT INTO leaving(base, first, kept, last, told) VALUES(1, 2, 2, 'abc', 2)".to_owned(), "file", true),
        ("UPDATE receipt SET line = x'ff'".to_owned(), "file", true),
        ("UPDATE meta SET value = x'ff'; UPDATE receipt SET line = CAST(line AS BLOB)".to_owned(), "file", true),
    ] {
        let mut site = written(20);
        let (mut journal, _) = site.start();
        receive(&mut journal, 1, 5);
        drop(journal);
        site.by_hand(&sql);
        let (journal, _) = site.start();
        assert_eq!(found(&journal)[0]["what"], what, "{sql}");
        assert_eq!(head(&journal) > 20, kept, "{sql}: {}", head(&journal));
        drop(journal);
        assert_eq!(found(&site.start().0), Vec::<Value>::new(), "{sql}: it is stated once");
    }
}

#[test]
fn of_what_was_set_aside_the_eldest_goes_and_not_the_lowest_number_and_a_folder_is_none_of_it() {
    const MIB: u64 = 1024 * 1024;
    let mut site = Site { budget: 8 * MIB, ..Site::new() };
    let path = |site: &Site, rest: &str| site.folder.path().join(format!("journal.db{rest}"));
    // An earlier agent counted journals and logs each for themselves, and gave numbers again.
    for (rest, hour) in [(".damaged-1", 3), (".damaged-log-7", 1), (".damaged-2", 2)] {
        let file = fs::File::create(path(&site, rest)).unwrap();
        file.set_len(4 * MIB).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_305_600 + hour * 3_600))
            .unwrap();
    }
    fs::create_dir(path(&site, ".damaged-5")).unwrap();
    drop(site.start());
    let there = ["", ".damaged-1", ".damaged-2", ".damaged-5"].map(|rest| format!("journal.db{rest}"));
    assert_eq!(site.names(), there);
    let (journal, _) = site.start();
    let told = journal_recovered(&journal);
    assert_eq!(told, [json!([{ "what": "aside", "files": ".damaged-log-7", "why": "space" }])]);
}

#[test]
fn a_journal_that_is_set_aside_under_a_clock_that_went_back_stays_and_an_older_one_goes() {
    const MIB: u64 = 1024 * 1024;
    let mut site = Site { budget: 8 * MIB, ..written(20) };
    let older = fs::File::create(site.folder.path().join("journal.db.damaged-1")).unwrap();
    older.set_len(8 * MIB).unwrap();
    older.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1 << 33)).unwrap();
    spoil(&site, 500);
    let (journal, _) = site.start();
    let whats: Vec<Value> = found(&journal).iter().map(|found| found["what"].clone()).collect();
    assert_eq!(whats[..2], ["aside", "file"]);
    assert_eq!(
        site.names().iter().filter(|name| name.contains("damaged")).collect::<Vec<_>>(),
        ["journal.db.damaged-2"]
    );
}

#[test]
fn a_start_that_fails_behind_the_exchange_of_a_damaged_journal_keeps_to_the_budget_and_the_next_one_says_so() {
    const MIB: u64 = 1024 * 1024;
    let mut site = Site { budget: 8 * MIB, ..written(20) };
    fs::File::create(site.folder.path().join("journal.db.damaged-1")).unwrap().set_len(9 * MIB).unwrap();
    site.by_hand("UPDATE meta SET value = x'ff' WHERE key = 'identity'");
    let another = Journal::open(&site.place(), credentials("gate-8", 2), Box::new(|| [9; 32]), &at(0), "test");
    assert!(another.unwrap_err().to_string().contains("belongs to harbour/gate-7"));
    assert_eq!(site.names(), ["journal.db", "journal.db.damaged-2"]);
    let whats: Vec<Value> = found(&site.start().0).iter().map(|found| found["what"].clone()).collect();
    assert_eq!(whats, ["aside", "file"]);
}

/// What each `journal.recovered` says was found.
fn journal_recovered(journal: &Journal) -> Vec<Value> {
    let all = lines(journal);
    let all = all.iter().filter_map(|line| Parsed::read_bytes(line).ok());
    all.filter(|record| record.kind == Kind::JournalRecovered).map(|record| record.data()["found"].clone()).collect()
}

#[test]
fn of_what_was_to_go_before_a_kill_only_what_is_gone_is_said_to_be() {
    let mut site = Site::new();
    drop(site.start());
    fs::write(site.folder.path().join("journal.db.damaged-2"), "stays").unwrap();
    for (files, told) in [(".damaged-1 .damaged-2", json!(".damaged-1")), (".damaged-2", Value::Null)] {
        let note = json!([{ "what": "aside", "files": files, "why": "space" }]);
        site.by_hand(&format!("INSERT OR REPLACE INTO meta(key, value) VALUES('untold', '{note}')"));
        let (journal, _) = site.start();
        assert_eq!(found(&journal).first().map_or(&Value::Null, |found| &found["files"]), &told);
        assert_eq!(found(&journal).len(), usize::from(!told.is_null()));
    }
}

#[test]
fn what_was_set_aside_takes_no_more_than_the_journal_may_the_eldest_go_and_a_record_says_so() {
    const MIB: u64 = 1024 * 1024;
    let mut site = Site { budget: 8 * MIB, ..Site::new() };
    let path = |site: &Site, rest: &str| site.folder.path().join(format!("journal.db{rest}"));
    let make = |site: &Site, rest, mib: u64| fs::File::create(path(site, rest)).unwrap().set_len(mib * MIB).unwrap();
    for (rest, mib) in [(".damaged-1", 5), (".damaged-1-wal", 1), (".damaged-log-2", 1), (".damaged-10", 3)] {
        make(&site, rest, mib);
    }
    drop(site.start());
    let (journal, _) = site.start();
    let there = |site: &Site| {
        let mut names = site.names();
        names.retain(|name| name.contains("damaged"));
        names
    };
    assert_eq!(there(&site), ["journal.db.damaged-10", "journal.db.damaged-log-2"]);
    assert_eq!(found(&journal), Vec::<Value>::new(), "once");
    let said = lines(&journal)
        .iter()
        .filter_map(|line| Parsed::read_bytes(line).ok())
        .map(|record| record.data())
        .find(|data| data.contains_key("found"));
    let said = said.unwrap_or_else(|| panic!("{:?}", kinds(&journal)));
    let mut files: Vec<&str> = said["found"][0]["files"].as_str().unwrap().split(' ').collect();
    files.sort_unstable();
    assert_eq!((&said["found"][0]["what"], &said["found"][0]["why"]), (&json!("aside"), &json!("space")));
    assert_eq!(files, [".damaged-1", ".damaged-1-wal"]);
    assert_eq!(
        kinds(&journal)[..2],
        [Kind::EpochOpen, Kind::LogGenesis],
        "what lies beside a new journal is no damage of it"
    );
    drop(journal);
    // The youngest stays, whatever its size.
    make(&site, ".damaged-11", 30);
    drop(site.start());
    assert_eq!(there(&site), ["journal.db.damaged-11"]);
    site.by_hand("PRAGMA user_version=77777777");
    drop(site.start());
    assert_eq!(there(&site)[..1], ["journal.db.damaged-12"], "numbers rise, and the eldest goes: {:?}", there(&site));
}
