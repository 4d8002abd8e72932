//! The memory of a process that holds keys, closed to others. It is here because both programs that hold a session do.

/// From here on the kernel writes no core of this process and lets no other of its user attach to it (PR_SET_DUMPABLE,
/// prctl(2)): some keys live in memory alone, and the others are read into it.
pub fn close() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the kernel does not close this process to others: {error}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_closed_process_is_not_dumpable() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        super::close().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
