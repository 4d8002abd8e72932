//! Settings of `picket-central run`. Nobody else sees this struct.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// Port of plain MQTT.
    #[serde(default = "plain_port")]
    pub port: u16,
}

/// IANA: mqtt 1883/tcp.
fn plain_port() -> u16 {
    1883
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("--config names a TOML file with dir and [broker] host, and {} cannot be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it must be.
    #[error("{}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
}

impl Settings {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::Io { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| SettingsError::Content { path: path.to_owned(), source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_has_a_default_and_an_unknown_word_is_refused() {
        let good: Settings = toml::from_str("dir = \"/x\"\n[broker]\nhost = \"h\"\n").unwrap();
        assert_eq!(good.broker, Broker { host: "h".into(), port: 1883 });
        assert!(toml::from_str::<Settings>("dir = \"/x\"\nbrocker = 1\n[broker]\nhost = \"h\"\n").is_err());
    }
}
