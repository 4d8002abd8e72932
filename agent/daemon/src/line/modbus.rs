//! What both Modbus carriers share: a read as a request, a response as an answer of the exact count, errors as faults.

use picket_device::modbus::{Answer, Fault, Read};
use picket_device::profile::Table;
use std::io;
use tokio_modbus::client::{Client, Context};
use tokio_modbus::{Error, ProtocolError, Request, Response};

/// Calls `context` once. `Err` other than [`Fault::Exception`] means that the context is poisoned: a late or damaged
/// answer may still lie in it and would be taken for the next one.
///
/// The `read_*` conveniences of tokio-modbus are never used: they assert the count in debug builds and pass a wrong
/// one on in release builds.
pub(super) async fn call(context: &mut Context, read: Read) -> Result<Answer, Fault> {
    match context.call(request(read)).await {
        Ok(Ok(response)) => answer(read, response),
        Ok(Err(exception)) => Err(Fault::Exception(exception.into())),
        Err(Error::Transport(error)) => Err(fault(&error)),
        Err(Error::Protocol(ProtocolError::HeaderMismatch { .. } | ProtocolError::FunctionCodeMismatch { .. })) => {
            Err(Fault::WrongUnit)
        }
    }
}

/// Whether the connection may serve the next ask after this result.
pub(super) fn keeps_connection(result: &Result<Answer, Fault>) -> bool {
    matches!(result, Ok(_) | Err(Fault::Exception(_)))
}

fn request(read: Read) -> Request<'static> {
    match read.table {
        Table::Coil => Request::ReadCoils(read.start, read.count),
        Table::DiscreteInput => Request::ReadDiscreteInputs(read.start, read.count),
        Table::HoldingRegister => Request::ReadHoldingRegisters(read.start, read.count),
        Table::InputRegister => Request::ReadInputRegisters(read.start, read.count),
    }
}

fn answer(read: Read, response: Response) -> Result<Answer, Fault> {
    let asked = usize::from(read.count);
    match response {
        Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits) => {
            // Bits come in whole bytes; the last one is padded (Modbus 1.1b3 section 6.1).
            if bits.len() != asked.div_ceil(8) * 8 {
                return Err(wrong_count(read, bits.len()));
            }
            bits.truncate(asked);
            Ok(Answer::Bits(bits))
        }
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            if words.len() != asked {
                return Err(wrong_count(read, words.len()));
            }
            Ok(Answer::Words(words))
        }
        // The client compares function codes, so nothing else arrives for the four reads above.
        _ => Err(Fault::WrongUnit),
    }
}

fn wrong_count(read: Read, got: usize) -> Fault {
    Fault::WrongCount { asked: read.count, got: u16::try_from(got).unwrap_or(u16::MAX) }
}

/// An error of the stream as a fault of the wire.
pub(super) fn fault(error: &io::Error) -> Fault {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, NotConnected, TimedOut, UnexpectedEof,
    };
    match error.kind() {
        // TimedOut comes from the kernel (keep-alive, user timeout): the peer is gone, not merely late.
        UnexpectedEof | BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut => Fault::Closed,
        InvalidData => Fault::Damaged(error.to_string()),
        _ if super::port::is_gone(error) => Fault::Closed,
        _ => Fault::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: Table, count: u16) -> Read {
        Read { table, start: 0, count }
    }

    #[test]
    fn a_wrong_count_is_a_fault_in_debug_and_release() {
        let words = |n| Response::ReadHoldingRegisters(vec![7; n]);
        assert_eq!(answer(read(Table::HoldingRegister, 4), words(4)), Ok(Answer::Words(vec![7; 4])));
        assert_eq!(answer(read(Table::HoldingRegister, 4), words(1)), Err(Fault::WrongCount { asked: 4, got: 1 }));
        assert_eq!(answer(read(Table::HoldingRegister, 4), words(5)), Err(Fault::WrongCount { asked: 4, got: 5 }));
    }

    #[test]
    fn bits_are_counted_in_whole_bytes_and_cut_to_what_was_asked() {
        let bits = |n| Response::ReadDiscreteInputs(vec![true; n]);
        assert_eq!(answer(read(Table::DiscreteInput, 9), bits(16)), Ok(Answer::Bits(vec![true; 9])));
        assert_eq!(answer(read(Table::DiscreteInput, 9), bits(8)), Err(Fault::WrongCount { asked: 9, got: 8 }));
        assert_eq!(answer(read(Table::DiscreteInput, 8), bits(16)), Err(Fault::WrongCount { asked: 8, got: 16 }));
    }

    #[test]
    fn errors_of_the_stream_become_typed_faults() {
        let kind = |k: io::ErrorKind| fault(&io::Error::from(k));
        assert_eq!(kind(io::ErrorKind::UnexpectedEof), Fault::Closed);
        assert_eq!(kind(io::ErrorKind::BrokenPipe), Fault::Closed);
        assert_eq!(fault(&io::Error::from_raw_os_error(5)), Fault::Closed, "EIO: the adapter was pulled");
        assert!(matches!(kind(io::ErrorKind::InvalidData), Fault::Damaged(_)));
        assert!(matches!(kind(io::ErrorKind::HostUnreachable), Fault::Unreachable(_)));
    }
}
