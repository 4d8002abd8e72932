//! From what a person reports of a unit to its record, and to what is wrong.

use super::form::{UnitReport, UnitTask, VIEW_VERIFY_TUG_TWIST};
use super::judge::{Check, Look, Papers};
use super::{SealTurn, Told, severity};
use crate::alarm::Rule;
use crate::rules::Turn;
use crate::statement::Statement;
use jiff::civil::Date;
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};

/// The record of a report, and what follows; or why it cannot be taken.
pub(super) fn told(papers: Papers<'_>, report: &UnitReport, on: Date) -> Result<Told, String> {
    if report.task == UnitTask::Inspection {
        return Ok(Told { statement: inspected(papers, report, on), turns: Vec::new() });
    }
    let (unit, seal) = (report.unit.as_str(), report.seal.as_deref());
    if papers.book.is_late(unit, seal, on) {
        let mut statement = stated(report, report.task.kind(), on);
        statement.data.insert("late".into(), true.into());
        return Ok(Told { statement, turns: Vec::new() });
    }
    let on_it = papers.book.in_force(unit).map(|known| known.seal.as_str());
    if report.task == UnitTask::Sealing && on_it.is_some() && on_it == seal {
        return Err(format!("seal {} is on {unit} already", seal.unwrap_or_default()));
    }
    let check = judged(papers, report);
    let kind = match report.task {
        UnitTask::SealCheck if !check.found.is_empty() => Kind::SealMismatch,
        task => task.kind(),
    };
    let mut statement = stated(report, kind, on);
    statement.severity = severity(&check).max(Severity::Notice);
    describe(papers, report, &check, &mut statement);
    Ok(Told { statement, turns: turns(report, &check) })
}

/// What a report says by itself.
fn stated(report: &UnitReport, kind: Kind, on: Date) -> Statement {
    let mut data = report.data.clone();
    data.insert("unit".into(), report.unit.clone().into());
    data.insert("on".into(), on.to_string().into());
    // A check has the field of a reader's.
    let field = if report.task == UnitTask::SealCheck { "read" } else { "seal" };
    if report.task != UnitTask::Inspection {
        data.insert(field.into(), report.seal.clone().unwrap_or_else(|| "none".into()).into());
    }
    if report.task == UnitTask::SealCheck {
        data.insert("is".into(), "seal".into());
    }
    if let Some(class) = report.class {
        data.insert("class".into(), class.as_str().into());
    }
    Statement::new(kind, Severity::Notice, Value::Object(data)).said(report.person.text())
}

fn inspected(papers: Papers<'_>, report: &UnitReport, on: Date) -> Statement {
    let mut statement = stated(report, Kind::UnitInspected, on);
    if statement.data.get("result").is_none_or(|result| result != "pass") {
        statement.severity = Severity::Fault;
    }
    if let Some(gone) = papers.book.inspection_gives_way(&report.unit) {
        statement.data.insert("gave_way".into(), gone);
    }
    statement
}

fn judged(papers: Papers<'_>, report: &UnitReport) -> Check {
    let text = |field: &str| report.data.get(field).and_then(Value::as_str);
    let look = Look { reader: None, unit: Some(&report.unit), read: report.seal.as_deref(), class: report.class };
    let mut check = papers.judge(look);
    if let Some(instead) = text("instead") {
        // A new number is what an exchange is for; whether the old one was the right one is the question.
        check.found.retain(|(rule, _)| !matches!(rule, Rule::SealMismatch | Rule::SealReseal));
        let right = check.expected.as_deref().is_none_or(|expected| expected == instead)
            || papers.names(None, &report.unit, instead);
        if !right {
            check.add(Rule::SealReseal, instead, &[]);
        }
    }
    let read = report.seal.clone().unwrap_or_default();
    let failed = |name: &&&str| text(name) == Some("fail");
    let is_broken: Vec<&str> =
        VIEW_VERIFY_TUG_TWIST.iter().filter(|name| **name != "verify").filter(failed).copied().collect();
    if !is_broken.is_empty() {
        check.add(Rule::SealBroken, &read, &[("failed", &is_broken.join(", "))]);
    }
    let of_number = |rule: Rule| rule.is_of_seals() && !matches!(rule, Rule::SealBroken | Rule::SealClass);
    if text("verify") == Some("fail") && !check.found.iter().any(|(rule, _)| of_number(*rule)) {
        check.add(Rule::SealMismatch, &read, &[("failed", "verify")]);
    }
    check
}

/// What was made of it, and what it changes of what is in force.
fn describe(papers: Papers<'_>, report: &UnitReport, check: &Check, statement: &mut Statement) {
    let (unit, seal) = (report.unit.as_str(), report.seal.as_deref());
    let before = papers.book.in_force(unit).map(|known| known.seal.as_str());
    let data = &mut statement.data;
    if let (Some(class), false) = (check.class, data.contains_key("class")) {
        data.insert("class".into(), class.as_str().into());
    }
    data.insert("expected".into(), json!(check.expected));
    data.insert("found".into(), json!(check.words()));
    if report.task != UnitTask::Sealing {
        let result = match (check.found.is_empty(), check.known) {
            (false, _) => "fail",
            (true, true) => "pass",
            (true, false) => "unknown",
        };
        data.insert("result".into(), result.into());
    }
    let leaves = data.contains_key("leaves");
    let instead = data.get("instead").and_then(Value::as_str).map(str::to_owned);
    let wrong = check.found.iter().any(|(rule, _)| !matches!(rule, Rule::SealBroken | Rule::SealClass));
    let mut spent: Vec<&str> = match report.task {
        UnitTask::Sealing => {
            let inspected = papers.book.inspected(unit).map_or("unknown", |good| if good { "pass" } else { "fail" });
            data.insert("inspected".into(), inspected.into());
            // A unit may have two seals, if the papers name both.
            let both = instead.is_none() && before.is_some_and(|before| papers.names(None, unit, before));
            instead.as_deref().into_iter().chain(before.filter(|_| !both)).collect()
        }
        UnitTask::Unsealing => seal.into_iter().chain(before).collect(),
        UnitTask::Custody if leaves => before.or(seal).into_iter().collect(),
        UnitTask::Custody if seal.is_some() && !wrong => {
            data.insert("in_force".into(), true.into());
            Vec::new()
        }
        UnitTask::Custody | UnitTask::SealCheck | UnitTask::Inspection => Vec::new(),
    };
    spent.sort_unstable();
    spent.dedup();
    let adds = report.task == UnitTask::Sealing || data.contains_key("in_force");
    if let Some(gone) = papers.book.gives_way(adds.then_some(unit), &spent) {
        data.insert("gave_way".into(), gone);
    }
    if !spent.is_empty() {
        data.insert("spent".into(), json!(spent));
    }
    if data.get("inspected").is_some_and(|word| word == "fail") {
        statement.severity = statement.severity.max(Severity::Fault);
    }
}

/// What was found begins; where nothing was and somebody knows what should be there, what was looked at is over.
fn turns(report: &UnitReport, check: &Check) -> Vec<SealTurn> {
    let about = |rule: Rule, turn: Turn| (rule, report.unit.clone(), turn);
    if !check.found.is_empty() {
        return check.found.iter().map(|(rule, facts)| about(*rule, Turn::Began(facts.clone()))).collect();
    }
    let pulled = report.task != UnitTask::Custody;
    let looked_at =
        |rule: &Rule| (pulled || *rule != Rule::SealBroken) && (check.class.is_some() || *rule != Rule::SealClass);
    let says = report.seal.is_some() && (check.known || report.task == UnitTask::Sealing);
    let over = Rule::OF_SEALS.iter().copied().filter(|_| says && report.task != UnitTask::Unsealing).filter(looked_at);
    over.map(|rule| about(rule, Turn::Ended)).collect()
}
