//! `picket-central root`: making, renewing and showing what gateways believe this central system by.

use crate::ordering::now_ms;
use crate::{Usage, existing, say};
use clap::Subcommand;
use picket_central::custody::{self, Custody};
use picket_central::enrol::EnrolFault;
use picket_central::roots::{Renewal, Renewed, RootFault};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Root documents.
#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// Make the three root keys, the key for orders and the first root document; for a directory made without
    Make {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
    },
    /// Make the next root document with new keys, signed by two root keys; restart `picket-central run` afterwards
    Renew {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// File of a root key; twice
        #[arg(long, required = true)]
        key: Vec<PathBuf>,
        /// A new key for orders: versions of orders begin anew
        #[arg(long)]
        order: bool,
        /// A new key for receipts
        #[arg(long)]
        receipt: bool,
        /// A new key for acceptances and tokens
        #[arg(long)]
        accept: bool,
        /// A new root key in the place of the lost one: give --key for the two others
        #[arg(long)]
        replace_root_key: bool,
    },
    /// Print the hash of the root document in force, to be compared on paper
    Show {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
    },
}

pub(crate) fn root(command: &RootCommand) -> Result<(), Box<dyn Error>> {
    match command {
        RootCommand::Make { dir } => {
            let custody = existing(dir)?;
            custody.make_root(now_ms())?;
            made(&custody, dir)
        }
        RootCommand::Renew { dir, key, order, receipt, accept, replace_root_key } => {
            let custody = existing(dir)?;
            let renewal = Renewal { order: *order, receipt: *receipt, accept: *accept, root: *replace_root_key };
            let Renewed { ver, root_key } =
                custody.renew_root(key, renewal, now_ms()).map_err(|fault| match fault {
                    RootFault::Keys { .. } | RootFault::NoneLeft => Box::<dyn Error>::from(Usage(fault.to_string())),
                    other => other.into(),
                })?;
            say(format!("version {ver} is in {}; restart picket-central run", dir.join(custody::ROOT).display()));
            if let Some(file) = root_key {
                say(format!("The new root key is {}: carry it to a place of its own.", file.display()));
            }
            if *accept {
                let public = dir.join(custody::ACCEPT_PUB);
                say(format!("Gateways that are enrolled without a token get the new {} installed.", public.display()));
            }
            Ok(())
        }
        RootCommand::Show { dir } => show(&existing(dir)?),
    }
}

/// What whoever made root keys must know: the service has none of them, and needs none.
pub(crate) fn made(custody: &Custody, dir: &Path) -> Result<(), Box<dyn Error>> {
    show(custody)?;
    let dir = dir.display();
    say(format!(
        "Write that hash down: gateways are given it on paper or in a token. Carry {dir}/root-1.key, root-2.key and \
         root-3.key to three other places and delete them here: whoever has two of the three rules every gateway, and \
         picket-central run needs none of them."
    ));
    Ok(())
}

fn show(custody: &Custody) -> Result<(), Box<dyn Error>> {
    let (_, roots) = custody.roots()?.ok_or_else(|| Usage(EnrolFault::NoRoot.to_string()))?;
    let hash = picket_record::encode::base64url(&roots.hash());
    say(format!("root document {} of {}: {hash}", roots.in_force().ver, roots.in_force().sms));
    Ok(())
}
