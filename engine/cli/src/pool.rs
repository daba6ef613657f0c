//! `ringway pool`: options of the daemon that gives out the GPUs of several servers.

use crate::logging::LogFormat;
use crate::{Failure, print};
use crate::nodes::{self, NodeArgs};
use crate::serve::{host_name, keep_to_itself};
use ringway_link::endpoint::Endpoint;
use ringway_pool::door::{DoorOptions, bound};
use ringway_pool::http::{HttpListener, openapi, serve_pool};
use ringway_pool::identity::default_pool_folder;
use ringway_pool::pool::{Pool, PoolOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::process::ExitCode;

/// Port that `ringway pool` listens on when none is named.
pub const POOL_PORT: u16 = 7767;

/// Options of `ringway pool`.
#[derive(Debug, clap::Args)]
pub struct PoolDaemonArgs {
    /// Address to listen on: HOST:PORT or unix:/PATH; may be given several times. Without it: 127.0.0.1:7767.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<Endpoint>,
    /// Folder of the pool's identity, tokens and memory (see `ringway token --pool`).
    /// Without it: /var/lib/ringway-pool for root, else ~/.local/state/ringway-pool.
    #[arg(long, env = "RINGWAY_POOL_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// Shared secret that programs and servers must bring; beyond loopback only with --trusted-network.
    #[arg(long, env = "RINGWAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Take connections that are not encrypted from other machines too.
    #[arg(long)]
    trusted_network: bool,
    /// Name shown to users.
    #[arg(long)]
    name: Option<String>,
    /// Serve the HTTP interface and metrics there too (HOST:PORT), to bearers of the pool's tokens: in clear text on this machine, by TLS
    /// with the pool's certificate where other machines reach it.
    #[arg(long, env = "RINGWAY_POOL_HTTP", value_name = "ADDR")]
    http: Option<Endpoint>,
    #[command(flatten)]
    nodes: NodeArgs,
    /// How the log is written: a line of text or of JSON each.
    #[arg(long, env = "RINGWAY_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Print the OpenAPI document of the HTTP interface and end.
    #[arg(long, hide = true)]
    print_openapi: bool,
    /// Print `ready` and the addresses on standard output once clients can connect.
    #[arg(long)]
    announce: bool,
}

/// Binds an address for HTTP.
pub fn http(address: &Endpoint, option: &str) -> Result<HttpListener, Failure> {
    match address {
        Endpoint::Tcp(host, port) => Ok(HttpListener::bind(host, *port)?),
        Endpoint::Unix(_) => Err(Failure::new(format!("{option} is HOST:PORT"))),
    }
}

/// Runs the daemon.
pub fn pool(args: PoolDaemonArgs) -> Result<ExitCode, Failure> {
    if args.print_openapi {
        return print(&openapi()).map(|()| ExitCode::SUCCESS);
    }
    keep_to_itself();
    let state = match args.state {
        Some(folder) => folder,
        None => default_pool_folder()?,
    };
    let listen = if args.listen.is_empty() { vec![Endpoint::Tcp("127.0.0.1".into(), POOL_PORT)] } else { args.listen };
    let node = nodes::node(&args.nodes, args.name.as_deref(), &listen, args.trusted_network)?;
    let options = PoolOptions {
        door: DoorOptions {
            listen,
            secret: args.token,
            trusted_network: args.trusted_network,
            state: Some(state.clone()),
            by_ticket: false,
        },
        state,
        name: args.name.unwrap_or_else(host_name),
    };
    let (leadership, (pool, listeners)) = match node {
        None => (None, Pool::start(options)?),
        // Who does not lead listens to nobody: clients go on to the next of the pool's addresses.
        Some(node) => {
            let (leadership, store) = node.lead(&options.state, args.announce)?;
            (Some(leadership), Pool::start_on(options, store)?)
        }
    };
    let mut addresses = bound(&listeners)?;
    let http = args.http.as_ref().map(|address| http(address, "--http")).transpose()?;
    let _runtime = match http {
        None => None,
        Some(http) => {
            addresses.push(http.url()?);
            Some(serve_pool(&pool, http)?)
        }
    };
    tracing::info!("{}; listening on {}", pool.describe(), addresses.join(", "));
    if args.announce {
        let mut out = std::io::stdout();
        writeln!(out, "ready {}", addresses.join(" "))?;
        out.flush()?;
    }
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let sockets: Vec<PathBuf> = addresses.iter().filter_map(|address| address.strip_prefix("unix:")).map(PathBuf::from).collect();
    let (leading, ending) = (leadership.clone(), Arc::clone(&pool));
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for socket in &sockets {
                let _ = std::fs::remove_file(socket);
            }
            ending.settle();
            // Another node need not wait until this one is missed.
            if let Some(leading) = &leading {
                leading.resign();
            }
            std::process::exit(128 + signal);
        }
    })?;
    if let Some(leading) = leadership {
        let pool = Arc::clone(&pool);
        std::thread::Builder::new().name("leading".into()).spawn(move || nodes::end_with(&leading, &pool))?;
    }
    pool.run(listeners)?;
    Ok(ExitCode::SUCCESS)
}
