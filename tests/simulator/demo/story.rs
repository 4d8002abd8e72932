//! The story of one camera: its calibration runs out, a guard stands in, it is tagged out, found out of tolerance and
//! adjusted, returned, and people close what was open. Told to the running agent by the shipped command.

use crate::failure::{Doing, Failure};
use crate::programs::ask_aside;
use crate::script::Play;
use serde_json::Value;
use simulator::ledger::Expected;
use std::ffi::OsString;

/// The camera.
pub(crate) const CAMERA: &str = "CAM-03";

/// What one report is, and which records must follow: kind and what tells it apart.
type Scene = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const DOUBT: &str = "out-of-tolerance/CAM-03";

const SCENES: [Scene; 9] = [
    (
        &["compensate", CAMERA, "what=second guard in the yard", "for=1h"],
        &[("measure.begun", ""), ("nonconformity.contained", "calibration-overdue")],
    ),
    (&["withdrawal", CAMERA, "tag=0117", "why=out of calibration"], &[("equipment.withdrawn", "")]),
    (
        &[
            "calibration",
            CAMERA,
            "point.bearing=90.0 92.1 90.0 0.5 deg",
            "certificate=CAL-2026-0117",
            "reference=REF-7",
            "until=2099-12-31",
            "traceability=PTB via WT-R-07",
        ],
        &[
            ("calibration.done", ""),
            ("nonconformity.opened", "out-of-tolerance"),
            ("nonconformity.closed", "calibration-overdue"),
            ("affected.listed", ""),
        ],
    ),
    (&["return", CAMERA, "why=adjusted"], &[("equipment.returned", "")]),
    (&["stand-down", CAMERA, "of=compensating"], &[("measure.ended", "")]),
    (
        &[
            "agree",
            DOUBT,
            "action=look at what it showed since the last good calibration",
            "until=2099-12-31",
            "risk=none",
        ],
        &[("nonconformity.agreed", "out-of-tolerance")],
    ),
    (
        &["done", DOUBT, "what=recordings looked at, nothing depends on the bearing"],
        &[("nonconformity.done", "out-of-tolerance")],
    ),
    (
        &["verify", DOUBT, "effective=yes"],
        &[("nonconformity.verified", "out-of-tolerance"), ("nonconformity.closed", "out-of-tolerance")],
    ),
    // The first incident was the covered camera.
    (&["classify", "I-1", "as=test", "what=somebody covered it for the demo"], &[]),
];

impl Play<'_> {
    /// Tells the story, scene by scene.
    pub(crate) async fn story(&mut self) -> Result<(), Failure> {
        for (said, follow) in SCENES {
            let expected: Vec<Expected> = follow.iter().map(|(kind, what)| Expected::new(kind, CAMERA, what)).collect();
            let step = format!("{} {}", said[0], said[1]);
            self.site.note("story", CAMERA, &step, &expected).doing(step.clone())?;
            let runtime = self.places.runtime();
            let place = [OsString::from("work"), "--runtime".into(), runtime.into()];
            let said = said.iter().map(OsString::from).chain(["by=Demo Guard".into()]);
            let told = ask_aside(self.product.picket.clone(), place.into_iter().chain(said).collect()).await?;
            let record = told.split(' ').nth(1).unwrap_or_default();
            self.screen.step(&step, &format!("record {record}"));
        }
        Ok(())
    }
}

/// The story as the shipped report tells it, from verified records alone; where the whole report is.
pub(crate) async fn printed(play: &Play<'_>, identity: &str) -> Result<String, Failure> {
    let (page, json) = (play.places.report("html"), play.places.report("json"));
    let asked = ["report", "evidence", "--identity", identity, "--from-bundle"].map(OsString::from);
    let files =
        [play.places.evidence().into(), "--out".into(), page.clone().into(), "--json".into(), json.clone().into()];
    ask_aside(play.product.picket.clone(), asked.into_iter().chain(files).collect()).await?;
    let text = std::fs::read_to_string(&json).doing("reading the report")?;
    let report: Value = serde_json::from_str(&text).doing("reading the report")?;
    let stories = report["evidence"]["stories"].as_array().into_iter().flatten();
    let of_camera = stories.filter(|story| story["nonconformity"].as_str().is_some_and(|id| id.ends_with(CAMERA)));
    let mut told = String::new();
    for story in of_camera {
        let steps = story["steps"].as_array().into_iter().flatten();
        let steps: Vec<String> =
            steps.map(|step| format!("{} ({})", step["step"].as_str().unwrap_or_default(), step["record"])).collect();
        let id = story["nonconformity"].as_str().unwrap_or_default();
        told.push_str(&format!("  {id}: {}\n", steps.join(", ")));
    }
    if told.is_empty() {
        return Err(Failure::new(format!("the report {} tells nothing of {CAMERA}", page.display())));
    }
    Ok(format!("{told}  the whole report, to be printed: {}", page.display()))
}
