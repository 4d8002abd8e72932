//! What keeps keys and records to the agent: no core dump, no other process of this user that reads its memory, files for
//! their owner alone, and a word where memory may go to swap.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// From here on the kernel writes no core of this process and lets no other of its user attach to it (PR_SET_DUMPABLE,
/// prctl(2)): the key of an epoch lives in memory alone.
pub fn close_memory() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the kernel does not close this process to others: {error}"))
}

/// Why memory of this process may reach a disk, if it may.
pub fn swap() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (swaps, groups) = (read("/proc/swaps"), read("/proc/self/cgroup"));
    let devices = swap_devices(&swaps);
    let limit = cgroup(&groups).map(|group| read(&format!("/sys/fs/cgroup{group}/memory.swap.max")));
    if devices.is_empty() || limit.is_some_and(|limit| limit.trim() == "0") {
        return None;
    }
    Some(format!(
        "memory may be written to swap ({}), and keys with it: run the agent by systemd/picket.service \
         (MemorySwapMax=0), or turn swap off",
        devices.join(", ")
    ))
}

/// Names in `/proc/swaps`, whose first line is a heading (proc(5)).
fn swap_devices(text: &str) -> Vec<&str> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

/// The group of cgroup v2 in `/proc/self/cgroup`: the line `0::PATH` (cgroups(7)).
fn cgroup(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Takes the rights of others from a file that an earlier version, or a hand, left open to them. One that is not there
/// is made under the umask of the agent.
pub fn tighten(file: &Path) -> Result<(), String> {
    let told = |error| format!("{}: cannot be closed to others: {error}; run: chmod 600 {0}", file.display());
    let mode = match fs::metadata(file) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(told(error)),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(file, fs::Permissions::from_mode(mode & 0o700)).map_err(told)?;
    tracing::warn!(file = %file.display(), mode = format!("{mode:04o}"), "others could use this file; they no longer can");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_closed_to_them_and_keeps_the_rights_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        tighten(&file).unwrap();
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        tighten(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Lines of proc(5) and cgroups(7).
    #[test]
    fn swap_and_group_are_read_as_the_kernel_writes_them() {
        let swaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/mmcblk0p3  partition\t524284\t0\t-2\n";
        assert_eq!(swap_devices(swaps), ["/dev/mmcblk0p3"]);
        assert!(swap_devices(swaps.lines().next().unwrap()).is_empty());
        assert_eq!(cgroup("0::/system.slice/picket.service\n"), Some("/system.slice/picket.service"));
        assert_eq!(cgroup("12:memory:/x\n"), None);
    }
}
