//! A line of the agent, running beside the test.

use crate::programs::DEADLINE;
use picket::line::{Carrier, Order, run};
use picket_core::plan::LineId;
use picket_core::wire::{Delivery, Heard, Input};
use picket_device::modbus::{Answer, Fault, Read};
use picket_device::profile::Table;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait of an ask that shall be answered.
const PATIENCE_MS: u32 = 3_000;

pub(crate) struct Running {
    orders: Option<mpsc::Sender<Order>>,
    inputs: mpsc::Receiver<Input>,
    tasks: JoinSet<()>,
    asks: u64,
    /// How the last message was handed over.
    pub(crate) delivery: Option<Delivery>,
}

/// What a broker's message said, without its token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
    pub(crate) oversize: Option<u64>,
}

impl Running {
    pub(crate) fn start(carrier: Carrier) -> Self {
        let (orders, orders_out) = mpsc::channel(4);
        let (inputs_in, inputs) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(LineId(0), carrier, orders_out, inputs_in, 11));
        Self { orders: Some(orders), inputs, tasks, asks: 0, delivery: None }
    }

    async fn order(&self, order: Order) {
        self.orders.as_ref().expect("not stopped").send(order).await.expect("the line runs");
    }

    async fn input(&mut self) -> Input {
        timeout(DEADLINE, self.inputs.recv()).await.expect("within the deadline").expect("the line runs")
    }

    /// Asks unit 1 and waits for the outcome.
    pub(crate) async fn ask(&mut self, table: Table, start: u16, count: u16) -> Result<Answer, Fault> {
        self.ask_within(table, start, count, PATIENCE_MS).await
    }

    /// The same with a patience of its own.
    pub(crate) async fn ask_within(
        &mut self,
        table: Table,
        start: u16,
        count: u16,
        patience_ms: u32,
    ) -> Result<Answer, Fault> {
        self.asks += 1;
        let read = Read { table, start, count };
        self.order(Order::Ask { ask: self.asks, unit: 1, read, patience_ms }).await;
        match self.input().await {
            Input::Outcome { ask, result, .. } if ask == self.asks => result,
            other => panic!("no outcome: {other:?}"),
        }
    }

    /// Waits until the line stands.
    pub(crate) async fn open(&mut self) {
        while self.standing().await.is_some() {}
    }

    /// The next change of standing.
    pub(crate) async fn standing(&mut self) -> Option<String> {
        match self.input().await {
            Input::Line { fault, .. } => fault,
            other => panic!("no standing: {other:?}"),
        }
    }

    /// The next message, with its token.
    pub(crate) async fn message(&mut self) -> (u64, Message) {
        match self.input().await {
            Input::Heard { token, heard: Heard::Message { topic, payload, retained, oversize, delivery }, .. } => {
                self.delivery = delivery;
                (token, Message { topic, payload, retained, oversize })
            }
            other => panic!("no message: {other:?}"),
        }
    }

    /// The next message; nothing where the line's standing changed. A resumed session delivers what it owed before it
    /// confirms the subscription.
    pub(crate) async fn heard_or_open(&mut self) -> Option<(u64, Message)> {
        match self.input().await {
            Input::Line { .. } => None,
            Input::Heard { token, heard: Heard::Message { topic, payload, retained, oversize, delivery }, .. } => {
                self.delivery = delivery;
                Some((token, Message { topic, payload, retained, oversize }))
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Confirms everything heard up to `token`.
    pub(crate) async fn confirm(&self, token: u64) {
        self.order(Order::Confirm { token }).await;
    }

    /// Stops the line in order.
    pub(crate) async fn stop(mut self) {
        self.orders = None;
        timeout(DEADLINE, self.tasks.join_next()).await.expect("in time").expect("one line").expect("no panic");
    }

    /// Drops the line in the middle of what it does, as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}
