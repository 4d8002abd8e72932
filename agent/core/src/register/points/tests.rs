use super::*;

const WHOLE: [(&str, &str); 6] = [
    ("equipment", "UPS-1"),
    ("device", "ups"),
    ("point", "battery_v"),
    ("unit", "V"),
    ("range", "0 60"),
    ("accuracy", "0.5"),
];

/// A row that is right but for some fields; an empty text takes one away.
fn row(fields: &[(&str, &str)]) -> Row {
    let all = WHOLE.iter().chain(fields).map(|(field, text)| ((*field).to_owned(), (*text).to_owned()));
    let mut row: Row = all.collect();
    row.retain(|_, text| !text.is_empty());
    row
}

fn built(rows: &[Row]) -> Result<Vec<Point>, Vec<RowFault>> {
    build(rows, |id| id == "UPS-1")
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

/// Another row that measures the same.
fn twin(fields: &[(&str, &str)]) -> Row {
    row(&[&[("device", "twin")], fields].concat())
}

#[test]
fn a_row_says_what_a_point_can_measure() {
    let points = built(&[row(&[("range", "-0.5 60"), ("accuracy", "0.25")])]).unwrap();
    let point = &points[0];
    assert_eq!((&*point.device, &*point.name, &*point.unit), ("ups", "battery_v", "V"));
    assert!((point.reference.is_none(), point.trend.is_none()) == (true, true));
    for (value, fits) in [("-0.75", true), ("-0.76", false), ("60.25", true), ("60.250000001", false)] {
        assert_eq!(point.can_measure(decimal(value)), fits, "{value}");
    }
}

#[test]
fn two_points_agree_within_the_sum_of_their_accuracies_where_nothing_else_is_stated() {
    let pair = |fields: &[(&str, &str)]| {
        let rows = [twin(&[("accuracy", "0.25")]), row(&[&[("reference", "twin/battery_v")], fields].concat())];
        built(&rows).unwrap()[1].reference.clone().unwrap()
    };
    assert_eq!(pair(&[]), Reference { point: 0, agree_within: decimal("0.75") });
    assert_eq!(pair(&[("agree_within", "2")]).agree_within, decimal("2"));
}

#[test]
fn a_trend_says_which_way_is_worse() {
    let fields = [("trend", "battery"), ("warn_below", "11.8"), ("fails_at", "10.5"), ("window_days", "14")];
    let trend = built(&[row(&fields)]).unwrap()[0].trend.clone().unwrap();
    assert_eq!((trend.what.as_str(), trend.side, trend.window_days), ("battery", Side::Below, 14));
    assert_eq!((trend.warn, trend.fails_at), (decimal("11.8"), Some(decimal("10.5"))));
    assert!(trend.side.is_past(decimal("11.7"), trend.warn) && !trend.side.is_past(trend.warn, trend.warn));
}

#[test]
fn what_the_agent_measures_itself_has_a_scale_of_its_own() {
    let bare = [("unit", ""), ("range", ""), ("accuracy", "")];
    let own = |point| [&bare[..], &[("point", point), ("trend", "response"), ("warn_above", "500")]].concat();
    let points = built(&[row(&own(RESPONSE_MS)), row(&own(ERRORS_PERMILLE))]).unwrap();
    let shown: Vec<String> = points.iter().map(|point| point.shown(point.range.1)).collect();
    assert_eq!(shown, ["60000 ms", "1000 permille"]);
    let found = built(&[row(&own("@voltage"))]).unwrap_err();
    assert!(found.iter().any(|fault| fault.remedy == "one of @response_ms, @errors_permille"), "{found:?}");
}

#[test]
fn each_fault_names_its_field_and_what_to_do() {
    let trend = |field, text| vec![("trend", "battery"), ("warn_below", "11"), (field, text)];
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, &'a str);
    let table: &[Case<'_>] = &[
        (&[("equipment", "")], "equipment", "equipment is missing", "the id of a row"),
        (&[("equipment", "UPS-2")], "equipment", "no equipment \"UPS-2\" in the register", "add a row"),
        (&[("device", "")], "device", "device is missing", "the name of a device"),
        (&[("point", "")], "point", "point is missing", "the name of a point"),
        (&[("unit", "abcdefghijklmnopq")], "unit", "longer than 16 bytes", "its symbol"),
        (&[("range", "")], "range", "range is missing", "such as \"0 60\""),
        (&[("range", "60")], "range", "cannot read \"60\"", "such as \"0 60\""),
        (&[("range", "0 60 V")], "range", "cannot read \"0 60 V\"", "such as \"0 60\""),
        (&[("range", "60 0")], "range", "60 is not below 0", "the least and the greatest"),
        (&[("accuracy", "")], "accuracy", "accuracy is missing", "such as \"0.5\""),
        (&[("accuracy", "0,5")], "accuracy", "cannot read \"0,5\"", "above 0"),
        (&[("accuracy", "0")], "accuracy", "0 is not above 0", "above 0"),
        (&[("accuracy", "61")], "accuracy", "61 is more than the whole range", "in the unit"),
        (&[("agree_within", "1")], "agree_within", "no reference to agree with", "add reference"),
        (&[("reference", "twin")], "reference", "cannot read \"twin\"", "device/point"),
        (&[("reference", "hall/ai1")], "reference", "no point hall/ai1", "add a [[point]] for it"),
        (&[("reference", "ups/battery_v")], "reference", "its own reference", "the other point"),
        (&[("warn_above", "50")], "warn_above", "warn_above without a trend", "add trend"),
        (&[("trend", "battery")], "trend", "warn_below or warn_above is missing", "which way is worse"),
        (&trend("warn_above", "50"), "trend", "are both there", "one of both"),
        (&trend("fails_at", "12"), "fails_at", "it fails before it is warned of", "beyond the warning"),
        (&trend("fails_at", "-1"), "fails_at", "cannot read \"-1\"", "within its range"),
        (&trend("window_days", "41"), "window_days", "cannot read \"41\"", "5 to 40"),
        (&trend("trend", "Battery 1"), "trend", "\"Battery 1\" is no word", "such as battery"),
        (&trend("accuracy", "0.0000001"), "accuracy", "too fine for a trend", "eight digits"),
        (&[("acuracy", "1")], "acuracy", "unknown field acuracy", "did you mean accuracy?"),
    ];
    for (fields, field, cause, remedy) in table {
        let found = built(&[row(fields)]).expect_err(&format!("{fields:?}"));
        let [RowFault { row: 0, field: at, cause: why, remedy: what }] = found.as_slice() else {
            panic!("{fields:?}: {found:?}")
        };
        assert!(at == field && why.contains(cause) && what.contains(remedy), "{fields:?}: {found:?}");
    }
}

#[test]
fn every_fault_of_every_row_is_told_at_once_and_a_wrong_row_is_no_second_fault_of_another() {
    let found = built(&[
        row(&[("range", "x"), ("accuracy", "-1")]),
        twin(&[("reference", "ups/battery_v")]),
        row(&[("accuracy", "")]),
        twin(&[("point", "other"), ("unit", "A"), ("reference", "twin/battery_v")]),
    ])
    .unwrap_err();
    let places: Vec<(usize, &str)> = found.iter().map(|fault| (fault.row, fault.field.as_str())).collect();
    assert_eq!(places, [(0, "range"), (0, "accuracy"), (2, "accuracy"), (2, "point"), (3, "reference")], "{found:?}");
    assert!(found[3].cause.contains("ups/battery_v is there twice; first in point 1"));
    assert!(found[4].cause.contains("it measures in \"V\", this one in \"A\""));
}

#[test]
fn points_and_trends_have_a_limit() {
    let found = built(&vec![Row::new(); MAX_POINTS + 1]).unwrap_err();
    assert_eq!((found.len(), found[0].row), (1, MAX_POINTS));
    let name = |n: usize| format!("p{n}");
    let rows: Vec<Row> =
        (0..=MAX_TRENDS).map(|n| row(&[("point", &name(n)), ("trend", "battery"), ("warn_below", "11")])).collect();
    let found = built(&rows).unwrap_err();
    assert_eq!((found.len(), found[0].row, found[0].field.as_str()), (1, MAX_TRENDS, "trend"));
    assert!(built(&rows[..MAX_TRENDS]).is_ok());
}
