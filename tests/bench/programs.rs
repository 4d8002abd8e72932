//! The programs under measurement: built before anything is measured, by the profile that the driver was built with.

use crate::process::{output, told};
use simulator::product::{Product, Profile, cargo, own_folder, repository};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const AROUND: [&str; 4] = ["bench-sim", "bench-sub", "bench-sink", "bench-barepoll"];

/// Where they lie.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds what is not up to date.
    pub(crate) fn build() -> Result<Self, String> {
        let profile = Profile::own().map_err(told)?;
        Product::build(profile).map_err(told)?;
        let mut cargo = cargo();
        cargo.args(["build", "--locked", "--quiet", "-p", "picket-tests"]).current_dir(repository());
        for program in AROUND {
            cargo.args(["--bin", program]);
        }
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        output(&mut cargo)?;
        let folder = own_folder().map_err(told)?;
        Ok(Self { folder })
    }

    /// The folder they lie in.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// A new folder beside them, on the disk and not in memory, removed when dropped.
    pub(crate) fn folder(&self, prefix: &str) -> Result<TempDir, String> {
        let parent = self.folder.join("bench-runs");
        let made =
            std::fs::create_dir_all(&parent).and_then(|()| tempfile::Builder::new().prefix(prefix).tempdir_in(&parent));
        made.map_err(|error| format!("{}: {error}", parent.display()))
    }

    /// One line about what is measured.
    pub(crate) fn print_versions(&self, seed: u64) {
        let ask = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            output(command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|_| "unknown".into())
        };
        // mosquitto prints its version with its help, which it ends with 3.
        let help = Command::new("/usr/sbin/mosquitto").arg("-h").output().map(|done| done.stdout).unwrap_or_default();
        let help = String::from_utf8_lossy(&help).into_owned();
        println!(
            "tree {}, {} build, {}, {}, SQLite {}, Linux {}, seed {seed}",
            ask("git", &["describe", "--always", "--dirty"]),
            if cfg!(debug_assertions) { "debug" } else { "release" },
            ask("rustc", &["--version"]),
            help.lines().next().unwrap_or("mosquitto of unknown version"),
            rusqlite::version(),
            ask("uname", &["-r"]),
        );
    }
}

/// How busy the machine is: the load average of one minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
