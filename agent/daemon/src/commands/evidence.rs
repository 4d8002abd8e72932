//! `picket export` and `picket verify`.

use super::progress::Progress;
use crate::{refuse, say};
use picket::control::{self, Unanswered};
use picket::journal;
use picket_record::bundle::{BundleCheck, Part, Seal, Trust, Verdict};
use picket_record::chain::ChainCheck;
use picket_record::encode::LINE_MAX;
use picket_record::keys::PublicKey;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

/// Contradictions, and losses, that are printed one by one.
const SHOWN: usize = 20;
/// Read at once.
const SLICE_BYTES: usize = 1 << 16;
/// A manifest without a signature, beside which no signed one is demanded.
const PLAIN_MANIFEST: &str = "MANIFEST.json";

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
    let mut open = Some((journal::bundle::Part::Records, records));
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
        Ok(verdict) => {
            report(&verdict, identity.is_some());
            if verdict.is_verified() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(why) => refuse(&why),
    }
}

fn checked(path: &Path, identity: Option<&str>) -> Result<Verdict, String> {
    let folder = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.is_dir();
    let identity = match identity {
        Some(text) => Some(PublicKey::parse(text.trim()).map_err(|refusal| format!("the identity key: {refusal}"))?),
        None if folder => None,
        None => return Err("a file of records says nothing about whose they are: add --identity KEY".into()),
    };
    let trust = Trust { identity: identity.clone(), root: None };
    match (folder, identity) {
        (true, _) => bundle(path, trust),
        (false, Some(identity)) => records(path, identity),
        (false, None) => Err("a file of records says nothing about whose they are: add --identity KEY".into()),
    }
}

/// Every file of an export, in the order in which one is verified with another.
fn bundle(folder: &Path, trust: Trust) -> Result<Verdict, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    let plain = names.iter().any(|name| name == PLAIN_MANIFEST) && !names.iter().any(|n| n == Part::Manifest.file());
    let mut progress = Progress::new("verified");
    let mut check = BundleCheck::new(trust, if plain { Seal::Waived } else { Seal::Demanded });
    for part in Part::ALL {
        if names.iter().any(|name| name == part.file()) {
            let file = folder.join(part.file());
            check.begin(part);
            fed(&file, &mut check, &mut progress).map_err(|error| format!("{}: {error}", file.display()))?;
            check.end();
        } else if part == Part::Records {
            return Err(format!("{}: there is no {}", folder.display(), part.file()));
        }
    }
    for name in names.iter().filter(|name| Part::of_file(name).is_none()) {
        check.stranger(name);
    }
    Ok(check.finish())
}

fn fed(file: &Path, check: &mut BundleCheck, progress: &mut Progress) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(SLICE_BYTES, File::open(file)?);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        check.feed(bytes);
        progress.lines(bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
        let read = bytes.len();
        reader.consume(read);
    }
}

/// A file of records alone.
fn records(file: &Path, identity: PublicKey) -> Result<Verdict, String> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    let mut check = ChainCheck::new(identity);
    let (mut reader, mut line) = (BufReader::new(File::open(file).map_err(failed)?), Vec::new());
    let mut progress = Progress::new("verified");
    while next_line(&mut reader, &mut line).map_err(failed)? {
        progress.lines(1);
        let _ = check.line(&line);
    }
    Ok(Verdict::of_records(check.finish()))
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

fn report(verdict: &Verdict, trusted: bool) {
    for finding in verdict.found.iter().take(SHOWN) {
        say(format_args!("contradiction in {finding} [{}]", finding.what.reason()));
    }
    let chain = &verdict.chain;
    let (first, last, epochs) = (chain.first, chain.last, chain.epochs);
    say(format_args!("verified          {} records, {first} to {last}, in {epochs} epochs", chain.records));
    say(format_args!("receipts          {} verified, {} agree with the records", verdict.receipts, chain.receipted));
    let others = [
        ("orders", verdict.orders),
        ("days", verdict.summaries),
        ("disclosures", chain.disclosed),
        ("branches", verdict.branches.len() as u64),
    ];
    for (what, n) in others.into_iter().filter(|(_, n)| *n > 0) {
        say(format_args!("{what:<17} {n} verified"));
    }
    if chain.committed > 0 {
        let kept = chain.committed - chain.disclosed;
        say(format_args!("personal data     of {} records: {kept} erased or not disclosed", chain.committed));
    }
    say(format_args!("declared losses   {}", chain.lost));
    for loss in chain.losses.iter().take(SHOWN) {
        say(format_args!("                  {loss} [{}]", loss.word()));
    }
    if chain.running {
        say(format_args!("                  the last epoch is still open"));
    }
    say(format_args!("contradictions    {}", verdict.contradictions));
    if verdict.manifest.is_none() {
        say(format_args!("note: no signed manifest, so nothing shows whether a file is missing"));
    }
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
