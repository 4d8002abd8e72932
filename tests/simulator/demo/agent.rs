//! The agent from outside: started, waited for until it guards the whole site, killed, stopped.

use crate::failure::{Doing, Failure};
use crate::installer::Places;
use crate::page::{Page, View};
use crate::programs::Program;
use serde_json::Value;
use simulator::ledger::Expected;
use simulator::product::Product;
use simulator::virtual_site::VirtualSite;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait until the agent guards the site.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longest wait for an end in order: the agent itself allows its last try two seconds.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at a port: no event tells that it was opened.
const LOOK: Duration = Duration::from_millis(20);
/// Equipment that is polled.
const POLLED: [&str; 4] = ["IO-GATE-1", "IO-YARD-1", "PANEL-1", "DOOR-W1"];

/// Starts the agent and waits until it polls every device, listens at every port and hears the cameras.
pub(crate) async fn start(
    product: &Product,
    places: &Places,
    site: &mut VirtualSite,
    page: &Page,
) -> Result<Program, Failure> {
    site.free_ports().doing("freeing the serial ports")?;
    let started = Expected::new("act.started", "", "");
    site.note("agent", "", "agent started", &[started]).doing("noting the start")?;
    let log = places.log("picket");
    let agent = Program::run(&product.picket, &places.settings(), &log)?;
    tokio::select! {
        guarded = guards(site, page) => guarded?,
        () = agent.ended() => {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = told.lines().rev().take(12).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            return Err(Failure::new(format!("picket ended by itself; see {}\n{}", log.display(), last.join("\n"))));
        }
    }
    Ok(agent)
}

async fn guards(site: &mut VirtualSite, page: &Page) -> Result<(), Failure> {
    let late = || Failure::new(format!("picket does not guard the site after {} s", READY_WITHIN.as_secs()));
    page.until(READY_WITHIN, |view| POLLED.iter().all(|id| contact(view, id) == "seen").then_some(()))
        .await
        .ok_or_else(late)?;
    let until = Instant::now() + READY_WITHIN;
    while !site.ports_are_open().doing("looking at the serial ports")? {
        if Instant::now() > until {
            return Err(late());
        }
        sleep(LOOK).await;
    }
    // What a camera says is kept by the broker until somebody listens: once it is seen, the agent listens.
    let probe = site.clock().wall_ms();
    for on in [true, false] {
        site.input("agent", "CAM-01", 99, on).await.doing("asking for the cameras")?;
        site.cameras_delivered(READY_WITHIN).await.then_some(()).ok_or_else(late)?;
        page.until(READY_WITHIN, |view| seen_ms(view, "CAM-01").filter(|at| *at >= probe)).await.ok_or_else(late)?;
    }
    Ok(())
}

/// Kills the agent and waits until its page is gone.
pub(crate) async fn kill(agent: Program, page: &Page) -> Result<(), Failure> {
    agent.kill()?;
    let gone = page.until(READY_WITHIN, |view| view.status.is_null().then_some(())).await;
    gone.ok_or_else(|| Failure::new("the page of a killed agent still answers"))
}

fn equipment<'v>(view: &'v View, id: &str) -> Option<&'v Value> {
    view.list("equipment").iter().find(|equipment| equipment["id"] == id)
}

fn contact<'v>(view: &'v View, id: &str) -> &'v str {
    equipment(view, id).and_then(|equipment| equipment["contact"].as_str()).unwrap_or_default()
}

fn seen_ms(view: &View, id: &str) -> Option<i64> {
    equipment(view, id)?["seen_ms"].as_i64()
}
