//! What runs as a CUDA program, on the driver that the loader finds; it prints its report as JSON.

use crate::api;
use crate::app;
use crate::bench;
use crate::cli::Effort;
use crate::gpus;
use crate::instructions;
use crate::scale;
use crate::servers;
use crate::start;
use serde::Serialize;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

/// Everything that may go wrong in a child; its text is all that the parent needs.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the program is to do.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// One suite of `bench.rs`.
    Bench {
        suite: bench::Suite,
        /// Floors are those of a socket.
        #[arg(long)]
        sockets: bool,
        /// Floors are those of the device that leads to this address.
        #[arg(long)]
        rdma: Option<IpAddr>,
        #[arg(long)]
        effort: Effort,
    },
    /// `start.rs`: up to the first kernel's end.
    Start,
    /// One program of `app`.
    App {
        program: app::Program,
        #[arg(long)]
        steps: usize,
    },
    /// One session of `scale.rs`.
    Session {
        #[arg(long)]
        chatty: bool,
        #[arg(long)]
        time_ms: u64,
    },
    /// `gpus.rs`: launches on so many GPUs.
    Gpus {
        #[arg(long)]
        gpus: usize,
        #[arg(long)]
        effort: Effort,
    },
    /// `servers.rs`: copies between the first and the last device.
    Servers {
        #[arg(long)]
        effort: Effort,
    },
    /// The calls of `api`.
    Api {
        #[arg(long)]
        filter: String,
        #[arg(long)]
        samples: usize,
    },
    /// Sections that callgrind counts.
    Instructions {
        #[arg(long)]
        filter: String,
    },
}

/// Does it.
pub fn run(task: &Task) -> Result<()> {
    match task {
        Task::Bench {
            suite,
            sockets,
            rdma,
            effort,
        } => print(&bench::run(*suite, *sockets, *rdma, *effort)?),
        Task::Start => start::run(),
        Task::App { program, steps } => app::run(*program, *steps),
        Task::Session { chatty, time_ms } => scale::run(*chatty, Duration::from_millis(*time_ms)),
        Task::Gpus { gpus, effort } => gpus::run(*gpus, *effort),
        Task::Servers { effort } => servers::run(*effort),
        Task::Api { filter, samples } => api::run(filter, *samples),
        Task::Instructions { filter } => instructions::run(filter),
    }
}

/// Prints what the parent reads.
pub fn print(report: &impl Serialize) -> Result<()> {
    Ok(serde_json::to_writer(std::io::stdout(), report)?)
}
