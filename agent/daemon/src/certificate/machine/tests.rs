//! Every state that the machine can come into, with a crash before and after each change of the disk.

use super::*;
use std::collections::{BTreeSet, VecDeque};

const VALID: Validity = Validity { from_s: 1, until_s: 2 };
const NEVER: u64 = u64::MAX / 2;

/// Whether a broker would take what the slot holds.
type Works = [bool; 2];

#[derive(Debug, Clone)]
struct World {
    machine: Machine,
    works: Works,
}

impl World {
    fn new(disk: Disk, works: Works) -> Self {
        Self { machine: Machine::new(disk), works }
    }

    /// Times do not matter: whatever waits is due.
    fn key(&self) -> String {
        let Machine { disk, wanted, answered, test, worked, refused, fell_back, .. } = &self.machine;
        format!("{disk:?} {wanted} {answered} {test:?} {worked} {refused} {fell_back} {:?}", self.works)
    }

    fn force_works(&self) -> Option<bool> {
        self.machine.disk().in_force().map(|slot| self.works[slot as usize])
    }
}

/// What a slot holds after one change.
fn apply(disk: &Disk, op: Op) -> Disk {
    let mut after = *disk;
    let slot = match op {
        Op::WriteKey(slot) | Op::WriteCandidate(slot) | Op::Seal(slot) | Op::Point(slot) => slot,
        Op::RemoveKey(slot) | Op::RemoveCandidate(slot) | Op::RemoveCertificate(slot) => slot,
    };
    let now = disk.of(slot);
    let then = match (op, now) {
        (Op::Point(_), now) => {
            after.pointer = Some(slot);
            now
        }
        (Op::WriteKey(_), Content::Empty) => Content::Key,
        (Op::WriteCandidate(_), Content::Key) => Content::Candidate(VALID),
        (Op::Seal(_), Content::Candidate(_)) => Content::Whole(VALID),
        (Op::RemoveKey(_), Content::Key | Content::Empty) => Content::Empty,
        (Op::RemoveKey(_), _) => Content::Damaged,
        // Which of the two certificates is left does not matter once the key is gone: the last removal empties it.
        (Op::RemoveCandidate(_), now) => now,
        (Op::RemoveCertificate(_), Content::Damaged | Content::Empty) => Content::Empty,
        (op, now) => panic!("{op:?} on {now:?}"),
    };
    after.slots[slot as usize] = then;
    after
}

/// What may happen next in a world: each change with a crash before it, every answer, test, receipt and refusal.
fn successors(world: &World) -> Vec<World> {
    let mut chance = Chance::new(7);
    let mut all = Vec::new();
    let World { machine, works } = world;
    if let Some(step) = machine.next(NEVER) {
        let mut disk = *machine.disk();
        for op in step.ops() {
            untouched_in_force(&disk, op);
            all.push(World::new(disk, *works));
            disk = apply(&disk, op);
        }
        all.push(World::new(disk, *works));
        let outcomes: &[bool] = if matches!(step, Step::Store(_)) { &[true, false] } else { &[true] };
        for outcome in outcomes {
            let (mut machine, mut works) = (machine.clone(), *works);
            if let Step::Store(slot) = step {
                works[slot as usize] = *outcome;
            }
            if let Step::Test(slot) = step {
                let tested = if works[slot as usize] { Tested::Passed } else { Tested::Refused };
                let mut unreachable = machine.clone();
                unreachable.tested(Tested::Unreachable, 0, &mut chance);
                all.push(World { machine: unreachable, works });
                machine.tested(tested, 0, &mut chance);
            }
            machine.done(step, disk, 0, &mut chance);
            all.push(World { machine, works });
        }
        let mut failed = machine.clone();
        failed.failed(*machine.disk(), 0, &mut chance);
        all.push(World { machine: failed, works: *works });
    }
    all.extend(happenings(world));
    all
}

fn happenings(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Machine)| {
        let mut after = world.clone();
        change(&mut after.machine);
        all.push(after);
    };
    with(&|machine| machine.want(true));
    with(&|machine| machine.answered());
    match world.force_works() {
        Some(true) => with(&|machine| machine.worked()),
        Some(false) => with(&|machine| {
            machine.refused();
        }),
        None => {}
    }
    all
}

fn untouched_in_force(disk: &Disk, op: Op) {
    let touched = match op {
        Op::WriteKey(slot) | Op::WriteCandidate(slot) => Some(slot),
        Op::RemoveKey(slot) | Op::RemoveCandidate(slot) | Op::RemoveCertificate(slot) => Some(slot),
        Op::Seal(_) | Op::Point(_) => None,
    };
    assert!(touched.is_none() || touched != disk.in_force(), "{op:?} on what is in force: {disk:?}");
}

/// Every world that is reachable from these.
fn reachable(from: Vec<World>) -> Vec<World> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let (mut queue, mut all) = (VecDeque::from(from), Vec::new());
    while let Some(world) = queue.pop_front() {
        if seen.insert(world.key()) {
            queue.extend(successors(&world));
            all.push(world);
        }
    }
    all
}

fn installed() -> World {
    let disk = Disk { pointer: Some(Slot::A), slots: [Content::Whole(VALID), Content::Empty] };
    World::new(disk, [true, false])
}

#[test]
fn a_crash_at_any_step_leaves_a_certificate_in_force_that_works() {
    let all = reachable(vec![installed()]);
    assert!(all.len() > 100, "{}", all.len());
    for world in all {
        assert_eq!(world.force_works(), Some(true), "{world:?}");
    }
}

#[test]
fn a_gateway_without_any_certificate_gets_one_that_was_tested_first() {
    let disk = Disk { pointer: None, slots: [Content::Empty; 2] };
    let all = reachable(vec![World::new(disk, [false; 2])]);
    assert!(all.iter().any(|world| world.force_works() == Some(true)));
    for world in all {
        assert_ne!(world.force_works(), Some(false), "{world:?}");
    }
}

/// With a centre that answers and a broker that takes what it issues, and without another crash.
fn settles(mut world: World) -> bool {
    let mut chance = Chance::new(1);
    for _ in 0..40 {
        world.machine.want(world.force_works() != Some(true));
        match world.force_works() {
            Some(true) => world.machine.worked(),
            Some(false) => {
                world.machine.refused();
            }
            None => {}
        }
        world.machine.answered();
        let Some(step) = world.machine.next(NEVER) else { break };
        let disk = step.ops().into_iter().fold(*world.machine.disk(), |disk, op| apply(&disk, op));
        if let Step::Store(slot) = step {
            world.works[slot as usize] = true;
        }
        if let Step::Test(slot) = step {
            let tested = if world.works[slot as usize] { Tested::Passed } else { Tested::Refused };
            world.machine.tested(tested, 0, &mut chance);
        }
        world.machine.done(step, disk, 0, &mut chance);
    }
    let disk = world.machine.disk();
    world.force_works() == Some(true) && disk.pointer == disk.in_force() && disk.of(disk.idle()) == Content::Empty
}

#[test]
fn from_any_state_whatever_is_damaged_or_expired_a_renewal_comes_to_its_end() {
    let contents = [Content::Empty, Content::Key, Content::Candidate(VALID), Content::Whole(VALID), Content::Damaged];
    let mut from = Vec::new();
    for a in contents {
        for b in contents {
            for pointer in [None, Some(Slot::A), Some(Slot::B)] {
                for works in [[false; 2], [true, false], [false, true], [true; 2]] {
                    from.push(World::new(Disk { pointer, slots: [a, b] }, works));
                }
            }
        }
    }
    for world in reachable(from) {
        assert!(settles(world.clone()), "{world:?}");
    }
}

#[test]
fn a_new_certificate_that_the_broker_refuses_later_gives_way_to_the_one_before() {
    let mut chance = Chance::new(3);
    let disk = Disk { pointer: Some(Slot::B), slots: [Content::Whole(VALID); 2] };
    let mut machine = Machine::new(disk);
    assert!(machine.on_trial());
    assert_eq!(machine.next(NEVER), None, "the one before stays until there is a receipt");
    assert!(!machine.refused());
    assert_eq!(machine.next(NEVER), Some(Step::Point(Slot::A)));
    assert!(machine.gives_way(Step::Point(Slot::A)));
    machine.done(Step::Point(Slot::A), Disk { pointer: Some(Slot::A), ..disk }, 0, &mut chance);
    assert!(machine.gave_way());
    let mut works = machine.clone();
    assert!(!machine.refused());
    assert_eq!(machine.next(NEVER), Some(Step::Clear(Slot::B)), "and not to and fro for ever");
    // Where the one before works, another key waits as after any certificate that was of no use.
    works.worked();
    assert_eq!(works.next(0), Some(Step::Clear(Slot::B)));
    works.done(
        Step::Clear(Slot::B),
        Disk { pointer: Some(Slot::A), slots: [disk.slots[0], Content::Empty] },
        0,
        &mut chance,
    );
    works.want(true);
    assert_eq!((works.next(s(200)), works.next(NEVER)), (None, Some(Step::MakeKey(Slot::B))));
}

#[test]
fn keys_whose_certificates_are_refused_over_and_over_are_made_ever_more_rarely() {
    let mut chance = Chance::new(5);
    let (mut machine, mut now, mut made) = (Machine::new(*installed().machine.disk()), 0, Vec::new());
    for _ in 0..8 {
        machine.want(true);
        now = now.max(machine.deadline_us());
        made.push(now);
        // Made, asked for, answered, passed, pointed to, sealed; then refused, and the one before put back and heard of.
        for _ in 0..8 {
            machine.answered();
            let Some(step) = machine.next(NEVER) else { break };
            let disk = step.ops().into_iter().fold(*machine.disk(), |disk, op| apply(&disk, op));
            machine.done(step, disk, now, &mut chance);
            match step {
                Step::Store(_) => machine.tested(Tested::Passed, now, &mut chance),
                Step::Seal(_) => assert!(!machine.refused()),
                Step::Point(Slot::A) => machine.worked(),
                _ => {}
            }
        }
        assert_eq!(*machine.disk(), *installed().machine.disk());
    }
    let gaps: Vec<_> = made.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] >= s(240) && gaps[6] >= s(3 * 3_600), "{gaps:?}");
}

#[test]
fn pauses_grow_to_six_hours_and_another_key_waits_longer_than_another_question() {
    let mut chance = Chance::new(9);
    let disk = Disk { pointer: None, slots: [Content::Key, Content::Empty] };
    let mut machine = Machine::new(disk);
    let mut last = 0;
    for n in 0..20 {
        machine.done(Step::Ask(Slot::A), disk, 0, &mut chance);
        let pause = machine.deadline_us();
        assert!((s(15)..=s(6 * 3_600)).contains(&pause), "{n}: {pause}");
        last = pause;
    }
    assert!(last >= s(3 * 3_600));
    let mut machine = Machine::new(disk);
    assert_eq!(machine.useless(0, &mut chance), Some(Step::Clear(Slot::A)));
    assert!(machine.deadline_us() >= s(240));
    assert_eq!(machine.next(s(200)), None);
    machine.hurry();
    assert_eq!(machine.next(s(200)), Some(Step::Ask(Slot::A)), "somebody who asks for it does not wait");
}
