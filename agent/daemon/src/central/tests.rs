//! The link beside a broker that says nothing, and without one.

use super::*;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Well below the time for which the link waits for a broker's answer.
const PROMPT: Duration = Duration::from_secs(10);

struct Running {
    parcels: mpsc::Sender<Parcel>,
    inputs: mpsc::Receiver<Input>,
    tasks: JoinSet<()>,
}

fn start(port: u16) -> Running {
    let (to_link, parcels) = mpsc::channel(4);
    let (to_think, inputs) = mpsc::channel(4);
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, login: None };
    let mut tasks = JoinSet::new();
    tasks.spawn_local(Link::new(endpoint, "gw-1".into(), to_think).run(parcels, 7));
    Running { parcels: to_link, inputs, tasks }
}

async fn called(running: &Running) {
    let (here, answer) = oneshot::channel();
    running.parcels.send(Parcel::Call { here }).await.expect("the link runs");
    timeout(PROMPT, answer).await.expect("in time").expect("it lives");
}

#[tokio::test]
async fn a_call_is_answered_while_the_broker_says_nothing_and_a_stop_does_not_wait_for_it() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = start(port);
            let _connection = timeout(PROMPT, silent.accept()).await.unwrap().unwrap();
            called(&running).await;
            drop(running.parcels);
            timeout(PROMPT, running.tasks.join_next()).await.expect("in time").unwrap().unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_call_is_answered_while_there_is_no_broker() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = start(port);
            let told = timeout(PROMPT, running.inputs.recv()).await.expect("in time");
            assert!(matches!(told, Some(Input::LinkDown { .. })), "{told:?}");
            called(&running).await;
        })
        .await;
}
