//! The evidence pack: clause by clause what records there are, and the story of each nonconformity.

use super::clauses::{REQUIREMENTS, Requirement};
use super::course::Moment;
use picket_record::wall;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most stories that are told; the rest is counted.
const STORIES_MAX: usize = 1_000;
/// Most steps of one story; the first ones, and the last.
const STEPS_MAX: usize = 40;
/// Most lines under one requirement: every kind, and reasons.
const LINES_MAX: usize = 200;

/// The fold.
#[derive(Debug)]
pub(super) struct Pack {
    asked: Vec<(&'static Requirement, BTreeMap<String, Line>)>,
    stories: BTreeMap<String, Story>,
    beyond: u64,
    with_standing: u64,
}

/// What it comes to.
#[derive(Debug, Serialize)]
pub struct Evidence {
    /// Requirement by requirement.
    pub requirements: Vec<Section>,
    /// Records of the period that carry the standing of their equipment.
    pub with_standing: u64,
    /// Nonconformities of the period, by id.
    pub stories: Vec<Story>,
    /// Records about nonconformities whose story found no room.
    pub beyond: u64,
}

/// One requirement.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Its row of the matrix.
    pub row: &'static str,
    /// Clauses.
    pub clauses: &'static [&'static str],
    /// What is asked.
    pub asked: &'static str,
    /// Records, by kind, with the reason where it is a nonconformity. Empty: there is no evidence in this period.
    pub records: Vec<Line>,
}

/// Records of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The kind, and the reason of a nonconformity.
    pub what: String,
    /// How many.
    pub n: u64,
    /// Those of drills, tests and maintenance among them.
    pub not_live: u64,
    /// Number and time of the first.
    pub first: (u64, Option<String>),
    /// Number and time of the last.
    pub last: (u64, Option<String>),
}

/// What became of a nonconformity.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// Its id: reason and equipment.
    pub nonconformity: String,
    /// Number, time and word of each step, and what was said of it.
    pub steps: Vec<Step>,
    /// Steps that are left out before the last one.
    pub left_out: u64,
}

/// One record of a story.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its number.
    pub record: u64,
    /// When.
    pub at: Option<String>,
    /// `opened`, `contained`, .. `closed`.
    pub step: String,
    /// What was done or agreed, as the record has it.
    pub said: String,
}

impl Pack {
    /// For one clause, or all of them.
    pub(super) fn new(clause: Option<&str>) -> Self {
        let asked = REQUIREMENTS.iter().filter(|of| clause.is_none_or(|clause| of.is_of(clause)));
        Self {
            asked: asked.map(|of| (of, BTreeMap::new())).collect(),
            stories: BTreeMap::new(),
            beyond: 0,
            with_standing: 0,
        }
    }

    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        if !moment.within {
            return;
        }
        let kind = moment.record.kind;
        self.with_standing += u64::from(moment.record.standing.is_some());
        let reason = if kind.as_str().starts_with("nonconformity.") { moment.text("reason") } else { "" };
        let mut told = false;
        for (_, lines) in self.asked.iter_mut().filter(|(of, _)| of.has(kind, reason)) {
            told = true;
            let what = [kind.as_str(), reason].join(" ").trim().to_owned();
            if lines.len() < LINES_MAX || lines.contains_key(&what) {
                let first = (moment.record.seq, moment.at_ms.and_then(wall::to_text));
                let new = || Line { what: what.clone(), n: 0, not_live: 0, first: first.clone(), last: first.clone() };
                lines.entry(what.clone()).or_insert_with(new).take(moment);
            }
        }
        if told && !reason.is_empty() {
            self.tell(moment);
        }
    }

    fn tell(&mut self, moment: &Moment<'_>) {
        let id = moment.text("nonconformity");
        if self.stories.len() == STORIES_MAX && !self.stories.contains_key(id) {
            self.beyond += 1;
            return;
        }
        let story = self.stories.entry(id.to_owned()).or_insert_with(|| Story {
            nonconformity: id.to_owned(),
            steps: Vec::new(),
            left_out: 0,
        });
        if story.steps.len() == STEPS_MAX {
            story.steps.pop();
            story.left_out += 1;
        }
        story.steps.push(Step::of(moment));
    }

    pub(super) fn finish(self) -> Evidence {
        let section = |(of, lines): (&'static Requirement, BTreeMap<String, Line>)| Section {
            row: of.row,
            clauses: of.clauses,
            asked: of.asked,
            records: lines.into_values().collect(),
        };
        Evidence {
            requirements: self.asked.into_iter().map(section).collect(),
            with_standing: self.with_standing,
            stories: self.stories.into_values().collect(),
            beyond: self.beyond,
        }
    }
}

impl Line {
    fn take(&mut self, moment: &Moment<'_>) {
        self.n += 1;
        self.not_live += u64::from(!moment.is_live());
        self.last = (moment.record.seq, moment.at_ms.and_then(wall::to_text));
    }
}

impl Step {
    fn of(moment: &Moment<'_>) -> Self {
        let step = moment.record.kind.as_str().rsplit('.').next().unwrap_or_default();
        let how = moment.text("how");
        let how = if how.is_empty() { String::new() } else { format!("by {how}") };
        let late = if moment.flag("late") { "(late: it changed nothing)" } else { "" };
        let drill = if moment.is_live() { "" } else { "(not live)" };
        let said = [moment.text("what"), moment.text("action"), &how, late, drill];
        Self {
            record: moment.record.seq,
            at: moment.at_ms.and_then(wall::to_text),
            step: step.to_owned(),
            said: said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "),
        }
    }
}
