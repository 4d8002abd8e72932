//! The one who keeps the certificate: does what the machine says, on a thread of its own because the disk blocks, and
//! tells the site how it stands.

use super::by_hand::{Files, Paper};
use super::heard::Heard;
use super::judge::{self, Moment};
use super::machine::{Content, Machine, Slot, Step, Tested};
use super::slots::Slots;
use super::{AnswerFault, Ends, NEWS, News, Origin, Outfit, Source, probe, read_answer, wish};
use crate::broker::Endpoint;
use crate::clock::{Clock, ClockPolicy};
use crate::journal::thread::Request;
use picket_core::certificate::{Certificate, Condition};
use picket_core::time::{Chance, Now};
use picket_core::wire::Input;
use picket_record::encode::Name;
use picket_record::keys::{IdentityKey, PublicKey};
use picket_session::tls::{Own, Validity};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Files and dates are looked at so often.
const LOOK: Duration = Duration::from_secs(30);
/// Steps in a row: a renewal takes six. More would be a machine that goes round.
const IN_A_ROW: usize = 16;

/// Who the gateway is.
#[derive(Debug)]
pub struct Ours {
    /// The central system.
    pub sms: Name,
    /// The gateway.
    pub gw: Name,
    /// File of the identity key.
    pub identity: PathBuf,
    /// How dates are judged.
    pub clock: ClockPolicy,
    /// Spreads renewals.
    pub seed: u64,
}

/// What an installer asks, by the control socket.
#[derive(Debug)]
pub enum Asked {
    /// Renew now; the wish is answered, for one who carries it by hand.
    Renew {
        /// The wish, or why there is none.
        reply: oneshot::Sender<Result<String, String>>,
    },
    /// An answer that was carried by hand.
    Answer {
        /// The line.
        line: String,
        /// Whether it is taken.
        reply: oneshot::Sender<Result<String, String>>,
    },
}

/// The keeper of one link's certificate.
pub struct Keeper {
    ours: Ours,
    own: Holder,
    files: Files,
    outfit: watch::Sender<Outfit>,
    news: mpsc::Receiver<News>,
    asked: mpsc::Receiver<Asked>,
    /// Weak: the journal ends when nobody asks it any more, and the link when the journal does.
    journal: mpsc::WeakSender<Request>,
    inputs: mpsc::Sender<Input>,
    clock: Clock,
    chance: Chance,
    share: u64,
    wishes: u64,
    why: String,
    heard: Heard,
    /// What the broker said of what it refused last.
    refusal: String,
    told: Option<Certificate>,
}

enum Holder {
    Nobody,
    ByHand { refused: bool },
    Slots { slots: Slots, machine: Machine },
}

/// What the keeper is connected to.
#[derive(Debug)]
pub struct Around {
    /// Installers.
    pub asked: mpsc::Receiver<Asked>,
    /// The journal.
    pub journal: mpsc::WeakSender<Request>,
    /// The site.
    pub inputs: mpsc::Sender<Input>,
}

impl Keeper {
    /// With the first look at the disk, so that the link begins with what is in force. Refuses a folder that cannot be
    /// used.
    pub fn new(source: &Source, mut endpoint: Endpoint, ours: Ours, around: Around) -> Result<(Self, Ends), String> {
        let own = match &source.own {
            Origin::Nobody => Holder::Nobody,
            Origin::ByHand(..) => Holder::ByHand { refused: false },
            Origin::Slots(dir) => {
                let slots = Slots::open(dir).map_err(|fault| fault.to_string())?;
                let disk = slots.look().map_err(|fault| fault.to_string())?;
                if let (Some(slot), Some(tls)) = (disk.in_force(), &mut endpoint.tls) {
                    tls.own = slots.own(slot).map_err(|fault| fault.to_string())?;
                }
                Holder::Slots { slots, machine: Machine::new(disk) }
            }
        };
        let mut files = vec![(Paper::Authority, source.authority.clone())];
        if let Origin::ByHand(certificate, key) = &source.own {
            files.extend([(Paper::Certificate, certificate.clone()), (Paper::Key, key.clone())]);
        }
        let (outfit, shown) = watch::channel(Outfit { endpoint, edition: 0, wish: None });
        let (to_keeper, news) = mpsc::channel(NEWS);
        let mut chance = Chance::new(ours.seed);
        let Around { asked, journal, inputs } = around;
        let keeper = Self {
            clock: Clock::new(ours.clock),
            share: chance.below(u64::MAX),
            files: Files::new(files),
            wishes: 0,
            why: String::new(),
            heard: Heard::default(),
            refusal: String::new(),
            told: None,
            ours,
            own,
            outfit,
            news,
            asked,
            journal,
            inputs,
            chance,
        };
        Ok((keeper, Ends { outfit: shown, news: to_keeper }))
    }

    /// Keeps it until the link has ended.
    pub async fn run(mut self) {
        loop {
            self.look_at_files();
            self.steps().await;
            if !self.tell().await {
                return;
            }
            let now = self.clock.now();
            let due = self.machine().map_or(u64::MAX, Machine::deadline_us).saturating_sub(now.mono_us);
            let wait = if due == 0 { LOOK } else { LOOK.min(Duration::from_micros(due)) };
            let more = !self.asked.is_closed() || !self.asked.is_empty();
            tokio::select! {
                news = self.news.recv() => match news {
                    Some(news) => self.hear(news).await,
                    None => return,
                },
                Some(asked) = self.asked.recv(), if more => self.asked(asked).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn machine(&self) -> Option<&Machine> {
        match &self.own {
            Holder::Slots { machine, .. } => Some(machine),
            Holder::Nobody | Holder::ByHand { .. } => None,
        }
    }

    fn look_at_files(&mut self) {
        let tls = self.outfit.borrow().endpoint.tls.clone();
        let Some(papers) = tls else { return };
        match self.files.changed(&papers) {
            None => {}
            Some(Ok(fresh)) => {
                tracing::info!("the papers of the central link were read again; it connects with them");
                self.why = "the files were changed and read again".into();
                if let Holder::ByHand { refused } = &mut self.own {
                    *refused = false;
                }
                self.connect_with(|endpoint| endpoint.tls = Some(Box::new(fresh)));
            }
            Some(Err(cause)) => {
                tracing::warn!(
                    cause,
                    "the papers of the central link were changed and are of no use; those before stay"
                );
                self.why = format!("the files were changed and are of no use; what was read before stays: {cause}");
            }
        }
    }

    fn connect_with(&self, change: impl FnOnce(&mut Endpoint)) {
        self.outfit.send_modify(|outfit| {
            change(&mut outfit.endpoint);
            outfit.edition += 1;
        });
    }

    /// Does what is to be done.
    async fn steps(&mut self) {
        let (now, validity) = (self.clock.now(), self.in_force());
        let moment = self.moment(&now);
        let share = self.share;
        let due = validity.is_none_or(|validity| judge::is_due(validity, moment, share));
        if let Holder::Slots { machine, .. } = &mut self.own {
            machine.want(due || machine.is_refused());
        }
        for _ in 0..IN_A_ROW {
            let now_us = self.clock.now().mono_us;
            let Some(step) = self.machine().and_then(|machine| machine.next(now_us)) else { return };
            if let Err(why) = self.take(step).await {
                tracing::warn!(?step, why, "a step of the renewal failed");
                self.why = why;
                return;
            }
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
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

    async fn hear(&mut self, news: News) {
        let edition = self.outfit.borrow().edition;
        match (news, &mut self.own) {
            (News::Answer(payload), _) => match String::from_utf8(payload) {
                Ok(line) => {
                    if let Err(why) = self.answer(line.trim()).await {
                        tracing::warn!(why, "a certificate is refused");
                        self.why = format!("a certificate was refused: {why}");
                    }
                }
                Err(_) => self.why = "a certificate was refused: it is not text".into(),
            },
            // Of what was shown before.
            (News::Refused { edition: shown, .. } | News::Heard { edition: shown, .. }, _) if shown != edition => {}
            (News::Heard { receipt, .. }, _) => self.heard.note(edition, receipt),
            // The centre answered over another connection than that with what is in force.
            (News::Receipted { receipt }, _) if !self.heard.came_over(edition, &receipt) => {}
            (News::Refused { cause, .. }, own) => {
                let known = match own {
                    Holder::Slots { machine, .. } => machine.refused(),
                    Holder::ByHand { refused } => std::mem::replace(refused, true),
                    Holder::Nobody => true,
                };
                // It is refused every other second; what is done about it is told in between.
                if !known {
                    self.why.clone_from(&cause);
                }
                self.refusal = cause;
            }
            (News::Receipted { .. }, Holder::Slots { machine, .. }) => {
                if machine.on_trial() && !machine.gave_way() {
                    self.why = "the new certificate has worked; the one before is removed".into();
                }
                machine.worked();
            }
            (News::Receipted { .. }, Holder::ByHand { refused }) => *refused = false,
            (News::Receipted { .. }, Holder::Nobody) => {}
        }
    }

    async fn asked(&mut self, asked: Asked) {
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
            let Some(step) = self.machine().and_then(|machine| machine.next(now_us)) else { break };
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
    async fn answer(&mut self, line: &str) -> Result<(), String> {
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

    fn in_force(&self) -> Option<Validity> {
        match &self.own {
            Holder::Slots { machine, .. } => {
                let disk = machine.disk();
                disk.in_force().and_then(|slot| match disk.of(slot) {
                    Content::Whole(validity) | Content::Candidate(validity) => Some(validity),
                    Content::Empty | Content::Key | Content::Damaged => None,
                })
            }
            Holder::Nobody | Holder::ByHand { .. } => {
                let own: Option<Own> = self.outfit.borrow().endpoint.tls.as_ref().and_then(|tls| tls.own.clone());
                own.and_then(|own| own.validity().ok())
            }
        }
    }

    fn moment(&self, now: &Now) -> Moment {
        let seconds = |ms: i64| u64::try_from(ms / 1_000).ok();
        let time = self.outfit.borrow().endpoint.tls.as_ref().map(|tls| tls.time);
        let (floor_s, guess_s) = time.map_or((0, 0), |time| (time.floor_s(), time.now_s()));
        let vouched = now.judged_ms().and_then(seconds);
        Moment { known_s: floor_s.max(vouched.unwrap_or(0)), vouched: vouched.is_some(), guess_s }
    }

    /// Tells the site how it stands, where that is news. `false` when the agent stops.
    async fn tell(&mut self) -> bool {
        let now = self.clock.now();
        let validity = self.in_force();
        let (refused, renewing, own) = match &self.own {
            Holder::Nobody => return true,
            Holder::ByHand { refused } => (*refused, false, false),
            Holder::Slots { machine, .. } => {
                let idle = machine.disk().of(machine.disk().idle());
                (machine.is_refused(), matches!(idle, Content::Key | Content::Candidate(_)), true)
            }
        };
        let by_date = validity.map(|validity| judge::condition(validity, self.moment(&now)));
        let state = match by_date {
            None => Condition::None,
            Some(Condition::Expired) => Condition::Expired,
            Some(_) if refused => Condition::Refused,
            Some(Condition::Good | Condition::Unknown) if renewing => Condition::Renewing,
            Some(state) => state,
        };
        let until_ms = validity.and_then(|validity| i64::try_from(validity.until_s).ok()?.checked_mul(1_000));
        let certificate = Certificate { state, until_ms, why: self.why.clone(), own };
        if self.told.as_ref() == Some(&certificate) {
            return true;
        }
        self.told = Some(certificate.clone());
        self.inputs.send(Input::Certificate(certificate)).await.is_ok()
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
