//! The broker away for fifteen seconds at fifty events a second, and the agent killed in the middle of it: what was
//! stored arrives, once. The load, the oracle and the table are the benchmarks' (`tests/bench/outage.rs`).

use std::process::Command;

fn holds(job: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_bench")).args([job, "--quick", "--assert"]).status();
    let status = status.expect("the driver was built with this test");
    assert!(status.success(), "the table above says what is wrong: {status}");
}

#[test]
fn an_outage_of_the_broker_loses_and_doubles_nothing() {
    holds("J3");
}

#[test]
fn a_kill_in_an_outage_loses_and_doubles_nothing_that_was_stored() {
    holds("J4");
}
