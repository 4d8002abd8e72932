//! `picket erase`.

use super::counted;
use crate::{refuse, say};
use picket::control::{self, Demand, Erased};
use picket_core::erasure::Erasure;
use std::path::Path;
use std::process::ExitCode;

/// Has the running agent erase the personal data beside records.
pub(crate) fn erase(runtime: &Path, records: &str, authority: &str, reason: &str) -> ExitCode {
    let Some(records) = ranges(records) else {
        eprintln!("picket erase: --records {records}: write numbers or ranges, such as 17 or 20..31,40");
        return ExitCode::from(2);
    };
    if let Err(why) = Erasure::new(records.clone(), authority, reason) {
        eprintln!("picket erase: {why}");
        return ExitCode::from(2);
    }
    let demand = Demand { records, authority: authority.to_owned(), reason: reason.to_owned() };
    match super::converse(control::erase(runtime, demand)) {
        Ok(Erased { record, texts }) => {
            let records = counted(texts, "record", "records");
            say(format_args!("record {record} states it; what {records} had of personal data here is erased"));
            say("the centre erases it when that record arrives; exports and backups made before still have it, and");
            say("flash may keep what was written over until it is used again");
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&format!("nothing was erased: {why}")),
    }
}

/// `17`, `20..31`, and several of them with commas between.
fn ranges(text: &str) -> Option<Vec<(u64, u64)>> {
    let range = |part: &str| match part.trim().split_once("..") {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => part.trim().parse().ok().map(|seq| (seq, seq)),
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_numbers_and_ranges() {
        assert_eq!(ranges("17"), Some(vec![(17, 17)]));
        assert_eq!(ranges("1..9, 20..31,40"), Some(vec![(1, 9), (20, 31), (40, 40)]));
        for wrong in ["", "a", "1..", "1-9", "1,,2", "-1"] {
            assert_eq!(ranges(wrong), None, "{wrong}");
        }
    }
}
