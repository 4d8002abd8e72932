//! Chance from a seed: two products that run one after the other see the same sequence.

/// xorshift64* (Vigna, 2016).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Any seed; an even one counts as the odd one above it, because zero would stay zero.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From `low` to below `high`; `low` where there is nothing between.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low { low } else { low + self.next() % (high - low) }
    }
}
