//! The demo: a simulated site against the shipped programs, and a verdict from their stores.
//!
//! Exit codes: 0 nothing missing, doubled or unverified; 1 something is; 3 the demo could not be played.

mod agent;
mod arguments;
mod failure;
mod installer;
mod page;
mod programs;
mod quiet;
mod screen;
mod script;
mod story;
mod verdict;

use agent::STOP_WITHIN;
use arguments::Arguments;
use clap::Parser as _;
use failure::{Doing, Failure};
use installer::{Names, Network, Places};
use page::Page;
use programs::{Program, ask_aside};
use quiet::Quiet;
use screen::{Screen, Tone};
use script::{EXPIRES_S, Play, WRITTEN_S};
use simulator::clock::Clock;
use simulator::ledger::{Expected, Ledger};
use simulator::product::{self, Product, Profile};
use simulator::shells::{broker, relay::Relay};
use simulator::virtual_site::{EQUIPMENT, LINES, VirtualSite};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use story::CAMERA;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;
use verdict::{Stores, Verdict};

/// From the making of the settings to the first step of the script, about.
const LEAD: Duration = Duration::from_secs(3);
/// Longest wait for the central side to have everything.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for what the broker still holds when the agent has ended.
const ARRIVED_WITHIN: Duration = Duration::from_secs(15);
/// While the site goes on to be looked at, quiet things happen for so long at a time.
const LINGER: Duration = Duration::from_secs(3_600);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let screen = Screen::new(Clock::start());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: starting the runtime: {error}");
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(interruptible(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            screen.line(Tone::Bad, &format!("demo: {failure}"));
            ExitCode::from(3)
        }
    }
}

/// The first Ctrl-C hurries to the verdict; the second, SIGTERM and SIGHUP give up. Whatever was started ends with it.
async fn interruptible(arguments: &Arguments) -> Result<bool, Failure> {
    let (hurried, hurry) = watch::channel(false);
    let interrupts = async {
        tokio::signal::ctrl_c().await.doing("listening for Ctrl-C")?;
        hurried.send_replace(true);
        tokio::signal::ctrl_c().await.doing("listening for Ctrl-C")?;
        Err(Failure::new("given up"))
    };
    let mut terminate = signal(SignalKind::terminate()).doing("listening for SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).doing("listening for SIGHUP")?;
    tokio::select! {
        judged = demo(arguments, hurry) => judged,
        given_up = interrupts => given_up,
        _ = terminate.recv() => Err(Failure::new("terminated")),
        _ = hang_up.recv() => Err(Failure::new("terminated: the terminal is gone")),
    }
}

async fn demo(arguments: &Arguments, hurry: watch::Receiver<bool>) -> Result<bool, Failure> {
    let product = match &arguments.binaries {
        Some(folder) => Product::in_folder(folder),
        None => Product::build(Profile::Release),
    };
    let product = product.doing("looking for the shipped programs")?;
    let clock = Clock::start();
    let screen = Screen::new(clock);
    let places = Places::make(&folder(arguments, clock)?)?;
    let (site_broker, central_broker) = brokers(arguments).await?;
    let link = Relay::start(central_broker.clone()).await.doing("starting the link to the central side")?;
    let ledger = Ledger::create(&places.ledger()).doing("beginning the ledger")?;
    let names = Names::new(clock.wall_ms());
    let site = VirtualSite::start(clock, ledger, site_broker, &names.run).await;
    let (mut site, endpoints) = site.doing("starting the simulated site")?;
    let page_address = broker::free_port().doing("looking for a port for the page")?;
    let network = Network { names, link: link.address(), central: central_broker, page: page_address };

    let expires =
        LEAD + arguments.length() * u32::try_from(EXPIRES_S).unwrap_or(0) / u32::try_from(WRITTEN_S).unwrap_or(1);
    let due_ms = clock.wall_ms() + i64::try_from(expires.as_millis()).unwrap_or(0);
    let overdue = Expected::new("nonconformity.opened", CAMERA, "calibration-overdue");
    let expiry = site.ledger().act(due_ms, "calibration expired", CAMERA, "calibration expires", &[overdue]);
    let expiry = Some(expiry.doing("noting the expiry")?);
    let identity = installer::install(&places, &product, &endpoints, &network, clock.wall_ms(), due_ms)?;

    screen.line(Tone::Strong, &format!("Picket demo: {EQUIPMENT} pieces of equipment on {LINES} lines"));
    screen.line(Tone::Plain, &format!("files    {}", places.root().display()));
    let central = Program::run(&product.central, &places.central_settings(), &places.log("picket-central"))?;
    let page = Page::follow(network.page, clock);
    screen.line(Tone::Strong, &format!("page     {}\n", page.address()));
    let agent = Some(agent::start(&product, &places, &mut site, &page).await?);
    screen.step("both programs run, every device is heard", "");

    let quiet = Quiet::new(arguments.seed);
    let (product, places) = (&product, &places);
    let mut play = Play { site, page, link, agent, quiet, screen, product, places, hurry, expiry, not_shown: 0 };
    rounds(&mut play, arguments).await?;
    let evidence = evidence(&mut play, &identity).await?;
    // Where the export does not hold there is nothing to report on, and the verdict says so.
    let story = if evidence.verified { story::printed(&play, &identity).await? } else { String::new() };
    let not_shown = play.not_shown;
    stop(play, central).await?;
    let good = judge(&screen, places, (&network.names.gateway, &identity), not_shown, &evidence)?;
    screen.line(Tone::Strong, &format!("\nStory of {CAMERA}"));
    screen.line(Tone::Plain, &story);
    Ok(good)
}

/// The verdict, told; whether all is well.
fn judge(
    screen: &Screen,
    places: &Places,
    (gateway, identity): (&str, &str),
    not_shown: u64,
    evidence: &Evidence,
) -> Result<bool, Failure> {
    let (ledger, journal, central) = (&places.ledger(), &places.journal(), &places.store());
    let mut verdict = Verdict::of(&Stores { ledger, journal, central, gateway, identity })?;
    verdict.not_shown = not_shown;
    verdict.show(screen);
    screen.line(Tone::Strong, "\nEvidence");
    screen.line(Tone::Plain, &evidence.told);
    Ok(verdict.is_good() && evidence.verified)
}

fn folder(arguments: &Arguments, clock: Clock) -> Result<PathBuf, Failure> {
    if let Some(folder) = &arguments.dir {
        return Ok(folder.clone());
    }
    let own = product::own_folder().doing("looking for a place")?;
    let target = own.parent().unwrap_or(Path::new("target"));
    let name = simulator::clock::rfc3339(clock.wall_ms()).replace([':', '.'], "-");
    Ok(target.join("demo").join(name))
}

/// The broker of the site and that of the central side.
async fn brokers(arguments: &Arguments) -> Result<((String, u16), (String, u16)), Failure> {
    if let Some(named) = &arguments.broker {
        return Ok((named.clone(), named.clone()));
    }
    let site = broker::start("site").await.doing("starting the broker of the site")?;
    let central = broker::start("central").await.doing("starting the broker of the central side")?;
    let named = |address: std::net::SocketAddr| (address.ip().to_string(), address.port());
    Ok((named(site), named(central)))
}

async fn rounds(play: &mut Play<'_>, arguments: &Arguments) -> Result<(), Failure> {
    for number in 1.. {
        play.round(number, arguments.length()).await?;
        if !arguments.forever || *play.hurry.borrow() {
            break;
        }
    }
    if arguments.lingers() {
        play.screen.step("the script is over; the site goes on until Ctrl-C", &play.page.address());
        while !*play.hurry.borrow() {
            play.quiet_until(Instant::now() + LINGER).await?;
        }
    }
    Ok(())
}

/// What the shipped export and the shipped verifier say.
struct Evidence {
    verified: bool,
    told: String,
}

/// Exports from the running agent once the central side has acknowledged what it has, and verifies the export.
async fn evidence(play: &mut Play<'_>, identity: &str) -> Result<Evidence, Failure> {
    let acts = play.quiet.acts;
    play.screen.step(&format!("{acts} quiet acts in between; waiting for the drain"), "");
    let drained = |view: &page::View| {
        let waiting = view.status["link"]["waiting"].as_u64()?;
        let not_stored = view.status["journal"]["not_stored"].as_u64()?;
        (waiting == 0 && not_stored == 0).then_some(())
    };
    let drained = play.page.until(DRAINED_WITHIN, drained).await;
    play.screen.step("drained", drained.map_or("not within the time: the verdict will tell", |()| ""));
    let folder = play.places.evidence();
    let runtime = play.places.runtime();
    let picket = &play.product.picket;
    let export = ["export".into(), "--runtime".into(), runtime.into(), "--out".into(), folder.clone().into()];
    let purpose = ["--by".into(), "cargo demo".into(), "--reason".into(), "the verdict".into()];
    ask_aside(picket.clone(), [&export[..], &purpose].concat()).await?;
    let verify = ["verify".into(), folder.clone().into(), "--identity".into(), identity.into()];
    let command = format!("{} verify {} --identity {identity}", picket.display(), folder.display());
    Ok(match ask_aside(picket.clone(), verify.to_vec()).await {
        Ok(told) => {
            let told: String = told.lines().map(|line| format!("  {line}\n")).collect();
            Evidence { verified: true, told: format!("  {}\n{told}  verify it again: {command}", folder.display()) }
        }
        Err(failure) => Evidence { verified: false, told: format!("  not verified: {failure}\n  {command}") },
    })
}

/// Until the central store has the journal's last record, or the time is over: the broker may hold the last batch when
/// the agent has ended. Whether everything arrived is for the verdict to say.
async fn arrived(places: &Places) {
    let last = |path: &Path| {
        let db = rusqlite::Connection::open(path).ok()?;
        db.query_row("SELECT max(seq) FROM record", [], |row| row.get::<_, i64>(0)).ok()
    };
    let head = last(&places.journal());
    let deadline = Instant::now() + ARRIVED_WITHIN;
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while last(&places.store()) < head && Instant::now() < deadline {
        look.tick().await;
    }
}

/// The agent stops in order, then the central side.
async fn stop(mut play: Play<'_>, central: Program) -> Result<(), Failure> {
    let stopped = Expected::new("act.stopped", "", "");
    play.site.note("agent", "", "SIGTERM", &[stopped]).doing("noting the stop")?;
    if let Some(agent) = play.agent.take() {
        let status = agent.stop(STOP_WITHIN).await?;
        if !status.success() {
            return Err(Failure::new(format!(
                "picket stopped with {status}; see {}",
                play.places.log("picket").display()
            )));
        }
    }
    arrived(play.places).await;
    let status = central.stop(STOP_WITHIN).await?;
    play.screen.step("both programs stopped in order", "");
    if status.success() { Ok(()) } else { Err(Failure::new(format!("picket-central stopped with {status}"))) }
}
