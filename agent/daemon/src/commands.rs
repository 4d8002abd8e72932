//! What each command does, and what it prints.

use crate::{ended, log, refuse, say};
use picket::control::Unanswered;
use picket::settings;
use std::path::Path;
use std::process::ExitCode;

mod backup;
mod enroll;
mod erase;
mod export;
mod label;
mod progress;
mod register;
mod renew;
mod report;
mod show;
mod verify;
mod work;

pub(crate) use backup::{Backup, Restore, backup, restore};
pub(crate) use enroll::enroll;
pub(crate) use erase::erase;
pub(crate) use export::{Export, export};
pub(crate) use label::{Label, label};
pub(crate) use register::{Register, register};
pub(crate) use renew::renew;
pub(crate) use report::{Report, report};
pub(crate) use show::status;
pub(crate) use verify::{Verify, verify};
pub(crate) use work::{Work, work};

/// Runs a conversation with the agent. Where nobody answers, what to do is said.
fn converse<T>(work: impl Future<Output = Result<T, Unanswered>>) -> Result<T, String> {
    on_this_thread(work)?.map_err(|why| match why {
        Unanswered::Nobody { .. } => format!("{why}; is it running? try: systemctl status picket"),
        why => why.to_string(),
    })
}

fn on_this_thread<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(tokio.map_err(|error| format!("cannot start the runtime: {error}"))?.block_on(work))
}

/// So many of something.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Guards the site.
pub(crate) fn run(config: &Path) -> ExitCode {
    log();
    let loaded = match settings::load(config) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::from(2);
        }
    };
    if loaded.warnings.warnings() > 0 {
        eprint!("{}", loaded.warnings);
    }
    if let Some(why) = picket::secrecy::swap() {
        tracing::warn!("{why}");
    }
    let register = settings::load_register(config, 0);
    if let Err(faults) = &register {
        eprint!("{faults}");
    }
    match picket::supervise::run(loaded, register) {
        Err(picket::supervise::Refusal::NoRegister(_)) => {
            eprintln!("picket: no good register was ever in force here; mend the one above, then start again");
            ExitCode::from(2)
        }
        Err(picket::supervise::Refusal::Cannot(why)) => refuse(&why),
        Ok(end) => ended(Ok(end)),
    }
}

/// Tells every fault.
pub(crate) fn check(config: &Path, format: &str) -> ExitCode {
    let report = settings::check(config);
    match format {
        "json" => say(report.to_json()),
        "text" => say(report.to_string().trim_end_matches('\n')),
        other => {
            eprintln!("picket check: unknown format {other:?}; use text or json");
            return ExitCode::from(2);
        }
    }
    if report.passes() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// Prints the public identity key, and makes the key file if it is missing.
pub(crate) fn identity(file: &Path) -> ExitCode {
    match make_identity(file) {
        Ok(true) => eprintln!("made {}; keep it: records are signed for this key", file.display()),
        Ok(false) => {}
        Err(error) => return refuse(&format!("{}: cannot make the identity key: {error}", file.display())),
    }
    match picket::journal::identity(file) {
        Ok(key) => {
            say(key.public().text());
            ExitCode::SUCCESS
        }
        Err(fault) => refuse(&picket::journal::told(&fault)),
    }
}

/// Whether a key was made. An existing file is never touched.
fn make_identity(file: &Path) -> std::io::Result<bool> {
    let seed = picket::supervise::random();
    picket::secrecy::make(file, &format!("{}\n", picket_record::encode::base64url(&seed)))
}
