//! A copy of the sources that a defect is put into, and its target folder. Both stay for the next time.

use super::{Defect, Witness, is_root};
use simulator::product::{cargo, own_folder, repository};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a tree needs to be built.
const SOURCES: [&str; 8] = ["Cargo.toml", "Cargo.lock", ".cargo", "agent", "central", "protocols", "config", "tests"];
/// Names of this workspace's packages begin so: they are built here, all others are those of this program's own build.
const OWN: &str = "picket";

pub(super) struct Tree {
    folder: PathBuf,
    target: PathBuf,
}

impl Tree {
    pub(super) fn make(patches: &[PathBuf]) -> Result<Self, String> {
        let own = own_folder().map_err(crate::told)?;
        let base = own.parent().ok_or("no target folder")?.join("defects");
        let (folder, target) = (base.join("tree"), base.join("target"));
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        // Times are kept, so that what did not change is not built again.
        let sources = SOURCES.map(|name| repository().join(name));
        for name in sources.iter().filter_map(|path| path.file_name()) {
            let _ = fs::remove_dir_all(folder.join(name));
        }
        copy(&sources, &folder)?;
        // But what any defect changes is newer than what the last one left built here.
        for file in patches.iter().flat_map(|patch| changed(patch)) {
            let file = folder.join(file);
            fs::read(&file).and_then(|text| fs::write(&file, text)).map_err(at(&file))?;
        }
        // A repository of its own: below another one `git apply` leaves out what is not below the folder.
        let made = Command::new("git").args(["init", "--quiet"]).arg(&folder).status();
        if !made.map_err(|error| format!("git: {error}"))?.success() {
            return Err("git init failed".into());
        }
        lend(&own, &target.join("debug"))?;
        Ok(Self { folder, target })
    }

    /// Which of its witnesses are red under a defect.
    pub(super) fn seen<'d>(&self, defect: &'d Defect) -> Result<Vec<&'d Witness>, String> {
        super::git(&self.folder, &["apply"], &defect.patch)?;
        let seen: Result<Vec<&Witness>, String> = defect
            .witnesses
            .iter()
            .filter_map(|witness| match self.is_green(witness) {
                Ok(true) => None,
                Ok(false) => Some(Ok(witness)),
                Err(why) => Some(Err(format!("{}: {why}", defect.name))),
            })
            .collect();
        super::git(&self.folder, &["apply", "--reverse"], &defect.patch)?;
        seen
    }

    /// Whether a test passes. What does not build, or does not run exactly it, is an error and neither red nor green.
    pub(super) fn is_green(&self, witness: &Witness) -> Result<bool, String> {
        match witness {
            Witness::Test { package, target, name } => self.is_test_green(package, target, name),
            Witness::Faults { arguments } => {
                let built = self.cargo(&["build", "--locked", "--quiet", "-p", "picket-tests", "--bin", "faults"])?;
                if !built.status.success() {
                    return Err(format!("it does not build: {}", last(&built)));
                }
                let mut asked = asking(&self.target.join("debug/faults"), witness.needs_root() && !is_root());
                let done = asked.arg("run").args(arguments.split(' ')).stdin(Stdio::null()).output();
                let done = done.map_err(|error| format!("faults: {error}"))?;
                match done.status.code() {
                    Some(0) => Ok(true),
                    Some(1) => Ok(false),
                    _ => Err(format!("faults {arguments}: {}", last(&done))),
                }
            }
        }
    }

    fn is_test_green(&self, package: &str, target: &str, name: &str) -> Result<bool, String> {
        let mut arguments = vec!["test", "--locked", "-p", package];
        match target {
            "lib" => arguments.push("--lib"),
            test => arguments.extend(["--test", test]),
        }
        arguments.extend([name, "--", "--exact"]);
        let done = self.cargo(&arguments)?;
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        if told.contains("test result: ok. 1 passed") {
            return Ok(true);
        }
        if told.contains(&format!("test {name} ... FAILED")) {
            return Ok(false);
        }
        Err(format!("{name} was not run: {}", last(&done)))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, String> {
        let mut cargo = cargo();
        cargo
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.stdin(Stdio::null()).output().map_err(|error| format!("cargo: {error}"))
    }
}

/// The files that a patch changes.
fn changed(patch: &Path) -> Vec<String> {
    let text = fs::read_to_string(patch).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("+++ b/")).map(str::to_owned).collect()
}

/// A program that was built here, with `sudo` where it must be raised. Programs that it starts are looked for where this one
/// looks.
fn asking(program: &Path, raised: bool) -> Command {
    if !raised {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    let path = std::env::var("PATH").unwrap_or_default();
    sudo.arg("env").arg(format!("PATH={path}")).arg(program);
    sudo
}

/// Everything that is not of this workspace, as the build of this program left it: linked where it is only read.
fn lend(own: &Path, target: &Path) -> Result<(), String> {
    if target.exists() {
        return Ok(());
    }
    for folder in ["deps", "build", ".fingerprint"] {
        fs::create_dir_all(target.join(folder)).map_err(at(target))?;
    }
    let foreign = |folder: &str| -> Result<Vec<PathBuf>, String> {
        let all = entries(&own.join(folder))?;
        Ok(all.into_iter().filter(|path| !name(path).starts_with(OWN)).collect())
    };
    let known = foreign(".fingerprint")?;
    let hashes: BTreeSet<&str> =
        known.iter().filter_map(|path| name(path).rsplit_once('-')).map(|(_, hash)| hash).collect();
    for file in entries(&own.join("deps"))? {
        let stem = name(&file).split('.').next().unwrap_or_default();
        if stem.rsplit_once('-').is_some_and(|(_, hash)| hashes.contains(hash)) {
            let link = target.join("deps").join(name(&file));
            fs::hard_link(&file, &link).map_err(at(&link))?;
        }
    }
    copy(&known, &target.join(".fingerprint"))?;
    copy(&foreign("build")?, &target.join("build"))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let found = fs::read_dir(folder).map_err(at(folder))?;
    found.map(|entry| entry.map(|entry| entry.path()).map_err(at(folder))).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn copy(from: &[PathBuf], to: &Path) -> Result<(), String> {
    let copied = Command::new("cp").args(["-a", "--"]).args(from).arg(to).status();
    match copied.map_err(|error| format!("cp: {error}"))?.success() {
        true => Ok(()),
        false => Err(format!("{}: not everything was copied there", to.display())),
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    let path = path.to_owned();
    move |error| format!("{}: {error}", path.display())
}

/// The last lines that a program printed.
pub(super) fn last(done: &Output) -> String {
    let told = format!("{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let lines: Vec<&str> = told.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_alone_is_raised_and_only_where_it_mounts_something() {
        let faults = |arguments: &str| Witness::Faults { arguments: arguments.into() };
        assert!(faults("full --only 1000:budget").needs_root());
        assert!(!faults("kills --count 40").needs_root());
        let words = |raised| {
            let command = asking(Path::new("target/faults"), raised);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(words(false), ["target/faults"]);
        let raised = words(true);
        assert_eq!((raised[0].as_str(), raised[1].as_str(), raised[3].as_str()), ("sudo", "env", "target/faults"));
        assert!(raised[2].starts_with("PATH="));
    }
}
