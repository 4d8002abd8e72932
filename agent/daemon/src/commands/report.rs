//! `picket report`: a bundle is verified, its records are read once more, and what they come to is written.

use super::export::{Bound, DAY_MS};
use super::progress::{Progress, Unit};
use super::verify::{bundle, next_line};
use crate::say;
use picket::settings::{self, RegisterText};
use picket_core::register::Register;
use picket_core::report::{Folding, Period, Source, Wanted, clauses, html};
use picket_core::wire::Past;
use picket_record::bundle::{Part, Verdict};
use picket_record::chain::{Loss, Parsed};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest register that is read, in bytes: the agent takes no larger one.
const REGISTER_MAX: u64 = 16 << 20;
/// Losses that a report tells in words; it counts them all.
const LOSSES: usize = 20;

/// What is reported, from what, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// `kpi`: key figures; `deployment`: the register against what is there; `evidence`: records and stories by clause.
    #[arg(value_parser = ["kpi", "deployment", "evidence"])]
    kind: String,
    /// Folder of an export.
    #[arg(long, value_name = "DIR")]
    from_bundle: PathBuf,
    /// Root document of the central system that came to you by another way: everything is held to it.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Public identity key of the gateway, from the paper you trust, where there is no root document.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    identity: Option<String>,
    /// Register that was in force, as TOML or CSV: what is planned. Without it a report tells only what is there.
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// First day (2026-11-01) or moment (2026-11-01T06:00:00.000Z), UTC, as the records claim it.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Last day, which is wholly in it, or moment.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Of `evidence` one clause alone, such as 4.5.1-d3 or 28000-10.2.
    #[arg(long, value_name = "CLAUSE")]
    clause: Option<String>,
    /// Page to write; it must not be there yet.
    #[arg(long, value_name = "FILE.html", required_unless_present = "json")]
    out: Option<PathBuf>,
    /// The same as JSON; it must not be there yet.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
}

/// Why there is no report.
enum Stop {
    /// Asked wrongly, or a file cannot be read.
    Usage(String),
    /// The bundle does not hold.
    Refused(String),
    /// It cannot be written.
    Write(String),
}

/// Writes a report.
pub(crate) fn report(asked: &Report) -> ExitCode {
    let (why, code) = match made(asked) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stop::Refused(why)) => (why, 1),
        Err(Stop::Usage(why)) => (why, 2),
        Err(Stop::Write(why)) => (why, 3),
    };
    eprintln!("picket report: {why}");
    ExitCode::from(code)
}

fn made(asked: &Report) -> Result<(), Stop> {
    let (wanted, period) = (wanted(asked).map_err(Stop::Usage)?, period(asked).map_err(Stop::Usage)?);
    let files: Vec<&PathBuf> = asked.out.iter().chain(&asked.json).collect();
    if let Some(there) = files.iter().find(|file| fs::symlink_metadata(file).is_ok()) {
        return Err(Stop::Usage(format!(
            "{} is there already; nothing is written over: name a new file",
            there.display()
        )));
    }
    let register = asked.register.as_deref().map(register).transpose().map_err(Stop::Usage)?;
    let folder = &asked.from_bundle;
    let (verdict, trust, rests_on) = bundle(folder, asked.root.clone(), asked.identity.clone()).map_err(Stop::Usage)?;
    if !verdict.is_verified() {
        let first = verdict.found.first().map(|finding| format!(" ({finding})")).unwrap_or_default();
        let (n, folder) = (verdict.contradictions, folder.display());
        let what =
            if verdict.chain.records == 0 { "no record is verified".into() } else { format!("{n} contradictions") };
        return Err(Stop::Refused(format!(
            "{folder}: {what}{first}; a report rests on verified records only. See picket verify {folder}"
        )));
    }
    let mut folding = Folding::new(wanted, period, register.as_ref());
    let refused = told(folder, &verdict, &mut folding)?;
    let report = folding.finish(Source { refused, ..source(&verdict, trust, rests_on) });
    let json = serde_json::to_string_pretty(&report).map_err(|error| Stop::Write(format!("as JSON: {error}")))? + "\n";
    let digest: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(file) = &asked.json {
        write(file, &json)?;
    }
    if let Some(file) = &asked.out {
        write(file, &html(&report, &digest))?;
    }
    let (period, caveat) = (&report.period, if trust == "bundle" { ", against itself alone" } else { "" });
    say(format_args!("{} of {} records, {} to {}", asked.kind, period.records, period.first, period.last));
    say(format_args!("verified{caveat}: records {} to {}", report.source.first, report.source.last));
    files.iter().for_each(|file| say(format_args!("written to {}", file.display())));
    say(format_args!("SHA-256 of the JSON: {digest}"));
    Ok(())
}

fn wanted(asked: &Report) -> Result<Wanted<'_>, String> {
    let clause = asked.clause.as_deref();
    match asked.kind.as_str() {
        "evidence" => {
            let known = |clause: &str| clauses::REQUIREMENTS.iter().any(|of| of.is_of(clause));
            match clause.filter(|clause| !known(clause)) {
                Some(clause) => Err(format!("no clause {clause:?}; one of {}", clauses::all().join(", "))),
                None => Ok(Wanted::Evidence(clause)),
            }
        }
        kind if clause.is_some() => {
            Err(format!("--clause is of evidence; leave it out, or: picket report evidence, not {kind}"))
        }
        "kpi" => Ok(Wanted::Kpi),
        _ => Ok(Wanted::Deployment),
    }
}

fn period(asked: &Report) -> Result<Period, String> {
    let end = |name: &str, text: &Option<String>, day_ms: i64, moment_ms: i64| match text.as_deref().map(Bound::read) {
        None => Ok(None),
        Some(Ok(Bound::Day(ms))) => Ok(Some(ms + day_ms)),
        Some(Ok(Bound::Moment(ms))) => Ok(Some(ms + moment_ms)),
        Some(Ok(Bound::Number(_)) | Err(_)) => {
            let text = text.as_deref().unwrap_or_default();
            Err(format!("{name} {text:?} is no day (2026-11-01) or moment (2026-11-01T06:00:00.000Z, UTC)"))
        }
    };
    let from_ms = end("--from", &asked.from, 0, 0)?;
    let before_ms = end("--to", &asked.to, DAY_MS, 1)?;
    if from_ms.zip(before_ms).is_some_and(|(from, before)| from >= before) {
        return Err("--from comes after --to".into());
    }
    Ok(Period { from_ms, before_ms })
}

fn register(file: &Path) -> Result<Register, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|opened| opened.take(REGISTER_MAX).read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    settings::read_register(RegisterText { name, text }, 0).map_err(|faults| faults.to_string().trim_end().to_owned())
}

/// Every verified record, oldest first. A line within numbers that were declared as lost is none; how many there are. What
/// is read must be what was verified, byte for byte.
fn told(folder: &Path, verdict: &Verdict, folding: &mut Folding<'_>) -> Result<u64, Stop> {
    let file = folder.join(Part::Records.file());
    let failed = |error: io::Error| Stop::Usage(format!("{}: {error}", file.display()));
    let opened = File::open(&file).map_err(failed)?;
    let mut progress = Progress::new("reported", Unit::Bytes, opened.metadata().map_err(failed)?.len());
    let (mut reader, mut line) = (Hashing { from: opened, hash: Sha256::new() }, Vec::new());
    let (mut taken, mut refused) = (0u64, 0u64);
    let mut lines = BufReader::new(&mut reader);
    while next_line(&mut lines, &mut line).map_err(failed)? {
        progress.step(line.len() as u64 + 1);
        match Parsed::read_bytes(&line) {
            Ok(record) if !is_lost(verdict, record.seq) => {
                folding.take(&Past::of(&record));
                taken += 1;
            }
            Ok(_) | Err(_) => refused += 1,
        }
    }
    drop(lines);
    let named = verdict.manifest.as_ref().and_then(|manifest| manifest.files.get(Part::Records.file()));
    let same = named.is_none_or(|(_, digest)| *digest == <[u8; 32]>::from(reader.hash.finalize()));
    if !same || taken != verdict.chain.records {
        return Err(Stop::Refused(format!("{} is not what was verified a moment ago; try again", file.display())));
    }
    Ok(refused)
}

fn is_lost(verdict: &Verdict, seq: u64) -> bool {
    verdict.chain.losses.iter().any(|loss| matches!(loss, Loss::Lost { from, to, .. } if (*from..=*to).contains(&seq)))
}

/// Takes the digest of what is read through it.
struct Hashing<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
}

fn source(verdict: &Verdict, trust: &str, rests_on: String) -> Source {
    let chain = &verdict.chain;
    let accepted = verdict.acceptance.as_ref();
    let manifest = verdict.manifest.as_ref();
    let name = |of: fn(&picket_record::acceptance::Acceptance) -> String| accepted.map(of).unwrap_or_default();
    Source {
        site: name(|accepted| accepted.site.to_string()),
        gateway: name(|accepted| accepted.gw.to_string()),
        centre: name(|accepted| accepted.sms.to_string()),
        identity: name(|accepted| accepted.identity.text()),
        trust: trust.to_owned(),
        rests_on,
        exported: manifest.map(|of| format!("by {}, for: {}", of.by, of.reason)).unwrap_or_default(),
        manifest: manifest.map_or(0, |of| of.seq),
        records: chain.records,
        first: chain.first,
        last: chain.last,
        receipts: chain.receipted,
        refused: 0,
        losses: chain.lost,
        listed_losses: chain.losses.iter().take(LOSSES).map(ToString::to_string).collect(),
        days_summed_up: verdict.summaries,
        branches: verdict.branches.len() as u64,
    }
}

/// A new file, whole or not at all.
fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let failed = |error: io::Error| Stop::Write(format!("{}: cannot write it: {error}", file.display()));
    let mut made = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    made.write_all(text.as_bytes()).and_then(|()| made.sync_all()).map_err(|error| {
        let _ = fs::remove_file(file);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The frozen bundle of the format: 17 records, a damaged line, every kind of declared loss.
    const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols/record/vectors/v1/bundle");
    /// `identity` in its `keys.tsv`.
    const IDENTITY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w";

    fn asked(kind: &str, bundle: &Path, to: &Path) -> Report {
        Report {
            kind: kind.into(),
            from_bundle: bundle.into(),
            root: None,
            identity: None,
            register: None,
            from: None,
            to: None,
            clause: None,
            out: Some(to.join("report.html")),
            json: Some(to.join("report.json")),
        }
    }

    fn said(stop: Result<(), Stop>) -> (u8, String) {
        match stop {
            Ok(()) => (0, String::new()),
            Err(Stop::Refused(why)) => (1, why),
            Err(Stop::Usage(why)) => (2, why),
            Err(Stop::Write(why)) => (3, why),
        }
    }

    #[test]
    fn r18_a_report_counts_the_verified_records_of_a_bundle_and_tells_what_it_rests_on_and_what_was_lost() {
        for kind in ["kpi", "deployment", "evidence"] {
            let folder = tempfile::tempdir().unwrap();
            let asked = Report { identity: Some(IDENTITY.into()), ..asked(kind, Path::new(BUNDLE), folder.path()) };
            assert_eq!(said(made(&asked)), (0, String::new()));
            let text = fs::read(folder.path().join("report.json")).unwrap();
            let report: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!((&report["report"], report[kind].is_object()), (&json!(kind), true));
            let source = ["trust", "records", "first", "last", "refused"].map(|name| report["source"][name].clone());
            assert_eq!(source, [json!("identity"), json!(17), json!(6), json!(27), json!(1)]);
            let losses = report["source"]["losses"].as_u64().unwrap();
            assert!(losses > 1 && report["source"]["listed_losses"].to_string().contains("17 events were dropped"));
            // One record in a drill, in a bundle of one alarm.
            let period = ["records", "not_live", "from"].map(|name| report["period"][name].clone());
            assert_eq!(period, [json!(17), json!({ "drill": 1 }), json!("2025-11-22T02:20:06.120Z")]);
            let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
            let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(page.contains(&digest) && page.contains("17 events were dropped"), "{kind}");
            // Nothing is written over.
            let again = said(made(&asked));
            assert!(again.0 == 2 && again.1.contains("is there already"), "{again:?}");
        }
    }

    #[test]
    fn r18_a_period_takes_whole_days_and_moments_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let wish = |from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
            period(&Report { from, to, ..asked("kpi", Path::new(BUNDLE), folder.path()) })
        };
        let day = 86_400_000;
        assert_eq!(wish(None, None), Ok(Period::default()));
        let one = Period { from_ms: Some(day), before_ms: Some(2 * day) };
        assert_eq!(wish(Some("1970-01-02"), Some("1970-01-02")), Ok(one));
        let moment = Period { from_ms: None, before_ms: Some(1_501) };
        assert_eq!(wish(None, Some("1970-01-01T00:00:01.500Z")), Ok(moment));
        for (from, to, said) in [
            (Some("17"), None, "--from \"17\" is no day"),
            (None, Some("yesterday"), "--to \"yesterday\" is no day"),
            (Some("1970-01-02"), Some("1970-01-01"), "--from comes after --to"),
        ] {
            assert!(wish(from, to).is_err_and(|why| why.contains(said)), "{said}");
        }
    }

    #[test]
    fn r18_no_report_rests_on_a_bundle_that_was_touched_or_on_another_key_and_a_clause_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle");
        fs::create_dir(&bundle).unwrap();
        for entry in fs::read_dir(BUNDLE).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, bundle.join(path.file_name().unwrap())).unwrap();
        }
        // As it is, it agrees with itself; one line less, and it does not.
        assert_eq!(said(made(&Report { out: None, ..asked("kpi", &bundle, folder.path()) })).0, 0);
        fs::remove_file(folder.path().join("report.json")).unwrap();
        let stranger = Report { identity: Some("A".repeat(43)), ..asked("kpi", &bundle, folder.path()) };
        assert_ne!(said(made(&stranger)).0, 0);
        let records = fs::read_to_string(bundle.join("records.jws")).unwrap();
        let kept: Vec<&str> = records.lines().enumerate().filter(|(n, _)| *n != 1).map(|(_, line)| line).collect();
        fs::write(bundle.join("records.jws"), kept.join("\n") + "\n").unwrap();
        let refused = said(made(&asked("kpi", &bundle, folder.path())));
        assert!(refused.0 == 1 && refused.1.contains("See picket verify"), "{refused:?}");
        let wrong = Report { clause: Some("9.9".into()), ..asked("evidence", &bundle, folder.path()) };
        let wrong = said(made(&wrong));
        assert!(wrong.0 == 2 && wrong.1.contains("no clause \"9.9\"; one of 28000-10.2"), "{wrong:?}");
        let other = said(made(&Report { clause: Some("4.5.3".into()), ..asked("kpi", &bundle, folder.path()) }));
        assert!(other.0 == 2 && other.1.contains("--clause is of evidence"), "{other:?}");
        assert!(!folder.path().join("report.html").exists() && !folder.path().join("report.json").exists());
    }
}
