//! Whole sites on virtual time: everything enters by inputs and is judged by what the journal stored, what the lines
//! were told and what the page shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alarms;
mod causes;
mod certificates;
mod changes;
mod delivery;
mod duty;
mod exercises;
mod harness;
mod hearing;
mod incidents;
mod levels;
mod measures;
mod orders;
mod persons;
mod points;
mod quiet;
mod refusals;
mod restart;
mod seals;
mod stopping;
mod summaries;
mod work;
