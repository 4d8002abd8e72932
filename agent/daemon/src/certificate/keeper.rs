//! The one who keeps the certificate: does what the machine says, on a thread of its own because the disk blocks, and
//! tells the site how it stands.

use super::by_hand::{Files, Paper};
use super::heard::Heard;
use super::holder::{Holder, Stand, validity_of};
use super::judge::{self, Moment};
use super::machine::Machine;
use super::{Ends, NEWS, News, Origin, Outfit, Source};
use crate::broker::Endpoint;
use crate::clock::{Clock, ClockPolicy};
use crate::journal::thread::Request;
use picket_core::certificate::{Certificate, Condition};
use picket_core::time::{Chance, Now, s};
use picket_core::wire::Input;
use picket_record::encode::Name;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

mod asked;
mod steps;

/// Files and dates are looked at so often.
const LOOK_US: u64 = s(30);
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
    /// When they are looked at next.
    look_us: u64,
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
        let own = Holder::open(&source.own, &mut endpoint)?;
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
            look_us: 0,
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
            let now = self.clock.now();
            // A receipt wakes this task too, several times a second.
            if now.mono_us >= self.look_us {
                self.look_us = now.mono_us + LOOK_US;
                self.look_at_files();
            }
            self.steps().await;
            if !self.tell().await {
                return;
            }
            let now = self.clock.now();
            let due = self.own.machine().map_or(u64::MAX, Machine::deadline_us).saturating_sub(now.mono_us);
            let look = Duration::from_micros(self.look_us.saturating_sub(now.mono_us));
            let wait = if due == 0 { look } else { look.min(Duration::from_micros(due)) };
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

    fn look_at_files(&mut self) {
        if !self.files.changed() {
            return;
        }
        let tls = self.outfit.borrow().endpoint.tls.clone();
        let Some(papers) = tls else { return };
        match self.files.papers(&papers) {
            Ok(fresh) => {
                tracing::info!("the papers of the central link were read again; it connects with them");
                self.why = "the files were changed and read again".into();
                if let Holder::ByHand { refused, validity } = &mut self.own {
                    (*refused, *validity) = (false, validity_of(&fresh));
                }
                self.connect_with(|endpoint| endpoint.tls = Some(Box::new(fresh)));
            }
            Err(cause) => {
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
                    Holder::ByHand { refused, .. } => std::mem::replace(refused, true),
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
            (News::Receipted { .. }, Holder::ByHand { refused, .. }) => *refused = false,
            (News::Receipted { .. }, Holder::Nobody) => {}
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
        let Some(Stand { refused, renewing, own }) = self.own.stand() else { return true };
        let now = self.clock.now();
        let validity = self.own.in_force();
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
