//! The submission ring in shared memory: regions, the ring itself, futexes and wakers.
//!
//! * [`Region`] is a mapping that a peer process may share and write at any time; it is read and written through
//!   [`Span`], by atomics and copies, never through references.
//! * [`Producer`] and [`Consumer`] are the two ends of a many-producers, one-consumer ring of records in a span
//!   (`ring.rs`, the hot path: no allocation, no lock, no system call, no formatting).
//! * `futex` and [`Waker`] put threads to sleep and wake them.
//!
//! Under `--cfg loom` the memory is replaced by loom's and only the ring remains, for the model tests.

mod mem;
mod ring;

pub use mem::Span;
pub use ring::{
    Consumer, Corrupt, LINE, Producer, RECORD_HEADER, Record, ReserveError, Reserved, TAG_PAD, is_committed, header_at,
};

#[cfg(not(loom))]
pub mod futex;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
mod waker;

#[cfg(not(loom))]
pub use region::{Region, RegionError};
#[cfg(not(loom))]
pub use waker::Waker;
