//! `ringway list` and `ringway version`.

use crate::access::{AccessArgs, Server, Way, no_server};
use crate::output::{print_json, print_styled};
use crate::pool_list::{self, PoolFound};
use crate::run::choose_link;
use crate::{Failure, print};
use ringway_link::endpoint::Endpoint;
use ringway_pool::scheduler::Filter;
use ringway_wire::control::{GpuStatus, LeaseStatus, PROTOCOL_VERSION, Reply, Request};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `ringway list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Server or pool to ask (HOST:PORT or unix:/PATH), instead of the token file's; may be given several times.
    #[arg(
        long,
        env = "RINGWAY_SERVER",
        value_delimiter = ',',
        value_name = "ADDR"
    )]
    server: Vec<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
    /// Show a row for each GPU, without leases.
    #[arg(long)]
    gpus: bool,
    /// Of a pool, GPUs that `ringway run` would take by this filter, as device.memory>=40GiB or label.rack=7; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `ringway version`.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// Server to ask as well.
    #[arg(long, value_name = "ADDR")]
    server: Option<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
}

/// What answered.
enum Found {
    Server(Box<ServerFound>),
    Pool(PoolFound),
}

struct ServerFound {
    server: String,
    version: String,
    driver: String,
    gpus: Vec<GpuStatus>,
    leases: Vec<LeaseStatus>,
    link: String,
    why: String,
}

fn question(from: &Server, filters: &[Filter]) -> Result<(String, Found), Failure> {
    let (connection, reply, target) = from.ask(&Request::Inventory {
        token: from.token.clone(),
    })?;
    if let Reply::Pool(first) = reply {
        return Ok((target.to_string(), Found::Pool(pool_list::rest(from, *first, filters)?)));
    }
    if !filters.is_empty() {
        return Err(Failure::new(format!("--filter is for a pool, and {target} is a server; leave it out, or name a pool with --server")));
    }
    let Reply::Inventory {
        server,
        version,
        driver,
        gpus,
        leases,
        boot_id,
        unix_path,
        rdma,
        trusted_network,
    } = reply
    else {
        return Err(Failure::new(format!(
            "{target}: the server answered with something else than its inventory"
        )));
    };
    let (link, _, why) = choose_link(
        &target.endpoint,
        &boot_id,
        unix_path.as_deref(),
        &Way::of(&connection, &rdma, trusted_network),
        None,
    )?;
    let found = ServerFound {
        server,
        version,
        driver,
        gpus,
        leases,
        link: link.name().into(),
        why,
    };
    Ok((target.to_string(), Found::Server(Box::new(found))))
}

/// What is to be said of a lease's connections, if anything.
fn links(lease: &LeaseStatus) -> Option<String> {
    let mut parts = Vec::new();
    if lease.orphaned {
        parts.push("the connection of its holder broke, waiting for it".to_owned());
    }
    if lease.links.suspended > 0 {
        parts.push(format!(
            "{} without a link now, waiting for the program",
            lease.links.suspended
        ));
    }
    if lease.links.resumed > 0 {
        parts.push(format!(
            "links broken and continued: {}, the last by {} after {:.2} s",
            lease.links.resumed,
            lease.links.kind_last,
            lease.links.pause_ms_last as f64 / 1000.0
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// On what terms a lease is held.
fn terms(lease: &LeaseStatus) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(percent) = lease.terms.compute_percent {
        parts.push(format!("share {percent} % of the GPU's time"));
    }
    match lease.unused_ms / 1000 {
        0 => {}
        seconds => parts.push(format!("unused for {seconds} s")),
    }
    match lease.terms.idle_ms {
        None | Some(0) => {}
        Some(idle_ms) => parts.push(format!("ends after {} s without use", idle_ms.div_ceil(1000))),
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Shows what servers have.
pub fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let mut all = Vec::new();
    let mut failed = false;
    let servers = args.access.servers(&args.server, true)?;
    if servers.is_empty() {
        return Err(no_server());
    }
    for server in &servers {
        match question(server, &args.filter) {
            Ok(found) => all.push(found),
            Err(failure) => {
                eprintln!("ringway: {}", failure.message);
                failed = true;
            }
        }
    }
    if args.json {
        print_json(&all.iter().map(|(address, found)| found.json(address)).collect::<Vec<_>>())?;
    } else {
        print_styled(&all.iter().map(|(address, found)| found.text(address, args.gpus)).collect::<String>())?;
    }
    Ok(if failed {
        ExitCode::from(crate::EXIT_RINGWAY)
    } else {
        ExitCode::SUCCESS
    })
}

impl Found {
    fn json(&self, address: &str) -> serde_json::Value {
        match self {
            Self::Pool(pool) => pool.json(address),
            Self::Server(found) => serde_json::json!({
                "address": address, "server": found.server, "version": found.version, "driver": found.driver,
                "link": found.link, "link_reason": found.why, "gpus": found.gpus, "leases": found.leases,
            }),
        }
    }

    fn text(&self, address: &str, by_gpu: bool) -> String {
        match self {
            Self::Pool(pool) => pool.text(address, by_gpu),
            Self::Server(found) => found.text(address, by_gpu),
        }
    }
}

impl ServerFound {
    fn text(&self, address: &str, by_gpu: bool) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} at {address}  link {} ({})  driver {}",
            self.server, self.link, self.why, self.driver
        );
        let _ = writeln!(
            text,
            "  {:>3}  {:<32} {:>5} {:>12} {:>12} {:>7}",
            "GPU", "name", "cc", "memory MiB", "free MiB", "leases"
        );
        for gpu in &self.gpus {
            let _ = writeln!(
                text,
                "  {:>3}  {:<32} {:>3}.{} {:>12} {:>12} {:>7}",
                gpu.ordinal,
                gpu.name,
                gpu.compute_capability.0,
                gpu.compute_capability.1,
                gpu.memory_bytes >> 20,
                (gpu.memory_bytes - gpu.memory_bytes_leased.min(gpu.memory_bytes)) >> 20,
                gpu.leases
            );
        }
        let leases = if by_gpu { &[][..] } else { &self.leases };
        for lease in leases {
            let slices: Vec<String> = lease
                .slices
                .iter()
                .map(|slice| {
                    format!(
                        "GPU {} {} MiB",
                        slice.server_ordinal,
                        slice.memory_bytes >> 20
                    )
                })
                .collect();
            let _ = writeln!(
                text,
                "  lease {} {}@{} {} s, {} sessions, {}: {}",
                lease.lease,
                lease.identity.user,
                lease.identity.host,
                lease.age_s,
                lease.sessions,
                slices.join(" + "),
                lease.identity.program
            );
            if let Some(terms) = terms(lease) {
                let _ = writeln!(text, "    {terms}");
            }
            if let Some(links) = links(lease) {
                let _ = writeln!(text, "    {links}");
            }
        }
        text
    }
}

/// Shows versions.
pub fn version(args: &VersionArgs) -> Result<ExitCode, Failure> {
    print(&format!(
        "ringway {} (protocol {PROTOCOL_VERSION})\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    if let Some(endpoint) = &args.server {
        let (endpoint, found) = question(&args.access.server(Some(endpoint))?, &[])?;
        print(&match found {
            Found::Server(found) => format!("{} at {endpoint}: ringway {}, driver {}\n", found.server, found.version, found.driver),
            Found::Pool(pool) => pool.version_text(&endpoint),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
