//! The guards' page from outside: its live view followed as a browser does, an alarm acknowledged as a guard does.

use crate::failure::{Doing, Failure};
use serde_json::{Value, json};
use simulator::clock::Clock;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Pause before a page that does not answer is asked again: the agent may be down on purpose.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for one plain answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest chunk of a live view that is taken.
const MOST_CHUNK: usize = 4 * 1024 * 1024;

/// What the live view has shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The last status; null while the page is away.
    pub(crate) status: Value,
    /// When an alarm or a nonconformity was first shown, by id, its beginning, and how often it had come since.
    first: BTreeMap<(String, i64, u64), i64>,
}

impl View {
    /// First time at or after a moment that this was shown as new.
    pub(crate) fn shown(&self, id: &str, after_ms: i64) -> Option<i64> {
        let times = self.first.range((id.to_owned(), i64::MIN, 0)..=(id.to_owned(), i64::MAX, u64::MAX));
        times.map(|(_, at)| *at).find(|at| *at >= after_ms)
    }

    /// Entries of a list of the status.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.status.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, status: Value, at_ms: i64) {
        self.status = status;
        let mut shown = Vec::new();
        for open in self.list("alarms").iter().chain(self.list("nonconformities")) {
            let id = open["id"].as_str().unwrap_or_default().to_owned();
            shown.push((id, open["since_ms"].as_i64().unwrap_or(0), open["times"].as_u64().unwrap_or(0)));
        }
        for key in shown {
            self.first.entry(key).or_insert(at_ms);
        }
    }
}

/// The page, followed for as long as this lives.
#[derive(Debug)]
pub(crate) struct Page {
    address: SocketAddr,
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Page {
    /// Begins to follow; the page may come and go.
    pub(crate) fn follow(address: SocketAddr, clock: Clock) -> Self {
        let (sender, view) = watch::channel(View::default());
        let task = tokio::spawn(async move {
            loop {
                // How a view ends does not matter: it is opened again.
                let _ = live(address, clock, &sender).await;
                sender.send_modify(|view| view.status = Value::Null);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { address, view, task }
    }

    /// Address for people.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits until the view is as wanted; what was asked of it, or nothing after so long.
    pub(crate) async fn until<T>(&self, within: Duration, wanted: impl Fn(&View) -> Option<T>) -> Option<T> {
        let mut view = self.view.clone();
        let found = async {
            let held = view.wait_for(|view| wanted(view).is_some()).await.ok()?;
            wanted(&held)
        };
        tokio::time::timeout(within, found).await.ok().flatten()
    }

    /// Acknowledges an alarm as the page's own script does: with the token that the page carries.
    pub(crate) async fn acknowledge(&self, alarm: &str, by: &str, note: &str) -> Result<(), Failure> {
        let what = format!("acknowledging {alarm} on the page");
        let host = self.address;
        let page = ask(host, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        let page = page.doing(what.clone())?;
        let token = page.split("name=\"picket-token\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.ok_or_else(|| Failure::new(format!("{what}: the page carries no token")))?;
        let shown = self.view.borrow().list("alarms").iter().find(|open| open["id"] == alarm).cloned();
        let shown = shown.ok_or_else(|| Failure::new(format!("{what}: the page does not show it")))?;
        let (times, since_ms) = (&shown["times"], &shown["since_ms"]);
        let wish =
            json!({ "alarm": alarm, "times": times, "since_ms": since_ms, "by": by, "note": note, "token": token });
        let body = wish.to_string();
        let length = body.len();
        let request = format!(
            "POST /api/v1/acknowledge HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: \
             application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let answer = ask(host, &request).await.doing(what.clone())?;
        if answer.starts_with("HTTP/1.1 202") {
            return Ok(());
        }
        Err(Failure::new(format!("{what}: {}", answer.lines().next().unwrap_or_default())))
    }
}

async fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|late| Err(late.into()))
}

/// One live view, until it ends. Events come in chunks (RFC 9112, section 7.1), their text in lines (HTML, server-sent
/// events).
async fn live(address: SocketAddr, clock: Clock, view: &watch::Sender<View>) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
    }
    let mut text = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        if size == 0 || size > MOST_CHUNK {
            return Ok(());
        }
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await?;
        text.push_str(&String::from_utf8_lossy(&chunk[..size]));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let at_ms = clock.wall_ms();
            if let Some(status) = status_of(event) {
                view.send_modify(|view| view.take(status, at_ms));
            }
            text = rest.to_owned();
        }
    }
}

fn status_of(event: &str) -> Option<Value> {
    event.lines().find(|line| *line == "event: status")?;
    let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(since_ms: i64, times: u64) -> Value {
        let alarm = json!({ "id": "door-forced/D", "since_ms": since_ms, "times": times });
        json!({ "alarms": [alarm], "nonconformities": [{ "id": "x/Y" }] })
    }

    #[test]
    fn an_alarm_that_comes_again_is_shown_anew_whether_it_was_closed_or_not() {
        let mut view = View::default();
        for (at_ms, since_ms, times) in [(100, 90, 1), (200, 90, 1), (300, 90, 2), (400, 390, 1)] {
            view.take(status(since_ms, times), at_ms);
        }
        assert_eq!(view.shown("door-forced/D", 50), Some(100));
        assert_eq!(view.shown("door-forced/D", 150), Some(300));
        assert_eq!(view.shown("door-forced/D", 350), Some(400));
        assert_eq!(view.shown("x/Y", 150), None);
    }

    #[test]
    fn only_a_status_is_taken_from_the_events() {
        assert_eq!(status_of("event: beat\ndata: {}"), None);
        assert_eq!(status_of("event: status\nid: 7\ndata: {\"revision\":7}"), Some(json!({ "revision": 7 })));
    }
}
