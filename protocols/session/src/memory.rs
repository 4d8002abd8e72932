//! The memory of a process that holds keys, closed to others. It is here because both programs that hold a session do.

/// From here on the kernel writes no core of this process and lets no other of its user attach to it (PR_SET_DUMPABLE,
/// prctl(2)): some keys live in memory alone, and the others are read into it.
pub fn close() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the kernel does not close this process to others: {error}"))
}
