//! `picket-central run`: the sessions, the checkers and the worker, and what ends with which.

use crate::existing;
use picket_central::check::Desk;
use picket_central::clock::Clock;
use picket_central::enrol;
use picket_central::ingest::Ingest;
use picket_central::link::{Heard, Lane, QUEUE, Session};
use picket_central::settings::Settings;
use picket_central::store::StoreError;
use picket_central::work::Worker;
use std::error::Error;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Threads that verify signatures, on machines with more cores than one gateway's disk could ever feed.
const CHECKERS_MAX: usize = 16;

pub(crate) fn run(config: &Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(config)?;
    if let Some(why) =
        picket_session::memory::swap("systemd/picket-central.service", |path| std::fs::read_to_string(path))
    {
        tracing::warn!("{why}");
    }
    let custody = existing(&settings.dir)?;
    custody.settle()?;
    let sms = custody.sms()?;
    let client = settings.client.unwrap_or_else(|| sms.as_str().to_owned());
    let roots = custody.roots()?;
    let ingest = Ingest::open(&custody.store(), sms, custody.receipt_key()?)?.with_roots(roots);
    let ingest = ingest.with_certifier(enrol::certifier(&custody)?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut sessions = JoinSet::new();
        let mut lane = |lane| {
            let (to, from) = mpsc::channel(QUEUE);
            let session = Session { lane, client: client.clone(), broker: settings.broker.clone() };
            sessions.spawn(session.run(to));
            from
        };
        let (urgent, record) = (lane(Lane::Urgent), lane(Lane::Record));
        let (stop, stopped) = watch::channel(false);
        let desk = Desk::default();
        // Without any, the worker would wait for ever.
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(CHECKERS_MAX);
        let mut checkers = JoinSet::new();
        for _ in 0..cores {
            let desk = desk.clone();
            checkers.spawn_blocking(move || desk.serve());
        }
        let _close = Closing(desk.clone());
        let mut worker = tokio::task::spawn_blocking(move || work(ingest, desk, urgent, record, stopped));
        tokio::select! {
            biased;
            // A fault of the store first: the sessions end because of it.
            ended = &mut worker => return Ok(ended??),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Some(ended) = checkers.join_next() => {
                stop.send_replace(true);
                worker.await??;
                return Err(ended.err().map_or("a checker of signatures ended".into(), Into::into));
            }
            Some(ended) = sessions.join_next() => {
                ended?;
                // A session ends only when the worker is gone, so this is why.
                worker.await??;
                return Err("a session with the broker ended".into());
            }
        }
        tracing::info!("stopping after the open transaction");
        stop.send_replace(true);
        worker.await??;
        Ok(())
    })
}

/// Sends the checkers home, however the program ends: the runtime waits for them.
struct Closing(Desk);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The worker has a thread of its own, because the store blocks.
fn work(
    ingest: Ingest,
    desk: Desk,
    urgent: mpsc::Receiver<Heard>,
    record: mpsc::Receiver<Heard>,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output needs nothing from the system");
    runtime.block_on(Worker::new(ingest, desk, Clock::start()).run(urgent, record, stop))
}
