//! Who holds the certificate of the central link: nobody, an installer's files, or two slots that are renewed by themselves.

use super::Origin;
use super::machine::{Content, Machine};
use super::slots::Slots;
use crate::broker::Endpoint;
use picket_session::tls::{Papers, Validity};

/// The holder, and what it knows of it.
pub(super) enum Holder {
    Nobody,
    ByHand { refused: bool, validity: Option<Validity> },
    Slots { slots: Slots, machine: Machine },
}

/// How a certificate stands, whatever its dates say.
pub(super) struct Stand {
    pub(super) refused: bool,
    pub(super) renewing: bool,
    /// It is renewed by the agent itself.
    pub(super) own: bool,
}

impl Holder {
    /// With the first look at the disk, whose certificate in force goes into the endpoint.
    pub(super) fn open(origin: &Origin, endpoint: &mut Endpoint) -> Result<Self, String> {
        let dir = match origin {
            Origin::Nobody => return Ok(Self::Nobody),
            Origin::ByHand(..) => {
                let validity = endpoint.tls.as_deref().and_then(validity_of);
                return Ok(Self::ByHand { refused: false, validity });
            }
            Origin::Slots(dir) => dir,
        };
        let slots = Slots::open(dir).map_err(|fault| fault.to_string())?;
        slots.clear_unfinished().map_err(|fault| fault.to_string())?;
        let disk = slots.look().map_err(|fault| fault.to_string())?;
        if let (Some(slot), Some(tls)) = (disk.in_force(), &mut endpoint.tls) {
            tls.own = slots.own(slot).map_err(|fault| fault.to_string())?;
        }
        Ok(Self::Slots { slots, machine: Machine::new(disk) })
    }

    pub(super) fn machine(&self) -> Option<&Machine> {
        match self {
            Self::Slots { machine, .. } => Some(machine),
            Self::Nobody | Self::ByHand { .. } => None,
        }
    }

    pub(super) fn in_force(&self) -> Option<Validity> {
        match self {
            Self::Slots { machine, .. } => {
                let disk = machine.disk();
                disk.in_force().and_then(|slot| match disk.of(slot) {
                    Content::Whole(validity) | Content::Candidate(validity) => Some(validity),
                    Content::Empty | Content::Key | Content::Damaged => None,
                })
            }
            Self::ByHand { validity, .. } => *validity,
            Self::Nobody => None,
        }
    }

    /// `None` where there is none to hold.
    pub(super) fn stand(&self) -> Option<Stand> {
        match self {
            Self::Nobody => None,
            Self::ByHand { refused, .. } => Some(Stand { refused: *refused, renewing: false, own: false }),
            Self::Slots { machine, .. } => {
                let idle = machine.disk().of(machine.disk().idle());
                let renewing = matches!(idle, Content::Key | Content::Candidate(_));
                Some(Stand { refused: machine.is_refused(), renewing, own: true })
            }
        }
    }
}

/// Dates of the certificate in a link's papers.
pub(super) fn validity_of(papers: &Papers) -> Option<Validity> {
    papers.own.as_ref().and_then(|own| own.validity().ok())
}
