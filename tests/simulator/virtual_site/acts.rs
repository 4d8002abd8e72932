//! What is done to the site. Each act is in the ledger, with the records that must follow, before a device says it.

use super::VirtualSite;
use super::door::{Door, Wiring};
use crate::clock::rfc3339;
use crate::devices::{Camera, Event};
use crate::ledger::{Certainty, Entry, Expected, LedgerError};
use crate::shells::publisher::Kept;
use crate::shells::{ModbusLine, Polled};
use std::io;
use std::time::Duration;

/// Longest wait until a change was polled: many times the slowest poll of the site.
const POLLED_WITHIN: Duration = Duration::from_secs(15);
/// After a fault on a bus the agent throws one answer away: a change counts as seen by the second.
const SURELY: u32 = 2;

/// An act that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The book.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A port.
    #[error("the port of {reader}")]
    Port {
        /// Whose.
        reader: String,
        /// Why.
        source: io::Error,
    },
    /// The broker's session.
    #[error("publishing for {camera}")]
    Publish {
        /// Who wanted to.
        camera: String,
        /// Why.
        source: Box<rumqttc::v5::ClientError>,
    },
    /// Nobody polled a device any more.
    #[error("{eq} was not polled within {} s", POLLED_WITHIN.as_secs())]
    NotPolled {
        /// Which.
        eq: &'static str,
    },
}

/// Which way a door or a condition goes.
type On = bool;

impl VirtualSite {
    /// Writes an act that happens now.
    pub fn note(&mut self, step: &str, eq: &str, what: &str, expected: &[Expected]) -> Result<Entry, LedgerError> {
        let now = self.clock.wall_ms();
        self.ledger.act(now, step, eq, what, expected)
    }

    /// Opens a door without a release: it is forced. The second value tells when the first poll saw it.
    pub async fn force(&mut self, step: &str, door: Door, certainty: Certainty) -> Result<(Entry, Polled), ActError> {
        let mut alarm = Expected::new("alarm.raised", door.id, "door-forced");
        if certainty == Certainty::May {
            alarm = alarm.uncertain();
        }
        let entry =
            self.note(step, door.id, "forced open", &[alarm, reading(door.module, door.contact_point, true)])?;
        let polled = self.line(door).set(door.unit, door.contact, true, 1).await;
        Ok((entry, polled))
    }

    /// Shuts a door that was forced. `alarm` says whether its alarm is surely open.
    pub async fn shut(&mut self, step: &str, door: Door, alarm: Certainty) -> Result<Entry, ActError> {
        let mut expected = vec![reading(door.module, door.contact_point, false)];
        let cleared = self.cleared("door-forced", door.id);
        expected.extend(cleared.into_iter().map(|e| if alarm == Certainty::May { e.uncertain() } else { e }));
        let entry = self.note(step, door.id, "shut", &expected)?;
        let polled = self.line(door).set(door.unit, door.contact, false, SURELY).await;
        surely(door.id, polled).await?;
        Ok(entry)
    }

    /// Somebody with a right goes through a door: released, opened, shut, locked. No alarm may follow.
    pub async fn pass(&mut self, step: &str, door: Door) -> Result<(), ActError> {
        let moves = [
            (door.release, door.release_point, true, "released"),
            (door.contact, door.contact_point, true, "opened"),
            (door.contact, door.contact_point, false, "shut"),
            (door.release, door.release_point, false, "locked"),
        ];
        for (channel, point, on, what) in moves {
            self.note(step, door.id, what, &[reading(door.module, point, on)])?;
            let polled = self.line(door).set(door.unit, channel, on, SURELY).await;
            surely(door.id, polled).await?;
        }
        Ok(())
    }

    /// The alarm relay of the panel.
    pub async fn panel(&mut self, step: &str, on: On) -> Result<Entry, ActError> {
        let id = "PANEL-1";
        let expected = if on { raised("panel-alarm", id) } else { self.cleared("panel-alarm", id) };
        let entry = self.note(step, id, if on { "in alarm" } else { "at rest" }, &expected)?;
        surely(id, self.bus.set(1, 0, on, SURELY).await).await?;
        Ok(entry)
    }

    /// A reader reads a seal that the manifest has, or has not.
    pub async fn scan(&mut self, step: &str, reader: &str, text: &str, listed: bool) -> Result<Entry, ActError> {
        let mut expected = Vec::new();
        if listed {
            expected.push(Expected::new("seal.checked", reader, text));
        } else {
            expected.push(Expected::new("seal.mismatch", reader, text));
            expected.extend(raised("seal-mismatch", reader));
        }
        let entry = self.note(step, reader, &format!("reads {text}"), &expected)?;
        let (pty, model) = if reader == "SR-1" { &self.seal_1 } else { &self.seal_2 };
        let written = pty.write_all(&model.scan(text)).await;
        written.map_err(|source| ActError::Port { reader: reader.to_owned(), source })?;
        Ok(entry)
    }

    /// A listed camera is covered, or uncovered again.
    pub async fn cover(&mut self, step: &str, camera: &str, on: On) -> Result<Entry, ActError> {
        let mut expected = if on { raised("view-lost", camera) } else { self.cleared("view-lost", camera) };
        expected.push(reading(camera, "videosource_globalscenechange_imagingservice_vs1", on));
        self.speak(step, camera, Event::SceneChange(on), covered(on), &expected).await
    }

    /// A listed camera sees something move, or sees it gone.
    pub async fn motion(&mut self, step: &str, camera: &str, on: On) -> Result<Entry, ActError> {
        let expected = [reading(camera, "videosource_motionalarm_vs1", on)];
        self.speak(step, camera, Event::Motion(on), if on { "motion" } else { "still" }, &expected).await
    }

    /// A contact on an input of a listed camera, by the number of the input.
    pub async fn input(&mut self, step: &str, camera: &str, input: u8, on: On) -> Result<Entry, ActError> {
        let expected = [reading(camera, &format!("device_trigger_digitalinput_in_{input:02}"), on)];
        let token = format!("IN-{input:02}");
        let event = Event::DigitalInput { input: &token, active: on };
        self.speak(step, camera, event, if on { "input on" } else { "input off" }, &expected).await
    }

    /// What the camera that the register does not list is called: it speaks at the top of the broker's topics.
    pub fn stranger_name(&self) -> String {
        format!("cam-99-{}", self.run)
    }

    /// That camera is covered, or uncovered again.
    pub async fn stranger(&mut self, step: &str, on: On) -> Result<Entry, ActError> {
        let sender = self.stranger_name();
        let id = format!("unlisted:{sender}");
        let mut expected = if on { raised("view-lost", &id) } else { self.cleared("view-lost", &id) };
        if self.unlisted.insert(sender.clone()) {
            expected.push(Expected::new("nonconformity.opened", &id, "unlisted"));
        }
        let entry = self.note(step, &sender, covered(on), &expected)?;
        // Every later run would hear it from a broker that keeps it.
        self.publish(&sender, &sender, entry, Event::SceneChange(on), Kept::Passing).await
    }

    /// A guard has acknowledged an alarm: it is closed once it clears.
    pub fn acknowledged(&mut self, alarm: &str) {
        self.acknowledged.insert(alarm.to_owned());
    }

    /// Waits until the broker has all that the cameras said; false after so long.
    pub async fn cameras_delivered(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, self.cameras.delivered()).await.unwrap_or(false)
    }

    async fn speak(
        &mut self,
        step: &str,
        camera: &str,
        event: Event<'_>,
        what: &str,
        expected: &[Expected],
    ) -> Result<Entry, ActError> {
        let entry = self.note(step, camera, what, expected)?;
        let prefix = format!("{}/{}", self.run, camera.to_ascii_lowercase());
        self.publish(camera, &prefix, entry, event, Kept::Retained).await
    }

    async fn publish(
        &mut self,
        camera: &str,
        prefix: &str,
        entry: Entry,
        event: Event<'_>,
        kept: Kept,
    ) -> Result<Entry, ActError> {
        let message = Camera::new(prefix).message(&rfc3339(entry.at_ms), event);
        let published = self.cameras.publish(message, kept).await;
        published.map_err(|source| ActError::Publish { camera: camera.to_owned(), source: Box::new(source) })?;
        Ok(entry)
    }

    fn line(&self, door: Door) -> &ModbusLine {
        match door.wiring {
            Wiring::Gate => &self.gate,
            Wiring::Yard => &self.yard,
            Wiring::Bus => &self.bus,
        }
    }

    /// What follows when a condition goes away: an acknowledged alarm is closed by it.
    fn cleared(&mut self, rule: &str, eq: &str) -> Vec<Expected> {
        let mut expected = vec![Expected::new("alarm.cleared", eq, rule)];
        if self.acknowledged.remove(&format!("{rule}/{eq}")) {
            expected.push(Expected::new("alarm.closed", eq, rule));
        }
        expected
    }
}

fn covered(on: On) -> &'static str {
    if on { "covered" } else { "uncovered" }
}

fn raised(rule: &str, eq: &str) -> Vec<Expected> {
    vec![Expected::new("alarm.raised", eq, rule)]
}

fn reading(eq: &str, point: &str, on: bool) -> Expected {
    Expected::new("readings", eq, &format!("{point}={on}"))
}

async fn surely(eq: &'static str, polled: Polled) -> Result<(), ActError> {
    match tokio::time::timeout(POLLED_WITHIN, polled).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(ActError::NotPolled { eq }),
    }
}
