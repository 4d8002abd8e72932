//! What happens in a day: people and goods, attacks, faults of the world. Numbers are stated; moments follow the seed.

use picket_core::time::Chance;
use picket_device::quantity::Signal;

/// Microseconds of a day.
pub(crate) const DAY_US: u64 = 86_400_000_000;

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A contact turns.
    Contact(&'static str, Signal, bool),
    /// A camera publishes a property: topic below its prefix, state.
    Camera(&'static str, &'static str, bool),
    /// Somebody reads a seal or a container number.
    Scan(&'static str, &'static str),
    /// A guard acknowledges the eldest alarm.
    Acknowledge,
    /// A device stops answering, or answers again.
    Mute(&'static str, bool),
    /// The central link is cut or comes back.
    Link(bool),
    /// The connection to the site broker breaks.
    BrokerLost,
    /// The agent is killed at its next append.
    Crash(CrashPoint),
    /// The next answer of a device is lost.
    AnswerLost,
    /// The next answer of a device is damaged.
    AnswerGarbled,
    /// The next append fails.
    StoreFails,
    /// Somebody takes an image of the disk.
    ImageTaken,
    /// The image is put back, on the next moment at which the central side has everything.
    ImagePutBack,
    /// The next batch arrives, and the link is gone before anybody says so.
    LostBehindBatch,
}

/// Where a crash hits, seen from the commit of its append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// Nothing of the transaction is written.
    Before,
    /// It is written in part.
    Within,
    /// It is committed, and nobody was told.
    After,
}

/// How often each fault of the world happened. A day that had fewer than are stated has shown nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Times that a device left an ask unanswered because it was mute.
    pub(crate) mute_devices: u64,
    pub(crate) link_cuts: u64,
    pub(crate) links_lost_behind_a_batch: u64,
    pub(crate) broker_breaks: u64,
    pub(crate) lost_answers: u64,
    pub(crate) garbled_answers: u64,
    pub(crate) failed_appends: u64,
    pub(crate) crashes_before_a_commit: u64,
    pub(crate) crashes_within_a_commit: u64,
    pub(crate) crashes_after_a_commit: u64,
    pub(crate) images_put_back: u64,
}

/// What a day has: every fifth has its disk put back to an older state.
pub(crate) fn stated(seed: u64) -> Faults {
    Faults { images_put_back: u64::from(is_put_back(seed)), ..STATED }
}

pub(crate) fn is_put_back(seed: u64) -> bool {
    seed.is_multiple_of(5)
}

/// Every day has exactly these.
pub(crate) const STATED: Faults = Faults {
    mute_devices: 12,
    link_cuts: 8,
    links_lost_behind_a_batch: 60,
    broker_breaks: 6,
    lost_answers: 600,
    garbled_answers: 600,
    failed_appends: 10,
    crashes_before_a_commit: 3,
    crashes_within_a_commit: 3,
    crashes_after_a_commit: 3,
    images_put_back: 0,
};

/// A plan of one day, by moment.
pub(crate) fn day(seed: u64) -> Vec<(u64, Act)> {
    let mut chance = Chance::new(seed);
    let mut acts = Vec::new();
    people(&mut chance, &mut acts);
    attacks(&mut chance, &mut acts);
    world_faults(&mut chance, &mut acts);
    if is_put_back(seed) {
        let at = DAY_US / 5 + chance.below(DAY_US / 5);
        acts.push((at, Act::ImageTaken));
        acts.push((at + 600 * S + chance.below(DAY_US / 5), Act::ImagePutBack));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

const S: u64 = 1_000_000;

fn moment(chance: &mut Chance) -> u64 {
    60 * S + chance.below(DAY_US - 3_600 * S)
}

/// 150 passages with release, 200 motions, 60 good seals, 40 acknowledgements.
fn people(chance: &mut Chance, acts: &mut Vec<(u64, Act)>) {
    for _ in 0..150 {
        let at = moment(chance);
        let open_for = 2 * S + chance.below(20 * S);
        acts.push((at, Act::Contact("DOOR-N1", Signal::Released, true)));
        acts.push((at + S, Act::Contact("DOOR-N1", Signal::Open, true)));
        acts.push((at + 3 * S, Act::Contact("DOOR-N1", Signal::Released, false)));
        acts.push((at + S + open_for, Act::Contact("DOOR-N1", Signal::Open, false)));
    }
    for n in 0..200u64 {
        let at = 90 * S + n * (DAY_US - 7_200 * S) / 200 + chance.below(30 * S);
        acts.push((at, Act::Camera("cam-07", "VideoSource/MotionAlarm", true)));
        acts.push((at + 40 * S, Act::Camera("cam-07", "VideoSource/MotionAlarm", false)));
    }
    for _ in 0..60 {
        acts.push((moment(chance), Act::Scan("SEAL-L1", "UL-8830017")));
    }
    for _ in 0..40 {
        acts.push((moment(chance), Act::Acknowledge));
    }
}

/// 4 forced doors, 3 held, 2 wrong seals, 3 covered cameras, 2 panel alarms, 2 tampers, an unlisted camera.
fn attacks(chance: &mut Chance, acts: &mut Vec<(u64, Act)>) {
    for _ in 0..4 {
        let at = moment(chance);
        acts.push((at, Act::Contact("DOOR-N1", Signal::Open, true)));
        acts.push((at + 15 * S, Act::Contact("DOOR-N1", Signal::Open, false)));
    }
    for _ in 0..3 {
        let at = moment(chance);
        acts.push((at, Act::Contact("DOOR-N2", Signal::Open, true)));
        acts.push((at + 120 * S, Act::Contact("DOOR-N2", Signal::Open, false)));
    }
    for _ in 0..2 {
        acts.push((moment(chance), Act::Scan("SEAL-L2", "X-99999")));
        let at = moment(chance);
        acts.push((at, Act::Contact("PANEL-YARD", Signal::Alarm, true)));
        acts.push((at + 60 * S, Act::Contact("PANEL-YARD", Signal::Alarm, false)));
        let at = moment(chance);
        acts.push((at, Act::Contact("IO-GATE-1", Signal::Tamper, true)));
        acts.push((at + 30 * S, Act::Contact("IO-GATE-1", Signal::Tamper, false)));
    }
    for n in 0..3u64 {
        let at = 3_000 * S + n * DAY_US / 4 + chance.below(600 * S);
        acts.push((at, Act::Camera("yard/cam-08", "VideoSource/GlobalSceneChange/ImagingService", true)));
        acts.push((at + 300 * S, Act::Camera("yard/cam-08", "VideoSource/GlobalSceneChange/ImagingService", false)));
    }
    acts.push((moment(chance), Act::Camera("cam-99", "VideoSource/GlobalSceneChange/ImagingService", true)));
}

/// What [`STATED`] names.
fn world_faults(chance: &mut Chance, acts: &mut Vec<(u64, Act)>) {
    for device in ["gate-module", "hall-module", "yard-panel", "fuel-door"] {
        let times = STATED.mute_devices / 4;
        for n in 0..times {
            let at = 600 * S + n * DAY_US / times + chance.below(DAY_US / 6);
            acts.push((at, Act::Mute(device, true)));
            // Longer than the agent may be down: it is asked meanwhile.
            acts.push((at + 30 * S + chance.below(155 * S), Act::Mute(device, false)));
        }
    }
    for n in 0..STATED.link_cuts {
        let at = 300 * S + n * DAY_US / (STATED.link_cuts + 1) + chance.below(600 * S);
        acts.push((at, Act::Link(false)));
        acts.push((at + 10 * S + chance.below(3_600 * S), Act::Link(true)));
    }
    for (times, act) in [
        (STATED.broker_breaks, Act::BrokerLost),
        (STATED.crashes_before_a_commit, Act::Crash(CrashPoint::Before)),
        (STATED.crashes_within_a_commit, Act::Crash(CrashPoint::Within)),
        (STATED.crashes_after_a_commit, Act::Crash(CrashPoint::After)),
        (STATED.lost_answers, Act::AnswerLost),
        (STATED.garbled_answers, Act::AnswerGarbled),
        (STATED.failed_appends, Act::StoreFails),
        (STATED.links_lost_behind_a_batch, Act::LostBehindBatch),
    ] {
        for _ in 0..times {
            acts.push((moment(chance), act.clone()));
        }
    }
}

/// Whether a fault is owed; if so it is done.
pub(crate) fn owed(owed: &mut u64, done: &mut u64) -> bool {
    let due = *owed > 0;
    *owed -= u64::from(due);
    *done += u64::from(due);
    due
}
