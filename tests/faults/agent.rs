//! The shipped agent on a disk that fails it: its budget used up to each mark, the file system full, the file system
//! read-only. Alarms are recorded, what is dropped is stated by severity, and it goes on by itself once it can.

use crate::check::Found;
use crate::full::fill;
use crate::halt::halt;
use crate::runs::{Failure, Run, Runs, Scratch, kept};
use crate::site::{BUDGET_MIB, Held, Site};
use crate::volume::Volume;
use crate::wait;
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

/// Its budget fits, and the log beside it.
const MIB: u64 = 3 * BUDGET_MIB;
/// Shares of the budget from which severity 0, then 2 and below, are dropped, and where the rest is kept for alarms.
const MARKS: [u16; 3] = [700, 850, 950];
/// Events of no weight that come while it is so full.
const MOTIONS: u64 = 40;
const UNMOUNTS: Duration = Duration::from_secs(60);

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let (mut runs, began) = (Runs::default(), Instant::now());
    let mut one = |name: String, case: &dyn Fn(&Path) -> Result<Held, String>| -> Result<(), String> {
        if run.only.as_ref().is_some_and(|only| *only != name) {
            return Ok(());
        }
        let scratch = Scratch::in_memory("agent")?;
        let outcome = case(scratch.path()).map(|held| {
            println!("  {name}: {held:?}");
            Found { records: held.records, stated: held.dropped, ..Found::default() }
        });
        runs.took(outcome.map_err(|why| {
            let log = kept(&format!("agent-{name}"));
            let log = log.and_then(|to| {
                std::fs::copy(scratch.path().join("picket.log"), to.join("picket.log"))
                    .map(|_| to)
                    .map_err(|error| error.to_string())
            });
            Failure::new(name, why).kept(log.ok())
        }));
        Ok(())
    };
    for mark in MARKS {
        one(format!("budget-{mark}"), &|scratch| budget(scratch, mark))?;
    }
    one("disk-full".into(), &disk_full)?;
    one("read-only".into(), &read_only)?;
    runs.took = began.elapsed();
    Ok(runs)
}

/// The budget is used up to a mark without a receipt; then the central side comes, and space is made.
fn budget(scratch: &Path, mark: u16) -> Result<Held, String> {
    let volume = Volume::make(scratch, MIB, "")?;
    let mut site = Site::make(scratch, &volume.path().join("state/journal.db"))?;
    site.fill_to(mark)?;
    site.start()?;
    site.motion(0, MOTIONS)?;
    let full = site.until("events of no weight are dropped", |status| dropped(status) > 0)?;
    site.covered(1, true)?;
    let alarm = site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"] == true)?;
    if [&full, &alarm].iter().any(|status| status["journal"]["fill_permille"].as_u64() < Some(u64::from(mark))) {
        return Err(format!("it is not that full: {}", alarm["journal"]));
    }
    site.start_central()?;
    let made = site.until("space is made", |status| {
        status["journal"]["fill_permille"].as_u64() < Some(700) && status["link"]["waiting"] == 0
    })?;
    let (before, head) = (dropped(&made), made["journal"]["head"].as_u64());
    site.motion(1_000, MOTIONS)?;
    let after = site.until("events are recorded again", |status| {
        status["journal"]["head"].as_u64() >= head.map(|head| head + MOTIONS) && status["journal"]["not_stored"] == 0
    })?;
    if dropped(&after) != before {
        return Err(format!("{before} events were dropped, and then {}", dropped(&after)));
    }
    site.broker_lives()?;
    let held = site.stop()?;
    // From each mark on what it names goes, and never more.
    let most = if mark < 850 { 0 } else { 2 };
    if held.dropped != before || held.worst > most || held.alarms != 1 || held.disposed == 0 {
        return Err(format!("{before} events were dropped: {held:?}"));
    }
    Ok(held)
}

/// Somebody else fills the file system to its last block.
fn disk_full(scratch: &Path) -> Result<Held, String> {
    let volume = Volume::make(scratch, MIB, "")?;
    let mut site = Site::make(scratch, &volume.path().join("state/journal.db"))?;
    site.start()?;
    site.motion(0, MOTIONS)?;
    site.until("events are recorded", |status| status["journal"]["head"].as_u64() > Some(MOTIONS))?;
    let filler = volume.path().join("filler");
    fill(&volume, &filler, 0)?;
    site.covered(1, true)?;
    // The log has room for a while; what comes then is refused.
    let mut n = 1_000;
    let end = Instant::now() + UNMOUNTS;
    while site.until("it answers", |_| true)?["journal"]["fault"].is_null() {
        site.motion(n, MOTIONS)?;
        n += MOTIONS;
        if Instant::now() > end {
            return Err("a full disk was not noticed".into());
        }
    }
    std::fs::remove_dir_all(&filler).map_err(|error| format!("{}: {error}", filler.display()))?;
    goes_on(&mut site)
}

/// The file system finds an error in itself and takes no more; it is unmounted, mended and mounted again below the agent.
fn read_only(scratch: &Path) -> Result<Held, String> {
    let mut volume = Volume::make(scratch, MIB, "errors=remount-ro")?;
    let mut site = Site::make(scratch, &volume.path().join("state/journal.db"))?;
    site.start()?;
    site.motion(0, MOTIONS)?;
    site.until("events are recorded", |status| status["journal"]["head"].as_u64() > Some(MOTIONS))?;
    stopped(&mut site, true)?;
    volume.fail()?;
    stopped(&mut site, false)?;
    site.covered(1, true)?;
    let alarm = |status: &serde_json::Value| !status["journal"]["fault"].is_null() && !status["alarms"][0].is_null();
    let shown = site.until("it tells of the fault and shows the alarm", alarm)?;
    if shown["alarms"][0]["recorded"] == true {
        return Err("the alarm is shown as recorded on a disk that takes nothing".into());
    }
    let end = Instant::now() + UNMOUNTS;
    loop {
        stopped(&mut site, true)?;
        match volume.try_unmount() {
            Ok(()) => break,
            Err(why) if Instant::now() > end => return Err(why),
            // It was stopped in the middle of a try, with a file open.
            Err(_) => stopped(&mut site, false)?,
        }
        wait::pause(Duration::from_millis(3))?;
    }
    volume.repair()?;
    volume.mount("")?;
    volume.remount("ro")?;
    stopped(&mut site, false)?;
    site.until("it still tells of the fault", alarm)?;
    volume.remount("rw")?;
    goes_on(&mut site)
}

fn goes_on(site: &mut Site) -> Result<Held, String> {
    let status = site.until("the alarm is recorded once it can be", |status| {
        let journal = &status["journal"];
        journal["fault"].is_null() && journal["not_stored"] == 0 && status["alarms"][0]["recorded"] == true
    })?;
    site.broker_lives()?;
    let held = site.stop()?;
    if held.dropped != dropped(&status) || held.alarms != 1 {
        return Err(format!("{} events were dropped: {held:?}", dropped(&status)));
    }
    Ok(held)
}

fn stopped(site: &mut Site, stopped: bool) -> Result<(), String> {
    let agent = site.agent.as_mut().ok_or("no agent runs")?;
    if stopped { halt(agent) } else { agent.signal(Signal::CONT).map_err(crate::told) }
}

fn dropped(status: &serde_json::Value) -> u64 {
    status["journal"]["dropped"].as_u64().unwrap_or(0)
}
