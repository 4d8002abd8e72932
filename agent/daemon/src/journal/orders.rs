//! Documents of the central side: verified under the root that is pinned, judged against what is in force, kept until a
//! record puts them into force.
//!
//! **Life.** A root document that goes on from the one in force is kept as `root`. A verified order is kept under its
//! link, its register under its hash; the signed `order.applied` names both, so a kept text is believed at the next start
//! only where a record says so. What no record names any more goes with the next one that is kept. Where damage has taken
//! the order in force, or its register, the same order comes into force once more when it comes down again.

use super::at_rest::Text;
use super::damage::Damage;
use super::store::Store;
use super::{Credentials, Fault, Journal, answered, document};
use picket_core::wire::Checked;
use picket_record::body::When;
use picket_record::chain::Parsed;
use picket_record::command::{Bound, Command, CommandRefusal};
use picket_record::encode::{Link, Name, base64url, bytes32};
use picket_record::keys::PublicKey;
use picket_record::order::{InForce, Judgement, Order, OrderRefusal};
use picket_record::refusal::Refusal;
use picket_record::root::Roots;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ROOT: &str = "root";
/// Prefix of the name that an order is kept under.
pub(super) const ORDER: &str = "order/";

impl Credentials {
    /// Takes a root document that goes on from the pinned one; whether it is newer.
    fn take_root(&mut self, roots: Roots) -> Result<bool, String> {
        let known =
            self.roots.as_ref().ok_or("no root document is installed here: put root.jws beside the settings")?;
        if !roots.continue_from(known) && !known.continue_from(&roots) {
            return Err("it does not go on from the root document that is installed here".into());
        }
        let newer = roots.in_force().ver > known.in_force().ver;
        if newer {
            self.receipt_key = roots.in_force().receipt.clone();
            self.roots = Some(roots);
        }
        Ok(newer)
    }

    /// Keys that receipts were ever signed with, the one in force first.
    pub(super) fn receipt_keys(&self) -> Vec<PublicKey> {
        let named = self.roots.iter().flat_map(Roots::receipt_keys).map(|named| named.key);
        [self.receipt_key.clone(), self.accepted_receipt_key.clone()].into_iter().chain(named).collect()
    }
}

/// The newest root document that came down, if the journal holds one: before anything that its keys verify is read.
pub(super) fn recover_root(store: &Store, credentials: &mut Credentials) -> Result<(), Fault> {
    let Some((_, _, text)) = document::kept(store, ROOT)? else { return Ok(()) };
    let taken = Roots::verify(&text).map_err(|refusal| refusal.to_string());
    if let Err(cause) = taken.and_then(|roots| credentials.take_root(roots)) {
        tracing::warn!(cause, "the root document that was kept is not believed; the installed one is in force");
    }
    Ok(())
}

impl Journal {
    /// Keys that receipts were ever signed with, the one in force first.
    pub fn receipt_keys(&self) -> Vec<PublicKey> {
        self.credentials.receipt_keys()
    }

    /// The order that the signed records put into force, if a text of it is still what they name.
    pub fn order_in_force(&self) -> Result<Option<Order>, Fault> {
        let Some(link) = self.order_row()?.and_then(|row| row.1) else { return Ok(None) };
        Ok(self.read_order(&link)?.map(|read| read.order))
    }

    /// That order as received.
    pub(super) fn order_line(&self) -> Result<Option<String>, Fault> {
        let Some(link) = self.order_row()?.and_then(|row| row.1) else { return Ok(None) };
        Ok(self.read_order(&link)?.map(|read| read.line))
    }

    /// A verified order of this link, from the one or the other of the places that it is kept in.
    fn read_order(&self, link: &Link) -> Result<Option<ReadOrder>, Fault> {
        let keys = self.order_keys();
        let by = |line: &str, key: &PublicKey| Order::verify(line, key).ok().filter(|(_, found)| found == link);
        let read = |line: String| {
            let (key, (order, _)) = keys.iter().find_map(|key| Some(key).zip(by(&line, key)))?;
            Some(ReadOrder { order, line, key: key.clone() })
        };
        let kept = self.kept(&order_name(link))?.and_then(|(_, _, line)| read(line));
        Ok(match kept {
            Some(kept) => Some(kept),
            None => answered::order(&self.store, link)?.and_then(read),
        })
    }

    /// The text of the register of an order that is in force, if it is still the one that the order names.
    pub fn ordered_register(&self, order: &Order) -> Result<Option<String>, Fault> {
        let Some(register) = &order.register else { return Ok(None) };
        let kept = self.kept(&register_name(&register.sha256))?.map(|(_, _, text)| text);
        Ok(kept.filter(|text| Sha256::digest(text)[..] == register.sha256))
    }

    /// The order in force as a start finds it, with its register or not at all. A lost one is damage, and comes into force
    /// once more when it comes down.
    pub(super) fn recover_order(&mut self, damage: &mut Damage) -> Option<Order> {
        let (ver, link) = match self.order_row() {
            Ok(Some((ver, Some(link)))) => (ver, link),
            Ok(_) => return None,
            Err(fault) => {
                tracing::error!(cause = super::told(&fault), "which order is in force cannot be read");
                damage.push(json!({ "what": "order", "cause": super::told(&fault) }));
                return None;
            }
        };
        match self.whole_order(&link) {
            Ok(order) => {
                self.order_found = Some(link);
                Some(order)
            }
            Err(cause) => {
                tracing::error!(
                    ver,
                    cause,
                    "the order in force is lost: the settings and the register of the files stand until it comes down once more"
                );
                damage.push(json!({ "what": "order", "ver": ver, "cause": cause }));
                None
            }
        }
    }

    fn whole_order(&self, link: &Link) -> Result<Order, String> {
        let read = self.read_order(link).map_err(|fault| super::told(&fault))?;
        let order = read.ok_or("it is not here as records name it")?.order;
        let register = self.ordered_register(&order).map_err(|fault| super::told(&fault))?;
        match register.is_some() == order.register.is_some() {
            true => Ok(order),
            false => Err("its register is not here as it names it".into()),
        }
    }

    /// Says what lines that came down are. A root document comes into force here: nothing but its own signatures decides.
    pub fn check_order(&mut self, text: &str, when: &When) -> Checked {
        let Some(roots) = self.credentials.roots.clone() else {
            let cause = "no root document is installed here: put root.jws beside the settings";
            return refused("lines", 0, "no-root", cause.into());
        };
        let line = text.trim();
        if line.contains('\n') {
            return self.check_root(text, &roots);
        }
        let key = &roots.in_force().order;
        match Order::verify(line, key) {
            Err(Refusal::Header) => {}
            Err(refusal) => return refused("order", 0, refusal.reason(), refusal.to_string()),
            Ok((order, link)) => return self.judge_order(order, link, &roots, line),
        }
        match Command::verify(line, key) {
            Err(refusal) => refused("command", 0, refusal.reason(), refusal.to_string()),
            Ok((command, link)) => {
                let n = command.n;
                let checked = self.judge_command(command, link, &roots.in_force().sms, when);
                if matches!(checked, Checked::Command { judged: Ok(()), .. }) {
                    self.commands.heard(n, link, line);
                }
                checked
            }
        }
    }

    fn check_root(&mut self, text: &str, known: &Roots) -> Checked {
        // Hundreds of signatures of somebody else are not worth the time that others wait.
        if !known.begins(text) {
            let cause = "it does not begin with the root document that is installed here";
            return refused("root", 0, "root-stranger", cause.into());
        }
        let roots = match Roots::verify(text) {
            Ok(roots) => roots,
            Err(refusal) => return refused("root", 0, refusal.reason(), refusal.to_string()),
        };
        let ver = roots.in_force().ver;
        let kept = match self.credentials.take_root(roots) {
            Ok(true) => self.keep(ROOT, "root.jws", &ver.to_string(), text).map_err(|fault| super::told(&fault)),
            Ok(false) => Ok(()),
            Err(cause) => return refused("root", ver, "root-stranger", cause),
        };
        match kept {
            Ok(()) => {
                let (ver, hash) = self.root_in_force().unwrap_or((ver, known.hash()));
                Checked::Root { ver, hash }
            }
            Err(cause) => {
                // What a start would not find again is not in force; it comes down once more.
                self.credentials.receipt_key = known.in_force().receipt.clone();
                self.credentials.roots = Some(known.clone());
                refused("root", ver, "disk", cause)
            }
        }
    }

    /// Version and hash of the root document in force.
    pub(super) fn root_in_force(&self) -> Option<(u64, Link)> {
        self.credentials.roots.as_ref().map(|roots| (roots.in_force().ver, roots.hash()))
    }

    fn judge_order(&self, order: Order, link: Link, roots: &Roots, line: &str) -> Checked {
        let last = match self.last_order() {
            Ok(last) => last,
            Err(fault) => return refused("order", order.ver, "disk", super::told(&fault)),
        };
        match order.judged(&link, roots, &self.credentials.origin.gw, &last) {
            // What records name and the start did not find is not in force: the site knows what it put into force since.
            Ok(Judgement::Same) if self.order_found != Some(link) => {
                Checked::Order { order: Box::new(order), link, judgement: Judgement::Next, line: line.to_owned() }
            }
            Ok(judgement) => Checked::Order { order: Box::new(order), link, judgement, line: line.to_owned() },
            // The version is another gateway's.
            Err(refusal @ OrderRefusal::Stranger { .. }) => refused("order", 0, refusal.reason(), refusal.to_string()),
            Err(refusal) => refused("order", order.ver, refusal.reason(), refusal.to_string()),
        }
    }

    /// Its number is judged where it is known which commands records answer.
    fn judge_command(&self, command: Command, link: Link, sms: &Name, when: &When) -> Checked {
        let bound = self.bound(command.seq, when);
        let found = bound.as_ref().ok().and_then(Option::as_ref).copied();
        let judged = match (command.judged(sms, &self.credentials.origin.gw, 0, |_| found), bound) {
            // The number is another gateway's.
            (Err(refusal @ CommandRefusal::Stranger { .. }), _) => {
                return refused("command", 0, refusal.reason(), refusal.to_string());
            }
            // Whether the record is here is not known.
            (_, Err(fault)) => Err(("disk", super::told(&fault))),
            (judged, Ok(_)) => judged.map_err(|refusal| (refusal.reason(), refusal.to_string())),
        };
        Checked::Command { command: Box::new(command), link, judged }
    }

    /// Link and age of a record; of another boot it is older than any command may be.
    fn bound(&self, seq: u64, when: &When) -> Result<Option<Bound>, Fault> {
        let Some(line) = self.store.line(seq)? else { return Ok(None) };
        let Ok(record) = Parsed::read_bytes(&line) else { return Ok(None) };
        let same_boot = record.boot == *when.boot;
        let age_s = if same_boot { when.mono_us.saturating_sub(record.mono_us) / 1_000_000 } else { u64::MAX };
        Ok(Some(Bound { link: record.link, age_s }))
    }

    /// Keeps a verified order and the text of its register for the record that puts them into force, and lets go of what
    /// no record names.
    pub fn keep_order(&self, line: &str, link: &Link, register: Option<(&[u8; 32], &str)>) -> Result<(), Fault> {
        let in_force = self.order_in_force()?;
        let row = self.order_row()?.and_then(|row| row.1);
        self.store.transaction(|| {
            let mut needed: Vec<String> =
                [Some(*link), row].into_iter().flatten().map(|link| order_name(&link)).collect();
            self.keep(&order_name(link), "order", &base64url(link), line)?;
            if let Some((sha256, text)) = register {
                self.keep(&register_name(sha256), "register", &base64url(sha256), text)?;
                needed.push(register_name(sha256));
            }
            let before = in_force.and_then(|order| order.register);
            needed.extend(before.map(|register| register_name(&register.sha256)));
            let sql = "DELETE FROM document WHERE (name GLOB 'order/*' OR name GLOB 'register/*')
                       AND name NOT IN (SELECT value FROM json_each(?1))";
            self.store.run(sql, [Value::from(needed).to_string()], "cannot let go of an old order").map(drop)
        })
    }

    fn order_keys(&self) -> Vec<PublicKey> {
        self.credentials.roots.iter().flat_map(Roots::order_keys).map(|named| named.key).rev().collect()
    }

    fn last_order(&self) -> Result<InForce, Fault> {
        let nothing = InForce::nothing(self.credentials.acceptance);
        let Some((ver, Some(link))) = self.order_row()? else { return Ok(nothing) };
        // The key tells whether another root has withdrawn it since; without the text the newest key is taken.
        let key = self.read_order(&link)?.map(|read| read.key);
        Ok(InForce { ver, link, key })
    }

    /// Version and link of the order that records put into force.
    fn order_row(&self) -> Result<Option<(u64, Option<Link>)>, Fault> {
        let Some(row) = self.state_row("order")? else { return Ok(None) };
        let link = row.get("link").and_then(Value::as_str).and_then(|link| bytes32(link, "link").ok());
        Ok(row.get("ver").and_then(Value::as_u64).map(|ver| (ver, link)))
    }

    fn state_row(&self, key: &str) -> Result<Option<Value>, Fault> {
        let sql = "SELECT body FROM state WHERE key = ?1";
        let body: Option<Text> = self.store.row(sql, [key], "cannot read the state", |row| row.get(0))?;
        Ok(body.and_then(|Text(body)| serde_json::from_str(&body?).ok()))
    }
}

/// An order that is kept, as received, and the key that it verifies under.
struct ReadOrder {
    order: Order,
    line: String,
    key: PublicKey,
}

fn order_name(link: &Link) -> String {
    format!("{ORDER}{}", base64url(link))
}

fn register_name(sha256: &[u8; 32]) -> String {
    format!("register/{}", base64url(sha256))
}

fn refused(what: &'static str, n: u64, reason: &'static str, cause: String) -> Checked {
    Checked::Refused { what, n, reason, cause }
}
