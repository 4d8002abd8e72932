//! The control socket: `picket status`, `picket export` and `picket erase` ask the running agent, because one connection owns the
//! database. One request per connection, one JSON line each way; an export is answered with the papers, the records
//! themselves and a last line that says whether they are whole.

mod client;
mod erase;

pub use client::{Records, Unanswered, erase, part, records, status};
pub use erase::{Demand, Erased};

use crate::journal::bundle::{Papers, Part};
use crate::journal::thread::Request;
use picket_core::sensitivity::{Channel, Sensitivity};
use picket_core::status::Status;
use picket_core::wire::Input;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Name of the socket in the runtime folder.
pub const SOCKET: &str = "control.sock";
/// Longest request line.
const REQUEST_MAX: u64 = 8_192;
/// A client that does not take its answer for so long is dropped.
const SLOW: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// The status snapshot.
    Status,
    /// Papers, every record, and how it ended.
    Export,
    /// Every line of the branches that were left, and how it ended.
    Branches,
    /// Every summary that outlived its records, and how it ended.
    Summaries,
    /// What is disclosed beside the records of the export before, and how it ended.
    Sidecar,
    /// Erase personal data: one line says what came of it.
    Erase(Demand),
}

/// What commands need beside the journal.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Where acts go.
    pub acts: mpsc::Sender<Input>,
    /// What a status may show.
    pub sensitivity: Sensitivity,
}

/// Makes the socket, 0600; one that a killed agent left is removed. Between its making and its mode the umask of the
/// program keeps others out.
pub fn bind(runtime: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(runtime)?;
    let path = runtime.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves one client after the other: an installer or a script, never a crowd.
pub async fn serve(
    listener: UnixListener,
    status: watch::Receiver<Arc<Status>>,
    journal: mpsc::Sender<Request>,
    desk: Desk,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed meanwhile.
                tracing::warn!(%error, "the control socket does not accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if let Err(error) = answer(stream, &status, &journal, &desk).await {
            tracing::debug!(%error, "a control client went away");
        }
    }
}

async fn answer(
    stream: UnixStream,
    status: &watch::Receiver<Arc<Status>>,
    journal: &mpsc::Sender<Request>,
    desk: &Desk,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut asked = String::new();
    timeout(SLOW, BufReader::new(read.take(REQUEST_MAX)).read_line(&mut asked)).await??;
    match serde_json::from_str::<Command>(asked.trim()) {
        Ok(Command::Status) => {
            let status = status.borrow().on(Channel::Status, &desk.sensitivity);
            line(&mut write, &status).await?;
        }
        Ok(Command::Export) => export(&mut write, journal).await?,
        Ok(Command::Branches) => lines_of(&mut write, journal, Part::Branches).await?,
        Ok(Command::Summaries) => lines_of(&mut write, journal, Part::Summaries).await?,
        Ok(Command::Sidecar) => lines_of(&mut write, journal, Part::Sidecar).await?,
        Ok(Command::Erase(demand)) => erase::erase(&mut write, demand, (status, journal, &desk.acts)).await?,
        Err(_) => timeout(SLOW, write.write_all(b"{\"error\":\"unknown command\"}\n")).await??,
    }
    timeout(SLOW, write.shutdown()).await?
}

/// Papers, records, and a last line that says how it ended: without one nobody takes what came for the whole.
async fn export(write: &mut (impl AsyncWriteExt + Unpin), journal: &mpsc::Sender<Request>) -> io::Result<()> {
    let (reply, papers) = oneshot::channel();
    ask(journal, Request::Papers { reply }).await?;
    let papers = match papers.await.map_err(io::Error::other)? {
        Ok(papers) => papers,
        Err(error) => return line(write, &LastLine::Failed { error }).await,
    };
    line(write, &PapersLine::from(papers)).await?;
    lines_of(write, journal, Part::Records).await
}

async fn lines_of(
    write: &mut (impl AsyncWriteExt + Unpin),
    journal: &mpsc::Sender<Request>,
    part: Part,
) -> io::Result<()> {
    let (mut after, mut records) = (None, 0);
    loop {
        let (reply, slice) = oneshot::channel();
        ask(journal, Request::Slice { part, after, reply }).await?;
        let (last, text) = match slice.await.map_err(io::Error::other)? {
            Ok(Some(slice)) => slice,
            Ok(None) => return line(write, &LastLine::Whole { records, last: after.unwrap_or(0) }).await,
            Err(error) => return line(write, &LastLine::Failed { error }).await,
        };
        timeout(SLOW, write.write_all(&text)).await??;
        records += lines(&text);
        after = Some(last);
    }
}

async fn line(write: &mut (impl AsyncWriteExt + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    timeout(SLOW, write.write_all(text.as_bytes())).await?
}

/// Ends of lines, counted alike by both sides, whatever damage has made of a record.
fn lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Waits for room: exports may wait, the requests of `think` may not.
async fn ask(journal: &mpsc::Sender<Request>, request: Request) -> io::Result<()> {
    journal.send(request).await.map_err(|_| io::Error::other("the journal has stopped"))
}

#[derive(Debug, Serialize, Deserialize)]
struct PapersLine {
    receipts: String,
    acceptance: String,
    identity: String,
}

impl From<Papers> for PapersLine {
    fn from(papers: Papers) -> Self {
        Self { receipts: papers.receipts, acceptance: papers.acceptance, identity: papers.identity }
    }
}

/// The last line of an export. No record line begins with a brace.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum LastLine {
    /// Nothing is missing.
    Whole {
        /// Lines before it, papers not counted.
        records: u64,
        /// Number of the last record.
        last: u64,
    },
    /// What came is not the whole, or nothing came.
    Failed {
        /// Why.
        error: String,
    },
}

#[cfg(test)]
mod tests;
