//! Stopping follows the data: open asks end, last words are stored, one bounded try to send them, then the process ends.

use super::Site;
use crate::bus::Bus;
use crate::plan::{Device, DeviceSpeech};
use crate::statement::Statement;
use crate::time::{Now, ms, s};
use crate::wire::{Input, Output};
use picket_record::kind::{Kind, Severity};
use serde_json::json;

/// Where a stop stands; each step with the moment at which it is over in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    /// Open asks end.
    Finishing(u64),
    /// The last words are said and being stored.
    Storing(u64),
    /// They are stored and on their way.
    Sending(u64),
    /// The process may end.
    Done,
}

/// A line may take an ask's patience three times (connecting, answering, draining), and this.
const ASK_SLACK_US: u64 = s(1);
/// How long a stop waits for the disk.
const STORE_US: u64 = s(10);
/// How long a stop waits for the link to take the last records.
const SEND_US: u64 = s(2);

/// Whether an input still counts after the last words. What is heard then is not confirmed, so it comes again.
pub(super) fn still_counts(input: &Input) -> bool {
    match input {
        Input::Stored { .. } | Input::StoreFailed { .. } | Input::Packed { .. } | Input::Sent { .. } => true,
        Input::Measured(_) => true,
        Input::LinkUp { .. }
        | Input::LinkDown { .. }
        | Input::ReceiptHeard { .. }
        | Input::Receipted(_)
        | Input::Declared { .. }
        | Input::ReceiptBehind
        | Input::Rebased(_) => true,
        Input::Outcome { .. } | Input::Heard { .. } | Input::Line { .. } | Input::Act { .. } => false,
        Input::OrderHeard { .. } | Input::OrderMisheard { .. } | Input::Certificate(_) => false,
        Input::OrderChecked(_) | Input::OrderKept { .. } => false,
        Input::LookedBack { .. } | Input::ReceiptRefused { .. } | Input::Stop => false,
    }
}

impl Site {
    pub(super) fn stop(&mut self, now: &Now) {
        let longest = self.plan.devices.iter().map(patience_ms).max().unwrap_or(0);
        self.stopping.get_or_insert(Stopping::Finishing(now.mono_us + 3 * ms(longest) + ASK_SLACK_US));
    }

    /// Nothing may be recorded any more: the epoch is closed behind the last words.
    pub(super) fn said_last_words(&self) -> bool {
        matches!(self.stopping, Some(Stopping::Storing(_) | Stopping::Sending(_) | Stopping::Done))
    }

    pub(super) fn stop_deadline(&self) -> Option<u64> {
        match self.stopping? {
            Stopping::Finishing(until) | Stopping::Storing(until) | Stopping::Sending(until) => Some(until),
            Stopping::Done => None,
        }
    }

    pub(super) fn stop_step(&mut self, now: &Now) {
        let busy = self.buses.values().any(Bus::is_busy);
        if let Some(Stopping::Finishing(until)) = self.stopping {
            if !busy || now.mono_us >= until {
                self.say_last_words(now);
                self.stopping = Some(Stopping::Storing(now.mono_us + STORE_US));
            }
        }
        if let Some(Stopping::Storing(until)) = self.stopping {
            if self.drafts.not_stored() == 0 || now.mono_us >= until {
                self.stopping = Some(Stopping::Sending(now.mono_us + SEND_US));
            }
        }
        if let Some(Stopping::Sending(until)) = self.stopping {
            if self.uplink.is_drained() || now.mono_us >= until {
                self.stopping = Some(Stopping::Done);
                self.outputs.push_back(Output::Stopped);
            }
        }
    }

    fn say_last_words(&mut self, now: &Now) {
        self.drafts.state_gap(now);
        for kind in [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose] {
            self.record(now, Statement::new(kind, Severity::Info, json!({ "why": "stop" })));
        }
    }
}

fn patience_ms(device: &Device) -> u64 {
    match &device.speech {
        DeviceSpeech::Modbus { patience_ms, .. } => u64::from(*patience_ms),
        DeviceSpeech::SealReader | DeviceSpeech::Camera { .. } | DeviceSpeech::Json { .. } => 0,
    }
}
