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

pub use dispatch::dispatch;
pub use driver::Driver;
