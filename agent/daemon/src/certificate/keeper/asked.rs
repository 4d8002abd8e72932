//! What installers ask, and answers of the centre, wherever they came from.

use super::{Asked, IN_A_ROW, Keeper};
use crate::certificate::holder::Holder;
use crate::certificate::machine::Step;
use crate::certificate::{AnswerFault, read_answer};
use crate::journal::thread::Request;
use picket_record::keys::PublicKey;
use tokio::sync::oneshot;

impl Keeper {
    pub(super) async fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Renew { reply } => {
                let wish = self.renew().await;
                // An installer who went away has no answer.
                let _ = reply.send(wish);
            }
            Asked::Answer { line, reply } => {
                let taken = self.answer(line.trim()).await;
                let taken = taken.map(|()| "taken; it comes into force once a connection with it was made".to_owned());
                let _ = reply.send(taken);
            }
        }
    }

    async fn renew(&mut self) -> Result<String, String> {
        const BY_HAND: &str = "this certificate is not renewed here: name certificate_dir under [central] instead of \
                               certificate_file and key_file";
        let Holder::Slots { machine, .. } = &mut self.own else { return Err(BY_HAND.into()) };
        if machine.on_trial() {
            return Err("the last renewal has not had a receipt yet; ask again once the link has one".into());
        }
        machine.hurry();
        for _ in 0..IN_A_ROW {
            let now_us = self.clock.now().mono_us;
            let Some(step) = self.own.machine().and_then(|machine| machine.next(now_us)) else { break };
            if matches!(step, Step::Test(_)) {
                return Err("a certificate came and waits to be tested by connecting".into());
            }
            self.take(step).await?;
            if matches!(step, Step::Ask(_)) {
                break;
            }
        }
        let wish = self.outfit.borrow().wish.clone();
        wish.map(|(_, line)| line).ok_or_else(|| "nothing can be asked just now; see picket status".into())
    }

    /// Takes an answer of the centre, wherever it came from.
    pub(super) async fn answer(&mut self, line: &str) -> Result<(), String> {
        let keys = self.receipt_keys().await?;
        let now = self.clock.now();
        let now_s = now.judged_ms().and_then(|ms| u64::try_from(ms / 1_000).ok());
        let gw = self.ours.gw.clone();
        let Holder::Slots { slots, machine } = &mut self.own else { return Err("no certificate was asked for".into()) };
        let slot = machine.asking().ok_or("no certificate was asked for")?;
        let key = slots.key(slot).map_err(|fault| fault.to_string())?.ok_or("the key is gone")?;
        match read_answer(line, &keys, &gw, &key, now_s) {
            Ok((own, _)) => {
                let step = Step::Store(slot);
                slots.take(step, &own.certificate).map_err(|fault| fault.to_string())?;
                machine.answered();
                let disk = slots.look().map_err(|fault| fault.to_string())?;
                machine.done(step, disk, now.mono_us, &mut self.chance);
                self.why = "the next certificate came".into();
                self.outfit.send_modify(|outfit| outfit.wish = None);
                Ok(())
            }
            Err(fault @ (AnswerFault::Forged(_) | AnswerFault::Another)) => Err(fault.to_string()),
            Err(fault @ AnswerFault::Useless(_)) => {
                // The same question would have the same answer.
                if let Some(step) = machine.useless(now.mono_us, &mut self.chance) {
                    self.take(step).await?;
                }
                Err(fault.to_string())
            }
        }
    }

    async fn receipt_keys(&self) -> Result<Vec<PublicKey>, String> {
        const GONE: &str = "the journal does not answer";
        let (reply, keys) = oneshot::channel();
        let journal = self.journal.upgrade().ok_or(GONE)?;
        journal.send(Request::ReceiptKeys { reply }).await.map_err(|_| GONE)?;
        drop(journal);
        keys.await.map_err(|_| GONE.to_owned())
    }
}
