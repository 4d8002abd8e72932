//! TLS of the link to the broker: files with PEM texts, read with the settings and checked together.

use super::reader::Section;
use crate::clock;
use picket_session::tls::{Own, Paper, Papers, PapersFault};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Keys that stand for nothing without `tls = true`.
const KEYS: [&str; 4] = ["ca_file", "certificate_file", "key_file", "server_name"];

/// `Some(None)` where nothing of TLS stands in a table that has not asked for it.
pub(super) fn none(section: &mut Section<'_, '_, '_>) -> Option<Option<Papers>> {
    let strays: Vec<_> = KEYS.iter().filter_map(|key| Some((key, section.text(key)?.1))).collect();
    for (key, span) in &strays {
        let cause = format!("{key} stands for nothing: the link has no TLS");
        section.refuse(span.clone(), &cause, "add tls = true, or remove the key");
    }
    strays.is_empty().then_some(None)
}

/// Reads the files of a table with `tls = true`; `None` where one was refused.
pub(super) fn read(section: &mut Section<'_, '_, '_>, folder: &Path, header: Range<usize>) -> Option<Papers> {
    section.needed("ca_file", "add ca_file = \"...\", the certificate of the authority that signed the broker's");
    let server_name = section.text("server_name").map(|(name, _)| name);
    let authority = file(section, folder, "ca_file");
    let certificate = file(section, folder, "certificate_file");
    let key = file(section, folder, "key_file");
    let own = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate?, key?)),
        (certificate, key) => {
            let span = certificate.or(key).flatten().map_or(header, |file| file.named);
            let cause = "a certificate is certificate_file and key_file, and one is missing";
            section.refuse(span, cause, "give both, or neither");
            return None;
        }
    };
    let authority = authority??;
    let papers = Papers {
        authority: authority.text.clone(),
        authority_file: authority.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        own: own.as_ref().map(|(own, key)| Own { certificate: own.text.clone(), key: key.text.clone() }),
        server_name,
        time: clock::certificates(),
    };
    let Err(fault) = papers.config() else { return Some(papers) };
    let at = match fault.paper() {
        Paper::Authority => Some(&authority),
        Paper::Certificate => own.as_ref().map(|(certificate, _)| certificate),
        Paper::Key => own.as_ref().map(|(_, key)| key),
    };
    refuse(section, at?, &fault);
    None
}

fn refuse(section: &mut Section<'_, '_, '_>, at: &File, fault: &PapersFault) {
    let remedy = match fault.paper() {
        Paper::Authority | Paper::Certificate => "write the certificate into it: -----BEGIN CERTIFICATE-----",
        Paper::Key => "write the key of this very certificate into it, in PKCS #8: -----BEGIN PRIVATE KEY-----",
    };
    section.refuse(at.named.clone(), &format!("{} cannot be used: {fault}", at.path.display()), remedy);
}

struct File {
    path: PathBuf,
    text: Vec<u8>,
    named: Range<usize>,
}

/// A file that a key names: `None` where none is named, `Some(None)` where it was refused. A key must be closed to
/// others.
fn file(section: &mut Section<'_, '_, '_>, folder: &Path, key: &str) -> Option<Option<File>> {
    let (name, named) = section.text(key)?;
    let path = folder.join(name);
    let shown = path.display();
    let refused = match std::fs::metadata(&path).and_then(|about| Ok((about, std::fs::read(&path)?))) {
        Err(error) => {
            (format!("{shown} cannot be read: {error}"), "put it there, or name the one that is meant".into())
        }
        Ok((about, _)) if key == "key_file" && about.permissions().mode() & 0o077 != 0 => {
            let mode = about.permissions().mode() & 0o777;
            let cause = format!("{shown} has mode {mode:04o}: others may read the key in it");
            (cause, format!("run chmod 600 {shown}, then have a new key and certificate made"))
        }
        Ok((_, text)) => return Some(Some(File { path, text, named })),
    };
    section.refuse(named, &refused.0, &refused.1);
    Some(None)
}
