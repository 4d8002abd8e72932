//! Bit rot while the agent is off: 1 to 64 bits of database, log or identity key turn over. It is found or harmless;
//! the journal opens, and no record is ever another one than was told.

use crate::check::{Allowed, Checker, Found};
use crate::lived::{Lived, lay_down, live};
use crate::runs::{Failure, Run, Runs, SEEDS_EACH, Scratch, kept};
use crate::scene::DATABASE;
use crate::writer::{End, Mix, Task};
use picket::journal::Place;
use picket_core::time::Chance;
use picket_record::acceptance::Acceptance;
use picket_record::encode::base64url;
use picket_record::keys::{AcceptKey, IdentityKey, ReceiptKey};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Most bits that turn over.
const MOST: u64 = 64;
/// Lives that the flips are spread over.
const LIVES: u64 = 6;

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let wanted = run.count.unwrap_or(if run.long { 10_000 } else { 600 }) as u64;
    // A failure that is replayed alone lives in the same lives.
    let base = run.seeds(1)?.first().map_or(run.seed, |seed| seed / SEEDS_EACH);
    let lives = (0..LIVES).map(|n| life(base * LIVES + n)).collect::<Result<Vec<Lived>, String>>()?;
    let mut runs = run.parallel(
        Checker::default,
        |checker, seed: &u64, folder| check(checker, &lives[(seed % LIVES) as usize], *seed, folder),
        |out| run.seeds(wanted)?.into_iter().try_for_each(out),
    )?;
    if run.only.is_none() {
        runs.join(keys(run.seed)?);
    }
    Ok(runs)
}

fn life(seed: u64) -> Result<Lived, String> {
    live(&Task {
        folder: Default::default(),
        book: None,
        seed,
        steps: 40,
        budget: if seed.is_multiple_of(2) { 64 << 20 } else { 260_000 },
        mix: [Mix::Mixed, Mix::Small, Mix::Large][(seed % 3) as usize],
        end: if seed % 4 < 2 { End::Closed } else { End::Abandoned },
        pause_ms: 0,
    })
}

fn check(checker: &mut Checker, lived: &Lived, seed: u64, folder: &Path) -> Result<Found, Failure> {
    let mut chance = Chance::new(seed);
    let mut files = lived.files.clone();
    let names: Vec<String> =
        files.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(name, _)| name.clone()).collect();
    let mut flips = Vec::new();
    for _ in 0..=chance.below(MOST) {
        let file = &names[chance.below(names.len() as u64) as usize];
        let Some(bytes) = files.get_mut(file) else { continue };
        // One in eight hits the first page: there a single bit changes what the whole file is.
        let within = if chance.below(8) == 0 { bytes.len().min(4_096) } else { bytes.len() };
        let at = chance.below(within as u64) as usize;
        bytes[at] ^= 1 << chance.below(8);
        flips.push(format!("{file}:{at}"));
        // Half of them are few, so that each is seen alone.
        if chance.below(4) == 0 {
            break;
        }
    }
    let checked =
        lay_down(&files, folder).and_then(|()| checker.check(folder, lived.budget, &lived.book, Allowed::Loss));
    checked.map_err(|why| {
        let to = kept(&format!("rot-{seed}")).and_then(|to| lay_down(&files, &to).map(|()| to));
        flips.truncate(6);
        Failure::new(seed.to_string(), format!("{why} ({})", flips.join(", "))).kept(to.ok())
    })
}

/// Every bit of the identity key's file: it is refused, or it is the same key.
fn keys(seed: u64) -> Result<Runs, String> {
    let scratch = Scratch::in_memory("keys")?;
    let path = |name: &str| scratch.path().join(name);
    let origin = crate::scene::origin();
    let key = AcceptKey::from_seed([4; 32]);
    let identity = [seed as u8; 32];
    let accepted = Acceptance {
        sms: picket_record::encode::Name::parse("sms").map_err(|refusal| refusal.to_string())?,
        site: origin.site.clone(),
        gw: origin.gw.clone(),
        identity: IdentityKey::from_seed(identity).public(),
        receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        ts_ms: 0,
        by: "Ada".into(),
    };
    let signed = accepted.sign(&key).map_err(|refusal| refusal.to_string())?;
    let text = base64url(&identity) + "\n";
    let write = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes)
            .and_then(|()| fs::set_permissions(path(name), Permissions::from_mode(0o600)))
            .map_err(|error| format!("{name}: {error}"))
    };
    write("accept.pub", key.public().text().as_bytes())?;
    let place = Place {
        file: path(DATABASE),
        budget_bytes: 64 << 20,
        identity: path("identity.key"),
        acceptance: path("acceptance.jws"),
        accept_key: path("accept.pub"),
        root: path("root.jws"),
        retention_days: 30,
    };
    let mut runs = Runs::default();
    for (name, whole) in [("identity.key", text.as_bytes()), ("acceptance.jws", signed.line.as_bytes())] {
        write("identity.key", text.as_bytes())?;
        write("acceptance.jws", signed.line.as_bytes())?;
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            write(name, &bytes)?;
            let taken = place.credentials(origin.site.as_str(), origin.gw.as_str());
            let same = taken.as_ref().is_ok_and(|taken| taken.identity.public() == accepted.identity);
            // An acceptance is signed, so that no bit of it may turn; a key may be read from a text that says the same.
            let outcome = match taken {
                Err(_) => Ok(Found::default()),
                Ok(_) if same && name == "identity.key" => Ok(Found::default()),
                Ok(_) => Err(Failure::new(format!("{name}:{bit}"), "it is taken, changed as it is".to_owned())),
            };
            runs.took(outcome);
        }
    }
    Ok(runs)
}
