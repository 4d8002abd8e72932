//! Modbus over TCP: the header of seven bytes in front of a PDU, and cutting a stream into frames.

/// Longest length field: unit and a PDU of 253 bytes (Messaging on TCP/IP 1.0b, section 4.1).
const MOST: usize = 254;

/// One frame of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Transaction, to be repeated in the answer.
    pub transaction: u16,
    /// Unit asked.
    pub unit: u8,
    /// What is asked.
    pub pdu: Vec<u8>,
}

/// The stream is no Modbus; the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotModbus;

/// Takes the first whole frame off the front of a buffer.
pub fn take(buffer: &mut Vec<u8>) -> Result<Option<Frame>, NotModbus> {
    let Some((&[t1, t0, p1, p0, l1, l0], rest)) = buffer.split_first_chunk::<6>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    if p1 != 0 || p0 != 0 || !(2..=MOST).contains(&length) {
        return Err(NotModbus);
    }
    let Some([unit, pdu @ ..]) = rest.get(..length) else { return Ok(None) };
    let frame = Frame { transaction: u16::from_be_bytes([t1, t0]), unit: *unit, pdu: pdu.to_vec() };
    buffer.drain(..6 + length);
    Ok(Some(frame))
}

/// A PDU behind its header.
pub fn build(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("a PDU has 253 bytes at most");
    let mut frame = transaction.to_be_bytes().to_vec();
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(unit);
    frame.extend_from_slice(pdu);
    frame
}
