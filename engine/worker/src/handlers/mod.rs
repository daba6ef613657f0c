//! Handwritten arms of the dispatch, one file a family of the table; the records' layouts are those that the files of the
//! same name in `shim/cuda/src/driver` write.
#![allow(non_snake_case)]

pub mod array;
mod array_copy;
pub mod capture;
pub mod context;
pub mod copy;
pub mod event;
pub mod function;
pub mod graph;
pub mod graph_node;
pub mod launch;
pub mod library;
pub mod linker;
pub mod memory;
pub mod mempool;
pub mod module;
pub mod peer;
pub mod stream;
pub mod virtual_memory;
