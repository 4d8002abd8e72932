//! The journal's own thread: it blocks on the disk so that nothing else has to.

use super::{Fault, Journal, ReceiptFault};
use crate::clock;
use crate::settings::{self, RegisterText};
use crate::vitals::Meter;
use picket_core::register::Register;
use picket_core::wire::{Batch, Input, Unkept};
use picket_record::body::{Body, When};
use picket_record::encode::Link;
use sha2::{Digest as _, Sha256};
use std::error::Error as _;
use tokio::sync::{mpsc, oneshot, watch};

mod asked;

pub use asked::{Parcel, Request};

/// Most bodies of one append: what `picket_core::drafts` hands out.
pub const APPEND_MAX: u64 = picket_core::drafts::MAX_GROUP as u64;

/// Records without a receipt that take longer to move than the watchdog waits for an append.
const MANY: u64 = 50_000;

/// Number of the last record in it, and lines each ended by LF.
pub type Slice = (u64, Vec<u8>);

/// Serves requests until the channel is closed. Faults are answers: the live view goes on. `mending` shows the bytes of a
/// file that an append has to open and check again, for as long as that takes.
pub fn serve(
    mut journal: Journal,
    mut requests: mpsc::Receiver<Request>,
    inputs: &mpsc::Sender<Input>,
    parcels: &mpsc::Sender<Parcel>,
    mending: &watch::Sender<Option<u64>>,
) {
    let mut meter = Meter::default();
    while let Some(request) = requests.blocking_recv() {
        let looked = look(&mut meter, &journal, &request);
        let answer = match request {
            Request::Append { through, bodies } => {
                mending.send_if_modified(|mends| replaced(mends, journal.to_be_mended()));
                let begun_us = clock::mono_us();
                let stored = append(&mut journal, through, &bodies);
                meter.committed(clock::mono_us().saturating_sub(begun_us));
                mending.send_if_modified(|mends| replaced(mends, None));
                Some(stored)
            }
            Request::Send { session, batch } => match send(&mut journal, session, &batch, inputs, parcels) {
                Ok(answer) => answer,
                Err(Gone) => return,
            },
            Request::Ask { session } => {
                let newest = journal.newest_receipt();
                // A link that takes nothing is down, and asks again when it comes up.
                let _ = parcels.try_send(Parcel::Ask { session, newest });
                None
            }
            Request::Call { here } => {
                // A link that takes nothing does not answer either.
                let _ = parcels.try_send(Parcel::Call { here });
                None
            }
            Request::CheckOrder { text, when } => Some(Input::OrderChecked(journal.check_order(&text, &when))),
            Request::KeepOrder { line, link, register } => {
                Some(Input::OrderKept { link, result: keep_order(&journal, &line, &link, register.as_deref()) })
            }
            Request::LookBack { after } => Some(journal.look_back(after)),
            Request::Receipt { line, when } => {
                mending.send_if_modified(|mends| replaced(mends, journal.may_take_long()));
                let answer = receipt(&mut journal, &line, &when);
                mending.send_if_modified(|mends| replaced(mends, None));
                answer
            }
            Request::BranchTold { through } => {
                // What is not noted is sent once more.
                if let Err(fault) = journal.branch_told(through) {
                    tracing::warn!(cause = told(&fault), "what the central side has of a branch could not be noted");
                }
                None
            }
            Request::Retain { days, authority } => {
                journal.retain(days, &authority);
                None
            }
            Request::Slice { wanted, reply } => {
                replied(reply, journal.bundle_lines(wanted).map_err(|fault| told(&fault)))
            }
            Request::ReceiptKeys { reply } => replied(reply, journal.receipt_keys()),
            Request::Personal { records, reply } => {
                replied(reply, journal.personal_in(&records).map_err(|fault| told(&fault)))
            }
            Request::Papers { range, reply } => replied(reply, journal.papers(range).map_err(|fault| told(&fault))),
            Request::State { when, kind, data, reply } => {
                mending.send_if_modified(|mends| replaced(mends, journal.to_be_mended()));
                let _ = reply.send(journal.state(&when, kind, data).map_err(|fault| told(&fault)));
                mending.send_if_modified(|mends| replaced(mends, None));
                None
            }
        };
        if tell(&mut journal, inputs, answer.into_iter().chain(looked)).is_err() {
            return;
        }
    }
}

/// What happened in the journal first, then what was answered.
fn tell(journal: &mut Journal, inputs: &mpsc::Sender<Input>, answers: impl Iterator<Item = Input>) -> Result<(), Gone> {
    let rebased = journal.rebased().map(Input::Rebased);
    let declared = journal.declared().map(|seqs| Input::Declared { seqs });
    for input in rebased.into_iter().chain(declared).chain(answers) {
        inputs.blocking_send(input).map_err(|_| Gone)?;
    }
    Ok(())
}

/// Whoever asked may be gone.
fn replied<T>(reply: oneshot::Sender<T>, answer: T) -> Option<Input> {
    drop(reply.send(answer));
    None
}

fn replaced(shown: &mut Option<u64>, next: Option<u64>) -> bool {
    std::mem::replace(shown, next) != next
}

impl Journal {
    /// Bytes of the file, where the next append opens and checks it before anything else.
    fn to_be_mended(&self) -> Option<u64> {
        let bytes = || std::fs::metadata(self.store.file()).map_or(0, |found| found.len());
        self.store.broken().then(bytes)
    }

    /// The same, where a receipt may have so many records moved that it takes its time.
    fn may_take_long(&self) -> Option<u64> {
        let bytes = || std::fs::metadata(self.store.file()).map_or(0, |found| found.len());
        (self.sealer.head().seq.saturating_sub(self.receipts.upto()) > MANY).then(bytes)
    }
}

/// With an append, whose last body tells the time.
fn look(meter: &mut Meter, journal: &Journal, request: &Request) -> Option<Input> {
    let Request::Append { bodies, .. } = request else { return None };
    meter.look(bodies.last()?.when.mono_us, journal.store.file()).map(Input::Measured)
}

fn append(journal: &mut Journal, through: u64, bodies: &[Body]) -> Input {
    match journal.append(bodies) {
        Ok(stored) => {
            Input::Stored { through, head: stored.head, urgent: stored.urgent, fill_permille: stored.fill_permille }
        }
        Err(fault) => {
            tracing::warn!(cause = told(&fault), "events could not be stored; they are kept and tried again");
            Input::StoreFailed { cause: told(&fault) }
        }
    }
}

/// Nobody takes inputs any more.
struct Gone;

/// Hands a batch to the link. How far it goes is told before the link can say that it left.
fn send(
    journal: &mut Journal,
    session: u32,
    batch: &Batch,
    inputs: &mpsc::Sender<Input>,
    parcels: &mpsc::Sender<Parcel>,
) -> Result<Option<Input>, Gone> {
    let lane = batch.lane();
    let result = match journal.lines(batch) {
        Ok(Some(lines)) => {
            let packed = Input::Packed { session, lane, through: lines.through, bytes: lines.bytes };
            inputs.blocking_send(packed).map_err(|_| Gone)?;
            let through = lines.through;
            match parcels.try_send(Parcel::Batch { session, lane, lines }) {
                Ok(()) => {
                    if !matches!(batch, Batch::Branch { .. }) {
                        journal.on_its_way(through);
                    }
                    return Ok(None);
                }
                Err(_) => Err("the link does not take batches".to_owned()),
            }
        }
        Ok(None) => Ok(0),
        Err(fault) => Err(told(&fault)),
    };
    Ok(Some(Input::Sent { session, lane, result }))
}

fn receipt(journal: &mut Journal, line: &str, when: &When) -> Option<Input> {
    match journal.receipt(line, when) {
        Ok(receipted) => Some(Input::Receipted(receipted)),
        // A second delivery says nothing; a lower count may be that of a central side restored from a backup.
        Err(ReceiptFault::Old { n, known }) => (n < known).then_some(Input::ReceiptBehind),
        // The disk is at fault and not the central side, which signs another one soon.
        Err(ReceiptFault::Journal(fault)) => {
            tracing::warn!(cause = told(&fault), "a receipt could not be checked");
            None
        }
        Err(fault) => {
            tracing::warn!(%fault, "a receipt was refused");
            Some(Input::ReceiptRefused { cause: fault.to_string() })
        }
    }
}

/// Reads the register first: what cannot be read is not kept.
fn keep_order(journal: &Journal, line: &str, link: &Link, text: Option<&str>) -> Result<Option<Register>, Unkept> {
    let read = |text: &str| {
        let kept = RegisterText { name: "the register of the order".into(), text: text.to_owned() };
        settings::read_register(kept, 0).map_err(|faults| Unkept::Unreadable(faults.to_string()))
    };
    let register = text.map(read).transpose()?;
    let hashed = text.map(|text| (Sha256::digest(text).into(), text));
    let hashed = hashed.as_ref().map(|(sha256, text)| (sha256, *text));
    journal.keep_order(line, link, hashed).map_err(|fault| Unkept::NoPlace(told(&fault)))?;
    Ok(register)
}

/// A fault with its causes, as one line.
pub fn told(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
