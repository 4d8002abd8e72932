use super::*;
use crate::fields::Fields;
use crate::register::rows as sheet;
use crate::testbed::{Rows, at, id, untrusted};
use crate::time::s;

fn register() -> Register {
    let row = |id: &str, more: &[(&str, &str)]| -> sheet::Row {
        let whole = [("id", id), ("kind", "camera")];
        whole.iter().chain(more).map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
    };
    let plate = [("make", "Axis"), ("model", "P1465"), ("firmware", "11.2")];
    let rows = [
        row("CAM-1", &plate),
        row("CAM-2", &plate),
        row("CAM-3", &[("make", "Axis"), ("model", "P1465"), ("firmware", "11.3")]),
        row("SMOKE-1", &[("criticality", "life")]),
    ];
    sheet::build(1, [0; 32], &rows).unwrap()
}

fn act(step: CorrectiveStep, id: &str, fields: &[(&str, &str)]) -> Corrective {
    let by: Fields = fields.iter().chain(&[("by", "N. N.")]).map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Corrective::read(step, id, &by).unwrap()
}

/// Days after the testbed's beginning.
fn day(n: u64) -> Now {
    at(s(n * 86_400))
}

struct Book {
    book: Nonconformities,
    register: Register,
    rows: Rows,
}

impl Book {
    fn new() -> Self {
        Self { book: Nonconformities::default(), register: register(), rows: Rows::default() }
    }

    fn open(&mut self, now: &Now, of: &str) -> Option<Statement> {
        let statement = self.book.open(now, &self.register, "silent", &id(of), Facts::new());
        self.take(statement)
    }

    fn close(&mut self, now: &Now, of: &str) -> Option<Statement> {
        let statement = self.book.close(now, "silent", &id(of));
        self.take(statement)
    }

    fn answer(&mut self, now: &Now, act: &Corrective) -> Result<Vec<Kind>, String> {
        let said = self.book.answer(now, &self.register, act)?;
        said.iter().for_each(|one| self.rows.take(one, "good"));
        self.holds();
        Ok(said.iter().map(|one| one.kind).collect())
    }

    fn take(&mut self, statement: Option<Statement>) -> Option<Statement> {
        statement.iter().for_each(|one| self.rows.take(one, "good"));
        self.holds();
        statement
    }

    /// What is folded from the records is what is in memory.
    fn holds(&self) {
        let recovered = Nonconformities::recover(&self.rows.all());
        assert_eq!(recovered.open, self.book.open);
        assert_eq!(recovered.watched, self.book.watched);
    }

    fn step(&self, of: &str) -> Option<Step> {
        self.book.open.get(&format!("silent/{of}")).map(|nc| nc.life.step)
    }
}

const ID: &str = "silent/CAM-1";
const PLAN: &[(&str, &str)] = &[("action", "exchange the switch"), ("until", "2026-12-31"), ("risk", "none: at night")];

#[test]
fn a_reason_opens_once_per_equipment_and_closes_by_evidence_where_nothing_was_agreed() {
    let mut book = Book::new();
    assert!(book.open(&day(0), "CAM-1").is_some() && book.open(&day(0), "CAM-1").is_none());
    assert!(book.open(&day(0), "CAM-2").is_some());
    assert_eq!(book.close(&day(1), "CAM-1").map(|said| said.kind), Some(Kind::NonconformityClosed));
    assert!(book.close(&day(1), "CAM-1").is_none());
}

#[test]
fn r15_an_action_is_agreed_done_and_verified_before_it_closes() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    let contained = act(CorrectiveStep::Contain, ID, &[("what", "second guard")]);
    assert_eq!(book.answer(&day(0), &contained), Ok(vec![Kind::NonconformityContained]));
    assert_eq!(book.answer(&day(0), &act(CorrectiveStep::Agree, ID, PLAN)), Ok(vec![Kind::NonconformityAgreed]));
    // The device speaks again: that is no proof that it stays so.
    assert_eq!(book.close(&day(2), "CAM-1").map(|said| said.kind), Some(Kind::NonconformityDone));
    assert_eq!(book.step("CAM-1"), Some(Step::Done));
    let verified = act(CorrectiveStep::Verify, ID, &[("effective", "yes")]);
    let closed = [Kind::NonconformityVerified, Kind::NonconformityClosed];
    assert_eq!(book.answer(&day(3), &verified), Ok(closed.to_vec()));
    assert_eq!(book.step("CAM-1"), None);
}

#[test]
fn r15_what_is_done_is_not_verified_while_its_reason_holds() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    book.answer(&day(0), &act(CorrectiveStep::Agree, ID, PLAN)).unwrap();
    book.answer(&day(1), &act(CorrectiveStep::Done, ID, &[("what", "exchanged")])).unwrap();
    let why = book.answer(&day(1), &act(CorrectiveStep::Verify, ID, &[("effective", "yes")])).unwrap_err();
    assert!(why.contains("its reason holds still"), "{why}");
    let without = act(CorrectiveStep::Verify, ID, &[("effective", "no")]);
    assert_eq!(book.answer(&day(1), &without), Ok(vec![Kind::NonconformityVerified]));
    assert_eq!(book.step("CAM-1"), Some(Step::Contained), "another action is needed");
}

#[test]
fn r15_an_action_needs_a_word_on_its_risk_unless_life_is_at_stake() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    book.open(&day(0), "SMOKE-1");
    let without = [("action", "exchange"), ("until", "2026-12-31")];
    let why = book.answer(&day(0), &act(CorrectiveStep::Agree, ID, &without)).unwrap_err();
    assert!(why.contains("risk="), "{why}");
    assert!(book.answer(&day(0), &act(CorrectiveStep::Agree, "silent/SMOKE-1", &without)).is_ok());
    let past = [("action", "exchange"), ("until", "2020-01-01"), ("risk", "none")];
    let why = book.answer(&day(0), &act(CorrectiveStep::Agree, ID, &past)).unwrap_err();
    assert!(why.contains("until is over already"), "{why}");
}

#[test]
fn r15_what_comes_back_within_the_watch_period_is_reopened_and_later_is_new() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    book.close(&day(1), "CAM-1");
    let again = book.open(&day(31), "CAM-1").unwrap();
    assert_eq!((again.kind, &again.data["times"]), (Kind::NonconformityReopened, &json!(2)));
    book.close(&day(32), "CAM-1");
    let later = book.open(&day(63), "CAM-1").unwrap();
    assert_eq!((later.kind, &later.data["times"]), (Kind::NonconformityOpened, &json!(1)));
    // What comes back before it was verified is reopened too, and the action begins anew.
    book.answer(&day(63), &act(CorrectiveStep::Agree, ID, &[PLAN, &[("until", "2027-12-31")]].concat())).unwrap();
    book.close(&day(64), "CAM-1");
    assert_eq!(book.open(&day(65), "CAM-1").unwrap().kind, Kind::NonconformityReopened);
    assert_eq!(book.step("CAM-1"), Some(Step::Opened));
}

#[test]
fn r15_one_that_nobody_answers_is_reported_upward_three_times_and_an_answer_begins_the_count_anew() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    let mut told = Vec::new();
    for n in 0..60 {
        let late = book.book.escalate(&day(n));
        late.iter().for_each(|one| book.rows.take(one, "good"));
        book.holds();
        told.extend(late.iter().map(|one| (n, one.data["escalated"].clone())));
        if n == 40 {
            book.answer(&day(n), &act(CorrectiveStep::Contain, ID, &[("what", "guard")])).unwrap();
        }
    }
    assert_eq!(told, [(7, json!(1)), (14, json!(2)), (21, json!(3)), (54, json!(1))]);
}

#[test]
fn r15_one_that_opened_under_a_clock_nobody_trusts_or_one_years_ahead_is_reported_upward_all_the_same() {
    let mut book = Book::new();
    book.open(&untrusted(0), "CAM-1");
    book.open(&day(4_000), "CAM-2");
    assert_eq!(book.book.escalate(&untrusted(s(20 * 86_400))).len(), 0);
    let late = book.book.escalate(&day(8));
    assert_eq!(late.iter().map(|one| one.data["nonconformity"].clone()).collect::<Vec<_>>(), [json!(ID)]);
    assert_eq!(book.book.escalate(&day(16)).len(), 2);
}

#[test]
fn something_that_happens_again_in_another_way_is_said_again() {
    let mut book = Book::new();
    let facts = |from: &str| Facts::from([("in_doubt_from".to_owned(), from.to_owned())]);
    let mut happen = |from: &str| {
        let said = book.book.happened(&day(0), &book.register, "silent", &id("CAM-1"), facts(from));
        book.take(said).map(|said| (said.kind, said.data["facts"]["in_doubt_from"].clone()))
    };
    assert_eq!(happen("2026-03-01"), Some((Kind::NonconformityOpened, json!("2026-03-01"))));
    assert_eq!(happen("2026-03-01"), None);
    assert_eq!(happen("2026-01-01"), Some((Kind::NonconformityReopened, json!("2026-01-01"))));
    // Once it was done, the next is another one.
    book.answer(&day(1), &act(CorrectiveStep::Agree, ID, PLAN)).unwrap();
    book.answer(&day(1), &act(CorrectiveStep::Done, ID, &[("what", "looked at")])).unwrap();
    let said = book.book.happened(&day(2), &book.register, "silent", &id("CAM-1"), facts("2026-06-01"));
    let said = book.take(said).unwrap();
    assert_eq!(
        (said.kind, &said.data["times"], &said.data["ended"]),
        (Kind::NonconformityReopened, &json!(2), &json!(true))
    );
}

#[test]
fn r15_similar_equipment_is_listed_where_it_opens() {
    let mut book = Book::new();
    let opened = book.open(&day(0), "CAM-1").unwrap();
    assert_eq!(opened.data["similar"], json!({ "n": 1, "eqs": ["CAM-2"] }));
    assert_eq!(book.open(&day(0), "SMOKE-1").unwrap().data.get("similar"), None, "its type is not stated");
}

#[test]
fn an_answer_to_a_state_that_is_over_is_kept_and_changes_nothing() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    let of_the_site = act(CorrectiveStep::Contain, ID, &[("what", "guard"), ("saw", "opened/1")]);
    let of_the_centre = act(CorrectiveStep::Contain, ID, &[("what", "tag"), ("saw", "opened/1")]);
    book.answer(&day(0), &of_the_site).unwrap();
    let late = book.book.answer(&day(0), &book.register, &of_the_centre).unwrap();
    assert_eq!(
        (late[0].kind, &late[0].data["late"], &late[0].data["what"]),
        (Kind::NonconformityContained, &json!(true), &json!("tag"))
    );
    late.iter().for_each(|one| book.rows.take(one, "good"));
    book.holds();
    let gone = book.answer(&day(0), &act(CorrectiveStep::Contain, "silent/CAM-9", &[("what", "guard")])).unwrap_err();
    assert!(gone.contains("is not open"), "{gone}");
}

#[test]
fn something_that_happened_waits_for_people_and_not_for_evidence() {
    let mut book = Book::new();
    let said = book.book.happened(&day(0), &book.register, "silent", &id("CAM-1"), Facts::new());
    assert_eq!(book.take(said).unwrap().data["ended"], json!(true));
    assert!(book.close(&day(1), "CAM-1").is_none());
    book.answer(&day(1), &act(CorrectiveStep::Agree, ID, PLAN)).unwrap();
    book.answer(&day(1), &act(CorrectiveStep::Done, ID, &[("what", "adjusted")])).unwrap();
    book.answer(&day(1), &act(CorrectiveStep::Verify, ID, &[("effective", "yes")])).unwrap();
    assert_eq!(book.step("CAM-1"), None);
}

#[test]
fn what_is_gone_from_the_plan_leaves_nothing_that_is_watched_for() {
    let mut book = Book::new();
    book.open(&day(0), "CAM-1");
    let said = book.book.removed("silent", &id("CAM-1"));
    assert!(book.take(said).is_some() && book.rows.all().is_empty(), "{:?}", book.rows.all());
}

#[test]
fn each_fault_of_an_answer_names_its_field() {
    let read = |step, id: &str, fields: &[(&str, &str)]| {
        let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let faults = Corrective::read(step, id, &fields).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    };
    for (step, id, fields, wanted) in [
        (CorrectiveStep::Contain, "x", &[("what", "y"), ("by", "N")][..], "\"x\" is no id of a nonconformity"),
        (CorrectiveStep::Contain, ID, &[("by", "N")], "what: what is missing"),
        (CorrectiveStep::Agree, ID, &[("by", "N"), ("action", "x")], "until: until is missing"),
        (
            CorrectiveStep::Agree,
            ID,
            &[("by", "N"), ("action", "x"), ("until", "1.2.26")],
            "until: cannot read \"1.2.26\"",
        ),
        (CorrectiveStep::Verify, ID, &[("by", "N")], "effective: effective is missing; one of yes, no"),
        (CorrectiveStep::Done, ID, &[("by", "N"), ("what", "x"), ("saw", "open")], "saw: cannot read \"open\""),
        (CorrectiveStep::Done, ID, &[("what", "x")], "by: by is missing"),
        (CorrectiveStep::Done, ID, &[("by", "N"), ("wat", "x")], "wat: unknown field wat; did you mean what?"),
    ] {
        let said = read(step, id, fields);
        assert!(said.contains(wanted), "{fields:?}: {said}");
    }
}

mod model {
    use super::*;
    use proptest::prelude::*;

    /// What is expected of one nonconformity, as simply as it can be said.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Model {
        /// Open, with its step and whether its reason is gone.
        open: Option<(Step, bool)>,
        holds: bool,
    }

    impl Model {
        fn reason(&mut self, holds: bool) {
            self.holds = holds;
            self.open = match (self.open, holds) {
                (None, true) | (Some((_, true)), true) => Some((Step::Opened, false)),
                (Some((step, false)), false) if step >= Step::Agreed => Some((Step::Done, true)),
                (Some((_, false)), false) => None,
                (open, _) => open,
            };
        }

        fn act(&mut self, act: CorrectiveStep, effective: bool) -> bool {
            let Some((step, ended)) = self.open else { return false };
            let next = match (act, step) {
                (CorrectiveStep::Contain, Step::Opened | Step::Contained) => Some((Step::Contained, ended)),
                (CorrectiveStep::Agree, Step::Opened | Step::Contained | Step::Agreed) => Some((Step::Agreed, ended)),
                (CorrectiveStep::Done, Step::Agreed) => Some((Step::Done, ended)),
                (CorrectiveStep::Verify, Step::Done) if effective && ended => {
                    self.open = None;
                    return true;
                }
                (CorrectiveStep::Verify, Step::Done) if effective => return false,
                (CorrectiveStep::Verify, Step::Done) => Some((Step::Contained, ended)),
                _ => return false,
            };
            self.open = next;
            true
        }
    }

    #[derive(Debug, Clone)]
    enum Move {
        Reason(bool),
        Act(usize, bool),
        Restart,
        Days(u64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            any::<bool>().prop_map(Move::Reason),
            (0..4_usize, any::<bool>()).prop_map(|(step, effective)| Move::Act(step, effective)),
            Just(Move::Restart),
            (0..20_u64).prop_map(Move::Days),
        ];
        prop::collection::vec(one, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_500))]

        /// Each history has up to forty moves, twenty on average: a hundred thousand moves in all.
        #[test]
        fn the_book_does_what_the_model_says_and_a_restart_changes_nothing(moves in moves()) {
            let mut book = Book::new();
            let (mut model, mut today) = (Model { open: None, holds: false }, 0);
            for one in moves {
                let now = day(today);
                match one {
                    Move::Reason(true) => {
                        let said = book.open(&now, "CAM-1");
                        let fresh = model.open.is_none_or(|(_, ended)| ended);
                        model.reason(true);
                        prop_assert_eq!(said.is_some(), fresh);
                    }
                    Move::Reason(false) => {
                        let said = book.close(&now, "CAM-1");
                        let news = model.open.is_some_and(|(_, ended)| !ended);
                        model.reason(false);
                        prop_assert_eq!(said.is_some(), news);
                    }
                    Move::Act(step, effective) => {
                        let step = CorrectiveStep::ALL[step];
                        let fields: &[(&str, &str)] = match step {
                            CorrectiveStep::Contain | CorrectiveStep::Done => &[("what", "x")],
                            CorrectiveStep::Agree => &[("action", "x"), ("until", "2090-01-01"), ("risk", "none")],
                            CorrectiveStep::Verify if effective => &[("effective", "yes")],
                            CorrectiveStep::Verify => &[("effective", "no")],
                        };
                        let taken = book.answer(&now, &act(step, ID, fields)).is_ok();
                        prop_assert_eq!(taken, model.act(step, effective));
                    }
                    Move::Restart => book.book = Nonconformities::recover(&book.rows.all()),
                    Move::Days(n) => {
                        today += n;
                        let late = book.book.escalate(&day(today));
                        late.iter().for_each(|one| book.rows.take(one, "good"));
                    }
                }
                book.holds();
                let open = book.book.open.get(ID).map(|nc| (nc.life.step, nc.life.ended));
                prop_assert_eq!(open, model.open);
                prop_assert!(!model.holds || open.is_some_and(|(_, ended)| !ended), "what holds is open");
            }
        }
    }
}
