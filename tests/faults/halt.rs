//! Stopping a process where no call of it is in flight.

use crate::wait;
use rustix::process::Signal;
use simulator::process::Process;
use std::time::Duration;

const STOPS_IN: Duration = Duration::from_secs(5);

/// Stops it and waits until it is: a sync in flight ends first.
pub(crate) fn halt(process: &mut Process) -> Result<(), String> {
    process.signal(Signal::STOP).map_err(crate::told)?;
    wait::until("it is stopped", STOPS_IN, || {
        if let Some(status) = process.ended().map_err(crate::told)? {
            return Err(format!("it ended by itself: {status}"));
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
        // proc(5): the state stands behind the name in brackets.
        Ok(stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')).then_some(()))
    })
}
