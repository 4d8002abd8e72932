//! Whether lines are genuine: read and verified on every core, before their place in the chain is looked at.
//!
//! Verifying one signature costs 45 to 100 microseconds, storing a record some ten: the thread of the store would be
//! busy with signatures alone. What is found here is a `Proof`, which names the key that it holds for; the chain
//! decides later whether that key counts, and verifies again where it wants another one. No batch verification: it is
//! cofactored and accepts what `verify_strict` refuses.

use bytes::Bytes;
use picket_record::chain::{Epochs, OpenedEpoch, Parsed, verify};
use picket_record::encode::{Name, base64url};
use picket_record::keys::PublicKey;
use picket_record::refusal::Refusal;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Lines that a thread takes at a time: some 4 ms of signatures.
const CHUNK: usize = 64;
/// Openings of one round that are verified before everything else, so that the records behind them can be: a round
/// with more of them is verified in its turn.
const OPENINGS_FIRST: usize = 4;

/// What is known of a line before its place is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Proof {
    /// Nothing: no key that was held fits it, or nobody looked.
    #[default]
    None,
    /// An opening, or a line of somebody else; no later key changes that.
    Final(Box<Result<OpenedEpoch, Refusal>>),
    /// Signed by the holder of this key of its epoch.
    By([u8; 32]),
    /// Not signed by the holder of this key of its epoch.
    NotBy([u8; 32]),
}

/// The key of an opening that is not in the chain: its turn has not come, or it belongs to another history.
#[derive(Debug)]
pub(crate) struct HeldKey {
    pub(crate) seq: u64,
    pub(crate) ep: u64,
    /// The second history that it opens; `None` while it may still become the first.
    pub(crate) branch: Option<u64>,
    pub(crate) key: PublicKey,
    pub(crate) keys: Epochs,
}

impl HeldKey {
    pub(crate) fn new(opened: &OpenedEpoch, branch: Option<u64>, of: &Epochs) -> Self {
        let mut keys = of.emptied();
        keys.restore(opened.ep(), opened.key().clone());
        Self { seq: opened.seq(), ep: opened.ep(), branch, key: opened.key().clone(), keys }
    }

    pub(crate) fn fits(&self, record: &Parsed<'_>) -> bool {
        self.ep == record.ep && self.seq < record.seq
    }
}

/// The keys of a gateway at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Keyring {
    /// Of the openings in the chain.
    pub(crate) chain: Arc<Epochs>,
    /// Of openings before their turn, then of other histories.
    pub(crate) held: Vec<Arc<HeldKey>>,
}

/// Some lines of one message.
#[derive(Debug)]
pub struct Slice {
    pub(crate) gw: String,
    text: Bytes,
    lines: Vec<Range<usize>>,
    keyring: Option<Keyring>,
    proofs: Vec<Proof>,
}

impl Slice {
    /// Of the gateway that the topic names; nothing is verified yet.
    pub fn new(gw: String, text: Bytes, lines: Vec<Range<usize>>) -> Self {
        Self { gw, text, lines, keyring: None, proofs: Vec::new() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Of whom, as the topic names it.
    pub fn gw(&self) -> &str {
        &self.gw
    }

    /// Bytes of the text that the lines are of, all of it.
    pub fn held_bytes(&self) -> usize {
        self.text.len()
    }

    /// The lines with what is known of each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], &Proof)> {
        const NOTHING: &Proof = &Proof::None;
        let proofs = self.proofs.iter().chain(std::iter::repeat(NOTHING));
        self.lines.iter().map(|line| &self.text[line.clone()]).zip(proofs)
    }

    fn line(&self, index: usize) -> &[u8] {
        &self.text[self.lines[index].clone()]
    }
}

/// Slices that are checked together and stored in one transaction.
#[derive(Debug)]
pub struct Round {
    slices: Vec<Slice>,
    openings: Vec<(Name, Arc<HeldKey>)>,
}

impl Round {
    /// Slices with the keys of their gateways. `before` is the round that is checked and not stored yet: what it opens
    /// counts here.
    pub(crate) fn new(mut slices: Vec<(Slice, Option<Keyring>)>, before: Option<&Round>) -> Self {
        let mut openings: Vec<(Name, Arc<HeldKey>)> = Vec::new();
        let mut found = 0;
        for (slice, keyring) in &mut slices {
            let Some(keyring) = keyring else { continue };
            let earlier = before.iter().flat_map(|round| &round.openings).chain(&openings);
            let known = earlier.filter(|(gw, _)| gw == keyring.chain.gw()).map(|(_, held)| Arc::clone(held));
            keyring.held.extend(known.collect::<Vec<_>>());
            slice.proofs = vec![Proof::None; slice.len()];
            let header = opening_header(keyring.chain.gw());
            for index in 0..slice.len() {
                if found < OPENINGS_FIRST && slice.line(index).starts_with(header.as_bytes()) {
                    found += 1;
                    let proof = examine(slice.line(index), keyring);
                    if let Proof::Final(result) = &proof
                        && let Ok(opened) = &**result
                    {
                        let held = Arc::new(HeldKey::new(opened, None, &keyring.chain));
                        keyring.held.push(Arc::clone(&held));
                        openings.push((keyring.chain.gw().clone(), held));
                    }
                    slice.proofs[index] = proof;
                }
            }
        }
        let slices = slices.into_iter().map(|(slice, keyring)| Slice { keyring, ..slice }).collect();
        Self { slices, openings }
    }

    /// In the order in which they are to be stored.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }
}

/// How the line of an opening begins. Only what is looked at first hangs on it, nothing that is believed.
fn opening_header(gw: &Name) -> String {
    base64url(format!(r#"{{"alg":"EdDSA","kid":"{gw}#id","typ":"open+jws"}}"#).as_bytes())
}

/// Reads a line and looks for the key that it is signed by.
fn examine(line: &[u8], keyring: &Keyring) -> Proof {
    let Ok(record) = Parsed::read_bytes(line) else { return Proof::None };
    let refused = match verify(&record, &keyring.chain) {
        Ok(Some(opened)) => return Proof::Final(Box::new(Ok(opened))),
        Ok(None) => return keyring.chain.key(record.ep).map_or(Proof::None, |key| Proof::By(key.bytes())),
        Err(refused) => refused,
    };
    let tried = match refused {
        Refusal::Signature { by: "epoch" } => keyring.chain.key(record.ep),
        Refusal::UnknownEpoch { .. } => None,
        other => return Proof::Final(Box::new(Err(other))),
    };
    let mut fitting = keyring.held.iter().filter(|held| held.fits(&record) && Some(&held.key) != tried);
    match fitting.find(|held| verify(&record, &held.keys).is_ok()) {
        Some(held) => Proof::By(held.key.bytes()),
        None => tried.map_or(Proof::None, |key| Proof::NotBy(key.bytes())),
    }
}

/// A round under examination, shared by the threads that do it.
#[derive(Debug)]
struct Job {
    round: Round,
    state: Mutex<JobState>,
}

#[derive(Debug)]
struct JobState {
    /// Slice, first line, proofs.
    found: Vec<(usize, usize, Vec<Proof>)>,
    left: usize,
    done: Option<oneshot::Sender<()>>,
}

/// A part of a job.
#[derive(Debug)]
struct Task {
    job: Arc<Job>,
    slice: usize,
    lines: Range<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    tasks: VecDeque<Task>,
    closed: bool,
}

/// Where threads find what to examine. At most one round is in it: whoever gives one waits for it before the next.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

/// A round that threads are at work on.
#[derive(Debug)]
pub struct Checking {
    job: Arc<Job>,
    done: oneshot::Receiver<()>,
}

impl Desk {
    /// Examines what comes until the desk is closed: the whole life of a thread of the pool.
    pub fn serve(&self) {
        while let Some(task) = self.next() {
            let slice = &task.job.round.slices[task.slice];
            let known = |index: usize| slice.proofs.get(index).cloned().unwrap_or_default();
            let proofs = task.lines.clone().map(|index| match (known(index), &slice.keyring) {
                (Proof::None, Some(keyring)) => examine(slice.line(index), keyring),
                (known, _) => known,
            });
            let proofs = proofs.collect();
            let mut state = lock(&task.job.state);
            state.found.push((task.slice, task.lines.start, proofs));
            state.left -= 1;
            let done = if state.left == 0 { state.done.take() } else { None };
            drop(state);
            // Before it is told: who waits takes the round out of its last reference.
            drop(task);
            // Nobody waits any more where this fails.
            let _ = done.map(|done| done.send(()));
        }
    }

    /// The threads go home once the queue is empty.
    pub fn close(&self) {
        lock(&self.shared.0).closed = true;
        self.shared.1.notify_all();
    }

    /// Gives a round to the threads.
    pub(crate) fn give(&self, round: Round) -> Checking {
        let (tell, done) = oneshot::channel();
        let mut chunks = Vec::new();
        for (index, slice) in round.slices.iter().enumerate().filter(|(_, slice)| slice.keyring.is_some()) {
            chunks.extend((0..slice.len()).step_by(CHUNK).map(|from| (index, from..slice.len().min(from + CHUNK))));
        }
        let mut state = JobState { found: Vec::new(), left: chunks.len(), done: Some(tell) };
        if chunks.is_empty() {
            let _ = state.done.take().map(|done| done.send(()));
        }
        let job = Arc::new(Job { round, state: Mutex::new(state) });
        let tasks = chunks.into_iter().map(|(slice, lines)| Task { job: Arc::clone(&job), slice, lines });
        lock(&self.shared.0).tasks.extend(tasks);
        self.shared.1.notify_all();
        Checking { job, done }
    }

    fn next(&self) -> Option<Task> {
        let mut queue = lock(&self.shared.0);
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            if queue.closed {
                return None;
            }
            queue = self.shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Checking {
    /// Until every line was looked at. Safe to cancel.
    pub(crate) async fn wait(&mut self) {
        // An error means that a thread died: what it had is verified by the store's own thread.
        let _ = (&mut self.done).await;
    }

    /// The round as it was given: to make the next one behind it.
    pub(crate) fn round(&self) -> &Round {
        &self.job.round
    }

    /// The round with its proofs, after [`Checking::wait`].
    pub(crate) fn finish(self) -> Round {
        let mut job = self.job;
        let mut round = loop {
            // The last thread lets go of it right after it has told so.
            match Arc::try_unwrap(job) {
                Ok(job) => {
                    let state = job.state.into_inner().unwrap_or_else(PoisonError::into_inner);
                    let mut round = job.round;
                    for (slice, from, proofs) in state.found {
                        let places = &mut round.slices[slice].proofs[from..];
                        places.iter_mut().zip(proofs).for_each(|(place, proof)| *place = proof);
                    }
                    break round;
                }
                Err(shared) => job = shared,
            }
            std::thread::yield_now();
        };
        round.slices.iter_mut().for_each(|slice| slice.keyring = None);
        round
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
