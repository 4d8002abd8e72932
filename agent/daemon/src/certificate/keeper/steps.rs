//! Steps of the machine: done on the disk, by a wish to the centre, or over a test connection.

use super::{IN_A_ROW, Keeper};
use crate::certificate::holder::Holder;
use crate::certificate::machine::{Slot, Step, Tested};
use crate::certificate::slots::Slots;
use crate::certificate::{judge, probe, wish};
use picket_core::time::Now;
use picket_record::encode::Name;
use picket_record::keys::IdentityKey;

impl Keeper {
    /// Does what is to be done.
    pub(super) async fn steps(&mut self) {
        if self.own.machine().is_none() {
            return;
        }
        let now = self.clock.now();
        let (moment, share) = (self.moment(&now), self.share);
        let due = self.own.in_force().is_none_or(|validity| judge::is_due(validity, moment, share));
        if let Holder::Slots { machine, .. } = &mut self.own {
            machine.want(due || machine.is_refused());
        }
        for _ in 0..IN_A_ROW {
            let now_us = self.clock.now().mono_us;
            let Some(step) = self.own.machine().and_then(|machine| machine.next(now_us)) else { return };
            if let Err(why) = self.take(step).await {
                tracing::warn!(?step, why, "a step of the renewal failed");
                self.why = why;
                return;
            }
        }
    }

    pub(super) async fn take(&mut self, step: Step) -> Result<(), String> {
        if let Step::Test(slot) = step {
            return self.test(slot).await;
        }
        let (gw, sms, identity) = (&self.ours.gw, &self.ours.sms, &self.ours.identity);
        let now = self.clock.now();
        let Holder::Slots { slots, machine } = &mut self.own else { return Ok(()) };
        let gives_way = machine.gives_way(step);
        let done = match step {
            Step::MakeKey(_) => {
                wish::new_key().and_then(|key| slots.take(step, key.as_bytes()).map_err(|f| f.to_string()))
            }
            Step::Ask(slot) => wish_of(slots, slot, sms, gw, identity, &now).map(|line| {
                self.wishes += 1;
                let wish = Some((self.wishes, line));
                self.outfit.send_modify(|outfit| outfit.wish = wish);
            }),
            // Written where the answer is taken: nothing else knows its text.
            Step::Store(_) | Step::Test(_) => Ok(()),
            Step::Point(_) | Step::Seal(_) | Step::Clear(_) => slots.take(step, b"").map_err(|fault| fault.to_string()),
        };
        let disk = slots.look().map_err(|fault| fault.to_string());
        match (done, disk) {
            (Ok(()), Ok(disk)) => {
                machine.done(step, disk, now.mono_us, &mut self.chance);
                tracing::info!(?step, "renewal of the certificate");
            }
            (done, disk) => {
                let known = disk.clone().unwrap_or(*machine.disk());
                machine.failed(known, now.mono_us, &mut self.chance);
                return Err(done.err().or(disk.err()).unwrap_or_default());
            }
        }
        match step {
            Step::Point(slot) => self.swapped(slot, gives_way),
            Step::Ask(_) => self.why = "asked for the next certificate; the centre has not answered yet".into(),
            Step::Clear(_) => self.outfit.send_modify(|outfit| outfit.wish = None),
            Step::MakeKey(_) | Step::Store(_) | Step::Test(_) | Step::Seal(_) => {}
        }
        Ok(())
    }

    fn swapped(&mut self, slot: Slot, gives_way: bool) {
        let Holder::Slots { slots, .. } = &self.own else { return };
        let (here, other) = (slot.as_str(), slot.other().as_str());
        self.why = if gives_way {
            format!("slot {here} is in force again: the broker refused the newer one in slot {other}: {}", self.refusal)
        } else {
            format!("slot {here} is in force; the link connects with it")
        };
        if let Ok(Some(own)) = slots.own(slot) {
            self.connect_with(|endpoint| {
                if let Some(tls) = &mut endpoint.tls {
                    tls.own = Some(own);
                }
            });
        }
        self.outfit.send_modify(|outfit| outfit.wish = None);
    }

    /// Connects with what is to come into force, unless the agent stops meanwhile.
    async fn test(&mut self, slot: Slot) -> Result<(), String> {
        let Holder::Slots { slots, .. } = &self.own else { return Ok(()) };
        let own = slots.own(slot).map_err(|fault| fault.to_string())?;
        let mut endpoint = self.outfit.borrow().endpoint.clone();
        if let Some(tls) = &mut endpoint.tls {
            tls.own = own;
        }
        let outcome = tokio::select! {
            outcome = probe::connect(&endpoint, self.ours.gw.as_str()) => outcome,
            () = self.outfit.closed() => return Ok(()),
        };
        let now_us = self.clock.now().mono_us;
        let Holder::Slots { machine, .. } = &mut self.own else { return Ok(()) };
        match outcome {
            Ok(()) => {
                machine.tested(Tested::Passed, now_us, &mut self.chance);
                Ok(())
            }
            Err((tested, cause)) => {
                machine.tested(tested, now_us, &mut self.chance);
                self.why = format!("a test connection with the new certificate failed: {cause}");
                tracing::warn!(cause, "the new certificate does not come into force");
                Ok(())
            }
        }
    }
}

fn wish_of(
    slots: &Slots,
    slot: Slot,
    sms: &Name,
    gw: &Name,
    identity: &std::path::Path,
    now: &Now,
) -> Result<String, String> {
    let key = slots.key(slot).map_err(|fault| fault.to_string())?.ok_or("the key is gone")?;
    let identity: IdentityKey = crate::journal::identity(identity).map_err(|fault| crate::journal::told(&fault))?;
    wish::signed(&key, sms, gw, &identity, now.utc_ms.unwrap_or(0))
}
