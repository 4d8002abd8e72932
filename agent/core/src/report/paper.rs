//! What a report shows: titles, notes and tables of text, from its figures.

use super::answered::Answered;
use super::availability::Availability;
use super::deployment::{Deployment, List};
use super::evidence::{Evidence, Section, Story};
use super::happened::Incidents;
use super::kpi::{Coverage, Kpi, Month};
use super::matters::Nonconformities;
use super::tally::{Spread, Tally};
use super::{Body, Report};
use std::collections::BTreeMap;

/// A table with its title.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// What it shows.
    pub(super) title: String,
    /// Sentences above it.
    pub(super) notes: Vec<String>,
    /// Names of the columns.
    pub(super) head: &'static [&'static str],
    /// Rows, each with as many cells as there are columns.
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that are not listed.
    pub(super) more: u64,
}

impl Sheet {
    fn new(title: &str, head: &'static [&'static str], rows: Vec<Vec<String>>) -> Self {
        Self { title: title.to_owned(), head, rows, ..Self::default() }
    }

    fn more(mut self, more: u64) -> Self {
        self.more = more;
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn room(self, beyond: u64) -> Self {
        if beyond == 0 {
            self
        } else {
            self.note(format!("{beyond} found no room in this report and are not counted."))
        }
    }
}

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "not known";

/// Title of a report.
pub(super) fn title(report: &Report) -> &'static str {
    match report.body {
        Body::Kpi(_) => "Key figures",
        Body::Deployment(_) => "Deployment",
        Body::Evidence(_) => "Evidence by clause",
    }
}

/// Every table of a report.
pub(super) fn sheets(report: &Report) -> Vec<Sheet> {
    match &report.body {
        Body::Kpi(kpi) => figures(kpi),
        Body::Deployment(deployment) => deployed(deployment),
        Body::Evidence(evidence) => pack(evidence),
    }
}

fn figures(kpi: &Kpi) -> Vec<Sheet> {
    let mut sheets = vec![
        heard(&kpi.availability),
        answered("From the alarm to the guard", &kpi.answered),
        nonconformities(&kpi.nonconformities),
        still_open(&kpi.nonconformities),
        coverage(&kpi.coverage),
        happened("Incidents", &kpi.incidents),
        categories(&kpi.incidents),
        months(&kpi.months),
    ];
    let drills = &kpi.exercises;
    let started = format!("{} began. They are in no figure above.", drills.started);
    sheets.push(answered("Drills: from the alarm to the guard", &drills.answered).note(started));
    sheets.push(happened("Drills: incidents", &drills.incidents));
    sheets
}

fn heard(of: &Availability) -> Sheet {
    let row = |row: &super::availability::Row| {
        vec![
            row.equipment.clone(),
            percent(row.permille),
            lasting(row.watched_ms),
            lasting(row.silent_ms),
            row.times.to_string(),
            (if row.silent { "silent" } else { "" }).to_owned(),
        ]
    };
    let head = &["Equipment", "Heard", "Watched", "Silent", "Times", "At the end"];
    Sheet::new("Availability", head, of.listed.iter().map(row).collect())
        .note(format!(
            "{} of the watched time, over {} pieces of equipment and lines; {} were never silent.",
            percent(of.permille),
            of.equipment,
            of.never_silent
        ))
        .note("Watched is the time in which the agent ran and no record is missing; what was in between is not known.")
        .more(of.more)
        .room(of.beyond)
}

fn answered(title: &str, of: &Answered) -> Sheet {
    let Spread { n, median_ms, p95_ms, max_ms, max_record, beyond } = &of.took;
    let longest = max_record.map(|seq| format!(" (record {seq})")).unwrap_or_default();
    let rows = [
        ("Alarms that rang", of.rang.to_string()),
        ("Alarms that were recorded and did not ring", of.quiet.to_string()),
        ("Acknowledged, with a known time", n.to_string()),
        ("Half of them within", length(*median_ms)),
        ("95 of a hundred within", length(*p95_ms)),
        ("The longest", length(*max_ms) + &longest),
        ("Acknowledged, and the machine was started in between", of.unmeasured.to_string()),
        ("Closed without acknowledgement", of.unanswered.to_string()),
        ("Waiting at the end", of.waiting.to_string()),
    ];
    Sheet::new(title, &["", ""], pairs(rows)).room(of.beyond + beyond)
}

fn nonconformities(of: &Nonconformities) -> Sheet {
    let row = |(reason, row): (&str, &super::matters::Row)| {
        let counts = [row.opened, row.reopened, row.closed, row.escalated, row.open, row.overdue];
        std::iter::once(reason.to_owned()).chain(counts.iter().map(u64::to_string)).collect()
    };
    let each = of.reasons.iter().map(|(reason, row)| (reason.as_str(), row));
    let rows = each.chain([("all", &of.all)]).map(row).collect();
    let head = &["Reason", "Opened", "Came back", "Closed", "Reported upward", "Open at the end", "Overdue then"];
    let Spread { n, median_ms, max_ms, .. } = &of.open_for;
    let lasted = format!("{n} closed: half within {}, the longest after {}.", length(*median_ms), length(*max_ms));
    let mut sheet = Sheet::new("Nonconformities", head, rows).note(lasted).room(of.beyond);
    if of.of_drills > 0 {
        sheet = sheet.note(format!("{} of drills and tests are not counted here.", of.of_drills));
    }
    sheet
}

fn still_open(of: &Nonconformities) -> Sheet {
    let row = |open: &super::matters::Open| {
        let late = if open.overdue { "overdue" } else { "" };
        vec![
            open.nonconformity.clone(),
            open.step.clone(),
            moment(open.since.as_deref()),
            moment(open.due.as_deref()),
            late.to_owned(),
            open.record.to_string(),
        ]
    };
    let head = &["Nonconformity", "Last step", "Since", "Next step by", "", "Record"];
    Sheet::new("Open at the end", head, of.listed.iter().map(row).collect()).more(of.more)
}

fn coverage(of: &[Coverage]) -> Sheet {
    let row = |of: &Coverage| {
        let counts = [of.needs, of.covered, of.overdue, of.failed, of.date_unknown, of.not_known];
        let counts = counts.iter().map(u64::to_string);
        std::iter::once(of.work.to_owned()).chain(counts).chain([percent(of.covered_permille)]).collect()
    };
    let head =
        &["Work", "Need it", "Covered", "Overdue", "Failed", "Date unknown", "No record of the equipment", "Covered"];
    let sheet = Sheet::new("Coverage of scheduled work at the end", head, of.iter().map(row).collect());
    if of.is_empty() {
        sheet.note("No register was given, or nothing in it needs work: nothing is known.")
    } else {
        sheet
    }
}

fn happened(title: &str, of: &Incidents) -> Sheet {
    let severities = [(4, "life safety"), (3, "security"), (2, "fault"), (1, "notice"), (0, "information")];
    let mut rows = vec![
        vec!["All".to_owned(), of.n.to_string(), rate(of.per_30_days_tenths)],
        vec!["Not classified".to_owned(), of.unclassified.to_string(), String::new()],
    ];
    for (severity, word) in severities {
        if let Some((n, tenths)) = of.severities.get(&severity) {
            rows.push(vec![format!("Severity {severity}, {word}"), n.to_string(), rate(*tenths)]);
        }
    }
    let wrong = format!("False alarms: {} of those that somebody classified.", percent(of.false_alarms_permille));
    Sheet::new(title, &["", "Incidents", "In 30 days"], rows).note(wrong).room(of.beyond)
}

fn categories(of: &Incidents) -> Sheet {
    let by = of.by.iter().map(|(field, tally)| (*field, tally));
    let times = [("weekday", &of.weekdays), ("hour (UTC)", &of.hours)];
    let rows = by.chain(times).flat_map(|(field, tally): (&str, &Tally)| {
        let word = move |(word, n): (&String, &u64)| vec![field.to_owned(), word.clone(), n.to_string()];
        let beyond = (tally.beyond > 0).then(|| vec![field.to_owned(), "others".to_owned(), tally.beyond.to_string()]);
        tally.words.iter().map(word).chain(beyond).collect::<Vec<_>>()
    });
    Sheet::new("Incidents by category", &["By", "", "Incidents"], rows.collect())
}

fn months(months: &BTreeMap<String, Month>) -> Sheet {
    let row = |(month, of): (&String, &Month)| {
        let counts = [of.incidents, of.false_alarms, of.opened, of.closed].map(|n| n.to_string());
        let took = [of.took.n.to_string(), length(of.took.median_ms)];
        std::iter::once(month.clone()).chain(counts).chain(took).collect()
    };
    let head = &[
        "Month",
        "Incidents",
        "False alarms",
        "Nonconformities opened",
        "Closed",
        "Alarms acknowledged",
        "Half of them within",
    ];
    Sheet::new("Month by month", head, months.iter().map(row).collect())
}

fn deployed(of: &Deployment) -> Vec<Sheet> {
    let registered = of.registered.map_or(UNKNOWN.to_owned(), |n| n.to_string());
    let seen = of.registered.map_or(UNKNOWN.to_owned(), |_| of.seen.to_string());
    let in_force = match of.register_in_force {
        Some(true) => "yes",
        Some(false) => "NO: another register was applied last",
        None => UNKNOWN,
    };
    let mut rows = pairs([
        ("Registered", registered),
        ("Seen in the period, of those", seen),
        ("The register given is the one in force", in_force.to_owned()),
    ]);
    rows.extend(of.standings.iter().map(|(word, n)| vec![format!("Standing at the end: {word}"), n.to_string()]));
    let summary = Sheet::new("Summary", &["", ""], rows)
        .note("Seen is equipment that a record of the period speaks of. Standing is what the last record about it states.")
        .room(of.beyond);
    let lists = [
        ("Registered and not seen", &of.not_seen),
        ("Seen and not listed", &of.unlisted),
        ("Standing neither good nor due", &of.not_good),
        ("Out of use", &of.withdrawn),
        ("Bypassed: alarms do not ring", &of.bypassed),
        ("Something stands in", &of.compensated),
        ("All equipment", &of.all),
    ];
    std::iter::once(summary).chain(lists.map(|(title, list)| equipment(title, list))).collect()
}

fn equipment(title: &str, list: &List) -> Sheet {
    let row = |row: &super::deployment::Row| {
        let last = row.last.as_ref().map(|(seq, at)| format!("{seq}, {}", moment(at.as_deref())));
        vec![
            row.equipment.clone(),
            row.kind.clone(),
            row.place.clone(),
            row.standing.clone(),
            row.records.to_string(),
            last.unwrap_or_default(),
            row.note.clone(),
        ]
    };
    let head = &["Equipment", "Kind", "Place", "Standing", "Records", "Last record", ""];
    Sheet::new(title, head, list.listed.iter().map(row).collect()).more(list.more)
}

fn pack(of: &Evidence) -> Vec<Sheet> {
    let with = format!("{} records of the period carry the standing of their equipment.", of.with_standing);
    let mut sheets: Vec<Sheet> = of.requirements.iter().map(requirement).collect();
    if let Some(first) = sheets.first_mut() {
        first.notes.push(with);
    }
    sheets.extend(of.stories.iter().map(story));
    if of.stories.is_empty() || of.beyond > 0 {
        sheets.push(Sheet::new("Other nonconformities", &[], Vec::new()).room(of.beyond));
    }
    sheets
}

fn requirement(of: &Section) -> Sheet {
    let row = |line: &super::evidence::Line| {
        let place = |(seq, at): &(u64, Option<String>)| format!("{seq}, {}", moment(at.as_deref()));
        let counts = [line.n.to_string(), line.not_live.to_string()];
        std::iter::once(line.what.clone()).chain(counts).chain([place(&line.first), place(&line.last)]).collect()
    };
    let title = format!("{} · {}", of.clauses.join(", "), of.row);
    let head = &["Records", "How many", "Not live", "First", "Last"];
    Sheet::new(&title, head, of.records.iter().map(row).collect()).note(format!("{}.", of.asked))
}

fn story(of: &Story) -> Sheet {
    let row = |step: &super::evidence::Step| {
        vec![step.record.to_string(), moment(step.at.as_deref()), step.step.clone(), step.said.clone()]
    };
    let head = &["Record", "Time", "Step", "What was said"];
    let sheet = Sheet::new(&format!("Nonconformity {}", of.nonconformity), head, of.steps.iter().map(row).collect());
    if of.left_out == 0 { sheet } else { sheet.note(format!("{} steps before the last are left out.", of.left_out)) }
}

fn pairs<const N: usize>(rows: [(&str, String); N]) -> Vec<Vec<String>> {
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// `99.9 %`.
fn percent(permille: Option<u64>) -> String {
    permille.map_or(UNKNOWN.to_owned(), |n| format!("{}.{} %", n / 10, n % 10))
}

/// Tenths, as a decimal.
fn rate(tenths: Option<u64>) -> String {
    tenths.map_or(UNKNOWN.to_owned(), |n| format!("{}.{}", n / 10, n % 10))
}

fn length(ms: Option<u64>) -> String {
    ms.map_or(UNKNOWN.to_owned(), lasting)
}

/// A length of time in its two largest units.
pub(super) fn lasting(ms: u64) -> String {
    let (days, hours, minutes, seconds) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}.{} s", ms % 1_000 / 100),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// `2026-11-22 02:20:00`.
pub(super) fn moment(text: Option<&str>) -> String {
    text.and_then(|text| text.get(..19)).map_or(UNKNOWN.to_owned(), |text| text.replace('T', " "))
}
