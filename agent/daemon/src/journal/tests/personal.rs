use super::branches::Image;
use super::*;
use picket_core::sensitivity::{Channel, Label, Sensitivity};
use picket_record::personal::{Disclosure, Personal, PersonalText};
use std::fs;

const NAME: &str = "Adeyemi-Schwarzenbach";

fn act(alarm: &str, by: &str) -> Body {
    let personal = Some(Personal::Said(PersonalText::of(&[("by", by)]).unwrap()));
    Body { personal, ..body(Kind::ActAcknowledged, Severity::Notice, json!({ "alarm": alarm })) }
}

fn erasure(records: Value) -> Body {
    body(Kind::PersonalErased, Severity::Notice, json!({ "records": records, "authority": "office" }))
}

/// Three records, of which the last two have somebody beside them; its numbers.
fn acted(journal: &mut Journal) -> [u64; 2] {
    journal.append(&[raised("door/A"), act("door/A", NAME), act("door/B", "Zoë")]).unwrap();
    [head(journal) - 1, head(journal)]
}

fn openings(journal: &Journal) -> Vec<u64> {
    journal.store.rows("SELECT seq FROM personal ORDER BY seq", [], "test", |row| row.get(0)).unwrap()
}

/// Whether a text stands in any file of the folder, as it lies on the disk.
fn lies_there(site: &Site, text: &str) -> bool {
    let holds = |name: &String| {
        let bytes = fs::read(site.folder.path().join(name)).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    site.names().iter().any(holds)
}

/// What an export of these records discloses, by number.
fn disclosed(journal: &Journal, (from, to): (u64, u64)) -> Vec<u64> {
    let (mut behind, mut found) = (from - 1, Vec::new());
    while let Some((next, rows)) = journal.disclosed_rows(behind, to).unwrap() {
        for row in std::str::from_utf8(&rows).unwrap().lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            found.push(row["seq"].as_u64().unwrap());
        }
        behind = next;
    }
    found
}

fn discloses_in_exports() -> Sensitivity {
    Sensitivity::default().with_ceiling(Channel::Export, Label::Personal)
}

#[test]
fn what_is_said_of_a_person_is_stored_with_its_record_and_is_not_in_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    assert_eq!(openings(&journal), acts);
    assert!(lines(&journal).iter().all(|line| !Parsed::read_bytes(line).unwrap().payload().contains("Adeyemi")));
    assert_eq!((checked(&journal).committed, checked(&journal).contradictions), (2, 0));
    let two = journal.disclosed((1, head(&journal)), Channel::Uplink).unwrap();
    assert_ne!(two[&acts[0]].salt, two[&acts[1]].salt, "a salt is drawn for each");
    drop(journal);
    let (_journal, recovered) = site.start();
    let rows: Vec<_> = recovered.rows.iter().filter(|row| row.key.starts_with("ack/")).collect();
    assert!(rows.iter().all(|row| row.body.contains("pii") && !row.body.contains("Adeyemi")), "{rows:?}");
    assert_eq!(recovered.personal[&acts[0]], format!(r#"{{"by":"{NAME}"}}"#));
}

#[test]
fn a_commit_that_fails_leaves_neither_record_nor_text() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.store.by_hand("CREATE TEMP TRIGGER full BEFORE INSERT ON personal BEGIN SELECT RAISE(ABORT, 'full'); END");
    let before = head(&journal);
    assert!(journal.append(&[beat(), act("door/A", NAME)]).is_err());
    assert_eq!((head(&journal), lines(&journal).len() as u64), (before, before));
    assert!(openings(&journal).is_empty());
    drop(journal);
    let (mut journal, _) = site.start();
    // There all the same, though it was reported as failed: set aside whole, and it comes again whole.
    journal.store.lose_next_commit();
    assert!(journal.append(&[act("door/A", NAME)]).is_err());
    journal.append(&[act("door/A", NAME)]).unwrap();
    assert_eq!(openings(&journal), [head(&journal)]);
    assert_eq!(journal.disclosed((1, head(&journal)), Channel::Uplink).unwrap().len(), 1);
}

#[test]
fn an_opening_follows_its_record_to_the_central_side_where_labels_let_it() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    journal.append(&[beat()]).unwrap();
    let range = Batch::Range { from: 1, to: head(&journal) };
    let (text, through) = read(&journal, &range).unwrap();
    assert_eq!(through, head(&journal));
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with('{')).unwrap();
    let (seq, opening) = Disclosure::from_line(lines[at]).unwrap();
    let record = Parsed::read(lines[at - 1]).unwrap();
    assert_eq!((seq, record.seq, record.personal), (acts[0], acts[0], Some(opening.commitment())));
    assert_eq!(lines.len() as u64, head(&journal) + 2);
    let bytes = journal.lines(&range).unwrap().unwrap().bytes;
    assert_eq!(bytes, text.len() as u64, "the window counts them");
    let journal = journal.labelled(Sensitivity::default().with_ceiling(Channel::Uplink, Label::Restricted));
    assert!(!read(&journal, &range).unwrap().0.contains(r#"{"pii""#));
}

#[test]
fn an_erasure_takes_the_text_in_the_transaction_of_its_record_and_the_chain_stands() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    assert!(lies_there(&site, NAME));
    journal.append(&[erasure(json!([acts[0]]))]).unwrap();
    assert_eq!(openings(&journal), [acts[1]]);
    assert!(!lies_there(&site, NAME), "written over, and the log is cut");
    assert_eq!((checked(&journal).committed, checked(&journal).contradictions), (2, 0));
    let again = read(&journal, &Batch::Range { from: 1, to: head(&journal) }).unwrap().0;
    assert_eq!(again.matches(r#"{"pii""#).count(), 1, "nothing erased is sent again");
    // It speaks of nothing behind itself.
    journal.append(&[erasure(json!([[1, 9_007_199_254_740_991_u64]])), act("door/C", "Ines")]).unwrap();
    assert_eq!(openings(&journal), [head(&journal)]);
    drop(journal);
    let (journal, recovered) = site.start();
    assert!(recovered.personal.is_empty() || recovered.personal.values().all(|text| text.contains("Ines")));
    assert_eq!(checked(&journal).contradictions, 0);
}

#[test]
fn a_kill_between_an_erasure_and_the_end_of_its_log_leaves_no_text_behind_the_next_start() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    journal.store_all(&[erasure(json!([acts[0]]))]).unwrap();
    let mut cut = site.cut();
    assert!(lies_there(&cut, NAME), "in the log");
    let (journal, recovered) = cut.start();
    assert_eq!((recovered.tail.as_str(), openings(&journal)), ("crash", vec![acts[1]]));
    assert!(!lies_there(&cut, NAME));
}

#[test]
fn no_name_of_hundreds_lies_in_the_file_once_all_are_erased_one_by_one_by_ranges_or_with_their_records() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    let name = |n: u64| format!("Guard-{n:04}-of-the-gate");
    let first = head(&journal) + 1;
    for n in (0..600).step_by(50) {
        journal.append(&(n..n + 50).map(|n| act("door/A", &name(n))).collect::<Vec<_>>()).unwrap();
    }
    assert!((0..600).all(|n| lies_there(&site, &name(n))));
    // With their records.
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    receive(&mut journal, 1, first + 150);
    let left = openings(&journal);
    assert!(left.len() < 600 && left.len() > 300, "{}", left.len());
    // One by one, here and there; then the rest.
    for seq in left.iter().step_by(7) {
        journal.append(&[erasure(json!([seq]))]).unwrap();
    }
    let (middle, last) = (first + 400, first + 599);
    journal.append(&[erasure(json!([[first, middle], [middle + 1, last]]))]).unwrap();
    assert!(openings(&journal).is_empty());
    let found: Vec<u64> = (0..600).filter(|n| lies_there(&site, &name(*n))).collect();
    assert_eq!(found, [0_u64; 0]);
}

#[test]
fn a_text_goes_with_its_record_when_that_is_disposed_of() {
    let mut site = Site::new();
    site.budget = 2_000_000;
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    while journal.append(&[large()]).unwrap().fill_permille < 610 {}
    drop(journal);
    let (mut journal, _) = site.start();
    assert_eq!(openings(&journal), acts);
    receive(&mut journal, 1, acts[1] + 10);
    assert!(openings(&journal).is_empty() && count(&journal, "record") > 0);
}

#[test]
fn a_branch_that_is_left_takes_its_texts_along_out_of_the_log_too_and_says_so() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[act("door/A", "Ines")]).unwrap();
    let kept = head(&journal);
    receive(&mut journal, 1, kept);
    let acts = acted(&mut journal);
    let mark = receipt(&journal, 2, kept + 1);
    let mark = Receipt { rebase: Some((kept + 1, mark.head)), state: State::Fork, ..mark };
    journal.receipt(&signed(&mark), &at(2)).unwrap();
    assert_eq!(openings(&journal), [kept], "the file lost nothing: what is before the mark stays");
    assert!(!lies_there(&site, NAME));
    let all = lines(&journal);
    let last = Parsed::read_bytes(all.last().unwrap()).unwrap();
    assert_eq!(last.kind, Kind::PersonalErased);
    assert_eq!(last.data()["branch"], json!([kept + 2, acts[1]]));
    assert_eq!(last.data()["n"], json!(2));
    assert_eq!(journal.rebased().unwrap().nameless_from, kept + 2);
}

/// What the last record states to be erased because the file was put back.
fn put_back(journal: &Journal) -> (Kind, Value, Value) {
    let all = lines(journal);
    let said = all.iter().map(|line| Parsed::read_bytes(line).unwrap());
    let said = said.rev().find(|record| record.kind == Kind::PersonalErased).expect("it is stated");
    (said.kind, said.data()["rollback"].clone(), said.data()["n"].clone())
}

#[test]
fn a_name_that_was_erased_does_not_come_back_for_good_with_an_image_of_the_disk() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    let last = head(&journal);
    receive(&mut journal, 1, last);
    let image = Image::take(&site);
    journal.append(&[erasure(json!([acts[0]]))]).unwrap();
    let line = signed(&receipt(&journal, 2, head(&journal)));
    drop(journal);
    image.put_back();
    let (mut journal, _) = site.start();
    journal.append(&[act("door/C", "Ines")]).unwrap();
    assert_eq!(openings(&journal)[..2], acts, "nobody told it yet");
    journal.receipt(&line, &at(9)).unwrap();
    assert_eq!(openings(&journal), [0; 0]);
    assert!(!lies_there(&site, NAME));
    assert_eq!(put_back(&journal), (Kind::PersonalErased, json!([1, last]), json!(2)));
    assert_eq!(journal.rebased().unwrap().nameless_from, 1);
    // A page of before that comes back once more is held against the record.
    journal.store.by_hand(&format!("INSERT INTO personal VALUES({}, zeroblob(16), '{{}}')", acts[0]));
    crate::journal::memory::refold(&journal.store).unwrap();
    assert_eq!(openings(&journal), [0; 0]);
}

#[test]
fn a_file_that_lost_what_it_has_a_receipt_for_keeps_no_name_that_may_have_been_erased() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    journal.append(&vec![beat(); 9]).unwrap();
    let last = head(&journal);
    receive(&mut journal, 1, last);
    drop(journal);
    site.by_hand("UPDATE record SET line = 'x' WHERE seq > 8");
    let (journal, recovered) = site.start();
    assert_eq!((recovered.tail.as_str(), recovered.personal.len()), ("rollback", 0));
    assert!(acts[1] <= 8 && openings(&journal).is_empty() && !lies_there(&site, NAME));
    assert_eq!(put_back(&journal), (Kind::PersonalErased, json!([1, 8]), json!(2)));
}

#[test]
fn a_file_of_the_layout_before_is_taken_over_where_it_lies() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    journal.append(&[raised("door/A")]).unwrap();
    stop(journal);
    site.by_hand("DROP TABLE personal; DROP TABLE at_rest; PRAGMA user_version=3;");
    let (mut journal, _) = site.start();
    assert_eq!(found(&journal), Vec::<Value>::new());
    let acts = acted(&mut journal);
    assert_eq!(openings(&journal), acts);
}

#[test]
fn a_damaged_file_gives_up_its_texts_to_the_new_one_and_what_was_erased_stays_so() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    journal.append(&[erasure(json!([acts[0]]))]).unwrap();
    drop(journal);
    let line = format!("INSERT INTO personal VALUES({}, zeroblob(16), '{{}}')", acts[0]);
    site.by_hand(&format!("{line}; PRAGMA user_version=77777777"));
    let (journal, recovered) = site.start();
    assert!(found(&journal).iter().any(|one| one["what"] == "file"), "{:?}", found(&journal));
    assert_eq!(openings(&journal), [acts[1]]);
    assert!(recovered.personal.contains_key(&acts[1]));
}

#[test]
fn an_export_discloses_what_its_ceiling_lets_beside_its_own_records_alone() {
    let mut site = Site::new();
    let (mut journal, _) = site.start();
    let acts = acted(&mut journal);
    let all = (1, head(&journal));
    assert_eq!(disclosed(&journal, all), [0_u64; 0], "not without being told to");
    let mut journal = journal.labelled(discloses_in_exports());
    assert_eq!(disclosed(&journal, all), acts);
    assert_eq!(disclosed(&journal, (acts[1], all.1)), acts[1..], "of the range alone");
    // Damage in a text is no reason for a bundle that contradicts itself.
    let sql = format!("UPDATE personal SET text = '{{\"by\":\"Eve\"}}' WHERE seq = {}", acts[0]);
    journal.store.by_hand(&sql);
    assert_eq!(disclosed(&journal, all), acts[1..]);
    journal.append(&[act("door/D", "Ines")]).unwrap();
    assert_eq!(disclosed(&journal, all), acts[1..], "what came later is not of this export");
}

#[test]
fn what_is_disclosed_comes_in_many_slices_and_none_is_missed() {
    let mut site = Site::new();
    let (journal, _) = site.start();
    let mut journal = journal.labelled(discloses_in_exports());
    let long = "x".repeat(1_900);
    for _ in 0..5 {
        journal.append(&vec![act("door/A", &long); 100]).unwrap();
    }
    let all = disclosed(&journal, (1, head(&journal)));
    assert_eq!(all.len(), 500);
    assert!(all.windows(2).all(|two| two[0] + 1 == two[1]));
}
