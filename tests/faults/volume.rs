//! A small ext4 of its own on a loop device: cut off, filled up, made read-only. Needs root.

use crate::wait;
use simulator::product::output;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longest wait for a volume that somebody holds: a process that was killed lets go when the kernel has taken it down,
/// which a machine that builds something else delays.
const UNMOUNTS_IN: Duration = Duration::from_secs(60);

/// An image and where it is mounted; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Volume {
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
}

impl Volume {
    /// Makes and mounts one in a folder.
    pub(crate) fn make(folder: &Path, mib: u64, options: &str) -> Result<Self, String> {
        let (image, mount) = (folder.join("disk.img"), folder.join("mounted"));
        std::fs::create_dir_all(&mount).map_err(|error| format!("{}: {error}", mount.display()))?;
        // Anew, so that nothing of an earlier one is in it.
        let made = std::fs::File::create(&image).and_then(|file| file.set_len(mib << 20));
        made.map_err(|error| format!("{}: {error}", image.display()))?;
        done(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))?;
        let mut volume = Self { image, mount, mounted: false };
        volume.mount(options)?;
        Ok(volume)
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Mounts it, with what its log has, and with more options.
    pub(crate) fn mount(&mut self, options: &str) -> Result<(), String> {
        let options = format!("loop,{options}");
        done(Command::new("mount").args(["-o", options.trim_end_matches(',')]).arg(&self.image).arg(&self.mount))?;
        self.mounted = true;
        Ok(())
    }

    /// Makes it read-only, or writable again.
    pub(crate) fn remount(&self, how: &str) -> Result<(), String> {
        done(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.mount))
    }

    /// The power goes: nothing more reaches the image.
    pub(crate) fn cut(&self) -> Result<(), String> {
        let helper = simulator::product::repository().join("tests/faults/shutdown.py");
        done(Command::new("python3").arg(helper).arg(&self.mount))
    }

    /// Unmounts it as soon as nobody holds it.
    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        let mut why = String::new();
        let gone =
            wait::until("it is unmounted", UNMOUNTS_IN, || Ok(self.try_unmount().map_err(|told| why = told).ok()));
        gone.map_err(|late| format!("{late}: {why}"))
    }

    /// Unmounts it now, or says why not: a process that is stopped with a file open lets go of nothing.
    pub(crate) fn try_unmount(&mut self) -> Result<(), String> {
        done(Command::new("umount").arg(&self.mount))?;
        self.mounted = false;
        Ok(())
    }

    /// Bytes of a block.
    pub(crate) fn block(&self) -> Result<u64, String> {
        let found = rustix::fs::statvfs(&self.mount).map_err(|error| format!("{}: {error}", self.mount.display()))?;
        Ok(found.f_bsize)
    }

    /// The file system finds an error in itself: with `errors=remount-ro` it takes no more writes.
    pub(crate) fn fail(&self) -> Result<(), String> {
        let device =
            output(Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(&self.mount)).map_err(crate::told)?;
        let device = device.rsplit('/').next().unwrap_or_default();
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(&trigger, "1").map_err(|error| format!("{trigger}: {error}"))
    }

    /// Mends what [`Volume::fail`] noted. Only while it is not mounted.
    pub(crate) fn repair(&self) -> Result<(), String> {
        let done = Command::new("e2fsck").args(["-f", "-y"]).arg(&self.image).output();
        let done = done.map_err(|error| format!("e2fsck: {error}"))?;
        // e2fsck(8): 1 = errors were corrected.
        if matches!(done.status.code(), Some(0 | 1)) { Ok(()) } else { Err(format!("e2fsck: {}", done.status)) }
    }

    /// Blocks that are free.
    pub(crate) fn free_blocks(&self) -> Result<u64, String> {
        let found = rustix::fs::statvfs(&self.mount).map_err(|error| format!("{}: {error}", self.mount.display()))?;
        Ok(found.f_bavail)
    }

    /// Whether a check of the file system finds nothing. Only while it is not mounted.
    pub(crate) fn is_sound(&self) -> Result<(), String> {
        done(Command::new("e2fsck").args(["-f", "-n"]).arg(&self.image))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            // A volume that is left mounted holds a loop device: take it out of the tree at least.
            let _ = done(Command::new("umount").arg("--lazy").arg(&self.mount));
        }
    }
}

fn done(command: &mut Command) -> Result<(), String> {
    output(command).map(drop).map_err(crate::told)
}
