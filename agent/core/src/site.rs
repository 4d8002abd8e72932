//! The site: routes inputs to the machines and their findings to records. Owns no rule.

use crate::affected::Affected;
use crate::alarm::{Alarm, Alarms};
use crate::answers::Answers;
use crate::bus::Bus;
use crate::causes::Causes;
use crate::certificate::Watch;
use crate::changes::Changes;
use crate::confirm::Confirms;
use crate::contact::Contacts;
use crate::drafts::Drafts;
use crate::health::Health;
use crate::incident::Incidents;
use crate::measure::Measure;
use crate::nonconformity::Nonconformities;
use crate::orders::{self, Orders};
use crate::plan::{Device, DeviceId, Driver, Line, LineId, Plan};
use crate::readings::Readings;
use crate::receipts::Checks;
use crate::register::{EquipmentId, Register};
use crate::rules::Rules;
use crate::seals::Seals;
use crate::standing::Standings;
use crate::steps::Steps;
use crate::summary::Summaries;
use crate::temporary::Temporaries;
use crate::threat::Threats;
use crate::time::{Chance, Now};
use crate::uplink::Uplink;
use crate::wire::{Input, Output, Recovered};
use std::collections::{BTreeMap, VecDeque};

mod certificate;
mod changes;
mod conclude;
mod duty;
mod exercise;
mod hear;
mod incident;
mod level;
mod order;
mod people;
mod poll;
mod recall;
mod routine;
mod seal;
mod silence;
mod stop;
mod temporary;
mod threat;
mod view;

/// Places in the queue in front of the journal that a re-check leaves to alarms: half of them.
const ROOM: usize = 5_000;

/// What a site starts from.
#[derive(Debug)]
pub struct Start {
    /// Validated settings.
    pub plan: Plan,
    /// Register in force (its version is set from the journal).
    pub register: Register,
    /// Why a newer register was refused, if one was.
    pub register_refused: Option<String>,
    /// What the journal recovered.
    pub recovered: Recovered,
    /// Spreads retries, decides nothing.
    pub seed: u64,
    /// Version of the agent.
    pub version: &'static str,
}

/// The buses of the lines that are asked.
fn buses(plan: &Plan, now: &Now, chance: &mut Chance) -> BTreeMap<LineId, Bus> {
    let asked = |line: &Line| matches!(line.driver, Driver::ModbusTcp | Driver::ModbusRtu);
    let lines = (0..).map(LineId).zip(&plan.lines).filter(|(_, line)| asked(line));
    lines.map(|(id, line)| (id, Bus::new(id, line.driver, &plan.devices, now, chance))).collect()
}

/// Every decision of one gateway. Four verbs: [`Site::handle`], [`Site::timeout`], [`Site::next_output`],
/// [`Site::deadline`].
#[derive(Debug)]
pub struct Site {
    plan: Plan,

    standings: Standings,
    changes: Changes,
    rules: Rules,
    alarms: Alarms,
    nonconformities: Nonconformities,
    incidents: Incidents,
    temporaries: Temporaries,
    people: people::People,
    threats: Threats,
    /// What protects may be another thing by now.
    threats_due: bool,
    buses: BTreeMap<LineId, Bus>,
    contacts: Contacts,
    causes: Causes,
    readings: Readings,
    measure: Measure,
    seals: Seals,
    confirms: Confirms,
    drafts: Drafts,
    uplink: Uplink,
    checks: Checks,
    steps: Steps,
    summaries: Summaries,
    affected: Affected,
    orders: Orders,
    certificate: Watch,
    /// Settings that the order in force gives.
    ordered: orders::Settings,
    /// The draft of an order whose retention is not in force yet.
    retains_with: Option<u64>,
    central_clock: Option<order::CentralClock>,
    tally: routine::Tally,
    health: Health,
    answers: Answers,
    outputs: VecDeque<Output>,
    asks: u64,
    revision: u64,
    register_refused: Option<String>,
    store_fault: Option<String>,
    /// As in [`Recovered`].
    anew: bool,
    stopping: Option<stop::Stopping>,
}

impl Site {
    /// A site that has not asked anything yet; its first outputs are due at once.
    pub fn new(now: &Now, start: Start) -> Self {
        let Start { plan, register, register_refused, mut recovered, seed, version } = start;
        let urgent = std::mem::take(&mut recovered.urgent);
        let mut chance = Chance::new(seed);
        let root = recovered.root.map_or(0, |(ver, _)| ver);
        let (orders, ordered) = Orders::recover(recovered.order.as_ref(), root, &recovered.rows);
        let (register, register_changed) = routine::renumbered(register, &recovered.rows);
        let nonconformities = Nonconformities::recover(&recovered.rows);
        let alarms = Alarms::recover(&recovered.rows, &recovered.personal);
        let ringing = alarms.iter().map(Alarm::id).collect();
        let measure = Measure::new(&plan.devices, &register, plan.limits.point_hold_ms, &recovered.rows);
        // No row names the gateway and its lines, and none has to.
        let own = plan.lines.iter().map(|line| EquipmentId::line(&line.name));
        let own = own.chain([EquipmentId::gateway(&plan.gateway)]);
        let standings = Standings::new(register, plan.limits.due_ahead_days, &recovered.rows);
        let standings = own.fold(standings, Standings::vouched_for);
        let mut site = Self {
            buses: buses(&plan, now, &mut chance),
            measure,
            changes: Changes::recover(&recovered.rows, plan.limits.identity_s),
            rules: Rules::new(plan.limits.clone(), &plan.devices),
            incidents: Incidents::recover(now, &recovered.rows, &ringing),
            temporaries: Temporaries::recover(now, &recovered.rows, standings.floor_ms()),
            standings,
            people: people::People::recover(&recovered.rows),
            threats: Threats::recover(&recovered.rows),
            threats_due: false,
            alarms,
            affected: Affected::recover(&recovered.rows, nonconformities.doubts()),
            nonconformities,
            contacts: Contacts::new(now, &plan.devices, plan.limits.line_lost_ms),
            causes: Causes::new(&plan),
            readings: Readings::new(&plan.devices, &recovered.rows, recovered.head),
            seals: Seals::new(now, plan.manifest.clone(), &recovered.rows),
            confirms: Confirms::default(),
            drafts: Drafts::new(recovered.fill_permille).recover(&recovered.rows),
            uplink: Uplink::new(recovered.head, recovered.receipted, urgent)
                .with_branch(recovered.branch)
                .with_receipt(recovered.receipt),
            checks: Checks::default(),
            steps: Steps::new(now, recovered.clock.as_ref()),
            summaries: Summaries::new(now, &recovered.rows, recovered.head),
            orders,
            certificate: Watch::default(),
            ordered,
            retains_with: None,
            central_clock: None,
            tally: routine::Tally::new(now, plan.lines.len()),
            health: Health::new(now),
            answers: Answers::default(),
            outputs: VecDeque::new(),
            asks: 0,
            revision: 1,
            register_refused,
            store_fault: None,
            anew: recovered.anew,
            stopping: None,
            plan,
        };
        site.started(now, version, &recovered, register_changed);
        if site.ordered.retention_days.is_some() {
            site.retain();
        }
        site.adopt(now);
        site.recheck(now);
        site.recall(now);
        site.threats(now);
        site
    }

    /// Takes an input.
    pub fn handle(&mut self, now: &Now, input: Input) {
        if self.said_last_words() && !stop::still_counts(&input) {
            return;
        }
        self.clock_stepped(now);
        match input {
            Input::Outcome { line, ask, result } => self.outcome(now, line, ask, result),
            Input::Heard { line, token, heard } => self.heard(now, line, token, heard),
            Input::Line { line, fault } => self.line_turned(now, line, fault),
            Input::Stored { through, head, urgent, fill_permille } => {
                self.stored(through, head, &urgent, fill_permille)
            }
            Input::StoreFailed { cause } => {
                self.drafts.failed(now);
                self.changed_if(self.store_fault.as_ref() != Some(&cause));
                self.store_fault = Some(cause);
            }
            Input::LinkUp { session } => {
                self.uplink.up(now, session);
                self.outputs.push_back(Output::AskReceipt { session });
                self.changed_if(true);
            }
            Input::LinkDown { cause } => {
                self.changed_if(self.uplink.session().is_some());
                self.uplink.down(now, cause);
                self.orders.link_lost();
            }
            Input::Packed { session, lane, through, bytes } => self.uplink.packed(session, lane, through, bytes),
            Input::Sent { session, lane, result } => self.uplink.sent(now, session, lane, result),
            Input::ReceiptHeard { line } => {
                let check = self.checks.heard(line);
                self.check(check);
            }
            Input::Declared { seqs } => self.uplink.declared(&seqs),
            Input::Rebased(rebased) => self.rebased(now, rebased),
            Input::Receipted(receipted) => {
                self.seen_by_central(now, receipted.state);
                self.order_named(now, receipted.ts_ms, receipted.order);
                self.uplink.receipted(now, receipted);
                let check = self.checks.answered();
                self.check(check);
                self.changed_if(true);
            }
            // No answer to a check for certain: the link too refuses receipts.
            Input::ReceiptRefused { cause } => self.receipt_refused(now, &cause),
            Input::ReceiptBehind => self.receipt_behind(now),
            Input::Measured(vitals) => self.health.measured(now, vitals),
            Input::LookedBack { after, through, oldest, past } => {
                if self.affected.looked_back(now, (after, through), oldest, &past) {
                    return self.drive(now);
                }
                for group in self.summaries.looked_back(now, (after, through), oldest, &past) {
                    self.drafts.begin_group();
                    self.record_all(now, group);
                    self.drafts.end_group();
                }
            }
            Input::OrderHeard { content_type, payload } => self.order_heard(now, content_type.as_deref(), payload),
            Input::OrderMisheard { cause } => self.order_misheard(now, &cause),
            Input::OrderChecked(checked) => self.order_checked(now, checked),
            Input::OrderKept { link, result } => self.order_kept(now, &link, result),
            Input::Certificate(certificate) => self.certificate_told(now, certificate),
            Input::Act { act, ticket } => self.act(now, &act, ticket),
            Input::Stop => self.stop(now),
        }
        self.drive(now);
    }

    fn stored(&mut self, through: u64, head: u64, urgent: &[u64], fill_permille: u16) {
        self.drafts.stored(through, fill_permille);
        let recorded = self.alarms.stored(through, head);
        let answered = self.answers.stored(through, head);
        self.outputs.extend(answered.into_iter().map(|(ticket, seq)| Output::Answer { ticket, result: Ok(seq) }));
        self.uplink.stored(head, urgent);
        self.summaries.stored(head, fill_permille);
        self.retain_once_stored(through);
        let mended = self.store_fault.take().is_some();
        self.changed_if(mended || recorded);
        for (line, token) in self.confirms.stored(through) {
            self.outputs.push_back(Output::Confirm { line, token });
        }
        let check = self.checks.passed();
        self.check(check);
    }

    fn check(&mut self, receipt: Option<String>) {
        self.outputs.extend(receipt.map(|line| Output::CheckReceipt { line }));
    }

    /// Time passed.
    pub fn timeout(&mut self, now: &Now) {
        self.clock_stepped(now);
        if !self.said_last_words() {
            for finding in self.rules.timeout(now) {
                self.found(now, finding);
            }
            self.seals_awaited(now);
            for device in self.contacts.timeout(now) {
                self.silent(now, device, true);
            }
            self.causes_told(now);
            if now.mono_us >= self.standings.deadline() {
                self.recheck(now);
            }
            self.temporary_timeout(now);
            self.duty_timeout(now);
            self.exercise_timeout(now);
            self.measure_timeout(now);
            self.drill_timeout(now);
            self.routine(now);
        }
        self.drive(now);
    }

    /// Nothing is recorded behind the last words.
    fn clock_stepped(&mut self, now: &Now) {
        let statement = if self.said_last_words() { None } else { self.steps.look(now) };
        self.record_all(now, statement);
    }

    fn recheck(&mut self, now: &Now) {
        // What could not be recorded must not be taken for said: it goes on once the journal has caught up.
        if !self.drafts.has_room(ROOM) {
            return self.standings.postpone(now);
        }
        let mut statements = self.standings.recheck(now, &mut self.nonconformities);
        statements.extend(self.changes.judge(now, self.standings.register(), &mut self.nonconformities));
        statements.extend(self.nonconformities.escalate(now));
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements);
        self.missing(now);
        self.threats_due = true;
    }

    /// The next thing for a carrier to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Site::timeout`] wants to be called, in microseconds of [`Now::mono_us`]; `u64::MAX` once it has stopped.
    pub fn deadline(&self) -> u64 {
        if self.stopping == Some(stop::Stopping::Done) {
            return u64::MAX;
        }
        let carried = [self.drafts.deadline(), self.uplink.deadline(), self.stop_deadline()];
        let watching = !self.said_last_words();
        let clocks =
            [Some(self.standings.deadline()), self.steps.deadline(), self.reading_deadline(), self.orders.deadline()];
        let silences = [self.contacts.deadline(), self.causes.deadline()];
        let held = [self.rules.deadline(), self.measure.deadline(), self.temporaries.deadline(), self.seals.deadline()];
        let watched = silences.into_iter().chain(held).chain(self.people.deadlines()).chain(clocks);
        let watched = watched.filter(|_| watching);
        let running = self.stopping.is_none();
        let asked = self.buses.values().map(Bus::deadline).chain([Some(self.tally.deadline())]).filter(|_| running);
        carried.into_iter().chain(watched).chain(asked).flatten().min().unwrap_or(u64::MAX)
    }

    /// Rises with every change worth showing.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn changed_if(&mut self, changed: bool) {
        self.revision += u64::from(changed);
    }

    /// Hands out what is due: asks, one append, batches; and ends a stop.
    fn drive(&mut self, now: &Now) {
        if self.threats_due && !self.said_last_words() {
            self.threats(now);
        }
        self.ask_due(now);
        self.stop_step(now);
        self.health.queued(self.drafts.not_stored());
        if self.stopping == Some(stop::Stopping::Done) {
            return;
        }
        if !self.said_last_words() {
            self.look_back(now);
        }
        if let Some((through, bodies)) = self.drafts.next_append(now) {
            self.outputs.push_back(Output::Append { through, bodies });
        }
        if let Some(through) = self.uplink.branch_told() {
            self.outputs.push_back(Output::BranchTold { through });
        }
        while let Some((session, batch)) = self.uplink.next(now) {
            self.outputs.push_back(Output::Send { session, batch });
        }
    }

    /// When the journal shall be asked for its past.
    fn reading_deadline(&self) -> Option<u64> {
        match (self.summaries.is_asking(), self.affected.is_asking()) {
            (false, false) => self.summaries.deadline().into_iter().chain(self.affected.deadline()).min(),
            (true, _) | (_, true) => None,
        }
    }

    /// One reader of the past at a time.
    fn look_back(&mut self, now: &Now) {
        // What finds no room in the queue would count as listed.
        while !self.summaries.is_asking() && self.drafts.has_room(ROOM) {
            match self.affected.next(now, self.uplink.head()) {
                Some(Ok(after)) => self.outputs.push_back(Output::LookBack { after }),
                Some(Err(listed)) => drop(self.record(now, listed)),
                None => break,
            }
        }
        if !self.affected.is_asking() {
            self.outputs.extend(self.summaries.next(now).map(|after| Output::LookBack { after }));
        }
    }

    fn device(&self, id: DeviceId) -> Option<&Device> {
        self.plan.devices.get(usize::from(id.0))
    }

    fn devices_of<'a>(&'a self, equipment: &'a EquipmentId) -> impl Iterator<Item = DeviceId> + 'a {
        let devices = (0_u16..).zip(&self.plan.devices);
        devices.filter(move |(_, device)| device.equipment == *equipment).map(|(index, _)| DeviceId(index))
    }
}
