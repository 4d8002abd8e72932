//! The cameras' side of a broker: one MQTT 5 session that publishes what they say.

use crate::devices::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, ClientError, Event, MqttOptions};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Messages that may wait to be sent.
const QUEUE: usize = 1_000;
/// Pause before the broker is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether the broker keeps the last message of a topic for who comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As ONVIF wants its property events.
    Retained,
    /// Only for who listens.
    Passing,
}

/// The handle of the session; it ends with it.
#[derive(Debug)]
pub struct Publisher {
    client: AsyncClient,
    published: u64,
    acknowledged: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Publisher {
    /// Opens a session under a client id.
    pub fn start(id: &str, host: &str, port: u16) -> Self {
        let mut options = MqttOptions::new(id, host, port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = AsyncClient::new(options, QUEUE);
        let (counted, acknowledged) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => counted.send_modify(|count| *count += 1),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        Self { client, published: 0, acknowledged, task }
    }

    /// Publishes at QoS 1.
    pub async fn publish(&mut self, message: Message, kept: Kept) -> Result<(), ClientError> {
        self.client.publish(message.topic, QoS::AtLeastOnce, kept == Kept::Retained, message.payload).await?;
        self.published += 1;
        Ok(())
    }

    /// Waits until the broker has everything that was published; false where it never will.
    pub async fn delivered(&mut self) -> bool {
        let published = self.published;
        self.acknowledged.wait_for(|count| *count >= published).await.is_ok()
    }
}
