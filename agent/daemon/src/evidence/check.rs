//! Reading a bundle from a folder into the walk that judges it.

use picket_record::bundle::{BundleCheck, Part, Seal, Trust, Verdict};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Read at once.
const SLICE_BYTES: usize = 1 << 16;
/// Names of other files that are held against a bundle, at most: a folder may hold anything.
const STRANGERS: usize = 1_000;

/// Every file of a bundle, in the order in which one is verified with another. `told` gets the bytes that were read.
/// The error names the file that cannot be read, or a folder that holds none of a bundle.
pub fn bundle(folder: &Path, trust: Trust, seal: Seal, told: &mut impl FnMut(u64)) -> Result<Verdict, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let (mut parts, mut strangers) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        match Part::of_file(&name) {
            Some(part) => parts.push(part),
            None if strangers.len() < STRANGERS => strangers.push(name),
            None => {}
        }
    }
    if parts.is_empty() {
        let wanted = Part::Records.file();
        return Err(format!("{} holds no file of a bundle: name the folder that has {wanted}", folder.display()));
    }
    let mut check = BundleCheck::new(trust, seal);
    for part in Part::ALL.into_iter().filter(|part| parts.contains(part)) {
        let file = folder.join(part.file());
        check.begin(part);
        fed(&file, &mut check, told).map_err(|error| format!("{}: {error}", file.display()))?;
        check.end();
    }
    strangers.iter().for_each(|name| check.stranger(name));
    Ok(check.finish())
}

/// Bytes of all its files.
pub fn size(folder: &Path) -> u64 {
    let bytes = |part: &Part| fs::metadata(folder.join(part.file())).map_or(0, |found| found.len());
    Part::ALL.iter().map(bytes).sum()
}

fn fed(file: &Path, check: &mut BundleCheck, told: &mut impl FnMut(u64)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(SLICE_BYTES, File::open(file)?);
    loop {
        let bytes = reader.fill_buf()?;
        let read = bytes.len();
        if read == 0 {
            return Ok(());
        }
        check.feed(bytes);
        told(read as u64);
        reader.consume(read);
    }
}
