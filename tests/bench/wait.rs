//! Waiting: for a window to pass or for something to become so, always bounded, and never past SIGINT or SIGTERM, so
//! that every process that was started is ended by its guard.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: Mutex<bool> = Mutex::new(false);
static INTERRUPTION: Condvar = Condvar::new();

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// From here on SIGINT and SIGTERM end the next wait with an error instead of the process.
pub(crate) fn heed_signals() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for signals: {error}"))?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                return;
            };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            *INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner) = true;
            INTERRUPTION.notify_all();
        });
    });
    Ok(())
}

/// Lets time pass, or ends with an error at an interruption.
pub(crate) fn pause(time: Duration) -> Result<(), String> {
    let interrupted = INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = INTERRUPTION.wait_timeout_while(interrupted, time, |interrupted| !*interrupted);
    let (interrupted, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if *interrupted { Err("interrupted".into()) } else { Ok(()) }
}

/// Until `look` finds something, at most for `limit`; an error of `look` ends it.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(format!("{what}: not within {} s", limit.as_secs()));
        }
        pause(LOOK)?;
    }
}
