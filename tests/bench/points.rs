//! `points`: every measuring point of the largest site judged again, as by one poll of all devices, beside a bare loop that
//! compares the same values with the same limits; and what is kept of each point in memory.

use crate::Bench;
use crate::recheck::{now, resident, timed};
use crate::table::{Figures, Judged, Table};
use picket_core::decimal::Decimal;
use picket_core::measure::Measure;
use picket_core::nonconformity::Nonconformities;
use picket_core::plan::{Device, DeviceSpeech, LineId, ReadingsPolicy};
use picket_core::register::points::{self, MAX_TRENDS};
use picket_core::register::{EquipmentId, Register, rows};
use picket_core::wire::StateRow;
use picket_device::quantity::{Observation, Quality, Value};
use std::collections::BTreeMap;
use std::path::Path;

const DEVICES: u64 = 10_000;
const DEVICES_QUICK: u64 = 1_000;
/// Points of each device; the first one is compared with the second.
const POINTS: u64 = 10;
/// Day of 2026-11-22 since 1970.
const TODAY: u64 = 20_779;

/// Runs the job.
pub(crate) fn run(bench: &Bench, _folder: &Path) -> Result<Judged, String> {
    let count = if bench.quick { DEVICES_QUICK } else { DEVICES };
    let plan: Vec<Device> = (0..count).map(device).collect::<Option<_>>().ok_or("an id is refused")?;
    let days: Vec<StateRow> = (0..count.min(MAX_TRENDS as u64)).map(days).collect();
    let polls: Vec<Vec<Observation>> = (0..2).map(seen).collect();
    // The rows as they were read take several times what is kept of them, and their places are used again: what a second
    // and a third register add is what one keeps.
    let (mut built, mut taken) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let register = register(count)?;
        let measure = Measure::new(&plan, &register, 60_000, &days);
        built.push((register, measure));
        taken.push(resident()?);
    }
    let kept = taken[2].saturating_sub(taken[0]) / 2;
    let (register, mut measure) = built.swap_remove(0);
    let (mut again, mut bare, mut opened) = (Figures::default(), Figures::default(), 0);
    let mut book = Nonconformities::default();
    for round in 0..bench.rounds(5) as u64 {
        let at = now(round);
        let seen = &polls[usize::from(round % 2 == 1)];
        bare.0.push(timed(|| floor(&register, seen)));
        again.0.push(timed(|| {
            for device in 0..plan.len() {
                opened += measure.observed(&at, &register, device, seen, &mut book).len();
            }
        }));
    }
    let all = count * POINTS;
    let mut table = Table::new(format!("points: {all} points of {count} devices, {} rounds", again.0.len()));
    table.against("every point judged again ms", again.told(1), "under 100", again.median() < 100.0);
    table.row("a bare loop over the same values ms", bare.told(2));
    table.row("times the bare loop", again.over(&bare).told(1));
    let each = kept / all;
    table.against("bytes resident for each point, its row and its days", each, "under 1024", each < 1_024);
    table.zero("statements where nothing was wrong", opened as u64);
    Ok(table.print())
}

fn name(device: u64) -> String {
    format!("dev-{device:05}")
}

fn device(n: u64) -> Option<Device> {
    Some(Device {
        name: name(n),
        line: LineId(0),
        equipment: EquipmentId::parse(&format!("EQ-{n:05}"))?,
        speech: DeviceSpeech::Camera { prefix: name(n) },
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings: ReadingsPolicy::Off,
    })
}

fn row(fields: &[(&str, &str)]) -> rows::Row {
    fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

fn register(count: u64) -> Result<Register, String> {
    let told = |faults: Vec<rows::RowFault>| format!("the register is refused: {:?}", faults.first());
    let equipment: Vec<rows::Row> =
        (0..count).map(|n| row(&[("id", &format!("EQ-{n:05}")), ("kind", "sensor")])).collect();
    let point = |device: u64, point: u64| {
        let (id, dev, name) = (format!("EQ-{device:05}"), name(device), format!("ai{point}"));
        let scale = [("equipment", &*id), ("device", &*dev), ("point", &*name), ("range", "0 60"), ("accuracy", "0.5")];
        let pair = [("reference", format!("{dev}/ai1"))];
        let more: Vec<(&str, &str)> = match point {
            0 => pair.iter().map(|(field, text)| (*field, text.as_str())).collect(),
            2 => vec![("trend", "battery"), ("warn_below", "10"), ("fails_at", "5")],
            _ => Vec::new(),
        };
        row(&[&scale[..], &more].concat())
    };
    let points: Vec<rows::Row> = (0..count).flat_map(|n| (0..POINTS).map(move |at| point(n, at))).collect();
    let points = points::build(&points, |id| id.starts_with("EQ-")).map_err(told)?;
    Ok(rows::build(1, [1; 32], &equipment).map_err(told)?.with_points(points))
}

/// The days of a point that holds.
fn days(device: u64) -> StateRow {
    let days: Vec<(u64, u64)> = (TODAY - 40..TODAY).map(|day| (day, 2_500 + day % 3)).collect();
    let body = serde_json::json!({ "u": "", "e": -2, "days": days }).to_string();
    StateRow { key: format!("trend/{}/ai2", name(device)), body, seq: 1 }
}

/// What each device says: every value within its range, and another in every poll.
fn seen(poll: i64) -> Vec<Observation> {
    let value = |n: i64| Value::Number { mantissa: 250 + n % 5 + poll, exponent: -1 };
    let points = 0..i64::try_from(POINTS).unwrap_or(0);
    points.map(|n| Observation { point: format!("ai{n}"), value: value(n), quality: Quality::Good }).collect()
}

/// What nobody can do without: each value compared with the limits of its point.
fn floor(register: &Register, seen: &[Observation]) -> usize {
    let values: Vec<Option<Decimal>> = seen.iter().map(|one| Decimal::of(&one.value)).collect();
    let points = register.points().iter().zip(values.iter().cycle());
    points.filter(|(point, value)| value.is_some_and(|value| point.can_measure(value))).count()
}
