//! Opening: credentials, tail, state, a new epoch. Damage is set aside and told, never deleted, and never a crash loop.

use super::damage::Damage;
use super::memory::StateCheck;
use super::own_words::own_words;
use super::receipts::Receipts;
use super::store::Store;
use super::tail::{check_tail, known_epochs, tail_state};
use super::{Credentials, Entropy, Fault, Journal, Place, salvage};
use picket_core::sensitivity::Sensitivity;
use picket_core::steps::LastClock;
use picket_core::wire::Recovered;
use picket_record::acceptance::Acceptance;
use picket_record::body::When;
use picket_record::chain::{Found, Head, Opening, Origin, Parsed, Sealer, TailState};
use picket_record::encode::{Link, Name, bytes32};
use picket_record::keys::{IdentityKey, PublicKey};
use picket_record::kind::{Kind, Severity};
use picket_record::refusal::Refusal;
use picket_record::root::Roots;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

impl Place {
    /// Reads keys and acceptance, and checks that they belong to each other and to this gateway.
    pub fn credentials(&self, site: &str, gateway: &str) -> Result<Credentials, Fault> {
        let identity = identity(&self.identity)?;
        let roots = self.roots()?;
        let line = text(&self.acceptance, "cannot read the acceptance")?.trim().to_owned();
        let (acceptance, link) = self.verified(&line, roots.as_ref())?;
        let name = |text: &str| Name::parse(text).map_err(|refusal| Fault::Refused(refusal.to_string()));
        let origin = Origin { site: name(site)?, gw: name(gateway)? };
        if acceptance.gw != origin.gw || acceptance.site != origin.site {
            return Err(Fault::Refused(format!(
                "{} accepts {}/{}, the settings name {site}/{gateway}",
                self.acceptance.display(),
                acceptance.site,
                acceptance.gw
            )));
        }
        if acceptance.identity != identity.public() {
            return Err(Fault::Refused(format!(
                "{} accepts another identity than the key in {}; ask the central side to accept {}",
                self.acceptance.display(),
                self.identity.display(),
                identity.public().text()
            )));
        }
        Ok(Credentials::new(identity, acceptance, link, line, roots))
    }
}

impl Credentials {
    /// Of a gateway that was accepted; `link` and `line` are the acceptance's.
    pub fn new(identity: IdentityKey, acceptance: Acceptance, link: Link, line: String, roots: Option<Roots>) -> Self {
        let newest = roots.as_ref().map(|roots| roots.in_force().receipt.clone());
        Self {
            origin: Origin { site: acceptance.site, gw: acceptance.gw },
            identity,
            receipt_key: newest.unwrap_or_else(|| acceptance.receipt_key.clone()),
            accepted_receipt_key: acceptance.receipt_key,
            roots,
            acceptance: link,
            acceptance_line: line,
        }
    }
}

impl Place {
    fn roots(&self) -> Result<Option<Roots>, Fault> {
        let read = match fs::read_to_string(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read,
        };
        let doing = "cannot read the root documents";
        let text = read.map_err(|source| Fault::File { file: self.root.clone(), doing, source })?;
        let told = |refusal| Fault::Refused(format!("{}: {refusal}; ask the central side for it", self.root.display()));
        Roots::verify(&text).map(Some).map_err(told)
    }

    /// The acceptance under a key that may sign one: of the root documents, or the one that was installed.
    fn verified(&self, line: &str, roots: Option<&Roots>) -> Result<(Acceptance, Link), Fault> {
        let told = |refusal| Fault::Refused(format!("{}: {refusal}", self.acceptance.display()));
        let Some(roots) = roots else {
            let accept_key = text(&self.accept_key, "cannot read the acceptance key")?;
            let accept_key = PublicKey::parse(accept_key.trim()).map_err(|refusal| {
                let file = self.accept_key.display();
                Fault::Refused(format!("{file}: {refusal}; install the accept.pub of the central side"))
            })?;
            return Acceptance::verify(line, &accept_key).map_err(told);
        };
        let mut verdict = Err(Refusal::Signature { by: "acceptance" });
        for named in roots.accept_keys().iter().rev() {
            verdict = Acceptance::verify(line, &named.key);
            if verdict.is_ok() {
                break;
            }
        }
        let (acceptance, link) = verdict.map_err(told)?;
        if acceptance.sms != roots.in_force().sms {
            let (file, sms, root) = (self.acceptance.display(), acceptance.sms, &roots.in_force().sms);
            return Err(Fault::Refused(format!("{file} is of {sms}, {} is of {root}", self.root.display())));
        }
        Ok((acceptance, link))
    }
}

/// Reads an identity key: 32 bytes base64url on one line, readable by its owner alone.
pub fn identity(file: &Path) -> Result<IdentityKey, Fault> {
    use std::os::unix::fs::PermissionsExt;
    let fault = |source| Fault::File { file: file.to_owned(), doing: "cannot read the identity key", source };
    let mode = fs::metadata(file).map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("{}: mode {mode:o} lets others read the identity key; chmod 600 it", file.display());
        return Err(Fault::Refused(text));
    }
    let text = text(file, "cannot read the identity key")?;
    if text.trim().is_empty() {
        return Err(Fault::NoKey { file: file.to_owned() });
    }
    let seed = bytes32(text.trim(), "identity key");
    seed.map(IdentityKey::from_seed).map_err(|refusal| Fault::Refused(format!("{}: {refusal}", file.display())))
}

fn text(file: &Path, doing: &'static str) -> Result<String, Fault> {
    fs::read_to_string(file).map_err(|source| Fault::File { file: file.to_owned(), doing, source })
}

impl Journal {
    /// Opens the journal, puts right what a crash left, and opens an epoch.
    pub fn open(
        place: &Place,
        credentials: Credentials,
        mut entropy: Entropy,
        when: &When,
        version: &str,
    ) -> Result<(Self, Recovered), Fault> {
        let mut damage = Damage::new();
        let mut credentials = credentials;
        let (store, head) = ready(place, &mut credentials, &mut damage)?;
        let receipts = Receipts::load(&store, &credentials)?;
        let tail = tail_state(&store, head, &mut damage)?;
        let (behind, tail_state, found) = match receipts.beyond(head) {
            // Its numbers were sent: they are never given again.
            Some(behind) => {
                let state = if head.seq == 0 { TailState::Reset } else { TailState::Rollback };
                (behind, state, Some(Found { seq: head.seq, link: head.link }))
            }
            None => (tail.head, tail.state, tail.found),
        };
        let clock = last_clock(&store, head)?;
        let mut when = when.clone();
        when.clock.era = clock.as_ref().map_or(when.clock.era, |last| last.era_at(&when));
        let when = &when;
        let opening = Opening { tail_state, found, last_receipt: receipts.last_link(), version: version.to_owned() };
        let seed = entropy();
        let (sealer, sealed) = Sealer::open(&credentials.origin, &credentials.identity, seed, behind, &opening, when)
            .map_err(|refusal| Fault::Refused(refusal.to_string()))?;
        store.transaction(|| {
            let values = (sealed.seq, &sealed.line);
            store.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", values, "cannot store epoch.open")?;
            let values = (sealer.head().ep, sealed.seq);
            store.run("INSERT INTO epoch(ep, seq) VALUES(?1, ?2)", values, "cannot store epoch.open")
        })?;
        let declared = super::lost::declared_after(&store, receipts.upto())?;
        let mut journal = Self {
            declared_is_news: !declared.is_empty(),
            declared,
            store,
            credentials,
            sealer,
            closed: false,
            entropy,
            version: version.to_owned(),
            epoch_opened_us: when.mono_us,
            receipts,
            leaves: super::branch::Leaves::default(),
            retention: super::retention::Retention::of_settings(place.retention_days),
            sensitivity: Sensitivity::default(),
            told_of_rows: false,
            root_file: place.root.clone(),
        };
        journal.first_words(when, behind.seq == 0, damage)?;
        let recovered = journal.recovered(tail_state.as_str())?;
        Ok((journal, Recovered { clock, ..recovered }))
    }

    /// `log.genesis` in a new journal, `journal.recovered` where something was wrong.
    fn first_words(&mut self, when: &When, genesis: bool, damage: Damage) -> Result<(), Fault> {
        let mut bodies = Vec::new();
        if genesis {
            bodies.push(own_words(when, Kind::LogGenesis, Severity::Info, json!({ "layout": 1 })));
        }
        if !bodies.is_empty() {
            self.commit(&bodies)?;
        }
        if !damage.is_empty() {
            tracing::warn!(faults = damage.len(), "the journal was damaged; what could not be kept is set aside");
            let head = self.sealer.head().seq;
            let from = (self.receipts.upto() + 1).max(head.saturating_sub(super::tail::TAIL));
            let lost = self.unreadable(from, head, super::tail::TAIL)?;
            self.state_lost(&lost, damage, when)?;
        }
        salvage::told(&self.store)
    }

    fn recovered(&self, tail: &str) -> Result<Recovered, Fault> {
        let receipted = self.receipts.upto();
        let urgent = self.store.rows(
            "SELECT seq FROM (SELECT seq FROM urgent WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
            (receipted, picket_core::uplink::MAX_URGENT as u64),
            "cannot read the urgent records",
            |row| row.get(0),
        )?;
        let rows = super::memory::rows(&self.store)?;
        Ok(Recovered {
            head: self.sealer.head().seq,
            receipted,
            urgent,
            personal: super::personal::of_rows(&self.store, &rows)?,
            rows,
            fill_permille: self.store.fill_permille(),
            tail: tail.to_owned(),
            order: self.order_in_force().unwrap_or_else(|fault| {
                tracing::warn!(
                    cause = super::told(&fault),
                    "the order in force cannot be read; it comes down once more"
                );
                None
            }),
            root: self.root_in_force(),
            branch: super::branch::untold_branch(&self.store)?,
            receipt: self.receipts.mark(),
            clock: None,
            anew: false,
        })
    }
}

/// What the last record says of the clock.
fn last_clock(store: &Store, head: Head) -> Result<Option<LastClock>, Fault> {
    let line = store.line(head.seq)?;
    Ok(line.and_then(|line| {
        let record = Parsed::read_bytes(&line).ok()?;
        let payload: Value = serde_json::from_str(record.payload()).ok()?;
        let era = payload.get("clk")?.get("era")?.as_u64().and_then(|era| u32::try_from(era).ok())?;
        Some(LastClock { boot: record.boot.clone(), mono_us: record.mono_us, wall_ms: record.wall_ms, era })
    }))
}

/// A sound file and its head, or the new file that took the place of a damaged one.
fn ready(place: &Place, credentials: &mut Credentials, damage: &mut Damage) -> Result<(Store, Head), Fault> {
    let log = super::log::damaged(&place.file)?;
    let store = salvage::open(&place.file, place.budget_bytes)?;
    if let Some(found) = log {
        let mut noted = salvage::untold(&store)?;
        noted.push(found);
        salvage::note(&store, &noted)?;
    }
    let fault = match checked(&store, credentials, damage) {
        Ok(head) => return Ok((store, head)),
        Err(fault) => fault,
    };
    // A stop in order saves the check of the whole file: what it would have found shows here.
    let Some(cause) = salvage::damage_of(&fault) else { return Err(fault) };
    drop(store);
    damage.clear();
    let store = salvage::replace(&place.file, place.budget_bytes, &cause)?;
    let head = checked(&store, credentials, damage)?;
    Ok((store, head))
}

fn checked(store: &Store, credentials: &mut Credentials, damage: &mut Damage) -> Result<Head, Fault> {
    own(store, credentials, damage)?;
    // Documents come down once more; what watches equipment does not wait for them.
    if let Err(fault) = super::orders::recover_root(store, credentials) {
        tracing::warn!(cause = super::told(&fault), "the root document that was kept cannot be read");
    }
    // Read for good once the file is: what cannot be read here is damage like any other.
    Receipts::load(store, credentials)?;
    damage.extend(salvage::untold(store)?);
    let head = check_tail(store, credentials, damage)?;
    store.transaction(|| cut_behind(store, head.seq))?;
    StateCheck::run(store, head.seq, damage)?;
    small_tables(store)?;
    Ok(head)
}

/// What stands beside records that are gone goes: their numbers are given again.
fn cut_behind(store: &Store, head: u64) -> Result<(), Fault> {
    super::summaries::unmark(store, head + 1)?;
    super::personal::forget(store, (head + 1, i64::MAX.unsigned_abs()))?;
    super::lost::cut_behind(store, head)?;
    store.run("DELETE FROM urgent WHERE seq > ?1", [head], "cannot take back urgent marks").map(drop)
}

/// A start that does not check the whole file meets damage of what it needs here, where a new file can take its place.
fn small_tables(store: &Store) -> Result<(), Fault> {
    for newest in [
        "SELECT max(seq) FROM urgent",
        "SELECT max(n) FROM receipt",
        "SELECT max(told) FROM leaving",
        "SELECT max(pos) FROM branch_open",
        "SELECT max(first) FROM lost",
        "SELECT max(seq) FROM summary",
        "SELECT max(seq) FROM personal",
    ] {
        store.row(newest, [], "cannot read a table", |row| row.get::<_, Option<u64>>(0))?;
    }
    Ok(())
}

/// The journal belongs to one gateway and one identity for its whole life: under another key its records do not verify.
/// Where an opening of ours is in it, it is ours, whatever became of the note.
fn own(store: &Store, credentials: &Credentials, damage: &mut Damage) -> Result<(), Fault> {
    let origin = &credentials.origin;
    let names = format!("{}/{}", origin.site, origin.gw);
    let identity = credentials.identity.public().text();
    for (key, mine) in [("origin", names), ("identity", identity)] {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        let found: Option<String> = store.row(sql, [key], "cannot read the owner", |row| row.get(0))?;
        match found {
            Some(found) if found != mine && known_epochs(store, credentials)?.iter().next().is_some() => {
                let sql = "UPDATE meta SET value = ?2 WHERE key = ?1";
                store.run(sql, [key, &mine], "cannot note the owner")?;
                damage.push(json!({ "what": "owner", "cause": format!("it says {found}") }));
            }
            Some(found) if found != mine => {
                return Err(Fault::Refused(format!(
                    "journal {} belongs to {found}, the settings name {mine}; move it away to begin a new one",
                    store.file().display()
                )));
            }
            Some(_) => {}
            None => {
                store.run("INSERT INTO meta(key, value) VALUES(?1, ?2)", [key, &mine], "cannot note the owner")?;
            }
        }
    }
    Ok(())
}
