//! Written by ringway-api-gen from engine/api/table; do not edit.

#[rustfmt::skip]
pub mod dispatch;
#[rustfmt::skip]
pub mod driver;
#[rustfmt::skip]
mod layouts;
#[rustfmt::skip]
mod array;
#[rustfmt::skip]
mod context;
#[rustfmt::skip]
mod device;
#[rustfmt::skip]
mod event;
#[rustfmt::skip]
mod function;
#[rustfmt::skip]
mod graph;
#[rustfmt::skip]
mod graph_node;
#[rustfmt::skip]
mod launch_deprecated;
#[rustfmt::skip]
mod library;
#[rustfmt::skip]
mod memop;
#[rustfmt::skip]
mod mempool;
#[rustfmt::skip]
mod memset;
#[rustfmt::skip]
mod module;
#[rustfmt::skip]
mod occupancy;
#[rustfmt::skip]
mod peer;
#[rustfmt::skip]
mod profiler;
#[rustfmt::skip]
mod stream;
#[rustfmt::skip]
mod tensor_map;
#[rustfmt::skip]
mod texture;
#[rustfmt::skip]
mod virtual_memory;

use crate::cx::Cx;
pub use dispatch::dispatch;
pub use driver::Driver;
use ringway_api::{CudaError, Kind};

/// A structure for the driver, aligned for any that it takes.
#[repr(C, align(64))]
struct Aligned<const WORDS: usize>([u64; WORDS]);

/// What the driver calls a function; a kernel's identifier may stand in its place, as CUDA allows.
fn function(cx: &Cx<'_>, id: u64) -> Result<u64, CudaError> {
    let kind = if id >> 48 == Kind::Kernel as u64 { Kind::Kernel } else { Kind::Function };
    cx.handle(kind, id)
}
