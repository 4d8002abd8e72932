//! The shipped programs as processes, against brokers and verifiers that nobody here wrote: killed, misled, damaged.
//!
//! Everything runs on loopback in a folder of its own and ends with its test. A program that is missing fails the test
//! with the command that installs it.

mod agreement;
mod backup;
mod bundle;
mod camera_events;
mod central_side;
mod certificates;
mod changes;
mod damage;
mod enrolment;
mod export;
mod installation;
mod large;
mod limits;
mod page;
mod persons;
mod programs;
mod quarantine;
mod readme;
mod records;
mod register;
mod renewal;
mod seals;
mod secrecy;
mod settings;
mod site_broker;
mod stop;
mod work;
