//! The control socket: `picket status`, `picket export`, `picket backup` and `picket erase` ask the running agent, because
//! one connection owns the database. One request per connection, one JSON line each way; lines of a bundle are answered with the lines
//! themselves and a last line that says whether they are whole.

mod client;
mod erase;
mod work;

pub use client::{Lines, Unanswered, certified, erase, lines, papers, renew, state, status, work};
pub use erase::{Demand, Erased};
pub use work::Done;

use crate::certificate::Asked;
use crate::journal::bundle::{Range, Wanted};
use crate::journal::seal::Written;
use crate::journal::thread::Request;
use futures_util::stream::{FuturesUnordered, StreamExt};
use picket_core::sensitivity::{Channel, Sensitivity};
use picket_core::status::Status;
use picket_core::wire::Act;
use picket_record::encode::LINE_MAX;
use picket_record::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Name of the socket in the runtime folder.
pub const SOCKET: &str = "control.sock";
/// Longest request line: the data of a record or a signed line, and what is around it.
const REQUEST_MAX: u64 = 16 * 1_024;
const _: () = assert!(LINE_MAX as u64 + 1_024 <= REQUEST_MAX);
/// The keeper of the certificate may be in the middle of a test connection.
const KEEPER: Duration = Duration::from_secs(60);
/// A client that does not take its answer for so long is dropped.
const SLOW: Duration = Duration::from_secs(10);
/// Clients at a time: an installer who looks at the status while an export and a backup run, never a crowd.
const CLIENTS: usize = 4;
/// Statements on their way to the clock: one of each client.
pub const STATEMENTS: usize = CLIENTS;
/// Acts on their way to the decisions: one of each client.
pub const ERRANDS: usize = CLIENTS;
/// Wishes on their way to the keeper of the certificate: one of each client.
pub const ASKS: usize = CLIENTS;

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// The status snapshot.
    Status,
    /// What a bundle of these records holds beside its lines.
    Papers(Range),
    /// Lines of a bundle, and how it ended.
    Lines(Wanted),
    /// A record about what was made of them: an export or a backup.
    State {
        /// Its kind.
        kind: String,
        /// What it says.
        data: Map<String, Value>,
    },
    /// Erase personal data: one line says what came of it.
    Erase(Demand),
    /// Work was done on equipment: the number of the record that says so.
    Work(Done),
    /// Another certificate for the central link; the wish for it.
    Renew,
    /// A certificate that was carried here by hand.
    Certificate(String),
}

/// A record that a client asks for, on its way to whoever holds the clock.
#[derive(Debug)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub data: Map<String, Value>,
    /// The record.
    pub reply: oneshot::Sender<Result<Written, String>>,
}

/// An act that a client waits for, on its way to the decisions.
#[derive(Debug)]
pub struct Errand {
    /// The act.
    pub act: Act,
    /// The number of its record, once that is stored; or why there is none.
    pub reply: oneshot::Sender<Result<u64, String>>,
}

/// Where requests are answered.
#[derive(Debug, Clone)]
pub struct Answering {
    /// What the site shows.
    pub status: watch::Receiver<Arc<Status>>,
    /// Reads.
    pub journal: mpsc::Sender<Request>,
    /// Gives the moment of a record.
    pub clock: mpsc::Sender<Statement>,
    /// Takes acts to the decisions.
    pub errands: mpsc::Sender<Errand>,
    /// What a status may show.
    pub sensitivity: Sensitivity,
    /// Keeps the certificate of the central link; closed where nobody does.
    pub keeper: mpsc::Sender<Asked>,
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

/// Serves a few clients at a time.
pub async fn serve(listener: UnixListener, answering: Answering) {
    let mut open = FuturesUnordered::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if open.len() < CLIENTS => accepted,
            Some(()) = open.next(), if !open.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => open.push(async {
                if let Err(error) = answer(stream, &answering).await {
                    tracing::debug!(%error, "a control client went away");
                }
            }),
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed meanwhile.
                tracing::warn!(%error, "the control socket does not accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, answering: &Answering) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut asked = String::new();
    timeout(SLOW, BufReader::new(read.take(REQUEST_MAX)).read_line(&mut asked)).await??;
    match serde_json::from_str::<Command>(asked.trim()) {
        Ok(Command::Status) => {
            let status = answering.status.borrow().on(Channel::Status, &answering.sensitivity);
            line(&mut write, &status).await?;
        }
        Ok(Command::Papers(range)) => {
            let (reply, papers) = oneshot::channel();
            ask(&answering.journal, Request::Papers { range, reply }).await?;
            told(&mut write, papers.await.map_err(io::Error::other)?).await?;
        }
        Ok(Command::Lines(wanted)) => lines_of(&mut write, &answering.journal, wanted).await?,
        Ok(Command::State { kind, data }) => {
            let stated = stated(answering, &kind, data).await?;
            told(&mut write, stated).await?;
        }
        Ok(Command::Erase(demand)) => {
            let erased = erase::erase(demand, answering).await;
            told(&mut write, erased).await?;
        }
        Ok(Command::Work(done)) => {
            let recorded = work::work(&done, answering).await;
            told(&mut write, recorded).await?;
        }
        Ok(Command::Renew) => {
            let (reply, said) = oneshot::channel();
            told(&mut write, kept(&answering.keeper, Asked::Renew { reply }, said).await).await?;
        }
        Ok(Command::Certificate(answer)) => {
            let (reply, said) = oneshot::channel();
            told(&mut write, kept(&answering.keeper, Asked::Answer { line: answer, reply }, said).await).await?;
        }
        Err(_) => timeout(SLOW, write.write_all(b"{\"error\":\"unknown command\"}\n")).await??,
    }
    timeout(SLOW, write.shutdown()).await?
}

/// What the keeper of the certificate says.
async fn kept(
    keeper: &mpsc::Sender<Asked>,
    asked: Asked,
    said: oneshot::Receiver<Result<String, String>>,
) -> Result<String, String> {
    const NOBODY: &str = "the central link has no certificate here: [central] is without tls = true";
    const BUSY: &str = "a test connection takes its time; ask again";
    keeper.try_send(asked).map_err(|refused| match refused {
        TrySendError::Full(_) => BUSY,
        TrySendError::Closed(_) => NOBODY,
    })?;
    let said = timeout(KEEPER, said).await.map_err(|_| BUSY)?;
    said.map_err(|_| NOBODY)?
}

/// Only what is made of records is stated on request: nothing about the site comes in through this socket.
async fn stated(answering: &Answering, kind: &str, data: Map<String, Value>) -> io::Result<Result<Written, String>> {
    let kind = match Kind::parse(kind) {
        Some(kind @ (Kind::RecordsExported | Kind::RecordsBackedUp)) => kind,
        _ => return Ok(Err(format!("{kind} is not stated on request"))),
    };
    let (reply, written) = oneshot::channel();
    let statement = Statement { kind, data, reply };
    answering.clock.send(statement).await.map_err(|_| io::Error::other("the agent stops"))?;
    Ok(written.await.unwrap_or_else(|_| Err("the journal does not answer".to_owned())))
}

async fn told(write: &mut (impl AsyncWriteExt + Unpin), answer: Result<impl Serialize, String>) -> io::Result<()> {
    match answer {
        Ok(answer) => line(write, &answer).await,
        Err(error) => line(write, &LastLine::Failed { error }).await,
    }
}

async fn lines_of(
    write: &mut (impl AsyncWriteExt + Unpin),
    journal: &mpsc::Sender<Request>,
    mut wanted: Wanted,
) -> io::Result<()> {
    let mut count = 0;
    loop {
        let (reply, slice) = oneshot::channel();
        ask(journal, Request::Slice { wanted, reply }).await?;
        let (last, text) = match slice.await.map_err(io::Error::other)? {
            Ok(Some(slice)) => slice,
            Ok(None) => return line(write, &LastLine::Whole { lines: count, last: wanted.after }).await,
            Err(error) => return line(write, &LastLine::Failed { error }).await,
        };
        timeout(SLOW, write.write_all(&text)).await??;
        count += ends(&text);
        wanted.after = last;
    }
}

async fn line(write: &mut (impl AsyncWriteExt + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    timeout(SLOW, write.write_all(text.as_bytes())).await?
}

/// Ends of lines, counted alike by both sides, whatever damage has made of a record.
fn ends(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Hands an act to the decisions, and waits for its record.
async fn recorded(act: Act, errands: &mpsc::Sender<Errand>) -> Result<u64, String> {
    const LATE: &str =
        "the journal has not stored it in time: look at picket status, then at the records, and ask again";
    let (reply, said) = oneshot::channel();
    errands.send(Errand { act, reply }).await.map_err(|_| STOPPING)?;
    timeout(SLOW, said).await.map_err(|_| LATE)?.map_err(|_| STOPPING)?
}

const STOPPING: &str = "the agent is stopping";

/// Waits for room: exports may wait, the requests of `think` may not.
async fn ask(journal: &mpsc::Sender<Request>, request: Request) -> io::Result<()> {
    journal.send(request).await.map_err(|_| io::Error::other("the journal has stopped"))
}

/// The last line of a part. No line of a part begins with a brace.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum LastLine {
    /// Nothing is missing.
    Whole {
        /// Lines before it.
        lines: u64,
        /// Number of the last one.
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
