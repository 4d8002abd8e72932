//! The protocol data unit: function code and what follows it, without address and checks.

/// The four tables of a device (Application Protocol 1.1b3, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Read by function 01.
    Coil,
    /// Read by function 02.
    DiscreteInput,
    /// Read by function 03.
    HoldingRegister,
    /// Read by function 04.
    InputRegister,
}

impl Table {
    /// The function code that reads it.
    pub fn function(self) -> u8 {
        match self {
            Table::Coil => 1,
            Table::DiscreteInput => 2,
            Table::HoldingRegister => 3,
            Table::InputRegister => 4,
        }
    }
}

/// What a master asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Which table.
    pub table: Table,
    /// Protocol address of the first item, from 0.
    pub start: u16,
    /// How many items.
    pub count: u16,
}

/// The device refuses: function code and exception code (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// The function that was asked.
    pub function: u8,
    /// 1 illegal function, 2 illegal address, 3 illegal value.
    pub code: u8,
}

impl Exception {
    /// Function code with the top bit set, then the exception code.
    pub fn pdu(self) -> Vec<u8> {
        vec![self.function | 0x80, self.code]
    }
}

/// Reads a request; an empty one is an illegal function 0.
pub fn request(pdu: &[u8]) -> Result<Request, Exception> {
    let function = pdu.first().copied().unwrap_or(0);
    let refuse = |code| Err(Exception { function, code });
    let (table, most) = match function {
        1 => (Table::Coil, 2000),
        2 => (Table::DiscreteInput, 2000),
        3 => (Table::HoldingRegister, 125),
        4 => (Table::InputRegister, 125),
        _ => return refuse(1),
    };
    let [_, start_high, start_low, count_high, count_low] = *pdu else { return refuse(3) };
    let start = u16::from_be_bytes([start_high, start_low]);
    let count = u16::from_be_bytes([count_high, count_low]);
    if count == 0 || count > most {
        return refuse(3);
    }
    Ok(Request { table, start, count })
}

/// A response with bits, packed from the lowest bit of the first byte (sections 6.1 and 6.2).
pub fn bits(table: Table, bits: &[bool]) -> Vec<u8> {
    let mut packed = vec![0_u8; bits.len().div_ceil(8)];
    for (index, _) in bits.iter().enumerate().filter(|(_, on)| **on) {
        packed[index / 8] |= 1 << (index % 8);
    }
    counted(table, &packed)
}

/// A response with registers, high byte first (sections 6.3 and 6.4).
pub fn words(table: Table, words: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    counted(table, &bytes)
}

fn counted(table: Table, bytes: &[u8]) -> Vec<u8> {
    let count = u8::try_from(bytes.len()).expect("requests ask for 250 bytes at most");
    let mut pdu = vec![table.function(), count];
    pdu.extend_from_slice(bytes);
    pdu
}
