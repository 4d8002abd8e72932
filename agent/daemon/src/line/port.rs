//! Serial ports: opening them, what their errors mean, and the silence Modbus needs between frames.

use super::{Parity, SerialPort};
use std::io;
use std::time::Duration;
use tokio_serial::SerialStream;

/// Why a serial port gives nothing. The port is closed in every case: a held file makes an adapter come back under
/// another name.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortFault {
    /// It could not be opened or set up.
    #[error("cannot open {path}: {cause}")]
    Open {
        /// Device file.
        path: String,
        /// Why.
        cause: String,
    },
    /// It vanished: a read gave zero bytes, which an unplugged adapter does for ever without an error.
    #[error("{0} was unplugged")]
    Unplugged(String),
    /// Reading failed.
    #[error("cannot read {path}")]
    Read {
        /// Device file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Opens a port raw, without flow control, locked against other programs. Blocks.
pub(super) fn open(port: &SerialPort) -> Result<SerialStream, PortFault> {
    let path = port.path.to_string_lossy();
    let refuse = |cause: String| PortFault::Open { path: path.clone().into_owned(), cause };
    let data_bits = match port.data_bits {
        7 => tokio_serial::DataBits::Seven,
        8 => tokio_serial::DataBits::Eight,
        other => return Err(refuse(format!("{other} data bits, must be 7 or 8"))),
    };
    let stop_bits = match port.stop_bits {
        1 => tokio_serial::StopBits::One,
        2 => tokio_serial::StopBits::Two,
        other => return Err(refuse(format!("{other} stop bits, must be 1 or 2"))),
    };
    let parity = match port.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let builder = tokio_serial::new(path.as_ref(), port.baud)
        .data_bits(data_bits)
        .stop_bits(stop_bits)
        .parity(parity)
        .flow_control(tokio_serial::FlowControl::None);
    SerialStream::open(&builder).map_err(|error| refuse(error.to_string()))
}

/// Whether an error says that the device behind the file is gone: EIO, ENXIO, EBADF, ENODEV.
pub(super) fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::IO, Errno::NXIO, Errno::BADF, Errno::NODEV];
    error.raw_os_error().is_some_and(|code| gone.iter().any(|errno| errno.raw_os_error() == code))
}

/// Silence between two frames: 3.5 characters, but 1.75 ms above 19,200 baud (MODBUS over Serial Line V1.02 section
/// 2.5.1.1).
pub(super) fn frame_gap(port: &SerialPort) -> Duration {
    if port.baud > 19_200 {
        return Duration::from_micros(1_750);
    }
    let parity_bits = match port.parity {
        Parity::None => 0,
        Parity::Even | Parity::Odd => 1,
    };
    let character_bits = 1 + u64::from(port.data_bits) + parity_bits + u64::from(port.stop_bits);
    let gap_us = (character_bits * 3_500_000).div_ceil(u64::from(port.baud.max(1)));
    Duration::from_micros(gap_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(baud: u32, parity: Parity, stop_bits: u8) -> SerialPort {
        SerialPort { path: "/dev/null".into(), baud, parity, stop_bits, data_bits: 8 }
    }

    #[test]
    fn the_gap_is_three_and_a_half_characters_up_to_19200_baud_and_1750_microseconds_above() {
        assert_eq!(frame_gap(&port(9_600, Parity::Even, 1)), Duration::from_micros(4_011));
        assert_eq!(frame_gap(&port(9_600, Parity::None, 1)), Duration::from_micros(3_646));
        assert_eq!(frame_gap(&port(19_200, Parity::Even, 1)), Duration::from_micros(2_006));
        assert_eq!(frame_gap(&port(115_200, Parity::None, 1)), Duration::from_micros(1_750));
    }

    #[tokio::test]
    async fn a_file_that_is_no_port_is_refused_with_its_path() {
        let fault = open(&port(9_600, Parity::None, 1)).expect_err("not a terminal");
        assert!(fault.to_string().starts_with("cannot open /dev/null: "), "{fault}");
    }
}
