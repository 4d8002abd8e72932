//! The play: what happens when, and what the page shows of it.

use crate::agent;
use crate::failure::{Doing, Failure};
use crate::installer::Places;
use crate::page::Page;
use crate::programs::Program;
use crate::quiet::Quiet;
use crate::screen::Screen;
use crate::story::CAMERA;
use simulator::ledger::{Certainty, Entry, Expected};
use simulator::product::Product;
use simulator::shells::relay::Relay;
use simulator::virtual_site::{DOOR_N1, DOOR_N2, DOOR_S1, DOOR_W1, VirtualSite};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Length of the script as its moments are written, in seconds.
pub(crate) const WRITTEN_S: u64 = 50;
/// The moment at which the calibration of the fence expires, as written.
pub(crate) const EXPIRES_S: u64 = 20;
/// Longest wait for the page to show something.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// A quiet act that takes time is begun only so long before the next step.
const ROOM: Duration = Duration::from_millis(3_500);
/// Events of one camera in the moment of the kill, each on an input of its own.
const BURST: u8 = 20;

/// Everything on the stage.
#[derive(Debug)]
pub(crate) struct Play<'p> {
    pub(crate) site: VirtualSite,
    pub(crate) page: Page,
    pub(crate) link: Relay,
    pub(crate) agent: Option<Program>,
    pub(crate) quiet: Quiet,
    pub(crate) screen: Screen,
    pub(crate) product: &'p Product,
    pub(crate) places: &'p Places,
    /// Turns true when somebody wants the end: what is left is played without pauses.
    pub(crate) hurry: watch::Receiver<bool>,
    /// The expiry of a calibration, until it was seen.
    pub(crate) expiry: Option<Entry>,
    /// Alarms that the page did not show in time.
    pub(crate) not_shown: u64,
}

/// When the steps of one round come.
#[derive(Debug, Clone, Copy)]
struct Times {
    start: Instant,
    length: Duration,
}

impl Times {
    fn at(self, written_s: u64) -> Instant {
        let part = u32::try_from(written_s).expect("moments of the script are below a minute");
        let whole = u32::try_from(WRITTEN_S).expect("the script is below a minute");
        self.start + self.length * part / whole
    }
}

impl Play<'_> {
    /// Plays the script once.
    pub(crate) async fn round(&mut self, number: u32, length: Duration) -> Result<(), Failure> {
        let times = Times { start: Instant::now(), length };
        self.with_link(number, times).await?;
        self.without_link(number, times).await?;
        self.quiet_until(times.at(WRITTEN_S)).await
    }

    async fn with_link(&mut self, number: u32, times: Times) -> Result<(), Failure> {
        self.screen.step("quiet: doors with a right, motion, good seals", "");
        self.quiet_until(times.at(5)).await?;
        let step = "camera covered";
        let entry = self.site.cover(step, "CAM-02", true).await.doing(step)?;
        self.shown(step, "CAM-02", entry, "view-lost/CAM-02").await?;

        self.quiet_until(times.at(8)).await?;
        let step = "door forced";
        let (entry, _) = self.site.force(step, DOOR_N1, Certainty::Must).await.doing(step)?;
        self.shown(step, "DOOR-N1", entry, "door-forced/DOOR-N1").await?;
        self.guard_acknowledges("door-forced/DOOR-N1", "DOOR-N1", &[]).await?;
        self.site.acknowledged("door-forced/DOOR-N1");

        self.quiet_until(times.at(11)).await?;
        self.site.cover("camera uncovered", "CAM-02", false).await.doing("camera uncovered")?;
        self.site.shut("door shut", DOOR_N1, Certainty::Must).await.doing("door shut")?;
        self.screen.step("camera uncovered, door shut", "");

        self.quiet_until(times.at(14)).await?;
        self.wrong_seal("wrong seal", "SR-1", number).await?;

        self.quiet_until(times.at(16)).await?;
        let step = "unlisted device";
        let entry = self.site.stranger(step, true).await.doing(step)?;
        let stranger = self.site.stranger_name();
        self.shown(step, &stranger, entry, &format!("view-lost/unlisted:{stranger}")).await?;
        self.site.scan("good seal", "SR-1", "ML4410021", true).await.doing("good seal")?;
        self.screen.step("good seal at SR-1", "");

        self.quiet_until(times.at(18)).await?;
        let step = "panel in alarm";
        let entry = self.site.panel(step, true).await.doing(step)?;
        self.shown(step, "PANEL-1", entry, "panel-alarm/PANEL-1").await?;

        self.quiet_until(times.at(EXPIRES_S)).await?;
        if let Some(entry) = self.expiry.take() {
            self.shown("calibration expired", CAMERA, entry, &format!("calibration-overdue/{CAMERA}")).await?;
            self.story().await?;
        }
        self.site.panel("panel at rest", false).await.doing("panel at rest")?;
        self.site.stranger("unlisted device", false).await.map(drop).doing("unlisted device")
    }

    async fn without_link(&mut self, number: u32, times: Times) -> Result<(), Failure> {
        self.quiet_until(times.at(23)).await?;
        self.site.note("link", "", "central link cut", &[]).doing("cutting the link")?;
        self.link.shut();
        self.screen.step("central link cut", "");

        self.quiet_until(times.at(26)).await?;
        let step = "door forced without link";
        let (entry, _) = self.site.force(step, DOOR_S1, Certainty::Must).await.doing(step)?;
        self.shown(step, "DOOR-S1", entry, "door-forced/DOOR-S1").await?;
        self.wrong_seal("wrong seal without link", "SR-2", number).await?;

        self.quiet_until(times.at(29)).await?;
        self.kill_and_restart(number).await?;

        self.quiet_until(times.at(35)).await?;
        let step = "door forced after restart";
        let (entry, _) = self.site.force(step, DOOR_W1, Certainty::Must).await.doing(step)?;
        self.shown(step, "DOOR-W1", entry, "door-forced/DOOR-W1").await?;

        self.quiet_until(times.at(38)).await?;
        self.site.shut("door shut", DOOR_N2, Certainty::May).await.doing("door shut")?;
        self.site.shut("door shut", DOOR_S1, Certainty::Must).await.doing("door shut")?;
        self.site.shut("door shut", DOOR_W1, Certainty::Must).await.doing("door shut")?;
        self.site.scan("good seal", "SR-2", "HK7730155", true).await.doing("good seal")?;
        self.screen.step("doors shut, good seal at SR-2", "");

        self.quiet_until(times.at(41)).await?;
        self.site.note("link", "", "central link back", &[]).doing("mending the link")?;
        self.link.open();
        let back = Instant::now();
        let up = self.page.until(SHOWN_WITHIN, |view| view.status["link"]["up"].as_bool().filter(|up| *up)).await;
        let told = match up {
            Some(_) => format!("connected again after {} ms", back.elapsed().as_millis()),
            None => format!("not connected after {} s", SHOWN_WITHIN.as_secs()),
        };
        self.screen.step("central link back", &told);
        Ok(())
    }

    async fn wrong_seal(&mut self, step: &str, reader: &str, number: u32) -> Result<(), Failure> {
        let seal = format!("XX{number:07}");
        let entry = self.site.scan(step, reader, &seal, false).await.doing(step)?;
        let alarm = format!("seal-mismatch/{reader}#{seal}");
        self.shown(step, reader, entry, &alarm).await?;
        // The good seal of the next truck does not clear the wrong one of this: a guard who looked closes it.
        let closed = Expected::new("alarm.closed", reader, "seal-mismatch");
        self.guard_acknowledges(&alarm, reader, &[closed]).await
    }

    /// A guard acknowledges, and `more` follows at once.
    async fn guard_acknowledges(&mut self, alarm: &str, eq: &str, more: &[Expected]) -> Result<(), Failure> {
        let step = "guard acknowledges";
        let act = Expected::new("act.acknowledged", eq, alarm);
        let expected: Vec<Expected> = [act].into_iter().chain(more.iter().cloned()).collect();
        let entry = self.site.note(step, eq, "acknowledged on the page", &expected).doing(step)?;
        self.page.acknowledge(alarm, "Demo Guard", "on my way").await?;
        let by = |view: &crate::page::View| {
            let open = view.list("alarms").iter().find(|open| open["id"] == alarm);
            open.map_or(Some(()), |open| open["acknowledged_by"].as_str().map(drop))
        };
        let seen = self.page.until(SHOWN_WITHIN, by).await;
        let took = self.site.clock().wall_ms() - entry.at_ms;
        let told = seen.map_or("not taken".to_owned(), |()| format!("shown to all after {took} ms"));
        self.screen.step(&format!("{step} {alarm}"), &told);
        Ok(())
    }

    /// The agent dies in the middle of a camera's events and just after it polled a door that was forced.
    async fn kill_and_restart(&mut self, number: u32) -> Result<(), Failure> {
        let step = "agent killed";
        for input in 1..=BURST {
            self.site.input(step, "CAM-04", input, number % 2 == 1).await.doing(step)?;
        }
        let (_, polled) = self.site.force(step, DOOR_N2, Certainty::May).await.doing(step)?;
        // Whether it was polled or not, the agent dies now.
        let polled = matches!(timeout(Duration::from_secs(2), polled).await, Ok(Ok(())));
        self.site.note(step, "", "SIGKILL", &[]).doing(step)?;
        if let Some(agent) = self.agent.take() {
            agent::kill(agent, &self.page).await?;
        }
        let when = if polled { "a forced door was polled" } else { "a door was forced" };
        self.screen.step("agent killed, the link still cut", &format!("in {BURST} camera events, as {when}"));
        let killed = Instant::now();
        self.agent = Some(agent::start(self.product, self.places, &mut self.site, &self.page).await?);
        self.screen.step("agent restarted", &format!("guards again after {} ms", killed.elapsed().as_millis()));
        Ok(())
    }

    /// Waits until the page shows what an act led to, and writes it down.
    async fn shown(&mut self, what: &str, place: &str, entry: Entry, id: &str) -> Result<(), Failure> {
        let at = self.page.until(SHOWN_WITHIN, |view| view.shown(id, entry.at_ms)).await;
        if let Some(at) = at {
            self.site.ledger().seen(entry, at).doing("noting what the page shows")?;
        }
        let told = match at {
            Some(at) => format!("on the page after {} ms", at - entry.at_ms),
            None => {
                self.not_shown += 1;
                format!("not on the page after {} s", SHOWN_WITHIN.as_secs())
            }
        };
        self.screen.step(&format!("{what}: {place}"), &told);
        Ok(())
    }

    /// Lets quiet things happen until a moment; not at all where somebody is in a hurry.
    pub(crate) async fn quiet_until(&mut self, moment: Instant) -> Result<(), Failure> {
        while Instant::now() < moment && !*self.hurry.borrow() {
            let hurried = moment - Instant::now() < ROOM;
            self.quiet.happen(&mut self.site, hurried).await?;
            let pause = Duration::from_millis(200 + self.quiet.below(600));
            let until = moment.min(Instant::now() + pause);
            // The pause is part of the play; whoever is in a hurry ends it.
            tokio::select! {
                () = sleep_until(until) => {}
                Ok(_) = self.hurry.wait_for(|hurry| *hurry) => {}
            }
        }
        Ok(())
    }
}
