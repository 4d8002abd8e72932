//! Every path of the page: its method, what it asks of a request, what it gives.

use super::Limits;
use super::acknowledge::{self, Wish};
use super::admission::{Admission, Hosts, Token};
use super::answer::{self, Answer, Refusal};
use super::feed::{self, Snapshot, Viewer};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use picket_core::wire::Input;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

/// The gateway's clock and the process, beside a status that was fetched: what a beat tells in a live view.
const TIME: HeaderName = HeaderName::from_static("picket-time");
const START: HeaderName = HeaderName::from_static("picket-start");

/// One path.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) admission: Admission,
    pub(super) gives: Gives,
}

/// What a path gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// The page, with the token of this process.
    Shell,
    /// A part of the page: text and media type.
    Part(&'static str, &'static str),
    /// The last status.
    Status,
    /// The live view.
    Events,
    /// Takes an acknowledgement.
    Acknowledge,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them; anything else is refused.
pub(super) const ROUTES: &[Route] = &[
    get("/", Admission::Open, Gives::Shell),
    get("/app.js", Admission::Open, Gives::Part(include_str!("app.js"), SCRIPT)),
    get("/view.js", Admission::Open, Gives::Part(include_str!("view.js"), SCRIPT)),
    get("/words.js", Admission::Open, Gives::Part(include_str!("words.js"), SCRIPT)),
    get("/acknowledge.js", Admission::Open, Gives::Part(include_str!("acknowledge.js"), SCRIPT)),
    get("/app.css", Admission::Open, Gives::Part(include_str!("app.css"), "text/css; charset=utf-8")),
    get("/icon.svg", Admission::Open, Gives::Part(include_str!("icon.svg"), "image/svg+xml")),
    get("/api/v1/status", Admission::OwnPages, Gives::Status),
    get("/api/v1/events", Admission::OwnPages, Gives::Events),
    Route { path: "/api/v1/acknowledge", method: "POST", admission: Admission::Act, gives: Gives::Acknowledge },
];

const fn get(path: &'static str, admission: Admission, gives: Gives) -> Route {
    Route { path, method: "GET", admission, gives }
}

/// Who asks.
pub(super) struct Caller {
    /// The address of ours that was reached.
    pub(super) local: SocketAddr,
    /// The terminal.
    pub(super) peer: IpAddr,
    /// Live views the terminal may still open.
    pub(super) streams: Arc<Semaphore>,
}

/// Everything an answer is made from.
pub(super) struct Page {
    hosts: Hosts,
    token: Token,
    start: Arc<str>,
    shell: Bytes,
    snapshots: watch::Receiver<Snapshot>,
    acts: mpsc::Sender<Input>,
    streams: Arc<Semaphore>,
    limits: Limits,
}

impl Page {
    /// With the token of this process in its shell; `start` names the process and is no secret.
    pub(super) fn new(
        hosts: Hosts,
        [token, start]: [Token; 2],
        snapshots: watch::Receiver<Snapshot>,
        acts: mpsc::Sender<Input>,
        limits: Limits,
    ) -> Self {
        let start: Arc<str> = start.as_str().into();
        let shell = include_str!("page.html").replace("{token}", token.as_str()).replace("{start}", &start).into();
        Self { hosts, token, start, shell, snapshots, acts, streams: Arc::new(Semaphore::new(limits.streams)), limits }
    }

    /// The limits it keeps.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers one request; never later than [`Limits::request`], live views excepted.
    pub(super) async fn answer<B>(&self, caller: &Caller, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let given = timeout(self.limits.request, self.give(caller, request));
        given.await.unwrap_or(Err(Refusal::TooSlow)).unwrap_or_else(Refusal::answer)
    }

    async fn give<B>(&self, caller: &Caller, request: Request<B>) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let host = self.hosts.admit(&request, caller.local)?;
        let route = ROUTES.iter().find(|route| route.path == request.uri().path()).ok_or(Refusal::NoSuchPath)?;
        if request.method().as_str() != route.method {
            return Err(Refusal::Method(route.method));
        }
        route.admission.check(&host, request.headers())?;
        match route.gives {
            Gives::Shell => {
                Ok(answer::text(StatusCode::OK, "text/html; charset=utf-8", "no-store", self.shell.clone()))
            }
            Gives::Part(text, media) => Ok(answer::text(StatusCode::OK, media, "no-cache", text.into())),
            Gives::Status => Ok(self.status(caller)),
            Gives::Events => self.events(caller),
            Gives::Acknowledge => self.acknowledge(caller, request).await,
        }
    }

    fn status(&self, caller: &Caller) -> Answer {
        let snapshot = self.snapshots.borrow().clone();
        let mut answer =
            answer::text(StatusCode::OK, "application/json", "no-store", snapshot.json(Viewer::at(caller.peer)));
        if let Some(at_ms) = snapshot.now_ms() {
            answer.headers_mut().insert(TIME, HeaderValue::from(at_ms));
        }
        if let Ok(start) = HeaderValue::from_str(&self.start) {
            answer.headers_mut().insert(START, start);
        }
        answer
    }

    fn events(&self, caller: &Caller) -> Result<Answer, Refusal> {
        let place = |streams: &Arc<Semaphore>| Arc::clone(streams).try_acquire_owned().map_err(|_| Refusal::NoStream);
        let places = [place(&caller.streams)?, place(&self.streams)?];
        let viewer = Viewer::at(caller.peer);
        let view = feed::follow(viewer, self.snapshots.clone(), self.limits.beat, Arc::clone(&self.start), places);
        Ok(answer::stream("text/event-stream", view))
    }

    async fn acknowledge<B>(&self, caller: &Caller, request: Request<B>) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let most = self.limits.body;
        if request.body().size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
            return Err(Refusal::TooLarge);
        }
        let body = Limited::new(request.into_body(), most)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { Refusal::TooLarge } else { Refusal::Malformed })?;
        let wish = Wish::parse(&body.to_bytes())?;
        let act = wish.act(&self.token, &self.snapshots.borrow(), caller.peer)?;
        acknowledge::hand_on(&self.acts, act)?;
        let body = Bytes::from_static(b"{\"taken\":true}\n");
        Ok(answer::text(StatusCode::ACCEPTED, "application/json", "no-store", body))
    }
}
