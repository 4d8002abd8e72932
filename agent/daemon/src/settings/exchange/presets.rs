//! How exports of known systems call things. Each line that rests on a document says which; what does not is marked
//! *assumed*, and a site that has it otherwise says so in a file of its own (`--map`).

/// How one system calls columns and words.
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// Name of a column, and the field it gives. Several may give one field: other versions call it otherwise. Two columns of
    /// an interval in one table are its number and its unit.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// Words of a field, in small letters, and what the register says for each. A field that is here takes no others.
    pub(super) words: &'static [(&'static str, &'static [(&'static str, &'static str)])],
}

pub(super) const ALL: &[Preset] = &[GAGETRAK, SNIPE_IT, MAXIMO];

/// GAGEtrak of CyberMetrics. Documented (FAQ "How do I use traceability in GAGEtrak?", cybermetrics.net): Gage ID, Status with
/// `1-Active`, Type, NIST No., Calibration Frequency. Named in the user guides 6 and 7: Manufacturer, Model No., Serial No.,
/// Next Due Date. Assumed: the other columns, `Frequency Units`, and that Last Calibration Date is one column. Intervals by use
/// ("Days after Issue") are none of the register's and are refused.
const GAGETRAK: Preset = Preset {
    name: "gagetrak",
    columns: &[
        ("Gage ID", "id"),
        ("Type", "kind"),
        ("Gage Type", "kind"),
        ("Status", "withdrawn"),
        ("Manufacturer", "make"),
        ("Model", "model"),
        ("Model No.", "model"),
        ("Serial No.", "serial"),
        ("Serial Number", "serial"),
        ("Current Location", "place"),
        ("Storage Location", "place"),
        ("NIST No.", "calibration_traceability"),
        ("Calibration Frequency", "calibration_interval"),
        ("Frequency Units", "calibration_interval"),
        ("Last Calibration Date", "calibration_last"),
        ("Next Due Date", "calibration_due"),
        ("Certificate No.", "calibration_certificate"),
    ],
    words: &[("withdrawn", &[("1-active", "")]), ("kind", &[])],
};

/// Snipe-IT. Documented: the columns of its import (`app/Importer/Importer.php`) and of its list of assets
/// (`resources/lang/en-US/admin/hardware/table.php`), which differ: Serial and Serial Number, Model and Model Name. `ID` is the
/// number of a row in its database and never ours. Words of Status are labels that each site makes: those of a fresh
/// installation are known, all others are asked for. It knows no calibration; audits are no inspections of equipment.
const SNIPE_IT: Preset = Preset {
    name: "snipe-it",
    columns: &[
        ("Asset Tag", "id"),
        ("Category", "kind"),
        ("Manufacturer", "make"),
        ("Model", "model"),
        ("Model Name", "model"),
        ("Serial", "serial"),
        ("Serial Number", "serial"),
        ("Location", "place"),
        ("Status", "withdrawn"),
    ],
    words: &[
        (
            "withdrawn",
            &[
                ("ready to deploy", ""),
                ("deployed", ""),
                ("pending", "Snipe-IT: pending"),
                ("archived", "Snipe-IT: archived"),
                ("out for diagnostics", "Snipe-IT: out for diagnostics"),
                ("out for repair", "Snipe-IT: out for repair"),
                ("broken - not fixable", "Snipe-IT: broken"),
                ("lost/stolen", "Snipe-IT: lost or stolen"),
            ],
        ),
        ("kind", &[]),
    ],
};

/// IBM Maximo Manage. Documented: attributes of ASSET (IBM documentation, "Asset integration" and "COBie: Component"), and the
/// line before the header (`SRM_SaaS_ES,MXASSETInterface,AddChange,EN`, "Assets CSV files"). `OPERATING` is a value of its
/// domain LOCASSETSTATUS; the other words are those of a fresh installation and assumed. Calibration is an add-on
/// with names of its own that no public document lists: a site maps them itself.
const MAXIMO: Preset = Preset {
    name: "maximo",
    columns: &[
        ("ASSETNUM", "id"),
        ("CLASSSTRUCTUREID", "kind"),
        ("ASSETTYPE", "kind"),
        ("MANUFACTURER", "make"),
        ("MODELID", "model"),
        ("SERIALNUM", "serial"),
        ("LOCATION", "place"),
        ("STATUS", "withdrawn"),
    ],
    words: &[
        (
            "withdrawn",
            &[
                ("operating", ""),
                ("active", ""),
                ("not ready", "Maximo: not ready"),
                ("inactive", "Maximo: inactive"),
                ("broken", "Maximo: broken"),
                ("decommissioned", "Maximo: decommissioned"),
            ],
        ),
        ("kind", &[]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use picket_core::register::rows::FIELDS;

    #[test]
    fn every_preset_gives_fields_that_the_register_has() {
        for preset in ALL {
            let fields =
                preset.columns.iter().map(|(_, field)| field).chain(preset.words.iter().map(|(field, _)| field));
            for field in fields {
                assert!(FIELDS.iter().any(|(known, _)| known == field), "{}: {field}", preset.name);
            }
            let words = preset.words.iter().flat_map(|(_, words)| *words);
            for (foreign, _) in words {
                assert_eq!(*foreign, foreign.to_lowercase(), "{}", preset.name);
            }
        }
    }
}
