//! The verdict: the simulator's ledger, the agent's journal and the central store, joined by SQL. What the agent counts
//! of itself is not asked.
//!
//! Every line of both stores is verified with `picket_record` and its fields are put beside the stores; everything else
//! is a query. A record is *missing* where the journal has it and the central store does not hold the same line, where a
//! number is left out, or where the ledger asks for it and nothing tells it. It is *doubled* where one event of the ledger is told
//! twice, or one record is stored twice. It is *unverified* where it is refused, forked, or left waiting.

mod read;
mod sql;

pub(crate) use read::Stores;
pub(crate) use sql::{Disagreement, Latency};

use crate::failure::{Doing, Failure};
use crate::screen::{Screen, Tone};
use rusqlite::Connection;

/// Everything counted.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Records in the journal.
    written: u64,
    /// Records in the central store.
    received: u64,
    /// Lines of both stores that verify in their place.
    verified: u64,
    /// Lines of both stores that do not, and what the central store keeps apart.
    unverified: u64,
    /// Why, for the first of them.
    reasons: Vec<String>,
    /// In the journal and not, or not the same, in the central store.
    not_received: u64,
    /// In the central store and not in the journal: stored and lost.
    lost: u64,
    /// Numbers left out in the journal.
    holes: u64,
    /// Records that exist twice.
    repeated: u64,
    /// Camera messages recorded more than once.
    heard_twice: u64,
    /// Alarms that the page did not show in time.
    pub(crate) not_shown: u64,
    /// Acts in the ledger.
    acts: u64,
    /// Records that the ledger asks for.
    expected: u64,
    /// What the ledger and the journal do not agree on.
    disagreements: Vec<Disagreement>,
    /// Polled and not yet stored when the agent was killed.
    at_kill: u64,
    /// How long each step took to be recorded, shown and received.
    latencies: Vec<Latency>,
}

impl Verdict {
    /// Judges stores whose programs have stopped.
    pub(crate) fn of(stores: &Stores<'_>) -> Result<Self, Failure> {
        let mut db = Connection::open_in_memory().doing("opening the verdict")?;
        let mut verdict = Self::default();
        read::fill(&mut db, stores, &mut verdict)?;
        sql::count(&db, stores.gateway, &mut verdict).doing("joining ledger, journal and central store")?;
        Ok(verdict)
    }

    fn missing(&self) -> u64 {
        let told: u64 = self.disagreements.iter().map(Disagreement::missing).sum();
        self.not_received + self.lost + self.holes + self.not_shown + told
    }

    fn doubled(&self) -> u64 {
        let told: u64 = self.disagreements.iter().map(Disagreement::surplus).sum();
        self.repeated + self.heard_twice + told
    }

    /// Whether nothing is missing, doubled or unverified, and something was there to be judged.
    pub(crate) fn is_good(&self) -> bool {
        self.missing() == 0 && self.doubled() == 0 && self.unverified == 0 && self.written > 0 && self.expected > 0
    }

    /// Prints the tables.
    pub(crate) fn show(&self, screen: &Screen) {
        screen.line(Tone::Strong, "\nAlarms, in milliseconds after the act in the ledger");
        screen.line(Tone::Plain, "  step                          times   recorded        on the page     at central");
        for latency in &self.latencies {
            screen.line(Tone::Plain, &latency.row());
        }
        screen.line(Tone::Strong, "\nVerdict");
        let rows = [
            ("acts of the simulator", self.acts, "ledger"),
            ("records that must follow from them", self.expected, "ledger"),
            ("records written", self.written, "journal of the agent"),
            ("records received", self.received, "central store"),
            ("verified lines", self.verified, "both stores, signature and chain"),
        ];
        for (what, count, whose) in rows {
            screen.line(Tone::Plain, &format!("  {what:<36} {count:>7}   {whose}"));
        }
        let rows = [
            ("missing", self.missing(), "written and not received, or asked for and not written"),
            ("doubled", self.doubled(), "stored twice, or told more often than it happened"),
            ("unverified", self.unverified, "refused, forked, or out of the chain"),
        ];
        for (what, count, how) in rows {
            let tone = if count == 0 { Tone::Good } else { Tone::Bad };
            screen.line(tone, &format!("  {what:<36} {count:>7}   {how}"));
        }
        let kill = "events polled and not yet stored at a kill";
        screen.line(Tone::Plain, &format!("  {kill:<42} {:>1}", self.at_kill));
        self.explain(screen);
    }

    fn explain(&self, screen: &Screen) {
        let counts = [
            (self.not_received, "in the journal and not in the central store"),
            (self.lost, "in the central store and not in the journal"),
            (self.holes, "numbers left out in the journal"),
            (self.repeated, "records stored twice"),
            (self.heard_twice, "camera messages recorded twice"),
            (self.not_shown, "alarms that the page did not show in time"),
        ];
        for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
            screen.line(Tone::Bad, &format!("    {count} {what}"));
        }
        for disagreement in &self.disagreements {
            screen.line(Tone::Bad, &format!("    {disagreement}"));
        }
        for reason in &self.reasons {
            screen.line(Tone::Bad, &format!("    {reason}"));
        }
    }
}
