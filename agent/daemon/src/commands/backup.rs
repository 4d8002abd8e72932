//! `picket backup` and `picket restore`.

use super::counted;
use super::export::answered;
use super::progress::{Progress, Unit};
use super::verify::trust;
use crate::{refuse, say};
use picket::evidence::{Purpose, backup as made, check, restore as kept};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a backup is made from.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// Folder to write; it must not be there yet.
    out: PathBuf,
    /// Folder of the control socket of the running agent.
    #[arg(long, value_name = "DIR", default_value = "/run/picket")]
    runtime: PathBuf,
    /// Folder of the settings.
    #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
    config: PathBuf,
    /// Who makes it: stands in the signed record of the backup.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// What for: stands there too.
    #[arg(long, value_name = "TEXT", default_value = "backup")]
    reason: String,
}

/// What is restored, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// Folder of a backup.
    backup: PathBuf,
    /// Folder of the new gateway's journal; the archive lies below it.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Root document of the central system that came to you by another way.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

/// Every record of the running agent with its settings, signed.
pub(crate) fn backup(asked: &Backup) -> ExitCode {
    let purpose = match Purpose::new(&asked.by, &asked.reason) {
        Ok(purpose) => purpose,
        Err(fault) => {
            eprintln!("picket backup: {fault}");
            return ExitCode::from(2);
        }
    };
    let progress = RefCell::new(Progress::new("saved", Unit::Records, 0));
    let begun = |whole| progress.borrow_mut().turn("saved", whole);
    let mut told = |more| progress.borrow_mut().step(more);
    let done = answered(made::make((&asked.runtime, &asked.config), &asked.out, &purpose, begun, &mut told));
    drop(progress);
    match done {
        Ok(backup) => {
            let (out, (from, to)) = (asked.out.display(), backup.records);
            let settings = counted(backup.settings as u64, "file", "files");
            say(format_args!("saved records {from} to {to} and {settings} of settings to {out}"));
            backup.left_out.iter().for_each(|file| say(format_args!("left out: {}", file.display())));
            say("the identity key is not in it, nor are passwords and keys: on another box they are made anew");
            say(format_args!("record {} says so; on another box: picket restore {out} --to DIR", backup.seal.seq));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&format!("{why}; nothing was saved")),
    }
}

/// Verifies a backup and makes an archive of it.
pub(crate) fn restore(asked: &Restore) -> ExitCode {
    let known = match trust(asked.root.as_deref(), None) {
        Ok((known, _)) => known,
        Err(why) => {
            eprintln!("picket restore: {why}");
            return ExitCode::from(2);
        }
    };
    let pinned = known.root.is_some();
    match restored(&asked.backup, known, &asked.to) {
        Ok((sound, place)) => {
            let (seal, place, chain) = (&sound.seal, place.display(), &sound.verdict.chain);
            let records = counted(chain.records, "record", "records");
            say(format_args!("verified {records}, {} to {}, saved by {}", seal.from, seal.to, seal.by));
            if chain.lost > 0 {
                let losses = counted(chain.lost, "declared loss", "declared losses");
                say(format_args!("{losses}: picket verify {place}/evidence tells more"));
            }
            if !pinned {
                say("the root document was taken from the backup itself; --root FILE holds it to one that you trust");
            }
            say(format_args!("the archive is {place}; {place}/RESTORE.txt says what to do next"));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&format!("{why}; nothing was restored")),
    }
}

fn restored(backup: &Path, known: picket_record::bundle::Trust, to: &Path) -> Result<(kept::Sound, PathBuf), String> {
    let whole = check::size(&backup.join(made::EVIDENCE));
    let mut progress = Progress::new("verified", Unit::Bytes, whole);
    let sound = kept::verified(backup, known, &mut |bytes| progress.step(bytes)).map_err(|fault| fault.to_string())?;
    drop(progress);
    let place = kept::put(backup, &sound, to).map_err(|fault| fault.to_string())?;
    Ok((sound, place))
}
