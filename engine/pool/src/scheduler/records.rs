//! What the scheduler says: leases, what became of them, and why something cannot be.

use super::request::RequestId;
use ringway_wire::pool::Lease;

/// A lease that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What it was.
    pub lease: Lease,
    /// GPU time: thousandths of a GPU times milliseconds.
    pub gpu_time: u64,
}

/// Why a lease that exists elsewhere could not be taken in, or a server not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// There is no such server.
    #[error("the pool knows no server '{0}'")]
    NoServer(String),
    /// It has leases.
    #[error("the server '{0}' has leases; drain it, and wait for their end")]
    Leased(String),
    /// It says of itself what cannot be.
    #[error("the server '{0}' {1}")]
    Malformed(String, String),
    /// The lease is there already.
    #[error("there is a lease {0:016x} already")]
    Known(RequestId),
    /// The GPU's memory is leased to others.
    #[error("the lease {0:016x} wants memory of '{1}' that others have, or that is not there")]
    NotFree(RequestId, String),
}

/// What a call of [`Scheduler::decide`] came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Leases granted, in the order of the decisions.
    pub granted: Vec<Lease>,
    /// There is more to look at: call again soon.
    pub more: bool,
}

/// A GPU as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuUse {
    /// Bytes that are leased.
    pub leased_bytes: u64,
    /// Bytes kept for requests that wait.
    pub kept_bytes: u64,
    /// Leases that have a slice of it.
    pub leases: u32,
}
