//! Rows of `answered`: the last word of each gateway on what was sent down to it.

use picket_record::encode::Name;
use rusqlite::{Connection, Result, params};

/// What a word is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The order in force.
    Order,
    /// An order that it refused.
    OrderRefused,
    /// A command that it acted on.
    Command,
    /// A command that it refused.
    CommandRefused,
    /// The root document in force.
    Root,
    /// Root documents that it refused, or anything, because it has none.
    RootRefused,
}

/// What a gateway said, in a record of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) about: About,
    /// Version of the order or root document, number of the command; 0 where the gateway could not tell.
    pub(crate) n: u64,
    /// The record.
    pub(crate) seq: u64,
    /// Word for the rule that was broken; empty for what was taken.
    pub(crate) reason: String,
    /// Why, in its own words.
    pub(crate) cause: String,
}

impl About {
    const ALL: [Self; 6] =
        [Self::Order, Self::OrderRefused, Self::Command, Self::CommandRefused, Self::Root, Self::RootRefused];

    fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::OrderRefused => "order refused",
            Self::Command => "command",
            Self::CommandRefused => "command refused",
            Self::Root => "root",
            Self::RootRefused => "root refused",
        }
    }
}

/// Takes the place of the word before on the same matter.
pub(crate) fn save_answer(db: &Connection, gw: &Name, answer: &Answer, received_ms: i64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO answered(gw,about,n,seq,reason,cause,received_ms) VALUES(?1,?2,?3,?4,?5,?6,?7)";
    let Answer { about, n, seq, reason, cause } = answer;
    db.prepare_cached(sql)?.execute(params![gw.as_str(), about.word(), n, seq, reason, cause, received_ms])?;
    Ok(())
}

/// The last words of a gateway, each with when it came.
pub(crate) fn answers(db: &Connection, gw: &Name) -> Result<Vec<(Answer, i64)>> {
    let sql = "SELECT about,n,seq,reason,cause,received_ms FROM answered WHERE gw=?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([gw.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        // A newer program may have written about more.
        let Some(about) = About::ALL.into_iter().find(|about| about.word() == word) else { continue };
        let (n, seq, reason, cause) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        found.push((Answer { about, n, seq, reason, cause }, row.get(5)?));
    }
    Ok(found)
}
