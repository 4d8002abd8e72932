//! The book of incidents, alone and beside a plain model of it.

use super::*;
use crate::fields::Fields;
use crate::testbed::{MIDNIGHT_MS, Rows, at, id as equipment, untrusted};
use proptest::prelude::*;

const DAY_US: u64 = 86_400_000_000;

fn alarm(name: &str, sign: Sign) -> Raised {
    let of = equipment(name.split_once('/').unwrap().1);
    Raised { alarm: name.into(), equipment: of, sign, severity: Severity::Security, scenario: None, raw: Some([7; 32]) }
}

fn zone(name: &str) -> Scene {
    Scene { zone: name.into(), ..Scene::default() }
}

fn said(n: u64, class: &str) -> Classify {
    let fields: Fields = [("as", class), ("what", "wind"), ("by", "N. N.")].map(|(k, v)| (k.into(), v.into())).into();
    Classify::read(&super::id(n), &fields).unwrap()
}

fn kinds(statements: &[Statement]) -> Vec<(&'static str, String)> {
    let of = |statement: &Statement| statement.data["incident"].as_str().unwrap().to_owned();
    statements.iter().map(|statement| (statement.kind.as_str(), of(statement))).collect()
}

#[test]
fn alarms_of_one_zone_within_ten_minutes_are_one_incident() {
    let mut book = Incidents::default();
    let forced = alarm("door-forced/D", Sign::Forced);
    let opened = book.raised(&at(0), &forced, true, zone("gate"));
    assert_eq!(kinds(&opened), [("incident.opened", "I-1".into())]);
    assert_eq!(opened[0].data["type"], "forced-entry");
    assert_eq!(opened[0].data["since_ms"], MIDNIGHT_MS);
    // SHA-256 of the frame, as base64url: 32 bytes of 7.
    assert_eq!(opened[0].data["alarms"], json!([["door-forced/D", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"]]));
    let blind = alarm("view-lost/C", Sign::Blind);
    let joined = book.raised(&at(s(599)), &blind, true, zone("gate"));
    assert_eq!(
        (kinds(&joined), &joined[0].data["type"]),
        (vec![("incident.joined", "I-1".into())], &json!("blinded-entry"))
    );
    // The same alarm once more is no news, and keeps the incident going.
    assert!(book.raised(&at(s(1_100)), &blind, true, zone("gate")).is_empty());
    let tamper = alarm("tamper/P", Sign::Tamper);
    assert_eq!(kinds(&book.raised(&at(s(1_700)), &tamper, true, zone("gate"))), [("incident.joined", "I-1".into())]);
    let later = alarm("tamper/Q", Sign::Tamper);
    assert_eq!(kinds(&book.raised(&at(s(2_301)), &later, true, zone("gate"))), [("incident.opened", "I-2".into())]);
    let elsewhere = alarm("door-forced/E", Sign::Forced);
    assert_eq!(kinds(&book.raised(&at(s(2_302)), &elsewhere, true, zone("yard"))), [("incident.opened", "I-3".into())]);
}

#[test]
fn an_outage_alone_is_none_and_belongs_to_the_one_that_follows() {
    let mut book = Incidents::default();
    let outage = alarm("mains-lost/P", Sign::Outage);
    assert!(book.raised(&at(0), &outage, false, zone("gate")).is_empty());
    let scene = Scene { around: vec![outage], ..zone("gate") };
    let opened = book.raised(&at(s(60)), &alarm("tamper/P", Sign::Tamper), true, scene);
    assert_eq!((&opened[0].data["type"], &opened[0].data["n"]), (&json!("tamper-in-outage"), &json!(2)));
}

#[test]
fn what_a_drill_plays_is_told_apart_from_what_happens_in_it() {
    let mut book = Incidents::default();
    let drill = |zone_name: &str| Scene { drill: Some("DR-1".into()), ..zone(zone_name) };
    let played = book.raised(&at(0), &alarm("door-forced/D", Sign::Forced), true, drill("gate"));
    assert_eq!(played[0].data["exercise"], "DR-1");
    let real = book.raised(&at(s(1)), &alarm("tamper/P", Sign::Tamper), true, zone("gate"));
    assert_eq!(kinds(&real), [("incident.opened", "I-2".into())]);
    assert!(!real[0].data.contains_key("exercise"));
    // A fault that was played is none.
    for class in ["fault", "false-alarm", "fault", "test", "fault"] {
        let (statements, faulty) = book.classify(&at(s(2)), &said(1, class)).unwrap();
        assert_eq!((statements[0].data.get("faults_ms"), faulty), (None, None), "{class}");
    }
}

#[test]
fn it_is_over_once_it_was_classified_and_its_last_alarm_is_closed() {
    let mut book = Incidents::default();
    book.raised(&at(0), &alarm("door-forced/D", Sign::Forced), true, zone("gate"));
    book.raised(&at(1), &alarm("tamper/P", Sign::Tamper), true, zone("gate"));
    assert!(book.alarm_over("tamper/P").is_empty());
    let (stated, _) = book.classify(&at(2), &said(1, "genuine")).unwrap();
    assert_eq!(kinds(&stated), [("incident.classified", "I-1".into())]);
    assert_eq!((&stated[0].data["class"], &stated[0].data["what"]), (&json!("genuine"), &json!("wind")));
    assert!(!serde_json::to_string(&stated[0].data).unwrap().contains("N. N."), "names stand beside the record");
    assert_eq!(kinds(&book.alarm_over("door-forced/D")), [("incident.closed", "I-1".into())]);
    assert_eq!(book.open().count(), 0);
    // What was said may be put right while it is remembered.
    let (stated, _) = book.classify(&at(3), &said(1, "near-miss")).unwrap();
    assert_eq!(
        (kinds(&stated), &stated[0].data["was"]),
        (vec![("incident.classified", "I-1".into())], &json!("genuine"))
    );
    assert_eq!(stated[0].data["closed"], true);
    let unknown = book.classify(&at(3), &said(9, "test")).unwrap_err();
    assert!(unknown.starts_with("I-9 is not known"), "{unknown}");
}

#[test]
fn three_faults_of_one_source_within_ninety_days_are_too_many() {
    let mut book = Incidents::default();
    let mut n = 0;
    let mut fault = |day: u64, name: &str, class: &str| {
        n += 1;
        let now = at(day * DAY_US);
        book.raised(&now, &alarm(name, Sign::Held), true, zone(name));
        let faulty = book.classify(&now, &said(n, class)).unwrap().1;
        book.alarm_over(name);
        faulty
    };
    assert_eq!(fault(0, "door-held/D", "fault"), None);
    assert_eq!(fault(1, "door-held/D", "false-alarm"), None);
    assert_eq!(fault(2, "door-held/E", "fault"), None);
    assert_eq!(fault(89, "door-held/D", "fault"), None);
    // The first is older than ninety days by now.
    assert_eq!(fault(91, "door-held/D", "fault"), None);
    assert_eq!(fault(92, "door-held/D", "fault"), Some(equipment("D")));
    // They were counted: three more make the next.
    assert_eq!(fault(93, "door-held/D", "fault"), None);
    assert_eq!(fault(94, "door-held/D", "fault"), None);
    assert_eq!(fault(95, "door-held/D", "fault"), Some(equipment("D")));
}

#[test]
fn a_fault_that_was_none_is_taken_back_and_one_without_a_time_counts() {
    let mut book = Incidents::default();
    for n in 1..=3 {
        book.raised(&untrusted(n), &alarm("door-held/D", Sign::Held), true, zone(&n.to_string()));
        assert_eq!(book.classify(&untrusted(n), &said(n, "fault")).unwrap().1.is_some(), n == 3);
        if n == 2 {
            let (stated, _) = book.classify(&untrusted(n), &said(n, "genuine")).unwrap();
            assert_eq!(stated[0].data["faults_ms"].as_array().unwrap().len(), 1);
            assert_eq!(book.classify(&untrusted(n), &said(n, "fault")).unwrap().1, None);
        }
        book.alarm_over("door-held/D");
    }
}

#[test]
fn where_nobody_classifies_the_oldest_is_closed_without_a_class_and_says_so() {
    let mut book = Incidents::default();
    let mut stated = Vec::new();
    for n in 0..MAX_OPEN + 3 {
        let name = format!("tamper/P{n}");
        stated.extend(book.raised(&at(n as u64), &alarm(&name, Sign::Tamper), true, zone(&name)));
        // The first one's alarm is open still: it goes last.
        if n > 0 {
            stated.extend(book.alarm_over(&name));
        }
    }
    assert_eq!(book.open().count(), MAX_OPEN);
    let closed: Vec<_> = stated.iter().filter(|statement| statement.kind == Kind::IncidentClosed).collect();
    assert_eq!(
        closed.iter().map(|one| one.data["incident"].as_str().unwrap()).collect::<Vec<_>>(),
        ["I-2", "I-3", "I-4"]
    );
    assert!(closed.iter().all(|one| !one.data.contains_key("class")));
}

#[test]
fn each_fault_of_a_classification_names_its_field() {
    for (subject, fields, wanted) in [
        (
            "12",
            &[("as", "test"), ("by", "N")][..],
            "\"12\" is no id of an incident; name one as picket status shows it: I-12",
        ),
        ("I-012", &[("as", "test"), ("by", "N")], "no id of an incident"),
        ("I-1", &[("by", "N")], "as: as is missing; one of genuine, false-alarm, near-miss"),
        ("I-1", &[("as", "wind"), ("by", "N")], "as: unknown as \"wind\""),
        ("I-1", &[("as", "other"), ("by", "N")], "what: what is missing"),
        (
            "I-1",
            &[("as", "test"), ("agency", "ghost"), ("by", "N")],
            "agency: unknown agency \"ghost\"; one of outsider",
        ),
        ("I-1", &[("as", "test"), ("degree", "5"), ("by", "N")], "degree: unknown degree \"5\""),
        ("I-1", &[("as", "test")], "by: by is missing"),
        ("I-1", &[("as", "test"), ("by", "N"), ("causes", "x")], "did you mean cause?"),
    ] {
        let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let told: Vec<String> = Classify::read(subject, &fields).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
}

/// What can happen to the book.
#[derive(Debug, Clone)]
enum Step {
    /// An alarm of one of four pieces of equipment, in one of two zones, so many seconds later, in a drill or not.
    Raise(usize, u64, bool),
    Over(usize),
    Classify(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..4, 0_u64..900, prop::bool::weighted(0.2)).prop_map(|(of, later, drill)| Step::Raise(of, later, drill)),
        2 => (0_usize..4).prop_map(Step::Over),
        2 => (1_u64..12, 0_usize..7).prop_map(|(n, class)| Step::Classify(n, class)),
    ]
}

/// An incident in its plainest form.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    n: u64,
    zone: usize,
    drill: bool,
    last_s: u64,
    named: BTreeSet<usize>,
    open: BTreeSet<usize>,
    class: Option<usize>,
    closed: bool,
}

/// Alarms 0 and 1 are in one zone, 2 and 3 in another; 3 does not begin one by itself.
fn model(plain: &mut Vec<Plain>, clock_s: &mut u64, step: &Step) {
    match *step {
        Step::Raise(of, later, drill) => {
            *clock_s += later;
            let now_s = *clock_s;
            let of_n =
                plain.iter().filter(|one| !one.closed && one.named.contains(&of)).map(|one| one.n).max().unwrap_or(0);
            let takes = |one: &&mut Plain| {
                let near = one.zone == of / 2 && now_s - one.last_s <= 600;
                one.n >= of_n
                    && !one.closed
                    && one.class.is_none()
                    && one.drill == drill
                    && (near || one.open.contains(&of))
            };
            let taken = plain.iter_mut().rev().find(takes).map(|one| {
                one.last_s = now_s;
                one.open.insert(of);
                one.named.insert(of);
                one.n
            });
            // Taken in or taken up, it belongs to no other any more.
            let to = taken.unwrap_or(plain.len() as u64 + 1);
            if taken.is_some() || of != 3 {
                plain.iter_mut().filter(|one| one.n != to).for_each(|one| one.open.retain(|open| *open != of));
            }
            // What only makes a place weaker is still a part of what waits.
            if taken.is_none() && of == 3 {
                let names = plain.iter_mut().rev().find(|one| !one.closed && one.named.contains(&of));
                if let Some(one) = names {
                    one.open.insert(of);
                }
            }
            if taken.is_none() && of != 3 {
                let open = BTreeSet::from([of]);
                plain.push(Plain {
                    n: to,
                    zone: of / 2,
                    drill,
                    last_s: now_s,
                    named: open.clone(),
                    open,
                    class: None,
                    closed: false,
                });
            }
        }
        Step::Over(of) => plain.iter_mut().for_each(|one| one.open.retain(|open| *open != of)),
        Step::Classify(n, class) => {
            plain.iter_mut().filter(|one| one.n == n).for_each(|one| one.class = Some(class));
        }
    }
    plain.iter_mut().for_each(|one| one.closed |= one.class.is_some() && one.open.is_empty());
}

fn alarm_of(of: usize) -> Raised {
    let name = ["door-forced/A", "view-lost/B", "tamper/C", "mains-lost/D"][of];
    alarm(name, [Sign::Forced, Sign::Blind, Sign::Tamper, Sign::Outage][of])
}

fn apply(book: &mut Incidents, clock_s: &mut u64, step: &Step) -> Vec<Statement> {
    match *step {
        Step::Raise(of, later, drill) => {
            *clock_s += later;
            let scene = Scene { drill: drill.then(|| "DR-1".to_owned()), ..zone(["gate", "yard"][of / 2]) };
            book.raised(&at(s(*clock_s)), &alarm_of(of), of != 3, scene)
        }
        Step::Over(of) => book.alarm_over(&alarm_of(of).alarm),
        Step::Classify(n, class) => {
            let act = said(n, Class::ALL[class].0);
            book.classify(&at(s(*clock_s)), &act).map(|(statements, _)| statements).unwrap_or_default()
        }
    }
}

type Lasting = (Vec<Incident>, u64, BTreeMap<EquipmentId, Vec<i64>>);

/// Which alarms are open their own records tell.
fn told_of((known, last, faults): &Lasting) -> Lasting {
    let told = |one: &Incident| Incident { open: BTreeSet::new(), ..one.clone() };
    (known.iter().map(told).collect(), *last, faults.clone())
}

/// What must outlive a start; when the last alarm came begins anew with it.
fn lasting(book: &Incidents) -> Lasting {
    let known = book.known.values().map(|one| Incident { last_us: None, last_ms: None, ..one.clone() });
    (known.collect(), book.last, book.faults.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// 100,000 steps, and more with `PROPTEST_CASES`.
    #[test]
    fn r13_the_book_agrees_with_its_model_and_with_what_its_records_recover(steps in prop::collection::vec(step(), 1..200)) {
        let (mut book, mut plain, mut rows) = (Incidents::default(), Vec::new(), Rows::default());
        let (mut clock_s, mut model_s) = (0, 0);
        let mut open = BTreeSet::new();
        for step in &steps {
            let before = lasting(&book);
            let statements = apply(&mut book, &mut clock_s, step);
            model(&mut plain, &mut model_s, step);
            match step {
                Step::Raise(of, ..) => drop(open.insert(alarm_of(*of).alarm)),
                Step::Over(of) => drop(open.remove(&alarm_of(*of).alarm)),
                Step::Classify(..) => {}
            }
            statements.iter().for_each(|statement| rows.take(statement, "good"));
            if statements.is_empty() {
                prop_assert_eq!(told_of(&before), told_of(&lasting(&book)), "changed without a record by {:?}", step);
            }
            for statement in &statements {
                let bytes = serde_json::to_string(&statement.data).unwrap().len();
                prop_assert!(bytes < 5_000, "{} bytes", bytes);
            }
            let class = |one: &Incident| one.class.as_ref().map(|(class, _)| Class::ALL.iter().position(|(_, c)| c == class).unwrap());
            let zones = |one: &Incident| usize::from(one.zone == "yard");
            let told: Vec<_> = book.known.values().map(|one| (one.n, zones(one), one.drill.is_some(), class(one), one.closed, one.open.len())).collect();
            let known = plain.iter().filter(|one| book.known.contains_key(&one.n));
            let wanted: Vec<_> =
                known.map(|one| (one.n, one.zone, one.drill, one.class, one.closed, one.open.len())).collect();
            prop_assert_eq!(told, wanted, "after {:?}", step);
            let waiting = plain.iter().filter(|one| !one.closed).count();
            prop_assert_eq!(book.open().count(), waiting, "none that waits is forgotten");
            let recovered = Incidents::recover(&at(s(clock_s)), &rows.all(), &open);
            prop_assert_eq!(lasting(&recovered), lasting(&book), "recovered after {:?}", step);
        }
    }
}
