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

/// `cuGetErrorString`, CUDA 6.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: u32, pStr: *mut c_void) -> u32 {
    guard(op::CU_GET_ERROR_STRING, || unsafe { crate::driver::init::cuGetErrorString(error, pStr) })
}

/// `cuGetErrorName`, CUDA 6.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: u32, pStr: *mut c_void) -> u32 {
    guard(op::CU_GET_ERROR_NAME, || unsafe { crate::driver::init::cuGetErrorName(error, pStr) })
}

/// `cuInit`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(Flags: u32) -> u32 {
    guard(op::CU_INIT, || unsafe { crate::driver::init::cuInit(Flags) })
}

/// `cuDriverGetVersion`, CUDA 2.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(driverVersion: *mut i32) -> u32 {
    guard(op::CU_DRIVER_GET_VERSION, || unsafe { crate::driver::init::cuDriverGetVersion(driverVersion) })
}

/// `cuGetProcAddress`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress(symbol: *const c_char, pfn: *mut c_void, cudaVersion: i32, flags: u64) -> u32 {
    guard(op::CU_GET_PROC_ADDRESS, || unsafe { crate::driver::init::cuGetProcAddress(symbol, pfn, cudaVersion, flags) })
}

/// `cuGetProcAddress_v2`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress_v2(symbol: *const c_char, pfn: *mut c_void, cudaVersion: i32, flags: u64, symbolStatus: *mut u32) -> u32 {
    guard(op::CU_GET_PROC_ADDRESS_V2, || unsafe { crate::driver::init::cuGetProcAddress_v2(symbol, pfn, cudaVersion, flags, symbolStatus) })
}

/// `cuGetExportTable`, CUDA 3.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetExportTable(ppExportTable: *mut c_void, pExportTableId: *const c_void) -> u32 {
    guard(op::CU_GET_EXPORT_TABLE, || unsafe { crate::driver::init::cuGetExportTable(ppExportTable, pExportTableId) })
}
