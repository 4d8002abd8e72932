//! Commands about certificates: the authority for them, and a wish that was carried by hand.

use crate::{Usage, existing, say};
use clap::{Args, Subcommand};
use picket_central::authority::{self, Authority, AuthorityFault, DAYS_MAX, DAYS_MIN, DAYS_USUAL};
use picket_central::certify::CertifyFault;
use picket_central::clock::Clock;
use picket_central::custody;
use picket_central::enrol;
use picket_central::store::Store;
use picket_record::certificate::Wanted;
use std::error::Error;
use std::path::PathBuf;

/// The authority.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Make the key and the certificate that certificates of gateways are signed with; restart `picket-central run`
    /// afterwards
    Make {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// Days that a gateway's certificate lasts; it is renewed at two thirds of them
        #[arg(long, default_value_t = DAYS_USUAL, value_parser = clap::value_parser!(u32).range(i64::from(DAYS_MIN)..=i64::from(DAYS_MAX)))]
        days: u32,
    },
    /// Print the certificate of the authority, for the broker's cafile
    Show {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
    },
}

/// A wish that was carried by hand.
#[derive(Debug, Args)]
pub(crate) struct CertifyArguments {
    /// Directory of the central system
    #[arg(long)]
    dir: PathBuf,
    /// The wish that `picket renew --out` wrote
    #[arg(long)]
    request: PathBuf,
    /// File to write; must not exist yet
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn authority(command: &AuthorityCommand) -> Result<(), Box<dyn Error>> {
    match command {
        AuthorityCommand::Make { dir, days } => {
            let custody = existing(dir)?;
            let now_s = u64::try_from(Clock::start().now().wall_ms / 1_000)?;
            Authority::make(&custody, *days, now_s)?;
            say(format!(
                "{} is for the broker (mosquitto: cafile); restart picket-central run",
                dir.join(authority::CERTIFICATE).display()
            ));
            Ok(())
        }
        AuthorityCommand::Show { dir } => {
            let custody = existing(dir)?;
            let authority = Authority::open(&custody)?.ok_or_else(|| Usage(CertifyFault::NoAuthority.to_string()))?;
            let until = i64::try_from(authority.until_s())?.saturating_mul(1_000);
            let until = picket_record::wall::to_text(until).unwrap_or_default();
            let text = std::fs::read_to_string(dir.join(authority::CERTIFICATE))?;
            say(format!("{}valid until {until}", text));
            Ok(())
        }
    }
}

pub(crate) fn certify(arguments: &CertifyArguments) -> Result<(), Box<dyn Error>> {
    let custody = existing(&arguments.dir)?;
    let mut store = Store::open(&custody.store())?;
    let shown = arguments.request.display();
    let line = std::fs::read_to_string(&arguments.request);
    let line = line.map_err(|error| Usage(format!("--request: {shown}: {error}")))?;
    let gw = Wanted::claims(line.trim()).map_err(|refusal| Usage(format!("--request: {shown}: {refusal}")))?;
    let certifier = enrol::certifier(&custody)?.ok_or_else(|| Usage(CertifyFault::NoAuthority.to_string()))?;
    let answer = certifier.answer(&mut store, gw.as_str(), &line, Clock::start().now()).map_err(told)?;
    custody::write_new(&arguments.out, &answer)?;
    say(format!("certified; on the gateway: picket renew --answer {}", arguments.out.display()));
    Ok(())
}

/// What the caller can put right ends with 2, the rest with 3.
fn told(fault: CertifyFault) -> Box<dyn Error> {
    match fault {
        CertifyFault::Store(_) | CertifyFault::Custody(_) => fault.into(),
        CertifyFault::Authority(AuthorityFault::Custody(_) | AuthorityFault::Content { .. }) => fault.into(),
        other => Usage(other.to_string()).into(),
    }
}
