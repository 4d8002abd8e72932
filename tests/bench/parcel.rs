//! From a message to lines of the arrival log.

use crate::record_line::{points, summary};
use rumqttc::v5::mqttbytes::v5::Publish;
use serde_json::Value;
use std::io::{self, Read, Write};

/// Content type of a deflated batch (FORMAT.md, "Wire").
const DEFLATED: &str = "application/jose-lines+deflate";

/// Logs one message that arrived at `t`.
pub(crate) fn log(log: &mut impl Write, t: u64, publish: &Publish) -> io::Result<()> {
    let topic = String::from_utf8_lossy(&publish.topic);
    let dup = u8::from(publish.dup);
    let levels: Vec<&str> = topic.split('/').collect();
    match levels.as_slice() {
        ["sms", "v1", _, lane @ ("urgent" | "record")] => {
            let content_type = publish.properties.as_ref().and_then(|properties| properties.content_type.as_deref());
            let text = unpacked(content_type, &publish.payload)?;
            for line in text.split('\n').filter(|line| !line.is_empty()) {
                match summary(line) {
                    Some(record) => writeln!(log, "P\t{t}\t{lane}\t{dup}\t{record}")?,
                    None => writeln!(log, "X\t{t}\t{topic}\tnot a record: {line}")?,
                }
            }
            Ok(())
        }
        ["nr", device] => {
            let message: Value = serde_json::from_slice(&publish.payload).unwrap_or(Value::Null);
            writeln!(log, "B\t{t}\t{dup}\tdev{device}\t{}", points(&message["v"]))
        }
        _ => writeln!(log, "X\t{t}\t{topic}\t{} bytes", publish.payload.len()),
    }
}

fn unpacked(content_type: Option<&str>, payload: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    if content_type == Some(DEFLATED) {
        flate2::read::ZlibDecoder::new(payload).read_to_string(&mut text)?;
    } else {
        text.push_str(&String::from_utf8_lossy(payload));
    }
    Ok(text)
}
