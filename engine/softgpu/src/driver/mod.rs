//! The driver surface: what `libcuda.so.1` exports, and the state behind it.
//!
//! The life of a call: a symbol of [`exports`] enters through [`entry`] (panic guard, journal), finds its objects in the [`registry`] tables,
//! and either answers at once or puts an [`op::Op`] into a [`stream`] (or, while that stream is captured, into a [`graph`]). A thread of the
//! stream pool executes it later. Memory lives in a [`memory::arena`] per device; [`memory::space`] knows what is live.

pub mod abi;
pub mod capture;
pub mod condition;
pub mod context;
pub mod device;
pub mod entry;
pub mod event;
pub mod exports;
pub mod graph;
pub mod graph_exec;
pub mod graph_memory;
pub mod image;
pub mod ipc;
pub mod jit;
pub mod journal;
pub mod launch;
pub mod memory;
pub mod module;
pub mod objects;
pub mod op;
pub mod registry;
pub mod report;
pub mod result;
pub mod settings;
pub mod stream;
pub mod texture;
