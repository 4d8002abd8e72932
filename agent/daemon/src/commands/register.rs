//! `picket register`: tables of others against the register in force. Only `import` writes, and only a table without a fault.

use super::counted;
use crate::{refuse, say};
use clap::{Args, Subcommand};
use picket::control::{self, Done};
use picket::settings::Faults;
use picket::settings::exchange::{self, DateOrder, Difference, Format, InForce, ReplaceFault, Taken, Wish};
use picket_core::fields::{FieldFault, Fields};
use picket_core::register::imported;
#[cfg(feature = "dcc")]
use picket_core::register::rows::Row;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is done with a register.
#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell every fault of a table at once, each with row, column and remedy; nothing is changed.
    Check(Table),
    /// Tell what a table would change in the register of the settings, cell by cell; nothing is changed.
    Diff(Table),
    /// Put a table without a fault in the place of the register of the settings; the one before is kept beside it.
    Import {
        #[command(flatten)]
        table: Table,
        /// Who does it; kept beside the record that says so.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Folder of the control socket of the running agent, which makes the record.
        #[arg(long, value_name = "DIR", default_value = "/run/picket")]
        runtime: PathBuf,
    },
    /// Read a digital calibration certificate (DCC of PTB), and print the report of the calibration for `picket work`.
    #[cfg(feature = "dcc")]
    Dcc {
        /// The certificate, as XML. Its signature is not verified.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Folder with the register, in which what it is about is looked up.
        #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
        config: PathBuf,
    },
    /// Write the register of the settings as a table or as TOML; it is read back unchanged.
    Export {
        /// Folder with the register.
        #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
        config: PathBuf,
        /// csv or toml.
        #[arg(long, default_value = "csv", value_parser = ["csv", "toml"])]
        format: String,
        /// File to write, which must not be there; else it is printed.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// A table and how it is read.
#[derive(Debug, Args)]
struct Table {
    /// The table: CSV, XLSX, or TOML as the settings have it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder with the register in force.
    #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
    config: PathBuf,
    /// auto, csv, xlsx or toml.
    #[arg(long, default_value = "auto", value_parser = ["auto", "csv", "xlsx", "toml"])]
    format: String,
    /// The system it comes from: gagetrak, snipe-it or maximo.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// File that says which column gives which field, and what words mean.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Order of day, month and year in dates such as 03/04/2026.
    #[arg(long, value_name = "ORDER", value_parser = ["dmy", "mdy", "ymd"])]
    date_order: Option<String>,
    /// Sheet of a workbook; else its first.
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Keep what the table has no column or row for.
    #[arg(long)]
    update: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Table {
    fn wish(&self) -> Wish {
        Wish {
            format: Format::parse(&self.format),
            preset: self.preset.clone(),
            map: self.map.clone(),
            order: self.date_order.as_deref().and_then(DateOrder::parse),
            sheet: self.sheet.clone(),
        }
    }

    /// The table, on top of the register in force where that is wanted.
    fn read(&self) -> Result<Taken, Stop> {
        let base = if self.update { Some(self.in_force()?) } else { None };
        let base = base.as_ref().map(|base| base.rows.as_slice());
        exchange::read(&self.file, &self.wish(), base).map_err(Stop::Findings)
    }

    fn in_force(&self) -> Result<InForce, Stop> {
        exchange::in_force(&self.config).map_err(Stop::Settings)
    }
}

/// Why nothing was done.
enum Stop {
    /// Of the table.
    Findings(Faults),
    /// Of the register in force.
    Settings(Faults),
    /// Of what a record shall say of it.
    Report(Vec<FieldFault>),
    /// Of the machine.
    Write(ReplaceFault),
}

/// Does it.
pub(crate) fn register(register: &Register) -> ExitCode {
    let (done, json) = match &register.what {
        What::Check(table) => (check(table), table.json),
        What::Diff(table) => (diff(table), table.json),
        What::Import { table, by, runtime } => (import(table, by, runtime), table.json),
        #[cfg(feature = "dcc")]
        What::Dcc { file, config } => return dcc(file, config),
        What::Export { config, format, out } => return export(config, format, out.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Findings(faults)) => {
            if json {
                say(faults.to_json())
            } else {
                say(faults.to_string().trim_end())
            }
            eprintln!("picket register: the table is not taken; the register in force stays as it is");
            ExitCode::from(1)
        }
        Err(Stop::Settings(faults)) => {
            eprint!("{faults}");
            eprintln!("picket register: the register in force cannot be read; mend it, or import without --update");
            ExitCode::from(2)
        }
        Err(Stop::Report(faults)) => {
            faults.iter().for_each(|fault| eprintln!("picket register: {fault}"));
            ExitCode::from(2)
        }
        Err(Stop::Write(fault)) => refuse(&fault.to_string()),
    }
}

fn check(table: &Table) -> Result<(), Stop> {
    let taken = table.read()?;
    if table.json {
        let mut told = taken.warnings.to_json();
        told["rows"] = taken.rows.len().into();
        told["notes"] = taken.notes.into();
        say(told);
        return Ok(());
    }
    tell(&taken);
    let beside = taken.text.as_deref().map_or(String::new(), |text| beside(text, ", "));
    say(format_args!("{}{beside}, no fault", pieces(taken.rows.len())));
    // Without a register in force there is nothing that could differ.
    if let Ok(in_force) = table.in_force() {
        for (list, (new, old)) in difference(Some(&in_force), &taken).beside {
            say(format_args!(
                "[[{list}]] tables against the register in force: {new} added or changed, {old} gone or changed"
            ));
        }
    }
    Ok(())
}

fn diff(table: &Table) -> Result<(), Stop> {
    let in_force = table.in_force()?;
    let taken = table.read()?;
    let difference = difference(Some(&in_force), &taken);
    show(table, &taken, &difference);
    Ok(())
}

/// A table leaves what stands beside the equipment as it is; TOML takes its place as well.
fn difference(before: Option<&InForce>, taken: &Taken) -> Difference {
    let (rows, text) = before.map_or((&[][..], ""), |before| (before.rows.as_slice(), before.text.as_str()));
    let difference = exchange::compare(rows, &taken.rows);
    match taken.text.as_deref() {
        Some(new) => difference.with_beside(text, new),
        None => difference,
    }
}

fn import(table: &Table, by: &str, runtime: &Path) -> Result<(), Stop> {
    let mut done = Done { task: imported::WORD.to_owned(), subject: "0".repeat(64), fields: Fields::new() };
    done.fields.insert("by".to_owned(), by.to_owned());
    let taken = table.read()?;
    // One that cannot be read is replaced all the same: that may be what the import is for.
    let before = exchange::in_force(&table.config).ok();
    let difference = difference(before.as_ref(), &taken);
    let (added, changed, gone) = difference.counts();
    for (name, count) in [("equipment", taken.rows.len()), ("added", added), ("changed", changed), ("gone", gone)] {
        done.fields.insert(name.to_owned(), count.to_string());
    }
    // Before anything is written: a name that no record takes is no name.
    done.act().map_err(Stop::Report)?;
    let replaced = exchange::replace(&table.config, &taken).map_err(Stop::Write)?;
    show(table, &taken, &difference);
    done.subject = replaced.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let stated = super::converse(control::work(runtime, done));
    if let Err(why) = &stated {
        eprintln!("picket register: no record says who imported it: {why}");
    }
    if table.json {
        return Ok(());
    }
    let kept = replaced.before.map_or(String::new(), |before| format!("; the one before is {}", before.display()));
    say(format_args!("{} is the register now{kept}", replaced.path.display()));
    if let Ok(record) = stated {
        say(format_args!("record {record} states it"));
    }
    say("the agent reads it when it starts, and states register.applied then: systemctl restart picket");
    Ok(())
}

#[cfg(feature = "dcc")]
fn dcc(file: &Path, config: &Path) -> ExitCode {
    let found = match exchange::certificate(file) {
        Ok(found) => found,
        Err(findings) => {
            say(findings.to_string().trim_end());
            return ExitCode::from(1);
        }
    };
    let rows = exchange::in_force(config).map_or(Vec::new(), |in_force| in_force.rows);
    let is_named = |row: &&Row| {
        let called = ["id", "serial"].map(|field| row.get(field).map_or("", |text| text.trim()));
        found.names.iter().any(|(_, name)| !name.is_empty() && called.contains(&name.as_str()))
    };
    let ids: Vec<&str> = rows.iter().filter(is_named).filter_map(|row| Some(row.get("id")?.trim())).collect();
    for (by, name) in &found.names {
        say(format_args!("about {name} (as the {by} calls it)"));
    }
    for (word, times) in &found.conformity {
        say(format_args!("states conformity: {word}, {times} times"));
    }
    match ids.as_slice() {
        [] => say("no row of the register has such an id or serial number: put the id for ID"),
        [_] => {}
        several => say(format_args!("several rows are called so, put one for ID: {}", several.join(", "))),
    }
    let id = if let [one] = ids.as_slice() { one } else { "ID" };
    let texts = [("certificate", &found.number), ("laboratory", &found.laboratory), ("accreditation", &found.code)];
    let fields: Vec<String> =
        texts.iter().filter(|(_, text)| !text.is_empty()).map(|(f, text)| shell(f, text)).collect();
    let (on, fields) = (&found.on, fields.join(" "));
    say("as found, as left and the traceability stand in the certificate for people: add them, then run");
    say(format_args!("picket work calibration {id} on={on} {fields} found= left= traceability= by="));
    ExitCode::SUCCESS
}

fn export(config: &Path, format: &str, out: Option<&Path>) -> ExitCode {
    let in_force = match exchange::in_force(config) {
        Ok(in_force) => in_force,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::from(2);
        }
    };
    let text = if format == "toml" { Ok(exchange::toml_of(&in_force)) } else { exchange::csv(&in_force.rows) };
    let text = match text {
        Ok(text) => text,
        Err(unwritable) => {
            unwritable.iter().for_each(|fault| eprintln!("picket register: {fault}"));
            return ExitCode::from(1);
        }
    };
    let left_out = beside(&in_force.text, "");
    if format != "toml" && !left_out.is_empty() {
        eprintln!("picket register: a table cannot hold all of it, left out: {left_out}; --format toml has them");
    }
    let Some(out) = out else {
        say(text.trim_end_matches(['\r', '\n']));
        return ExitCode::SUCCESS;
    };
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    match made.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())) {
        Ok(()) => {
            say(format_args!("{} written to {}", pieces(in_force.rows.len()), out.display()));
            ExitCode::SUCCESS
        }
        Err(fault) => refuse(&format!("{}: cannot write it: {fault}", out.display())),
    }
}

fn show(table: &Table, taken: &Taken, difference: &Difference) {
    if table.json {
        return say(difference.to_json());
    }
    tell(taken);
    say(difference);
}

fn tell(taken: &Taken) {
    taken.notes.iter().for_each(say);
    if taken.warnings.warnings() > 0 {
        say(taken.warnings.to_string().trim_end());
    }
}

/// How many tables stand beside the equipment, such as `2 [[point]], 1 [[scenario]]`, behind `lead` where there are any.
fn beside(text: &str, lead: &str) -> String {
    let each: Vec<String> =
        exchange::counts_beside(text).into_iter().map(|(list, count)| format!("{count} [[{list}]]")).collect();
    if each.is_empty() { String::new() } else { format!("{lead}{}", each.join(", ")) }
}

fn pieces(count: usize) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX), "piece of equipment", "pieces of equipment")
}

/// A field as a shell takes it, whatever is in the text.
#[cfg(feature = "dcc")]
fn shell(field: &str, text: &str) -> String {
    format!("{field}='{}'", text.replace('\'', "'\\''"))
}
