//! Figures, not rules: `cargo test --release -p picket --lib -- --ignored --nocapture --test-threads 1 journal::tests::large`.

use super::*;
use crate::journal::at_rest::Kept;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use picket_record::body::{About, IdentityEvidence, Source, Standing};
use picket_record::chain::{Head, Opening, Sealer, TailState};
use std::io::Write;
use std::time::Instant;

const MANY: u64 = 2_600_000;
const REAL: u64 = 2_000;

/// A change of a polled device, as most records of a site are.
fn reading(n: u64) -> Body {
    let mut data = json!({ "dev": "gate-module", "p": {} });
    for point in 0..6u64 {
        data["p"][format!("ch{point}")] = json!({ "v": (n * 7919 + point * 131) % 4_096, "e": -1, "u": "mA" });
    }
    let mut body = body(Kind::Readings, Severity::Info, data);
    body.when = at(1_000_000 + n * 100_000);
    body.when.wall_ms = body.when.wall_ms.map(|ms| ms + (n * 100) as i64);
    let mut raw = [0; 32];
    raw[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    let digest = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(raw));
    raw.copy_from_slice(&digest);
    body.about = Some(About {
        equipment: "IO-GATE-1".into(),
        register: 12,
        standing: Standing { st: "good", why: vec![], due: Some("2027-03-01".into()), cert: Some("C-2291".into()) },
        source: Some(Source { driver: "modbus-tcp", raw, identity: IdentityEvidence::Configured }),
    });
    body
}

/// So many rows without a receipt, all of them urgent; the last ones are real.
fn fill(site: &mut Site, many: u64) {
    site.budget = 16 << 30;
    drop(site.start());
    let own = credentials("gate-7", 1);
    let head = Head { ep: 1, seq: many - REAL, link: [3; 32] };
    let opening = Opening { tail_state: TailState::Crash, found: None, last_receipt: None, version: "test".into() };
    let (mut sealer, open) = Sealer::open(&own.origin, &own.identity, [77; 32], head, &opening, &at(0)).unwrap();
    let mut db = Connection::open(site.file()).unwrap();
    db.execute_batch("PRAGMA synchronous=OFF; PRAGMA cache_size=-2048").unwrap();
    let tx = db.transaction().unwrap();
    {
        let mut insert = tx.prepare("INSERT OR REPLACE INTO record(seq, line) VALUES(?1, ?2)").unwrap();
        let like = sealer.seal(&reading(1)).unwrap().line;
        for seq in 3..head.seq {
            insert.execute((seq, &like)).unwrap();
        }
        insert.execute((head.seq, "x")).unwrap();
    }
    tx.execute_batch("INSERT INTO urgent SELECT seq FROM record").unwrap();
    let (mut sealer, open) = {
        drop((sealer, open));
        Sealer::open(&own.origin, &own.identity, [77; 32], head, &opening, &at(0)).unwrap()
    };
    tx.execute("INSERT INTO epoch(ep, seq) VALUES(2, ?1)", [open.seq]).unwrap();
    tx.execute("INSERT INTO record(seq, line) VALUES(?1, ?2)", (open.seq, Kept(&open.line))).unwrap();
    for n in 1..REAL {
        let sealed = sealer.seal(&reading(n)).unwrap();
        tx.execute("INSERT INTO record(seq, line) VALUES(?1, ?2)", (sealed.seq, Kept(&sealed.line))).unwrap();
    }
    tx.commit().unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Time of this thread on a processor: others share the machine.
fn cpu() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Peak of memory in KiB since it was last asked.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak
}

#[test]
#[ignore = "makes a file of 2.6 GB"]
fn a_start_with_2_600_000_records_without_a_receipt() {
    let memory = std::path::Path::new("/dev/shm");
    let folder = |path: &std::path::Path| tempfile::tempdir_in(path).unwrap();
    let mut empty = Site { folder: folder(memory), budget: BUDGET, starts: 0 };
    peak_kib();
    drop(empty.start());
    let floor = peak_kib();
    let mut site = Site { folder: folder(memory), budget: BUDGET, starts: 0 };
    fill(&mut site, MANY);
    let bytes = std::fs::metadata(site.file()).unwrap().len();
    peak_kib();
    let before = Instant::now();
    let (mut journal, recovered) = site.start();
    let opened = before.elapsed();
    let peak = peak_kib();
    let before = Instant::now();
    journal.append(&[beat()]).unwrap();
    let appended = before.elapsed();
    println!(
        "{MANY} records, {bytes} bytes: opened in {opened:?}, append {appended:?}, peak {peak} KiB, empty {floor} KiB; \
         {} urgent",
        recovered.urgent.len()
    );
    assert_eq!(found(&journal), Vec::<Value>::new());
    assert!(recovered.urgent.len() <= 1_024);
    assert!(peak < floor + 16 * 1024, "{peak} KiB against {floor} KiB");
    assert!(opened.as_millis() < 1_000, "{opened:?}");
}

#[test]
#[ignore = "measures"]
fn reading_and_packing() {
    let mut site = Site::new();
    site.budget = 16 << 30;
    let (mut journal, _) = site.start();
    for group in 0..40u64 {
        let bodies: Vec<Body> = (0..500).map(|n| reading(group * 500 + n)).collect();
        journal.append(&bodies).unwrap();
    }
    let last = head(&journal);
    let before = cpu();
    let (mut from, mut wire, mut text) = (1, 0, 0);
    while from <= last {
        let to = last.min(from + picket_core::uplink::BATCH - 1);
        let lines = journal.lines(&Batch::Range { from, to }).unwrap().unwrap();
        (wire, text, from) = (wire + lines.payload.len() as u64, text + lines.bytes, lines.through + 1);
    }
    let s = (cpu() - before).as_secs_f64();
    println!("read and packed: {:.0} records/s, {} of {} bytes a record", last as f64 / s, wire / last, text / last);
    let batch = read(&journal, &Batch::Range { from: 1_000, to: 1_400 }).unwrap().0;
    let count = batch.lines().count();
    for level in [0, 1, 2, 3, 4, 5, 6, 9] {
        let before = cpu();
        let mut bytes = 0;
        for _ in 0..20 {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(batch.as_bytes()).unwrap();
            bytes = encoder.finish().unwrap().len();
        }
        let s = (cpu() - before).as_secs_f64() / 20.0;
        let share = bytes as f64 / batch.len() as f64;
        println!(
            "level {level}: {} bytes a record, {share:.3} of the text, {:.0} records/s",
            bytes / count,
            count as f64 / s
        );
    }
}

/// Tables that grow with what a site does. Receipts and epochs have a row a day or a
/// start, the others a limit of a few rows.
const GROWING: [&str; 6] = ["record", "urgent", "personal", "summary", "quarantine", "branch"];

/// What is read whole now and then, and why.
const WHOLE: [(&str, &str); 2] = [
    ("SELECT coalesce(sum(octet_length(line)), 0) FROM summary", "once where pruning kept a summary"),
    ("DELETE FROM state", "before a fold"),
];

/// Statements of starts, appends, batches, receipts and pruning, as they really run. None may walk through a table that
/// grows; a limit is no excuse, because what a filter leaves out does not count for it.
#[test]
fn no_statement_but_the_named_ones_walks_through_a_table_that_grows() {
    let mut site = Site::new();
    site.budget = 1_500_000;
    let (mut journal, _) = site.start();
    let mut ran: Vec<String> = Vec::new();
    for day in 1..=4u64 {
        journal.append(&vec![large(); 60]).unwrap();
        let to = head(&journal) - 20;
        journal.append(&[raised("door/A"), super::summaries::summed_up(to)]).unwrap();
        journal.lines(&Batch::Range { from: head(&journal) - 3, to: head(&journal) }).unwrap();
        journal.lines(&Batch::Urgent { seqs: vec![head(&journal) - 1], receipted: 0 }).unwrap();
        let upto = head(&journal);
        receive(&mut journal, day, upto);
        ran.extend(journal.store.ran());
        drop(journal);
        (journal, _) = site.start();
    }
    ran.extend(journal.store.ran());
    assert!(lines(&journal).len() < 200, "nothing was pruned");
    let mut walks = Vec::new();
    for sql in ran.iter().filter(|sql| !sql.starts_with("PRAGMA") && !sql.starts_with("BEGIN") && *sql != "COMMIT") {
        let mut statement = journal.store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = (0..statement.parameter_count())
            .try_for_each(|n| statement.raw_bind_parameter(n + 1, 1))
            .and_then(|()| statement.raw_query().mapped(|row| row.get(3)).collect())
            .unwrap();
        let grows = |step: &String| GROWING.iter().any(|table| *step == format!("SCAN {table}"));
        if plan.iter().any(grows) && !WHOLE.iter().any(|(whole, _)| whole == sql) {
            walks.push(format!("{sql}: {plan:?}"));
        }
    }
    walks.sort();
    walks.dedup();
    assert!(walks.is_empty(), "{walks:#?}");
}
