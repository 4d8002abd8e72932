use super::*;
use crate::testbed::{Rows, at, id};
use proptest::prelude::*;

const FORCED: &str = "door-forced/DOOR-1";

fn raise(alarms: &mut Alarms, standing: Standing) -> Option<Statement> {
    alarms.raise(&at(0), (Rule::DoorForced, &id("DOOR-1"), ""), Severity::Security, standing, Facts::new())
}

fn clear(alarms: &mut Alarms, standing: Standing) -> Vec<Kind> {
    alarms.clear((Rule::DoorForced, &id("DOOR-1"), ""), standing).iter().map(|s| s.kind).collect()
}

fn acknowledge(alarms: &mut Alarms) -> Vec<Kind> {
    seen(alarms, FORCED).iter().map(|s| s.kind).collect()
}

/// A guard acknowledges what is shown of an alarm.
fn seen(alarms: &mut Alarms, key: &str) -> Vec<Statement> {
    let shown = alarms.iter().find(|alarm| alarm.id() == key).map(Alarm::occurrence);
    shown.map_or(Vec::new(), |shown| alarms.acknowledge(key, shown, "Ines", "going there", "10.0.0.7"))
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
        assert!(alarms.iter().all(|a| a.guard_must_close && a.acknowledged.is_none()));
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
            alarms.raise(&at(0), (Rule::PanelAlarm, &id("PANEL-1"), ""), severity, standing, Facts::new());
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
fn a_silence_is_closed_by_a_guard_too_where_the_standing_is_not_good() {
    for standing in EVERY {
        let mut alarms = Alarms::default();
        let camera = id("CAM-1");
        alarms.raise(&at(0), (Rule::Silent, &camera, ""), Severity::Fault, standing, Facts::new());
        seen(&mut alarms, "silent/CAM-1");
        let kinds: Vec<Kind> = alarms.clear((Rule::Silent, &camera, ""), standing).iter().map(|s| s.kind).collect();
        let told = [Kind::AlarmCleared, Kind::AlarmClosed];
        assert_eq!(kinds, told[..if standing <= Standing::Due { 2 } else { 1 }], "{standing:?}");
    }
}

const FIRST: Occurrence = Occurrence { since_ms: Some(crate::testbed::MIDNIGHT_MS), times: 1 };

fn wrong_seal(alarms: &mut Alarms, unit: &str, read: &str) -> bool {
    let facts = Facts::from([("read".to_owned(), read.to_owned())]);
    let reader = id("READER-1");
    let raised = alarms.raise(&at(0), (Rule::SealMismatch, &reader, unit), Severity::Security, Standing::Good, facts);
    raised.is_some()
}

fn good_seal(alarms: &mut Alarms, unit: &str) -> usize {
    alarms.clear((Rule::SealMismatch, &id("READER-1"), unit), Standing::Good).len()
}

fn shown(alarms: &Alarms) -> Vec<(String, bool)> {
    alarms.iter().map(|alarm| (alarm.id(), alarm.active)).collect()
}

#[test]
fn a_wrong_seal_that_differs_from_the_last_one_of_its_unit_rings_again() {
    let mut alarms = Alarms::default();
    assert!(wrong_seal(&mut alarms, "U1", "AB1"));
    assert!(!wrong_seal(&mut alarms, "U1", "AB1"));
    assert!(wrong_seal(&mut alarms, "U1", "AB2"));
    assert_eq!((the(&alarms).times, the(&alarms).acknowledged_by()), (2, None));
}

#[test]
fn the_good_seal_of_the_next_unit_does_not_clear_the_wrong_one_of_the_last() {
    let mut alarms = Alarms::default();
    wrong_seal(&mut alarms, "U1", "AB1");
    wrong_seal(&mut alarms, "U2", "AB2");
    assert_eq!(good_seal(&mut alarms, "U3"), 0);
    assert_eq!(good_seal(&mut alarms, "U2"), 1);
    let still = ("seal-mismatch/READER-1#U1".to_owned(), true);
    assert_eq!(shown(&alarms), [still.clone(), ("seal-mismatch/READER-1#U2".to_owned(), false)]);
    seen(&mut alarms, "seal-mismatch/READER-1#U2");
    assert_eq!(shown(&alarms), [still]);
}

#[test]
fn a_guard_who_acknowledges_a_wrong_seal_closes_it_and_the_next_one_is_a_new_alarm() {
    let mut alarms = Alarms::default();
    wrong_seal(&mut alarms, "U1", "AB1");
    let kinds: Vec<Kind> = seen(&mut alarms, "seal-mismatch/READER-1#U1").iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Kind::ActAcknowledged, Kind::AlarmClosed]);
    assert_eq!(shown(&alarms), []);
    assert!(wrong_seal(&mut alarms, "U1", "AB1"));
    assert_eq!(the(&alarms).times, 1);
}

#[test]
fn a_flood_of_wrong_seals_is_bounded_and_still_rings() {
    let mut alarms = Alarms::default();
    for n in 0..1_000 {
        assert!(wrong_seal(&mut alarms, &format!("U{n}"), &format!("S{n}")));
    }
    assert_eq!(alarms.iter().count(), 33);
    let rest = alarms.iter().find(|alarm| alarm.id() == "seal-mismatch/READER-1#:and-more").unwrap();
    assert_eq!((rest.times, rest.facts["read"].as_str()), (968, "S999"));
    assert!(wrong_seal(&mut alarms, "U3", "another") && alarms.iter().count() == 33);
}

#[test]
fn an_acknowledgement_of_an_older_occurrence_silences_nothing() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    clear(&mut alarms, Standing::Good);
    raise(&mut alarms, Standing::Good);
    assert!(alarms.acknowledge(FORCED, FIRST, "Ines", "", "").is_empty());
    assert_eq!((the(&alarms).acknowledged_by(), the(&alarms).active), (None, true));
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged]);
}

#[test]
fn nor_does_one_of_an_alarm_that_was_closed_since_and_opened_anew() {
    let mut alarms = Alarms::default();
    raise(&mut alarms, Standing::Good);
    acknowledge(&mut alarms);
    clear(&mut alarms, Standing::Good);
    let later = at(60_000_000);
    alarms.raise(&later, (Rule::DoorForced, &id("DOOR-1"), ""), Severity::Security, Standing::Good, Facts::new());
    assert!(alarms.acknowledge(FORCED, FIRST, "Ines", "", "").is_empty());
    assert_eq!(the(&alarms).acknowledged_by(), None);
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
    assert_eq!(alarms.unwatch(FORCED).map(|s| s.kind), Some(Kind::AlarmCleared));
    assert_eq!(acknowledge(&mut alarms), [Kind::ActAcknowledged, Kind::AlarmClosed]);
}

#[test]
fn an_act_on_an_alarm_that_is_not_open_does_nothing() {
    assert!(Alarms::default().acknowledge("door-forced/NO-1", FIRST, "Ines", "", "").is_empty());
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
    Clear(usize, usize, usize, u8),
    Acknowledge(usize, usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (rule, door, standing) = (0..Rule::ALL.len(), 0_usize..2, 0..EVERY.len());
    prop_oneof![
        (rule.clone(), door.clone(), standing.clone(), 0_u8..4).prop_map(|(r, d, s, f)| Step::Raise(r, d, s, f)),
        (rule.clone(), door.clone(), standing, 0_u8..4).prop_map(|(r, d, s, f)| Step::Clear(r, d, s, f)),
        (rule, door, 0_u8..4).prop_map(|(r, d, f)| Step::Acknowledge(r, d, f)),
    ]
}

/// The unit that a wrong seal is about; each has two seals.
fn about(rule: Rule, fact: u8) -> &'static str {
    if rule.is_of_seals() { ["U1", "U2"][usize::from(fact / 2)] } else { "" }
}

fn key(rule: usize, door: &EquipmentId, fact: u8) -> String {
    super::id(Rule::ALL[rule], door, about(Rule::ALL[rule], fact))
}

/// The rules of the guards' book in their plainest form: `None` = not open, else (holds, seen by a guard).
type Model = BTreeMap<String, (bool, bool)>;

fn model(model: &mut Model, step: &Step, doors: &[EquipmentId; 2], repeats: bool) {
    match *step {
        Step::Raise(rule, door, _, fact) => {
            let open = model.entry(key(rule, &doors[door], fact)).or_insert((false, false));
            if !open.0 || repeats {
                *open = (true, false);
            }
        }
        Step::Clear(rule, door, standing, fact) => {
            let key = key(rule, &doors[door], fact);
            let trusted = EVERY[standing] <= Standing::Due;
            match model.get(&key).copied() {
                Some((true, true)) if trusted => drop(model.remove(&key)),
                Some((true, seen)) => drop(model.insert(key, (false, seen && trusted))),
                Some((false, _)) | None => {}
            }
        }
        Step::Acknowledge(rule, door, fact) => {
            let happened = Rule::ALL[rule].is_of_seals() || Rule::ALL[rule] == Rule::UnseenEntry;
            let key = key(rule, &doors[door], fact);
            match model.get(&key).copied() {
                Some((true, _)) if !happened => drop(model.insert(key, (true, true))),
                Some(_) => drop(model.remove(&key)),
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
            let what = (rule, &doors[door], about(rule, fact));
            let raised = alarms.raise(&at(0), what, rule.severity(), EVERY[standing], facts);
            (raised.into_iter().collect(), EVERY[standing])
        }
        Step::Clear(rule, door, standing, fact) => {
            let rule = Rule::ALL[rule];
            (alarms.clear((rule, &doors[door], about(rule, fact)), EVERY[standing]), EVERY[standing])
        }
        Step::Acknowledge(rule, door, fact) => (seen(alarms, &key(rule, &doors[door], fact)), Standing::Good),
    }
}

/// Everything of the alarms that must outlive a start. Standing, draft and number are those of the record that states
/// an alarm last.
fn lasting(alarms: &Alarms) -> Vec<Alarm> {
    let seen = |a: &Alarm| a.acknowledged.clone().map(|seen| Acknowledged { draft: 0, seq: None, ..seen });
    let now_known = |a: &Alarm| Alarm { raised_us: None, standing: String::new(), draft: 0, seq: None, ..a.clone() };
    let alike = |a: &Alarm| Alarm { acknowledged: seen(a), ..now_known(a) };
    alarms.iter().map(alike).collect()
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
            let repeats = matches!(step, Step::Raise(rule, ..) if Rule::ALL[*rule].is_of_seals())
                && !statements.is_empty();
            model(&mut reference, step, &doors, repeats);
            for statement in &statements {
                rows.take(statement, standing.as_str());
            }
            if statements.is_empty() {
                prop_assert_eq!(before, lasting(&alarms), "changed without a record by {:?}", step);
            }
            let seen = |a: &Alarm| (a.id(), (a.active, a.acknowledged.is_some()));
            let book: Model = alarms.iter().map(seen).collect();
            prop_assert_eq!(&book, &reference, "after {:?}", step);
            prop_assert!(alarms.iter().all(|a| a.active || a.acknowledged.is_none()), "seen and gone, yet open");
            prop_assert_eq!(lasting(&Alarms::recover(&rows.all(), &rows.2)), lasting(&alarms), "recovered after {:?}", step);
        }
    }
}
