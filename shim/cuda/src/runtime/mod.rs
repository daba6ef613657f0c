//! The CUDA runtime (`libcudart.so.12` and `.13`), on the public driver API.
//!
//! A program compiled with `nvcc -cudart shared`, and every library that uses the shared runtime, is served by these exports. They
//! keep no state of their own beyond what the documentation gives the runtime: which device a thread chose, the code and variables
//! a program registered, a thread's last error. Everything else is the driver's, reached through [`crate::driver_table`].
//!
//! [`table`] lists every name of the public library and what becomes of it.

// The exported names are CUDA's, and so is their lack of documentation of safety: each one's contract is NVIDIA's.
#![allow(
    non_snake_case,
    clippy::missing_safety_doc,
    clippy::not_unsafe_ptr_arg_deref,
    clippy::too_many_arguments
)]

pub mod array;
pub mod context;
pub mod copy;
pub mod device;
pub mod device_prop;
pub mod entry;
pub mod error;
pub mod graph;
pub mod launch;
pub mod memory;
pub mod registry;
pub mod stream;
pub mod symbol_versions;
pub mod table;
pub mod texture;
pub mod types;

/// The version of the runtime API that this is, as `cudaRuntimeGetVersion` tells it: 1000 times the major version plus 10 times the
/// minor one.
pub const VERSION: i32 = 13000;
