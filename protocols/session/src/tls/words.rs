//! What ended a TLS handshake, for whoever has to mend it.

use super::Papers;
use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// What the words speak of.
#[derive(Debug, Clone, Copy)]
struct Names<'a> {
    /// File with the authority.
    authority: &'a str,
    /// The name that the broker's certificate must be for.
    server: &'a str,
    /// Whether a certificate of our own is shown.
    shows_own: bool,
}

impl Papers {
    /// The words for what ended a connection to this host; `None` where TLS was not the reason. Under TLS 1.3 a broker
    /// refuses our certificate only after the handshake is done for us.
    pub fn told(&self, error: &io::Error, host: &str) -> Option<String> {
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())?;
        let shows_own = self.own.is_some();
        let names = Names { authority: &self.authority_file, server: self.name(host), shows_own };
        Some(match fault {
            Error::InvalidCertificate(fault) => certificate(fault, names),
            Error::AlertReceived(alert) => refused(*alert, names),
            Error::InvalidMessage(_) => "the broker does not speak TLS at this port".to_owned(),
            other => format!("no TLS with the broker: {other}"),
        })
    }

    /// The same in the handshake, where a broker that knows no TLS closes the connection.
    pub fn told_of_handshake(&self, error: &io::Error, host: &str) -> Option<String> {
        let closed = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        let words = || "the broker closed the connection where TLS begins: is this its port for TLS?".to_owned();
        self.told(error, host).or_else(|| closed.then(words))
    }
}

/// What is wrong with the broker's certificate.
fn certificate(fault: &CertificateError, Names { authority, server, .. }: Names<'_>) -> String {
    const BROKERS: &str = "the broker's certificate";
    const CLOCK: &str = "is the clock set?";
    match fault {
        CertificateError::UnknownIssuer => format!("{BROKERS} is not signed by {authority}"),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!(
                "{BROKERS} is not valid before {}, and it is {}: {CLOCK}",
                day(not_before.as_secs()),
                day(time.as_secs())
            )
        }
        CertificateError::ExpiredContext { time, not_after } => {
            format!(
                "{BROKERS} was valid until {}, and it is {}: {CLOCK}",
                day(not_after.as_secs()),
                day(time.as_secs())
            )
        }
        CertificateError::NotValidYet | CertificateError::Expired => format!("{BROKERS} is not valid today: {CLOCK}"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{BROKERS} is not for {server}: write the name that it is for as server_name")
        }
        CertificateError::BadSignature => format!("{BROKERS} has a signature that is not of {authority}"),
        other => format!("{BROKERS} is refused: {other}"),
    }
}

/// What the broker says of us.
fn refused(alert: AlertDescription, names: Names<'_>) -> String {
    match alert {
        _ if !names.shows_own => {
            format!(
                "the broker wants a certificate ({alert:?}), and there is none of ours: name it as certificate_file and \
                 key_file; where certificate_dir is set, have the centre fill it: picket renew --out wish.jws"
            )
        }
        AlertDescription::UnknownCA => "the broker does not trust whoever signed our certificate".to_owned(),
        AlertDescription::CertificateExpired => "the broker says that our certificate has expired".to_owned(),
        AlertDescription::CertificateRevoked => "the broker says that our certificate is revoked".to_owned(),
        other if super::is_of_certificates(other) => format!("the broker refuses our certificate ({other:?})"),
        other => format!("the broker refuses TLS ({other:?})"),
    }
}

/// A date as ISO 8601, from seconds since 1970 UTC: days to years, months and days by H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`.
fn day(at_s: u64) -> String {
    let shifted = at_s / 86_400 + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        // date --utc --date=@N +%F
        let rows = [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_795_305_600, "2026-11-22")];
        for (at_s, shown) in rows {
            assert_eq!(day(at_s), shown);
        }
        assert_eq!(day(4_107_542_399), "2100-02-28");
        assert_eq!(day(4_107_542_400), "2100-03-01");
    }
}
