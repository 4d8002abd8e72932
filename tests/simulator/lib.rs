//! A site that pretends: pure device models, thin shells that put them on real wires, a ledger of what was done.
//!
//! What the devices send is built here by hand from the manuals and specifications, never with the product's own code:
//! a mistake there must not be repeated here. Owns no verdict; the demo judges.

pub mod clock;
pub mod devices;
pub mod ledger;
pub mod shells;
pub mod virtual_site;
pub mod wire;
