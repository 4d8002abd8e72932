//! The live view: each status made into text once, and the stream of events each browser follows.
//!
//! A slow browser skips snapshots and gets the newest; it never makes the agent wait or remember.

use futures_util::Stream;
use hyper::body::Bytes;
use picket_core::status::{AlarmStatus, Status};
use picket_core::wire::Occurrence;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

/// One status as it travels. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    status: Arc<Status>,
    heard: Instant,
    event: Bytes,
    json: Bytes,
}

impl Snapshot {
    fn new(status: Arc<Status>) -> Self {
        let json = serde_json::to_string(&*status).expect("a status has text keys only");
        let head = format!("event: status\nid: {}\ndata: ", status.revision);
        let event = Bytes::from(format!("{head}{json}\n\n"));
        let json = event.slice(head.len()..head.len() + json.len());
        Self { status, heard: Instant::now(), event, json }
    }

    /// As JSON.
    pub(super) fn json(&self) -> Bytes {
        self.json.clone()
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
}

impl Feed {
    /// With the status of this moment as the first snapshot.
    pub(super) fn open(status: &mut watch::Receiver<Arc<Status>>, pace: Duration) -> (Self, watch::Receiver<Snapshot>) {
        let (out, snapshots) = watch::channel(Snapshot::new(Arc::clone(&status.borrow_and_update())));
        (Self { out, pace }, snapshots)
    }

    /// Runs until the status channel is closed; then every live view ends.
    pub(super) async fn forward(self, mut status: watch::Receiver<Arc<Status>>) {
        while status.changed().await.is_ok() {
            let newest = Arc::clone(&status.borrow_and_update());
            self.out.send_replace(Snapshot::new(newest));
            sleep(self.pace).await;
        }
    }
}

/// One browser's live view.
struct View {
    snapshots: watch::Receiver<Snapshot>,
    beat: Interval,
    start: Arc<str>,
    _places: [OwnedSemaphorePermit; 2],
}

/// `status` at once and with every change, `beat` at once and every `beat`: `{"at_ms":..,"start":".."}`, where `start`
/// names the process, so that a page from before a restart fetches itself anew.
pub(super) fn follow(
    mut snapshots: watch::Receiver<Snapshot>,
    beat: Duration,
    start: Arc<str>,
    places: [OwnedSemaphorePermit; 2],
) -> impl Stream<Item = Bytes> + Send + 'static {
    snapshots.mark_changed();
    let mut beat = interval(beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    futures_util::stream::unfold(View { snapshots, beat, start, _places: places }, |mut view| async {
        Some((view.next().await?, view))
    })
}

impl View {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            changed = self.snapshots.changed() => {
                changed.ok()?;
                Some(self.snapshots.borrow_and_update().event.clone())
            }
            _ = self.beat.tick() => {
                let at = self.snapshots.borrow().now_ms().map_or("null".to_owned(), |at| at.to_string());
                Some(format!("event: beat\ndata: {{\"at_ms\":{at},\"start\":\"{}\"}}\n\n", self.start).into())
            }
        }
    }
}
