//! `picket label`: sheets of labels to be printed and stuck on equipment.

use crate::{refuse, say};
use clap::Args;
use picket::{labels, settings};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which labels.
#[derive(Debug, Args)]
pub(crate) struct Label {
    /// Folder with agent.toml and the register.
    #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
    config: PathBuf,
    /// Address under which guards open the page, such as https://gate-1.site.example/.
    #[arg(long, value_name = "URL")]
    page: String,
    /// HTML file to write, which must not be there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only these pieces of equipment.
    #[arg(value_name = "ID")]
    only: Vec<String>,
}

/// Writes them.
pub(crate) fn label(wish: &Label) -> ExitCode {
    match written(wish) {
        Ok(count) => {
            let labels = super::counted(count, "label", "labels");
            say(format_args!("{labels} in {}: print it at 100 %, on A4 with 3 by 8 labels", wish.out.display()));
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

fn written(wish: &Label) -> Result<u64, String> {
    let site = settings::load(&wish.config).map_err(|faults| faults.to_string())?.plan.site;
    let (register, _) = settings::load_register(&wish.config, 0).map_err(|faults| faults.to_string())?;
    let rows = labels::chosen(&register, &wish.only).map_err(|fault| fault.to_string())?;
    let count = rows.len() as u64;
    let html = labels::sheets(&wish.page, &site, rows.into_iter()).map_err(|fault| fault.to_string())?;
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", wish.out.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(&wish.out).map_err(failed)?;
    file.write_all(html.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(count)
}
