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

/// `cuIpcGetEventHandle`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcGetEventHandle() -> u32 {
    refused(op::CU_IPC_GET_EVENT_HANDLE)
}

/// `cuIpcOpenEventHandle`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcOpenEventHandle() -> u32 {
    refused(op::CU_IPC_OPEN_EVENT_HANDLE)
}

/// `cuIpcGetMemHandle`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcGetMemHandle() -> u32 {
    refused(op::CU_IPC_GET_MEM_HANDLE)
}

/// `cuIpcOpenMemHandle`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcOpenMemHandle() -> u32 {
    refused(op::CU_IPC_OPEN_MEM_HANDLE)
}

/// `cuIpcOpenMemHandle`, CUDA 11.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcOpenMemHandle_v2() -> u32 {
    refused(op::CU_IPC_OPEN_MEM_HANDLE)
}

/// `cuIpcCloseMemHandle`, CUDA 4.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuIpcCloseMemHandle() -> u32 {
    refused(op::CU_IPC_CLOSE_MEM_HANDLE)
}
