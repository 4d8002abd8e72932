//! The link to the central side: one MQTT 5 session, rebuilt on every loss; batches out, receipts in.

/// Where the central broker is. `None` in the settings: records stay on the gateway.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User and password, if the broker asks for them.
    pub login: Option<(String, String)>,
}
