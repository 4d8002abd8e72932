//! The tables of a Modbus device: what can be read, and the refusal of everything else.

use crate::wire::pdu::{self, Exception, Request, Table};
use std::collections::BTreeMap;

/// Items by table and address. Bits are 0 and 1.
#[derive(Debug, Default)]
pub(super) struct Bank {
    items: BTreeMap<(Table, u16), u16>,
}

impl Bank {
    pub(super) fn set(&mut self, table: Table, address: u16, value: u16) {
        self.items.insert((table, address), value);
    }

    pub(super) fn set_all(&mut self, table: Table, start: u16, values: &[u16]) {
        for (address, value) in (start..).zip(values) {
            self.set(table, address, *value);
        }
    }

    pub(super) fn get(&self, table: Table, address: u16) -> u16 {
        self.items.get(&(table, address)).copied().unwrap_or(0)
    }

    /// The response to a request; one item that does not exist refuses the whole (exception 2).
    pub(super) fn answer(&self, asked: &[u8]) -> Vec<u8> {
        match pdu::request(asked).and_then(|request| self.read(request)) {
            Ok(response) => response,
            Err(exception) => exception.pdu(),
        }
    }

    fn read(&self, request: Request) -> Result<Vec<u8>, Exception> {
        let Request { table, start, count } = request;
        let refused = Exception { function: table.function(), code: 2 };
        let end = u32::from(start) + u32::from(count);
        let values: Option<Vec<u16>> = (u32::from(start)..end)
            .map(|address| self.items.get(&(table, u16::try_from(address).ok()?)).copied())
            .collect();
        let values = values.ok_or(refused)?;
        Ok(match table {
            Table::Coil | Table::DiscreteInput => {
                let bits: Vec<bool> = values.iter().map(|value| *value == 1).collect();
                pdu::bits(table, &bits)
            }
            Table::HoldingRegister | Table::InputRegister => pdu::words(table, &values),
        })
    }
}

/// ASCII in registers, two characters each, high byte first, filled up with zeros.
pub(super) fn ascii(text: &str, registers: usize) -> Vec<u16> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(registers * 2, 0);
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}
