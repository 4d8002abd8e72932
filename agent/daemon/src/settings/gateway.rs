//! The tables of `agent.toml` about the gateway itself: site, clock, journal, identity, central, console, control,
//! sensitivity, limits.

use super::codes::Code;
use super::endpoint;
use super::reader::Section;
use super::source::Source;
use super::{Findings, secrets, sensitivity, tls};
use crate::broker::Endpoint;
use crate::clock::ClockPolicy;
use crate::{certificate, console, journal};
use picket_core::plan::Limits;
use picket_core::sensitivity::Sensitivity;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;

/// Every top-level key of `agent.toml`.
pub(super) const KEYS: &[&str] = &[
    "site",
    "clock",
    "journal",
    "identity",
    "central",
    "console",
    "control",
    "sensitivity",
    "limits",
    "line",
    "device",
];

const MIB: u64 = 1 << 20;

/// What the tables say, checked.
pub(super) struct Gateway {
    pub(super) site: String,
    pub(super) gateway: String,
    pub(super) clock: ClockPolicy,
    pub(super) journal: journal::Place,
    pub(super) central: Option<Endpoint>,
    pub(super) certificate: Option<certificate::Source>,
    pub(super) console: Option<console::Address>,
    pub(super) runtime: PathBuf,
    pub(super) limits: Limits,
    pub(super) sensitivity: Sensitivity,
}

/// A table of the file, or an empty one where it is absent: then every key takes its default.
struct Tables<'a, 's> {
    source: &'a Source,
    found: BTreeMap<&'static str, (&'a DeTable<'a>, Range<usize>)>,
    empty: &'a DeTable<'a>,
    dir: &'s Path,
}

impl<'a> Tables<'a, '_> {
    fn open<'f>(&self, name: &'static str, keys: &[&'static str], findings: &'f mut Findings) -> Section<'a, 'f> {
        let (table, span) = self.found.get(name).cloned().unwrap_or((self.empty, 0..0));
        Section::open(self.source, table, span, format!("[{name}]"), keys, findings)
    }

    fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    fn path(&self, section: &mut Section<'_, '_>, key: &'static str, default: &str) -> PathBuf {
        self.dir.join(section.text(key).map_or(default, Spanned::into_inner))
    }
}

/// Reads them all; `None` where one of them has faults.
pub(super) fn read<'a>(
    root: &mut Section<'a, '_>,
    source: &'a Source,
    empty: &'a DeTable<'a>,
    dir: &Path,
) -> Option<Gateway> {
    let names = KEYS.iter().filter(|name| !matches!(**name, "line" | "device"));
    let found = names.filter_map(|name| Some((*name, root.table(name)?))).collect();
    let tables = Tables { source, found, empty, dir };
    root.missing("site", "add [site] with name and gateway");
    let findings = &mut *root.findings;
    let names = if tables.has("site") { site(&tables, findings) } else { None };
    let clock = clock(&tables, findings);
    let journal = journal_place(&tables, findings);
    let central = if tables.has("central") { central_endpoint(&tables, findings) } else { None };
    let (central, certificate) = central.unzip();
    let console = if tables.has("console") { console_address(&tables, findings) } else { None };
    let runtime = control(&tables, findings);
    let limits = limits(&tables, findings);
    let labels = tables.found.get("sensitivity").cloned();
    let sensitivity = labels.map(|table| sensitivity::read(source, table, findings)).unwrap_or_default();
    let (site, gateway) = names?;
    let certificate = certificate.flatten();
    Some(Gateway { site, gateway, clock, journal, central, certificate, console, runtime, limits, sensitivity })
}

fn site(tables: &Tables<'_, '_>, findings: &mut Findings) -> Option<(String, String)> {
    let mut section = tables.open("site", &["name", "gateway"], findings);
    let site = name(&mut section, "name");
    let gateway = name(&mut section, "gateway");
    Some((site?.into_inner(), gateway?.into_inner()))
}

/// A name by the rule for site, gateway, line and device: it stands in topics, file names and records.
pub(super) fn name(section: &mut Section<'_, '_>, key: &'static str) -> Option<Spanned<String>> {
    const RULE: &str = "1 to 63 of a-z 0-9 and -";
    let text = section.needed_text(key, &format!("add {key} = \"...\", {RULE}"))?;
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if text.get_ref().len() <= 63 && text.get_ref().bytes().all(fits) {
        return Some(Spanned::new(text.span(), (*text.get_ref()).to_owned()));
    }
    let cause = format!("`{key}` of {} is `{}`, which is no name", section.what(), text.get_ref());
    section.refuse(Code::BadName, text.span(), "no name", cause, format!("a name is {RULE}, such as gate-1"));
    None
}

fn clock(tables: &Tables<'_, '_>, findings: &mut Findings) -> ClockPolicy {
    let mut section = tables.open("clock", &["accept_unsynchronised"], findings);
    if section.flag("accept_unsynchronised") != Some(true) {
        return ClockPolicy::Synchronised;
    }
    if let Some(value) = section.value("accept_unsynchronised") {
        let cause = "due dates are judged by a clock that nothing synchronises: overdue equipment may pass as good";
        let remedy = "set up NTP or PTP and remove the key, unless the board's clock is checked by hand";
        section.refuse(Code::UnsynchronisedClock, value.span(), "accepted here", cause, remedy);
    }
    ClockPolicy::AcceptUnsynchronised
}

fn journal_place(tables: &Tables<'_, '_>, findings: &mut Findings) -> journal::Place {
    let mut section = tables.open("journal", &["file", "budget_mib", "retention_days"], findings);
    let file = tables.path(&mut section, "file", "/var/lib/picket/journal.db");
    let budget_mib = section.whole("budget_mib", 8..=MIB).map_or(512, Spanned::into_inner);
    let retention_days = section.whole("retention_days", 1..=3_650).map_or(30, Spanned::into_inner);
    let retention_days = u32::try_from(retention_days).unwrap_or(u32::MAX);
    let mut section = tables.open("identity", &["key", "acceptance", "accept_key", "root"], findings);
    let identity = tables.path(&mut section, "key", "/var/lib/picket/identity.key");
    let acceptance = tables.path(&mut section, "acceptance", "/var/lib/picket/acceptance.jws");
    let accept_key = tables.path(&mut section, "accept_key", "accept.pub");
    let root_file = tables.path(&mut section, "root", "/var/lib/picket/root.jws");
    let place = section.value("key").map(|value| section.at(value.span(), "named here"));
    secrets::check_mode(&identity, place, section.findings);
    let budget_bytes = budget_mib * MIB;
    journal::Place { file, budget_bytes, retention_days, identity, acceptance, accept_key, root: root_file }
}

fn central_endpoint(
    tables: &Tables<'_, '_>,
    findings: &mut Findings,
) -> Option<(Endpoint, Option<certificate::Source>)> {
    let keys: Vec<&'static str> = endpoint::BROKER_KEYS.into_iter().chain([tls::SLOTS]).collect();
    let mut section = tables.open("central", &keys, findings);
    let endpoint = endpoint::broker(&mut section, tables.dir);
    let source = tls::source(&mut section, tables.dir)?;
    Some((endpoint?, source))
}

fn console_address(tables: &Tables<'_, '_>, findings: &mut Findings) -> Option<console::Address> {
    let mut section = tables.open("console", &["listen", "hosts"], findings);
    let hosts: Vec<String> = section
        .texts("hosts")
        .into_iter()
        .filter(|host| endpoint::host_is_named(&mut section, host))
        .map(|host| host.into_inner().to_ascii_lowercase())
        .collect();
    let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);
    let Some(text) = section.text("listen") else {
        return Some(console::Address { listen: default, hosts });
    };
    let listen = text.get_ref().parse::<SocketAddr>().ok().filter(|address| address.port() > 0);
    match listen {
        None => {
            let cause = format!("`listen` of [console] is `{}`, which is no address with a port", text.get_ref());
            let remedy = "write listen = \"127.0.0.1:8470\"";
            section.refuse(Code::BadEndpoint, text.span(), "no address", cause, remedy);
        }
        Some(address) if !address.ip().is_loopback() => {
            let cause =
                format!("the guards' page listens at {address}: whoever reaches it can read alarms and answer them");
            let remedy = "keep 127.0.0.1, or let a firewall admit only the guards' terminals and name them in hosts";
            section.refuse(Code::OpenConsole, text.span(), "not loopback", cause, remedy);
        }
        Some(_) => {}
    }
    Some(console::Address { listen: listen?, hosts })
}

fn control(tables: &Tables<'_, '_>, findings: &mut Findings) -> PathBuf {
    let mut section = tables.open("control", &["runtime"], findings);
    tables.path(&mut section, "runtime", "/run/picket")
}

fn limits(tables: &Tables<'_, '_>, findings: &mut Findings) -> Limits {
    const KEYS: &[&str] = &[
        "door_held_s",
        "level2_door_held_s",
        "level3_door_held_s",
        "door_release_s",
        "door_grace_ms",
        "door_clear_ms",
        "contact_hold_ms",
        "contact_clear_ms",
        "line_lost_s",
        "due_ahead_days",
        "heartbeat_s",
        "identity_s",
        "point_hold_s",
    ];
    let mut section = tables.open("limits", KEYS, findings);
    let default = Limits::default();
    let mut whole = |key, range| section.whole(key, range).map(Spanned::into_inner);
    Limits {
        door_held_ms: whole("door_held_s", 1..=86_400).map_or(default.door_held_ms, |s| s * 1_000),
        level_door_held_ms: ["level2_door_held_s", "level3_door_held_s"]
            .map(|key| whole(key, 1..=86_400).map(|s| s * 1_000)),
        door_release_ms: whole("door_release_s", 1..=600).map_or(default.door_release_ms, |s| s * 1_000),
        door_grace_ms: whole("door_grace_ms", 0..=5_000).unwrap_or(default.door_grace_ms),
        door_clear_ms: whole("door_clear_ms", 0..=600_000).unwrap_or(default.door_clear_ms),
        contact_hold_ms: whole("contact_hold_ms", 0..=60_000).unwrap_or(default.contact_hold_ms),
        contact_clear_ms: whole("contact_clear_ms", 0..=600_000).unwrap_or(default.contact_clear_ms),
        line_lost_ms: whole("line_lost_s", 0..=86_400).map_or(default.line_lost_ms, |s| s * 1_000),
        due_ahead_days: whole("due_ahead_days", 0..=365)
            .and_then(|days| u16::try_from(days).ok())
            .unwrap_or(default.due_ahead_days),
        heartbeat_s: whole("heartbeat_s", 10..=3_600).unwrap_or(default.heartbeat_s),
        identity_s: whole("identity_s", 60..=604_800).unwrap_or(default.identity_s),
        point_hold_ms: whole("point_hold_s", 1..=86_400).map_or(default.point_hold_ms, |s| s * 1_000),
    }
}
