//! `ringway token`: makes, lists and revokes the tokens of this machine's server.

use crate::serve::host_name;
use crate::{Failure, print};
use ringway_link::endpoint::{DEFAULT_PORT, Endpoint};
use crate::pool::POOL_PORT;
use ringway_pool::identity::{Certificates, Folder, NewToken, Scope, TokenState, Tokens, default_folder, default_pool_folder};
use ringway_secure::token::{ADDRESSES_MAX, TokenFile};
use ringway_secure::{pem, unix_now};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A token cannot be given a longer life than this, seconds: ten years.
const LIFE_MAX_S: u64 = 3650 * 86_400;

/// Options of `ringway token`.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
    /// Folder of the server's identity, as `ringway serve` has it.
    #[arg(long, env = "RINGWAY_STATE", value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// Of a pool: its folder, as `ringway pool` has it, and its usual port.
    #[arg(long, global = true)]
    pool: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a token and write the file that a client needs.
    Create(Create),
    /// Show the tokens, without their secrets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a token worthless, at once: its leases end too.
    Revoke {
        /// The token's name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Name to list and revoke it by.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Whom the server takes its bearer for, whoever that says to be.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// What it allows. `read`: look at everything. `use`: use GPUs too. `serve`: bring a server into a pool, under the token's name.
    /// `admin`: everything.
    #[arg(long, value_enum, default_value_t = Allows::Use, value_name = "SCOPE")]
    scope: Allows,
    /// How long it is good, as 30d, 12h or 90m; without it until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = life)]
    expires: Option<u64>,
    /// Where clients reach the server (HOST:PORT); may be given several times. Without it: this host's name and the usual port.
    #[arg(long, value_name = "ADDR")]
    address: Vec<Endpoint>,
    /// GPUs that all of its leases may have at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_gpus: Option<u32>,
    /// MiB of GPU memory that all of its leases may have at a time.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    max_memory: Option<u64>,
    /// File to write, for its owner only; it must not be there yet. `-`: standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// See [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Allows {
    Read,
    Use,
    Serve,
    Admin,
}

impl From<Allows> for Scope {
    fn from(allows: Allows) -> Self {
        match allows {
            Allows::Read => Self::Read,
            Allows::Use => Self::Use,
            Allows::Serve => Self::Serve,
            Allows::Admin => Self::Admin,
        }
    }
}

/// Seconds.
pub fn life(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time; write a number and s, m, h, d or w, at most ten years, as 30d");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| (1..=LIFE_MAX_S).contains(seconds)).ok_or_else(wrong)
}

/// Does it.
pub fn token(args: &TokenArgs) -> Result<ExitCode, Failure> {
    let path = match &args.state {
        Some(path) => path.clone(),
        None if args.pool => default_pool_folder()?,
        None => default_folder()?,
    };
    let port = if args.pool { POOL_PORT } else { DEFAULT_PORT };
    match &args.what {
        What::Create(wanted) => create(&path, wanted, port)?,
        What::List { json } => list(&path, *json)?,
        What::Revoke { name } => Tokens::of(path).revoke(name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path, wanted: &Create, port: u16) -> Result<(), Failure> {
    let mut addresses: Vec<String> = wanted.address.iter().map(Endpoint::to_string).collect();
    if wanted.address.iter().any(|address| matches!(address, Endpoint::Unix(_))) || addresses.len() > ADDRESSES_MAX {
        return Err(Failure::new(format!("--address is HOST:PORT, at most {ADDRESSES_MAX} times")));
    }
    if addresses.is_empty() {
        addresses.push(format!("{}:{port}", host_name()));
    }
    // The file first: a token whose secret cannot be written down must not exist.
    let to_file = wanted.output != Path::new("-");
    let failed = |error: std::io::Error| {
        Failure::new(format!("{}: {error}; name a file that is not there yet with -o, in a folder that you may write to", wanted.output.display()))
    };
    let file = to_file
        .then(|| OpenOptions::new().create_new(true).write(true).mode(0o600).open(&wanted.output).map_err(failed))
        .transpose()?;
    let made = make(path, wanted, addresses).and_then(|text| match file {
        Some(mut file) => file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed),
        None => print(&text),
    });
    if made.is_err() && to_file {
        // Made a moment ago by this program, and of no use.
        let _ = std::fs::remove_file(&wanted.output);
    }
    made
}

fn make(path: &Path, wanted: &Create, addresses: Vec<String>) -> Result<zeroize::Zeroizing<String>, Failure> {
    let certificates = Certificates::load_or_make(&Folder::make(path)?)?;
    let (token, secret) = Tokens::of(path.into()).create(NewToken {
        name: wanted.name.clone(),
        user: wanted.user.clone(),
        expires: wanted.expires.map(|life| unix_now() + life),
        max_gpus: wanted.max_gpus,
        max_memory_mib: wanted.max_memory,
        scope: wanted.scope.into(),
    })?;
    let file = TokenFile {
        name: token.name,
        id: token.id,
        secret: secret.to_string(),
        expires: token.expires,
        addresses,
        ca: pem::encode("CERTIFICATE", &certificates.authority).to_string(),
    };
    file.text().map_err(Failure::new)
}

fn list(path: &Path, json: bool) -> Result<(), Failure> {
    let tokens = Tokens::of(path.into()).all()?;
    let now = unix_now();
    let state = |state| match state {
        TokenState::Valid => "valid",
        TokenState::Expired => "expired",
        TokenState::Revoked => "revoked",
    };
    if json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                serde_json::json!({
                    "name": token.name, "id": token.id, "user": token.user, "scope": token.scope.name(), "state": state(token.state(now)), "created": token.created,
                    "expires": token.expires, "revoked": token.revoked, "max_gpus": token.max_gpus, "max_memory_mib": token.max_memory_mib,
                })
            })
            .collect();
        return print(&(serde_json::to_string_pretty(&rows)? + "\n"));
    }
    let mut text = format!("{:<24} {:<16} {:<6} {:<8} {:>12} {:>6} {:>12}\n", "name", "user", "scope", "state", "ends in", "GPUs", "memory MiB");
    for token in tokens.iter() {
        let ends = match token.expires.map(|end| end.saturating_sub(now)) {
            None => "never".into(),
            Some(left) if left >= 86_400 => format!("{} days", left / 86_400),
            Some(left) => format!("{} h {} min", left / 3600, left / 60 % 60),
        };
        let bound = |bound: Option<u64>| bound.map_or("any".into(), |bound| bound.to_string());
        let _ = writeln!(
            text,
            "{:<24} {:<16} {:<6} {:<8} {ends:>12} {:>6} {:>12}",
            token.name,
            token.user.as_deref().unwrap_or("-"),
            token.scope.name(),
            state(token.state(now)),
            bound(token.max_gpus.map(u64::from)),
            bound(token.max_memory_mib)
        );
    }
    print(&text)
}

#[cfg(test)]
mod tests {
    use super::life;

    #[test]
    fn lives() {
        for (text, seconds) in [("30d", 30 * 86_400), ("12h", 43_200), ("90m", 5400), ("1s", 1), ("2w", 14 * 86_400), ("3650d", 3650 * 86_400)] {
            assert_eq!(life(text), Ok(seconds), "{text}");
        }
        for text in ["", "d", "30", "0d", "-1d", "1.5h", "3651d", "99999999999999999999d", "18446744073709551615w", "30 d", "3é"] {
            assert!(life(text).is_err(), "{text}");
        }
    }
}
