//! `picket status`.

use super::counted;
use crate::{refuse, say};
use picket::control;
use picket_core::health::Numbers;
use picket_core::status::{
    IncidentStatus, JournalStatus, LinkStatus, MeasureStatus, NonconformityStatus, PostStatus, ReviewStatus, Status,
    ThreatStatus,
};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Prints what the running agent sees.
pub(crate) fn status(runtime: &Path, json: bool) -> ExitCode {
    match super::converse(control::status(runtime)) {
        Ok(status) if json => match serde_json::to_string_pretty(&status) {
            Ok(text) => {
                say(text);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&format!("cannot write the status: {error}")),
        },
        Ok(status) => {
            say(words(&status).trim_end());
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

fn words(status: &Status) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} / {}, register {}", status.site, status.gateway, status.register);
    let link = &status.link;
    let centre = match (&link.up, &link.cause) {
        (true, _) => {
            let doubt = match link.state.as_deref() {
                Some(state @ ("bad" | "fork" | "revoked")) => format!("; it sees this chain as {state}: TELL SECURITY"),
                _ => String::new(),
            };
            format!("reporting; records to {} have a receipt{doubt}", link.receipted)
        }
        (false, Some(cause)) => format!("NOT reporting: {cause}"),
        (false, None) => "NOT reporting".to_owned(),
    };
    let _ = writeln!(text, "centre     {centre}; {}", counted(link.waiting, "record waits", "records wait"));
    if status.level > 1 {
        let word = if status.level == 2 { "heightened" } else { "exceptional" };
        let _ = writeln!(text, "level      {} of 3: {word}", status.level);
    }
    posts(status, &mut text);
    certificate(status, &mut text);
    history(link, &mut text);
    orders(status, &mut text);
    journal(&status.journal, &mut text);
    if let Some(health) = &status.health {
        let _ = writeln!(text, "health     {}", vitals(health));
    }
    if !status.clock_trusted {
        text.push_str("clock      not synchronised: dates are not judged\n");
    }
    if let Some(cause) = &status.register_refused {
        let first = cause.lines().next().unwrap_or_default();
        let _ = writeln!(text, "register   a newer one was refused, the last good one is in force: {first}");
    }
    let _ = writeln!(text, "\nalarms     {} open", status.alarms.len());
    for alarm in &status.alarms {
        let state = match (&alarm.acknowledged_by, alarm.active) {
            (Some(by), _) => format!("acknowledged by {by}"),
            (None, true) => "ACTIVE".to_owned(),
            (None, false) => "gone, not acknowledged".to_owned(),
        };
        let _ = writeln!(text, "  {:<14} {:<16} {:<24} {state}", alarm.rule, alarm.equipment, alarm.place);
    }
    open_matters(status, &mut text);
    let _ = writeln!(text, "\nequipment  {}", status.equipment.len());
    for item in &status.equipment {
        let signals: Vec<String> = item.signals.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let _ = writeln!(
            text,
            "  {:<16} {:<12} {:<10} {:<9} {}",
            item.id,
            item.kind,
            item.standing,
            item.contact,
            signals.join(", ")
        );
        item.measures.iter().for_each(|measure| measure_line(measure, &mut text));
    }
    text.push('\n');
    for line in &status.lines {
        let fault = line.fault.as_ref().map(|fault| format!("  {fault}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "line {:<14} {:<10} good {:<8} faults {:<6}{fault}",
            line.name, line.driver, line.good, line.faults
        );
    }
    text
}

/// What people have to do something about: incidents, threats and nonconformities.
fn open_matters(status: &Status, text: &mut String) {
    if !status.incidents.is_empty() {
        let _ = writeln!(text, "\nincidents  {}", status.incidents.len());
        status.incidents.iter().for_each(|incident| incident_line(incident, text));
    }
    after_drills(status, text);
    if !status.threats.is_empty() {
        let _ = writeln!(text, "\nthreats    {} not as usual", status.threats.len());
        status.threats.iter().for_each(|threat| threat_line(threat, text));
    }
    let _ = writeln!(text, "\nnonconformities {} open", status.nonconformities.len());
    for found in &status.nonconformities {
        let _ = writeln!(text, "  {:<44} {}", found.id, answered(found));
    }
}

fn threat_line(threat: &ThreatStatus, text: &mut String) {
    let ThreatStatus { id, title, consequence, likelihood, needed, lost, measures } = threat;
    let needs = if *needed { ", COUNTERMEASURES NEEDED" } else { "" };
    let _ = writeln!(
        text,
        "  {id:<18} {title}: likelihood {likelihood}, consequence {consequence}, {lost} of {measures} measures lost{needs}"
    );
}

fn measure_line(measure: &MeasureStatus, text: &mut String) {
    let until = measure.until_ms.and_then(picket_record::wall::to_text);
    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
    let _ = writeln!(text, "    {}{until}: {}", measure.measure, measure.what);
}

fn incident_line(incident: &IncidentStatus, text: &mut String) {
    let IncidentStatus { id, type_of, zone, count, class, exercise, .. } = incident;
    let state = class.as_deref().map_or("to be classified".to_owned(), |class| format!("{class}, alarms still open"));
    let drill = exercise.as_ref().map(|drill| format!(", drill {drill}")).unwrap_or_default();
    let _ = writeln!(text, "  {id:<8} {type_of:<18} {zone:<24} {}, {state}{drill}", counted(*count, "alarm", "alarms"));
}

/// How far the answer to a nonconformity has come, and what comes next.
fn answered(found: &NonconformityStatus) -> String {
    let next = match (found.step.as_str(), found.ended) {
        ("agreed", _) => "to be done",
        ("done", true) => "to be verified",
        ("done", false) => "done, and its reason holds still",
        ("contained", _) => "action to be agreed",
        _ => "to be answered",
    };
    let by = found.due_ms.and_then(picket_record::wall::to_text);
    let by = by.map(|by| format!(" by {}", &by[..10])).unwrap_or_default();
    let late = if found.escalated > 0 { ", OVERDUE" } else { "" };
    let times = if found.times > 1 { format!(", opened {} times", found.times) } else { String::new() };
    format!("{}, {next}{by}{late}{times}", found.step)
}

fn journal(journal: &JournalStatus, text: &mut String) {
    let full = journal.fill_permille / 10;
    let free = journal.free_mib.map(|mib| format!(", {mib} MiB free on the disk")).unwrap_or_default();
    let (head, waiting) = (counted(journal.head, "record", "records"), counted(journal.not_stored, "event", "events"));
    let _ = write!(text, "journal    {head}, {full} % full{free}, {waiting} not stored");
    let _ = writeln!(text, "{}", journal.fault.as_ref().map(|f| format!("; FAULT: {f}")).unwrap_or_default());
    if journal.anew {
        text.push_str("journal    BEGUN ANEW: this gateway had one, and it is not here; is its volume mounted?\n");
    }
}

/// Who is on duty by what was reported, and who was to be.
fn posts(status: &Status, text: &mut String) {
    for PostStatus { post, on, heads, until_ms, next_ms } in &status.posts {
        let moment = |ms: &Option<i64>| ms.and_then(picket_record::wall::to_text);
        let planned = heads.map(|heads| format!(" of {heads}")).unwrap_or_default();
        let until = moment(until_ms).map(|at| format!(", until {at}")).unwrap_or_default();
        let next = moment(next_ms).map(|at| format!(", next shift {at}")).unwrap_or_default();
        let _ = writeln!(text, "post       {post}: {on}{planned} on duty{until}{next}");
    }
}

/// Drills that wait for a review, and actions that wait to be done.
fn after_drills(status: &Status, text: &mut String) {
    if !status.reviews.is_empty() {
        let _ = writeln!(text, "\ndrills     {} to review or to do", status.reviews.len());
    }
    for ReviewStatus { id, what, due_ms, late } in &status.reviews {
        let what = what.as_deref().unwrap_or("waits for its review");
        let by = due_ms.and_then(picket_record::wall::to_text);
        let by = by.map(|by| format!(", by {}", &by[..10])).unwrap_or_default();
        let late = if *late { ", OVERDUE" } else { "" };
        let _ = writeln!(text, "  {id:<20} {what}{by}{late}");
    }
}

/// Only what is not as it should be is shouted.
fn certificate(status: &Status, text: &mut String) {
    use picket_core::certificate::{Certificate, Condition};
    let Some(Certificate { state, until_ms, why, .. }) = &status.certificate else { return };
    let until = until_ms.and_then(picket_record::wall::to_text).unwrap_or_default();
    let day = until.split('T').next().unwrap_or_default();
    let how = match state {
        Condition::None => "NONE yet".to_owned(),
        Condition::Good | Condition::Unknown => format!("valid until {day}"),
        Condition::Renewing => format!("valid until {day}, the next one is on its way"),
        Condition::Refused => format!("REFUSED by the broker, valid until {day}"),
        Condition::Ending => format!("ENDS on {day}"),
        Condition::Expired => format!("EXPIRED on {day}"),
    };
    let doubt = if *state == Condition::Unknown { " (the clock is not synchronised)" } else { "" };
    let why = if why.is_empty() { String::new() } else { format!("; {why}") };
    let _ = writeln!(text, "link TLS   {how}{doubt}{why}");
}

/// The order in force, and the drill that runs.
fn orders(status: &Status, text: &mut String) {
    let order = &status.order;
    if let Some(why) = &order.stale {
        let _ = writeln!(text, "order      {} is STALE ({why}); it stays in force", order.ver);
    } else if order.ver > 0 {
        let _ = writeln!(text, "order      {} is in force", order.ver);
    }
    if let Some(drill) = &status.drill {
        let (id, equipment, left) = (&drill.id, drill.equipment.join(", "), drill.left_s);
        let _ = writeln!(text, "DRILL      {id}: {equipment}; ends in {left} s at most; everything rings as ever");
    }
}

/// What is not known is left out.
fn vitals(health: &Numbers) -> String {
    let tenth = |value: i64| format!("{}.{} °C", value / 10, (value % 10).abs());
    let known = [
        health.cpu_permille.map(|cpu| format!("{}.{} % of a core", cpu / 10, cpu % 10)),
        health.rss_kib.map(|kib| format!("{} MiB resident", kib / 1_024)),
        health.files.map(|files| counted(files, "file open", "files open")),
        health.ram_mib.map(|mib| format!("{mib} MiB of memory free")),
        health.temp_dc.map(tenth),
        health.journal_kib.map(|kib| format!("journal {} MiB", kib / 1_024)),
        health.commit_us.map(|us| format!("commits {}.{} ms (p99)", us / 1_000, us % 1_000 / 100)),
        health.late_ms.map(|ms| format!("{ms} ms late at most")),
        Some(format!("{}, up {} s", counted(health.links, "link made", "links made"), health.up_s)),
    ];
    known.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A branch that was left is told until the next start.
fn history(link: &LinkStatus, text: &mut String) {
    let Some(left) = &link.left else { return };
    let what = if left.tail == "reset" { "the journal had been lost" } else { "the disk held an older state" };
    let sent = if left.sent { "at the centre too" } else { "and on the way to the centre" };
    let kept = counted(left.records, "record of the other branch is", "records of the other branch are");
    let _ = writeln!(
        text,
        "history    {what}: it ended at record {}, the centre had {}; {kept} kept here, {sent}: \
         TELL SECURITY",
        left.found, left.upto
    );
}
