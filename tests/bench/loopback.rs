//! A file system of its own, whose every written byte is counted: ext4 in a file, mounted as it comes,
//! through a loop device.

use crate::process::output;
use rustix::fs::syncfs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sparse: only what is written takes space.
const BYTES: u64 = 5 << 30;
/// Unit of `/sys/block/*/stat`, whatever the device says (Documentation/block/stat.rst).
const SECTOR: u64 = 512;

/// A mounted file system; unmounted and detached when dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    device: String,
    mount: PathBuf,
    mounted: bool,
}

impl Loopback {
    /// Makes one in a file and mounts it.
    pub(crate) fn mount(file: &Path, mount: &Path) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("this job mounts a loop device: it needs root".into());
        }
        let told = |error: std::io::Error| format!("{}: {error}", file.display());
        File::create(file).and_then(|made| made.set_len(BYTES)).map_err(told)?;
        std::fs::create_dir_all(mount).map_err(told)?;
        // Everything is written at once: nothing of the making falls into what is counted.
        let mut make = Command::new("/sbin/mkfs.ext4");
        make.args(["-q", "-F", "-N", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(file);
        output(&mut make)?;
        let device = output(Command::new("/sbin/losetup").args(["--find", "--show"]).arg(file))
            .map_err(|why| format!("this job needs a loop device, which this machine does not give: {why}"))?;
        let mut loopback = Self { device, mount: mount.to_owned(), mounted: false };
        let mut command = Command::new("/bin/mount");
        output(command.args(["-t", "ext4", &loopback.device]).arg(mount))?;
        loopback.mounted = true;
        Ok(loopback)
    }

    /// Bytes that reached the device until now, everything that was to be written included.
    pub(crate) fn written(&self) -> Result<u64, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.mount.display());
        syncfs(File::open(&self.mount).map_err(told)?).map_err(|error| told(error.into()))?;
        let name = self.device.rsplit('/').next().unwrap_or_default();
        let path = format!("/sys/block/{name}/stat");
        let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The seventh field counts sectors written.
        let sectors: Option<u64> = stat.split_whitespace().nth(6).and_then(|field| field.parse().ok());
        sectors.map(|sectors| sectors * SECTOR).ok_or_else(|| format!("{path}: {stat}"))
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // Already gone is as good; a lazy end is one, too.
        if self.mounted && output(Command::new("/bin/umount").arg(&self.mount)).is_err() {
            let _ = output(Command::new("/bin/umount").arg("--lazy").arg(&self.mount));
        }
        let _ = output(Command::new("/sbin/losetup").args(["--detach", &self.device]));
    }
}
