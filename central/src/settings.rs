//! Settings of `picket-central run`: read whole, every fault told at once. Nobody else sees this file.

mod reader;
mod tls;

use picket_session::Login;
use picket_session::tls::Papers;
use reader::{Section, Source};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The whole file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory that `picket-central init` made.
    pub dir: PathBuf,
    /// First part of the two MQTT client ids, `<client>-urgent` and `<client>-record`; the name of the central system
    /// where it is not given. Two programs with one client id push each other out.
    pub client: Option<String>,
    /// The broker.
    pub broker: Broker,
}

/// Where the broker listens.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// For a broker that asks who comes.
    pub login: Option<Login>,
    /// TLS; `None` = the way to it is trusted.
    pub tls: Option<Papers>,
}

/// IANA: mqtt 1883/tcp.
const MQTT_PORT: u16 = 1883;
/// IANA: secure-mqtt 8883/tcp.
const MQTTS_PORT: u16 = 8883;
/// Longest text of a setting in bytes, and of a password.
const TEXT_MAX: usize = 1_024;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("--config names a file like config/central.toml, and {} cannot be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it must be.
    #[error("the settings are wrong; nothing was started\n{}", .0.join("\n"))]
    Content(
        /// Each fault with its file, line, cause and remedy.
        Vec<String>,
    ),
}

impl Settings {
    /// Reads the file. Paths in it are relative to its folder.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::Io { path: path.to_owned(), source })?;
        Self::parse(path, &text).map_err(SettingsError::Content)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Vec<String>> {
        let mut source = Source::new(path, text);
        let settings = source.parse().and_then(|root| settings(&mut source, &root));
        let faults = source.into_faults();
        settings.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

fn settings<'a>(source: &mut Source<'a>, root: &DeTable<'a>) -> Option<Settings> {
    let folder = source.folder();
    let mut top = Section::open(source, root, 0..0, "the file", &["dir", "client", "broker"]);
    let dir = top.needed("dir", "add dir = \"/var/lib/picket-central\", the one that picket-central init made");
    let client = top.text("client").map(|(text, _)| text);
    let broker = top.table("broker", "add [broker] with host = \"127.0.0.1\"");
    let broker = broker.and_then(|(table, span)| {
        let keys =
            ["host", "port", "user", "password_file", "tls", "ca_file", "certificate_file", "key_file", "server_name"];
        let mut section = Section::open(source, table, span.clone(), "[broker]", &keys);
        let host = host(&mut section);
        let encrypted = section.flag("tls") == Some(true);
        let port = section.port("port", if encrypted { MQTTS_PORT } else { MQTT_PORT });
        let login = login(&mut section, &folder, span.clone());
        let tls = if encrypted { tls::read(&mut section, &folder, span).map(Some) } else { tls::none(&mut section) };
        Some(Broker { host: host?, port: port?, login: login?, tls: tls? })
    });
    Some(Settings { dir: folder.join(dir?.0), client, broker: broker? })
}

fn host(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let (host, span) = section.needed("host", "add host = \"127.0.0.1\", the name or address of the broker")?;
    if host.contains(['/', '@', ' ']) {
        section.refuse(span, &format!("host is {host:?}"), "write the name or address alone; port is a key of its own");
        return None;
    }
    Some(host)
}

/// `Some(None)` where the broker asks for nobody, `None` where something is wrong.
fn login(section: &mut Section<'_, '_, '_>, folder: &Path, header: Range<usize>) -> Option<Option<Login>> {
    match (section.text("user"), section.text("password_file")) {
        (None, None) => Some(None),
        (Some((user, _)), Some((file, span))) => match password(&folder.join(file)) {
            Ok(password) => Some(Some(Login { user, password })),
            Err((cause, remedy)) => {
                section.refuse(span, &cause, &remedy);
                None
            }
        },
        (user, file) => {
            let span = user.or(file).map_or(header, |(_, span)| span);
            section.refuse(span, "a login is user and password_file, and one is missing", "give both, or neither");
            None
        }
    }
}

/// One line that only the owner of the file may read; else cause and remedy.
fn password(file: &Path) -> Result<String, (String, String)> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = file.display();
    // The service's user may write nowhere in the folder of its settings, and what root writes it may not read.
    let user = rustix::process::geteuid().as_raw();
    let write = format!("write the password into it, as root: install -o {user} -m 600 /dev/stdin {shown}");
    let unread = |error| (format!("{shown} cannot be read: {error}"), write.clone());
    let mode = std::fs::metadata(file).map_err(unread)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let cause = format!("{shown} has mode {mode:04o}: others may read the password in it");
        return Err((cause, format!("run chmod 600 {shown}, then change the password")));
    }
    let text = std::fs::read_to_string(file).map_err(unread)?;
    let line = text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r');
    if line.is_empty() || line.len() > TEXT_MAX || line.contains(char::is_control) {
        return Err((format!("{shown} does not hold one line of text"), write));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests;
