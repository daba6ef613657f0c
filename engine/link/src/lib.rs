//! Links: how records reach the other end of a session, and the two ends of a lane on top of them.
//!
//! A *lane* is one link connection: a submission ring (client to server), reply slots, a completion board and a
//! notice ring (server to client), laid out as [`ringway_wire::layout`] says. [`ClientLane`] is shared by all threads
//! of the program; [`ServerLane`] belongs to one GPU thread, which hands [`ServerHandle`]s to its helpers.
//! Lanes are made by [`shm::offer`]/[`shm::accept`] or [`tcp::server`]/[`tcp::client`] or [`rdma::server`]/[`rdma::client`] from a connected socket.
//! A lane outlives its link: [`ClientLane::keep`], [`ServerHandle::keep`], [`tcp::resume`].

pub mod account;
mod client;
mod config;
mod delayed;
pub mod endpoint;
mod error;
mod framed;
pub mod keeper;
mod landing;
mod lane;
mod lent;
mod link;
pub mod network;
pub mod path;
mod payload;
pub mod rdma;
mod sealed;
mod server;
pub mod shares;
pub mod shm;
pub mod sim;
mod sleep;
pub mod socket;
pub mod spin;
pub mod tcp;

pub use client::{ClientLane, LoggedError, NoticeSink, ReplyHead, Reservation, SlotGuard};
pub use config::{LaneConfig, LinkChoice, LinkKind};
pub use error::{DownCause, LinkError, Result};
pub use landing::{LANDING_HEAD, NoticeLander};
pub use lane::{LinkEvent, NotResumed, Positions, Resumption};
pub use payload::Payload;
pub use server::{Cork, Loan, RecordView, ServerHandle, ServerLane};
pub use spin::SpinPolicy;

/// A position in a ring: bytes since the lane began, never wrapping. A record is named by its end position.
pub type Position = u64;
