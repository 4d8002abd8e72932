//! The memory of a process that holds keys: closed to others, and kept from disks. It is here because both programs that
//! hold a session do.

use std::io;

/// From here on the kernel writes no core of this process and lets no other of its user attach to it (PR_SET_DUMPABLE,
/// prctl(2)): some keys live in memory alone, and the others are read into it.
pub fn close() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the kernel does not close this process to others: {error}"))
}

/// Why memory of this process may reach a disk, if it may, or nobody can tell. `unit` is the file of systemd that forbids
/// it; `read` reads files of /proc and /sys.
pub fn swap(unit: &str, read: impl Fn(&str) -> io::Result<String>) -> Option<String> {
    let limit = read("/proc/self/cgroup").ok().and_then(|groups| {
        let group = cgroup(&groups)?;
        read(&format!("/sys/fs/cgroup{group}/memory.swap.max")).ok()
    });
    if limit.is_some_and(|limit| limit.trim() == "0") {
        return None;
    }
    let why = match read("/proc/swaps") {
        Ok(swaps) => match swap_devices(&swaps) {
            devices if devices.is_empty() => return None,
            devices => format!("memory may be written to swap ({}), and keys with it", devices.join(", ")),
        },
        Err(error) => format!("nobody knows whether memory may be written to swap (/proc/swaps: {error})"),
    };
    Some(format!("{why}: run this by {unit} (MemorySwapMax=0), or turn swap off"))
}

/// Names in `/proc/swaps`, whose first line is a heading (proc(5)).
fn swap_devices(text: &str) -> Vec<&str> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

/// The group of cgroup v2 in `/proc/self/cgroup`: the line `0::PATH` (cgroups(7)).
fn cgroup(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_process_is_not_dumpable() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        close().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    const HEADING: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    /// What is said where the kernel tells this much, as it writes it (proc(5), cgroups(7)).
    fn told(swaps: Option<&str>, groups: &str, limit: &str) -> Option<String> {
        swap("systemd/x.service", |path| {
            let text = match path {
                "/proc/swaps" => swaps,
                "/proc/self/cgroup" => Some(groups),
                "/sys/fs/cgroup/system.slice/x.service/memory.swap.max" => Some(limit),
                _ => None,
            };
            text.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    #[test]
    fn where_memory_may_reach_a_disk_or_nobody_knows_the_unit_that_forbids_it_is_named() {
        let swaps = format!("{HEADING}/dev/mmcblk0p3  partition\t524288\t0\t-2\n/swap file\t1\t0\t-3\n");
        let (unit, other) = ("0::/system.slice/x.service\n", "12:memory:/x\n");
        let warned = told(Some(&swaps), unit, "max\n").unwrap();
        assert!(warned.contains("written to swap (/dev/mmcblk0p3, /swap), and keys"), "{warned}");
        assert!(warned.contains("run this by systemd/x.service (MemorySwapMax=0)"), "{warned}");
        assert!(told(Some(&swaps), other, "0\n").is_some(), "no limit of another group counts");
        assert_eq!(told(Some(&swaps), unit, "0\n"), None);
        assert_eq!(told(Some(HEADING), unit, "max\n"), None, "this machine has no swap");
        let unknown = told(None, other, "max\n").unwrap();
        assert!(unknown.contains("nobody knows") && unknown.contains("/proc/swaps"), "{unknown}");
        assert_eq!(told(None, unit, "0\n"), None);
    }
}
