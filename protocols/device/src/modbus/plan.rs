//! Which points share a read. A group is a run of points in address order; its read is the least run of items that
//! covers them. Points on the very same items stay in one group, so no two groups ask for the same read.

use super::{MAX_BITS, MAX_REGISTERS, Read};
use crate::profile::{ModbusSpeech, Point, Table};

/// Items of one table; the end of the last address.
const TABLE_END: u32 = 65_536;

/// Groups of indices into the points, in the order of table and address. From the lowest address on, each group takes
/// as many neighbours as fit: no other choice needs fewer reads.
pub(super) fn groups(speech: &ModbusSpeech) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..speech.points.len()).collect();
    order.sort_by_key(|index| place(&speech.points[*index]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match groups.last_mut().filter(|group| joins(speech, group, index)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// The least read that covers all members; `None` for no members.
pub(super) fn read(points: &[Point], members: &[usize]) -> Option<Read> {
    let table = points[*members.first()?].table;
    let start = members.iter().map(|index| points[*index].address).min()?;
    let end = members.iter().map(|index| end(&points[*index])).max()?;
    let count = u16::try_from(end - u32::from(start)).unwrap_or(u16::MAX);
    Some(Read { table, start, count })
}

/// Cuts a group near its middle, between points on different items; `None` where all stand on the same.
pub(super) fn halves(points: &[Point], members: &[usize]) -> Option<(Vec<usize>, Vec<usize>)> {
    let cuts: Vec<usize> =
        (1..members.len()).filter(|at| place(&points[members[at - 1]]) != place(&points[members[*at]])).collect();
    let (first, second) = members.split_at(*cuts.get(cuts.len() / 2)?);
    Some((first.to_vec(), second.to_vec()))
}

fn place(point: &Point) -> (Table, u16, u16) {
    (point.table, point.address, point.coding.width())
}

fn end(point: &Point) -> u32 {
    (u32::from(point.address) + u32::from(point.coding.width())).min(TABLE_END)
}

fn joins(speech: &ModbusSpeech, group: &[usize], index: usize) -> bool {
    let point = &speech.points[index];
    let Some(so_far) = read(&speech.points, group) else { return false };
    let so_far_end = u32::from(so_far.start) + u32::from(so_far.count);
    let hole = u32::from(point.address).saturating_sub(so_far_end);
    let span = end(point).max(so_far_end) - u32::from(so_far.start);
    so_far.table == point.table && hole <= u32::from(speech.hole_limit) && span <= most(speech, point.table)
}

fn most(speech: &ModbusSpeech, table: Table) -> u32 {
    u32::from(if table.is_bits() { speech.max_bits.min(MAX_BITS) } else { speech.max_registers.min(MAX_REGISTERS) })
}
