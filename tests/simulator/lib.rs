//! A site that pretends: pure device models, thin shells that put them on real wires, a ledger of what was done.
//!
//! What the devices send is built here by hand from the manuals and specifications, never with the product's own code:
//! a mistake there must not be repeated here. Owns no verdict; the demo judges. Beside the site: the shipped programs as
//! processes and what their tables hold, for the demo, the benchmarks and the tests alike.

pub mod clock;
pub mod devices;
pub mod ledger;
pub mod process;
pub mod product;
pub mod shells;
pub mod stored;
pub mod virtual_site;
pub mod wire;
