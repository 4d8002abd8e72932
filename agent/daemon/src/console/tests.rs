//! The page over real sockets on loopback, asked by a client that speaks bytes, so that it can also misbehave.

use super::feed::{Snapshot, Viewer};
use super::routes::{Gives, ROUTES};
use super::*;
use picket_core::status::{AlarmStatus, JournalStatus, LinkStatus, OrderStatus};
use picket_core::wire::{Act, Occurrence};
use std::future::Future;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

/// Nothing here takes so long: a test that waits longer fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// When the alarm of the sample was raised.
const SINCE_MS: i64 = 1_790_000_000_000;

/// A page that is served, and everything around it.
struct Served {
    at: SocketAddr,
    statuses: watch::Sender<Arc<Status>>,
    acts: mpsc::Receiver<Input>,
    end: JoinHandle<()>,
}

async fn served(limits: Limits) -> Served {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (statuses, status) = watch::channel(Arc::new(sample(1)));
    let (wishes, acts) = mpsc::channel(1);
    let address = Address { listen: at, hosts: vec!["gate.example".into()] };
    let end = tokio::task::spawn(serve(listener, address, Sensitivity::default(), status, wishes, limits));
    Served { at, statuses, acts, end }
}

pub(crate) fn sample(revision: u64) -> Status {
    let alarm = AlarmStatus {
        id: "a1".into(),
        rule: "door-forced".into(),
        equipment: "GATE-2".into(),
        place: "Gate 2".into(),
        severity: 3,
        since_ms: Some(SINCE_MS),
        times: 1,
        active: true,
        acknowledged_by: None,
        standing: "good".into(),
        rings: true,
        recorded: false,
        reported: false,
        guard_must_close: false,
        facts: BTreeMap::new(),
    };
    Status {
        revision,
        site: "Yard".into(),
        gateway: "gw-1".into(),
        at_ms: Some(1_790_000_000_500),
        clock_trusted: true,
        register: 1,
        register_refused: None,
        link: LinkStatus {
            up: true,
            since_ms: None,
            cause: None,
            waiting: 0,
            receipted: 0,
            receipt_ms: None,
            state: None,
            left: None,
        },
        certificate: None,
        journal: JournalStatus {
            head: 1,
            not_stored: 0,
            dropped: 0,
            fill_permille: 0,
            free_mib: None,
            fault: None,
            anew: false,
        },
        health: None,
        order: OrderStatus::default(),
        drill: None,
        level: 1,
        posts: Vec::new(),
        reviews: Vec::new(),
        alarms: vec![alarm],
        incidents: Vec::new(),
        threats: Vec::new(),
        nonconformities: Vec::new(),
        equipment: Vec::new(),
        lines: Vec::new(),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it ends soon")
}

/// Sends bytes and reads until the other side closes.
async fn exchange(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // A refused connection may be reset while it is written to.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

async fn get(at: SocketAddr, path: &str) -> String {
    exchange(at, format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes()).await
}

/// A POST with these headers beside `Host` and `Content-Length`.
async fn post(at: SocketAddr, headers: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST /api/v1/acknowledge HTTP/1.1\r\nHost: {at}\r\nContent-Length: {length}\r\n");
    exchange(at, format!("{head}Connection: close\r\n{headers}\r\n{body}").as_bytes()).await
}

/// The headers of our own page.
fn own(at: SocketAddr) -> String {
    format!("Origin: http://{at}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n")
}

async fn token(at: SocketAddr) -> String {
    let page = get(at, "/").await;
    let after = page.split("picket-token\" content=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

async fn wish(at: SocketAddr, by: &str, note: &str) -> String {
    let token = token(at).await;
    wish_of("a1", 1, by, note, &token)
}

/// What the page sends of an occurrence of an alarm.
fn wish_of(alarm: &str, times: u32, by: &str, note: &str, token: &str) -> String {
    let saw = (times, SINCE_MS);
    serde_json::json!({ "alarm": alarm, "times": saw.0, "since_ms": saw.1, "by": by, "note": note, "token": token })
        .to_string()
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// A live view that is read event by event.
struct Followed(BufReader<TcpStream>);

impl Followed {
    async fn open(at: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {at}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line with this beginning; `None` when the view ended first.
    async fn line(&mut self, begins: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = soon(self.0.read_line(&mut line)).await.ok()?;
            if read == 0 {
                return None;
            }
            if line.starts_with(begins) {
                return Some(line.trim_end().to_owned());
            }
        }
    }
}

#[test]
fn every_route_states_its_method_and_only_acts_are_posted() {
    for route in ROUTES {
        let acts = route.gives == Gives::Acknowledge;
        assert_eq!(route.method, if acts { "POST" } else { "GET" }, "{}", route.path);
        assert_eq!(route.admission == admission::Admission::Act, acts, "{}", route.path);
        let tells = route.path.starts_with("/api/");
        assert_eq!(route.admission == admission::Admission::Open, !tells, "{}", route.path);
    }
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), ROUTES.len(), "a path stands once");
}

#[tokio::test]
async fn the_page_brings_its_policy_and_names_only_own_parts_without_inline_script_or_style() {
    let served = served(Limits::STATED).await;
    let page = get(served.at, "/").await;
    assert_eq!(code(&page), "200");
    assert!(page.contains("default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"), "{page}");
    assert!(page.contains("nosniff") && page.contains("no-referrer") && page.contains("no-store"), "{page}");
    let shell = page.split("\r\n\r\n").nth(1).unwrap();
    for inline in
        ["<script>", "<style", " style=", " onclick=", " onload=", "http://", "https://", "{token}", "{start}"]
    {
        assert!(!shell.contains(inline), "{inline}");
    }
    let named = shell.split(['"', '\'']).filter(|word| word.starts_with('/') && word.contains('.'));
    for path in named.chain(["/view.js", "/words.js", "/acknowledge.js"]) {
        assert_eq!(code(&get(served.at, path).await), "200", "{path}");
    }
}

#[tokio::test]
async fn a_foreign_host_is_misdirected_on_every_path() {
    let served = served(Limits::STATED).await;
    for route in ROUTES {
        let (method, path) = (route.method, route.path);
        let request = format!("{method} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        assert_eq!(code(&exchange(served.at, request.as_bytes()).await), "421", "{path}");
    }
    assert_eq!(code(&exchange(served.at, b"GET / HTTP/1.0\r\n\r\n").await), "421");
    let listed = b"GET / HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n\r\n";
    assert_eq!(code(&exchange(served.at, listed).await), "200");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let served = served(Limits::STATED).await;
    let got = get(served.at, "/api/v1/acknowledge").await;
    assert_eq!(code(&got), "405");
    assert!(got.contains("allow: POST"), "{got}");
    assert_eq!(code(&get(served.at, "/api/v1/../../etc/passwd").await), "404");
}

#[tokio::test]
async fn another_sites_page_gets_no_data_and_no_live_view() {
    let served = served(Limits::STATED).await;
    for path in ["/api/v1/status", "/api/v1/events"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", served.at);
        let answer = exchange(served.at, format!("{head}Sec-Fetch-Site: cross-site\r\n\r\n").as_bytes()).await;
        assert_eq!(code(&answer), "403", "{path}");
    }
}

#[tokio::test]
async fn an_acknowledgement_arrives_as_an_input_with_its_terminal() {
    let mut served = served(Limits::STATED).await;
    let body = wish(served.at, " Zoë O'Neil ", "on my way").await;
    assert_eq!(code(&post(served.at, &own(served.at), &body).await), "202");
    let Some(Input::Act { act, .. }) = soon(served.acts.recv()).await else { panic!("no act") };
    let (by, note) = ("Zoë O'Neil".to_owned(), "on my way".to_owned());
    let saw = Occurrence { since_ms: Some(SINCE_MS), times: 1 };
    assert_eq!(act, Act::Acknowledge { alarm: "a1".into(), saw, by, note, terminal: "127.0.0.1".into() });
}

#[tokio::test]
async fn a_missing_or_foreign_origin_acts_on_nothing() {
    let mut served = served(Limits::STATED).await;
    let body = wish(served.at, "Ana", "").await;
    let json = "Content-Type: application/json\r\n";
    let at = served.at;
    let refused = [
        json.to_owned(),
        format!("{json}Origin: null\r\n"),
        format!("{json}Origin: http://evil.example\r\n"),
        format!("{json}Origin: http://{at}.evil.example\r\n"),
        format!("{json}Origin: http://{at}\r\nOrigin: http://evil.example\r\n"),
        format!("{json}Origin: http://{at}\r\nSec-Fetch-Site: same-site\r\n"),
        format!("{json}Origin: http://{at}\r\nSec-Fetch-Site: none\r\n"),
    ];
    for headers in refused {
        assert_eq!(code(&post(at, &headers, &body).await), "403", "{headers}");
    }
    let form = format!("Origin: http://{at}\r\nContent-Type: text/plain\r\n");
    assert_eq!(code(&post(at, &form, &body).await), "415");
    assert!(served.acts.try_recv().is_err());
}

#[tokio::test]
async fn a_wrong_token_name_note_or_alarm_acts_on_nothing() {
    let mut served = served(Limits::STATED).await;
    let (at, token) = (served.at, token(served.at).await);
    let long = "n".repeat(501);
    let refused = [
        ("a1", "Ana", "", "0123456789abcdef0123456789abcdef", "403"),
        ("a1", "Ana", "", "", "403"),
        ("a1", "  ", "", &token, "422"),
        ("a1", &long[..65], "", &token, "422"),
        ("a1", "Ana\u{7}", "", &token, "422"),
        ("a1", "Ana\u{202e}anA", "", &token, "422"),
        ("a1", "Ana", &long, &token, "422"),
        ("a1", "Ana", "two\nlines", &token, "422"),
        ("a9", "Ana", "", &token, "404"),
    ];
    for (alarm, by, note, token, expected) in refused {
        let body = wish_of(alarm, 1, by, note, token);
        assert_eq!(code(&post(at, &own(at), &body).await), expected, "{body}");
    }
    assert_eq!(code(&post(at, &own(at), "{\"alarm\":1}").await), "400");
    assert!(served.acts.try_recv().is_err());
}

#[tokio::test]
async fn name_and_note_are_measured_in_characters_as_the_page_says() {
    let served = served(Limits::STATED).await;
    let body = wish(served.at, &"Ж".repeat(64), &"漢".repeat(500)).await;
    assert_eq!(code(&post(served.at, &own(served.at), &body).await), "202");
    let token = token(served.at).await;
    let long = wish_of("a1", 1, &"Ж".repeat(65), "", &token);
    assert_eq!(code(&post(served.at, &own(served.at), &long).await), "422");
}

#[tokio::test]
async fn an_occurrence_that_is_not_the_newest_one_is_refused_kindly_and_acts_on_nothing() {
    let mut served = served(Limits::STATED).await;
    let (at, token) = (served.at, token(served.at).await);
    let older =
        [wish_of("a1", 0, "Ana", "", &token), wish_of("a1", 1, "Ana", "", &token).replace("000000,", "000001,")];
    for body in older {
        let answer = post(at, &own(at), &body).await;
        assert!(code(&answer) == "409" && answer.contains("rang-again"), "{body}: {answer}");
    }
    let unstated = serde_json::json!({ "alarm": "a1", "by": "Ana", "note": "", "token": token }).to_string();
    assert_eq!(code(&post(at, &own(at), &unstated).await), "400");
    assert!(served.acts.try_recv().is_err());
    assert_eq!(code(&post(at, &own(at), &wish_of("a1", 1, "Ana", "", &token)).await), "202");
}

#[tokio::test]
async fn an_act_that_finds_no_room_is_asked_to_come_again() {
    let served = served(Limits::STATED).await;
    let body = wish(served.at, "Ana", "").await;
    assert_eq!(code(&post(served.at, &own(served.at), &body).await), "202");
    let full = post(served.at, &own(served.at), &body).await;
    assert_eq!(code(&full), "503");
    assert!(full.contains("retry-after"), "{full}");
}

#[tokio::test]
async fn a_large_body_is_refused_whether_it_is_announced_or_not() {
    let served = served(Limits::STATED).await;
    let head = format!("POST /api/v1/acknowledge HTTP/1.1\r\nHost: {}\r\n{}", served.at, own(served.at));
    let large = 64 * 1024 + 1;
    let announced = exchange(served.at, format!("{head}Content-Length: {large}\r\n\r\n").as_bytes()).await;
    assert_eq!(code(&announced), "413");
    // The end of the body never comes: the answer must not wait for it.
    let chunk = format!("{large:x}\r\n{}", "x".repeat(large));
    let chunked = exchange(served.at, format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}").as_bytes()).await;
    assert_eq!(code(&chunked), "413");
}

#[tokio::test]
async fn a_slow_head_is_cut_and_a_slow_body_is_told() {
    let short = Duration::from_millis(40);
    let slow_head = served(Limits { head: short, ..Limits::STATED }).await;
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", slow_head.at);
    let answer = exchange(slow_head.at, head.as_bytes()).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let served = served(Limits { request: short, ..Limits::STATED }).await;
    let head = format!("POST /api/v1/acknowledge HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n", served.at);
    let answer = exchange(served.at, format!("{head}{}\r\n{{", own(served.at)).as_bytes()).await;
    assert_eq!(code(&answer), "408");
}

#[tokio::test]
async fn a_live_view_begins_with_the_last_status_and_follows_each_change() {
    let served = served(Limits::STATED).await;
    let mut view = Followed::open(served.at).await;
    assert_eq!(view.line("id:").await.unwrap(), "id: 1");
    let first: Status = serde_json::from_str(&view.line("data: {\"rev").await.unwrap()["data: ".len()..]).unwrap();
    assert_eq!(first, sample(1));
    served.statuses.send_replace(Arc::new(sample(2)));
    assert_eq!(view.line("id:").await.unwrap(), "id: 2");
}

#[tokio::test]
async fn a_live_view_beats_with_the_gateways_time() {
    let served = served(Limits { beat: Duration::from_millis(20), ..Limits::STATED }).await;
    let mut view = Followed::open(served.at).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        view.line("event: beat").await.unwrap();
        let beat: serde_json::Value =
            serde_json::from_str(&view.line("data:").await.unwrap()["data: ".len()..]).unwrap();
        times.push(beat["at_ms"].as_i64().unwrap());
    }
    assert!(times[0] >= 1_790_000_000_500 && times.is_sorted() && times[2] > times[0], "{times:?}");
}

#[tokio::test]
async fn one_address_holds_at_most_its_share_of_connections_and_gets_them_back() {
    let served = served(Limits { per_address: 2, ..Limits::STATED }).await;
    let (mut first, mut second) = (Followed::open(served.at).await, Followed::open(served.at).await);
    assert!(first.line("id:").await.is_some() && second.line("id:").await.is_some());
    assert_eq!(get(served.at, "/").await, "", "a third connection is closed without a word");
    drop(first);
    let again = async { while get(served.at, "/").await.is_empty() {} };
    soon(again).await;
}

#[tokio::test]
async fn all_addresses_together_hold_at_most_the_whole() {
    let served = served(Limits { connections: 1, ..Limits::STATED }).await;
    let mut only = Followed::open(served.at).await;
    assert!(only.line("id:").await.is_some());
    assert_eq!(get(served.at, "/").await, "");
}

#[tokio::test]
async fn live_views_leave_room_for_pages_and_acts() {
    for limits in [Limits { streams: 1, ..Limits::STATED }, Limits { streams_per_address: 1, ..Limits::STATED }] {
        let served = served(limits).await;
        let mut view = Followed::open(served.at).await;
        assert!(view.line("id:").await.is_some());
        let refused = get(served.at, "/api/v1/events").await;
        assert_eq!(code(&refused), "503");
        assert!(refused.contains("no-stream"), "{refused}");
        assert_eq!(code(&get(served.at, "/api/v1/status").await), "200");
    }
}

#[tokio::test]
async fn the_end_of_the_status_channel_ends_live_views_and_the_page() {
    let served = served(Limits::STATED).await;
    let mut view = Followed::open(served.at).await;
    assert!(view.line("id:").await.is_some());
    drop(served.statuses);
    assert_eq!(view.line("id:").await, None);
    soon(served.end).await.unwrap();
    assert!(TcpStream::connect(served.at).await.is_err());
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_up_the_end() {
    let served = served(Limits { end: Duration::from_millis(50), ..Limits::STATED }).await;
    let mut stuck = TcpStream::connect(served.at).await.unwrap();
    let head = format!("POST /api/v1/acknowledge HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n", served.at);
    stuck.write_all(format!("{head}{}\r\n", own(served.at)).as_bytes()).await.unwrap();
    drop(served.statuses);
    soon(served.end).await.unwrap();
}

#[test]
fn a_viewer_from_another_machine_is_not_told_who_acknowledged() {
    let mut status = sample(1);
    status.alarms[0].acknowledged_by = Some("Ana".into());
    let snapshot = Snapshot::new(Arc::new(status), &Sensitivity::default());
    let shown = |peer: &str| String::from_utf8(snapshot.json(Viewer::at(peer.parse().unwrap())).to_vec()).unwrap();
    for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert!(shown(own).contains("Ana"), "{own}");
    }
    for other in ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1"] {
        assert!(!shown(other).contains("Ana") && shown(other).contains("(not shown here)"), "{other}");
        assert!(shown(other).contains("door-forced"), "what rings is shown to anybody");
    }
}

#[tokio::test]
async fn a_note_that_fits_nowhere_beside_its_record_is_refused_at_the_door() {
    let served = served(Limits::STATED).await;
    for (n, expected) in [(480, "422"), (400, "202")] {
        let body = wish(served.at, "Ana", &"\u{1f6a8}".repeat(n)).await;
        assert_eq!(code(&post(served.at, &own(served.at), &body).await), expected);
    }
}
