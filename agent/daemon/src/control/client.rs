//! The asking side of the control socket. Takes no part of a bundle for whole whose last line does not say so.

use super::{Command, Demand, Done, Erased, KEEPER, LastLine, SLOW, SOCKET, ends};
use crate::journal::bundle::{Papers, Range, Wanted};
use crate::journal::seal::Written;
use picket_core::status::Status;
use picket_record::encode::LINE_MAX;
use picket_record::kind::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes taken from the agent at a time.
const CHUNK: usize = 64 * 1024;
/// Longest line that is waited for; the agent sends none that is longer than a record.
const HELD_MAX: usize = 16 * LINE_MAX;
/// Longest answer of one line: a status, or the papers with every version of a root document.
const ANSWER_MAX: u64 = 16 << 20;
/// The journal checks a file that broke before it writes.
const STATED_IN: Duration = Duration::from_secs(120);

/// Why there is no answer, or not the whole of it.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens, or not for long.
    #[error("no agent answers at {}: {source}", socket.display())]
    Nobody {
        /// Where it was asked.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The agent says why not.
    #[error("the agent says: {0}")]
    Told(String),
    /// The stream ended without its last line.
    #[error("the agent stopped in the middle of its answer, or did not wait for this program")]
    Cut,
    /// The last line contradicts what came before it.
    #[error("the agent sent {told} lines and {came} came")]
    Count {
        /// Lines, as the last one says.
        told: u64,
        /// Lines that came.
        came: u64,
    },
}

/// Asks for the status.
pub async fn status(runtime: &Path) -> Result<Status, Unanswered> {
    one(runtime, &Command::Status, SLOW).await
}

/// Has the certificate of the central link renewed; the wish, for one who carries it by hand.
pub async fn renew(runtime: &Path) -> Result<String, Unanswered> {
    one(runtime, &Command::Renew, KEEPER + SLOW).await
}

/// Hands over a certificate that was carried by hand; what becomes of it.
pub async fn certified(runtime: &Path, answer: String) -> Result<String, Unanswered> {
    one(runtime, &Command::Certificate(answer), KEEPER + SLOW).await
}

/// Has personal data erased.
pub async fn erase(runtime: &Path, demand: Demand) -> Result<Erased, Unanswered> {
    one(runtime, &Command::Erase(demand), 2 * SLOW).await
}

/// Has work recorded: the number of the record.
pub async fn work(runtime: &Path, done: Done) -> Result<u64, Unanswered> {
    one(runtime, &Command::Work(done), 2 * SLOW).await
}

/// Asks what a bundle of some records holds beside its lines.
pub async fn papers(runtime: &Path, range: Range) -> Result<Papers, Unanswered> {
    one(runtime, &Command::Papers(range), SLOW).await
}

/// Has a record written about an export or a backup. A disk that is busy may take its time.
pub async fn state(runtime: &Path, kind: Kind, data: Map<String, Value>) -> Result<Written, Unanswered> {
    one(runtime, &Command::State { kind: kind.as_str().to_owned(), data }, STATED_IN).await
}

/// Asks for lines, which are taken one piece at a time.
pub async fn lines(runtime: &Path, wanted: Wanted) -> Result<Lines, Unanswered> {
    let stream = ask_agent(runtime, &Command::Lines(wanted)).await;
    let stream = stream.map_err(|source| Unanswered::Nobody { socket: runtime.join(SOCKET), source })?;
    Ok(Lines { stream: BufReader::new(stream), held: Vec::new(), came: 0, last: None })
}

/// An answer of one line.
async fn one<T: DeserializeOwned>(runtime: &Path, command: &Command, limit: Duration) -> Result<T, Unanswered> {
    let nobody = |source| Unanswered::Nobody { socket: runtime.join(SOCKET), source };
    let mut text = String::new();
    let asked = async {
        let mut stream = ask_agent(runtime, command).await?.take(ANSWER_MAX);
        timeout(limit, stream.read_to_string(&mut text)).await?
    };
    asked.await.map_err(nobody)?;
    if !text.ends_with('\n') {
        return Err(Unanswered::Cut);
    }
    if let Ok(LastLine::Failed { error }) = serde_json::from_str(text.trim()) {
        return Err(Unanswered::Told(error));
    }
    serde_json::from_str(text.trim()).map_err(|error| nobody(io::Error::other(error)))
}

/// Lines on their way.
#[derive(Debug)]
pub struct Lines {
    stream: BufReader<UnixStream>,
    /// The last line that came, whole or not: only what follows tells a record from the end.
    held: Vec<u8>,
    came: u64,
    last: Option<u64>,
}

impl Lines {
    /// Some whole lines; `None` once all are there.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Unanswered> {
        loop {
            let mut chunk = vec![0; CHUNK];
            // A connection that was torn is as good as one that ended early.
            let n = self.stream.read(&mut chunk).await.unwrap_or(0);
            if n == 0 {
                return self.end().map(|()| None);
            }
            self.held.extend_from_slice(&chunk[..n]);
            let before_last = self.held[..self.held.len() - 1].iter().rposition(|byte| *byte == b'\n');
            if let Some(at) = before_last {
                let rest = self.held.split_off(at + 1);
                let whole = std::mem::replace(&mut self.held, rest);
                self.came += ends(&whole);
                return Ok(Some(whole));
            }
            if self.held.len() > HELD_MAX {
                return Err(Unanswered::Cut);
            }
        }
    }

    /// Number of the last line, once all are there.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    fn end(&mut self) -> Result<(), Unanswered> {
        let last = self.held.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
        match last {
            Some(LastLine::Whole { lines, last }) if lines == self.came => {
                self.last = Some(last);
                Ok(())
            }
            Some(LastLine::Whole { lines, .. }) => Err(Unanswered::Count { told: lines, came: self.came }),
            Some(LastLine::Failed { error }) => Err(Unanswered::Told(error)),
            None => Err(Unanswered::Cut),
        }
    }
}

async fn ask_agent(runtime: &Path, command: &Command) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(runtime.join(SOCKET)).await?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    Ok(stream)
}
