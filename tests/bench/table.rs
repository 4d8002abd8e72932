//! Figures, and the table of a job: each row with its target; rows whose target is zero are kept for the verdict.

use std::fmt::Display;

/// Figures of one kind, any order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    /// The value below which that share of the figures lies; `NaN` for none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1) as f64;
        sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// `median [least..most]` with so many decimals.
    pub(crate) fn told(&self, decimals: usize) -> String {
        let [least, median, most] = [0.0, 0.5, 1.0].map(|share| self.quantile(share));
        match self.0.len() {
            0 => "-".into(),
            1 => format!("{median:.decimals$}"),
            _ => format!("{median:.decimals$} [{least:.decimals$}..{most:.decimals$}]"),
        }
    }
}

/// One job's outcome.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<[String; 3]>,
    broken: Vec<String>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new(), broken: Vec::new() }
    }

    /// A figure without a target.
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl Display) {
        self.rows.push([what.into(), figure.to_string(), String::new()]);
    }

    /// A figure with a target that is printed and never asserted.
    pub(crate) fn against(&mut self, what: impl Into<String>, figure: impl Display, target: &str, met: bool) {
        let verdict = if met { "met" } else { "NOT MET" };
        self.rows.push([what.into(), figure.to_string(), format!("{target}: {verdict}")]);
    }

    /// A count that must be zero.
    pub(crate) fn zero(&mut self, what: impl Into<String>, count: u64) {
        let what = what.into();
        self.must(what, count, "0", count == 0);
    }

    /// Something that must hold.
    pub(crate) fn must(&mut self, what: impl Into<String>, figure: impl Display, target: &str, met: bool) {
        let what = what.into();
        if !met {
            self.broken.push(format!("{}: {what}: {figure}, must be {target}", self.title));
        }
        self.against(what, figure, target, met);
    }

    /// Prints it; what must hold and does not.
    pub(crate) fn print(self) -> Vec<String> {
        println!("\n## {}\n", self.title);
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (what, figure) = (width(0), width(1));
        for row in &self.rows {
            println!("{:<what$}  {:>figure$}  {}", row[0], row[1], row[2]);
        }
        self.broken
    }
}
