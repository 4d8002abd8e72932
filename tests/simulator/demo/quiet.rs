//! What happens in quiet times: people with a right go through doors, things move before cameras, good seals are read.

use crate::failure::{Doing, Failure};
use picket_core::time::Chance;
use simulator::virtual_site::{BARRIER_1, DOOR_S2, VirtualSite};

/// Seals of the manifest, with the reader where each is expected.
const GOOD_SEALS: [(&str, &str); 3] = [("SR-1", "ML4410021"), ("SR-1", "ML4410022"), ("SR-2", "HK7730155")];
const CAMERAS: [&str; 3] = ["CAM-01", "CAM-02", "CAM-03"];

/// Decides what happens next; the same seed decides the same.
#[derive(Debug)]
pub(crate) struct Quiet {
    chance: Chance,
    moving: [bool; CAMERAS.len()],
    /// How much happened.
    pub(crate) acts: u64,
}

impl Quiet {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), moving: [false; CAMERAS.len()], acts: 0 }
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.chance.below(limit)
    }

    fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.chance.below(of as u64)).expect("a number below a usize")
    }

    /// One thing happens. Going through a door takes a second or two and is left out where `hurried`.
    pub(crate) async fn happen(&mut self, site: &mut VirtualSite, hurried: bool) -> Result<(), Failure> {
        const STEP: &str = "quiet";
        self.acts += 1;
        match self.pick(if hurried { 2 } else { 4 }) {
            0 => {
                let index = self.pick(CAMERAS.len());
                self.moving[index] = !self.moving[index];
                site.motion(STEP, CAMERAS[index], self.moving[index]).await.map(drop)
            }
            1 => {
                let (reader, seal) = GOOD_SEALS[self.pick(GOOD_SEALS.len())];
                site.scan(STEP, reader, seal, true).await.map(drop)
            }
            2 => site.pass(STEP, BARRIER_1).await,
            _ => site.pass(STEP, DOOR_S2).await,
        }
        .doing("playing a quiet time")
    }
}
