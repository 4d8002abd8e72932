//! What one gateway was ordered, what of it is in force, and what it refused.

use super::time;
use crate::store::{self, About, Answer};
use picket_record::encode::Name;
use rusqlite::Connection;

/// Lines for a person, the order first; none where nothing ever went down.
pub(super) fn rows(db: &Connection, gw: &Name) -> rusqlite::Result<Vec<String>> {
    let answers = store::answers(db, gw)?;
    let last = |about| answers.iter().find(|(answer, _)| answer.about == about);
    let mut rows = Vec::new();
    let newest = store::newest_mark(db, gw)?.map(|(ver, _)| ver);
    let in_force = last(About::Order).filter(|(order, _)| order.n > 0);
    match in_force {
        Some((order, at)) => {
            rows.push(format!("order {} is in force, by record {} of {}", order.n, order.seq, time(*at)))
        }
        None if newest.is_some() => rows.push("no order is in force".to_owned()),
        None => {}
    }
    let refused = last(About::OrderRefused);
    if let Some(ver) = newest.filter(|ver| in_force.is_none_or(|(order, _)| order.n != *ver)) {
        rows.push(match refused.filter(|(no, _)| no.n == ver) {
            Some(_) => format!("order {ver} was REFUSED and is not in force: give another one"),
            None => format!("order {ver} was given and is NOT in force yet"),
        });
    }
    rows.extend(refused.map(|(no, at)| refusal("order", no, *at)));
    let given = store::last_command(db, gw)?;
    let answered = last(About::Command);
    if let Some((command, at)) = answered {
        rows.push(format!("command {} was done, by record {} of {}", command.n, command.seq, time(*at)));
    }
    let no_command = last(About::CommandRefused);
    let heard = [answered, no_command].into_iter().flatten().any(|(answer, _)| answer.n >= given);
    if given > 0 && !heard {
        rows.push(format!("command {given} was given and is not answered; after ten minutes it is void"));
    }
    rows.extend(no_command.map(|(no, at)| refusal("command", no, *at)));
    rows.extend(
        last(About::Root)
            .map(|(root, at)| format!("root document {} is in force, by record {} of {}", root.n, root.seq, time(*at))),
    );
    rows.extend(last(About::RootRefused).map(|(no, at)| refusal("root document", no, *at)));
    Ok(rows)
}

fn refusal(what: &str, no: &Answer, at: i64) -> String {
    let n = if no.n > 0 { format!(" {}", no.n) } else { String::new() };
    format!("{what}{n} was refused ({}: {}), by record {} of {}", no.reason, no.cause, no.seq, time(at))
}
