//! `picket export`.

use super::counted;
use super::progress::{Progress, Unit};
use crate::{refuse, say};
use picket::control::Unanswered;
use picket::evidence::bundle::{Bundle, Wish, papers, write};
use picket::evidence::folder::Fresh;
use picket::evidence::{EvidenceFault, Purpose, restore};
use picket::journal::bundle::Range;
use picket_record::wall;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) const DAY_MS: i64 = 86_400_000;

/// What is exported, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Folder of the control socket of the running agent.
    #[arg(long, value_name = "DIR", default_value = "/run/picket")]
    runtime: PathBuf,
    /// Folder to write; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Who wants it: stands in the signed record of the export.
    #[arg(long, value_name = "NAME", required_unless_present = "archive")]
    by: Option<String>,
    /// What for, such as a case number: stands there too.
    #[arg(long, value_name = "TEXT", required_unless_present = "archive")]
    reason: Option<String>,
    /// First record: a number, a day (2026-11-01) or a moment (2026-11-01T06:00:00.000Z), UTC, as the records claim it.
    #[arg(long, value_name = "WHICH")]
    from: Option<String>,
    /// Last record: a number, a day, which is wholly in it, or a moment.
    #[arg(long, value_name = "WHICH")]
    to: Option<String>,
    /// Copy the bundle of an archive that was restored here, instead of the own records; needs no agent.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["by", "reason", "from", "to"])]
    archive: Option<PathBuf>,
}

/// Writes records with all that a stranger needs to verify them, and a signed manifest.
pub(crate) fn export(export: &Export) -> ExitCode {
    let out = export.out.display();
    if let Some(archive) = &export.archive {
        return match restore::export(archive, &export.out) {
            Ok(()) => {
                say(format_args!("copied the bundle of {} to {out}", archive.display()));
                say(format_args!("verify with: picket verify {out} --root FILE"));
                ExitCode::SUCCESS
            }
            Err(fault) => refuse(&format!("{fault}; nothing was exported")),
        };
    }
    let wish = match wish(export) {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("picket export: {why}");
            return ExitCode::from(2);
        }
    };
    let purpose = (export.by.as_deref().unwrap_or_default(), export.reason.as_deref().unwrap_or_default());
    let purpose = match Purpose::new(purpose.0, purpose.1) {
        Ok(purpose) => purpose,
        Err(fault) => {
            eprintln!("picket export: {fault}");
            return ExitCode::from(2);
        }
    };
    match answered(exported(export, wish, &purpose)) {
        Ok(Bundle { papers, seal, beyond }) => {
            say(format_args!("exported records {} to {} to {out}", papers.from, papers.to));
            say(format_args!(
                "record {} of the gateway says so: to {}, for: {}",
                seal.seq,
                purpose.by(),
                purpose.reason()
            ));
            if beyond > 0 {
                let beyond = counted(beyond, "record", "records");
                say(format_args!("personal data of {beyond} did not fit sidecar.json: export a smaller range"));
            }
            let pin =
                if papers.root.is_empty() { format!("--identity {}", papers.identity) } else { "--root FILE".into() };
            say(format_args!("verify with: picket verify {out} {pin}"));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&format!("{why}; nothing was exported")),
    }
}

async fn exported(export: &Export, wish: Wish, purpose: &Purpose) -> Result<Bundle, EvidenceFault> {
    let progress = RefCell::new(Progress::new("looked at", Unit::Records, 0));
    let mut told = |more| progress.borrow_mut().step(more);
    let papers = papers(&export.runtime, wish, &mut told).await?;
    progress.borrow_mut().turn("exported", papers.to - papers.from + 1);
    let mut folder = Fresh::make(&export.out, papers.bytes)?;
    let bundle = write(&export.runtime, &mut folder, "", papers, purpose, &mut told).await?;
    folder.finish()?;
    Ok(bundle)
}

/// Runs a conversation with the agent; why it came to nothing, with what to do.
pub(super) fn answered<T>(work: impl Future<Output = Result<T, EvidenceFault>>) -> Result<T, String> {
    super::on_this_thread(work)?.map_err(|fault| match fault {
        EvidenceFault::Agent(Unanswered::Nobody { socket, source }) => format!(
            "no agent answers at {}: {source}; start it, because only a running agent can sign, then try again",
            socket.display()
        ),
        EvidenceFault::Agent(why) => format!("{why}; see picket status, then try again"),
        fault => fault.to_string(),
    })
}

/// What was asked for; which of it is neither a number nor a time.
fn wish(export: &Export) -> Result<Wish, String> {
    let (mut wish, mut range) = (Wish::default(), Range::default());
    match export.from.as_deref().map(Bound::read).transpose()? {
        Some(Bound::Number(n)) => range.from = Some(n),
        Some(Bound::Day(ms) | Bound::Moment(ms)) => wish.since_ms = Some(ms),
        None => {}
    }
    match export.to.as_deref().map(Bound::read).transpose()? {
        Some(Bound::Number(n)) => range.to = Some(n),
        Some(Bound::Day(ms)) => wish.before_ms = Some(ms + DAY_MS),
        Some(Bound::Moment(ms)) => wish.before_ms = Some(ms + 1),
        None => {}
    }
    let backwards = |from: Option<u64>, to: Option<u64>| from.zip(to).is_some_and(|(from, to)| from > to);
    if backwards(range.from, range.to)
        || wish.since_ms.zip(wish.before_ms).is_some_and(|(since, before)| since >= before)
    {
        return Err("--from comes after --to".into());
    }
    wish.range = range;
    Ok(wish)
}

/// An end of a range.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Number(u64),
    Day(i64),
    Moment(i64),
}

impl Bound {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Ok(n) = text.parse::<u32>() {
            return Ok(Self::Number(n.into()));
        }
        let day = wall::from_text(&format!("{text}T00:00:00.000Z")).map(Self::Day);
        day.or_else(|| wall::from_text(text).map(Self::Moment)).ok_or_else(|| {
            format!("{text:?} is no record number, day (2026-11-01) or moment (2026-11-01T06:00:00.000Z, UTC)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_of_a_range_is_a_number_a_day_or_a_moment() {
        assert_eq!(Bound::read("17"), Ok(Bound::Number(17)));
        assert_eq!(Bound::read("1970-01-02"), Ok(Bound::Day(DAY_MS)));
        assert_eq!(Bound::read("1970-01-01T00:00:01.500Z"), Ok(Bound::Moment(1_500)));
        for wrong in ["", "-1", "yesterday", "1970-13-01", "1970-01-01T00:00:01Z", "5000000000"] {
            assert!(Bound::read(wrong).is_err(), "{wrong}");
        }
    }
}
