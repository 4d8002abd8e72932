use super::*;
use crate::testbed::{MIDNIGHT_MS, Rows, at, id, register, untrusted};
use crate::wire::StateRow;
use picket_record::kind::Kind;
use serde_json::json;

/// A camera whose certificate ends ten seconds after midnight.
const ENDS: &[(&str, &str)] = &[
    ("id", "CAM-1"),
    ("kind", "camera"),
    ("calibration_due", "2026-11-22T00:00:10Z"),
    ("calibration_basis", "type test"),
    ("serial", "AB-12"),
];

struct Scene {
    standings: Standings,
    book: Nonconformities,
    rows: Rows,
}

impl Scene {
    fn of(listed: &[&[(&str, &str)]]) -> Self {
        Self::after(listed, Rows::default())
    }

    fn after(listed: &[&[(&str, &str)]], rows: Rows) -> Self {
        let standings = Standings::new(register(listed), 30, &rows.all());
        Self { standings, book: Nonconformities::recover(&rows.all()), rows }
    }

    fn keep(&mut self, statements: Vec<Statement>) -> Vec<String> {
        for statement in &statements {
            self.rows.take(statement, "good");
        }
        let told = |s: &Statement| {
            let verb = if s.kind == Kind::NonconformityOpened { "+" } else { "-" };
            format!("{verb}{}", s.data["nonconformity"].as_str().unwrap())
        };
        statements.iter().map(told).collect()
    }

    fn recheck(&mut self, now: &Now) -> Vec<String> {
        let statements = self.standings.recheck(now, &mut self.book);
        self.keep(statements)
    }

    fn told(&mut self, now: &Now, serial: Option<&str>, firmware: Option<&str>) -> Vec<String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let told = Identity { make: None, model: None, serial: own(serial), firmware: own(firmware) };
        let statements = self.standings.identified(now, &id("CAM-1"), &told, &mut self.book);
        self.keep(statements)
    }

    fn standing(&self) -> Standing {
        self.standings.standing(&id("CAM-1"))
    }
}

#[test]
fn a_calibration_expires_at_its_very_moment_while_the_agent_runs() {
    let mut scene = Scene::of(&[ENDS]);
    assert_eq!(scene.recheck(&at(0)), [""; 0]);
    assert_eq!((scene.standing(), scene.standings.deadline()), (Standing::Due, s(10)));
    assert_eq!(scene.recheck(&at(s(10) - 1_000)), [""; 0]);
    assert_eq!(scene.standing(), Standing::Due);
    assert_eq!(scene.recheck(&at(s(10))), ["+calibration-overdue/CAM-1"]);
    assert_eq!(scene.standing(), Standing::Overdue);
    assert_eq!(scene.recheck(&at(s(20))), [""; 0]);
}

#[test]
fn a_later_due_date_has_its_own_deadline_while_an_earlier_one_is_overdue() {
    let both: &[(&str, &str)] = &[
        ("id", "CAM-1"),
        ("kind", "camera"),
        ("calibration_due", "2026-11-01"),
        ("calibration_basis", "type test"),
        ("maintenance_due", "2026-11-22T00:00:07Z"),
    ];
    let mut scene = Scene::of(&[both]);
    assert_eq!(scene.recheck(&at(0)), ["+calibration-overdue/CAM-1"]);
    assert_eq!(scene.standings.deadline(), s(7));
    assert_eq!(scene.recheck(&at(s(7))), ["+maintenance-overdue/CAM-1"]);
    let due = |nc: &crate::nonconformity::Nonconformity| nc.facts["due"].clone();
    assert_eq!(scene.book.iter().map(due).collect::<Vec<_>>(), ["2026-11-01", "2026-11-22"]);
}

#[test]
fn due_begins_to_the_day_thirty_days_ahead() {
    let row: &[(&str, &str)] = &[
        ("id", "CAM-1"),
        ("kind", "camera"),
        ("calibration_due", "2026-12-22T00:00:10Z"),
        ("calibration_basis", "type test"),
    ];
    let mut scene = Scene::of(&[row]);
    scene.recheck(&at(0));
    assert_eq!((scene.standing(), scene.standings.deadline()), (Standing::Good, s(10)));
    scene.recheck(&at(s(10)));
    assert_eq!(scene.standing(), Standing::Due);
}

#[test]
fn a_clock_that_nobody_vouches_for_expires_nothing_and_opens_nothing() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(0));
    assert_eq!(scene.recheck(&untrusted(s(3_600))), [""; 0]);
    assert_eq!(scene.standing(), Standing::Due);
    assert_eq!(scene.recheck(&at(s(3_660))), ["+calibration-overdue/CAM-1"]);
}

#[test]
fn a_clock_that_was_never_set_leaves_the_status_unknown_without_a_nonconformity() {
    let mut scene = Scene::of(&[ENDS]);
    assert_eq!(scene.recheck(&untrusted(0)), [""; 0]);
    assert_eq!(scene.standing(), Standing::Unknown);
    assert_eq!(scene.recheck(&at(s(60))), ["+calibration-overdue/CAM-1"]);
}

#[test]
fn what_a_trusted_clock_saw_expire_stays_expired_after_a_start_without_one() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(s(10)));
    let mut again = Scene::after(&[ENDS], scene.rows);
    assert_eq!(again.recheck(&untrusted(0)), [""; 0]);
    assert_eq!(again.standing(), Standing::Overdue);
}

#[test]
fn the_last_trusted_time_judges_after_a_start_without_a_clock() {
    let row = StateRow { key: "floor".into(), body: (MIDNIGHT_MS + 10_000).to_string(), seq: 9 };
    let mut standings = Standings::new(register(&[ENDS]), 30, &[row]);
    standings.recheck(&untrusted(0), &mut Nonconformities::default());
    assert_eq!(standings.standing(&id("CAM-1")), Standing::Overdue);
}

#[test]
fn a_trusted_clock_that_is_set_back_takes_the_last_trusted_time_back_with_it() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(s(400 * 86_400)));
    assert_eq!(scene.standing(), Standing::Overdue);
    scene.recheck(&at(0));
    scene.recheck(&untrusted(s(60)));
    assert_eq!(scene.standing(), Standing::Due, "a year ahead for a minute judges nothing for good");
}

#[test]
fn a_date_that_is_not_known_is_a_nonconformity() {
    let row: &[(&str, &str)] =
        &[("id", "CAM-1"), ("kind", "camera"), ("calibration_last", "unknown"), ("calibration_basis", "type test")];
    let mut scene = Scene::of(&[row]);
    assert_eq!(scene.recheck(&at(0)), ["+calibration-date-unknown/CAM-1"]);
    assert_eq!(scene.standing(), Standing::Unknown);
}

#[test]
fn a_renewed_calibration_closes_its_nonconformity_at_the_next_start() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(s(10)));
    let renewed: &[(&str, &str)] =
        &[("id", "CAM-1"), ("kind", "camera"), ("calibration_due", "2028-01-01"), ("calibration_basis", "type test")];
    let mut again = Scene::after(&[renewed], scene.rows);
    assert_eq!(again.recheck(&at(s(20))), ["-calibration-overdue/CAM-1"]);
    assert_eq!(again.standing(), Standing::Good);
}

#[test]
fn a_row_that_is_gone_takes_its_nonconformity_with_it() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(s(10)));
    let mut again = Scene::after(&[], scene.rows);
    assert_eq!(again.recheck(&at(s(20))), ["-calibration-overdue/CAM-1"]);
}

#[test]
fn a_start_opens_and_closes_nothing_that_did_not_change() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(s(10)));
    scene.told(&at(s(11)), Some("XX-99"), None);
    let heard = scene.standings.heard_unlisted(&at(s(12)), "ghost", |_| false, &mut scene.book);
    scene.keep(heard.statements);
    let mut again = Scene::after(&[ENDS], scene.rows);
    assert_eq!(again.recheck(&at(s(20))), [""; 0]);
    assert_eq!(again.standing(), Standing::Mismatched);
    assert_eq!(again.standings.unlisted().count(), 1);
    let heard = again.standings.heard_unlisted(&at(s(21)), "ghost", |_| false, &mut again.book);
    assert!(heard.statements.is_empty());
}

#[test]
fn another_serial_number_makes_it_mismatched_once_and_the_right_one_ends_that() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(0));
    assert_eq!(scene.told(&at(1), Some("XX-99"), None), ["+identity-mismatch/CAM-1"]);
    assert_eq!(scene.told(&at(2), Some("XX-99"), None), [""; 0]);
    assert_eq!(scene.standing(), Standing::Mismatched);
    assert_eq!(scene.told(&at(3), Some("AB-12"), None), ["-identity-mismatch/CAM-1"]);
    assert_eq!(scene.standing(), Standing::Due);
}

#[test]
fn blanks_case_and_separators_are_no_mismatch_and_nor_are_fields_that_no_row_states() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(0));
    assert_eq!(scene.told(&at(1), Some("ab 12"), Some("9.9")), [""; 0]);
}

#[test]
fn a_device_that_no_longer_tells_its_serial_number_stays_mismatched() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(0));
    scene.told(&at(1), Some("XX-99"), None);
    assert_eq!(scene.told(&at(2), None, None), [""; 0]);
    assert_eq!(scene.standing(), Standing::Mismatched);
}

#[test]
fn a_row_that_was_put_right_ends_a_mismatch_at_the_next_start() {
    let mut scene = Scene::of(&[ENDS]);
    scene.recheck(&at(0));
    scene.told(&at(1), Some("XX-99"), None);
    let right: &[(&str, &str)] = &[("id", "CAM-1"), ("kind", "camera"), ("serial", "XX-99")];
    let mut again = Scene::after(&[right], scene.rows);
    assert_eq!(again.recheck(&at(2)), ["-identity-mismatch/CAM-1"]);
}

#[test]
fn an_identity_heard_before_the_first_look_at_the_clock_hides_no_overdue_date() {
    let mut scene = Scene::of(&[
        ENDS,
        &[("id", "CAM-2"), ("kind", "camera"), ("calibration_due", "2026-11-01"), ("calibration_basis", "type test")],
    ]);
    scene.told(&at(1), Some("AB-12"), None);
    assert_eq!(scene.recheck(&at(2)), ["+calibration-overdue/CAM-2"]);
}

#[test]
fn a_flood_of_unlisted_senders_is_bounded_and_each_is_told_once() {
    let mut scene = Scene::of(&[]);
    let mut opened = 0;
    for n in 0..1_000 {
        let sender = format!("ghost-{n}");
        opened += scene.standings.heard_unlisted(&at(0), &sender, |_| false, &mut scene.book).statements.len();
    }
    assert_eq!((opened, scene.standings.unlisted().count()), (65, 65));
    assert_eq!(scene.standings.unlisted_counts(), (1_000 - 64, 0));
}

#[test]
fn the_worst_of_all_reasons_is_the_standing_and_every_reason_is_told() {
    let row: &[(&str, &str)] = &[
        ("id", "CAM-1"),
        ("kind", "camera"),
        ("serial", "AB-12"),
        ("withdrawn", "tag 7: lens broken"),
        ("calibration_due", "2026-11-01"),
        ("calibration_basis", "type test"),
        ("maintenance_last", "unknown"),
        ("inspection_due", "2026-11-30"),
    ];
    let mut scene = Scene::of(&[row]);
    scene.recheck(&at(0));
    scene.told(&at(1), Some("XX-99"), None);
    let stated = scene.standings.verdict(&id("CAM-1")).stated();
    assert_eq!(stated.st, "withdrawn");
    let why = [
        "withdrawn: tag 7: lens broken",
        "serial differs",
        "maintenance date unknown",
        "calibration overdue",
        "inspection due",
    ];
    assert_eq!(stated.why, why);
}

#[test]
fn r03_what_comes_back_each_month_is_due_a_week_ahead_and_not_always() {
    let inspected = |last: &'static str| {
        let row = [("id", "DOOR-1"), ("kind", "door"), ("inspection_last", last), ("inspection_interval", "1 month")];
        let register = crate::testbed::register(&[&row]);
        let mut book = Standings::new(register, 30, &[]);
        book.recheck(&at(0), &mut Nonconformities::default());
        book.standing(&id("DOOR-1"))
    };
    // The day is 2026-11-22, and a quarter of a month seven days.
    assert_eq!(inspected("2026-11-01"), Standing::Good);
    assert_eq!(inspected("2026-10-30"), Standing::Good);
    assert_eq!(inspected("2026-10-28"), Standing::Due);
    assert_eq!(inspected("2026-10-21"), Standing::Overdue);
}

#[test]
fn a_register_that_opens_something_for_each_of_its_rows_leaves_room_between() {
    let rows: Vec<crate::register::rows::Row> = (0..1_000)
        .map(|n| {
            let fields = [("kind", "camera"), ("calibration_due", "2026-11-01"), ("calibration_basis", "type test")];
            let mut row: crate::register::rows::Row =
                fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect();
            row.insert("id".into(), format!("CAM-{n}"));
            row
        })
        .collect();
    let register = crate::register::rows::build(1, [1; 32], &rows).unwrap();
    let (mut standings, mut book) = (Standings::new(register, 30, &[]), Nonconformities::default());
    let mut told = Vec::new();
    while told.iter().sum::<usize>() < 1_000 {
        told.push(standings.recheck(&at(0), &mut book).len());
        assert!(told.len() < 10, "{told:?}");
    }
    assert!(told.iter().all(|n| *n < 300) && told.len() > 3, "{told:?}");
    assert_eq!((standings.recheck(&at(0), &mut book).len(), book.iter().count()), (0, 1_000));
}

#[test]
fn every_reason_that_work_leads_to_is_closed_with_it() {
    for work in crate::register::Work::ALL {
        for end in ["overdue", "failed", "date-unknown"] {
            let reason = format!("{}-{end}", work.as_str());
            assert!(FROM_STANDING.contains(&reason.as_str()), "{reason}");
        }
    }
}

#[test]
fn r03_a_register_that_comes_anew_takes_no_result_back() {
    let row: &[(&str, &str)] = &[
        ("id", "CAM-1"),
        ("kind", "camera"),
        ("calibration_last", "2025-01-01"),
        ("calibration_interval", "12 months"),
        ("calibration_basis", "type test"),
    ];
    let mut scene = Scene::of(&[row]);
    assert_eq!(scene.recheck(&at(0)), ["+calibration-overdue/CAM-1"]);
    let data = json!({ "on": "2026-11-21", "left": "in-tolerance" });
    scene.standings.done(&id("CAM-1"), Kind::CalibrationDone, data.as_object().unwrap());
    assert_eq!(scene.recheck(&at(1)), ["-calibration-overdue/CAM-1"]);
    scene.standings.replace(register(&[row]));
    assert_eq!((scene.recheck(&at(2)), scene.standing()), (Vec::new(), Standing::Good));
}

#[test]
fn r09_an_assurance_that_a_trusted_clock_has_seen_expire_stays_expired_whatever_the_next_start_knows() {
    let row: &[(&str, &str)] = &[
        ("id", "CAM-1"),
        ("kind", "camera"),
        ("owner", "contractor:Torbau Nord"),
        ("assurance", "annex C"),
        ("assurance_until", "2026-11-22T00:00:10Z"),
    ];
    let mut scene = Scene::of(&[row]);
    scene.recheck(&at(0));
    assert_eq!(scene.recheck(&at(20_000_000)), ["+assurance-expired/CAM-1"]);
    let mut again = Scene::after(&[row], scene.rows);
    assert_eq!(again.recheck(&untrusted(0)), Vec::<String>::new());
}
