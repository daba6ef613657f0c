//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::guard(op, || -> Result<(), CudaError>) -> u32`: runs a body, turns a panic into CUDA_ERROR_UNKNOWN.
//! - `crate::refused(op) -> u32`: result of a function that is refused or planned; says the reason once.
//! - `crate::refused_legacy(op, symbol) -> u32`: the same for a form of CUDA 3.1 and before.
//! - `crate::stream_arg(stream, per_thread) -> u64`: a null stream handle of a per-thread variant becomes 2.
//! - `crate::driver::<family>::<function>`: handwritten bodies, `unsafe fn` with the same arguments (a stream already
//!   through `stream_arg`; `per_thread: bool` behind them where there are per-thread variants and no stream).
//! - `ringway_client::{posted, called, current, handle, handle_or_null, stream, device, create, destroyed, found}`, `ringway_client::functions::object`: of a CUfunction or CUkernel.
#![allow(non_snake_case, unsafe_op_in_unsafe_fn, unused_imports, clippy::missing_safety_doc, clippy::too_many_arguments)]
// Every block here is sound if the program keeps CUDA's contract for the call: each pointer is null or valid for what
// CUDA says the call reads and writes there. Null is checked before use.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::{guard, refused, refused_legacy, stream_arg};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client as client;
use ringway_wire::codec::{Malformed, Writer as _};

/// `cuImportExternalMemory`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuImportExternalMemory() -> u32 {
    refused(op::CU_IMPORT_EXTERNAL_MEMORY)
}

/// `cuExternalMemoryGetMappedBuffer`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuExternalMemoryGetMappedBuffer() -> u32 {
    refused(op::CU_EXTERNAL_MEMORY_GET_MAPPED_BUFFER)
}

/// `cuExternalMemoryGetMappedMipmappedArray`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuExternalMemoryGetMappedMipmappedArray() -> u32 {
    refused(op::CU_EXTERNAL_MEMORY_GET_MAPPED_MIPMAPPED_ARRAY)
}

/// `cuDestroyExternalMemory`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDestroyExternalMemory() -> u32 {
    refused(op::CU_DESTROY_EXTERNAL_MEMORY)
}

/// `cuImportExternalSemaphore`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuImportExternalSemaphore() -> u32 {
    refused(op::CU_IMPORT_EXTERNAL_SEMAPHORE)
}

/// `cuSignalExternalSemaphoresAsync`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuSignalExternalSemaphoresAsync() -> u32 {
    refused(op::CU_SIGNAL_EXTERNAL_SEMAPHORES_ASYNC)
}

/// `cuSignalExternalSemaphoresAsync`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuSignalExternalSemaphoresAsync_ptsz() -> u32 {
    refused(op::CU_SIGNAL_EXTERNAL_SEMAPHORES_ASYNC)
}

/// `cuWaitExternalSemaphoresAsync`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuWaitExternalSemaphoresAsync() -> u32 {
    refused(op::CU_WAIT_EXTERNAL_SEMAPHORES_ASYNC)
}

/// `cuWaitExternalSemaphoresAsync`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuWaitExternalSemaphoresAsync_ptsz() -> u32 {
    refused(op::CU_WAIT_EXTERNAL_SEMAPHORES_ASYNC)
}

/// `cuDestroyExternalSemaphore`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDestroyExternalSemaphore() -> u32 {
    refused(op::CU_DESTROY_EXTERNAL_SEMAPHORE)
}
