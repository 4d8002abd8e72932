//! Eras over restarts: none comes twice, none goes back.

use super::*;

fn open_at(site: &Site, when: &When, n: u8) -> (Journal, Recovered) {
    Journal::open(&site.place(), credentials("gate-7", 1), Box::new(move || [n; 32]), when, "test").unwrap()
}

fn moment(boot: &str, mono_s: u64, off_ms: i64) -> When {
    let mut when = at(mono_s * 1_000_000);
    when.boot = boot.into();
    when.wall_ms = when.wall_ms.map(|wall_ms| wall_ms + mono_s as i64 * 1_000 + off_ms);
    when
}

fn era_of_last(journal: &Journal) -> u64 {
    let line = lines(journal).pop().unwrap();
    let record = Parsed::read_bytes(&line).unwrap();
    let payload: Value = serde_json::from_str(record.payload()).unwrap();
    payload["clk"]["era"].as_u64().unwrap()
}

#[test]
fn an_era_goes_on_where_the_journal_ends_and_a_boot_or_a_step_in_between_begins_another() {
    let site = Site::new();
    let mut eras = Vec::new();
    for (n, (boot, mono_s, off_ms)) in
        [("b0", 10, 0), ("b0", 20, 0), ("b0", 30, 3_600_000), ("b1", 5, 0), ("b1", 9, -400), ("b2", 1, 0)]
            .into_iter()
            .enumerate()
    {
        let when = moment(boot, mono_s, off_ms);
        let (journal, recovered) = open_at(&site, &when, n as u8 + 1);
        let last = recovered.clock.map_or(0, |last| last.era_at(&when));
        assert_eq!(u64::from(last), eras.last().copied().unwrap_or(0).max(u64::from(last)));
        // The opening says it; what follows has it from the clock of the process.
        drop(journal);
        let (journal, _) = open_at(&site, &when, n as u8 + 101);
        eras.push(era_of_last(&journal));
    }
    assert_eq!(eras, [0, 0, 1, 2, 2, 3]);
}

#[test]
fn a_start_knows_the_newest_receipt() {
    let mut site = Site::new();
    let (mut journal, recovered) = site.start();
    assert_eq!(recovered.receipt, None);
    receive(&mut journal, 3, 2);
    drop(journal);
    let (_, recovered) = site.start();
    assert_eq!(recovered.receipt.unwrap().0, 3);
}
