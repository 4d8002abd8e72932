//! A bundle from the running agent: every file a stranger needs, then the record that names them, signed by the gateway.

use super::folder::{Digests, Fresh};
use super::sidecar::Sidecar;
use super::{EvidenceFault, Purpose};
use crate::control;
use crate::journal::bundle::{Papers, Part, Range, Wanted};
use crate::journal::seal::Written;
use picket_record::bundle::{Manifest, Part as File};
use picket_record::chain::Parsed;
use picket_record::encode::LINE_MAX;
use picket_record::keys::PublicKey;
use picket_record::kind::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Files of lines, in the order in which they are written. What else is in a bundle is put by [`papers`] and [`write`].
const LINES: [(Part, File); 4] = [
    (Part::Records, File::Records),
    (Part::Receipts, File::Receipts),
    (Part::Branches, File::Branches),
    (Part::Summaries, File::Summaries),
];

/// Which records: by number, or by the time that they claim, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// By number.
    pub range: Range,
    /// Not before this moment.
    pub since_ms: Option<i64>,
    /// Before this moment.
    pub before_ms: Option<i64>,
}

/// A bundle that was written.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// What it holds.
    pub papers: Papers,
    /// The record that names its files.
    pub seal: Written,
    /// Records whose personal data an export may disclose, and that did not fit its `sidecar.json`.
    pub beyond: u64,
}

/// Asks the agent what a bundle would hold, days looked up in the records themselves.
pub async fn papers(runtime: &Path, wish: Wish, told: &mut impl FnMut(u64)) -> Result<Papers, EvidenceFault> {
    let all = control::papers(runtime, Range::default()).await?;
    let mut range = wish.range;
    if wish.since_ms.is_some() || wish.before_ms.is_some() {
        range = of_time(runtime, &all, wish, told).await?;
    }
    if range == Range::default() {
        return Ok(all);
    }
    Ok(control::papers(runtime, range).await?)
}

/// Writes the files of a bundle below `prefix`, and has them sealed.
pub async fn write(
    runtime: &Path,
    folder: &mut Fresh,
    prefix: &str,
    papers: Papers,
    purpose: &Purpose,
    told: &mut impl FnMut(u64),
) -> Result<Bundle, EvidenceFault> {
    let name = |file: File| format!("{prefix}{}", file.file());
    for (part, file) in LINES {
        lines(runtime, folder, &name(file), (part, &papers), told).await?;
    }
    let beyond = sidecar(runtime, folder, &name(File::Sidecar), &papers).await?;
    let acceptance = format!("{}\n", papers.acceptance);
    for (file, text) in [(File::Root, &papers.root), (File::Enrolment, &acceptance), (File::Orders, &papers.orders)] {
        if !text.is_empty() {
            folder.put(&name(file), text.as_bytes())?;
        }
    }
    folder.put(&name(File::Report), report(&papers, purpose, folder.files(), prefix).as_bytes())?;
    let files = folder.files().iter().filter_map(|(file, row)| Some((file.strip_prefix(prefix)?.to_owned(), *row)));
    let data = data(files.collect(), (papers.from, papers.to), purpose);
    let seal = control::state(runtime, Kind::RecordsExported, data).await?;
    let mut text = format!("{}\n", seal.line);
    if seal.opened < papers.from || seal.opened > papers.to {
        text = format!("{}\n{text}", seal.opening);
    }
    folder.put(&name(File::Manifest), text.as_bytes())?;
    Ok(Bundle { papers, seal, beyond })
}

/// The data of a record that names files.
pub(super) fn data(files: Digests, (from, to): (u64, u64), purpose: &Purpose) -> Map<String, Value> {
    let files: BTreeMap<String, (u64, [u8; 32])> = files;
    Manifest {
        seq: 0,
        prev: [0; 32],
        from,
        to,
        by: purpose.by().to_owned(),
        reason: purpose.reason().to_owned(),
        files,
    }
    .data()
}

/// A file of lines; one that would be empty is left out.
async fn lines(
    runtime: &Path,
    folder: &mut Fresh,
    name: &str,
    (part, papers): (Part, &Papers),
    told: &mut impl FnMut(u64),
) -> Result<(), EvidenceFault> {
    let after = if part == Part::Records { papers.from - 1 } else { 0 };
    let mut lines = control::lines(runtime, Wanted { part, after, to: papers.to }).await?;
    let mut file = folder.file(name)?;
    let mut any = false;
    while let Some(text) = lines.next().await? {
        any = true;
        file.write(&text)?;
        if part == Part::Records {
            told(text.iter().filter(|byte| **byte == b'\n').count() as u64);
        }
    }
    file.finish()?;
    if part == Part::Records && lines.last() != Some(papers.to) {
        return Err(EvidenceFault::Short { came: lines.last().unwrap_or(0), named: papers.to });
    }
    if !any {
        folder.remove(name)?;
    }
    Ok(())
}

/// `sidecar.json`: what may be disclosed of personal data; none without such. How many records did not fit it.
async fn sidecar(runtime: &Path, folder: &mut Fresh, name: &str, papers: &Papers) -> Result<u64, EvidenceFault> {
    let wanted = Wanted { part: Part::Disclosed, after: papers.from - 1, to: papers.to };
    let mut rows = control::lines(runtime, wanted).await?;
    let mut sidecar = Sidecar::default();
    while let Some(text) = rows.next().await? {
        for row in text.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()) {
            sidecar.row(row);
        }
    }
    if let Some(text) = sidecar.text() {
        folder.put(name, &text)?;
    }
    Ok(sidecar.beyond)
}

/// The first and the last record that claim a time in the wish: clocks step, so every record is looked at.
async fn of_time(runtime: &Path, all: &Papers, wish: Wish, told: &mut impl FnMut(u64)) -> Result<Range, EvidenceFault> {
    let mut found: Option<(u64, u64)> = None;
    let wanted = Wanted { part: Part::Records, after: all.from - 1, to: all.to };
    let mut lines = control::lines(runtime, wanted).await?;
    while let Some(text) = lines.next().await? {
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line.len() <= LINE_MAX) {
            told(1);
            let Ok(record) = Parsed::read_bytes(line) else { continue };
            let Some(ms) = record.wall_ms else { continue };
            if wish.since_ms.is_none_or(|since| ms >= since) && wish.before_ms.is_none_or(|before| ms < before) {
                found = Some((found.map_or(record.seq, |(first, _)| first), record.seq));
            }
        }
    }
    let (first, last) = found.ok_or(EvidenceFault::NoSuchTime(wish.range))?;
    Ok(Range {
        from: wish.range.from.or(wish.since_ms.map(|_| first)),
        to: wish.range.to.or(wish.before_ms.map(|_| last)),
    })
}

/// `REPORT.txt`: what a person reads first. Nothing in it is believed.
fn report(papers: &Papers, purpose: &Purpose, files: &Digests, prefix: &str) -> String {
    let Papers { site, gw, from, to, .. } = papers;
    let fingerprint = PublicKey::parse(&papers.identity).map(|key| key.fingerprint()).unwrap_or_default();
    let mut text = format!(
        "Records {from} to {to} of gateway {gw} at site {site}\n\n\
         Exported by  {}\nReason       {}\nIdentity     {}\nFingerprint  {fingerprint}\n\n",
        purpose.by(),
        purpose.reason(),
        papers.identity
    );
    for (name, (bytes, _)) in files.iter().filter_map(|(name, row)| Some((name.strip_prefix(prefix)?, row))) {
        text += &format!("{bytes:>12} bytes  {name}\n");
    }
    text += "\nNothing on this page is believed by a verifier. MANIFEST.jws names every file with its size and SHA-256 and is\n\
             signed by the gateway. To verify, with the root document or its hash from the central system itself:\n\n    \
             picket verify . --root root.jws-of-your-own\n\nor with one of the programs in protocols/record/verifiers, which \
             need no Picket.\n";
    text
}
