//! The only place that reads a clock.

/// What the installer says of the gateway's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockPolicy {
    /// Dates are judged only by a synchronised clock.
    Synchronised,
    /// The board's own clock is good enough for dates; records still say that it is not synchronised.
    AcceptUnsynchronised,
}
