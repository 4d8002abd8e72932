//! What a machine wants to be recorded, before standing and time are put to it.

use crate::register::EquipmentId;
use picket_record::body::{IdentityEvidence, Source};
use picket_record::kind::{Kind, Severity};
use picket_record::personal::PersonalText;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How soon a record must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commit {
    /// Within 3 s or 64 records.
    Routine,
    /// In the next transaction.
    Now,
}

/// Something to be recorded. [`crate::site::Site`] adds time, register version and standing.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Kind.
    pub kind: Kind,
    /// Severity.
    pub severity: Severity,
    /// Equipment it speaks of.
    pub equipment: Option<EquipmentId>,
    /// Where it comes from.
    pub source: Option<Source>,
    /// Time the device claims.
    pub device_time: Option<String>,
    /// What the kind defines.
    pub data: Map<String, Value>,
    /// What identifies a person: kept beside the record.
    pub personal: Option<PersonalText>,
    /// How soon.
    pub commit: Commit,
}

impl Statement {
    /// Of the agent itself, to be stored at once.
    pub fn new(kind: Kind, severity: Severity, data: Value) -> Self {
        let data = match data {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let (equipment, source, device_time, personal) = (None, None, None, None);
        Self { kind, severity, equipment, source, device_time, data, personal, commit: Commit::Now }
    }

    /// About a piece of equipment.
    pub fn about(mut self, equipment: &EquipmentId) -> Self {
        self.equipment = Some(equipment.clone());
        self
    }

    /// With what identifies a person.
    pub fn said(mut self, personal: PersonalText) -> Self {
        self.personal = Some(personal);
        self
    }

    /// With the frame it follows from.
    pub fn from(mut self, source: Option<&Evidence>) -> Self {
        self.source = source.map(Evidence::source);
        self.device_time = source.and_then(|s| s.device_time.clone());
        self
    }

    /// To be stored with others.
    pub fn routine(mut self) -> Self {
        self.commit = Commit::Routine;
        self
    }
}

/// Arguments of a message text.
pub type Facts = BTreeMap<String, String>;

/// The frame or message that something was concluded from.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Driver.
    pub driver: &'static str,
    /// SHA-256 of the raw frame, answer or payload.
    pub raw: [u8; 32],
    /// Time the device claims.
    pub device_time: Option<String>,
}

impl Evidence {
    fn source(&self) -> Source {
        Source { driver: self.driver, raw: self.raw, identity: IdentityEvidence::Configured }
    }
}
