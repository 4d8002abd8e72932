//! TLS of a broker's link as settings write it: files with PEM texts, read with the settings and checked together.

use super::codes::Code;
use super::reader::Section;
use super::secrets;
use super::source::read_bytes;
use crate::certificate::{Origin, Source};
use crate::clock;
use picket_session::tls::{Own, Paper, Papers, PapersFault};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Keys that stand for nothing without `tls = true`.
const KEYS: [&str; 4] = ["ca_file", "certificate_file", "key_file", "server_name"];
/// Largest PEM text: a certificate with three above it is some 8 KiB.
const PEM_MAX: u64 = 256 * 1024;

/// Whether there is nothing of TLS in a table that has not asked for it.
pub(super) fn refuse_strays(section: &mut Section<'_, '_>) -> bool {
    let strays = section.present(&KEYS);
    for (key, span) in &strays {
        let cause = format!("`{key}` of {} stands for nothing: the link has no TLS", section.what());
        section.refuse(Code::StrayKey, span.clone(), "without TLS", cause, "add tls = true, or remove the key");
    }
    strays.is_empty()
}

/// The folder with the two slots of a certificate that the agent renews itself.
pub(super) const SLOTS: &str = "certificate_dir";

/// Where the certificate of a table comes from; `None` where that was refused, `Some(None)` where there is no TLS.
pub(super) fn source(section: &mut Section<'_, '_>, dir: &Path) -> Option<Option<Source>> {
    let slots = section.text(SLOTS);
    let encrypted = section.flag("tls") == Some(true);
    if let (Some(named), false) = (&slots, encrypted) {
        let cause = format!("`{SLOTS}` of {} stands for nothing: the link has no TLS", section.what());
        section.refuse(Code::StrayKey, named.span(), "without TLS", cause, "add tls = true, or remove the key");
        return None;
    }
    let mut path = |key| section.text(key).map(|name| dir.join(name.get_ref()));
    let by_hand = path("certificate_file").zip(path("key_file"));
    let authority = path("ca_file");
    if let (Some(named), Some(_)) = (&slots, &by_hand) {
        let cause =
            format!("{} names certificate_file and `{SLOTS}`: one certificate is shown, not two", section.what());
        let remedy =
            "keep certificate_dir for a certificate that is renewed by itself, or certificate_file and key_file";
        section.refuse(Code::StrayKey, named.span(), "beside certificate_file", cause, remedy);
        return None;
    }
    let own = match (slots, by_hand) {
        (Some(named), _) => Origin::Slots(dir.join(named.get_ref())),
        (None, Some((certificate, key))) => Origin::ByHand(certificate, key),
        (None, None) => Origin::Nobody,
    };
    Some(authority.filter(|_| encrypted).map(|authority| Source { authority, own }))
}

/// Reads the files of a table with `tls = true`; `None` where one was refused.
pub(super) fn read(section: &mut Section<'_, '_>, dir: &Path) -> Option<Papers> {
    section.missing("ca_file", "add ca_file = \"...\", the certificate of the authority that signed the broker's");
    for (key, other) in [("certificate_file", "key_file"), ("key_file", "certificate_file")] {
        if section.value(other).is_some() {
            section.missing(key, &format!("add {key} = \"...\" beside {other}"));
        }
    }
    let server_name = section.text("server_name").map(|name| (*name.get_ref()).to_owned());
    let authority = file(section, dir, "ca_file");
    let certificate = file(section, dir, "certificate_file");
    let key = file(section, dir, "key_file");
    let whole = section.value("certificate_file").is_none() == certificate.is_none()
        && section.value("key_file").is_none() == key.is_none()
        && certificate.is_some() == key.is_some();
    let authority = authority.filter(|_| whole)?;
    let papers = Papers {
        authority: authority.text.clone(),
        authority_file: authority.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        own: certificate
            .as_ref()
            .zip(key.as_ref())
            .map(|(own, key)| Own { certificate: own.text.clone(), key: key.text.clone() }),
        server_name,
        time: clock::certificates(0),
    };
    let Err(fault) = papers.config() else { return Some(papers) };
    let at_fault = match fault.paper() {
        Paper::Authority => Some(&authority),
        Paper::Certificate => certificate.as_ref(),
        Paper::Key => key.as_ref(),
    };
    refuse(section, at_fault?, &fault);
    None
}

fn refuse(section: &mut Section<'_, '_>, at: &File, fault: &PapersFault) {
    let remedy = match fault.paper() {
        Paper::Authority => "write into it what the central system gave out: -----BEGIN CERTIFICATE-----",
        Paper::Certificate => "write the certificate into it: -----BEGIN CERTIFICATE-----",
        Paper::Key => "write the key of this very certificate into it, in PKCS #8: -----BEGIN PRIVATE KEY-----",
    };
    let cause = format!("{} cannot be used: {fault}", at.path.display());
    section.refuse(Code::BadPaper, at.named.clone(), "this file", cause, remedy);
}

struct File {
    path: PathBuf,
    text: Vec<u8>,
    named: Range<usize>,
}

/// A file that a key names; a key must be closed to others.
fn file(section: &mut Section<'_, '_>, dir: &Path, key: &'static str) -> Option<File> {
    let name = section.text(key)?;
    let path = dir.join(name.get_ref());
    let named = section.at(name.span(), "named here");
    if key == "key_file" && !secrets::check_mode(&path, Some(named.clone()), section.findings) {
        return None;
    }
    match read_bytes(&path, PEM_MAX) {
        Ok(text) => Some(File { path, text, named: name.span() }),
        Err(fault) => {
            let remedy = "put it there, or name the file that is meant";
            fault.tell(&path, named, remedy, section.findings);
            None
        }
    }
}
