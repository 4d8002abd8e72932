//! The live view: each status made into text once, and the stream of events each browser follows.
//!
//! A slow browser skips snapshots and gets the newest; it never makes the agent wait or remember.

use futures_util::Stream;
use hyper::body::Bytes;
use picket_core::sensitivity::{Channel, Sensitivity};
use picket_core::status::{AlarmStatus, Status};
use picket_core::wire::Occurrence;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

/// One status as it travels. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    status: Arc<Status>,
    heard: Instant,
    /// To guards, and to whoever looks from another machine.
    faces: [Face; 2],
}

/// What one kind of viewer gets.
#[derive(Debug, Clone)]
struct Face {
    event: Bytes,
    json: Bytes,
}

impl Face {
    fn new(status: &Status) -> Self {
        let json = serde_json::to_string(status).expect("a status has text keys only");
        let head = format!("event: status\nid: {}\ndata: ", status.revision);
        let event = Bytes::from(format!("{head}{json}\n\n"));
        let json = event.slice(head.len()..head.len() + json.len());
        Self { event, json }
    }
}

/// Who looks. Nobody is logged in: the gateway's own screen, or a proxy there that knows its users, is the guards'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewer {
    /// From the gateway itself.
    Guard,
    /// From another machine.
    Stranger,
}

impl Viewer {
    /// By the address that asks.
    pub(super) fn at(peer: IpAddr) -> Self {
        if peer.to_canonical().is_loopback() { Self::Guard } else { Self::Stranger }
    }
}

impl Snapshot {
    pub(super) fn new(status: Arc<Status>, sensitivity: &Sensitivity) -> Self {
        let shown = [Channel::Guard, Channel::Page].map(|channel| status.on(channel, sensitivity));
        let guard = Face::new(&shown[0]);
        let stranger = if shown[0] == shown[1] { guard.clone() } else { Face::new(&shown[1]) };
        Self { status, heard: Instant::now(), faces: [guard, stranger] }
    }

    fn face(&self, viewer: Viewer) -> &Face {
        match viewer {
            Viewer::Guard => &self.faces[0],
            Viewer::Stranger => &self.faces[1],
        }
    }

    /// As JSON.
    pub(super) fn json(&self, viewer: Viewer) -> Bytes {
        self.face(viewer).json.clone()
    }

    /// The newest occurrence of the open alarm with this id.
    pub(super) fn occurrence(&self, id: &str) -> Option<Occurrence> {
        self.status.alarms.iter().find(|alarm| alarm.id == id).map(AlarmStatus::occurrence)
    }

    /// The gateway's clock: that of the status, carried on. Milliseconds since 1970 UTC; `None` = never set.
    pub(super) fn now_ms(&self) -> Option<i64> {
        let since = i64::try_from(self.heard.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.status.at_ms.map(|at| at.saturating_add(since))
    }
}

/// Turns statuses into snapshots.
pub(super) struct Feed {
    out: watch::Sender<Snapshot>,
    pace: Duration,
    sensitivity: Sensitivity,
}

impl Feed {
    /// With the status of this moment as the first snapshot.
    pub(super) fn open(
        status: &mut watch::Receiver<Arc<Status>>,
        pace: Duration,
        sensitivity: Sensitivity,
    ) -> (Self, watch::Receiver<Snapshot>) {
        let (out, snapshots) = watch::channel(Snapshot::new(Arc::clone(&status.borrow_and_update()), &sensitivity));
        (Self { out, pace, sensitivity }, snapshots)
    }

    /// Runs until the status channel is closed; then every live view ends.
    pub(super) async fn forward(self, mut status: watch::Receiver<Arc<Status>>) {
        while status.changed().await.is_ok() {
            let newest = Arc::clone(&status.borrow_and_update());
            self.out.send_replace(Snapshot::new(newest, &self.sensitivity));
            sleep(self.pace).await;
        }
    }
}

/// One browser's live view.
struct View {
    viewer: Viewer,
    snapshots: watch::Receiver<Snapshot>,
    beat: Interval,
    start: Arc<str>,
    _places: [OwnedSemaphorePermit; 2],
}

/// `status` at once and with every change, `beat` at once and every `beat`: `{"at_ms":..,"start":".."}`, where `start`
/// names the process, so that a page from before a restart fetches itself anew.
pub(super) fn follow(
    viewer: Viewer,
    mut snapshots: watch::Receiver<Snapshot>,
    beat: Duration,
    start: Arc<str>,
    places: [OwnedSemaphorePermit; 2],
) -> impl Stream<Item = Bytes> + Send + 'static {
    snapshots.mark_changed();
    let mut beat = interval(beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    futures_util::stream::unfold(View { viewer, snapshots, beat, start, _places: places }, |mut view| async {
        Some((view.next().await?, view))
    })
}

impl View {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            changed = self.snapshots.changed() => {
                changed.ok()?;
                Some(self.snapshots.borrow_and_update().face(self.viewer).event.clone())
            }
            _ = self.beat.tick() => {
                let at = self.snapshots.borrow().now_ms().map_or("null".to_owned(), |at| at.to_string());
                Some(format!("event: beat\ndata: {{\"at_ms\":{at},\"start\":\"{}\"}}\n\n", self.start).into())
            }
        }
    }
}
