//! Moxa ioLogik E1210: sixteen digital inputs. ioLogik E1200 Series User's Manual, appendix A, Modbus/TCP Default
//! Address Mappings.

use super::bank::{Bank, ascii};
use crate::wire::pdu::Table;

const CHANNELS: u16 = 16;
/// 10001: DI status.
const DI: u16 = 0;
/// 30017: DI counters, two registers each, high word first.
const COUNTER: u16 = 16;
/// 30049: all DI as one word, channel 0 in the lowest bit.
const DI_WORD: u16 = 48;
/// 35001: model name, ten registers.
const MODEL: u16 = 5000;
/// 35021: uptime in seconds, two registers.
const UPTIME: u16 = 5020;
/// 35025: MAC address, three registers.
const MAC: u16 = 5024;
/// 35030: firmware, one byte per part: 1.2.3 is 0x0102 0x0300.
const FIRMWARE: u16 = 5029;
/// 35041: device name, thirty registers.
const NAME: u16 = 5040;

/// One module.
#[derive(Debug)]
pub struct IoModule {
    bank: Bank,
}

impl IoModule {
    /// A module with every input off.
    pub fn new(name: &str, mac: [u8; 6], firmware: [u8; 4]) -> Self {
        let mut bank = Bank::default();
        let pairs =
            |bytes: &[u8]| -> Vec<u16> { bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect() };
        bank.set_all(Table::DiscreteInput, DI, &[0; CHANNELS as usize]);
        bank.set_all(Table::InputRegister, COUNTER, &[0; 2 * CHANNELS as usize]);
        bank.set(Table::InputRegister, DI_WORD, 0);
        bank.set_all(Table::InputRegister, MODEL, &ascii("E1210", 10));
        bank.set_all(Table::InputRegister, UPTIME, &[0, 0]);
        bank.set_all(Table::InputRegister, MAC, &pairs(&mac));
        bank.set_all(Table::InputRegister, FIRMWARE, &pairs(&firmware));
        bank.set_all(Table::InputRegister, NAME, &ascii(name, 30));
        Self { bank }
    }

    /// Puts a channel on or off; a rising edge counts.
    pub fn set(&mut self, channel: u16, on: bool) {
        assert!(channel < CHANNELS, "an E1210 has sixteen inputs");
        let was = self.bank.get(Table::DiscreteInput, DI + channel) == 1;
        self.bank.set(Table::DiscreteInput, DI + channel, u16::from(on));
        let word = self.bank.get(Table::InputRegister, DI_WORD) & !(1 << channel) | u16::from(on) << channel;
        self.bank.set(Table::InputRegister, DI_WORD, word);
        if on && !was {
            let at = COUNTER + 2 * channel;
            let high = self.bank.get(Table::InputRegister, at);
            let low = self.bank.get(Table::InputRegister, at + 1);
            let (low, carry) = low.overflowing_add(1);
            self.bank.set_all(Table::InputRegister, at, &[high.wrapping_add(u16::from(carry)), low]);
        }
    }

    /// The response to a request PDU, so many seconds after power-up.
    pub fn answer(&mut self, uptime_s: u32, asked: &[u8]) -> Vec<u8> {
        let [a, b, c, d] = uptime_s.to_be_bytes();
        let uptime = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        self.bank.set_all(Table::InputRegister, UPTIME, &uptime);
        self.bank.answer(asked)
    }
}
