//! `[[line]]`: ports and endpoints. What a seal reader's framing and a broker's topics are follows from the devices.

use super::codes::Code;
use super::endpoint;
use super::gateway;
use super::nearest::nearest;
use super::reader::{Section, called};
use super::source::Source;
use crate::line::{BrokerSession, Parity, SerialPort, TcpEndpoint};
use picket_core::plan::Driver;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Most lines of one gateway: each is a task or a thread; the largest box has 16 serial ports.
pub(super) const MAX_LINES: usize = 256;

const KEYS: &[&str] = &[
    "name",
    "kind",
    "host",
    "port",
    "baud",
    "parity",
    "stop_bits",
    "data_bits",
    "broker",
    "user",
    "password_file",
    "tls",
    "ca_file",
    "certificate_file",
    "key_file",
    "server_name",
    "client_id",
];

/// Rates that serial drivers offer (termios).
const BAUDS: &[u64] =
    &[300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

const PARITIES: &[(&str, Parity)] = &[("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];

const KINDS: &[(&str, Driver)] = &[
    ("modbus-tcp", Driver::ModbusTcp),
    ("modbus-rtu", Driver::ModbusRtu),
    ("seal-reader", Driver::Serial),
    ("mqtt", Driver::Mqtt),
];

/// The word of a kind in the settings.
pub(super) fn kind_word(kind: Driver) -> &'static str {
    KINDS.iter().find(|(_, driver)| *driver == kind).map_or("", |(word, _)| word)
}

fn keys_of(kind: Driver) -> &'static [&'static str] {
    match kind {
        Driver::ModbusTcp => &["name", "kind", "host", "port"],
        Driver::ModbusRtu => &["name", "kind", "port", "baud", "parity", "stop_bits"],
        Driver::Serial => &["name", "kind", "port", "baud", "parity", "stop_bits", "data_bits"],
        Driver::Mqtt => &[
            "name",
            "kind",
            "broker",
            "user",
            "password_file",
            "tls",
            "ca_file",
            "certificate_file",
            "key_file",
            "server_name",
            "client_id",
        ],
    }
}

/// A line as far as its own table goes.
pub(super) struct WrittenLine {
    /// `None` where the name was refused.
    pub(super) name: Option<Spanned<String>>,
    pub(super) header: Range<usize>,
    /// `None` where the kind was refused.
    pub(super) kind: Option<Driver>,
    /// `None` where something of it was refused.
    pub(super) reach: Option<Reach>,
    /// The value that names the port or endpoint.
    pub(super) endpoint: Range<usize>,
}

/// How a line is reached, without what its devices add.
pub(super) enum Reach {
    Tcp(TcpEndpoint),
    Rtu(SerialPort),
    Reader(SerialPort),
    /// Its topics are still empty.
    Broker(BrokerSession),
}

impl Reach {
    /// Two lines with the same one would disturb each other.
    fn endpoint(&self) -> String {
        match self {
            Reach::Tcp(tcp) => format!("{}:{}", tcp.host, tcp.port),
            Reach::Rtu(port) | Reach::Reader(port) => port.path.display().to_string(),
            Reach::Broker(session) => {
                format!("client {} at {}:{}", session.client_id, session.broker.host, session.broker.port)
            }
        }
    }
}

/// Reads every line.
pub(super) fn read(root: &mut Section<'_, '_>, source: &Source, dir: &Path, gateway: &str) -> Vec<WrittenLine> {
    let tables = root.tables("line");
    if let Some((_, span)) = tables.get(MAX_LINES) {
        let cause = format!("{} lines; one gateway carries {MAX_LINES}", tables.len());
        root.refuse(Code::TooMany, span.clone(), "one too many", cause, "put the rest on another gateway");
    }
    let mut lines = Vec::new();
    for (table, span) in tables.into_iter().take(MAX_LINES) {
        let mut section = Section::open(source, table, span.clone(), called("line", table), KEYS, root.findings);
        lines.push(line(&mut section, span, dir, gateway));
    }
    refuse_twins(root, &lines);
    lines
}

fn line(section: &mut Section<'_, '_>, header: Range<usize>, dir: &Path, gateway: &str) -> WrittenLine {
    let name = gateway::name(section, "name");
    section.missing("kind", "add kind = \"modbus-tcp\", \"modbus-rtu\", \"seal-reader\" or \"mqtt\"");
    let kind = section.word("kind", KINDS);
    let errors = section.findings.errors();
    let reach = kind.and_then(|kind| {
        refuse_strays(section, kind);
        reach(section, kind, dir, gateway)
    });
    let reach = reach.filter(|_| section.findings.errors() == errors);
    let holder = if kind == Some(Driver::ModbusTcp) { "host" } else { "port" };
    let holder = section.value(holder).or_else(|| section.value("broker"));
    let endpoint = holder.map_or(header.clone(), Spanned::span);
    WrittenLine { name, header, kind, reach, endpoint }
}

fn refuse_strays(section: &mut Section<'_, '_>, kind: Driver) {
    let own = keys_of(kind);
    let strays: Vec<&'static str> = KEYS.iter().filter(|key| !own.contains(key)).copied().collect();
    for (key, span) in section.present(&strays) {
        let cause = format!("`{key}` does not belong to {}, which is a {} line", section.what(), kind_word(kind));
        let remedy = format!("remove it; such a line has {}", own.join(", "));
        section.refuse(Code::StrayKey, span, "does not belong here", cause, remedy);
    }
}

fn reach(section: &mut Section<'_, '_>, kind: Driver, dir: &Path, gateway: &str) -> Option<Reach> {
    match kind {
        Driver::ModbusTcp => tcp(section).map(Reach::Tcp),
        Driver::ModbusRtu => serial(section, Parity::Even).map(Reach::Rtu),
        Driver::Serial => serial(section, Parity::None).map(Reach::Reader),
        Driver::Mqtt => session(section, dir, gateway).map(Reach::Broker),
    }
}

fn tcp(section: &mut Section<'_, '_>) -> Option<TcpEndpoint> {
    let host = endpoint::host(section);
    let port = section.whole("port", 1..=65_535).and_then(|port| u16::try_from(port.into_inner()).ok());
    Some(TcpEndpoint { host: host?.into_inner(), port: port.unwrap_or(502) })
}

fn serial(section: &mut Section<'_, '_>, parity: Parity) -> Option<SerialPort> {
    let path = port_path(section);
    let baud = baud(section);
    let parity = section.word("parity", PARITIES).unwrap_or(parity);
    let bits = |value: Option<Spanned<u64>>| value.and_then(|bits| u8::try_from(bits.into_inner()).ok());
    let stop_bits = bits(section.whole("stop_bits", 1..=2)).unwrap_or(1);
    let data_bits = bits(section.whole("data_bits", 7..=8)).unwrap_or(8);
    Some(SerialPort { path: path?, baud: baud?, parity, stop_bits, data_bits })
}

fn port_path(section: &mut Section<'_, '_>) -> Option<PathBuf> {
    const REMEDY: &str = "port = \"/dev/serial/by-path/...\"; see ls -l /dev/serial/by-path";
    section.missing("port", &format!("add {REMEDY}"));
    let text = section.text("port")?;
    let port = *text.get_ref();
    if !port.starts_with('/') || port.ends_with('/') {
        let cause = format!("`port` of {} is `{port}`, which is no device file", section.what());
        section.refuse(Code::BadEndpoint, text.span(), "no device file", cause, format!("write {REMEDY}"));
        return None;
    }
    let numbered = ["/dev/ttyUSB", "/dev/ttyACM"].iter().any(|stem| port.starts_with(stem));
    if numbered {
        let cause = format!("{port} names another port when plugs are moved or the gateway starts in another order");
        let remedy = "use the name of the socket: ls -l /dev/serial/by-path";
        section.refuse(Code::UnstablePort, text.span(), "not stable", cause, remedy);
    }
    Some(PathBuf::from(port))
}

fn baud(section: &mut Section<'_, '_>) -> Option<u32> {
    section.missing("baud", "add baud = 9600, the rate that the device is set to");
    let rate = section.whole("baud", 300..=921_600)?;
    if !BAUDS.contains(rate.get_ref()) {
        let all: Vec<String> = BAUDS.iter().map(u64::to_string).collect();
        let near = nearest(&rate.get_ref().to_string(), all.iter().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("did you mean {near}? "));
        let cause = format!("`baud` of {} is {}, which no serial port offers", section.what(), rate.get_ref());
        let remedy = format!("{hint}one of: {}", all.join(", "));
        section.refuse(Code::OutOfRange, rate.span(), "no such rate", cause, remedy);
    }
    u32::try_from(rate.into_inner()).ok()
}

fn session(section: &mut Section<'_, '_>, dir: &Path, gateway: &str) -> Option<BrokerSession> {
    let broker = endpoint::broker(section, dir);
    let client_id = match section.text("client_id") {
        None => format!("picket-{gateway}"),
        Some(text) => client_id(section, &text, gateway)?,
    };
    Some(BrokerSession { broker: broker?, client_id, topics: Vec::new() })
}

fn client_id(section: &mut Section<'_, '_>, text: &Spanned<&str>, gateway: &str) -> Option<String> {
    let id = *text.get_ref();
    if id == gateway {
        let cause =
            format!("`client_id` of {} is the gateway's name, under which the central link logs in", section.what());
        let remedy = format!("write another, such as picket-{gateway}: a broker ends the session of a twin");
        section.refuse(Code::BadText, text.span(), "taken", cause, remedy);
        return None;
    }
    let fits = id.len() <= 64 && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
    if !fits {
        let cause = format!("`client_id` of {} is `{id}`", section.what());
        section.refuse(Code::BadText, text.span(), "no client id", cause, "1 to 64 of A-Z a-z 0-9 - _ .");
    }
    fits.then(|| id.to_owned())
}

fn refuse_twins(root: &mut Section<'_, '_>, lines: &[WrittenLine]) {
    for (index, line) in lines.iter().enumerate() {
        let earlier = &lines[..index];
        let same_name = |other: &&WrittenLine| match (&other.name, &line.name) {
            (Some(a), Some(b)) => a.get_ref() == b.get_ref(),
            _ => false,
        };
        if let (Some(twin), Some(name)) = (earlier.iter().find(same_name), &line.name) {
            let first = root.at(twin.name.as_ref().map_or(twin.header.clone(), Spanned::span), "first here");
            let place = root.at(name.span(), "again here").and(first);
            let cause = format!("two lines are named `{}`", name.get_ref());
            root.findings.add(Code::DuplicateLine, place, cause, "give each line its own name");
        }
        let Some(endpoint) = line.reach.as_ref().map(Reach::endpoint) else { continue };
        let shares = |other: &&WrittenLine| other.reach.as_ref().is_some_and(|reach| reach.endpoint() == endpoint);
        if let Some(twin) = earlier.iter().find(shares) {
            let place = root.at(line.endpoint.clone(), "again here").and(root.at(twin.endpoint.clone(), "first here"));
            let remedy = match line.kind {
                Some(Driver::Mqtt) => "put its devices on one line, or give each line its own client_id",
                _ => "put all its devices on one line: only one can speak at a time",
            };
            root.findings.add(Code::SharedEndpoint, place, format!("two lines use {endpoint}"), remedy);
        }
    }
}
