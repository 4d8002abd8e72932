//! What the demo prints: a line per step, plain where it is not a terminal.

use simulator::clock::Clock;
use std::io::{IsTerminal as _, Write as _};

/// Widest text before the second column.
const COLUMN: usize = 46;

/// Where progress goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    clock: Clock,
    colours: bool,
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// It went as it should.
    Good,
    /// It did not.
    Bad,
}

impl Screen {
    /// On standard output; colours only on a terminal and without `NO_COLOR`.
    pub(crate) fn new(clock: Clock) -> Self {
        let colours = is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { clock, colours }
    }

    /// A line with the time since the start, and what came of it in a second column.
    pub(crate) fn step(&self, what: &str, outcome: &str) {
        let seconds = self.clock.mono_us() / 1_000_000;
        let line = format!("{:02}:{:02}  {what:<COLUMN$}  {outcome}", seconds / 60, seconds % 60);
        self.line(Tone::Plain, line.trim_end());
    }

    /// A line.
    pub(crate) fn line(&self, tone: Tone, text: &str) {
        let code = match tone {
            Tone::Plain => None,
            Tone::Strong => Some("1"),
            Tone::Good => Some("32"),
            Tone::Bad => Some("31;1"),
        };
        let mut out = std::io::stdout().lock();
        // A closed pipe must not end the run before its verdict.
        let _ = match code.filter(|_| self.colours) {
            Some(code) => writeln!(out, "\x1b[{code}m{text}\x1b[0m"),
            None => writeln!(out, "{text}"),
        };
        let _ = out.flush();
    }
}

/// Whether somebody is watching.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
