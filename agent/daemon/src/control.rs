//! The control socket: `picket status` and `picket export` ask the running agent, because one connection owns the
//! database. One request per connection, one JSON line each way; an export is answered with the records themselves.

use crate::journal::bundle::Papers;
use crate::journal::thread::Request;
use picket_core::status::Status;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Name of the socket in the runtime folder.
pub const SOCKET: &str = "control.sock";
/// Longest request line.
const REQUEST_MAX: u64 = 1_024;
/// A client that does not take its answer for so long is dropped.
const SLOW: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// The status snapshot.
    Status,
    /// Papers, then every record.
    Export,
}

/// Makes the socket, 0600; one that a killed agent left is removed.
pub fn bind(runtime: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(runtime)?;
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
pub async fn serve(listener: UnixListener, status: watch::Receiver<Arc<Status>>, journal: mpsc::Sender<Request>) {
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
        if let Err(error) = answer(stream, &status, &journal).await {
            tracing::debug!(%error, "a control client went away");
        }
    }
}

async fn answer(
    stream: UnixStream,
    status: &watch::Receiver<Arc<Status>>,
    journal: &mpsc::Sender<Request>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    timeout(SLOW, BufReader::new(read.take(REQUEST_MAX)).read_line(&mut line)).await??;
    match serde_json::from_str::<Command>(line.trim()) {
        Ok(Command::Status) => {
            let status = Arc::clone(&status.borrow());
            let mut text = serde_json::to_string(&*status)?;
            text.push('\n');
            timeout(SLOW, write.write_all(text.as_bytes())).await??;
        }
        Ok(Command::Export) => export(&mut write, journal).await?,
        Err(_) => timeout(SLOW, write.write_all(b"{\"error\":\"unknown command\"}\n")).await??,
    }
    timeout(SLOW, write.shutdown()).await?
}

async fn export(write: &mut (impl AsyncWriteExt + Unpin), journal: &mpsc::Sender<Request>) -> io::Result<()> {
    let (reply, papers) = oneshot::channel();
    ask(journal, Request::Papers { reply }).await?;
    let papers = papers.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
    let mut head = serde_json::to_string(&PapersLine::from(papers))?;
    head.push('\n');
    timeout(SLOW, write.write_all(head.as_bytes())).await??;
    let mut after = None;
    loop {
        let (reply, slice) = oneshot::channel();
        ask(journal, Request::Slice { after, reply }).await?;
        let Some((last, text)) = slice.await.map_err(io::Error::other)?.map_err(io::Error::other)? else {
            return Ok(());
        };
        timeout(SLOW, write.write_all(&text)).await??;
        after = Some(last);
    }
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

/// The client's side: asks for the status.
pub async fn status(runtime: &Path) -> io::Result<Status> {
    let mut stream = ask_agent(runtime, Command::Status).await?;
    let mut text = String::new();
    timeout(SLOW, stream.read_to_string(&mut text)).await??;
    serde_json::from_str(text.trim()).map_err(io::Error::other)
}

/// The client's side: papers, and a stream of record lines.
pub async fn records(runtime: &Path) -> io::Result<(Papers, BufReader<UnixStream>)> {
    let mut stream = BufReader::new(ask_agent(runtime, Command::Export).await?);
    let mut head = String::new();
    timeout(SLOW, stream.read_line(&mut head)).await??;
    let papers: PapersLine = serde_json::from_str(head.trim()).map_err(io::Error::other)?;
    let PapersLine { receipts, acceptance, identity } = papers;
    Ok((Papers { receipts, acceptance, identity }, stream))
}

async fn ask_agent(runtime: &Path, command: Command) -> io::Result<UnixStream> {
    let path: PathBuf = runtime.join(SOCKET);
    let mut stream = UnixStream::connect(&path).await?;
    let mut line = serde_json::to_string(&command)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    Ok(stream)
}
