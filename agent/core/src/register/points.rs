//! Measuring points: what each can measure and how exactly, which other point it is compared with, and what its decline
//! means. Every fault of every row at once.

use super::EquipmentId;
use super::rows::{Row, RowFault};
use crate::decimal::Decimal;
use crate::fields::{FieldFault, Reader};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every field a row may have, with what it holds.
pub const FIELDS: &[(&str, &str)] = &[
    ("equipment", "id of the equipment that it belongs to"),
    ("device", "name of the device in the settings"),
    ("point", "name of the point in the device's profile; or @response_ms, @errors_permille"),
    ("unit", "its unit, such as V or Cel"),
    ("range", "least and greatest value that it can measure, such as '0 60'"),
    ("accuracy", "how far a value may be from the truth, in its unit"),
    ("reference", "device/point of another row that measures the same"),
    ("agree_within", "how far both may be apart; the sum of both accuracies where left out"),
    ("trend", "a word for what declines, such as battery, response, errors, signal or temperature"),
    ("warn_below", "too low from here on"),
    ("warn_above", "too high from here on"),
    ("fails_at", "where it no longer does its work; needs five days of readings"),
    ("window_days", "days that the trend is drawn through, 5 to 40; 30 where left out"),
];

/// Most points of one register: ten for each piece of equipment of the largest site asked for.
pub const MAX_POINTS: usize = 100_000;
/// Most points with a trend: each writes a record of about a kilobyte a day.
pub const MAX_TRENDS: usize = 10_000;
/// Longest name of a device, and of a point, in bytes: as the settings and profiles have them, topics included.
const MAX_NAME: usize = 128;
/// Longest unit, in bytes.
const MAX_UNIT: usize = 16;
/// Days that a trend is drawn through: fewer say nothing, and more are not kept.
const WINDOW: std::ops::RangeInclusive<u16> = 5..=40;
const WINDOW_DAYS: u16 = 30;

/// What the agent measures of a polled device itself: name, unit, and the greatest value.
pub const OWN: &[(&str, &str, i64)] = &[(RESPONSE_MS, "ms", 60_000), (ERRORS_PERMILLE, "permille", 1_000)];
/// How long the last answer of each poll took.
pub const RESPONSE_MS: &str = "@response_ms";
/// How many of the last 64 polls failed, in thousandths.
pub const ERRORS_PERMILLE: &str = "@errors_permille";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Equipment that it belongs to.
    pub equipment: EquipmentId,
    /// Device of the settings.
    pub device: Arc<str>,
    /// Point of the device.
    pub name: Arc<str>,
    /// Unit; empty = none.
    pub unit: Arc<str>,
    /// Least and greatest value that it can measure.
    pub range: (Decimal, Decimal),
    /// How far a value may be from the truth.
    pub accuracy: Decimal,
    /// What it is compared with.
    pub reference: Option<Reference>,
    /// What its decline means.
    pub trend: Option<Box<Trend>>,
}

/// Another point that measures the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its place among all points.
    pub point: u32,
    /// How far both may be apart.
    pub agree_within: Decimal,
}

/// What a decline means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trend {
    /// The word for it.
    pub what: String,
    /// Which way is worse.
    pub side: Side,
    /// Too low, or too high, from here on.
    pub warn: Decimal,
    /// Where it no longer does its work.
    pub fails_at: Option<Decimal>,
    /// Days that it is drawn through.
    pub window_days: u16,
}

/// Which way is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Lower.
    Below,
    /// Higher.
    Above,
}

impl Side {
    /// Whether a value is on the bad side of a limit.
    pub fn is_past(self, value: Decimal, limit: Decimal) -> bool {
        match self {
            Self::Below => value < limit,
            Self::Above => value > limit,
        }
    }
}

impl Point {
    /// Whether it can measure a value: its range, widened by its accuracy.
    pub fn can_measure(&self, value: Decimal) -> bool {
        let (least, greatest) = self.range;
        least - self.accuracy <= value && value <= greatest + self.accuracy
    }

    /// Power of ten that its daily numbers are kept in: a tenth of its accuracy.
    pub fn exponent(&self) -> i8 {
        steps_of(self.accuracy)
    }

    /// A value with its unit, for people.
    pub fn shown(&self, value: Decimal) -> String {
        let gap = if self.unit.is_empty() { "" } else { " " };
        format!("{value}{gap}{}", self.unit)
    }
}

fn steps_of(accuracy: Decimal) -> i8 {
    (accuracy.exponent() - 1).max(-9)
}

/// A row before the rows it names are known.
struct Written<'a> {
    point: Point,
    reference: Option<(&'a str, &'a str)>,
    agree_within: Option<Decimal>,
}

/// Builds the points of a register, or tells every fault. `is_listed`: whether a row of equipment has an id.
pub fn build(rows: &[Row], is_listed: impl Fn(&str) -> bool) -> Result<Vec<Point>, Vec<RowFault>> {
    if rows.len() > MAX_POINTS {
        let cause = format!("{} points; at most {MAX_POINTS} are allowed", rows.len());
        return Err(vec![RowFault { row: MAX_POINTS, field: String::new(), cause, remedy: "split the site".into() }]);
    }
    let (mut faults, mut written) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match read(row, &is_listed) {
            Ok(read) => written.push((index, read)),
            Err(found) => faults.extend(found.into_iter().map(|fault| of_row(index, fault))),
        }
    }
    let named = names(rows);
    for (index, row) in rows.iter().enumerate() {
        let found = twice(index, row, &named).into_iter().chain(compared(row, rows, &named));
        faults.extend(found.map(|fault| of_row(index, fault)));
    }
    let trends = written.iter().filter(|(_, one)| one.point.trend.is_some()).map(|(index, _)| *index);
    if let Some(index) = trends.clone().nth(MAX_TRENDS) {
        let cause = format!("{} points with a trend; at most {MAX_TRENDS} are allowed", trends.count());
        faults.push(RowFault { row: index, field: "trend".into(), cause, remedy: "split the site".into() });
    }
    faults.sort_by_key(|fault| fault.row);
    if faults.is_empty() { Ok(resolved(written)) } else { Err(faults) }
}

fn of_row(row: usize, fault: FieldFault) -> RowFault {
    RowFault { row, field: fault.field, cause: fault.cause, remedy: fault.remedy }
}

fn text<'a>(row: &'a Row, field: &str) -> &'a str {
    row.get(field).map_or("", |text| text.trim())
}

/// Every device and point that is named, with the first row that does.
fn names(rows: &[Row]) -> BTreeMap<(&str, &str), usize> {
    let named = rows.iter().enumerate().rev();
    named.map(|(index, row)| ((text(row, "device"), text(row, "point")), index)).collect()
}

fn twice(index: usize, row: &Row, named: &BTreeMap<(&str, &str), usize>) -> Option<FieldFault> {
    let (device, name) = (text(row, "device"), text(row, "point"));
    let first = named.get(&(device, name)).filter(|first| **first < index && !device.is_empty() && !name.is_empty())?;
    let cause = format!("point {device}/{name} is there twice; first in point {}", first + 1);
    Some(FieldFault { field: "point".into(), cause, remedy: "keep one of the two".into() })
}

/// What is wrong with the reference of a row.
fn compared(row: &Row, rows: &[Row], named: &BTreeMap<(&str, &str), usize>) -> Option<FieldFault> {
    let (device, name) = split(text(row, "reference"))?;
    let (cause, remedy) = match named.get(&(device, name)).map(|at| &rows[*at]) {
        None => (format!("no point {device}/{name}"), "add a [[point]] for it, as device/point of the settings"),
        Some(_) if (device, name) == (text(row, "device"), text(row, "point")) => {
            ("a point cannot be its own reference".to_owned(), "name the other point that measures the same")
        }
        Some(other) if text(other, "unit") != text(row, "unit") => {
            let (own, other) = (text(row, "unit"), text(other, "unit"));
            (format!("it measures in {other:?}, this one in {own:?}"), "compare points of one unit")
        }
        Some(_) => return None,
    };
    Some(FieldFault { field: "reference".into(), cause, remedy: remedy.to_owned() })
}

/// `device/point`; the point may have strokes of its own.
fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(device, name)| !device.is_empty() && !name.is_empty())
}

fn resolved(written: Vec<(usize, Written<'_>)>) -> Vec<Point> {
    let places: BTreeMap<(String, String), (u32, Decimal)> = (0_u32..)
        .zip(&written)
        .map(|(at, (_, one))| ((one.point.device.to_string(), one.point.name.to_string()), (at, one.point.accuracy)))
        .collect();
    let point = |one: Written<'_>| {
        let place = one.reference.and_then(|(device, name)| places.get(&(device.to_owned(), name.to_owned())));
        let reference = place.map(|(point, accuracy)| Reference {
            point: *point,
            agree_within: one.agree_within.unwrap_or(one.point.accuracy + *accuracy),
        });
        Point { reference, ..one.point }
    };
    written.into_iter().map(|(_, one)| point(one)).collect()
}

fn read<'a>(row: &'a Row, is_listed: impl Fn(&str) -> bool) -> Result<Written<'a>, Vec<FieldFault>> {
    let mut reader = Reader::new(row, FIELDS, &[]);
    let id = reader.needed("equipment", "the id of a row of the register");
    let equipment = EquipmentId::parse(id).filter(|_| is_listed(id));
    if !id.is_empty() && equipment.is_none() {
        let cause = format!("no equipment {id:?} in the register");
        reader.fault("equipment", cause, "add a row for it, or correct the id");
    }
    let device = name(&mut reader, "device", "the name of a device of the settings");
    let point = name(&mut reader, "point", "the name of a point of the device's profile");
    let own = OWN.iter().find(|(own, _, _)| *own == point);
    let (unit, scale) = match own {
        Some((_, unit, greatest)) => (*unit, own_scale(&mut reader, *greatest)),
        None => (reader.text("unit"), scale(&mut reader)),
    };
    if point.starts_with('@') && own.is_none() {
        let all: Vec<&str> = OWN.iter().map(|(own, _, _)| *own).collect();
        reader.fault("point", format!("the agent does not measure {point}"), &format!("one of {}", all.join(", ")));
    }
    if unit.len() > MAX_UNIT {
        reader.fault("unit", format!("longer than {MAX_UNIT} bytes"), "write its symbol, such as V or Cel");
    }
    let (reference, agree_within) = reference(&mut reader);
    let trend = trend(&mut reader, scale.map(|(range, _)| range));
    let faults = reader.faults();
    let (Some(equipment), Some((range, accuracy)), true) = (equipment, scale, faults.is_empty()) else {
        return Err(faults);
    };
    let (device, name, unit) = (device.into(), point.into(), unit.into());
    let point = Point { equipment, device, name, unit, range, accuracy, reference: None, trend: trend.map(Box::new) };
    Ok(Written { point, reference, agree_within })
}

fn name<'a>(reader: &mut Reader<'a>, field: &str, remedy: &str) -> &'a str {
    let text = reader.needed(field, remedy);
    if text.len() > MAX_NAME {
        reader.fault(field, format!("longer than {MAX_NAME} bytes"), remedy);
    }
    text
}

type Range = (Decimal, Decimal);

fn own_scale(reader: &mut Reader<'_>, greatest: i64) -> Option<(Range, Decimal)> {
    for field in ["unit", "range", "accuracy", "reference", "agree_within"] {
        if !reader.text(field).is_empty() {
            reader.fault(field, format!("{field} of what the agent measures itself is known"), "leave it out");
        }
    }
    if reader.text("trend").is_empty() {
        reader.fault("trend", "trend is missing", "what the agent measures itself is there for its trend");
    }
    Some(((Decimal::ZERO, Decimal::whole(greatest)), Decimal::whole(1)))
}

fn scale(reader: &mut Reader<'_>) -> Option<(Range, Decimal)> {
    const TWO: &str = "the least and the greatest value with a blank between, such as \"0 60\"";
    const HOW: &str = "how far a value may be from the truth, above 0, in the unit of the point, such as \"0.5\"";
    reader.needed("range", TWO);
    reader.needed("accuracy", HOW);
    let range = reader.parsed("range", two, TWO);
    let accuracy = reader.parsed("accuracy", Decimal::parse, HOW);
    if let Some((least, greatest)) = range.filter(|(least, greatest)| least >= greatest) {
        reader.fault("range", format!("{least} is not below {greatest}"), TWO);
        return None;
    }
    if let Some(zero) = accuracy.filter(|accuracy| *accuracy <= Decimal::ZERO) {
        reader.fault("accuracy", format!("{zero} is not above 0"), HOW);
        return None;
    }
    let ((least, greatest), accuracy) = range.zip(accuracy)?;
    if accuracy > greatest - least {
        reader.fault("accuracy", format!("{accuracy} is more than the whole range"), HOW);
        return None;
    }
    let most = least.size().max(greatest.size()) + accuracy;
    let fits = most.in_steps(steps_of(accuracy)).is_some_and(|steps| i32::try_from(steps).is_ok());
    if !fits && !reader.text("trend").is_empty() {
        const COARSER: &str = "state a range and an accuracy of at most eight digits between them";
        reader.fault("accuracy", format!("{accuracy} is too fine for a trend over this range"), COARSER);
        return None;
    }
    Some(((least, greatest), accuracy))
}

fn two(text: &str) -> Option<Range> {
    let mut parts = text.split_whitespace().map(Decimal::parse);
    let range = (parts.next()??, parts.next()??);
    parts.next().is_none().then_some(range)
}

fn reference<'a>(reader: &mut Reader<'a>) -> (Option<(&'a str, &'a str)>, Option<Decimal>) {
    let text = reader.text("reference");
    let named = split(text);
    if !text.is_empty() && named.is_none() {
        reader.fault("reference", format!("cannot read {text:?}"), "device/point, such as hall-2/ai1");
    }
    let above = |text: &str| Decimal::parse(text).filter(|within| *within > Decimal::ZERO);
    let within = reader.parsed("agree_within", above, "how far both may be apart, above 0, such as \"0.5\"");
    if text.is_empty() && !reader.text("agree_within").is_empty() {
        reader.fault("agree_within", "there is no reference to agree with", "add reference, or leave it out");
    }
    (named, within)
}

fn trend(reader: &mut Reader<'_>, range: Option<Range>) -> Option<Trend> {
    const HOW: &str = "a number in the unit of the point, within its range";
    let what = reader.text("trend");
    let within = |text: &str| {
        Decimal::parse(text).filter(|n| range.is_none_or(|(least, greatest)| (least..=greatest).contains(n)))
    };
    let [below, above, fails_at] = ["warn_below", "warn_above", "fails_at"].map(|f| reader.parsed(f, within, HOW));
    let days = |text: &str| text.parse::<u16>().ok().filter(|days| WINDOW.contains(days));
    let window_days = reader.parsed("window_days", days, "a whole number of days, 5 to 40").unwrap_or(WINDOW_DAYS);
    let stated = |field: &str| !reader.text(field).is_empty();
    let (low, high) = (stated("warn_below"), stated("warn_above"));
    if what.is_empty() {
        let stray = ["warn_below", "warn_above", "fails_at", "window_days"];
        for field in stray.into_iter().filter(|field| stated(field)).collect::<Vec<_>>() {
            reader.fault(field, format!("{field} without a trend"), "add trend, a word such as battery");
        }
        return None;
    }
    let is_word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if what.len() > 32 || !what.bytes().all(is_word) {
        reader.fault("trend", format!("{what:?} is no word"), "1 to 32 of a-z 0-9 and -, such as battery");
    }
    if low == high {
        let cause =
            if low { "warn_below and warn_above are both there" } else { "warn_below or warn_above is missing" };
        reader.fault("trend", cause, "state which way is worse: one of both");
    }
    let (side, warn) = below.map(|warn| (Side::Below, warn)).or(above.map(|warn| (Side::Above, warn)))?;
    if fails_at.is_some_and(|fails_at| !side.is_past(fails_at, warn)) {
        reader.fault("fails_at", "it fails before it is warned of", "set fails_at beyond the warning");
    }
    Some(Trend { what: what.to_owned(), side, warn, fails_at, window_days })
}

#[cfg(test)]
mod tests;
