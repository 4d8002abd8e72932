//! `picket enroll`: the gateway's half of becoming known to a central system.

use super::make_identity;
use crate::{refuse, say};
use picket::enrolment::{ANSWER_MAX, Token};
use picket::settings::{self, Loaded};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// With a token: makes the key and the request. With the answer: installs what it says.
pub(crate) fn enroll(config: &Path, token: Option<&Path>, answer: Option<&Path>, out: &Path) -> ExitCode {
    let loaded = match settings::load(config) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::from(2);
        }
    };
    let done = match (token, answer) {
        (Some(token), None) => ask(&loaded, token, out),
        (None, Some(answer)) => install(&loaded, answer),
        _ => {
            eprintln!("picket enroll: name --token FILE to begin, or --answer FILE to end");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(text) => {
            say(text);
            ExitCode::SUCCESS
        }
        Err(why) => refuse(&why),
    }
}

/// The token waits beside the key for the answer.
fn kept_token(loaded: &Loaded) -> PathBuf {
    loaded.journal.identity.with_file_name("enrolment.token")
}

fn ask(loaded: &Loaded, token: &Path, out: &Path) -> Result<String, String> {
    let (site, gateway) = (&loaded.plan.site, &loaded.plan.gateway);
    let token = Token::read(&read(token)?, site, gateway).map_err(|fault| fault.to_string())?;
    let file = &loaded.journal.identity;
    make_identity(file).map_err(|error| format!("{}: cannot make the identity key: {error}", file.display()))?;
    let key = picket::journal::identity(file).map_err(|fault| picket::journal::told(&fault))?;
    let now = picket::clock::Clock::new(loaded.clock).now();
    let csr = certificate::begin(loaded)?;
    let request = token.request(&key, &machine(), (now.utc_ms.unwrap_or(0), now.judged_ms()), csr);
    let request = request.map_err(|fault| fault.to_string())?;
    replace(&kept_token(loaded), &format!("{}\n", token.line()))?;
    replace(out, &format!("{request}\n"))?;
    let fingerprint = key.public().fingerprint();
    let code = QrCode::new(fingerprint.replace(' ', "")).map_err(|error| format!("no QR code: {error}"))?;
    // Blocks are lit at a console, so they are the light half of the code, and its margin shows on any ground.
    let mut blocks = code.render::<Dense1x2>();
    let code = blocks.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
    let (sms, out) = (token.sms(), out.display());
    Ok(format!(
        "Fingerprint of this gateway's key:\n\n    {fingerprint}\n\n{code}\n\
         The request is in {out}. Bring it to {sms}:\n\
         \n    picket-central approve --request {out} --by \"N. N.\" --out answer.jws ...\n\n\
         and read the fingerprint above to the one who approves there. Then, here:\n\
         \n    picket enroll --answer answer.jws"
    ))
}

fn install(loaded: &Loaded, answer: &Path) -> Result<String, String> {
    let kept = kept_token(loaded);
    let (site, gateway) = (&loaded.plan.site, &loaded.plan.gateway);
    let line = read(&kept).map_err(|why| format!("{why}; begin with: picket enroll --token FILE"))?;
    let token = Token::read(&line, site, gateway).map_err(|fault| fault.to_string())?;
    let key = picket::journal::identity(&loaded.journal.identity).map_err(|fault| picket::journal::told(&fault))?;
    let answer = token.answered(&key.public(), &read(answer)?).map_err(|fault| fault.to_string())?;
    let place = &loaded.journal;
    for (file, text) in [(&place.root, &answer.root), (&place.acceptance, &answer.acceptance)] {
        let other = fs::read_to_string(file).ok().filter(|found| found != text);
        if other.is_some() {
            let file = file.display();
            return Err(format!(
                "{file} holds something else: this gateway is known already. A new enrolment needs a new gateway name; \
                 move the old file away only if its records are no longer wanted here"
            ));
        }
    }
    let certified = certificate::end(loaded, &answer)?;
    replace(&place.root, &answer.root)?;
    replace(&place.acceptance, &answer.acceptance)?;
    // It was for once: the centre refuses it from here on, and nothing here needs it.
    fs::remove_file(&kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let (root, acceptance) = (place.root.display(), place.acceptance.display());
    Ok(format!(
        "{} accepted {site}/{gateway} ({}). {root} and {acceptance} are in place{certified}; start the agent.",
        token.sms(),
        answer.by
    ))
}

/// The certificate of the central link, where that has slots for it.
mod certificate {
    use picket::certificate::{Content, Origin, Slot, Slots, Step, read_answer, wish};
    use picket::enrolment::Answer;
    use picket::settings::Loaded;
    use picket_record::encode::Name;

    fn slots(loaded: &Loaded) -> Result<Option<Slots>, String> {
        let Some(Origin::Slots(dir)) = loaded.certificate.as_ref().map(|source| &source.own) else { return Ok(None) };
        Slots::open(dir).map(Some).map_err(|fault| fault.to_string())
    }

    /// Makes a key in the first slot, or takes the one that is there; the request for its certificate.
    pub(super) fn begin(loaded: &Loaded) -> Result<Option<Vec<u8>>, String> {
        let Some(slots) = slots(loaded)? else { return Ok(None) };
        let told = |fault: picket::certificate::SlotFault| fault.to_string();
        let disk = slots.look().map_err(told)?;
        if disk.in_force().is_some() {
            return Ok(None);
        }
        if disk.of(Slot::A) != Content::Key {
            slots.take(Step::Clear(Slot::A), b"").map_err(told)?;
            slots.take(Step::MakeKey(Slot::A), wish::new_key()?.as_bytes()).map_err(told)?;
        }
        let key = slots.key(Slot::A).map_err(told)?.ok_or("the key of the certificate is gone")?;
        wish::request(&key, &loaded.plan.gateway).map(Some)
    }

    /// Puts the certificate of an answer in force: there is none before it that could be lost.
    pub(super) fn end(loaded: &Loaded, answer: &Answer) -> Result<String, String> {
        let Some(slots) = slots(loaded)? else { return Ok(String::new()) };
        let told = |fault: picket::certificate::SlotFault| fault.to_string();
        let disk = slots.look().map_err(told)?;
        let asked = disk.in_force().is_none() && disk.of(Slot::A) == Content::Key;
        let (Some(line), true) = (&answer.certificate, asked) else {
            let why = ", without a certificate: picket renew asks for one once the agent runs";
            return Ok(if asked { why.into() } else { String::new() });
        };
        let gw = Name::parse(&loaded.plan.gateway).map_err(|refusal| refusal.to_string())?;
        let key = slots.key(Slot::A).map_err(told)?.ok_or("the key of the certificate is gone")?;
        let (own, _) = read_answer(line, &answer.receipt_keys, &gw, &key, None).map_err(|fault| fault.to_string())?;
        slots.take(Step::Store(Slot::A), &own.certificate).map_err(told)?;
        slots.take(Step::Point(Slot::A), b"").map_err(told)?;
        slots.take(Step::Seal(Slot::A), b"").map_err(told)?;
        Ok(", and the certificate of the link".into())
    }
}

/// What kind of box this is, for the person who approves.
fn machine() -> String {
    let files = ["/proc/device-tree/model", "/sys/class/dmi/id/product_name"];
    let model = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let parts = [model.trim_matches(['\0', '\n', ' ']).to_owned(), host.trim().to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A document as text; `-` is what comes in.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let told = |error| format!("{}: cannot read: {error}", file.display());
    let mut text = String::new();
    let opened: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(file).map_err(told)?),
    };
    opened.take(ANSWER_MAX).read_to_string(&mut text).map_err(told)?;
    Ok(text)
}

/// Writes a file whole and durable, or leaves the one before.
pub(super) fn replace(file: &Path, text: &str) -> Result<(), String> {
    picket::secrecy::replace(file, text.as_bytes())
        .map_err(|error| format!("{}: cannot write: {error}", file.display()))
}
