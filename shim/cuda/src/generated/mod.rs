//! Written by ringway-api-gen from engine/api/table; do not edit.

#[rustfmt::skip]
pub mod array;
#[rustfmt::skip]
pub mod capture;
#[rustfmt::skip]
pub mod checkpoint;
#[rustfmt::skip]
pub mod context;
#[rustfmt::skip]
pub mod copy;
#[rustfmt::skip]
pub mod coredump;
#[rustfmt::skip]
pub mod device;
#[rustfmt::skip]
pub mod event;
#[rustfmt::skip]
pub mod external;
#[rustfmt::skip]
pub mod fabric;
#[rustfmt::skip]
pub mod function;
#[rustfmt::skip]
pub mod graph;
#[rustfmt::skip]
pub mod graph_node;
#[rustfmt::skip]
pub mod graphics;
#[rustfmt::skip]
pub mod green;
#[rustfmt::skip]
pub mod init;
#[rustfmt::skip]
pub mod ipc;
#[rustfmt::skip]
pub mod launch;
#[rustfmt::skip]
pub mod launch_deprecated;
#[rustfmt::skip]
pub mod library;
#[rustfmt::skip]
pub mod linker;
#[rustfmt::skip]
pub mod logs;
#[rustfmt::skip]
pub mod memop;
#[rustfmt::skip]
pub mod memory;
#[rustfmt::skip]
pub mod mempool;
#[rustfmt::skip]
pub mod memset;
#[rustfmt::skip]
pub mod module;
#[rustfmt::skip]
pub mod multicast;
#[rustfmt::skip]
pub mod occupancy;
#[rustfmt::skip]
pub mod peer;
#[rustfmt::skip]
pub mod profiler;
#[rustfmt::skip]
pub mod stream;
#[rustfmt::skip]
pub mod tensor_map;
#[rustfmt::skip]
pub mod texture;
#[rustfmt::skip]
pub mod texture_reference;
#[rustfmt::skip]
pub mod unified;
#[rustfmt::skip]
pub mod virtual_memory;

#[rustfmt::skip]
mod addresses;

pub use addresses::address;
