//! `ringway list` and `ringway version`.

use crate::access::{AccessArgs, Server, Way, no_server};
use crate::run::choose_link;
use crate::{Failure, print};
use ringway_link::endpoint::Endpoint;
use ringway_wire::control::{GpuStatus, LeaseStatus, PROTOCOL_VERSION, Reply, Request};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Options of `ringway list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Server to ask (HOST:PORT or unix:/PATH), instead of the token file's; may be given several times.
    #[arg(
        long,
        env = "RINGWAY_SERVER",
        value_delimiter = ',',
        value_name = "ADDR"
    )]
    server: Vec<Endpoint>,
    #[command(flatten)]
    access: AccessArgs,
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

struct Found {
    server: String,
    version: String,
    driver: String,
    gpus: Vec<GpuStatus>,
    leases: Vec<LeaseStatus>,
    link: String,
    why: String,
}

fn question(server: &Server) -> Result<(String, Found), Failure> {
    let (connection, reply, target) = server.ask(&Request::Inventory {
        token: server.token.clone(),
    })?;
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
    let found = Found {
        server,
        version,
        driver,
        gpus,
        leases,
        link: link.name().into(),
        why,
    };
    Ok((target.to_string(), found))
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

/// Shows what servers have.
pub fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let mut all = Vec::new();
    let mut failed = false;
    let servers = args.access.servers(&args.server, true)?;
    if servers.is_empty() {
        return Err(no_server());
    }
    for server in &servers {
        match question(server) {
            Ok(found) => all.push(found),
            Err(failure) => {
                eprintln!("ringway: {}", failure.message);
                failed = true;
            }
        }
    }
    let mut text = String::new();
    if args.json {
        let rows: Vec<_> = all
            .iter()
            .map(|(endpoint, found)| {
                serde_json::json!({
                    "address": endpoint, "server": found.server, "version": found.version, "driver": found.driver,
                    "link": found.link, "link_reason": found.why, "gpus": found.gpus, "leases": found.leases,
                })
            })
            .collect();
        text = serde_json::to_string_pretty(&rows)? + "\n";
    } else {
        for (endpoint, found) in &all {
            let _ = writeln!(
                text,
                "{} at {endpoint}  link {} ({})  driver {}",
                found.server, found.link, found.why, found.driver
            );
            let _ = writeln!(
                text,
                "  {:>3}  {:<32} {:>5} {:>12} {:>12} {:>7}",
                "GPU", "name", "cc", "memory MiB", "free MiB", "leases"
            );
            for gpu in &found.gpus {
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
            for lease in &found.leases {
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
                if let Some(links) = links(lease) {
                    let _ = writeln!(text, "    {links}");
                }
            }
        }
    }
    print(&text)?;
    Ok(if failed {
        ExitCode::from(crate::EXIT_RINGWAY)
    } else {
        ExitCode::SUCCESS
    })
}

/// Shows versions.
pub fn version(args: &VersionArgs) -> Result<ExitCode, Failure> {
    print(&format!(
        "ringway {} (protocol {PROTOCOL_VERSION})\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    if let Some(endpoint) = &args.server {
        let (endpoint, found) = question(&args.access.server(Some(endpoint))?)?;
        print(&format!(
            "{} at {endpoint}: ringway {}, driver {}\n",
            found.server, found.version, found.driver
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
