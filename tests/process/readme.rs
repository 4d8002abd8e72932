//! The mosquitto that README.md shows, taken out of its text: only where the files lie, the port and the names are put in.

use simulator::product::repository;
use std::fs;
use std::path::Path;

/// Settings and access list for files below `folder`, which lie there as they do below `/etc/mosquitto`.
pub(crate) fn mosquitto(folder: &Path, port: u16, centre: &str) -> (String, String) {
    let below = format!(" {}/", folder.display());
    let settings = put(&block("listener "), "listener 8883", &format!("listener {port} 127.0.0.1"), 1);
    let settings = put(&settings, " /etc/mosquitto/", &below, 4);
    // Who started it reads the files; what it says is read by the test.
    let settings = format!("{settings}\nuser root\nlog_dest stderr\nlog_type all\n");
    (settings, put(&block("pattern "), "user S", &format!("user {centre}"), 1))
}

/// What is added to the access list where a gateway is revoked.
pub(crate) fn denial(gateway: &str) -> String {
    let named = put(&block("user G\n"), "user G", &format!("user {gateway}"), 1);
    put(&named, "/G/", &format!("/{gateway}/"), 1)
}

/// The one block that begins so.
fn block(begins: &str) -> String {
    let file = repository().join("README.md");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // Between the first fence and the second is a block, between the second and the third is none.
    let blocks = text.split("\n```").skip(1).step_by(2);
    let texts = blocks.filter_map(|block| Some(block.split_once('\n')?.1)).filter(|text| text.starts_with(begins));
    let texts: Vec<&str> = texts.collect();
    assert_eq!(texts.len(), 1, "blocks of README.md that begin with {begins:?}");
    texts[0].to_owned() + "\n"
}

fn put(text: &str, there: &str, here: &str, times: usize) -> String {
    assert_eq!(text.matches(there).count(), times, "{there:?} in what README.md shows:\n{text}");
    text.replace(there, here)
}
