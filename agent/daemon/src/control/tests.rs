use super::*;
use crate::journal::Fault;
use crate::journal::bundle;
use tempfile::TempDir;

const RECORDS: &[u8] = b"one\ntwo\n";

/// What the journal says of one slice.
type Answer = Result<Option<(u64, Vec<u8>)>, String>;

fn papers() -> Papers {
    Papers { receipts: String::new(), acceptance: "a\n".into(), identity: "key".into() }
}

/// A journal that answers the requests of one export: papers, then each slice in turn.
fn journal(papers: Result<Papers, String>, slices: Vec<Answer>) -> mpsc::Sender<Request> {
    let (requests, mut asked) = mpsc::channel(1);
    let mut slices = slices.into_iter();
    tokio::spawn(async move {
        while let Some(request) = asked.recv().await {
            match request {
                Request::Papers { reply } => reply.send(papers.clone()).unwrap(),
                Request::Slice { reply, .. } => reply.send(slices.next().unwrap()).unwrap(),
                other => panic!("an export asks for nothing like {other:?}"),
            }
        }
    });
    requests
}

/// What the client makes of what the agent would send: the bundle, or why there is none.
async fn exported(folder: &TempDir, sent: Vec<u8>) -> Result<u64, String> {
    let listener = bind(folder.path()).unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        // Closed only when the question was read: a reset would overtake the answer.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let client = async {
        let (papers, mut records) = records(folder.path()).await.map_err(|why| why.to_string())?;
        let mut slices = Vec::new();
        while let Some(slice) = records.next().await.map_err(|why| why.to_string())? {
            slices.push(slice);
        }
        let mut slices = slices.into_iter();
        bundle::export(&folder.path().join("out"), &papers, |_| Ok(slices.next())).map_err(|fault| fault.to_string())
    };
    tokio::join!(server, client).1
}

async fn sent(papers: Result<Papers, String>, slices: Vec<Answer>) -> Vec<u8> {
    let mut sent = Vec::new();
    export(&mut sent, &journal(papers, slices)).await.unwrap();
    sent
}

#[tokio::test]
async fn an_export_is_whole_when_its_last_line_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sent = sent(Ok(papers()), vec![Ok(Some((2, RECORDS.to_vec()))), Ok(None)]).await;
    assert!(sent.ends_with(b"two\n{\"records\":2,\"last\":2}\n"));
    assert_eq!(exported(&folder, sent).await, Ok(8));
    assert_eq!(std::fs::read(folder.path().join("out/records.jws")).unwrap(), RECORDS);
}

#[tokio::test]
async fn an_export_that_ends_anywhere_before_its_end_is_refused() {
    let whole = sent(Ok(papers()), vec![Ok(Some((2, RECORDS.to_vec()))), Ok(None)]).await;
    for end in 0..whole.len() {
        let folder = tempfile::tempdir().unwrap();
        let refused = exported(&folder, whole[..end].to_vec()).await;
        assert!(refused.is_err(), "{:?}", String::from_utf8_lossy(&whole[..end]));
    }
}

#[tokio::test]
async fn a_fault_of_the_journal_reaches_whoever_exports() {
    let slices = vec![Ok(Some((2, RECORDS.to_vec()))), Err("the disk is gone".to_owned())];
    for sent in [sent(Ok(papers()), slices).await, sent(Err("the disk is gone".into()), Vec::new()).await] {
        let told = exported(&tempfile::tempdir().unwrap(), sent).await;
        assert_eq!(told, Err("the agent says: the disk is gone".to_owned()));
    }
}

#[tokio::test]
async fn a_line_too_few_is_told() {
    let mut sent = sent(Ok(papers()), vec![Ok(Some((2, RECORDS.to_vec()))), Ok(None)]).await;
    let at = sent.windows(4).position(|four| four == b"one\n").unwrap();
    sent.drain(at..at + 4);
    let told = exported(&tempfile::tempdir().unwrap(), sent).await;
    assert_eq!(told, Err("the agent sent 2 records and 1 came".to_owned()));
}

#[test]
fn a_bundle_that_is_not_whole_has_no_manifest_and_a_whole_one_is_not_written_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut slices = vec![Err(Fault::Refused("cut".into())), Ok(Some(RECORDS.to_vec()))];
    let cut = bundle::export(&out, &papers(), |_| slices.pop().unwrap_or(Ok(None)));
    assert!(matches!(cut, Err(Fault::Refused(why)) if why == "cut"));
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["records.jws.part"]);
    let mut slices = vec![Ok(None), Ok(Some(RECORDS.to_vec()))];
    assert_eq!(bundle::export(&out, &papers(), |_| slices.pop().unwrap_or(Ok(None))).unwrap(), 8);
    assert_eq!(names(), ["MANIFEST.json", "enrol.jws", "receipts.jws", "records.jws"]);
    let again = bundle::export(&out, &papers(), |_| Ok(None)).unwrap_err().to_string();
    assert!(again.contains("already holds an export") && again.contains("--out"), "{again}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o700);
    assert!(names().iter().all(|name| mode(&out.join(name)) == 0o600));
}
