//! The exported functions, one file a family of the CUDA driver API's documentation.
//!
//! Bodies are short: they check what the documentation says is checked at once, and call the module that knows the subject.

pub mod arrays;
pub mod batches;
pub mod captures;
pub mod contexts;
pub mod copies;
pub mod devices;
pub mod events;
pub mod graph_nodes;
pub mod graphs;
pub mod ipc;
pub mod launches;
pub mod managed;
pub mod memory;
pub mod modules;
pub mod misc;
pub mod pools;
pub mod process_memory;
pub mod refused;
pub mod streams;
pub mod textures;
pub mod vmm;
