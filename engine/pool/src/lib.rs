//! The control plane: the daemon of a GPU server (`ringway serve`), its leases and its inventory; and the daemon of a pool of servers
//! (`ringway pool`), with what it decides with and remembers by.
//!
//! Not on the data path: connections are handed to a worker process as file descriptors, and from then on the
//! program and its worker speak to each other alone.

pub mod door;
pub mod health;
pub mod http;
pub mod identity;
pub mod lease;
pub mod ledger;
pub mod pool;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod ticket;
pub mod watch;
