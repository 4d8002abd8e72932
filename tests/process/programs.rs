//! Programs beside a test: started, waited for until a condition holds, ended by their own number with the test.

use rustix::process::Signal;
use simulator::process::{Log, Process};
use simulator::product::{Product, Profile};
use simulator::shells::broker;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a condition, on a machine that builds something else meanwhile.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at a condition that no event tells of.
const LOOK: Duration = Duration::from_millis(3);
const BROKER_REMEDY: &str = "apt-get install mosquitto mosquitto-clients";

/// Looks until something is found; fails with `what` after the deadline.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, look).unwrap_or_else(|| panic!("{what}: not within {} s", DEADLINE.as_secs()))
}

/// The same with a limit of its own, and no failure.
pub(crate) fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// The two shipped programs, built once, in the profile of this test and beside it.
pub(crate) fn product() -> &'static Product {
    static BUILT: OnceLock<Product> = OnceLock::new();
    BUILT.get_or_init(|| Profile::own().and_then(Product::build).unwrap_or_else(|fault| panic!("{fault}")))
}

/// Python with what `tests/peers/requirements.txt` names.
pub(crate) fn python() -> PathBuf {
    simulator::product::python().unwrap_or_else(|fault| panic!("{fault}"))
}

/// Runs a program to its end.
pub(crate) fn ask<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Output {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1").output();
    output.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Standard output and error of a program that ended.
pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    process: Process,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it prints goes to a file of its own.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let process = Process::start(command, log, Log::Fresh);
        let process = process.unwrap_or_else(|fault| panic!("{fault}: {:?}", fault.source()));
        Self { process, log: log.to_owned() }
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Fails with what it printed if it has ended.
    pub(crate) fn must_run(&mut self) {
        let ended = self.process.ended().expect("it is our child");
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.log());
    }

    /// Its resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// SIGKILL: no last words.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
    }

    /// SIGABRT, and how it ended.
    pub(crate) fn abort(mut self) -> ExitStatus {
        self.process.signal(Signal::ABORT).expect("it runs");
        until("it ends", || self.process.ended().expect("it is our child"))
    }

    /// SIGHUP: it reads its files again.
    pub(crate) fn hang_up(&mut self) {
        self.process.signal(Signal::HUP).expect("it runs");
    }

    /// SIGTERM, and how it ended; fails when it takes longer than the limit.
    pub(crate) fn terminate(mut self, limit: Duration) -> ExitStatus {
        self.process.signal(Signal::TERM).expect("it runs");
        self.ended(limit)
    }

    /// How it ended by itself; fails when it takes longer than the limit.
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        let ended = within(limit, || self.process.ended().expect("it is our child"));
        ended.unwrap_or_else(|| panic!("it has not ended within {} s\n{}", limit.as_secs(), self.log()))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    broker::free_port().expect("a free port").port()
}

/// Debian's mosquitto on a port of its own, with its files.
pub(crate) struct Broker {
    pub(crate) port: u16,
    _program: Program,
    _folder: TempDir,
}

impl Broker {
    /// Ready when this returns.
    pub(crate) fn start() -> Self {
        Self::start_admitting(tempfile::tempdir().expect("a folder"), "allow_anonymous true")
    }

    /// One that admits only this user.
    pub(crate) fn start_for(user: &str, password: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("users");
        let mut made = Command::new("mosquitto_passwd");
        let made = made.args(["-b", "-c"]).arg(&file).args([user, password]).status();
        assert!(made.expect(BROKER_REMEDY).success());
        Self::start_admitting(folder, &format!("allow_anonymous false\npassword_file {}", file.display()))
    }

    fn start_admitting(folder: TempDir, whom: &str) -> Self {
        let port = free_port();
        let settings = format!(
            "listener {port} 127.0.0.1\n{whom}\nuser root\nmax_queued_messages 0\npersistence true\n\
             autosave_interval 1\nautosave_on_changes true\npersistence_location {}/\nlog_dest stderr\n",
            folder.path().display()
        );
        let file = folder.path().join("mosquitto.conf");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("/usr/sbin/mosquitto");
        assert!(Path::new(command.get_program()).exists(), "no mosquitto: {BROKER_REMEDY}");
        let mut program = Program::start(command.arg("-c").arg(file), &folder.path().join("mosquitto.log"));
        until("mosquitto listens", || {
            program.must_run();
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, _program: program, _folder: folder }
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-p"]).arg(self.port.to_string());
        command
    }

    /// Publishes one payload at QoS 1, with further arguments of `mosquitto_pub`.
    pub(crate) fn publish(&self, topic: &str, payload: &[u8], arguments: &[&str]) {
        let mut command = self.client("mosquitto_pub");
        // An empty standard input is an error to it.
        command.args(["-t", topic]).args(arguments).arg(if payload.is_empty() { "-n" } else { "-s" });
        let spawned = command.stdin(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("mosquitto_pub: {error}; {BROKER_REMEDY}"));
        child.stdin.take().expect("its input").write_all(payload).expect("written");
        assert!(child.wait().expect("it ends").success());
    }

    /// Publishes each line as a message of its own at QoS 1, and returns when the broker has all of them.
    pub(crate) fn publish_lines(&self, topic: &str, lines: &[String]) {
        let mut command = self.client("mosquitto_pub");
        let mut child = command.args(["-t", topic, "-l"]).stdin(Stdio::piped()).spawn().expect(BROKER_REMEDY);
        let mut input = child.stdin.take().expect("its input");
        lines.iter().for_each(|line| writeln!(input, "{line}").expect("written"));
        drop(input);
        assert!(child.wait().expect("it ends").success());
    }
}
