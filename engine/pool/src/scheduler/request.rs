//! What is asked of a pool, and why it may be refused at once.

use super::filter::{FILTERS_MAX, Filter};
use crate::lease::slice_bytes;
use ringway_wire::control::{LEASE_GPUS_MAX, MemoryAsk};

/// Names a request, and the lease that it becomes; chosen at random by whoever submits it.
pub type RequestId = u64;

/// Bytes of the name of a user, a group or a host at the most.
pub const NAME_BYTES_MAX: usize = 128;

/// Which of the GPUs that fit are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// The fullest, so that whole GPUs and whole servers stay free.
    #[default]
    Pack,
    /// The emptiest, so that programs disturb each other least.
    Spread,
}

/// A request for slices of GPUs.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Names it.
    pub id: RequestId,
    /// Whose quota it counts in.
    pub user: String,
    /// Group whose quota it counts in too; empty: none.
    pub group: String,
    /// GPUs, all or none.
    pub gpus: u32,
    /// Slice of each.
    pub memory: MemoryAsk,
    /// All must hold for each GPU.
    pub filters: Vec<Filter>,
    /// Greater goes first.
    pub priority: i32,
    /// How GPUs are chosen.
    pub placement: Placement,
    /// All GPUs on one server, or not at all. Else one server is preferred, then the fewest.
    pub one_server: bool,
    /// Host of the program: GPUs of the same host are taken first. Empty: unknown.
    pub near: String,
    /// The program's host has an RDMA device: servers that have one too come next.
    pub has_rdma: bool,
    /// When it gives up waiting, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
    /// Identifier of the token that it was asked with, which the lease keeps; empty: none was needed.
    pub token: String,
}

/// Why a request is refused at once; texts name the cause and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The pool has not got it, even with nothing leased.
    #[error("{0}")]
    Impossible(String),
    /// It is more than its user or group may ever have.
    #[error("{0}")]
    Quota(String),
    /// An administrator has disabled its user.
    #[error("the user '{0}' is disabled in this pool")]
    Disabled(String),
    /// Too many wait already.
    #[error("{0} requests are waiting, which is the pool's limit; try again later")]
    QueueFull(usize),
}

impl Request {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let invalid = |why: String| Err(Refusal::Invalid(why));
        if self.gpus == 0 || self.gpus > LEASE_GPUS_MAX {
            return invalid(format!("{} GPUs cannot be leased; ask for 1 to {LEASE_GPUS_MAX}", self.gpus));
        }
        // Sizes that no GPU can have are found here; what a GPU of the pool has is looked at later.
        if let Err(error) = slice_bytes(self.memory, 1 << 40) {
            return invalid(error.to_string());
        }
        if self.filters.len() > FILTERS_MAX {
            return invalid(format!("{} filters are too many; at most {FILTERS_MAX} can be given", self.filters.len()));
        }
        for (what, name) in [("user", &self.user), ("group", &self.group), ("host", &self.near)] {
            if name.len() > NAME_BYTES_MAX {
                return invalid(format!("the name of the {what} is longer than {NAME_BYTES_MAX} bytes"));
            }
        }
        if self.user.is_empty() {
            return invalid("the request names no user".into());
        }
        Ok(())
    }
}

/// What decides whether a request can be placed: requests of the same shape fit or fail together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ShapeKey {
    gpus: u32,
    memory: (bool, u64),
    filters: Vec<Filter>,
    one_server: bool,
}

impl ShapeKey {
    pub(super) fn of(request: &Request) -> Self {
        let memory = match request.memory {
            MemoryAsk::Fraction(fraction) => (true, fraction.to_bits()),
            MemoryAsk::Mib(mib) => (false, mib),
        };
        let mut filters = request.filters.clone();
        filters.sort_unstable();
        filters.dedup();
        Self { gpus: request.gpus, memory, filters, one_server: request.one_server }
    }

    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }
}
