//! Commands about gateways: which are accepted, which are believed no longer, how they are.

use crate::{Usage, existing, name, ordering, say};
use picket_central::clock::Clock;
use picket_central::custody;
use picket_central::status;
use picket_central::store::{Accepted, Store};
use picket_record::acceptance::Acceptance;
use picket_record::encode::Name;
use picket_record::keys::PublicKey;
use std::error::Error;
use std::path::Path;

/// Largest number of a record.
const SEQ_MAX: u64 = (1 << 53) - 1;

pub(crate) fn accept(
    dir: &Path,
    [site, gw, identity]: [&str; 3],
    by: String,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let (site, gw) = (name("--site", site)?, name("--gateway", gw)?);
    let identity = PublicKey::parse(identity).map_err(|refusal| {
        Usage(format!("--identity: {refusal}; give it as `picket identity` prints it on the gateway"))
    })?;
    ordering::absent(out)?;
    let by = ordering::by(&by)?;
    let custody = existing(dir)?;
    let mut store = Store::open(&custody.store())?;
    if let Some(line) = store.acceptance(&site, &gw, &identity)? {
        custody::write_new(out, &line)?;
        say(custody.accept_pub()?.text());
        return Ok(());
    }
    let acceptance = Acceptance {
        sms: custody.sms()?,
        site,
        gw,
        identity,
        receipt_key: custody.receipt_key()?.public(),
        ts_ms: Clock::start().now().wall_ms,
        by,
    };
    let signed = acceptance.sign(&custody.accept_key()?).map_err(|refusal| Usage(format!("--by: {refusal}")))?;
    let Acceptance { site, gw, identity, .. } = acceptance;
    if let Some(known) = status::gateways(&custody.store())?.into_iter().find(|known| known.gw == gw.as_str()) {
        let site = known.site;
        let why = format!("gateway {gw} was accepted before, at site {site}; its name stands for one site and one key");
        return Err(Usage(format!("{why}: give the new gateway another name")).into());
    }
    let accepted = Accepted { site, gw, identity, link: signed.link };
    store.accept(&signed.line, &accepted)?;
    custody::write_new(out, &signed.line)?;
    say(custody.accept_pub()?.text());
    Ok(())
}

pub(crate) fn revoke(dir: &Path, gateway: &str, after: u64, by: &str) -> Result<(), Box<dyn Error>> {
    let (custody, gw) = (existing(dir)?, name("--gateway", gateway)?);
    let by = ordering::by(by)?;
    if after > SEQ_MAX {
        return Err(Usage("--after is a number below 2^53".into()).into());
    }
    if !status::gateways(&custody.store())?.iter().any(|known| known.gw == gateway) {
        return Err(
            Usage(format!("no gateway {gateway:?} was accepted here; picket-central gateways lists all")).into()
        );
    }
    Store::open(&custody.store())?.revoke(&gw, after, &by, Clock::start().now().wall_ms)?;
    gateways(dir, Some(gateway))
}

pub(crate) fn close_alarm(dir: &Path, gateway: &str, alarm: &str, by: &str) -> Result<(), Box<dyn Error>> {
    let (custody, gw) = (existing(dir)?, name("--gateway", gateway)?);
    let by = ordering::by(by)?;
    if !Store::open(&custody.store())?.close_alarm(&gw, alarm, &by, Clock::start().now().wall_ms)? {
        let all = format!("picket-central gateways --dir {} --gateway {gateway} lists them", dir.display());
        let why = "its gateway closes it, or nobody knows it";
        return Err(Usage(format!("no alarm {alarm:?} of {gateway} waits to be closed here: {why}; {all}")).into());
    }
    gateways(dir, Some(gateway))
}

pub(crate) fn gateways(dir: &Path, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let custody = existing(dir)?;
    let mut gateways = status::gateways(&custody.store())?;
    if let Some(only) = only {
        gateways.retain(|gateway| gateway.gw == only);
        if gateways.is_empty() {
            let all = "without --gateway all are listed";
            return Err(Usage(format!("no gateway {only:?} was accepted here; {all}")).into());
        }
    }
    say(status::table(&gateways).trim_end());
    if let Some(only) = only {
        say(status::details(&custody.store(), &Name::parse(only)?)?.trim_end());
    }
    Ok(())
}
