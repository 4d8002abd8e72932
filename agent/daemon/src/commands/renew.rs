//! `picket renew`: another certificate for the central link, through the link or carried by hand.

use super::converse;
use super::enroll::{read, replace};
use crate::{refuse, say};
use picket::control;
use std::path::Path;
use std::process::ExitCode;

/// Asks the running agent; with `out` the wish is written too, with `answer` that is handed over instead.
pub(crate) fn renew(runtime: &Path, out: Option<&Path>, answer: Option<&Path>) -> ExitCode {
    let done = match answer {
        Some(file) => read(file).and_then(|line| converse(control::certified(runtime, line.trim().to_owned()))),
        None => converse(control::renew(runtime)).and_then(|wish| asked(&wish, out)),
    };
    match done {
        Ok(text) => {
            say(text);
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

fn asked(wish: &str, out: Option<&Path>) -> Result<String, String> {
    let Some(out) = out else { return Ok("asked; picket status shows what becomes of it".into()) };
    replace(out, &format!("{wish}\n"))?;
    let shown = out.display();
    Ok(format!(
        "the wish is in {shown}. At the centre: picket-central certify --request {shown} --out answer.jws ...; then, \
         here: picket renew --answer answer.jws"
    ))
}
