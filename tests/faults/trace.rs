//! Recording: runs this program as the writer under strace and reads what it did to its folder.

use crate::disk::Op;
use simulator::product::output;
use std::path::Path;
use std::process::Command;

const CALLS: &str = "trace=openat,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,\
                     rename,renameat,renameat2,mkdir,mkdirat,link,linkat";

/// What a command did to a folder and told on its standard output, in order. Calls that the model does not know are an
/// error: an unknown one would make every state a guess.
pub(crate) fn record(command: &[String], folder: &Path, trace: &Path) -> Result<Vec<Op>, String> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "--seccomp-bpf", "-s", "4000000", "-e", CALLS, "-e", "signal=none", "-o"]);
    output(strace.arg(trace).args(command)).map_err(crate::told)?;
    let text = std::fs::read_to_string(trace).map_err(|error| format!("{}: {error}", trace.display()))?;
    let folder = folder.to_str().ok_or("the folder has no plain name")?;
    let mut ops = Vec::new();
    for line in text.lines() {
        ops.extend(parse(line, folder).map_err(|why| format!("{why}: {}", &line[..line.len().min(300)]))?);
    }
    Ok(ops)
}

/// `pid name(arguments) = result`, what it means for the folder.
fn parse(line: &str, folder: &str) -> Result<Option<Op>, String> {
    let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
    if call.contains("<unfinished ...>") || call.starts_with("<...") {
        return Err("two threads at once".into());
    }
    let Some((head, result)) = call.rsplit_once(" = ") else { return Ok(None) };
    if result.starts_with(['-', '?']) {
        return Ok(None);
    }
    let Some((name, arguments)) = head.trim_end().split_once('(') else { return Ok(None) };
    let fields = fields(arguments.strip_suffix(')').unwrap_or(arguments));
    let inside = |path: &str| -> Option<String> {
        let rest = path.strip_prefix(folder)?;
        Some(rest.trim_start_matches('/').trim_end_matches(" (deleted)").to_owned())
    };
    let quoted: Vec<String> = fields.iter().filter_map(|field| text(field)).collect();
    let op = match name {
        "write" | "pwrite64" => {
            let (fd, path) = descriptor(fields.first().ok_or("no argument")?);
            let data = bytes(fields.get(1).ok_or("no data")?)?;
            // Standard output, or a copy of it.
            if path.starts_with("pipe:") && fd != "2" {
                return Ok(Some(Op::Told(String::from_utf8_lossy(&data).into_owned())));
            }
            let Some(file) = inside(&path) else { return Ok(None) };
            let done: usize = result.split(' ').next().and_then(|n| n.parse().ok()).ok_or("no length")?;
            let at = fields.get(3).map(|at| at.parse().map_err(|_| "no offset")).transpose()?;
            Op::Write { file, at, data: data[..done.min(data.len())].to_vec() }
        }
        "fsync" | "fdatasync" => match inside(&descriptor(fields.first().ok_or("no argument")?).1) {
            Some(file) => Op::Sync { file },
            None => return Ok(None),
        },
        "ftruncate" => match inside(&descriptor(fields.first().ok_or("no argument")?).1) {
            Some(file) => Op::Cut { file, to: fields.get(1).and_then(|to| to.parse().ok()).ok_or("no length")? },
            None => return Ok(None),
        },
        "openat" => {
            let Some(file) = quoted.first().and_then(|path| inside(path)) else { return Ok(None) };
            let flags = fields.get(2).map_or("", String::as_str);
            if flags.contains("O_TRUNC") {
                Op::Emptied { file }
            } else if flags.contains("O_CREAT") {
                Op::Made { file }
            } else {
                return Ok(None);
            }
        }
        "unlink" | "unlinkat" => match quoted.first().and_then(|path| inside(path)) {
            Some(file) => Op::Removed { file },
            None => return Ok(None),
        },
        "rename" | "renameat" | "renameat2" => {
            let [from, to] = quoted.as_slice() else { return Err("not two names".into()) };
            match inside(from).zip(inside(to)) {
                Some((from, to)) => Op::Renamed { from, to },
                None => return Ok(None),
            }
        }
        "mkdir" | "mkdirat" => return Ok(None),
        _ => {
            let touches = quoted.iter().any(|path| inside(path).is_some())
                || fields.first().is_some_and(|field| inside(&descriptor(field).1).is_some());
            return if touches { Err(format!("the model does not know {name}")) } else { Ok(None) };
        }
    };
    Ok(Some(op))
}

/// Arguments, without the quotes' commas: hexadecimal text holds none.
fn fields(arguments: &str) -> Vec<String> {
    arguments.split(", ").map(str::to_owned).collect()
}

/// `3<path>`: number and path.
fn descriptor(field: &str) -> (String, String) {
    let (fd, rest) = field.split_once('<').unwrap_or((field, ""));
    let path = rest.trim_end_matches('>');
    let path = if path.contains("\\x") { bytes(path).ok().and_then(|path| String::from_utf8(path).ok()) } else { None }
        .unwrap_or_else(|| path.to_owned());
    (fd.to_owned(), path)
}

fn text(field: &str) -> Option<String> {
    let inner = field.strip_prefix('"')?;
    String::from_utf8(bytes(inner).ok()?).ok()
}

/// `"\x2f\x64"`, with or without quotes.
fn bytes(field: &str) -> Result<Vec<u8>, String> {
    let field = field.trim_matches('"');
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let raw = field.as_bytes();
    let mut out = Vec::with_capacity(raw.len() / 4);
    for four in raw.chunks(4) {
        match four {
            [b'\\', b'x', high, low] => {
                let (high, low) = digit(*high).zip(digit(*low)).ok_or("not hexadecimal")?;
                out.push(high << 4 | low);
            }
            _ => return Err("not hexadecimal".into()),
        }
    }
    Ok(out)
}
