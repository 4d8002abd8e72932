//! What a record line says, read by RFC 7515 and JSON alone, without the product's parser.

use picket_record::encode::from_base64url;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// `seq ep link kind dev points`, separated by tabs, as it stands in the arrival log; `None` where it is no record.
pub(crate) fn summary(line: &str) -> Option<String> {
    let (input, _signature) = line.rsplit_once('.')?;
    let (_header, payload) = input.split_once('.')?;
    let payload: Value = serde_json::from_slice(&from_base64url(payload, "payload").ok()?).ok()?;
    let (seq, ep, kind) = (payload["seq"].as_u64()?, payload["ep"].as_u64()?, payload["kind"].as_str()?);
    let link = Sha256::digest(input.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let device = payload["data"]["dev"].as_str().unwrap_or("-");
    let points = points(&payload["data"]["p"]);
    Some(format!("{seq}\t{ep}\t{link}\t{kind}\t{device}\t{points}"))
}

/// `r5=123,d0=1`: plain numbers, measured values with their mantissa, bits as 0 and 1; `-` for nothing.
pub(crate) fn points(object: &Value) -> String {
    let value = |value: &Value| match value {
        Value::Bool(bit) => Some(i64::from(*bit)),
        Value::Object(measured) => measured.get("v").and_then(Value::as_i64),
        other => other.as_i64(),
    };
    let members = object.as_object().into_iter().flatten();
    let told: Vec<String> = members.filter_map(|(point, v)| Some(format!("{point}={}", value(v)?))).collect();
    if told.is_empty() { "-".to_owned() } else { told.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_summed_up_with_the_hash_of_what_it_signs() {
        // printf '{"seq":7,"ep":2,"kind":"readings","data":{"dev":"dev3","p":{"d0":true,"r5":{"v":123}}}}' |
        //   basenc --base64url --wrap=0 | tr -d =; then printf 'e30.<that>' | sha256sum
        let payload = "eyJzZXEiOjcsImVwIjoyLCJraW5kIjoicmVhZGluZ3MiLCJkYXRhIjp7ImRldiI6ImRldjMiLCJwIjp7ImQwIjp0cnVlLCJyNSI6eyJ2IjoxMjN9fX19";
        let link = "8f17b17300f58794c02122892bbf481f8e3e5c530d6b0bf7689b5e13def88f28";
        let line = format!("e30.{payload}.c2ln");
        assert_eq!(summary(&line), Some(format!("7\t2\t{link}\treadings\tdev3\td0=1,r5=123")));
        assert_eq!(summary("no record"), None);
    }
}
