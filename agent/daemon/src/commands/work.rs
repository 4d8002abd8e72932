//! `picket work`: a person reports what was done to a piece of equipment, to a unit and its seal, or about a nonconformity,
//! or says what an incident was. Without any of them it shows the form.

use crate::{refuse, say};
use clap::Args;
use picket::control::{self, Done};
use picket_core::acts::Word;
use picket_core::fields::{FieldFault, Fields};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is reported.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// Folder of the control socket of the running agent.
    #[arg(long, value_name = "DIR", default_value = "/run/picket")]
    runtime: PathBuf,
    /// Kind of work, such as calibration, or step, such as contain; without one: the list.
    #[arg(value_name = "WORK")]
    task: Option<String>,
    /// Id of the equipment in the register, of the nonconformity or of the incident, or number of the unit; without one: the
    /// fields of this work.
    #[arg(value_name = "ID")]
    subject: Option<String>,
    /// What there is to say, such as by="N. N.".
    #[arg(value_name = "FIELD=TEXT")]
    fields: Vec<String>,
}

/// Has the running agent record it.
pub(crate) fn work(work: &Work) -> ExitCode {
    let Some(task) = &work.task else { return list() };
    let Some(subject) = &work.subject else { return form(task) };
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
    let done = Done { task: task.clone(), subject: subject.clone(), fields };
    if let Err(faults) = done.act() {
        return wrong(&faults);
    }
    match super::converse(control::work(&work.runtime, done)) {
        Ok(record) => {
            say(format_args!("record {record} states it; picket status shows what follows for {subject}"));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

fn wrong(faults: &[FieldFault]) -> ExitCode {
    faults.iter().for_each(|fault| eprintln!("picket work: {fault}"));
    ExitCode::from(2)
}

fn list() -> ExitCode {
    say("picket work WORK ID FIELD=TEXT...; picket work WORK shows its fields");
    for (about, words) in Word::groups() {
        say(format_args!("{about}:"));
        words.iter().for_each(|word| say(format_args!("  {}", word.as_str())));
    }
    ExitCode::SUCCESS
}

fn form(word: &str) -> ExitCode {
    let fields = match Word::parse(word) {
        Ok(word) => word.fields(),
        Err(unknown) => return wrong(&[unknown]),
    };
    say(format_args!("picket work {word} ID FIELD=TEXT..., with the fields"));
    fields.iter().for_each(|(name, holds)| say(format_args!("  {name:<16} {holds}")));
    ExitCode::SUCCESS
}
