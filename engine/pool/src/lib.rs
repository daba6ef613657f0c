//! The control plane: the daemon of a GPU server (`ringway serve`), its leases and its inventory; and what a pool of servers decides with
//! and remembers by.
//!
//! Not on the data path: connections are handed to a worker process as file descriptors, and from then on the
//! program and its worker speak to each other alone.

pub mod health;
pub mod identity;
pub mod lease;
pub mod ledger;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod ticket;
