//! `picket export` and `picket verify`.

use super::progress::Progress;
use crate::{refuse, say};
use picket::control::{self, Unanswered};
use picket::journal;
use picket::journal::bundle::Part;
use picket_record::acceptance::Acceptance;
use picket_record::chain::{ChainCheck, Summary};
use picket_record::encode::{LINE_MAX, Name};
use picket_record::keys::PublicKey;
use picket_record::receipt::Receipt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Contradictions that are printed one by one.
const SHOWN: usize = 20;

/// Writes the records of the running agent as a bundle.
pub(crate) fn export(runtime: &Path, out: &Path) -> ExitCode {
    let tokio = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(tokio) => tokio,
        Err(error) => return refuse(&format!("cannot start the runtime: {error}")),
    };
    let asked = tokio.block_on(control::records(runtime));
    let (papers, records) = match asked {
        Ok(answer) => answer,
        Err(Unanswered::Nobody { socket, source }) => {
            let socket = socket.display();
            return refuse(&format!("no agent answers at {socket}: {source}; start it, then export again"));
        }
        Err(why) => return refuse(&format!("nothing was exported: {why}; see picket status, then export again")),
    };
    let mut progress = Progress::new("exported");
    let mut open = Some((Part::Records, records));
    let written = journal::bundle::export(out, &papers, |part| {
        let next = tokio.block_on(async {
            let mut records = match open.take() {
                Some((which, records)) if which == part => records,
                _ => control::part(runtime, part).await?,
            };
            let next = records.next().await?;
            open = Some((part, records));
            Ok(next)
        });
        if let Ok(Some(text)) = &next {
            progress.lines(text.iter().filter(|byte| **byte == b'\n').count() as u64);
        }
        next.map_err(|why: Unanswered| {
            let out = out.display();
            let left = format!("{out} is not whole and has no manifest");
            journal::Fault::Refused(format!("not exported: {why}; {left}; see picket status, then export again"))
        })
    });
    drop(progress);
    match written {
        Ok(bytes) => {
            say(format_args!("exported {bytes} bytes of records to {}", out.display()));
            say(format_args!("verify with: picket verify {} --identity {}", out.display(), papers.identity));
            ExitCode::SUCCESS
        }
        Err(fault) => refuse(&journal::told(&fault)),
    }
}

/// Verifies an export, or a file of records.
pub(crate) fn verify(path: &Path, identity: Option<&str>) -> ExitCode {
    match checked(path, identity) {
        Ok((summary, trusted)) => {
            report(&summary, trusted);
            if summary.contradictions == 0 && summary.records > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(why) => refuse(&why),
    }
}

fn checked(path: &Path, identity: Option<&str>) -> Result<(Summary, bool), String> {
    let folder = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.is_dir();
    let records = if folder { path.join("records.jws") } else { path.to_owned() };
    let key = match identity {
        Some(text) => text.to_owned(),
        None if folder => own_identity(path)?,
        None => return Err("a file of records says nothing about whose they are: add --identity KEY".into()),
    };
    let key = PublicKey::parse(key.trim()).map_err(|refusal| format!("the identity key: {refusal}"))?;
    let mut check = ChainCheck::new(key);
    if folder {
        expect_receipts(path, &mut check)?;
    }
    let failed = |error: io::Error| format!("{}: {error}", records.display());
    walk(&mut BufReader::new(File::open(&records).map_err(failed)?), &mut check).map_err(failed)?;
    Ok((check.finish(), identity.is_some()))
}

fn walk(reader: &mut impl BufRead, check: &mut ChainCheck) -> io::Result<()> {
    let (mut line, mut number, mut shown) = (Vec::new(), 0u64, 0);
    let mut progress = Progress::new("verified");
    while next_line(reader, &mut line)? {
        number += 1;
        progress.lines(1);
        if let Err(contradiction) = check.line(&line) {
            if shown < SHOWN {
                say(format_args!("contradiction in line {number}: {contradiction}"));
            }
            shown += 1;
        }
    }
    Ok(())
}

/// Reads a line without its line feed. Of one that is longer than the format allows, one byte too many is kept, for
/// which it is refused; the rest is passed over.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if reader.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LINE_MAX {
        reader.skip_until(b'\n')?;
    }
    Ok(true)
}

/// The identity that an export claims for itself.
fn own_identity(folder: &Path) -> Result<String, String> {
    let manifest = folder.join("MANIFEST.json");
    let text = read(&manifest)?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let identity = value.get("identity").and_then(serde_json::Value::as_str);
    identity.map(str::to_owned).ok_or_else(|| format!("{}: names no identity; add --identity KEY", manifest.display()))
}

/// Holds the records to the receipts beside them. Receipts are verified with the key of the acceptance beside them.
fn expect_receipts(folder: &Path, check: &mut ChainCheck) -> Result<(), String> {
    let acceptance = read(&folder.join("enrol.jws"))?;
    let (claims, link) = Acceptance::claims(acceptance.trim()).map_err(|refusal| format!("enrol.jws: {refusal}"))?;
    let (gw, key): (Name, PublicKey) = (claims.gw.clone(), claims.receipt_key.clone());
    check.accepted(claims, link);
    for (number, line) in read(&folder.join("receipts.jws"))?.lines().enumerate() {
        let receipt = Receipt::verify(line, &key, &gw);
        let (receipt, _) = receipt.map_err(|refusal| format!("receipts.jws line {}: {refusal}", number + 1))?;
        check.expect(&receipt);
    }
    Ok(())
}

fn read(file: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn report(summary: &Summary, trusted: bool) {
    say(format_args!(
        "verified          {} records, {} to {}, in {} epochs",
        summary.records, summary.first, summary.last, summary.epochs
    ));
    say(format_args!("receipts          {} agree with the records", summary.receipted));
    let unclosed: Vec<String> = summary.unclosed.iter().take(SHOWN).map(u64::to_string).collect();
    let crashes = if unclosed.is_empty() { "none".to_owned() } else { unclosed.join(", ") };
    say(format_args!("declared losses   {} events; epochs that were not closed: {crashes}", summary.declared_losses));
    if summary.running {
        say(format_args!("                  the last epoch is still open"));
    }
    for contradiction in summary.unplaced.iter().take(SHOWN) {
        say(format_args!("contradiction: {contradiction}"));
    }
    say(format_args!("contradictions    {}", summary.contradictions));
    if !trusted {
        say(format_args!(
            "note: verified with the identity that the export names itself; compare it with the one you trust"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_costs_no_memory_and_is_one_line() {
        let mut text = vec![b'x'; 3 * LINE_MAX];
        text.extend_from_slice(b"\nshort\n\nlast");
        let (mut reader, mut line, mut seen) = (BufReader::new(&text[..]), Vec::new(), Vec::new());
        while next_line(&mut reader, &mut line).unwrap() {
            seen.push(line.len());
        }
        assert_eq!(seen, [LINE_MAX + 1, 5, 0, 4]);
    }
}
