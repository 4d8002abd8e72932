//! What is shipped in `config/` is right as it stands.

use picket::line::{Carrier, Parity};
use picket::settings;
use picket_core::plan::{DeviceSpeech, Driver};
use picket_core::register::EquipmentId;
use picket_device::quantity::Signal;
use std::path::{Path, PathBuf};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[test]
fn the_shipped_settings_have_neither_errors_nor_warnings() {
    let report = settings::check(&shipped());
    assert!(report.passes() && report.findings.warnings() == 0, "{report}");
    let summary = report.summary;
    assert_eq!((summary.lines, summary.devices, summary.equipment, summary.seals), (6, 9, 18, 4));
}
