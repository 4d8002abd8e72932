//! `picket verify`.

use super::counted;
use super::progress::{Progress, Unit};
use crate::say;
use picket::evidence::check;
use picket_record::bundle::{Finding, Part, Seal, Trust, Verdict};
use picket_record::chain::{ChainCheck, Contradiction};
use picket_record::encode::{LINE_MAX, Link, base64url, bytes32};
use picket_record::keys::PublicKey;
use picket_record::root::Roots;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Contradictions, and losses, that are printed one by one; `--json` has all that are kept.
const SHOWN: usize = 20;
/// Largest root document that is read: what a bundle may hold.
const ROOT_MAX: u64 = picket_record::bundle::WHOLE_MAX as u64;

/// What is verified, and what the reader knows from elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Folder of an export, or a file of record lines.
    path: PathBuf,
    /// Root document of the central system that came to you by another way: everything is held to it.
    #[arg(long, value_name = "FILE", conflicts_with = "root_hash")]
    root: Option<PathBuf>,
    /// The same by the hash of any of its versions, base64url.
    #[arg(long, value_name = "HASH", allow_hyphen_values = true)]
    root_hash: Option<String>,
    /// Public identity key of the gateway, from the paper you trust, where there is no root document.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    identity: Option<String>,
    /// Accept a folder without MANIFEST.jws: then nothing shows whether a file is missing.
    #[arg(long)]
    no_manifest: bool,
    /// The verdict as JSON.
    #[arg(long)]
    json: bool,
}

/// What the reader knows, read.
#[derive(Debug, Default)]
struct Known {
    trust: Trust,
    roots: Option<Roots>,
}

/// The folder of a bundle, verified for somebody who goes on with its records: the verdict, and what it rests on as a word and
/// in a sentence.
pub(super) fn bundle(
    folder: &Path,
    root: Option<PathBuf>,
    identity: Option<String>,
) -> Result<(Verdict, &'static str, String), String> {
    if !folder.is_dir() {
        return Err(format!("{} is no folder: name that of a bundle, as picket export makes it", folder.display()));
    }
    let asked = Verify { path: folder.to_owned(), root, root_hash: None, identity, no_manifest: false, json: false };
    let known = known(&asked)?;
    let verdict = judged(&asked, &known)?;
    let trusted = Trusted::of(&known, &verdict);
    let sentence = trusted.sentence(verdict.roots.is_some()).join(" ");
    Ok((verdict, trusted.word(), sentence))
}

/// Verifies an export, or a file of records.
pub(crate) fn verify(asked: &Verify) -> ExitCode {
    let verdict = known(asked).and_then(|known| judged(asked, &known).map(|verdict| (known, verdict)));
    let (known, verdict) = match verdict {
        Ok(done) => done,
        Err(why) => {
            eprintln!("picket verify: {why}");
            return ExitCode::from(2);
        }
    };
    let trusted = Trusted::of(&known, &verdict);
    if asked.json {
        say(format_args!("{:#}", as_json(&verdict, trusted)));
    } else {
        in_words(&verdict, trusted);
    }
    if verdict.is_verified() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// A root document or key that a reader gives.
pub(super) fn trust(root: Option<&Path>, root_hash: Option<&str>) -> Result<(Trust, Option<Roots>), String> {
    let mut trust = Trust::default();
    if let Some(text) = root_hash {
        trust.root = Some(bytes32(text.trim(), "root hash").map_err(|refusal| format!("--root-hash: {refusal}"))?);
    }
    let Some(file) = root else { return Ok((trust, None)) };
    let mut text = String::new();
    let read = File::open(file).and_then(|opened| opened.take(ROOT_MAX).read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    let roots = Roots::verify(&text).map_err(|refusal| format!("{}: {refusal}", file.display()))?;
    // The first version: the bundle may be older or newer than the paper, and both go on from it.
    trust.root = roots.version(1).and_then(|first| first.hash().ok());
    Ok((trust, Some(roots)))
}

fn known(asked: &Verify) -> Result<Known, String> {
    let (mut trust, roots) = trust(asked.root.as_deref(), asked.root_hash.as_deref())?;
    if let Some(text) = &asked.identity {
        trust.identity = Some(PublicKey::parse(text.trim()).map_err(|refusal| format!("--identity: {refusal}"))?);
    }
    Ok(Known { trust, roots })
}

fn judged(asked: &Verify, known: &Known) -> Result<Verdict, String> {
    let path = &asked.path;
    let missing = |error| format!("{}: {error}; name the folder of a bundle, or a file of records", path.display());
    let is_folder = fs::metadata(path).map_err(missing)?.is_dir();
    if !is_folder {
        let identity = known.trust.identity.clone();
        let identity = identity.ok_or("a file of records says nothing about whose they are: add --identity KEY")?;
        return records(path, identity);
    }
    let seal = if asked.no_manifest { Seal::Waived } else { Seal::Demanded };
    let mut progress = Progress::new("verified", Unit::Bytes, check::size(path));
    let mut verdict = check::bundle(path, known.trust.clone(), seal, &mut |bytes| progress.step(bytes))?;
    drop(progress);
    hold_to(&mut verdict, known);
    Ok(verdict)
}

/// What a hash does not show: that the document of the bundle parts from the known one further on.
fn hold_to(verdict: &mut Verdict, known: &Known) {
    let (Some(known), Some(found)) = (&known.roots, &verdict.roots) else { return };
    let told = verdict.found.iter().any(|finding| finding.part == Part::Root);
    if !known.continue_from(found) && !found.continue_from(known) && !told {
        verdict.found.insert(0, Finding { part: Part::Root, line: None, what: Contradiction::RootUnknown });
        verdict.contradictions += 1;
    }
}

/// A file of records alone.
fn records(file: &Path, identity: PublicKey) -> Result<Verdict, String> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    let mut check = ChainCheck::new(identity);
    let opened = File::open(file).map_err(failed)?;
    let whole = opened.metadata().map_err(failed)?.len();
    let (mut reader, mut line) = (BufReader::new(opened), Vec::new());
    let mut progress = Progress::new("verified", Unit::Bytes, whole);
    while next_line(&mut reader, &mut line).map_err(failed)? {
        progress.step(line.len() as u64 + 1);
        let _ = check.line(&line);
    }
    Ok(Verdict::of_records(check.finish()))
}

/// Reads a line without its line feed. Of one that is longer than the format allows, one byte too many is kept, for
/// which it is refused; the rest is passed over.
pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
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

/// Where the trust comes from that everything else rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trusted {
    /// A root document, or its hash.
    Root,
    /// The identity of the gateway.
    Identity,
    /// A root document was given, and the bundle is not held by it.
    Stranger,
    /// Nothing but the bundle itself.
    Bundle,
    /// Not even that: neither the reader nor the bundle says whose records they are.
    Nobody,
}

impl Trusted {
    fn of(known: &Known, verdict: &Verdict) -> Self {
        let unknown = || verdict.found.iter().any(|finding| finding.part == Part::Root);
        match (known.trust.root, &known.trust.identity) {
            (Some(_), _) if unknown() => Self::Stranger,
            (Some(_), _) => Self::Root,
            (None, Some(_)) => Self::Identity,
            (None, None) if verdict.acceptance.is_none() => Self::Nobody,
            (None, None) => Self::Bundle,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Identity => "identity",
            Self::Stranger | Self::Nobody => "none",
            Self::Bundle => "bundle",
        }
    }

    /// In lines.
    fn sentence(self, has_root: bool) -> &'static [&'static str] {
        match (self, has_root) {
            (Self::Root, _) => &["the root document that you gave: the bundle's own goes on from it"],
            (Self::Identity, _) => &["the identity key that you gave"],
            (Self::Stranger, _) => &["none: the bundle is not of the central system whose root document you gave"],
            (Self::Nobody, _) => &[
                "none: nothing here that can be believed says whose records these are, so none was",
                "judged. Get the key from the gateway's papers, and verify again with --identity KEY.",
            ],
            (Self::Bundle, true) => &[
                "NOTHING BUT THE BUNDLE ITSELF. The root document was taken from it, so all",
                "this shows is that the bundle agrees with itself. Get root.jws, or its hash,",
                "from the central system by another way, and verify again with --root FILE",
                "or --root-hash HASH.",
            ],
            (Self::Bundle, false) => &[
                "NOTHING BUT THE BUNDLE ITSELF. The identity of the gateway was taken from it,",
                "so all this shows is that the bundle agrees with itself. Get the key from the",
                "gateway's papers, and verify again with --identity KEY.",
            ],
        }
    }

    /// Behind a good verdict.
    fn caveat(self) -> &'static str {
        match self {
            Self::Bundle => ", against itself alone",
            Self::Root | Self::Identity | Self::Stranger | Self::Nobody => "",
        }
    }
}

fn in_words(verdict: &Verdict, trusted: Trusted) {
    let chain = &verdict.chain;
    if let Some(accepted) = &verdict.acceptance {
        say(format_args!("gateway           {} at site {}, accepted by {}", accepted.gw, accepted.site, accepted.sms));
    }
    if let Some(manifest) = &verdict.manifest {
        say(format_args!("exported          by {}, for: {} (record {})", manifest.by, manifest.reason, manifest.seq));
    }
    let sentence = trusted.sentence(verdict.roots.is_some()).join("\n                  ");
    say(format_args!("trust             {sentence}"));
    say("");
    let (first, last, epochs) = (chain.first, chain.last, chain.epochs);
    let (records, epochs) = (counted(chain.records, "record", "records"), counted(epochs, "epoch", "epochs"));
    let range = if chain.records > 0 { format!(", {first} to {last}, in {epochs}") } else { String::new() };
    say(format_args!("VERIFIED          {records}{range}"));
    let receipts = counted(verdict.receipts, "receipt", "receipts");
    let agree = counted(chain.receipted, "agrees", "agree");
    say(format_args!("                  {receipts}, {agree} with the records"));
    for (one, many, n) in others(verdict).into_iter().filter(|(.., n)| *n > 0) {
        say(format_args!("                  {}", counted(n, one, many)));
    }
    if chain.committed > chain.disclosed {
        let kept = counted(chain.committed - chain.disclosed, "record", "records");
        say(format_args!("                  personal data of {kept}: erased, or not disclosed here"));
    }
    if chain.running {
        say("                  the last epoch is still open");
    }
    if verdict.manifest.is_none() {
        say("                  no proved manifest: nothing shows whether a file or the last records are missing");
    }
    say(format_args!("DECLARED LOSSES   {}", none_or(chain.lost)));
    for loss in chain.losses.iter().take(SHOWN) {
        say(format_args!("                  {loss} [{}]", loss.word()));
    }
    more(chain.lost, chain.losses.len());
    say(format_args!("CONTRADICTIONS    {}", none_or(verdict.contradictions)));
    for finding in verdict.found.iter().take(SHOWN) {
        say(format_args!("                  {finding} [{}]", finding.what.reason()));
    }
    more(verdict.contradictions, verdict.found.len());
    say("");
    match verdict.is_verified() {
        true => say(format_args!("verdict           verified{}", trusted.caveat())),
        false => say("verdict           REFUSED"),
    }
}

fn none_or(count: u64) -> String {
    if count == 0 { "none".into() } else { count.to_string() }
}

fn more(count: u64, kept: usize) {
    let shown = kept.min(SHOWN) as u64;
    if count > shown {
        say(format_args!("                  and {} more; --json tells up to 1000", count - shown));
    }
}

fn others(verdict: &Verdict) -> [(&'static str, &'static str, u64); 4] {
    [
        ("order or command", "orders and commands", verdict.orders),
        ("day that outlived its records", "days that outlived their records", verdict.summaries),
        ("disclosure of personal data", "disclosures of personal data", verdict.chain.disclosed),
        ("branch", "branches", verdict.branches.len() as u64),
    ]
}

fn as_json(verdict: &Verdict, trusted: Trusted) -> Value {
    let (chain, link) = (&verdict.chain, |link: &Link| base64url(link));
    let accepted = verdict.acceptance.as_ref();
    let losses = chain.losses.iter().map(|loss| json!({ "word": loss.word(), "text": loss.to_string() }));
    let found = verdict.found.iter().map(|finding| {
        let Finding { part, line, what } = finding;
        json!({ "file": part.file(), "line": line, "word": what.reason(), "text": what.to_string() })
    });
    json!({
        "v": 1,
        "verdict": if verdict.is_verified() { "verified" } else { "refused" },
        "trust": trusted.word(),
        "root": verdict.roots.as_ref().map(|roots| json!({ "ver": roots.in_force().ver, "hash": link(&roots.hash()) })),
        "gateway": accepted.map(|a| json!({
            "sms": a.sms.as_str(), "site": a.site.as_str(), "gw": a.gw.as_str(), "identity": a.identity.text(),
        })),
        "manifest": verdict.manifest.as_ref().map(|m| json!({
            "seq": m.seq, "from": m.from, "to": m.to, "by": m.by, "reason": m.reason,
        })),
        "verified": {
            "records": chain.records, "first": chain.first, "last": chain.last, "epochs": chain.epochs,
            "receipts": verdict.receipts, "receipts_that_agree": chain.receipted, "orders": verdict.orders,
            "days": verdict.summaries, "disclosures": chain.disclosed, "commitments": chain.committed,
            "branches": verdict.branches.iter().map(|kept| json!([kept.from, kept.to])).collect::<Vec<_>>(),
            "running": chain.running,
        },
        "declared_losses": { "count": chain.lost, "listed": losses.collect::<Vec<_>>() },
        "contradictions": { "count": verdict.contradictions, "listed": found.collect::<Vec<_>>() },
    })
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
