//! `[sensitivity]`: other labels and ceilings than those of `picket_core::sensitivity`. What is looser than there must be
//! named a second time under `loosen`, so that nobody opens a channel by a slip.

use super::Findings;
use super::codes::Code;
use super::reader::Section;
use super::source::Source;
use picket_core::sensitivity::{Channel, Label, Sensitivity};
use picket_record::kind::Kind;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;

/// The words of labels.
fn words() -> [(&'static str, Label); 4] {
    Label::ALL.map(|label| (label.as_str(), label))
}

/// Reads the table, and `[sensitivity.kinds]` below it.
pub(super) fn read<'a>(
    source: &'a Source,
    (table, span): (&'a DeTable<'a>, Range<usize>),
    findings: &mut Findings,
) -> Sensitivity {
    let channels = Channel::ALL.map(Channel::as_str);
    let keys: Vec<&'static str> = channels.into_iter().chain(["kinds", "loosen"]).collect();
    let mut section = Section::open(source, table, span, "[sensitivity]", &keys, findings);
    let loosen = section.texts("loosen");
    let mut found = Sensitivity::default();
    for channel in Channel::ALL {
        let name = channel.as_str();
        let Some(ceiling) = section.word(name, &words()) else { continue };
        found = found.with_ceiling(channel, ceiling);
        if ceiling > channel.ceiling() {
            let cause = format!("more leaves on `{name}` than up to `{}`, the default", channel.ceiling().as_str());
            demand(&mut section, &loosen, name, cause);
        }
    }
    let kinds = section.table("kinds");
    for_others(&mut section, &loosen);
    let Some((table, span)) = kinds else { return found };
    let names: Vec<&'static str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut section = Section::open(source, table, span, "[sensitivity.kinds]", &names, section.findings);
    for kind in Kind::ALL {
        let name = kind.as_str();
        let Some(label) = section.word(name, &words()) else { continue };
        found = found.with_label(*kind, label);
        if label < Label::of(*kind) {
            let cause = format!("`{name}` is labelled below `{}`, the default", Label::of(*kind).as_str());
            demand(&mut section, &loosen, name, cause);
        }
    }
    found
}

/// What is looser than the default stands under `loosen` too.
fn demand(section: &mut Section<'_, '_>, loosen: &[Spanned<&str>], name: &str, cause: String) {
    if loosen.iter().any(|named| *named.get_ref() == name) {
        return;
    }
    let Some(span) = section.value(name).map(Spanned::span) else { return };
    let remedy = format!("if that is meant, say so in [sensitivity]: loosen = [\"{name}\"]");
    section.refuse(Code::Loosened, span, "looser than the default", cause, remedy);
}

/// `loosen` names channels and kinds alone.
fn for_others(section: &mut Section<'_, '_>, loosen: &[Spanned<&str>]) {
    let known = |name: &str| Kind::parse(name).is_some() || Channel::ALL.iter().any(|channel| channel.as_str() == name);
    for named in loosen.iter().filter(|named| !known(named.get_ref())) {
        let cause = format!("`loosen` names `{}`, which is no channel and no kind of record", named.get_ref());
        let channels = Channel::ALL.map(Channel::as_str).join(", ");
        section.refuse(Code::UnknownWord, named.span(), "unknown", cause, format!("one of: {channels}; or a kind"));
    }
}
