//! `picket work`: a person reports what was done to a piece of equipment. Without equipment it shows the form.

use crate::{refuse, say};
use clap::Args;
use picket::control::{self, Done};
use picket_core::fields::{FieldFault, Fields};
use picket_core::work::{Form, Task};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is reported.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// Folder of the control socket of the running agent.
    #[arg(long, value_name = "DIR", default_value = "/run/picket")]
    runtime: PathBuf,
    /// Kind of work, such as calibration; without one: the list.
    #[arg(value_name = "WORK")]
    task: Option<String>,
    /// Id of the equipment in the register; without one: the fields of this work.
    #[arg(value_name = "EQUIPMENT")]
    equipment: Option<String>,
    /// What there is to say, such as by="N. N.".
    #[arg(value_name = "FIELD=TEXT")]
    fields: Vec<String>,
}

/// Has the running agent record it.
pub(crate) fn work(work: &Work) -> ExitCode {
    let Some(task) = &work.task else { return list() };
    let Some(equipment) = &work.equipment else {
        return match Task::parse(task) {
            Some(task) => form(task),
            None => wrong(&[unknown(task)]),
        };
    };
    let mut fields = Fields::new();
    for field in &work.fields {
        let Some((name, text)) = field.split_once('=') else {
            eprintln!(
                "picket work: {field}: write FIELD=TEXT, such as by=\"N. N.\"; picket work {task} shows the fields"
            );
            return ExitCode::from(2);
        };
        if fields.insert(name.to_owned(), text.to_owned()).is_some() {
            eprintln!("picket work: {name} is there twice: say it once");
            return ExitCode::from(2);
        }
    }
    let done = Done { task: task.clone(), equipment: equipment.clone(), fields };
    if let Err(faults) = done.report() {
        return wrong(&faults);
    }
    match super::converse(control::work(&work.runtime, done)) {
        Ok(record) => {
            say(format_args!("record {record} states it; picket status shows what follows for {equipment}"));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

fn unknown(task: &str) -> FieldFault {
    let cause = format!("unknown work {task:?}");
    FieldFault { field: String::new(), cause, remedy: "picket work lists what there is".into() }
}

fn wrong(faults: &[FieldFault]) -> ExitCode {
    faults.iter().for_each(|fault| eprintln!("picket work: {fault}"));
    ExitCode::from(2)
}

fn list() -> ExitCode {
    say("picket work WORK EQUIPMENT FIELD=TEXT...; picket work WORK shows its fields");
    Task::ALL.iter().for_each(|task| say(format_args!("  {}", task.as_str())));
    ExitCode::SUCCESS
}

fn form(task: Task) -> ExitCode {
    let form = Form::of(task);
    say(format_args!("picket work {} EQUIPMENT FIELD=TEXT..., with the fields", task.as_str()));
    for (name, holds) in form.fields().iter().chain(form.families()) {
        say(format_args!("  {name:<16} {holds}"));
    }
    ExitCode::SUCCESS
}
