//! `picket renew`: another certificate for the central link, through the link or carried by hand.

use crate::{refuse, say};
use picket::control;
use picket_record::encode::LINE_MAX;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

/// Asks the running agent; with `out` the wish is written too, with `answer` that is handed over instead.
pub(crate) fn renew(runtime: &Path, out: Option<&Path>, answer: Option<&Path>) -> ExitCode {
    let tokio = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(tokio) => tokio,
        Err(error) => return refuse(&format!("cannot start the runtime: {error}")),
    };
    let done = match answer {
        Some(file) => {
            read(file).and_then(|line| tokio.block_on(control::certified(runtime, line)).map_err(|why| why.to_string()))
        }
        None => {
            tokio.block_on(control::renew(runtime)).map_err(|why| why.to_string()).and_then(|wish| asked(&wish, out))
        }
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
    super::enroll::replace(out, &format!("{wish}\n"))?;
    let shown = out.display();
    Ok(format!(
        "the wish is in {shown}. At the centre: picket-central certify --request {shown} --out answer.jws ...; then, \
         here: picket renew --answer answer.jws"
    ))
}

fn read(file: &Path) -> Result<String, String> {
    let told = |error| format!("{}: cannot read: {error}", file.display());
    let mut text = String::new();
    let most = LINE_MAX as u64 + 1;
    File::open(file).map_err(told)?.take(most).read_to_string(&mut text).map_err(told)?;
    Ok(text.trim().to_owned())
}
