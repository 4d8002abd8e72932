//! Advantech ADAM-6050: twelve digital inputs and six outputs. ADAM-6000 Series User's Manual, Modbus mapping table; the
//! module name at 40211 is known from the ADAM-4000 and ADAM-4100 tables only.

use super::bank::Bank;
use crate::wire::pdu::Table;

const INPUTS: u16 = 12;
/// 00017-00022: outputs.
const DO: u16 = 16;
/// 40301: all inputs as a word.
const DI_WORD: u16 = 300;
/// 40211-40212: module name; 40213-40214: firmware.
const NAME: u16 = 210;

/// One module.
#[derive(Debug)]
pub struct Adam6050 {
    bank: Bank,
}

impl Adam6050 {
    /// A module with every input off and the firmware as its two registers say it.
    pub fn new(firmware: [u16; 2]) -> Self {
        let mut bank = Bank::default();
        // The manual maps inputs to 00001: functions 01 and 02 both read them.
        for table in [Table::Coil, Table::DiscreteInput] {
            bank.set_all(table, 0, &[0; INPUTS as usize]);
        }
        bank.set_all(Table::Coil, DO, &[0; 6]);
        for table in [Table::HoldingRegister, Table::InputRegister] {
            bank.set(table, DI_WORD, 0);
            bank.set_all(table, NAME, &[0x6050, 0x0000]);
            bank.set_all(table, NAME + 2, &firmware);
        }
        Self { bank }
    }

    /// Puts an input on or off.
    pub fn set(&mut self, channel: u16, on: bool) {
        assert!(channel < INPUTS, "an ADAM-6050 has twelve inputs");
        for table in [Table::Coil, Table::DiscreteInput] {
            self.bank.set(table, channel, u16::from(on));
        }
        for table in [Table::HoldingRegister, Table::InputRegister] {
            let word = self.bank.get(table, DI_WORD) & !(1 << channel) | u16::from(on) << channel;
            self.bank.set(table, DI_WORD, word);
        }
    }

    /// The response to a request PDU.
    pub fn answer(&self, asked: &[u8]) -> Vec<u8> {
        self.bank.answer(asked)
    }
}
