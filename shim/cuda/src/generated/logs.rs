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

/// `cuLogsRegisterCallback`, CUDA 12.9.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLogsRegisterCallback(callbackFunc: *const c_void, userData: *const c_void, callback_out: *mut u64) -> u32 {
    guard(op::CU_LOGS_REGISTER_CALLBACK, || unsafe { crate::driver::logs::cuLogsRegisterCallback(callbackFunc, userData, callback_out) })
}

/// `cuLogsUnregisterCallback`, CUDA 12.9.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLogsUnregisterCallback(callback: u64) -> u32 {
    guard(op::CU_LOGS_UNREGISTER_CALLBACK, || unsafe { crate::driver::logs::cuLogsUnregisterCallback(callback) })
}

/// `cuLogsCurrent`, CUDA 12.9.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLogsCurrent(iterator_out: *mut u32, flags: u32) -> u32 {
    guard(op::CU_LOGS_CURRENT, || unsafe { crate::driver::logs::cuLogsCurrent(iterator_out, flags) })
}

/// `cuLogsDumpToFile`, CUDA 12.9.
#[unsafe(no_mangle)]
pub extern "C" fn cuLogsDumpToFile() -> u32 {
    refused(op::CU_LOGS_DUMP_TO_FILE)
}

/// `cuLogsDumpToMemory`, CUDA 12.9.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLogsDumpToMemory(iterator: *mut u32, buffer: *mut c_void, size: *mut usize, flags: u32) -> u32 {
    guard(op::CU_LOGS_DUMP_TO_MEMORY, || unsafe { crate::driver::logs::cuLogsDumpToMemory(iterator, buffer, size, flags) })
}
