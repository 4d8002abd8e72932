//! The fastest peer that was measured: Node-RED publishes events at QoS 1 to a mosquitto of its own, which keeps them and
//! bridges to the broker under test (QoS 1, `cleansession false`). Settings and messages are those of that measurement;
//! events are made in the flow, because a backlog at 50 polled events a second would take half an hour to grow.

use crate::broker::{Broker, free_ports};
use crate::leg::STOPS_IN;
use crate::process::{Process, output, told};
use crate::sink_log::SinkLog;
use crate::stand::Sink;
use crate::stopwatch::mono_ns;
use serde_json::json;
use simulator::product::{node, repository};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The newest that runs on Node.js 20.
const NODE_RED: &str = "4.1.15";
/// So many events at once, and so often: as fast as Node-RED publishes without its memory growing.
const BURST: u64 = 200;
const EVERY_S: &str = "0.05";
/// Slower than any: it has stopped.
const MAKES_PER_S: u64 = 200;

/// How its mosquitto is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bridge {
    /// As it was measured: 20 messages under way.
    AsMeasured,
    /// Nothing is held back: as fast as it can be made.
    Unbounded,
}

/// Node-RED, fetched.
#[derive(Debug)]
pub(crate) struct Peer {
    node: PathBuf,
    modules: PathBuf,
}

impl Peer {
    /// Fetches it from npm into `target/bench-peers` where it is not there yet.
    pub(crate) fn fetched(programs: &Path) -> Result<Self, String> {
        let target = programs.parent().unwrap_or(programs);
        let folder = target.join(format!("bench-peers/node-red-{NODE_RED}"));
        let node = node().map_err(|why| {
            let why = told(why);
            format!(
                "the peer of this job needs Node.js 20 or newer in .venv or on the path: run tests/run install ({why})"
            )
        })?;
        let version = output(Command::new(&node).arg("--version"))?;
        let peer = Self { node, modules: folder.join("node_modules") };
        // Written last: what was broken off is fetched again.
        let whole = folder.join("fetched");
        if !whole.exists() {
            println!("fetching node-red {NODE_RED} from npm into {}", folder.display());
            std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            // npm asks the path for Node.js; that of the wheel lies in .venv beside its starter.
            let path = std::env::var("PATH").unwrap_or_default();
            let path = format!("{}:{path}", repository().join(".venv/bin").display());
            let mut npm = Command::new("npm");
            npm.env("PATH", path);
            npm.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--no-save"]);
            npm.arg("--prefix").arg(&folder).arg(format!("node-red@{NODE_RED}"));
            output(&mut npm).map_err(|why| {
                format!(
                    "the peer of this job, node-red {NODE_RED}, cannot be fetched from npm: is there a network? {why}"
                )
            })?;
            std::fs::write(&whole, &version).map_err(|error| format!("{}: {error}", whole.display()))?;
        }
        Ok(peer)
    }

    /// For tables.
    pub(crate) fn name() -> String {
        format!("Node-RED {NODE_RED} with a mosquitto bridge")
    }

    /// Lets so many events pile up while the broker is away, brings it back and counts arrivals until all are there or
    /// the limit is over; the subscriber's log, and when the broker was started again.
    pub(crate) fn drain(
        &self,
        programs: &Path,
        folder: &Path,
        bridge: Bridge,
        events: u64,
        limit: Duration,
    ) -> Result<(SinkLog, u64), String> {
        std::fs::create_dir_all(folder.join("up")).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut broker = Broker::start(&folder.join("up"))?;
        let mut sink = Sink::start(programs, folder, "bench-sink", broker.port(), None)?;
        let local = Local::start(folder, bridge, broker.port())?;
        let mut piled = Sink::start(programs, folder, "piled", local.port, None)?;
        // Before a port that is spoken for is free for a while.
        let page = free_ports(1)?;
        broker.stop()?;
        let flows = self.run(folder, local.port, page, events)?;
        let makes_in = Duration::from_secs(60 + events / MAKES_PER_S);
        piled.until("the peer's events are with its own mosquitto", makes_in, |log| log.counted() >= events)?;
        piled.stop()?;
        let up = mono_ns();
        broker.resume()?;
        // What it loses is counted, and not an error of this run.
        let arrived = sink.until("the peer's backlog arrives", limit, |log| log.counted() >= events);
        if let Err(why) = arrived {
            println!("{why}");
        }
        flows.stop(STOPS_IN)?;
        local.process.stop(STOPS_IN)?;
        let log = sink.stop()?;
        broker.stop()?;
        Ok((log, up))
    }

    fn run(&self, folder: &Path, local: u16, page: u16, events: u64) -> Result<Process, String> {
        let user = folder.join("node-red");
        let write = std::fs::create_dir_all(&user)
            .and_then(|()| std::fs::write(user.join("flows.json"), flows(local, events).to_string()))
            .and_then(|()| std::fs::copy(self.modules.join("node-red/settings.js"), user.join("settings.js")));
        write.map_err(|error| format!("{}: {error}", user.display()))?;
        let mut command = Command::new(&self.node);
        command.arg(self.modules.join("node-red/red.js")).arg("-u").arg(&user).arg("-s").arg(user.join("settings.js"));
        command.args(["-p", &page.to_string(), "-D", "uiHost=127.0.0.1", "flows.json"]).current_dir(&user);
        Process::start(&mut command, &folder.join("node-red.log"))
    }
}

/// The mosquitto beside Node-RED.
struct Local {
    process: Process,
    port: u16,
}

impl Local {
    fn start(folder: &Path, bridge: Bridge, up: u16) -> Result<Self, String> {
        let mut held = Broker::start(&folder.join("local"))?;
        let port = held.port();
        held.stop()?;
        let kept = folder.join("local/kept");
        let unbounded = match bridge {
            Bridge::AsMeasured => "",
            Bridge::Unbounded => "max_inflight_messages 0\nset_tcp_nodelay true\n",
        };
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             max_queued_messages 0\nqueue_qos0_messages true\nuser root\n{unbounded}\
             connection up\naddress 127.0.0.1:{up}\ntopic # out 1\ncleansession false\nremote_clientid bench-bridge\n\
             local_clientid bench-bridge-local\nnotifications false\ntry_private false\nrestart_timeout 2\n",
            kept.display()
        );
        let file = folder.join("local/mosquitto.conf");
        std::fs::write(&file, settings).map_err(|error| format!("{}: {error}", file.display()))?;
        let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
        let process = Process::start(Command::new(program).arg("-c").arg(&file), &folder.join("local.log"))?;
        Ok(Self { process, port })
    }
}

/// An inject node, a function that makes events as the measurement's flow did, and an `mqtt out` at QoS 1.
fn flows(local: u16, events: u64) -> serde_json::Value {
    let make = format!(
        "let n = context.get('n') || 0; const out = [];\n\
         for (let i = 0; i < {BURST} && n < {events}; i++, n++)\n  \
         out.push({{topic: 'nr/' + n % 10, payload: {{ts: Date.now(), v: {{0: n}}}}}});\n\
         context.set('n', n); return out.length ? [out] : null;"
    );
    json!([
        { "id": "tab", "type": "tab", "label": "bench" },
        { "id": "broker", "type": "mqtt-broker", "name": "", "broker": "127.0.0.1", "port": local.to_string(),
          "clientid": "nodered-bench", "autoConnect": true, "usetls": false, "protocolVersion": "4", "keepalive": "60",
          "cleansession": false, "autoUnsubscribe": true, "birthTopic": "", "closeTopic": "", "willTopic": "" },
        { "id": "out", "type": "mqtt out", "z": "tab", "name": "", "topic": "", "qos": "1", "retain": "",
          "broker": "broker", "x": 600, "y": 40, "wires": [] },
        { "id": "make", "type": "function", "z": "tab", "name": "", "func": make, "outputs": 1, "noerr": 0,
          "x": 300, "y": 40, "wires": [["out"]] },
        { "id": "tick", "type": "inject", "z": "tab", "name": "", "props": [{ "p": "payload" }], "repeat": EVERY_S,
          "crontab": "", "once": true, "onceDelay": "2", "topic": "", "payload": "", "payloadType": "date",
          "x": 100, "y": 40, "wires": [["make"]] }
    ])
}
