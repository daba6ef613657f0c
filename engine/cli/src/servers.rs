//! `ringway server`: the servers of a pool.

use crate::Failure;
use crate::output::{Rows, age, print_json, print_styled};
use crate::access::Server;
use crate::overview::{Overview, ServerView, SourceArgs, all_leases, end_leases_of};
use crate::pool_list::{labels_text, state_text};
use crate::quota::administer;
use crate::time::Span;
use ringway_wire::pool::{AdminRequest, LeaseRow};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time between two looks at what a server that is emptied still has.
const LOOK: Duration = Duration::from_millis(500);

/// Options of `ringway server`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway server list
  ringway server drain gpu07       its leases go on, new ones go elsewhere: for maintenance
  ringway server drain gpu07 --wait --end-after 2h    until nothing runs there, ending after two hours what still does
  ringway server undrain gpu07     it takes leases again
  ringway server remove gpu07      forget a server that is gone for good

All but `list` take a token of the scope admin.")]
pub struct ServerArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the servers of a pool.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have a server take no new leases; those it has go on.
    Drain {
        #[command(flatten)]
        one: One,
        /// Wait until it has no leases.
        #[arg(long)]
        wait: bool,
        /// End after this time (as 30m or 2h; 0s: at once) the leases that it still has.
        #[arg(long, value_name = "TIME", requires = "wait")]
        end_after: Option<Span>,
    },
    /// Have a drained server take leases again.
    Undrain(One),
    /// Forget a server that is down and has no leases.
    Remove(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// The server, as `ringway server list` names it.
    name: String,
    #[command(flatten)]
    source: SourceArgs,
}

/// Does it.
pub fn server(args: &ServerArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        What::List { source, json } => list(source, *json)?,
        What::Drain { one, wait, end_after } => {
            administer(&one.source, AdminRequest::Drain { server: one.name.clone(), drain: true })?;
            if *wait {
                wait_until_empty(&one.source.first()?, &one.name, end_after.map(|Span(limit)| limit))?;
            }
        }
        What::Undrain(one) => administer(&one.source, AdminRequest::Drain { server: one.name.clone(), drain: false })?,
        What::Remove(one) => administer(&one.source, AdminRequest::RemoveServer { server: one.name.clone() })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until a server has no leases; after `end_after` those that it still has are ended.
fn wait_until_empty(pool: &Server, name: &str, end_after: Option<Duration>) -> Result<(), Failure> {
    let (began, mut left_before) = (Instant::now(), usize::MAX);
    let is_there = |lease: &LeaseRow| lease.lease.slices.iter().any(|slice| slice.server == name);
    loop {
        let left = all_leases(pool)?.iter().filter(|lease| is_there(lease)).count();
        if left == 0 {
            return Ok(());
        }
        if left != left_before {
            eprintln!("ringway: {name} has {left} lease{} still", if left == 1 { "" } else { "s" });
            left_before = left;
        }
        if end_after.is_some_and(|limit| began.elapsed() >= limit) {
            end_leases_of(pool, is_there)?;
        }
        std::thread::sleep(LOOK);
    }
}

fn list(source: &SourceArgs, json: bool) -> Result<(), Failure> {
    let found = Overview::of(&source.first()?, false)?;
    if json {
        return print_json(&found.servers);
    }
    let mut rows = Rows::new(&["!server", "state", ">GPUs", ">leases", "host", "!address", "version", "driver", "heard", "labels"]);
    found.servers.iter().for_each(|server| rows.add(row(server)));
    print_styled(&if rows.is_empty() { "no servers are known\n".into() } else { rows.text() })
}

fn row(server: &ServerView) -> [String; 10] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        server.name.clone(),
        state_text(server),
        server.gpus.len().to_string(),
        server.sum(|gpu| u64::from(gpu.leases)).to_string(),
        or_dash(&server.hostname),
        server.address.clone(),
        or_dash(&server.version),
        or_dash(&server.driver),
        server.silent_ms.map_or_else(|| "never".into(), |silent_ms| format!("{} ago", age(silent_ms / 1000))),
        labels_text(server),
    ]
}
