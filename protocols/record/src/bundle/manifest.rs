//! The manifest: the `records.exported` record that names every other file by size and digest.

use super::{BundleCheck, Part, Seal};
use crate::acceptance::Acceptance;
use crate::chain::{ChainCheck, Contradiction, Epochs, Head, Parsed, Summary, verify};
use crate::encode::{Link, Name, base64url};
use crate::kind::Kind;
use crate::refusal::Refusal;
use crate::shown;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its own number.
    pub seq: u64,
    /// Link to the record before it.
    pub prev: Link,
    /// First record in the bundle.
    pub from: u64,
    /// Last record in the bundle.
    pub to: u64,
    /// Who asked for the export: of what was read every character is seen as itself, [`shown::plain`].
    pub by: String,
    /// What for, likewise.
    pub reason: String,
    /// Size and digest of each file.
    pub files: BTreeMap<String, (u64, [u8; 32])>,
}

impl Manifest {
    /// Reads a record of a kind that stands by itself, behind the opening of its epoch: the two lines of a `BACKUP.jws`.
    /// With it the link of the record. Refused where it is not of this gateway and identity.
    pub fn verify(text: &str, accepted: &Acceptance, kind: Kind) -> Result<(Self, Link), Refusal> {
        let mut epochs = Epochs::new(accepted.gw.clone(), accepted.identity.clone()).at_site(accepted.site.clone());
        let mut found = None;
        for line in text.lines() {
            let record = Parsed::read(line)?;
            if let Some(opened) = verify(&record, &epochs)? {
                epochs.admit(&opened)?;
            } else if record.kind == kind && found.is_none() {
                found = Some((Self::read(&record)?, record.link));
            } else {
                return Err(Refusal::Field { field: "kind", expected: "one record about files" });
            }
        }
        found.ok_or(Refusal::Missing { field: "files" })
    }

    /// From a verified record.
    fn read(record: &Parsed<'_>) -> Result<Self, Refusal> {
        let data = record.data();
        let number = |field: &'static str| {
            data.get(field).and_then(Value::as_u64).ok_or(Refusal::Field { field, expected: "an integer from zero" })
        };
        let text = |field| shown::plain(data.get(field).and_then(Value::as_str).unwrap_or_default());
        let refused = Refusal::Field { field: "files", expected: "names with [bytes, \"sha256\"]" };
        let listed = data.get("files").and_then(Value::as_object).ok_or(refused.clone())?;
        let mut files = BTreeMap::new();
        for (name, row) in listed {
            let (bytes, digest) = match row.as_array().map(Vec::as_slice) {
                Some([Value::Number(bytes), Value::String(digest)]) => (bytes.as_u64(), digest),
                _ => return Err(refused),
            };
            let digest = crate::encode::bytes32(digest, "sha256")?;
            files.insert(name.clone(), (bytes.ok_or(refused.clone())?, digest));
        }
        let (from, to) = (number("from")?, number("to")?);
        Ok(Self { seq: record.seq, prev: record.prev, from, to, by: text("by"), reason: text("reason"), files })
    }

    /// The `data` of a `records.exported` record.
    pub fn data(&self) -> serde_json::Map<String, Value> {
        let files = self.files.iter().map(|(name, (bytes, digest))| {
            let row = vec![Value::from(*bytes), Value::from(base64url(digest))];
            (name.clone(), Value::from(row))
        });
        let mut data = serde_json::Map::new();
        data.insert("files".into(), Value::Object(files.collect()));
        data.insert("from".into(), self.from.into());
        data.insert("to".into(), self.to.into());
        data.insert("by".into(), self.by.clone().into());
        data.insert("reason".into(), self.reason.clone().into());
        data
    }
}

/// What the files are: size and digest of each one read, and the names of others.
#[derive(Debug, Default)]
pub(super) struct Digests {
    files: BTreeMap<&'static str, (u64, [u8; 32])>,
    strangers: Vec<String>,
    reading: Option<(Part, u64, Sha256)>,
    last: Option<Part>,
}

impl Digests {
    pub(super) fn begin(&mut self, part: Part) {
        assert!(self.last.is_none_or(|last| last < part), "files are read in the order of Part::ALL");
        self.last = Some(part);
        self.reading = Some((part, 0, Sha256::new()));
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some((_, size, hash)) = &mut self.reading {
            *size += bytes.len() as u64;
            hash.update(bytes);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some((part, size, hash)) = self.reading.take() {
            if part != Part::Manifest {
                self.files.insert(part.file(), (size, hash.finalize().into()));
            }
        }
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.files.contains_key(part.file())
    }

    pub(super) fn stranger(&mut self, name: &str) {
        if self.strangers.len() < crate::chain::LISTED_MAX {
            self.strangers.push(name.chars().take(80).collect());
        }
    }
}

impl BundleCheck {
    /// A line of the manifest: the opening of its epoch, or the record itself.
    pub(super) fn manifest_line(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let record = Parsed::read_bytes(line)?;
        // Taken once: there may be many keys, and many lines that are no manifest.
        let epochs = self.sealing.take();
        let mut epochs = epochs.unwrap_or_else(|| self.epochs(&record.gw, &record.site));
        let result = self.exported(&record, &mut epochs);
        self.sealing = Some(epochs);
        result
    }

    fn exported(&mut self, record: &Parsed<'_>, epochs: &mut Epochs) -> Result<(), Contradiction> {
        if let Some(opened) = verify(record, epochs)? {
            return Ok(epochs.admit(&opened)?);
        }
        if record.kind != Kind::RecordsExported || self.manifest.is_some() {
            let (seq, file) = (record.seq, Part::Manifest.file());
            return Err(Contradiction::Misplaced { file, seq, kind: record.kind.as_str() });
        }
        self.manifest = Some(Manifest::read(record)?);
        Ok(())
    }

    /// The keys of the records, or none of them, for the same gateway.
    fn epochs(&self, gw: &Name, site: &Name) -> Epochs {
        let of_records = self.chain.as_ref().and_then(ChainCheck::epochs);
        of_records.cloned().unwrap_or_else(|| self.own_epochs(gw, site))
    }

    /// Holds the files and the records to the manifest.
    pub(super) fn sealed(&mut self, chain: &Summary, head: Option<Head>) {
        let Some(manifest) = self.manifest.clone() else {
            if self.seal == Seal::Demanded {
                self.contradicts(Part::Manifest, None, Contradiction::Unsealed);
            }
            return;
        };
        let mut wrong: Vec<String> = std::mem::take(&mut self.digests.strangers);
        let known = |name: &str| self.digests.files.get(name);
        wrong.extend(
            manifest.files.iter().filter(|(name, row)| known(name) != Some(*row)).map(|(name, _)| name.clone()),
        );
        let unnamed = self.digests.files.keys().filter(|name| !manifest.files.contains_key(**name));
        wrong.extend(unnamed.map(|name| (*name).to_owned()));
        for file in wrong {
            self.contradicts(Part::Manifest, None, Contradiction::ManifestFile { file });
        }
        let Manifest { from, to, seq, prev, .. } = manifest;
        let (first, last) = (chain.first, chain.last);
        if (from, to) != (first, last) || seq <= last {
            self.contradicts(Part::Manifest, None, Contradiction::Range { from, to, first, last });
        } else if head.is_some_and(|head| seq == head.seq + 1 && prev != head.link) {
            let what = Contradiction::Broken(crate::chain::Break::Prev { seq });
            self.contradicts(Part::Manifest, None, what);
        }
    }
}
