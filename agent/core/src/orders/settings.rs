//! The settings that an order may give: a closed set, refused whole where one name or value is not known.

use serde_json::{Map, Value};

/// What orders set. `None` leaves what the gateway's own settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Seconds between two heartbeats, 1 to 3,600.
    pub heartbeat_s: Option<u64>,
    /// Days that records with a receipt are kept at least, 1 to 3,650.
    pub retention_days: Option<u64>,
}

impl Settings {
    /// Reads the settings of an order.
    pub fn read(map: &Map<String, Value>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (name, value) in map {
            match name.as_str() {
                "heartbeat_s" => settings.heartbeat_s = Some(integer(name, value, 1, 3_600)?),
                "retention_days" => settings.retention_days = Some(integer(name, value, 1, 3_650)?),
                _ => return Err(format!("the setting {name:?} is not known to this agent")),
            }
        }
        Ok(settings)
    }
}

fn integer(name: &str, value: &Value, least: u64, most: u64) -> Result<u64, String> {
    let found = value.as_u64().filter(|n| (least..=most).contains(n));
    found.ok_or_else(|| format!("the setting {name:?} is {value}, not an integer from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Settings, String> {
        Settings::read(value.as_object().unwrap())
    }

    #[test]
    fn what_is_not_known_or_out_of_its_range_refuses_the_whole() {
        let both = Settings { heartbeat_s: Some(30), retention_days: Some(90) };
        assert_eq!(read(json!({ "heartbeat_s": 30, "retention_days": 90 })), Ok(both));
        assert_eq!(read(json!({})), Ok(Settings::default()));
        for wrong in [
            json!({ "heartbeat_s": 30, "colour": "red" }),
            json!({ "heartbeat_s": 0 }),
            json!({ "retention_days": "90" }),
        ] {
            assert!(read(wrong).is_err());
        }
    }
}
