//! Reports over records that are written by hand; every expected number is counted in the text beside it.

use super::*;
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};

/// 2026-11-22T00:00:00Z, a Sunday (`date -u -d 2026-11-22 +%s`).
const SUNDAY_MS: i64 = 1_795_305_600_000;

/// Record `seq`, so many seconds after midnight, of one run of the machine.
fn record(seq: u64, second: u64, kind: Kind, equipment: Option<&str>, data: Value) -> Past {
    let Value::Object(data) = data else { panic!("an object") };
    Past {
        seq,
        boot: "b0".into(),
        mono_us: second * 1_000_000,
        wall_ms: Some(SUNDAY_MS + i64::try_from(second * 1_000).unwrap()),
        synced: true,
        mode: "live".into(),
        kind,
        severity: Severity::Info,
        equipment: equipment.map(str::to_owned),
        standing: equipment.map(|_| "good".to_owned()),
        data,
    }
}

fn drill(record: Past) -> Past {
    Past { mode: "drill".into(), ..record }
}

fn beat(seq: u64, second: u64) -> Past {
    record(seq, second, Kind::Heartbeat, None, json!({}))
}

fn alarm(seq: u64, second: u64, kind: Kind, id: &str, active: bool) -> Past {
    let (rule, equipment) = id.split_once('/').unwrap();
    record(seq, second, kind, Some(equipment), json!({ "alarm": id, "rule": rule, "active": active, "rings": true }))
}

fn seen(seq: u64, second: u64, id: &str) -> Past {
    record(seq, second, Kind::ActAcknowledged, id.split('/').nth(1), json!({ "alarm": id }))
}

fn matter(seq: u64, second: u64, kind: Kind, id: &str, more: Value) -> Past {
    let (reason, equipment) = id.split_once('/').unwrap();
    let mut data = json!({ "nonconformity": id, "reason": reason, "since_ms": SUNDAY_MS, "step": "opened" });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(seq, second, kind, Some(equipment), data)
}

fn incident(seq: u64, second: u64, kind: Kind, id: &str, more: Value) -> Past {
    let mut data = json!({ "incident": id, "type": "forced-entry", "zone": "Yard", "severity": 3, "n": 1 });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(seq, second, kind, Some("DOOR-1"), data)
}

fn told(wanted: Wanted<'_>, period: Period, register: Option<&Register>, records: &[Past]) -> Report {
    let mut folding = Folding::new(wanted, period, register);
    records.iter().for_each(|record| folding.take(record));
    folding.finish(Source::default())
}

fn kpi(period: Period, records: &[Past]) -> Value {
    serde_json::to_value(told(Wanted::Kpi, period, None, records)).unwrap()
}

fn register(ids: &[&str]) -> Register {
    let row = |id: &&str| {
        let fields = [("id", *id), ("kind", "camera"), ("place", "Yard"), ("calibration_last", "2026-01-15")];
        let scheme = [("calibration_interval", "12 months"), ("calibration_basis", "type test")];
        fields.into_iter().chain(scheme).map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    let rows: Vec<_> = ids.iter().map(row).collect();
    crate::register::rows::build(1, [0xab; 32], &rows).expect("a register")
}

#[test]
fn r18_availability_is_the_share_of_watched_time_and_a_stop_of_the_agent_is_neither_good_nor_bad() {
    let records = [
        record(1, 0, Kind::EpochOpen, None, json!({ "tail_state": "genesis" })),
        record(2, 0, Kind::Readings, Some("CAM-1"), json!({})),
        record(3, 0, Kind::Readings, Some("CAM-2"), json!({})),
        alarm(4, 100, Kind::AlarmRaised, "silent/CAM-1", true),
        alarm(5, 300, Kind::AlarmCleared, "silent/CAM-1", false),
        beat(6, 400),
        // Not there for 600 seconds, which nobody watched.
        record(7, 1_000, Kind::EpochOpen, None, json!({ "tail_state": "crash" })),
        beat(8, 1_400),
        // Another rule, a drill, and something that is no equipment of the site change nothing.
        alarm(9, 1_400, Kind::AlarmRaised, "door-forced/CAM-2", true),
        drill(alarm(10, 1_400, Kind::AlarmRaised, "silent/CAM-2", true)),
        alarm(11, 1_400, Kind::AlarmRaised, "silent/unlisted:x", true),
        beat(12, 1_600),
    ];
    let report = kpi(Period::default(), &records);
    // Watched: 0 to 400 and 1,000 to 1,600 are 1,000 s of a span of 1,600 s; CAM-1 was silent for 200 of them.
    assert_eq!((&report["period"]["watched_ms"], &report["period"]["span_ms"]), (&json!(1_000_000), &json!(1_600_000)));
    let heard = &report["kpi"]["availability"];
    let row = |n: usize| {
        let row = &heard["listed"][n];
        ["equipment", "watched_ms", "silent_ms", "times", "permille", "silent"].map(|name| row[name].clone())
    };
    assert_eq!(row(0), [json!("CAM-1"), json!(1_000_000), json!(200_000), json!(1), json!(800), json!(false)]);
    assert_eq!(row(1), [json!("CAM-2"), json!(1_000_000), json!(0), json!(0), json!(1_000), json!(false)]);
    // 1,800 of 2,000 s.
    assert_eq!((&heard["permille"], &heard["never_silent"], &heard["equipment"]), (&json!(900), &json!(1), &json!(2)));
}

#[test]
fn r18_a_silence_that_began_before_the_records_or_lasts_beyond_them_is_counted_as_far_as_they_go() {
    let ended = json!({ "since_ms": SUNDAY_MS - 1, "ended": true });
    let records = [
        beat(1, 0),
        matter(2, 250, Kind::NonconformityDone, "silent/CAM-1", ended),
        matter(3, 750, Kind::NonconformityOpened, "line-lost/line:south", json!({})),
        beat(4, 1_000),
    ];
    let report = kpi(Period::default(), &records);
    let listed = report["kpi"]["availability"]["listed"].as_array().unwrap().clone();
    let rows: Vec<[&Value; 4]> =
        listed.iter().map(|row| ["equipment", "silent_ms", "permille", "silent"].map(|name| &row[name])).collect();
    assert_eq!(rows[0], [&json!("CAM-1"), &json!(250_000), &json!(750), &json!(false)]);
    assert_eq!(rows[1], [&json!("line:south"), &json!(250_000), &json!(750), &json!(true)]);
}

#[test]
fn r18_from_the_alarm_to_the_guard_is_told_by_half_by_95_of_a_hundred_and_by_the_longest() {
    let mut records = vec![];
    // Twenty alarms, acknowledged after 1 to 20 seconds.
    for n in 1..=20 {
        records.push(alarm(2 * n - 1, 100 * n, Kind::AlarmRaised, &format!("door-held/D-{n}"), true));
        records.push(seen(2 * n, 100 * n + n, &format!("door-held/D-{n}")));
    }
    records.push(alarm(41, 3_000, Kind::AlarmRaised, "door-held/D-1", true));
    // It rang again before anybody came: 70 s from the first time.
    records.push(alarm(42, 3_050, Kind::AlarmRaised, "door-held/D-1", true));
    records.push(seen(43, 3_070, "door-held/D-1"));
    // The machine was started in between, somebody answers twice, one leaves the register, one waits, one is bypassed.
    records.push(alarm(44, 3_100, Kind::AlarmRaised, "door-held/D-2", true));
    records.push(Past { boot: "b1".into(), ..seen(45, 3_200, "door-held/D-2") });
    records.push(seen(46, 3_300, "door-held/D-2"));
    records.push(alarm(47, 3_300, Kind::AlarmRaised, "door-held/D-3", true));
    records.push(alarm(48, 3_400, Kind::AlarmClosed, "door-held/D-3", false));
    records.push(alarm(49, 3_400, Kind::AlarmRaised, "door-held/D-4", true));
    let mut quiet = alarm(50, 3_500, Kind::AlarmRaised, "door-held/D-5", true);
    quiet.data.insert("rings".into(), false.into());
    records.push(quiet);
    let report = kpi(Period::default(), &records);
    // 21 lengths: 1 to 20 s and 70 s. The 11th is 11 s; 95 of a hundred of 21 is the 20th (19.95), 20 s.
    let took =
        json!({ "n": 21, "median_ms": 11_000, "p95_ms": 20_000, "max_ms": 70_000, "max_record": 43, "beyond": 0 });
    let answered = &report["kpi"]["answered"];
    assert_eq!(answered["took"], took);
    let counts = ["rang", "quiet", "unmeasured", "unanswered", "waiting"].map(|name| answered[name].as_u64().unwrap());
    assert_eq!(counts, [25, 1, 1, 1, 1]);
}

#[test]
fn r18_a_drill_is_in_no_figure_but_its_own_and_its_late_answer_neither() {
    let records = [
        drill(record(1, 0, Kind::ExerciseStarted, None, json!({ "id": "D-7" }))),
        drill(alarm(2, 10, Kind::AlarmRaised, "door-forced/DOOR-1", true)),
        drill(incident(3, 10, Kind::IncidentOpened, "I-1", json!({ "exercise": "D-7" }))),
        drill(matter(4, 10, Kind::NonconformityOpened, "degrading/DOOR-1", json!({}))),
        // A real alarm, answered while its equipment takes part in the drill.
        alarm(5, 20, Kind::AlarmRaised, "door-held/DOOR-1", true),
        drill(seen(6, 25, "door-held/DOOR-1")),
        // The drill is over when its alarm is answered and its incident classified.
        seen(7, 40, "door-forced/DOOR-1"),
        incident(8, 50, Kind::IncidentClassified, "I-1", json!({ "exercise": "D-7", "class": "test" })),
        matter(9, 60, Kind::NonconformityClosed, "degrading/DOOR-1", json!({})),
    ];
    let report = kpi(Period::default(), &records);
    let (live, drills) = (&report["kpi"], &report["kpi"]["exercises"]);
    assert_eq!((&live["answered"]["took"]["n"], &live["answered"]["took"]["max_ms"]), (&json!(1), &json!(5_000)));
    assert_eq!((&live["incidents"]["n"], &live["answered"]["rang"]), (&json!(0), &json!(1)));
    assert_eq!(live["nonconformities"]["all"]["opened"], 0);
    assert_eq!((&drills["started"], &drills["answered"]["took"]["max_ms"]), (&json!(1), &json!(30_000)));
    assert_eq!(
        (&drills["incidents"]["n"], &drills["incidents"]["by"]["class"]["words"]),
        (&json!(1), &json!({"test": 1}))
    );
    assert_eq!(report["period"]["not_live"], json!({ "drill": 5 }));
}

#[test]
fn r14_incidents_are_counted_by_place_activity_agency_time_type_degree_and_cause_with_their_rates() {
    let said = |class: &str, agency: &str| json!({ "class": class, "agency": agency, "zone": "Gate", "severity": 2 });
    let day = 86_400;
    let records = [
        beat(1, 0),
        // Sunday 02:00, twice classified: the last word counts.
        incident(2, 7_200, Kind::IncidentOpened, "I-1", json!({})),
        incident(3, 7_300, Kind::IncidentClassified, "I-1", json!({ "class": "genuine", "agency": "outsider" })),
        incident(
            4,
            7_400,
            Kind::IncidentClassified,
            "I-1",
            json!({ "class": "false-alarm", "agency": "animal",
            "activity": "closed", "degree": "none", "cause": "fox" }),
        ),
        // Monday 02:00 and 23:00.
        incident(5, day + 7_200, Kind::IncidentOpened, "I-2", json!({ "zone": "Gate", "severity": 2 })),
        incident(6, day + 7_300, Kind::IncidentClassified, "I-2", said("genuine", "outsider")),
        incident(7, day + 82_800, Kind::IncidentOpened, "I-3", json!({})),
        // It began before these records: not one of theirs.
        incident(8, day + 82_900, Kind::IncidentClosed, "I-0", json!({ "class": "fault" })),
        beat(9, 3 * day),
    ];
    let report = kpi(Period::default(), &records);
    let of = &report["kpi"]["incidents"];
    // Three in three days are 30.0 in thirty; one of the two that somebody classified was false.
    let figures =
        ["n", "per_30_days_tenths", "unclassified", "false_alarms_permille"].map(|name| of[name].as_u64().unwrap());
    assert_eq!(figures, [3, 300, 1, 500]);
    assert_eq!(of["severities"], json!({ "2": [1, 100], "3": [2, 200] }));
    for (field, words) in [
        ("type", json!({ "forced-entry": 3 })),
        ("zone", json!({ "Gate": 1, "Yard": 2 })),
        ("activity", json!({ "closed": 1, "not said": 2 })),
        ("agency", json!({ "animal": 1, "outsider": 1, "not said": 1 })),
        ("degree", json!({ "none": 1, "not said": 2 })),
        ("cause", json!({ "fox": 1, "not said": 2 })),
        ("class", json!({ "false-alarm": 1, "genuine": 1, "not said": 1 })),
    ] {
        assert_eq!(of["by"][field]["words"], words, "{field}");
    }
    assert_eq!(of["weekdays"]["words"], json!({ "1 Monday": 2, "7 Sunday": 1 }));
    assert_eq!(of["hours"]["words"], json!({ "02": 2, "23": 1 }));
    let month = &report["kpi"]["months"]["2026-11"];
    assert_eq!((&month["incidents"], &month["false_alarms"]), (&json!(3), &json!(1)));
    // Nothing follows from half a day for thirty.
    let short = kpi(Period { from_ms: Some(SUNDAY_MS), before_ms: Some(SUNDAY_MS + 43_200_000) }, &records);
    assert_eq!(
        (&short["kpi"]["incidents"]["n"], &short["kpi"]["incidents"]["per_30_days_tenths"]),
        (&json!(1), &Value::Null)
    );
}

#[test]
fn r18_nonconformities_are_counted_in_the_period_and_stand_as_they_do_at_its_end() {
    let due = |days: i64| json!({ "due_ms": SUNDAY_MS + days * 86_400_000 });
    let day = 86_400;
    let records = [
        matter(1, 10, Kind::NonconformityOpened, "calibration-overdue/CAM-1", due(1)),
        beat(2, day),
        matter(3, day + 10, Kind::NonconformityEscalated, "calibration-overdue/CAM-1", due(1)),
        matter(4, day + 20, Kind::NonconformityOpened, "calibration-overdue/CAM-2", due(9)),
        matter(5, day + 30, Kind::NonconformityOpened, "silent/CAM-2", due(9)),
        // Somebody else was quicker: nothing changes.
        matter(6, day + 40, Kind::NonconformityDone, "silent/CAM-2", json!({ "late": true })),
        matter(7, day + 50, Kind::NonconformityClosed, "silent/CAM-2", json!({})),
        matter(8, day + 60, Kind::NonconformityReopened, "silent/CAM-2", due(9)),
        // Behind the period.
        matter(9, 2 * day, Kind::NonconformityClosed, "calibration-overdue/CAM-2", json!({})),
    ];
    let monday = Period { from_ms: Some(SUNDAY_MS + 86_400_000), before_ms: Some(SUNDAY_MS + 2 * 86_400_000) };
    let report = told(Wanted::Kpi, monday, Some(&register(&["CAM-1", "CAM-2", "CAM-3"])), &records);
    let report = serde_json::to_value(report).unwrap();
    let of = &report["kpi"]["nonconformities"];
    let row = |row: &Value| {
        ["opened", "reopened", "closed", "escalated", "open", "overdue"].map(|name| row[name].as_u64().unwrap())
    };
    assert_eq!(row(&of["reasons"]["calibration-overdue"]), [1, 0, 0, 1, 2, 1]);
    assert_eq!(row(&of["reasons"]["silent"]), [1, 1, 1, 0, 1, 0]);
    assert_eq!(row(&of["all"]), [2, 1, 1, 1, 3, 1]);
    assert_eq!(
        (&of["listed"][0]["nonconformity"], &of["listed"][0]["record"]),
        (&json!("calibration-overdue/CAM-1"), &json!(3))
    );
    // Open from midnight of Sunday to Monday 00:00:50.
    assert_eq!(of["open_for"]["max_ms"], 86_450_000);
    // Three need calibration: two are overdue, of the third no record speaks, and that is not good.
    let calibration = &report["kpi"]["coverage"][0];
    let counts =
        ["needs", "covered", "covered_permille", "overdue", "not_known"].map(|name| calibration[name].as_u64());
    assert_eq!(
        (calibration["work"].as_str(), counts),
        (Some("calibration"), [Some(3), Some(0), Some(0), Some(2), Some(1)])
    );
}

#[test]
fn r18_deployment_holds_the_register_against_what_records_speak_of() {
    let at = |seq: u64, kind: Kind, equipment: &str, standing: &str, data: Value| Past {
        standing: Some(standing.to_owned()),
        ..record(seq, seq, kind, Some(equipment), data)
    };
    let measure = |measure: &str| json!({ "measure": measure, "what": "second guard" });
    let records = [
        record(1, 1, Kind::RegisterApplied, None, json!({ "digest": "ab".repeat(32) })),
        at(2, Kind::Readings, "CAM-1", "good", json!({})),
        at(3, Kind::Readings, "CAM-1", "overdue", json!({})),
        at(4, Kind::EquipmentWithdrawn, "CAM-2", "good", json!({ "tag": "0117" })),
        at(5, Kind::MeasureBegun, "CAM-2", "withdrawn", measure("compensating")),
        at(6, Kind::MeasureBegun, "CAM-1", "overdue", measure("bypass")),
        at(7, Kind::MeasureBegun, "CAM-4", "good", measure("bypass")),
        at(8, Kind::MeasureEnded, "CAM-4", "good", measure("bypass")),
        at(9, Kind::Readings, "unlisted:cam-09", "unlisted", json!({})),
        at(10, Kind::HealthLine, "line:south", "good", json!({})),
        // A record of work states how it stood before.
        at(11, Kind::EquipmentWithdrawn, "CAM-5", "good", json!({ "tag": "0118" })),
        at(12, Kind::EquipmentWithdrawn, "CAM-6", "good", json!({ "tag": "0119" })),
        at(13, Kind::EquipmentReturned, "CAM-6", "withdrawn", json!({})),
    ];
    let register = register(&["CAM-1", "CAM-2", "CAM-3", "CAM-4", "CAM-5", "CAM-6"]);
    let of = |register: Option<&Register>| {
        let report = told(Wanted::Deployment, Period::default(), register, &records);
        serde_json::to_value(report).unwrap()["deployment"].clone()
    };
    let report = of(Some(&register));
    let ids = |list: &str| -> Vec<String> {
        let rows = report[list]["listed"].as_array().unwrap();
        rows.iter().map(|row| row["equipment"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (&report["registered"], &report["seen"], &report["register_in_force"]),
        (&json!(6), &json!(5), &json!(true))
    );
    assert_eq!(ids("not_seen"), ["CAM-3"]);
    assert_eq!(ids("unlisted"), ["unlisted:cam-09"]);
    assert_eq!(ids("not_good"), ["CAM-1", "CAM-2", "CAM-5", "unlisted:cam-09"]);
    assert_eq!(ids("withdrawn"), ["CAM-2", "CAM-5"]);
    assert_eq!(ids("bypassed"), ["CAM-1"]);
    assert_eq!(ids("compensated"), ["CAM-2"]);
    assert_eq!(report["standings"], json!({ "good": 1, "not known": 2, "overdue": 1, "unlisted": 1, "withdrawn": 2 }));
    let row = &report["all"]["listed"][0];
    assert_eq!((&row["records"], &row["first"][0], &row["last"][0]), (&json!(3), &json!(2), &json!(6)));
    // Without a register nobody knows what should be there.
    let alone = of(None);
    assert_eq!((&alone["registered"], &alone["register_in_force"]), (&Value::Null, &Value::Null));
    assert_eq!((&alone["not_seen"]["listed"], alone["unlisted"]["listed"].as_array().unwrap().len()), (&json!([]), 1));
}

#[test]
fn r18_evidence_has_a_section_for_each_clause_and_the_story_of_each_nonconformity() {
    let id = "assurance-expired/CAM-1";
    let records = [
        record(1, 0, Kind::CalibrationDone, Some("CAM-1"), json!({})),
        matter(2, 10, Kind::NonconformityOpened, id, json!({})),
        matter(3, 20, Kind::NonconformityAgreed, id, json!({ "action": "ask for it" })),
        drill(matter(4, 30, Kind::NonconformityDone, id, json!({ "how": "evidence" }))),
        matter(5, 40, Kind::NonconformityClosed, id, json!({})),
        matter(6, 50, Kind::NonconformityOpened, "silent/CAM-2", json!({})),
    ];
    let of = |clause: Option<&str>| {
        let report = told(Wanted::Evidence(clause), Period::default(), None, &records);
        serde_json::to_value(report).unwrap()["evidence"].clone()
    };
    let one = of(Some("4.5.1-d5"));
    let sections = one["requirements"].as_array().unwrap();
    assert_eq!((sections.len(), &sections[0]["row"]), (1, &json!("R09")));
    let lines = sections[0]["records"].as_array().unwrap();
    let what: Vec<&str> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    let each = ["agreed", "closed", "done", "opened"].map(|step| format!("nonconformity.{step} assurance-expired"));
    assert_eq!(what, each);
    assert_eq!((&lines[2]["n"], &lines[2]["not_live"]), (&json!(1), &json!(1)));
    assert_eq!(lines[3]["first"], json!([2, "2026-11-22T00:00:10.000Z"]));
    let stories = one["stories"].as_array().unwrap();
    assert_eq!((stories.len(), &stories[0]["nonconformity"]), (1, &json!(id)));
    let steps = stories[0]["steps"].as_array().unwrap();
    let steps: Vec<(u64, &str, &str)> = steps
        .iter()
        .map(|step| (step["record"].as_u64().unwrap(), step["step"].as_str().unwrap(), step["said"].as_str().unwrap()))
        .collect();
    let told =
        [(2, "opened", ""), (3, "agreed", "ask for it"), (4, "done", "by evidence; (not live)"), (5, "closed", "")];
    assert_eq!(steps, told);
    let all = of(None);
    assert_eq!((all["requirements"].as_array().unwrap().len(), all["with_standing"].as_u64()), (20, Some(6)));
    assert_eq!(all["stories"].as_array().unwrap().len(), 2);
}

#[test]
fn r18_a_page_shows_texts_of_people_as_text_and_fetches_and_runs_nothing() {
    let nasty = "<script>alert(1)</script>&\"'\u{202e}";
    let records = [incident(1, 0, Kind::IncidentOpened, "I-1", json!({ "zone": nasty, "cause": nasty }))];
    let mut folding = Folding::new(Wanted::Kpi, Period::default(), None);
    folding.take(&records[0]);
    let source = Source { site: nasty.into(), gateway: "gw".into(), trust: "root".into(), ..Source::default() };
    let page = html(&folding.finish(source), "0123abcd");
    assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;?"), "{page}");
    assert!(page.contains("default-src 'none'") && !page.contains("http://") && !page.contains("src="));
    assert!(page.contains("<code>0123abcd</code>") && page.contains("table-header-group"));
    assert_eq!(page.matches("<td").count(), page.matches("</td>").count());
    assert_eq!(page.matches("<tr>").count(), page.matches("</tr>").count());
    assert!(!page.contains("class=\"caution\""), "a root document stands behind it");
}

#[test]
fn r18_records_without_a_known_time_are_in_no_bounded_period_and_an_unsynchronised_clock_is_told() {
    let mut first = beat(1, 0);
    (first.wall_ms, first.synced) = (None, false);
    let mut second = beat(2, 60);
    second.synced = false;
    let records = [first, second, beat(3, 120)];
    let whole = kpi(Period::default(), &records);
    let bounded = kpi(Period { from_ms: Some(SUNDAY_MS), before_ms: None }, &records);
    let counts = |report: &Value| {
        ["records", "unsynchronised", "without_time", "watched_ms"].map(|name| report["period"][name].as_u64().unwrap())
    };
    assert_eq!(counts(&whole), [3, 2, 1, 60_000]);
    assert_eq!(counts(&bounded), [2, 1, 1, 60_000]);
    // A step of the wall clock by an hour adds no more than the minute that the machine ran.
    let mut stepped = beat(4, 180);
    stepped.wall_ms = Some(SUNDAY_MS + 3_780_000);
    let report = kpi(Period::default(), &[records[2].clone(), stepped]);
    assert_eq!((&report["period"]["watched_ms"], &report["period"]["span_ms"]), (&json!(60_000), &json!(3_660_000)));
}

#[test]
fn r18_what_finds_no_room_is_counted_and_the_page_says_so() {
    let records: Vec<Past> = (1..=600)
        .map(|n| incident(n, n, Kind::IncidentOpened, &format!("I-{n}"), json!({ "zone": format!("Zone {n}") })))
        .collect();
    let report = told(Wanted::Kpi, Period::default(), None, &records);
    let Body::Kpi(kpi) = &report.body else { panic!("key figures") };
    // 500 zones are told apart.
    assert_eq!((kpi.incidents.by["zone"].words.len(), kpi.incidents.by["zone"].beyond), (500, 100));
    assert!(html(&report, "").contains("<td>others</td><td>100</td>"));
}
