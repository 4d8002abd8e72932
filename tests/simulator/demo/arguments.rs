//! What the demo is asked for.

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest run in seconds: below it steps would run into each other.
const SHORTEST_S: u64 = 40;
/// Length of the run where none is asked for, in seconds.
const USUAL_S: u64 = 60;
/// Share of the run that is not the script: programs start, the link drains, stores are read.
const ASIDE: Duration = Duration::from_secs(8);

/// Plays a whole site against the shipped programs, and judges what they recorded.
///
/// Builds picket and picket-central in release, starts sixteen pieces of simulated equipment on six lines and both
/// programs, and plays a script: quiet hours, a covered camera, a forced door that a guard acknowledges, a wrong seal, a
/// device that nobody listed, a calibration that expires, the central link cut, the agent killed in the middle of it and
/// restarted, the link back. Ends with a verdict from the programs' own stores: exit code 0 only where no record is
/// missing, doubled or unverified.
///
/// Without --for and --forever the script is played once; on a terminal the site then goes on quietly until Ctrl-C, so
/// that the page can be looked at, and the verdict follows.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub(crate) struct Arguments {
    /// Length of the run after the building, about, such as 60s or 2m; at least 40s
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with = "forever")]
    length: Option<Duration>,
    /// Play the script again and again until Ctrl-C
    #[arg(long)]
    pub(crate) forever: bool,
    /// Decides what happens in the quiet times
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Empty or new folder for everything that is written [default: target/demo/TIME]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// An MQTT 5 broker to use for the cameras and for the central side, instead of the two that come with the demo
    #[arg(long, value_name = "HOST:PORT", value_parser = broker)]
    pub(crate) broker: Option<(String, u16)>,
    /// Folder with picket and picket-central to use instead of building them
    #[arg(long, value_name = "FOLDER")]
    pub(crate) binaries: Option<PathBuf>,
}

impl Arguments {
    /// Length of the script.
    pub(crate) fn length(&self) -> Duration {
        self.length.unwrap_or(Duration::from_secs(USUAL_S)) - ASIDE
    }

    /// Whether the site goes on after one script, to be looked at.
    pub(crate) fn lingers(&self) -> bool {
        self.length.is_none() && !self.forever && crate::screen::is_terminal()
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let count: u64 = digits.parse().map_err(|_| "a time is a number with s or m, such as 60s".to_owned())?;
    let seconds = count.saturating_mul(unit);
    if seconds < SHORTEST_S {
        return Err(format!("the run needs at least {SHORTEST_S}s"));
    }
    Ok(Duration::from_secs(seconds))
}

fn broker(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.filter(|(host, _)| !host.is_empty()).ok_or_else(|| "a broker is HOST:PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_too_short_ones_refused() {
        assert_eq!(time("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert!(time("39s").is_err());
        assert!(time("soon").is_err());
    }

    #[test]
    fn a_broker_needs_host_and_port() {
        assert_eq!(broker("localhost:1883"), Ok(("localhost".to_owned(), 1883)));
        assert!(broker("localhost").is_err());
        assert!(broker(":1883").is_err());
    }
}
