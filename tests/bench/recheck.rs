//! `recheck`: the standing of every piece of equipment of the largest site judged again, as after a new register or at a due
//! date, beside a bare loop over the same dates; and what is kept of each piece in memory.

use crate::Bench;
use crate::stopwatch::mono_ns;
use crate::table::{Figures, Judged, Table};
use picket_core::nonconformity::Nonconformities;
use picket_core::register::{Register, Work, rows};
use picket_core::standing::Standings;
use picket_core::time::{Chance, Now};
use picket_core::work::Results;
use picket_record::body::{ClockQuality, ClockSource};
use std::fs;
use std::path::Path;

const EQUIPMENT: u64 = 10_000;
const EQUIPMENT_QUICK: u64 = 1_000;
/// A share of them is overdue, in thousandths.
const OVERDUE_PERMILLE: u64 = 20;
/// 2026-11-22T00:00:00Z.
const MIDNIGHT_MS: i64 = 1_795_305_600_000;
const AHEAD_DAYS: u16 = 30;

/// Runs the job.
pub(crate) fn run(bench: &Bench, _folder: &Path) -> Result<Judged, String> {
    let count = if bench.quick { EQUIPMENT_QUICK } else { EQUIPMENT };
    let mut chance = Chance::new(bench.seed);
    let listed: Vec<rows::Row> = (0..count).map(|n| row(n, &mut chance)).collect();
    let told = |faults: Vec<rows::RowFault>| format!("the register is refused: {:?}", faults.first());
    let (mut first, mut again, mut bare) = (Figures::default(), Figures::default(), Figures::default());
    let (mut open, mut second) = (0, 0);
    let before = resident()?;
    let judged = Standings::new(rows::build(1, [1; 32], &listed).map_err(told)?, AHEAD_DAYS, &[]);
    let kept = resident()?.saturating_sub(before);
    drop(judged);
    let register = rows::build(1, [1; 32], &listed).map_err(told)?;
    for _ in 0..bench.rounds(5) {
        bare.0.push(timed(|| floor(&register)));
        let mut book = Nonconformities::default();
        let mut standings = Standings::new(register.clone(), AHEAD_DAYS, &[]);
        first.0.push(timed(|| open = standings.recheck(&now(0), &mut book).len()));
        // A due date passed: everything is judged, and hardly anything has changed.
        again.0.push(timed(|| second = standings.recheck(&now(60), &mut book).len()));
    }
    let mut table =
        Table::new(format!("recheck of {count} pieces of equipment with four schemes each, {} rounds", again.0.len()));
    table.row("first judgement ms, with what it opens", first.told(1));
    table.against("everything judged again ms", again.told(1), "under 100", again.median() < 100.0);
    table.row("a bare loop over the same dates ms", bare.told(2));
    table.row("times the bare loop", again.over(&bare).told(1));
    table.row("nonconformities opened", open);
    let each = kept / count;
    table.against(
        "bytes resident for each piece, register and standing",
        each,
        "under 4096: four schemes",
        each < 4_096,
    );
    table.zero("statements where nothing changed", second as u64);
    Ok(table.print())
}

fn row(n: u64, chance: &mut Chance) -> rows::Row {
    let overdue = chance.below(1_000) < OVERDUE_PERMILLE;
    let mut row = rows::Row::from([
        ("id".to_owned(), format!("EQ-{n:05}")),
        ("kind".to_owned(), "sensor".to_owned()),
        ("place".to_owned(), format!("Hall {}, bay {}", n % 20, n % 500)),
        ("make".to_owned(), format!("Make {}", n % 12)),
        ("model".to_owned(), format!("Model {}", n % 60)),
        ("firmware".to_owned(), "3.2.0".to_owned()),
        ("calibration_basis".to_owned(), "type test".to_owned()),
    ]);
    for (at, work) in Work::ALL.into_iter().enumerate() {
        let year = if overdue && at == 0 { 2024 } else { 2026 };
        let (month, day) = (5 + chance.below(6), 1 + chance.below(28));
        row.insert(format!("{}_last", work.as_str()), format!("{year}-{month:02}-{day:02}"));
        row.insert(format!("{}_interval", work.as_str()), "12 months".to_owned());
    }
    row
}

/// What nobody can do without: each due date computed and compared.
fn floor(register: &Register) -> usize {
    let results = Results::default();
    let due = |row: &picket_core::register::Equipment| {
        row.schemes()
            .filter(|(work, scheme)| {
                let due = scheme.due(results.done(&row.id, *work));
                due.is_none_or(|due| due.passed(MIDNIGHT_MS))
            })
            .count()
    };
    register.iter().map(due).sum()
}

pub(crate) fn now(seconds: u64) -> Now {
    let quality = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 1, age_s: 1, era: 0 };
    let utc_ms = i64::try_from(seconds * 1_000).ok().map(|ms| MIDNIGHT_MS + ms);
    Now {
        mono_us: seconds * 1_000_000,
        utc_ms,
        trusted: true,
        quality,
        boot: "01234567-89ab-cdef-0123-456789abcdef".into(),
    }
}

/// Milliseconds that it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let began = mono_ns();
    std::hint::black_box(work());
    (mono_ns() - began) as f64 / 1e6
}

/// Bytes of this process in memory.
pub(crate) fn resident() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| "/proc/self/status: no VmRSS".to_owned())
}
