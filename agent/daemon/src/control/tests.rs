use super::*;
use crate::evidence::bundle::{Wish, papers as asked_papers, write};
use crate::evidence::folder::Fresh;
use crate::evidence::{EvidenceFault, Purpose};
use crate::journal::bundle::{Papers, Part};
use picket_core::sensitivity::Sensitivity;
use tempfile::TempDir;

const RECORDS: &[u8] = b"one\ntwo\n";

/// What the journal says of one slice.
type Answer = Result<Option<(u64, Vec<u8>)>, String>;
/// Papers, slices, and what becomes of the statement.
type Case = (Result<Papers, String>, Vec<Answer>, fn(Statement));

fn papers() -> Papers {
    let (site, gw, acceptance, identity) = ("yard".into(), "gw-1".into(), "a".into(), "key".into());
    let (from, to, bytes, root, orders) = (1, 2, 8, String::new(), String::new());
    Papers { site, gw, from, to, bytes, acceptance, identity, root, orders }
}

/// A journal that answers the requests of one export: papers, then each slice in turn, then nothing more.
fn journal(papers: Result<Papers, String>, slices: Vec<Answer>) -> mpsc::Sender<Request> {
    let (requests, mut asked) = mpsc::channel(1);
    let mut slices = slices.into_iter();
    tokio::spawn(async move {
        while let Some(request) = asked.recv().await {
            match request {
                Request::Papers { reply, .. } => drop(reply.send(papers.clone())),
                Request::Slice { reply, .. } => drop(reply.send(slices.next().unwrap_or(Ok(None)))),
                other => panic!("an export asks for nothing like {other:?}"),
            }
        }
    });
    requests
}

/// An agent's socket in a folder, whose clock hands statements to `state`.
fn agent(
    folder: &TempDir,
    journal: mpsc::Sender<Request>,
    state: impl Fn(Statement) + 'static,
) -> impl Future<Output = ()> {
    let listener = bind(folder.path()).unwrap();
    let (_, status) = watch::channel(Arc::new(crate::console::tests::sample(7)));
    let (clock, mut statements) = mpsc::channel(STATEMENTS);
    let (errands, sensitivity) = (mpsc::channel(1).0, Sensitivity::default());
    let (keeper, _) = mpsc::channel(1);
    let answering = Answering { status, journal, clock, errands, sensitivity, keeper };
    async move {
        let thinking = async {
            while let Some(statement) = statements.recv().await {
                state(statement);
            }
        };
        tokio::join!(serve(listener, answering), thinking);
    }
}

fn written(statement: Statement) {
    assert_eq!(statement.data["by"], "N. N.");
    let (opening, line) = ("opening".to_owned(), "manifest".to_owned());
    drop(statement.reply.send(Ok(Written { seq: 3, opened: 1, opening, line })));
}

/// What `picket export` makes of what an agent says.
async fn exported(folder: &TempDir, agent: impl Future<Output = ()>) -> Result<(), EvidenceFault> {
    let purpose = Purpose::new("N. N.", "case 7").unwrap();
    let export = async {
        let papers = asked_papers(folder.path(), Wish::default(), &mut |_| {}).await?;
        let mut fresh = Fresh::make(&folder.path().join("out"), papers.bytes)?;
        write(folder.path(), &mut fresh, "", papers, &purpose, &mut |_| {}).await?;
        fresh.finish()?;
        Ok(())
    };
    tokio::select! { done = export => done, () = agent => panic!("the socket is served for ever") }
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_export_is_whole_and_sealed_or_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let slices = vec![Ok(Some((2, RECORDS.to_vec())))];
    exported(&folder, agent(&folder, journal(Ok(papers()), slices), written)).await.unwrap();
    let out = folder.path().join("out");
    assert_eq!(std::fs::read(out.join("records.jws")).unwrap(), RECORDS);
    assert_eq!(std::fs::read(out.join("MANIFEST.jws")).unwrap(), b"manifest\n");
    let mut made: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["MANIFEST.jws", "REPORT.txt", "enrol.jws", "records.jws"], "what would be empty is left out");
}

#[tokio::test]
async fn a_fault_of_the_journal_reaches_whoever_exports_and_nothing_is_left_behind() {
    let gone = || "the disk is gone".to_owned();
    let refuse = |statement: Statement| drop(statement.reply.send(Err("the disk is gone".to_owned())));
    let forget = |statement: Statement| drop(statement);
    let one = || vec![Ok(Some((2, RECORDS.to_vec())))];
    let cases: [(Case, &str); 5] = [
        ((Err(gone()), Vec::new(), written), "the agent says: the disk is gone"),
        (
            (Ok(papers()), vec![Ok(Some((1, b"one\n".to_vec()))), Err(gone())], written),
            "the agent says: the disk is gone",
        ),
        ((Ok(papers()), vec![Ok(Some((1, b"one\n".to_vec())))], written), "records up to 1 and named 2"),
        ((Ok(papers()), one(), refuse), "the agent says: the disk is gone"),
        ((Ok(papers()), one(), forget), "the journal does not answer"),
    ];
    for ((papers, slices, state), why) in cases {
        let folder = tempfile::tempdir().unwrap();
        let told = exported(&folder, agent(&folder, journal(papers, slices), state)).await.unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
        assert_eq!(names(&folder), [SOCKET]);
    }
}

#[tokio::test]
async fn lines_that_end_anywhere_before_their_end_or_are_too_few_are_refused() {
    let mut sent = Vec::new();
    let journal = journal(Ok(papers()), vec![Ok(Some((2, RECORDS.to_vec())))]);
    let wanted = Wanted { part: Part::Records, after: 0, to: 2 };
    lines_of(&mut sent, &journal, wanted).await.unwrap();
    assert!(sent.ends_with(b"two\n{\"lines\":2,\"last\":2}\n"));
    let mut few = sent.clone();
    few.drain(..4);
    let cut = (0..sent.len()).map(|end| sent[..end].to_vec());
    for (bytes, whole) in cut.map(|bytes| (bytes, false)).chain([(few, false), (sent.clone(), true)]) {
        let folder = tempfile::tempdir().unwrap();
        let listener = bind(folder.path()).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            // Closed only when the question was read: a reset would overtake the answer.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let client = async {
            let mut lines = lines(folder.path(), wanted).await.unwrap();
            loop {
                match lines.next().await {
                    Ok(Some(_)) => {}
                    ended => break ended.map(|_| lines.last()),
                }
            }
        };
        let ended = tokio::join!(server, client).1;
        assert_eq!(ended.as_ref().ok(), whole.then_some(&Some(2)), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn nothing_but_what_is_made_of_records_is_stated_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&folder, journal(Ok(papers()), Vec::new()), |statement| panic!("{statement:?}"));
    let asked = async {
        for kind in [Kind::AlarmClosed, Kind::EpochOpen, Kind::RecordsDisposed] {
            let refused = state(folder.path(), kind, Map::new()).await.unwrap_err().to_string();
            assert!(refused.contains("not stated on request"), "{refused}");
        }
    };
    tokio::select! { () = asked => {}, () = agent => panic!("the socket is served for ever") }
}

#[tokio::test]
async fn a_status_is_answered_while_an_export_is_read_slowly() {
    let folder = tempfile::tempdir().unwrap();
    let slices = (1..1_000).map(|n| Ok(Some((n, vec![b'\n'; 10_000])))).collect();
    let agent = agent(&folder, journal(Ok(papers()), slices), written);
    let asked = async {
        let _reading = lines(folder.path(), Wanted { part: Part::Records, after: 0, to: 2 }).await.unwrap();
        status(folder.path()).await.unwrap()
    };
    tokio::select! { status = asked => assert_eq!(status.revision, 7), () = agent => panic!("the socket is served for ever") }
}
