//! A plain input module on a bus: relay contacts of an alarm panel, or a door contact and its release button.

use super::bank::Bank;
use crate::wire::pdu::Table;

/// So many discrete inputs from address 0, and nothing else.
#[derive(Debug)]
pub struct RtuIo {
    bank: Bank,
    inputs: u16,
}

impl RtuIo {
    /// A module whose inputs stand as given.
    pub fn new(inputs: &[bool]) -> Self {
        let mut bank = Bank::default();
        let values: Vec<u16> = inputs.iter().map(|on| u16::from(*on)).collect();
        bank.set_all(Table::DiscreteInput, 0, &values);
        Self { bank, inputs: u16::try_from(inputs.len()).expect("a module has a few inputs") }
    }

    /// Puts an input on or off.
    pub fn set(&mut self, channel: u16, on: bool) {
        assert!(channel < self.inputs, "the module has {} inputs", self.inputs);
        self.bank.set(Table::DiscreteInput, channel, u16::from(on));
    }

    /// The response to a request PDU.
    pub fn answer(&self, asked: &[u8]) -> Vec<u8> {
        self.bank.answer(asked)
    }
}
