use super::*;
use crate::testbed::{Rows, at, id};
use proptest::prelude::*;

const FORCED: &str = "door-forced/DOOR-1";

fn raise(alarms: &mut Alarms, standing: Standing) -> Option<Statement> {
    alarms.raise(&at(0), Rule::DoorForced, &id("DOOR-1"), Severity::Security, standing, Facts::new())
}

fn clear(alarms: &mut Alarms, standing: Standing) -> Vec<Kind> {
    alarms.clear(Rule::DoorForced, &id("DOOR-1"), standing).iter().map(|s| s.kind).collect()
}

fn acknowledge(alarms: &mut Alarms) -> Vec<Kind> {
    alarms.acknowledge(FORCED, "Ines", "going there", "10.0.0.7").iter().map(|s| s.kind).collect()
}

fn the(alarms: &Alarms) -> &Alarm {
    alarms.iter().next().expect("one alarm is open")
}

const EVERY: [Standing; 7] = [
    Standing::Good,
    Standing::Due,
    Standing::Overdue,
    Standing::Unknown,
    Standing::Unlisted,
    Standing::Mismatched,
    Standing::Withdrawn,
];

#[test]
fn a_condition_that_goes_on_is_one_alarm() {
    let mut alarms = Alarms::default();
    assert_eq!(raise(&mut alarms, Standing::Good).map(|s| s.kind), Some(Kind::AlarmRaised));
    assert!(raise(&mut alarms, Standing::Good).is_none());
    assert_eq!((the(&alarms).times, the(&alarms).active), (1, true));
}

#[test]
fn acknowledging_closes_nothing_while_the_condition_holds() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged]);
    assert_eq!(acknowledge(&mut alarms), []);
    assert_eq!(clear(&mut alarms, Standing::Good), [Kind::AlarmCleared, Kind::AlarmClosed]);
    assert_eq!(alarms.iter().count(), 0);
}

#[test]
fn what_went_away_unseen_stays_open_until_a_guard_acknowledges() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    assert_eq!(clear(&mut alarms, Standing::Good), [Kind::AlarmCleared]);
    assert_eq!(clear(&mut alarms, Standing::Good), []);
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged, Kind::AlarmClosed]);
    assert_eq!(alarms.iter().count(), 0);
}

#[test]
fn it_counts_how_often_it_came_while_open() {
    let mut alarms = Alarms::default();
    for _ in 0..3 {
        raise(&mut alarms, Standing::Good);
        clear(&mut alarms, Standing::Good);
    }
    assert_eq!((the(&alarms).times, the(&alarms).active), (3, false));
}

#[test]
fn only_good_and_due_equipment_may_clear_an_alarm_that_was_acknowledged() {
    let closed = EVERY.map(|standing| {
        let mut alarms = Alarms::default();
        raise(&mut alarms, Standing::Good);
        acknowledge(&mut alarms);
        let kinds = clear(&mut alarms, standing);
        assert!(alarms.iter().all(|a| a.guard_must_close && a.acknowledged_by.is_none()));
        kinds.contains(&Kind::AlarmClosed)
    });
    assert_eq!(closed, [true, true, false, false, false, false, false]);
}

#[test]
fn after_untrusted_equipment_cleared_it_a_guard_closes_it() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Overdue);
    acknowledge(&mut alarms);
    clear(&mut alarms, Standing::Overdue);
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged, Kind::AlarmClosed]);
}

#[test]
fn everything_rings_but_withdrawn_equipment_and_life_safety_rings_whatever_its_standing() {
    let rings = |severity| {
        EVERY.map(|standing| {
            let mut alarms = Alarms::default();
            alarms.raise(&at(0), Rule::PanelAlarm, &id("PANEL-1"), severity, standing, Facts::new());
            the(&alarms).rings
        })
    };
    assert_eq!(rings(Severity::Security), [true, true, true, true, true, true, false]);
    assert_eq!(rings(Severity::Life), [true; 7]);
}

#[test]
fn severity_is_never_lowered_by_standing() {
    for standing in EVERY {
        let mut alarms = Alarms::default();
        assert_eq!(raise(&mut alarms, standing).map(|s| s.severity), Some(Severity::Security));
    }
}

#[test]
fn a_return_is_itself_the_proof_against_silence() {
    let mut alarms = Alarms::default();
    let camera = id("CAM-1");
    alarms.raise(&at(0), Rule::Silent, &camera, Severity::Fault, Standing::Overdue, Facts::new());
    alarms.acknowledge("silent/CAM-1", "Ines", "", "");
    let kinds: Vec<Kind> = alarms.clear(Rule::Silent, &camera, Standing::Overdue).iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Kind::AlarmCleared, Kind::AlarmClosed]);
}

#[test]
fn another_wrong_seal_is_raised_anew_and_has_to_be_seen_anew() {
    let mut alarms = Alarms::default();
    let reader = id("READER-1");
    let read = |alarms: &mut Alarms, seal: &str| {
        let facts = Facts::from([("read".to_owned(), seal.to_owned())]);
        alarms.raise(&at(0), Rule::SealMismatch, &reader, Severity::Security, Standing::Good, facts).is_some()
    };
    assert!(read(&mut alarms, "AB1"));
    assert!(!read(&mut alarms, "AB1"));
    alarms.acknowledge("seal-mismatch/READER-1", "Ines", "", "");
    assert!(read(&mut alarms, "AB2"));
    assert_eq!(the(&alarms).acknowledged_by, None);
}

#[test]
fn an_alarm_is_recorded_under_the_number_of_its_own_record() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    alarms.drafted(FORCED, 7);
    assert!(!alarms.stored(6, 106));
    assert_eq!(the(&alarms).seq, None);
    assert!(alarms.stored(9, 109));
    assert_eq!(the(&alarms).seq, Some(107));
    assert!(!alarms.stored(12, 112));
}

#[test]
fn an_alarm_whose_record_was_dropped_is_never_shown_as_recorded() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    alarms.stored(9, 109);
    assert_eq!(the(&alarms).seq, None);
}

#[test]
fn what_nothing_watches_any_more_is_a_guards_to_close() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    acknowledge(&mut alarms);
    assert_eq!(alarms.unwatch(Rule::DoorForced, &id("DOOR-1")).map(|s| s.kind), Some(Kind::AlarmCleared));
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged, Kind::AlarmClosed]);
}

#[test]
fn an_act_on_an_alarm_that_is_not_open_does_nothing() {
    assert!(Alarms::default().acknowledge("door-forced/NO-1", "Ines", "", "").is_empty());
}

#[test]
fn every_rule_is_read_back_from_its_word() {
    for rule in Rule::ALL {
        assert_eq!(Rule::parse(rule.as_str()), Some(*rule));
    }
    assert_eq!(Rule::parse("invented"), None);
}

#[derive(Debug, Clone)]
enum Step {
    Raise(usize, usize, usize, u8),
    Clear(usize, usize, usize),
    Acknowledge(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (rule, door, standing) = (0..Rule::ALL.len(), 0_usize..2, 0..EVERY.len());
    prop_oneof![
        (rule.clone(), door.clone(), standing.clone(), 0_u8..3).prop_map(|(r, d, s, f)| Step::Raise(r, d, s, f)),
        (rule.clone(), door.clone(), standing).prop_map(|(r, d, s)| Step::Clear(r, d, s)),
        (rule, door).prop_map(|(r, d)| Step::Acknowledge(r, d)),
    ]
}

/// The rules of the guards' book in their plainest form: `None` = not open, else (holds, seen by a guard).
type Model = BTreeMap<(Rule, String), (bool, bool)>;

fn model(model: &mut Model, step: &Step, doors: &[EquipmentId; 2], repeats: bool) {
    match *step {
        Step::Raise(rule, door, ..) => {
            let open = model.entry((Rule::ALL[rule], doors[door].to_string())).or_insert((false, false));
            if !open.0 || repeats {
                *open = (true, false);
            }
        }
        Step::Clear(rule, door, standing) => {
            let (rule, trusted) =
                (Rule::ALL[rule], EVERY[standing] <= Standing::Due || Rule::ALL[rule] == Rule::Silent);
            let key = (rule, doors[door].to_string());
            match model.get(&key).copied() {
                Some((true, true)) if trusted => drop(model.remove(&key)),
                Some((true, seen)) => drop(model.insert(key, (false, seen && trusted))),
                Some((false, _)) | None => {}
            }
        }
        Step::Acknowledge(rule, door) => {
            let key = (Rule::ALL[rule], doors[door].to_string());
            match model.get(&key).copied() {
                Some((true, _)) => drop(model.insert(key, (true, true))),
                Some((false, _)) => drop(model.remove(&key)),
                None => {}
            }
        }
    }
}

fn apply(alarms: &mut Alarms, step: &Step, doors: &[EquipmentId; 2]) -> (Vec<Statement>, Standing) {
    match *step {
        Step::Raise(rule, door, standing, fact) => {
            let facts = Facts::from([("read".to_owned(), fact.to_string())]);
            let rule = Rule::ALL[rule];
            let raised = alarms.raise(&at(0), rule, &doors[door], rule.severity(), EVERY[standing], facts);
            (raised.into_iter().collect(), EVERY[standing])
        }
        Step::Clear(rule, door, standing) => {
            (alarms.clear(Rule::ALL[rule], &doors[door], EVERY[standing]), EVERY[standing])
        }
        Step::Acknowledge(rule, door) => {
            let key = super::id(Rule::ALL[rule], &doors[door]);
            (alarms.acknowledge(&key, "Ines", "", ""), Standing::Good)
        }
    }
}

/// Everything of the alarms that must outlive a start. Standing, draft and number are those of the record that states
/// an alarm last.
fn lasting(alarms: &Alarms) -> Vec<Alarm> {
    alarms.iter().map(|a| Alarm { standing: String::new(), draft: 0, seq: None, ..a.clone() }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_book_agrees_with_its_model_and_with_what_its_records_recover(steps in prop::collection::vec(step(), 1..80)) {
        let doors = [id("DOOR-1"), id("DOOR-2")];
        let (mut alarms, mut reference, mut rows) = (Alarms::default(), Model::new(), Rows::default());
        for step in &steps {
            let before = lasting(&alarms);
            let (statements, standing) = apply(&mut alarms, step, &doors);
            let repeats = matches!(step, Step::Raise(rule, ..) if Rule::ALL[*rule] == Rule::SealMismatch)
                && !statements.is_empty();
            model(&mut reference, step, &doors, repeats);
            for statement in &statements {
                rows.take(statement, standing.as_str());
            }
            if statements.is_empty() {
                prop_assert_eq!(before, lasting(&alarms), "changed without a record by {:?}", step);
            }
            let seen = |a: &Alarm| ((a.rule, a.equipment.to_string()), (a.active, a.acknowledged_by.is_some()));
            let book: Model = alarms.iter().map(seen).collect();
            prop_assert_eq!(&book, &reference, "after {:?}", step);
            prop_assert!(alarms.iter().all(|a| a.active || a.acknowledged_by.is_none()), "seen and gone, yet open");
            prop_assert_eq!(lasting(&Alarms::recover(&rows.all())), lasting(&alarms), "recovered after {:?}", step);
        }
    }
}
