//! RDMA for Ringway: a safe layer over libibverbs and librdmacm.
//!
//! Both libraries are loaded at run time (`rdma-mummy-sys`), never linked, so the same binary runs on machines that have
//! neither; [`probe`] says in words a user can act on why RDMA cannot be used.
//!
//! From the outside in:
//!
//! * [`Route`] finds device, port and GID by the local address that reaches the peer, [`Context`] is an open device;
//! * [`ProtectionDomain`] registers memory ([`MemoryRegion`], [`RegistrationCache`]) and makes queue pairs;
//! * [`CompletionQueue`] is polled in batches (`cq/poll.rs`) or slept on;
//! * [`QueuePair`] is a reliable connection, in one of four states that are types: a queue pair that is not
//!   [`ReadyToSend`] has nothing to post with. [`SendQueue::batch`] chains work requests (`qp/post.rs`);
//! * [`connection`] brings two queue pairs together, by an [`Endpoint`] sent over any channel or by `rdma_cm`.
//!
//! Every object owns what keeps it alive: a region its protection domain and its memory, a queue pair its domain and
//! completion queues. So there is no order in which they would have to be dropped.
//!
//! # What the types promise
//!
//! Posting before the queue pair is ready does not compile:
//!
//! ```compile_fail,E0599
//! # use ringway_verbs::*;
//! fn early(mut qp: QueuePair<ReadyToReceive>) {
//!     qp.send_queue().batch();
//! }
//! ```
//!
//! ```
//! # use ringway_verbs::*;
//! fn ready(mut qp: QueuePair<ReadyToSend>) {
//!     qp.send_queue().batch();
//! }
//! ```
//!
//! Nor do receives before it is initialised:
//!
//! ```compile_fail,E0599
//! # use ringway_verbs::*;
//! fn early(mut qp: QueuePair<Reset>) {
//!     qp.receive_queue().post_empty(1, 0);
//! }
//! ```
//!
//! States are not skipped, and a queue pair is connected once:
//!
//! ```compile_fail,E0599
//! # use ringway_verbs::*;
//! fn skip(qp: QueuePair<Initialised>) {
//!     qp.ready_to_send();
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use ringway_verbs::*;
//! fn twice(qp: QueuePair<Initialised>, peer: &Endpoint) {
//!     let _first = qp.connect(peer, &ConnectOptions::default());
//!     let _second = qp.connect(peer, &ConnectOptions::default());
//! }
//! ```
//!
//! Two posters on one queue pair do not compile, on one thread or on two:
//!
//! ```compile_fail,E0499
//! # use ringway_verbs::*;
//! fn two(mut qp: QueuePair<ReadyToSend>) {
//!     let first = qp.send_queue().batch();
//!     let second = qp.send_queue().batch();
//!     let _ = first.post();
//!     let _ = second.post();
//! }
//! ```
//!
//! ```compile_fail,E0499
//! # use ringway_verbs::*;
//! fn two(mut qp: QueuePair<ReadyToSend>) {
//!     std::thread::scope(|scope| {
//!         scope.spawn(|| qp.send_queue().batch().post());
//!         scope.spawn(|| qp.send_queue().batch().post());
//!     });
//! }
//! ```
//!
//! A slice of a region cannot outlive the region, nor a region in use its protection domain:
//!
//! ```compile_fail,E0505
//! # use ringway_verbs::*;
//! fn after(region: MemoryRegion, qp: &mut QueuePair<ReadyToSend>, to: RemoteSlice) {
//!     let slice = region.slice(0..8).unwrap();
//!     drop(region);
//!     let _ = qp.send_queue().batch().write(slice, to, Options::new());
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use ringway_verbs::*;
//! fn after(domain: ProtectionDomain, memory: HostMemory) {
//!     let _ = domain.close();
//!     let _ = domain.register(memory, Access::LOCAL_WRITE);
//! }
//! ```
//!
//! Inline data must live until it is posted:
//!
//! ```compile_fail,E0597
//! # use ringway_verbs::*;
//! fn gone(qp: &mut QueuePair<ReadyToSend>, to: RemoteSlice) {
//!     let mut batch = qp.send_queue().batch();
//!     {
//!         let bytes = [1u8; 8];
//!         let _ = batch.write(Local::Inline(&bytes), to, Options::new());
//!     }
//!     let _ = batch.post();
//! }
//! ```

mod availability;
mod cache;
pub mod connection;
pub mod cq;
mod device;
mod error;
mod events;
mod gid;
mod memory;
mod mr;
mod pd;
pub mod qp;
mod srq;
mod sys;

pub use availability::{WhyNot, check_locked_memory, locked_memory_limit, probe};
pub use cache::{CacheLimits, Invalidated, RegistrationCache};
pub use connection::exchange::{ENDPOINT_BYTES, Endpoint, EndpointError};
pub use cq::{
    Completion, CompletionChannel, CompletionError, CompletionQueue, Completions, Opcode, Queue,
    Status, Work,
};
pub use device::{Context, DeviceInfo, DeviceLimits, LinkLayer, Mtu, PortInfo, PortState, Route};
pub use error::{Error, Result};
pub use events::{AsyncEvent, AsyncEvents, Element};
pub use gid::{Gid, GidEntry, GidKind};
pub use memory::{HostMemory, Memory};
pub use mr::{Access, LocalSlice, MemoryRegion, REMOTE_REGION_BYTES, RemoteRegion, RemoteSlice};
pub use pd::ProtectionDomain;
pub use qp::post::{Batch, Local, Options, PostError, ReceiveBatch, ReceiveQueue, SendQueue};
pub use qp::transitions::{Attribute, QpState, TransitionError, TransitionFault};
pub use qp::{
    ConnectOptions, Initialised, QueuePair, QueuePairOptions, ReadyToReceive, ReadyToSend, Reset,
};
pub use srq::SharedReceiveQueue;
