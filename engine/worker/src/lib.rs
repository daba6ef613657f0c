//! The process that serves one session: started by `ringway serve`, it is the only caller of libcuda.
//!
//! Standard input is the connection to serve, over which orders and the client's connections come. Each connection
//! becomes a lane with a GPU thread of its own (`gpu_loop`); what may wait in the driver runs on waiter threads
//! (`waiters`). Copies past the ring run in host functions (`transfers`), copies
//! straight to and from other servers of the program on threads of their own (`paths`). The process ends when the client is gone.
//! Before the client is heard, the process gives up what it does not need (`confine`).

mod confine;
mod cx;
mod downloads;
mod gates;
mod generated;
mod gpu_loop;
mod handlers;
mod handles;
mod internal;
mod inventory;
mod measure;
mod meter;
mod orders;
mod output;
mod overhead;
mod paths;
mod patience;
mod pinned;
mod process_memory;
mod session;
mod transfers;
mod translate;
mod turns;
mod waiters;
mod watches;

pub use confine::{Confinement, User};
pub use inventory::print_inventory;
pub use orders::serve_session;

/// Why a worker could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// No libcuda, or none that works.
    #[error("{0}")]
    Driver(String),
    /// Serve's orders make no sense.
    #[error("orders from ringway serve: {0}")]
    Orders(#[from] ringway_wire::control::ControlError),
    /// The kernel refuses what keeps a worker from other processes.
    #[error("this worker cannot be confined: {0}; `ringway health` says what the kernel lacks, `ringway serve --unconfined` does without")]
    Confinement(std::io::Error),
    /// A lane could not be established.
    #[error("link: {0}")]
    Link(#[from] ringway_link::LinkError),
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
