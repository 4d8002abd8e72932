//! A site broker over MQTT 5: a new client for every session, a loop that only polls, and an acknowledgement on the
//! wire only after what was heard is stored. The broker keeps what is not acknowledged, so nothing is kept here.

mod fault;
mod session;

use super::voice::{Deaf, Voice};
use super::{BrokerSession, Order};
use fault::{Rescue, SessionFault};
use picket_core::plan::LineId;
use picket_core::time::{Backoff, Chance};
use picket_core::wire::Input;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
use session::{Arrival, Intake};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Messages that may wait for their record; also the receive maximum told to the broker.
const CREDIT: u16 = 32;
/// Longest wait for the answer to CONNECT, and then for the one to SUBSCRIBE.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait until the last acknowledgements and DISCONNECT have left.
const FAREWELL: Duration = Duration::from_secs(2);
/// A session that stood for this long was not broken: the pauses start over.
const STABLE: Duration = Duration::from_secs(60);

/// Carries what the broker delivers until `orders` is closed.
pub(super) async fn run(
    line: LineId,
    session: &BrokerSession,
    mut orders: mpsc::Receiver<Order>,
    inputs: mpsc::Sender<Input>,
    seed: u64,
) {
    let (mut backoff, mut chance) = (Backoff::line(), Chance::new(seed));
    let mut voice = Voice::new(line, inputs, u64::from(CREDIT));
    let mut rescue = Rescue::default();
    loop {
        let begun = Instant::now();
        let Err(End::Lost(fault)) = attend(session, &rescue, &mut voice, &mut orders).await else { return };
        if begun.elapsed() >= STABLE {
            backoff.reset();
        }
        let told = rescue.after(&fault, begun.elapsed() >= STABLE);
        if voice.tell(Some(told)).await.is_err() {
            return;
        }
        let pause = Duration::from_millis(backoff.pause_ms(&mut chance));
        if rest(pause, &mut voice, &mut orders).await.is_err() {
            return;
        }
    }
}

/// Why a session ended.
enum End {
    /// It is tried again.
    Lost(SessionFault),
    /// Orders are closed, or nobody takes inputs.
    Stop,
}

impl From<Deaf> for End {
    fn from(_: Deaf) -> Self {
        End::Stop
    }
}

/// One session, from CONNECT to its end. The polling loop runs beside the desk and is never interrupted by it: what
/// `poll` holds when it is cancelled is lost.
async fn attend(
    session: &BrokerSession,
    rescue: &Rescue,
    voice: &mut Voice,
    orders: &mut mpsc::Receiver<Order>,
) -> Result<Infallible, End> {
    let (client, events) = session::client(session, rescue);
    let (arrivals_in, arrivals) = mpsc::channel(session::ARRIVALS);
    let (standings_in, standings) = mpsc::channel(session::STANDINGS);
    let mut desk = Desk { client: client.clone(), arrivals, next: None, unconfirmed: VecDeque::new() };
    let end = tokio::select! {
        fault = session::poll(events, &client, &session.topics, rescue, Intake::new(arrivals_in, standings_in)) => {
            fault.map_or(End::Stop, End::Lost)
        }
        end = desk.serve(voice, orders, standings) => end,
    };
    if matches!(end, End::Lost(_)) {
        desk.clear(voice).await?;
    }
    Err(end)
}

/// Between the polling loop and `think`: says what arrived, acknowledges what was confirmed.
struct Desk {
    client: AsyncClient,
    arrivals: mpsc::Receiver<Arrival>,
    /// Taken from `arrivals`, not yet said. A field, so that the end of the session does not lose it.
    next: Option<Arrival>,
    /// Said with an acknowledgement owed, by token.
    unconfirmed: VecDeque<(u64, Publish)>,
}

impl Desk {
    /// Serves until something ends; every wait in it may be cancelled by the end of the polling loop.
    async fn serve(
        &mut self,
        voice: &mut Voice,
        orders: &mut mpsc::Receiver<Order>,
        mut standings: mpsc::Receiver<Option<String>>,
    ) -> End {
        let answer_by = Instant::now() + 2 * ANSWER_PATIENCE;
        let mut open = false;
        loop {
            let done: Result<(), End> = tokio::select! {
                order = orders.recv() => match order {
                    None if open => return self.farewell().await,
                    None => return End::Stop,
                    Some(Order::Confirm { token }) => self.confirm(voice, token).map_err(End::Lost),
                    Some(ask @ Order::Ask { .. }) => voice.take(ask).await.map_err(End::from),
                },
                Some(standing) = standings.recv() => {
                    open = true;
                    voice.tell(standing).await.map_err(End::from)
                }
                () = sleep_until(answer_by), if !open => {
                    Err(End::Lost(SessionFault::NotSubscribed(ANSWER_PATIENCE.as_secs())))
                }
                Some(arrival) = self.arrivals.recv(), if self.next.is_none() => {
                    self.next = Some(arrival);
                    Ok(())
                }
                room = voice.room(), if self.next.is_some() && voice.has_credit() => {
                    room.map(|room| self.say(voice, room)).map_err(End::from)
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    fn say(&mut self, voice: &mut Voice, room: mpsc::OwnedPermit<Input>) {
        let Some(arrival) = self.next.take() else { return };
        let (heard, owed) = arrival.split();
        let token = voice.say(room, heard);
        if let Some(publish) = owed {
            self.unconfirmed.push_back((token, publish));
        }
    }

    /// Acknowledges everything up to `token`, in the order it came (MQTT 5.0 section 4.6).
    fn confirm(&mut self, voice: &mut Voice, token: u64) -> Result<(), SessionFault> {
        voice.confirm(token);
        while self.unconfirmed.front().is_some_and(|(said, _)| *said <= token) {
            if let Some((_, publish)) = self.unconfirmed.pop_front() {
                self.client.try_ack(&publish).map_err(|_| SessionFault::AckQueueFull)?;
            }
        }
        Ok(())
    }

    /// Lets the polling loop send what is acknowledged and DISCONNECT; that loop then ends the session.
    async fn farewell(&mut self) -> End {
        if self.client.try_disconnect().is_ok() {
            sleep(FAREWELL).await;
        }
        End::Stop
    }

    /// After a lost session: says what came at QoS 0, as far as credit goes. The rest is delivered again.
    async fn clear(&mut self, voice: &mut Voice) -> Result<(), Deaf> {
        let mut lost = 0;
        while let Some(arrival) = self.next.take().or_else(|| self.arrivals.try_recv().ok()) {
            match arrival.qos() {
                QoS::AtMostOnce if voice.has_credit() => {
                    let room = voice.room().await?;
                    voice.say(room, arrival.split().0);
                }
                QoS::AtMostOnce => lost += 1,
                QoS::AtLeastOnce | QoS::ExactlyOnce => {}
            }
        }
        if lost > 0 {
            tracing::warn!(lost, "messages at QoS 0 lost with the session");
        }
        Ok(())
    }
}

/// Pauses; confirmations of what was heard before still give back credit. Their acknowledgement died with the session.
async fn rest(pause: Duration, voice: &mut Voice, orders: &mut mpsc::Receiver<Order>) -> Result<(), End> {
    let pause = sleep(pause);
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => return Ok(()),
            order = orders.recv() => voice.take(order.ok_or(End::Stop)?).await?,
        }
    }
}

#[cfg(test)]
mod tests;
