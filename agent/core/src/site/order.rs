//! Orders of the central side: from the machine that judges them to records, register and alarms.

use super::{Site, routine};
use crate::alarm::Rule;
use crate::orders::{Applied, Commanded};
use crate::register::{EquipmentId, Register};
use crate::rules::{Finding, Turn};
use crate::statement::{Facts, Statement};
use crate::status::OrderStatus;
use crate::time::Now;
use crate::wire::{Checked, Output, Unkept};
use picket_record::encode::Link;

/// Where the central side's clock was, by its last receipt.
#[derive(Debug, Clone, Copy)]
pub(super) struct CentralClock {
    ts_ms: i64,
    mono_us: u64,
}

/// Most records by which an order or a command takes effect: with a register, or with the end of the drill before.
const EFFECTS_MAX: usize = 2;
const NO_ROOM: &str = "too much waits for the journal to record it";

impl Site {
    pub(super) fn order_heard(&mut self, now: &Now, content_type: Option<&str>, payload: Vec<u8>) {
        match self.orders.heard(content_type, payload) {
            Ok(output) => self.outputs.extend(output),
            Err(cause) => self.order_misheard(now, &cause),
        }
    }

    pub(super) fn order_misheard(&mut self, now: &Now, cause: &str) {
        let said = self.orders.misheard(now, cause);
        self.commanded(now, said, None);
    }

    pub(super) fn order_checked(&mut self, now: &Now, checked: Checked) {
        let checked = self.stateable(checked);
        let trusted_ms = self.trusted_ms(now);
        let (said, output) = self.orders.checked(now, trusted_ms, checked);
        self.commanded(now, said, output);
    }

    pub(super) fn order_kept(&mut self, now: &Now, link: &Link, result: Result<Option<Register>, Unkept>) {
        let result = if self.drafts.has_room(EFFECTS_MAX) { result } else { Err(Unkept::NoPlace(NO_ROOM.into())) };
        let (done, output) = self.orders.kept(now, link, result);
        match done {
            Ok(applied) => {
                self.apply(now, applied);
                self.commanded(now, Vec::new(), output);
            }
            Err(said) => self.commanded(now, said, output),
        }
    }

    /// A command that could not be recorded has no effect; it takes effect when it comes again.
    fn stateable(&self, checked: Checked) -> Checked {
        match checked {
            Checked::Command { command, link, judged } if !self.drafts.has_room(EFFECTS_MAX) => {
                Checked::Command { command, link, judged: judged.and(Err(("disk", NO_ROOM.into()))) }
            }
            checked => checked,
        }
    }

    fn commanded(&mut self, now: &Now, said: Vec<Commanded>, output: Option<Output>) {
        self.changed_if(!said.is_empty());
        for one in said {
            match one {
                Commanded::Say(statement) => drop(self.record(now, statement)),
                Commanded::Heartbeat(n) => self.beat(now, Some(n)),
            }
        }
        self.outputs.extend(output);
    }

    /// The order and the register that it brings come into force together, or neither does.
    fn apply(&mut self, now: &Now, applied: Applied) {
        let Applied { statement, settings, register } = applied;
        self.ordered = settings;
        self.pace(now);
        self.drafts.begin_group();
        self.retains_with = self.record(now, statement);
        if let Some(register) = register.filter(|register| register.digest() != self.standings.register().digest()) {
            let version = self.standings.register().version() + 1;
            let register = register.numbered(version);
            let applied = routine::register_applied(&register);
            self.standings.replace(register);
            self.measure.replace(&self.plan.devices, self.standings.register());
            self.register_refused = None;
            self.record(now, applied);
        }
        self.drafts.end_group();
        self.temporary_of_removed(now);
        self.adopt(now);
        self.recheck(now);
        self.judge_orders(now);
        self.changed_if(true);
    }

    /// The journal keeps records for another time only once the order that says so is stored.
    pub(super) fn retain_once_stored(&mut self, through: u64) {
        if self.retains_with.take_if(|draft| *draft <= through).is_some() {
            self.retain();
        }
    }

    /// How long records are kept, wherever that stands.
    pub(super) fn retain(&mut self) {
        let days = self.ordered.retention_days.and_then(|days| u32::try_from(days).ok());
        self.outputs.push_back(Output::Retain { days, order: self.orders.version() });
    }

    /// What a receipt says of time and orders.
    pub(super) fn order_named(&mut self, now: &Now, ts_ms: i64, ver: u64) {
        self.central_clock = Some(CentralClock { ts_ms, mono_us: now.mono_us });
        self.orders.named(now, ver);
    }

    /// The time that somebody vouches for: the clock where it is trusted; else the later of what it was trusted for last
    /// and the central side's last receipt with what passed since. A clock that was wrong for a while rules nothing once
    /// it is right again.
    pub(super) fn trusted_ms(&self, now: &Now) -> Option<i64> {
        let central = self.central_clock.map(|clock| {
            let passed = now.mono_us.saturating_sub(clock.mono_us) / 1_000;
            clock.ts_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        });
        now.judged_ms().or(self.standings.floor_ms().max(central))
    }

    /// A stale order rings until another one is in force.
    pub(super) fn judge_orders(&mut self, now: &Now) {
        let stale = self.orders.stale(now, self.trusted_ms(now));
        let turn = match stale {
            Some(why) => {
                let ver = self.orders.version().to_string();
                Turn::Began(Facts::from([("why".to_owned(), why.to_owned()), ("order".to_owned(), ver)]))
            }
            None => Turn::Ended,
        };
        let equipment = self.own_id();
        self.found(now, Finding { rule: Rule::OrderStale, equipment, about: String::new(), turn, evidence: None });
    }

    /// For the page.
    pub(super) fn order_view(&self, now: &Now) -> OrderStatus {
        let stale = self.orders.stale(now, self.trusted_ms(now)).map(str::to_owned);
        OrderStatus { ver: self.orders.version(), exp_ms: self.orders.ends_ms(), stale }
    }

    /// The gateway as a piece of equipment: what rings because of itself is about this.
    pub(super) fn own_id(&self) -> EquipmentId {
        EquipmentId::gateway(&self.plan.gateway)
    }

    pub(super) fn drill_timeout(&mut self, now: &Now) {
        let ended: Option<Statement> = self.orders.timeout(now);
        self.changed_if(ended.is_some());
        self.record_all(now, ended);
    }
}
