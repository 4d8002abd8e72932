//! Modbus RTU: address in front of a PDU, CRC-16 behind it, silence between frames.

/// Length of every request for functions 01 to 06 (Serial Line 1.02, section 2.5.1): address, PDU of 5, CRC of 2.
const REQUEST: usize = 8;
/// 3.5 characters of 11 bits at 1200 baud: above every rate used here, a gap of this length ends a frame.
const GAP_US: u64 = 32_000;

/// CRC-16 with the reflected polynomial 0xA001, begun at 0xFFFF (Serial Line 1.02, section 6.2.2).
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// A PDU with address and CRC, low byte of the CRC first.
pub fn build(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend_from_slice(pdu);
    let crc = crc16(&frame);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame
}

/// One request on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Unit asked.
    pub unit: u8,
    /// What is asked.
    pub pdu: Vec<u8>,
}

/// Hears a bus: cuts bytes into requests. Holds less than one request between calls.
#[derive(Debug, Default)]
pub struct Ear {
    held: Vec<u8>,
    heard_us: u64,
}

impl Ear {
    /// Takes bytes as they come, in any pieces; gives the requests that were completed by them. After a gap what was
    /// begun is forgotten; bytes that make no request are skipped one by one.
    pub fn push(&mut self, now_us: u64, bytes: &[u8]) -> Vec<Frame> {
        if now_us.saturating_sub(self.heard_us) > GAP_US {
            self.held.clear();
        }
        self.heard_us = now_us;
        self.held.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(window) = self.held.get(..REQUEST) {
            let (body, crc) = window.split_at(REQUEST - 2);
            if crc16(body).to_le_bytes() == *crc {
                frames.push(Frame { unit: body[0], pdu: body[1..].to_vec() });
                self.held.drain(..REQUEST);
            } else {
                self.held.remove(0);
            }
        }
        frames
    }
}
