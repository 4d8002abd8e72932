//! An installed site as an installer makes it: settings, keys, acceptance; its two programs from outside.

use crate::enrolment::fingerprint;
use crate::programs::{Program, ask, free_port, product, until};
use serde_json::Value;
use simulator::product::{Parties, central_settings, output};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for one answer, which is then asked for again.
const ANSWER: Duration = Duration::from_secs(5);
/// The gateway in the settings.
pub(crate) const GATEWAY: &str = "gw-1";

const REGISTER: &str = r#"
[[equipment]]
id = "CAM-07"
kind = "camera"
place = "Yard, north mast"

[[equipment]]
id = "CAM-08"
kind = "camera"
place = "Yard, south mast"
"#;

/// One site with its folder.
pub(crate) struct Installation {
    folder: TempDir,
    page: u16,
    /// Public identity key of the gateway.
    pub(crate) identity: String,
}

impl Installation {
    /// A site with two cameras at the site's broker; ports of the two brokers.
    pub(crate) fn make(site_broker: u16, central_broker: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut site = Self { folder, page: free_port(), identity: String::new() };
        fs::create_dir(site.settings()).expect("made");
        let agent = site.agent_settings(site_broker, central_broker);
        fs::write(site.settings().join("agent.toml"), agent).expect("written");
        site.write_register(REGISTER);
        let (key, central, settings) = (site.path("identity.key"), site.path("central"), site.settings());
        let parties = Parties {
            site: "yard",
            gateway: GATEWAY,
            sms: "hq",
            by: "N. N.",
            key: &key,
            central: &central,
            settings: &settings,
        };
        site.identity = product().make_known(&parties).expect("the central side accepts the gateway");
        let settings = central_settings(&central, "127.0.0.1", central_broker);
        fs::write(site.path("central.toml"), settings).expect("written");
        site
    }

    fn agent_settings(&self, site_broker: u16, central_broker: u16) -> String {
        let (root, page) = (self.folder.path().display(), self.page);
        let camera = |number: u8| {
            format!(
                "[[device]]\nname = \"cam-{number}\"\nline = \"site\"\nprofile = \"onvif-camera\"\n\
                 prefix = \"cam-0{number}\"\nequipment = \"CAM-0{number}\"\n\n"
            )
        };
        format!(
            "[site]\nname = \"yard\"\ngateway = \"{GATEWAY}\"\n\n[clock]\naccept_unsynchronised = true\n\n\
             [journal]\nfile = \"{root}/state/journal.db\"\nbudget_mib = 64\n\n\
             [identity]\nkey = \"{root}/identity.key\"\nacceptance = \"acceptance.jws\"\naccept_key = \"accept.pub\"\n\
             root = \"root.jws\"\n\n\
             [central]\nbroker = \"mqtt://127.0.0.1:{central_broker}\"\n\n[console]\nlisten = \"127.0.0.1:{page}\"\n\n\
             [control]\nruntime = \"{root}/run\"\n\n[limits]\nheartbeat_s = 10\n\n\
             [[line]]\nname = \"site\"\nkind = \"mqtt\"\nbroker = \"mqtt://127.0.0.1:{site_broker}\"\n\n{}{}",
            camera(7),
            camera(8)
        )
    }

    /// A report of work on equipment to the running agent.
    pub(crate) fn work(&self, arguments: &[&str]) -> Output {
        let mut work = Command::new(&product().picket);
        work.arg("work").arg("--runtime").arg(self.path("run")).args(arguments);
        work.output().expect("picket starts")
    }

    /// A file or folder of this site.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Settings of the agent.
    pub(crate) fn settings(&self) -> PathBuf {
        self.path("settings")
    }

    /// Journal of the agent.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path("state/journal.db")
    }

    /// Store of the central side.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("central/central.db")
    }

    /// Port of the guards' page.
    pub(crate) fn page(&self) -> u16 {
        self.page
    }

    /// Replaces the register.
    pub(crate) fn write_register(&self, text: &str) {
        fs::write(self.settings().join("register.toml"), text).expect("written");
    }

    /// The agent, just started.
    pub(crate) fn spawn(&self, log: &str) -> Program {
        Program::start(self.run().env("PICKET_LOG", "debug"), &self.path(log))
    }

    /// The agent in a working folder, where the kernel may write cores of any size.
    pub(crate) fn spawn_without_core_limit(&self, log: &str, folder: &Path) -> Program {
        self.without_core_limit(&product().picket, &self.settings(), log, folder)
    }

    /// The central side, likewise.
    pub(crate) fn spawn_central_without_core_limit(&self, folder: &Path) -> Program {
        self.without_core_limit(&product().central, &self.path("central.toml"), "central.log", folder)
    }

    fn without_core_limit(&self, program: &Path, settings: &Path, log: &str, folder: &Path) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(program);
        command.arg("run").arg("--config").arg(settings).current_dir(folder);
        Program::start(&mut command, &self.path(log))
    }

    fn run(&self) -> Command {
        let mut command = Command::new(&product().picket);
        command.arg("run").arg("--config").arg(self.settings());
        command
    }

    /// The agent, once it answers.
    pub(crate) fn start(&self) -> Program {
        let mut agent = self.spawn("picket.log");
        until("the agent answers", || {
            agent.must_run();
            self.status()
        });
        agent
    }

    /// The agent, once it answers and listens at the site's broker.
    pub(crate) fn start_listening(&self) -> Program {
        let agent = self.start();
        self.until("the agent listens", |status| {
            let line = &status["lines"][0];
            (line["fault"].is_null() && agent.log().contains("connected")).then_some(())
        });
        agent
    }

    /// Runs the agent where it must refuse.
    pub(crate) fn refused(&self) -> Output {
        ask(&product().picket, &[Path::new("run"), Path::new("--config"), &self.settings()])
    }

    /// The central side, just started.
    pub(crate) fn spawn_central(&self) -> Program {
        let mut command = Command::new(&product().central);
        command.arg("run").arg("--config").arg(self.path("central.toml"));
        Program::start(&mut command, &self.path("central.log"))
    }

    /// The central side, once it listens.
    pub(crate) fn start_central(&self) -> Program {
        let mut central = self.spawn_central();
        until("the central side listens", || {
            central.must_run();
            (central.log().matches("subscribed").count() >= 2).then_some(())
        });
        central
    }

    /// The status of the running agent, by its socket.
    pub(crate) fn status(&self) -> Option<Value> {
        simulator::product::status(&self.path("run/control.sock"), ANSWER)
    }

    /// What the guards' page answers to one request, which has it close the connection.
    pub(crate) fn ask_page(&self, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The same for what lies at a path of it.
    pub(crate) fn get(&self, path: &str) -> io::Result<String> {
        let page = self.page;
        self.ask_page(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{page}\r\nConnection: close\r\n\r\n"))
    }

    /// Waits until the status shows something.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        let mut last = Value::Null;
        let found = crate::programs::within(crate::programs::DEADLINE, || {
            last = self.status()?;
            look(&last)
        });
        found.unwrap_or_else(|| panic!("{what}: not within the deadline; {last:#}"))
    }

    /// Waits until every record has a receipt; the number of the last one.
    pub(crate) fn until_receipted(&self) -> u64 {
        self.until("everything has a receipt", |status| {
            let settled = status["journal"]["not_stored"] == 0 && status["link"]["waiting"] == 0;
            status["link"]["receipted"].as_u64().filter(|upto| settled && *upto > 0)
        })
    }

    /// Exports from the running agent; the folder of the export.
    pub(crate) fn export(&self, name: &str) -> PathBuf {
        self.export_of(name, &[])
    }

    /// The same of a range.
    pub(crate) fn export_of(&self, name: &str, range: &[&str]) -> PathBuf {
        let out = self.path(name);
        output(self.exporting(&out).args(range)).expect("an export");
        out
    }

    /// An export that was not started yet.
    pub(crate) fn exporting(&self, out: &Path) -> Command {
        let mut export = Command::new(&product().picket);
        export.arg("export").arg("--runtime").arg(self.path("run")).arg("--out").arg(out);
        export.args(["--by", "N. N.", "--reason", "case 7"]);
        export
    }

    /// Makes a gateway of some settings known by token and fingerprint, as an installer does.
    pub(crate) fn enrol(&self, gateway: &str, settings: &Path) {
        let (picket, central) = (&product().picket, &product().central);
        let file = |name: &str| self.path(&format!("{gateway}-{name}"));
        let (token, request, answer) = (file("token.jws"), file("request.jws"), file("answer.jws"));
        let dir = self.path("central");
        let mut give = Command::new(central);
        give.arg("token").arg("--dir").arg(&dir).args(["--site", "yard", "--gateway", gateway, "--out"]).arg(&token);
        output(&mut give).expect("a token");
        let mut ask = Command::new(picket);
        ask.arg("enroll").arg("--config").arg(settings).arg("--token").arg(&token).arg("--out").arg(&request);
        let shown = output(&mut ask).expect("a request");
        let mut approve = Command::new(central);
        approve.arg("approve").arg("--dir").arg(&dir).arg("--request").arg(&request).args(["--by", "N. N."]);
        output(approve.args(["--fingerprint", &fingerprint(&shown), "--out"]).arg(&answer)).expect("an approval");
        let mut install = Command::new(picket);
        output(install.arg("enroll").arg("--config").arg(settings).arg("--answer").arg(&answer)).expect("enrolled");
    }

    /// As an installer meets it: settings are there, a central side too, and nobody knows the gateway.
    pub(crate) fn begin_anew(&self) {
        for file in ["acceptance.jws", "accept.pub"] {
            fs::remove_file(self.settings().join(file)).expect("it was there");
        }
        fs::remove_dir_all(self.path("central")).expect("it was there");
        fs::remove_file(self.path("identity.key")).expect("it was there");
        let mut init = Command::new(&product().central);
        output(init.arg("init").arg("--dir").arg(self.path("central")).args(["--sms", "hq"])).expect("a central side");
    }

    /// The same installation, enrolled by token: it has root documents.
    pub(crate) fn make_enrolled(site_broker: u16, central_broker: u16) -> Self {
        let mut site = Self::make(site_broker, central_broker);
        site.begin_anew();
        site.enrol(GATEWAY, &site.settings());
        let mut identity = Command::new(&product().picket);
        site.identity = output(identity.arg("identity").arg(site.path("identity.key"))).expect("its key");
        site
    }
}
