//! The table of attacks in FORMAT.md, section 16, and faults of the clock: each row with the tests that show it. A row
//! without a test, a test that is gone, and a limit that no test shows as one are faults.

use std::fs;
use std::path::{Path, PathBuf};

/// Files below the root.
const READER: &str = "protocols/record/tests/attackers.rs";
const FORKS: &str = "central/tests/ingest/forks.rs";
const TRUST: &str = "central/tests/ingest/trust.rs";
const RECEIPTS: &str = "central/tests/ingest/receipts.rs";
const LOSSES: &str = "central/tests/ingest/losses.rs";
const BRANCHES: &str = "agent/daemon/src/journal/tests/branches.rs";
const DAYS: &str = "tests/scenarios/site_days/main.rs";

/// A row of the table as it begins there, and its tests: file and name.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

const ATTACKS: [Row; 9] = [
    (
        "network or broker edits, drops, reorders, repeats",
        &[(FORKS, "what_the_network_edits_drops_reorders_and_repeats_is_refused_asked_for_sorted_and_ignored")],
    ),
    ("everything is cut", &[(TRUST, "three_missed_heartbeats_are_a_finding_by_the_interval_that_the_gateway_states")]),
    (
        "thief with disk and identity rewrites what has a receipt",
        &[
            (READER, "a_thief_who_rewrites_what_has_a_receipt_contradicts_it"),
            (FORKS, "a_thief_who_rewrites_what_has_a_receipt_makes_a_fork_and_the_gateway_goes_on_behind_the_head"),
        ],
    ),
    (
        "the same, records of an epoch that the central system knows",
        &[
            (READER, "a_thief_cannot_sign_records_of_an_epoch_that_was_announced"),
            (FORKS, "a_thief_with_records_of_a_known_epoch_is_refused_by_signature"),
        ],
    ),
    (
        "the same cuts the tail without receipt",
        &[
            (READER, "a_thief_who_cuts_the_tail_leaves_an_epoch_that_was_not_closed"),
            (FORKS, "a_thief_who_cuts_the_tail_without_receipt_leaves_an_epoch_that_is_not_closed"),
        ],
    ),
    (
        "disk image restored, identity cloned",
        &[
            (READER, "a_restored_image_that_goes_on_by_itself_contradicts_the_receipts"),
            (READER, "a_restored_image_that_asks_first_declares_what_it_had_lost"),
            (FORKS, "a_restored_image_that_asks_first_is_a_finding_and_no_fork"),
            (FORKS, "a_restored_image_that_went_on_first_is_a_fork_and_both_branches_are_kept"),
            (FORKS, "a_cloned_identity_shows_as_a_fork_with_both_openings"),
            (BRANCHES, "a_disk_image_that_was_put_back_goes_on_behind_the_receipt_and_keeps_what_it_wrote"),
        ],
    ),
    (
        "insider at the central system deletes the newest records",
        &[
            (READER, "an_insider_who_deletes_the_newest_records_contradicts_the_receipts_of_the_gateway"),
            (FORKS, "an_insider_who_deletes_the_newest_records_is_seen_by_the_gateway_and_healed_by_it"),
            (RECEIPTS, "a_store_restored_from_a_backup_says_less_and_is_healed"),
            (LOSSES, "a_store_restored_under_a_running_sender_is_brought_forward_by_its_question_and_healed"),
        ],
    ),
    (
        "**thief, epoch never announced (long offline)**",
        &[(READER, "limit_a_thief_who_rewrites_an_epoch_that_was_never_announced_is_not_detected")],
    ),
    (
        "**live root holding the epoch key, tail without receipt**",
        &[(READER, "limit_a_live_root_who_rewrites_the_tail_without_receipt_is_not_detected")],
    ),
];

/// What a wrong clock must not do.
const CLOCK: [Row; 5] = [
    (
        "1970, never set, a start without a clock",
        &[
            (
                "agent/core/src/standing/tests.rs",
                "a_clock_that_was_never_set_leaves_the_status_unknown_without_a_nonconformity",
            ),
            ("agent/core/src/standing/tests.rs", "the_last_trusted_time_judges_after_a_start_without_a_clock"),
            (
                "agent/core/tests/site/restart.rs",
                "a_restart_with_a_clock_that_nobody_vouches_for_closes_nothing_either",
            ),
        ],
    ),
    (
        "twenty years ahead, beyond 2038 and 2106",
        &[
            (DAYS, "a_clock_that_jumps_over_decades_loses_nothing_and_stops_nothing"),
            (
                "agent/daemon/src/journal/tests/retention.rs",
                "a_clock_of_the_gateway_that_runs_ahead_disposes_of_nothing",
            ),
        ],
    ),
    (
        "back and forth",
        &[
            (
                "agent/core/src/steps.rs",
                "a_clock_that_jumps_every_second_is_told_once_a_minute_with_the_number_of_steps",
            ),
            (
                "agent/core/tests/site/quiet.rs",
                "a_step_of_the_clock_is_a_record_and_one_that_jumps_all_the_time_fills_nothing",
            ),
            ("agent/core/src/summary/tests.rs", "a_clock_that_flaps_around_midnight_makes_few_summaries"),
        ],
    ),
    (
        "it expires no equipment and no order",
        &[
            ("agent/core/src/standing/tests.rs", "a_clock_that_nobody_vouches_for_expires_nothing_and_opens_nothing"),
            (
                "agent/core/tests/site/orders.rs",
                "a_clock_that_nobody_vouches_for_makes_no_order_stale_and_the_central_side_s_does",
            ),
        ],
    ),
    (
        "it ends no day of a summary",
        &[("agent/core/src/summary/tests.rs", "a_clock_that_is_not_synchronised_ends_no_day")],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Tests of rows that are not in their files.
fn gone(rows: &[Row]) -> Vec<String> {
    let named = rows.iter().flat_map(|(_, tests)| tests.iter());
    named
        .filter(|(file, test)| !has_test(&read(file), test))
        .map(|(file, test)| format!("{file}: no test {test}"))
        .collect()
}

/// Whether a test of exactly this name is in a text and is not ignored.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1] == format!("fn {name}() {{"))
}

#[test]
fn every_attack_of_the_format_is_shown_by_a_test() {
    let format = read("protocols/record/FORMAT.md");
    let table = format.split("| attack | outcome |").nth(1).expect("the table of attacks");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), ATTACKS.len(), "rows of FORMAT.md, section 16");
    for (row, (attack, tests)) in rows.iter().zip(&ATTACKS) {
        assert!(row.starts_with(&format!("| {attack} |")), "{row}\nis not {attack}");
        assert!(!tests.is_empty(), "{attack}: no test");
        let limit = row.contains("**not detected**");
        let shown = tests.iter().all(|(_, test)| test.starts_with("limit_") == limit);
        assert!(shown, "{attack}: what is not detected is shown by tests named limit_, and only that");
    }
    assert_eq!(gone(&ATTACKS), Vec::<String>::new());
}

#[test]
fn every_fault_of_a_clock_is_shown_by_a_test() {
    assert_eq!(gone(&CLOCK), Vec::<String>::new());
}

#[test]
fn a_test_that_is_named_otherwise_or_ignored_is_missed() {
    let text = "    #[test]\n    fn a_rule_holds() {\n    }\n#[test]\n#[ignore = \"slow\"]\nfn another() {\n}\nfn helper() {\n}\n";
    assert!(has_test(text, "a_rule_holds"));
    assert!(!["a_rule", "another", "helper"].iter().any(|name| has_test(text, name)));
}
