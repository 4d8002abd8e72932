//! The reference ingest: reads records from a broker, verifies, stores, and answers with signed receipts.
//!
//! [`ingest`] decides and stores, without a socket; [`link`] carries. What is absent on purpose: a page, a pager,
//! enrolment over the network.

pub mod authority;
pub mod certify;
pub mod check;
pub mod clock;
pub mod custody;
pub mod enrol;
pub mod ingest;
pub mod link;
pub mod orders;
pub mod roots;
pub mod settings;
pub mod status;
pub mod store;
pub mod turns;
pub mod unpack;
pub mod work;
