//! Hosts, brokers and their logins as settings write them.

use super::codes::Code;
use super::reader::Section;
use super::{secrets, tls};
use crate::broker::Endpoint;
use picket_session::Login;
use std::path::Path;
use toml::Spanned;

/// Port of MQTT without TLS (IANA: mqtt).
const MQTT_PORT: u16 = 1883;
/// Port of MQTT over TLS (IANA: secure-mqtt).
const MQTTS_PORT: u16 = 8883;

/// Keys of a table that names a broker.
pub(super) const BROKER_KEYS: [&str; 8] =
    ["broker", "user", "password_file", "tls", "ca_file", "certificate_file", "key_file", "server_name"];

/// A broker with everything that it takes to reach it; `None` where something of it was refused.
pub(super) fn broker(section: &mut Section<'_, '_>, dir: &Path) -> Option<Endpoint> {
    let encrypted = section.flag("tls") == Some(true);
    let port = if encrypted { MQTTS_PORT } else { MQTT_PORT };
    let place = host_and_port(section, port);
    let login = login(section, dir);
    let tls = if encrypted {
        tls::read(section, dir).map(|papers| Some(Box::new(papers)))
    } else {
        tls::refuse_strays(section).then_some(None)
    };
    let clear = place.as_ref().filter(|place| !encrypted && !is_loopback(&place.get_ref().0));
    if let (Some(place), Some(Some(_))) = (clear, &login) {
        let cause = format!("the password of {} travels to {} unencrypted", section.what(), place.get_ref().0);
        let remedy = "add tls = true and ca_file, or keep this network to the equipment alone";
        section.refuse(Code::ClearPassword, place.span(), "another machine", cause, remedy);
    }
    let (host, port) = place?.into_inner();
    Some(Endpoint { host, port, login: login?, tls: tls? })
}

/// `broker = "mqtt://host[:port]"`.
fn host_and_port(section: &mut Section<'_, '_>, port: u16) -> Option<Spanned<(String, u16)>> {
    let text = section.needed_text("broker", "add broker = \"mqtt://127.0.0.1:1883\"")?;
    let cause = match split_broker(text.get_ref(), port) {
        Ok((host, port)) => return Some(Spanned::new(text.span(), (host, port))),
        Err(cause) => cause,
    };
    let remedy = match *text.get_ref() {
        tls if tls.starts_with("mqtts:") || tls.starts_with("ssl:") => {
            "write mqtt://host:port here, and tls = true with ca_file as keys of their own"
        }
        login if login.contains('@') => "write mqtt://host:port, with user and password_file as keys of their own",
        _ => "write mqtt://host:port, such as mqtt://127.0.0.1:1883",
    };
    let cause = format!("`broker` of {} is `{}`: {cause}", section.what(), text.get_ref());
    section.refuse(Code::BadEndpoint, text.span(), "no broker", cause, remedy);
    None
}

fn split_broker(text: &str, usual: u16) -> Result<(String, u16), &'static str> {
    let rest = text.strip_prefix("mqtt://").ok_or("it does not begin with mqtt://")?;
    if rest.contains('@') {
        return Err("a login does not belong here");
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("something follows the address")?)),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => usual,
        Some(port) => port.parse().ok().filter(|p| *p > 0).ok_or("the port is not 1 to 65535")?,
    };
    if is_host(host) { Ok((host.to_owned(), port)) } else { Err("the host is no name or address") }
}

/// `host = "..."`.
pub(super) fn host(section: &mut Section<'_, '_>) -> Option<Spanned<String>> {
    let text = section.needed_text("host", "add host = \"10.0.0.5\", the name or address of the device")?;
    host_is_named(section, &text).then(|| Spanned::new(text.span(), (*text.get_ref()).to_owned()))
}

/// Whether a text is a host name or address; a finding where it is not.
pub(super) fn host_is_named(section: &mut Section<'_, '_>, text: &Spanned<&str>) -> bool {
    let named = is_host(text.get_ref());
    if !named {
        let cause = format!("`{}` of {} is no host name or address", text.get_ref(), section.what());
        let remedy = "write a name or address alone, such as 10.0.0.5 or io-1.gate.lan, without port or path";
        section.refuse(Code::BadEndpoint, text.span(), "no host", cause, remedy);
    }
    named
}

/// A name after RFC 1123, section 2.1 (letters, digits, hyphens; labels of at most 63), or an IP address.
fn is_host(text: &str) -> bool {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let digits_only = text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    text.len() <= 253 && !digits_only && text.split('.').all(label)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `user` and `password_file`: both or neither. `None` where something of them was refused.
fn login(section: &mut Section<'_, '_>, dir: &Path) -> Option<Option<Login>> {
    let user = section.text("user");
    let file = section.text("password_file");
    let there = (section.value("user").is_some(), section.value("password_file").is_some());
    match there {
        (false, false) => return Some(None),
        (true, false) => section.missing("password_file", "add password_file = \"...\" beside user, mode 0600"),
        (false, true) => section.missing("user", "add user = \"...\" beside password_file"),
        (true, true) => {}
    }
    let (user, file) = (user?, file?);
    let named = section.at(file.span(), "named here");
    let password = secrets::password(&dir.join(file.get_ref()), named, section.findings)?;
    Some(Some(Login { user: (*user.get_ref()).to_owned(), password }))
}
