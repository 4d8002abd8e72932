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

    /// Each of these over the one of `other` that was taken beside it.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    /// Each of these less the one of `other` that was taken beside it.
    pub(crate) fn above(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one - other).collect())
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

/// What is left of tables that were printed.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// What must hold and does not.
    pub(crate) broken: Vec<String>,
    /// Rows with a target, under the first word of their table's title.
    aims: Vec<[String; 3]>,
}

impl Judged {
    /// Takes those of another table in.
    pub(crate) fn join(&mut self, other: Self) {
        self.broken.extend(other.broken);
        self.aims.extend(other.aims);
    }

    /// All targets in one table, to be quoted whole.
    pub(crate) fn print(&self) {
        println!("\n## Every target of this run, medians `[least..most]` of its rounds\n");
        print_rows(&self.aims);
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

    /// Prints it; what a summary needs of it.
    pub(crate) fn print(self) -> Judged {
        println!("\n## {}\n", self.title);
        print_rows(&self.rows);
        let job = self.title.split([',', ' ']).next().unwrap_or_default().to_owned();
        let aims = self.rows.into_iter().filter(|row| !row[2].is_empty());
        let aims = aims.map(|[what, figure, target]| [format!("{job}  {what}"), figure, target]).collect();
        Judged { broken: self.broken, aims }
    }
}

fn print_rows(rows: &[[String; 3]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (what, figure) = (width(0), width(1));
    for row in rows {
        println!("{}", format!("{:<what$}  {:>figure$}  {}", row[0], row[1], row[2]).trim_end());
    }
}
