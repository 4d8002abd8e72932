//! Kills the real agent again and again under load, and holds it to its promise: what was stored is not lost, not doubled
//! and not changed. The load, the oracle and the table are the benchmarks' (`tests/bench/kills.rs`).
//!
//! `PICKET_KILLS` says how many kills (200).

use std::process::Command;

#[test]
fn two_hundred_kills_under_load_lose_and_double_nothing_that_was_stored() {
    let status = Command::new(env!("CARGO_BIN_EXE_bench")).args(["kills", "--assert"]).status();
    let status = status.expect("the driver was built with this test");
    assert!(status.success(), "the table above says what is wrong and with which seed: {status}");
}
