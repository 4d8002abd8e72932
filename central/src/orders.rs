//! Orders and commands: signed here, sent to the gateway until its records say that they took effect.

use crate::custody::{Custody, CustodyError};
use crate::store::{Commanded, Ordered, Store, StoreError};
use picket_record::command::{Act, COMMAND_AGE_MAX_S, Command};
use picket_record::encode::Name;
use picket_record::order::{Order, Register, Window};
use picket_record::refusal::Refusal;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Why nothing is ordered. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    /// Keys or files.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory was made without root documents.
    #[error(
        "this central system has no root documents, so no gateway takes its orders; make them: picket-central root make"
    )]
    NoRoot,
    /// The gateway is not known, or has written nothing yet.
    #[error("{0}")]
    Gateway(String),
    /// It cannot be written as it was given.
    #[error("{0}")]
    Unwritable(#[from] Refusal),
}

/// What an order shall say.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Text of a register; `None` leaves the register as it is.
    pub register: Option<String>,
    /// Settings by name.
    pub settings: Map<String, Value>,
    /// Windows for drills.
    pub drills: Vec<Window>,
    /// How long it is not stale, in milliseconds.
    pub life_ms: i64,
    /// Who orders.
    pub by: String,
}

/// Signs the next order for a gateway and keeps it to be sent; its version.
pub fn order(custody: &Custody, store: &mut Store, gw: &Name, wanted: &Wanted, now_ms: i64) -> Result<u64, OrderFault> {
    let (_, roots) = custody.roots()?.ok_or(OrderFault::NoRoot)?;
    let accepted = store.gateway(gw)?.ok_or_else(|| unknown(gw))?;
    let last = store.newest_order(gw)?;
    let (ver, prev) = last.map_or((1, accepted.link), |last| (last.ver + 1, last.link));
    let root = roots.in_force();
    let register =
        wanted.register.as_ref().map(|text| Register { sha256: Sha256::digest(text).into(), bytes: text.len() as u64 });
    let order = Order {
        sms: custody.sms()?,
        gw: gw.clone(),
        ver: ver.max(root.order_floor),
        prev,
        iat_ms: now_ms,
        exp_ms: now_ms.saturating_add(wanted.life_ms),
        root: root.ver,
        register,
        settings: wanted.settings.clone(),
        drills: wanted.drills.clone(),
    };
    let signed = order.sign(&custody.order_key()?)?;
    let row = Ordered { ver: order.ver, link: signed.link, line: signed.line, register: wanted.register.clone() };
    store.order(gw, &row, &wanted.by, now_ms)?;
    Ok(order.ver)
}

/// Signs a command, bound to the newest record of the gateway, and keeps it to be sent; its number.
pub fn command(
    custody: &Custody,
    store: &mut Store,
    gw: &Name,
    act: Act,
    by: &str,
    now_ms: i64,
) -> Result<u64, OrderFault> {
    custody.roots()?.ok_or(OrderFault::NoRoot)?;
    let Some((head, received_ms)) = store.head(gw)? else {
        let why = match store.gateway(gw)? {
            Some(_) => OrderFault::Gateway(format!("gateway {gw} has written no record that a command could name")),
            None => unknown(gw),
        };
        return Err(why);
    };
    let age_s = now_ms.saturating_sub(received_ms) / 1_000;
    if age_s > COMMAND_AGE_MAX_S as i64 {
        let why = format!(
            "the newest record of gateway {gw} came {} minutes ago, and a command names one of the last {}, so that no \
             old command is ever obeyed: wait for its next record, or have it speak more often: picket-central order \
             --set heartbeat_s=300",
            age_s / 60,
            COMMAND_AGE_MAX_S / 60
        );
        return Err(OrderFault::Gateway(why));
    }
    let n = store.last_command(gw)? + 1;
    let command = Command { sms: custody.sms()?, gw: gw.clone(), n, seq: head.seq, on: head.link, act };
    let line = command.sign(&custody.order_key()?)?.line;
    store.command(gw, &Commanded { n, line, made_ms: now_ms }, by)?;
    Ok(n)
}

fn unknown(gw: &Name) -> OrderFault {
    OrderFault::Gateway(format!("no gateway {gw} was accepted here; picket-central gateways lists all"))
}
