//! A plain request, for the tests of the allocator and of the ledger.

use ringway_pool::scheduler::{Placement, Request};
use ringway_wire::control::MemoryAsk;

/// A fraction of each of `gpus` GPUs of one server.
pub fn ask(id: u64, user: &str, gpus: u32, fraction: f64) -> Request {
    Request {
        id,
        user: user.into(),
        group: String::new(),
        gpus,
        memory: MemoryAsk::Fraction(fraction),
        filters: Vec::new(),
        priority: 0,
        placement: Placement::Pack,
        one_server: true,
        near: String::new(),
        has_rdma: false,
        deadline_ms: None,
        token: String::new(),
    }
}
