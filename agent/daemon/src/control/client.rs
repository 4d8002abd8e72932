//! The asking side of the control socket: `picket status` and `picket export`. Takes no export for whole whose last line
//! does not say so.

use super::{Command, Demand, Erased, LastLine, PapersLine, SLOW, SOCKET, lines};
use crate::journal::bundle::{Papers, Part};
use picket_core::status::Status;
use picket_record::encode::LINE_MAX;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes taken from the agent at a time.
const CHUNK: usize = 64 * 1024;
/// Longest line that is waited for; the agent sends none that is longer than a record.
const HELD_MAX: usize = 16 * LINE_MAX;

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
    #[error("the agent stopped in the middle of the export, or did not wait for this program")]
    Cut,
    /// The last line contradicts what came before it.
    #[error("the agent sent {told} records and {came} came")]
    Count {
        /// Records, as the last line says.
        told: u64,
        /// Lines that came.
        came: u64,
    },
}

/// Asks for the status.
pub async fn status(runtime: &Path) -> Result<Status, Unanswered> {
    let nobody = |source| Unanswered::Nobody { socket: runtime.join(SOCKET), source };
    let asked = async {
        let mut stream = ask_agent(runtime, Command::Status).await?;
        let mut text = String::new();
        timeout(SLOW, stream.read_to_string(&mut text)).await??;
        serde_json::from_str(text.trim()).map_err(io::Error::other)
    };
    asked.await.map_err(nobody)
}

/// Has personal data erased.
pub async fn erase(runtime: &Path, demand: Demand) -> Result<Erased, Unanswered> {
    let nobody = |source| Unanswered::Nobody { socket: runtime.join(SOCKET), source };
    let asked = async {
        let mut stream = ask_agent(runtime, Command::Erase(demand)).await?;
        let mut text = String::new();
        timeout(2 * SLOW, stream.read_to_string(&mut text)).await??;
        serde_json::from_str(text.trim()).map_err(io::Error::other)
    };
    asked.await.map_err(nobody)
}

/// Asks for the records: papers at once, lines as they are taken.
pub async fn records(runtime: &Path) -> Result<(Papers, Records), Unanswered> {
    let nobody = |source| Unanswered::Nobody { socket: runtime.join(SOCKET), source };
    let mut head = String::new();
    let asked = async {
        let mut stream = BufReader::new(ask_agent(runtime, Command::Export).await?);
        timeout(SLOW, stream.read_line(&mut head)).await??;
        Ok(stream)
    };
    let stream = asked.await.map_err(nobody)?;
    if !head.ends_with('\n') {
        return Err(Unanswered::Cut);
    }
    if let Ok(LastLine::Failed { error }) = serde_json::from_str(head.trim()) {
        return Err(Unanswered::Told(error));
    }
    let papers: PapersLine = serde_json::from_str(head.trim()).map_err(|error| nobody(io::Error::other(error)))?;
    let PapersLine { receipts, acceptance, identity } = papers;
    Ok((Papers { receipts, acceptance, identity }, Records { stream, held: Vec::new(), came: 0 }))
}

/// Asks for another part of an export.
pub async fn part(runtime: &Path, part: Part) -> Result<Records, Unanswered> {
    let command = match part {
        Part::Records => Command::Export,
        Part::Branches => Command::Branches,
        Part::Summaries => Command::Summaries,
        Part::Sidecar => Command::Sidecar,
    };
    let stream = ask_agent(runtime, command).await;
    let stream = stream.map_err(|source| Unanswered::Nobody { socket: runtime.join(SOCKET), source })?;
    Ok(Records { stream: BufReader::new(stream), held: Vec::new(), came: 0 })
}

/// Record lines on their way.
#[derive(Debug)]
pub struct Records {
    stream: BufReader<UnixStream>,
    /// The last line that came, whole or not: only what follows tells a record from the end.
    held: Vec<u8>,
    came: u64,
}

impl Records {
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
                self.came += lines(&whole);
                return Ok(Some(whole));
            }
            if self.held.len() > HELD_MAX {
                return Err(Unanswered::Cut);
            }
        }
    }

    fn end(&self) -> Result<(), Unanswered> {
        let last = self.held.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
        match last {
            Some(LastLine::Whole { records, .. }) if records == self.came => Ok(()),
            Some(LastLine::Whole { records, .. }) => Err(Unanswered::Count { told: records, came: self.came }),
            Some(LastLine::Failed { error }) => Err(Unanswered::Told(error)),
            None => Err(Unanswered::Cut),
        }
    }
}

async fn ask_agent(runtime: &Path, command: Command) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(runtime.join(SOCKET)).await?;
    let mut line = serde_json::to_string(&command)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    Ok(stream)
}
