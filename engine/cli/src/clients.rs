//! `ringway client`: hosts and users whose programs have leases now.

use crate::output::{Rows, age, print_json, print_styled};
use crate::overview::{LeaseState, LeaseView, Overview, SourceArgs};
use crate::{EXIT_RINGWAY, Failure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Options of `ringway client`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway client list              who uses the pool, and from where

Derived from the leases there are now: a host and a user without one are not in it.")]
pub struct ClientArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show hosts and users with leases.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Client {
    host: String,
    user: String,
    leases: u32,
    sessions: u32,
    gpus: u32,
    memory_bytes: u64,
    /// Of the oldest lease.
    age_s: u64,
    /// Leases whose holder is waited for.
    orphaned: u32,
}

/// Does it.
pub fn client(args: &ClientArgs) -> Result<ExitCode, Failure> {
    let What::List { source, json } = &args.what;
    let (found, failures) = Overview::of_all(&source.all()?);
    for failure in &failures {
        eprintln!("ringway: {}", failure.message());
    }
    let clients = clients_of(&found.leases);
    if *json {
        print_json(&clients)?;
    } else {
        let mut rows = Rows::new(&["!host", "!user", ">leases", ">sessions", ">GPUs", ">memory MiB", "oldest", ">orphaned"]);
        for client in clients {
            let numbers = [u64::from(client.leases), u64::from(client.sessions), u64::from(client.gpus), client.memory_bytes >> 20];
            let numbers = numbers.map(|number| number.to_string());
            rows.add([client.host, client.user].into_iter().chain(numbers).chain([age(client.age_s), client.orphaned.to_string()]));
        }
        print_styled(&if rows.is_empty() { "no leases\n".into() } else { rows.text() })?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_RINGWAY) })
}

fn clients_of(leases: &[LeaseView]) -> Vec<Client> {
    let mut all: BTreeMap<(&str, &str), Client> = BTreeMap::new();
    for lease in leases {
        let client = all.entry((&lease.host, &lease.user)).or_default();
        client.host.clone_from(&lease.host);
        client.user.clone_from(&lease.user);
        client.leases += 1;
        client.sessions = client.sessions.saturating_add(lease.sessions);
        client.gpus = client.gpus.saturating_add(lease.slices.len() as u32);
        client.memory_bytes = client.memory_bytes.saturating_add(lease.memory_bytes());
        client.age_s = client.age_s.max(lease.age_s);
        client.orphaned += u32::from(lease.state == LeaseState::Orphaned);
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::SliceView;

    #[test]
    fn leases_are_summed_by_host_and_user() {
        let lease = |host: &str, user: &str, state, age_s| LeaseView {
            id: String::new(),
            user: user.into(),
            group: String::new(),
            host: host.into(),
            program: String::new(),
            pid: 1,
            state,
            sessions: 1,
            age_s,
            used: Default::default(),
            slices: vec![SliceView { server: "s".into(), ordinal: 0, memory_bytes: 5 }; 2],
        };
        let leases = [
            lease("b", "bob", LeaseState::Running, 3),
            lease("a", "alice", LeaseState::Running, 9),
            lease("b", "bob", LeaseState::Orphaned, 8),
        ];
        let client = |host: &str, user: &str, leases, age_s, orphaned| Client {
            host: host.into(),
            user: user.into(),
            leases,
            sessions: leases,
            gpus: 2 * leases,
            memory_bytes: 10 * u64::from(leases),
            age_s,
            orphaned,
        };
        assert_eq!(clients_of(&leases), [client("a", "alice", 1, 9, 0), client("b", "bob", 2, 8, 1)]);
    }
}
