//! What of the journal goes into a bundle: which records, what they are verified with, line by line in slices.

use super::{Fault, Journal};
use picket_record::root::Roots;
use serde::{Deserialize, Serialize};
use std::fs;

/// Not left for another branch: what was left lies there still, and is in [`Part::Branches`].
const IN_CHAIN: &str = "NOT EXISTS (SELECT 1 FROM leaving WHERE record.seq BETWEEN leaving.first AND leaving.kept)";

/// Numbers and lines, each ended by LF; `None` once there are no more.
pub type Slice = Option<(u64, Vec<u8>)>;

/// Which records are asked for; all of them where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First number.
    pub from: Option<u64>,
    /// Last number.
    pub to: Option<u64>,
}

/// What a bundle holds beside files of lines, and which records those are of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Papers {
    /// The site.
    pub site: String,
    /// The gateway.
    pub gw: String,
    /// First record: the opening of the epoch that the first one asked for belongs to.
    pub from: u64,
    /// Last record: the one that the first receipt behind the range names, or the last one asked for without such.
    pub to: u64,
    /// About as many bytes will be written.
    pub bytes: u64,
    /// Acceptance as received, without a line feed.
    pub acceptance: String,
    /// Public identity key, base64url.
    pub identity: String,
    /// Every version of the root document; empty where none is installed.
    pub root: String,
    /// Orders and commands as received, oldest first, each with its line feed; empty without any.
    pub orders: String,
}

/// A file of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The chain.
    Records,
    /// One receipt of each day, and the newest.
    Receipts,
    /// What was left because the central side knew another history.
    Branches,
    /// What outlived its records.
    Summaries,
    /// What is disclosed of personal data beside the records.
    Disclosed,
}

/// Some lines of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of what.
    pub part: Part,
    /// Behind this number.
    pub after: u64,
    /// Up to this record; a receipt up to the record that it names. Branches and summaries are told whole.
    pub to: u64,
}

impl Journal {
    /// What a bundle of a range needs, and which range that becomes: a stranger begins at an opening.
    pub fn papers(&self, range: Range) -> Result<Papers, Fault> {
        let (from, to) = self.widened(range)?;
        let (root, orders) = (self.root_text()?, self.order_lines()?);
        let origin = &self.credentials.origin;
        Ok(Papers {
            site: origin.site.to_string(),
            gw: origin.gw.to_string(),
            from,
            to,
            bytes: self.bytes_of(from, to)?,
            acceptance: self.credentials.acceptance_line.clone(),
            identity: self.credentials.identity.public().text(),
            root,
            orders,
        })
    }

    /// Lines of a part, as many as fit a slice, with the number of the last; a fault where the journal has disposed of
    /// what comes next. A hole that damage left is none of that: what was before it is still there.
    pub fn bundle_lines(&self, wanted: Wanted) -> Result<Slice, Fault> {
        let Wanted { part, after, to } = wanted;
        match part {
            Part::Records => self.next_slice(after, to),
            Part::Receipts => self.receipt_slice(after, to),
            Part::Branches => self.branch_lines(after, false),
            Part::Summaries => self.summary_lines(after),
            Part::Disclosed => self.disclosed_rows(after, to),
        }
    }

    /// Every line behind a number, a slice at a time.
    pub fn slice(&self, after: u64) -> Result<Slice, Fault> {
        self.chain_lines(after, i64::MAX.unsigned_abs())
    }

    pub(super) fn next_slice(&self, after: u64, to: u64) -> Result<Slice, Fault> {
        let sql = "SELECT min(seq) FROM record";
        let oldest: Option<u64> = self.store.row(sql, [], "cannot find the oldest record", |row| row.get(0))?.flatten();
        match oldest {
            Some(oldest) if oldest > after + 1 && after < to => {
                let (from, to) = (after + 1, oldest - 1);
                Err(Fault::Refused(format!("records {from} to {to} were disposed of meanwhile; run the export again")))
            }
            _ => self.chain_lines(after, to),
        }
    }

    fn chain_lines(&self, after: u64, to: u64) -> Result<Slice, Fault> {
        let sql = format!("SELECT seq, line FROM record WHERE seq > ?1 AND seq <= ?2 AND {IN_CHAIN} ORDER BY seq");
        self.lines_of(&sql, (after, to), "cannot read records")
    }

    /// Receipts behind number `after` whose records are there; the newest though it is not written yet.
    fn receipt_slice(&self, after: u64, to: u64) -> Result<Slice, Fault> {
        let sql = "SELECT n, line FROM receipt WHERE n > ?1 AND upto <= ?2 ORDER BY n";
        let stored = self.lines_of(sql, (after, to), "cannot read the receipts")?;
        let newest = self.receipts.newest().filter(|(n, upto, _)| *n > after && *upto <= to);
        Ok(stored.or_else(|| newest.map(|(n, _, line)| (n, format!("{line}\n").into_bytes()))))
    }

    fn lines_of(&self, sql: &str, values: impl rusqlite::Params, doing: &'static str) -> Result<Slice, Fault> {
        let mut text = Vec::new();
        let through = self.store.take_lines(sql, values, &mut text, doing)?;
        Ok(through.map(|through| (through, text)))
    }

    /// From the opening that the range is verified with to the record that a receipt shows the end of it by.
    fn widened(&self, Range { from, to }: Range) -> Result<(u64, u64), Fault> {
        let doing = "cannot find the records of a range";
        let number = |sql: &str, at: u64| self.store.row(sql, [at], doing, |row| row.get::<_, Option<u64>>(0));
        let asked = to.unwrap_or(self.sealer.head().seq).min(self.sealer.head().seq);
        let sql = format!("SELECT max(seq) FROM record WHERE seq <= ?1 AND {IN_CHAIN}");
        let receipted = match to {
            Some(_) => number("SELECT min(upto) FROM receipt WHERE upto >= ?1", asked)?.flatten(),
            None => None,
        };
        let last = number(&sql, receipted.unwrap_or(asked))?.flatten();
        let opening = "epoch JOIN record USING(seq) WHERE";
        let sql = format!("SELECT max(seq) FROM {opening} seq <= ?1 AND {IN_CHAIN}");
        let mut first = number(&sql, from.unwrap_or(0))?.flatten();
        if first.is_none() {
            // The oldest one still there.
            first = number(&format!("SELECT min(seq) FROM {opening} seq > ?1 AND {IN_CHAIN}"), 0)?.flatten();
        }
        match (first, last) {
            (Some(first), Some(last)) if first.max(from.unwrap_or(0)) <= asked.min(last) => Ok((first, last)),
            _ => {
                let (from, head, oldest) = (from.unwrap_or(1), self.sealer.head().seq, first.unwrap_or(0));
                let to = to.unwrap_or(asked);
                let why = format!("there are no records from {from} to {to} here: they go from {oldest} to {head}");
                Err(Fault::Refused(why))
            }
        }
    }

    /// The share of the file that so many of its records take: lines are less than their pages.
    fn bytes_of(&self, from: u64, to: u64) -> Result<u64, Fault> {
        let sql = "SELECT max(seq) - min(seq) + 1 FROM record";
        let all: Option<u64> = self.store.row(sql, [], "cannot count the records", |row| row.get(0))?.flatten();
        let used = u128::from(self.store.used().unwrap_or(0));
        let share = used * u128::from(to - from + 1) / u128::from(all.unwrap_or(1).max(1));
        Ok(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// The text of the root documents in force: what came down, or what was installed.
    fn root_text(&self) -> Result<String, Fault> {
        let Some(roots) = &self.credentials.roots else { return Ok(String::new()) };
        let in_force = |text: &String| Roots::verify(text).is_ok_and(|read| read.hash() == roots.hash());
        if let Some((_, _, text)) = self.kept("root")?.filter(|(_, _, text)| in_force(text)) {
            return Ok(text);
        }
        let file = &self.root_file;
        let doing = "cannot read the root documents";
        let text = fs::read_to_string(file).map_err(|source| Fault::File { file: file.clone(), doing, source })?;
        match in_force(&text) {
            true => Ok(text),
            false => Err(Fault::Refused(format!(
                "{} is another root document than the one in force since the start; restart the agent",
                file.display()
            ))),
        }
    }
}
