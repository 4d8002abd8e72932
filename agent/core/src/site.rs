//! The site: routes inputs to the machines and their findings to records. Owns no rule.

use crate::alarm::{Alarms, Rule};
use crate::bus::Bus;
use crate::confirm::Confirms;
use crate::contact::Contacts;
use crate::drafts::Drafts;
use crate::nonconformity::Nonconformities;
use crate::plan::{Device, DeviceId, DeviceSpeech, Driver, LineId, Plan};
use crate::readings::Readings;
use crate::register::{Criticality, EquipmentId, Register};
use crate::rules::{Finding, Rules, Sighting, Turn};
use crate::seals::Seals;
use crate::standing::Standings;
use crate::statement::Statement;
use crate::time::{Chance, Now, s};
use crate::uplink::Uplink;
use crate::wire::{Act, Input, Output, Recovered};
use picket_record::body::{About, Body, Mode};
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};

mod hear;
mod poll;
mod routine;
mod view;

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

/// Every decision of one gateway. Four verbs: [`Site::handle`], [`Site::timeout`], [`Site::next_output`],
/// [`Site::deadline`].
#[derive(Debug)]
pub struct Site {
    plan: Plan,

    standings: Standings,
    rules: Rules,
    alarms: Alarms,
    nonconformities: Nonconformities,
    buses: BTreeMap<LineId, Bus>,
    contacts: Contacts,
    readings: Readings,
    seals: Seals,
    confirms: Confirms,
    drafts: Drafts,
    uplink: Uplink,
    tally: routine::Tally,
    outputs: VecDeque<Output>,
    asks: u64,
    revision: u64,
    register_refused: Option<String>,
    store_fault: Option<String>,
    stopping: Option<Stopping>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    Finishing,
    LastWords,
    Done,
}

/// How long a stop waits for the link to take the last records.
const LAST_TRY_US: u64 = s(2);

impl Site {
    /// A site that has not asked anything yet; its first outputs are due at once.
    pub fn new(now: &Now, start: Start) -> Self {
        let Start { plan, register, register_refused, recovered, seed, version } = start;
        let mut chance = Chance::new(seed);
        let (register, register_changed) = routine::renumbered(register, &recovered.rows);
        let buses = plan.lines.iter().enumerate().filter_map(|(index, line)| {
            let id = LineId(u16::try_from(index).ok()?);
            let asked = matches!(line.driver, Driver::ModbusTcp | Driver::ModbusRtu);
            asked.then(|| (id, Bus::new(id, line.driver, &plan.devices, now, &mut chance)))
        });
        let buses = buses.collect();
        let mut site = Self {
            buses,
            standings: Standings::new(register, plan.limits.due_ahead_days, &recovered.rows),
            rules: Rules::new(plan.limits.clone()),
            alarms: Alarms::recover(&recovered.rows),
            nonconformities: Nonconformities::recover(&recovered.rows),
            contacts: Contacts::new(now, &plan.devices),
            readings: Readings::new(&plan.devices, &recovered.rows),
            seals: Seals::new(plan.manifest.clone()),
            confirms: Confirms::default(),
            drafts: Drafts::new(recovered.fill_permille),
            uplink: Uplink::new(recovered.head, recovered.receipted, recovered.urgent),
            tally: routine::Tally::new(now, plan.lines.len()),
            outputs: VecDeque::new(),
            asks: 0,
            revision: 1,
            register_refused,
            store_fault: None,
            stopping: None,

            plan,
        };
        site.recall();
        site.started(now, version, &recovered.tail, &recovered.rows, register_changed);
        site
    }

    /// Takes an input.
    pub fn handle(&mut self, now: &Now, input: Input) {
        match input {
            Input::Outcome { line, ask, result } => self.outcome(now, line, ask, result),
            Input::Heard { line, token, heard } => self.heard(now, line, token, heard),
            Input::Line { line, fault } => self.line_turned(now, line, fault),
            Input::Stored { through, head, urgent, fill_permille } => {
                self.drafts.stored(through, fill_permille);
                self.alarms.stored(through, head);
                self.uplink.stored(head, &urgent);
                self.changed_if(self.store_fault.is_some() || !urgent.is_empty());
                self.store_fault = None;
                for (line, token) in self.confirms.stored(through) {
                    self.outputs.push_back(Output::Confirm { line, token });
                }
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
            }
            Input::Sent { session, lane, result } => self.uplink.sent(now, session, lane, result),
            Input::ReceiptHeard { line } => self.outputs.push_back(Output::CheckReceipt { line }),
            Input::Receipted { upto, have, resend } => {
                self.uplink.receipted(now, upto, have, resend);
                self.changed_if(true);
            }
            Input::ReceiptRefused { cause } => {
                self.record(now, Statement::new(Kind::ReceiptBad, Severity::Security, json!({ "cause": cause })));
            }
            Input::Act(act) => self.act(now, &act),
            Input::Stop => {
                self.stopping.get_or_insert(Stopping::Finishing);
            }
        }
        self.drive(now);
    }

    /// Time passed.
    pub fn timeout(&mut self, now: &Now) {
        for finding in self.rules.timeout(now) {
            self.found(now, finding);
        }
        for device in self.contacts.timeout(now) {
            self.silent(now, device, true);
        }
        if now.mono_us >= self.standings.deadline() {
            let statements = self.standings.recheck(now, &mut self.nonconformities);
            self.changed_if(!statements.is_empty());
            self.record_all(now, statements);
        }
        self.routine(now);
        self.drive(now);
    }

    /// The next thing for a carrier to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Site::timeout`] wants to be called, in microseconds of [`Now::mono_us`].
    pub fn deadline(&self) -> u64 {
        let asking = self.stopping.is_none();
        let buses = self.buses.values().filter(|_| asking).filter_map(Bus::deadline);
        let others = [
            self.rules.deadline(),
            self.contacts.deadline(),
            self.drafts.deadline(),
            self.uplink.deadline(),
            Some(self.standings.deadline()),
            Some(self.tally.deadline()),
        ];
        buses.chain(others.into_iter().flatten()).min().unwrap_or(u64::MAX)
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
        self.ask_due(now);
        self.stop_step(now);
        if let Some((through, bodies)) = self.drafts.next_append(now) {
            self.outputs.push_back(Output::Append { through, bodies });
        }
        while let Some((session, batch)) = self.uplink.next(now) {
            self.outputs.push_back(Output::Send { session, batch });
        }
    }

    fn stop_step(&mut self, now: &Now) {
        match self.stopping {
            Some(Stopping::Finishing) if !self.buses.values().any(Bus::is_busy) => {
                self.stopping = Some(Stopping::LastWords);
                self.tally.last_try_us = now.mono_us + LAST_TRY_US;
                for kind in [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose] {
                    self.record(now, Statement::new(kind, Severity::Info, json!({ "why": "stop" })));
                }
            }
            Some(Stopping::LastWords) if self.drafts.not_stored() == 0 || now.mono_us >= self.tally.last_try_us => {
                if self.uplink.is_drained() || now.mono_us >= self.tally.last_try_us {
                    self.stopping = Some(Stopping::Done);
                    self.outputs.push_back(Output::Stopped);
                }
            }
            Some(Stopping::Finishing | Stopping::LastWords | Stopping::Done) | None => {}
        }
    }

    fn act(&mut self, now: &Now, act: &Act) {
        let Act::Acknowledge { alarm, by, note, terminal } = act;
        for statement in self.alarms.acknowledge(alarm, by, note, terminal) {
            self.record_alarm(now, statement);
        }
    }

    /// A condition turned: an alarm is raised or cleared by it.
    fn found(&mut self, now: &Now, finding: Finding) {
        let Finding { rule, equipment, turn, evidence } = finding;
        let standing = self.standings.standing(&equipment);
        match turn {
            Turn::Began(facts) => {
                let severity = self.severity(rule, &equipment);
                if let Some(raised) = self.alarms.raise(now, rule, &equipment, severity, standing, facts) {
                    self.record_alarm(now, raised.from(evidence.as_ref()));
                }
            }
            Turn::Ended => {
                for statement in self.alarms.clear(rule, &equipment, standing) {
                    self.record_alarm(now, statement.from(evidence.as_ref()));
                }
            }
        }
    }

    fn severity(&self, rule: Rule, equipment: &EquipmentId) -> Severity {
        let life = self.standings.register().get(equipment).is_some_and(|row| row.criticality == Criticality::Life);
        if life && rule == Rule::PanelAlarm { Severity::Life } else { rule.severity() }
    }

    fn record_alarm(&mut self, now: &Now, statement: Statement) {
        let id = statement.data.get("alarm").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
        if let Some(draft) = self.record(now, statement) {
            self.alarms.drafted(&id, draft);
        }
        self.changed_if(true);
    }

    fn record_all(&mut self, now: &Now, statements: impl IntoIterator<Item = Statement>) {
        for statement in statements {
            self.record(now, statement);
        }
    }

    /// Puts time, register and standing to a statement and queues it. Its draft number, unless it was dropped.
    fn record(&mut self, now: &Now, statement: Statement) -> Option<u64> {
        let Statement { kind, severity, equipment, source, device_time, data, commit } = statement;
        let about = equipment.map(|id| About {
            register: self.standings.register().version(),
            standing: self.standings.verdict(&id).stated(),
            equipment: id.as_str().to_owned(),
            source,
        });
        self.tally.recorded(severity);
        let body = Body { when: now.when(), mode: Mode::Live, kind, severity, about, device_time, data };
        self.drafts.push(now, body, commit)
    }

    fn device(&self, id: DeviceId) -> Option<&Device> {
        self.plan.devices.get(usize::from(id.0))
    }

    /// Silence of a device began or ended.
    fn silent(&mut self, now: &Now, id: DeviceId, silent: bool) {
        let Some(device) = self.device(id) else { return };
        let equipment = device.equipment.clone();
        let mut facts = crate::statement::Facts::from([("device".to_owned(), device.name.clone())]);
        let told = view::told_equipment(device);
        if !told.is_empty() {
            facts.insert("affects".into(), told);
        }
        let turn = if silent { Turn::Began(facts.clone()) } else { Turn::Ended };
        if silent {
            self.readings.stale(usize::from(id.0));
        }
        self.found(now, Finding { rule: Rule::Silent, equipment: equipment.clone(), turn, evidence: None });
        let statement = if silent {
            self.nonconformities.open(now, "silent", &equipment, facts)
        } else {
            self.nonconformities.close("silent", &equipment)
        };
        self.record_all(now, statement);
    }

    /// After a start: what was open goes on until the equipment says otherwise.
    fn recall(&mut self) {
        let open: Vec<(Rule, EquipmentId)> =
            self.alarms.iter().filter(|a| a.active).map(|a| (a.rule, a.equipment.clone())).collect();
        for (rule, equipment) in open {
            self.rules.recover(rule, &equipment);
            if rule == Rule::Silent {
                let silent: Vec<usize> = self.devices_of(&equipment);
                for index in silent {
                    self.contacts.recover_silent(DeviceId(u16::try_from(index).unwrap_or(u16::MAX)));
                }
            }
        }
        for (index, device) in self.plan.devices.iter().enumerate() {
            for (point, last) in self.readings.of(index) {
                let Some((equipment, signal)) = hear::meaning(device, point) else { continue };
                let seen = Sighting {
                    device: &device.name,
                    point,
                    equipment,
                    signal,
                    value: &last.value,
                    quality: last.quality,
                };
                self.rules.recall(&seen);
            }
        }
    }

    fn devices_of(&self, equipment: &EquipmentId) -> Vec<usize> {
        let devices = self.plan.devices.iter().enumerate();
        devices.filter(|(_, device)| device.equipment == *equipment).map(|(index, _)| index).collect()
    }

    fn speech(&self, id: DeviceId) -> Option<&DeviceSpeech> {
        self.device(id).map(|device| &device.speech)
    }
}
