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

/// `cuPointerGetAttribute`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttribute(data: *const c_void, attribute: u32, ptr: u64) -> u32 {
    guard(op::CU_POINTER_GET_ATTRIBUTE, || unsafe { crate::driver::unified::cuPointerGetAttribute(data, attribute, ptr) })
}

/// `cuMemPrefetchAsync`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchAsync() -> u32 {
    refused(op::CU_MEM_PREFETCH_ASYNC)
}

/// `cuMemPrefetchAsync`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchAsync_ptsz() -> u32 {
    refused(op::CU_MEM_PREFETCH_ASYNC)
}

/// `cuMemPrefetchAsync_v2`, CUDA 12.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchAsync_v2() -> u32 {
    refused(op::CU_MEM_PREFETCH_ASYNC_V2)
}

/// `cuMemPrefetchAsync_v2`, CUDA 12.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchAsync_v2_ptsz() -> u32 {
    refused(op::CU_MEM_PREFETCH_ASYNC_V2)
}

/// `cuMemAdvise`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAdvise() -> u32 {
    refused(op::CU_MEM_ADVISE)
}

/// `cuMemAdvise_v2`, CUDA 12.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAdvise_v2() -> u32 {
    refused(op::CU_MEM_ADVISE_V2)
}

/// `cuMemPrefetchBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchBatchAsync() -> u32 {
    refused(op::CU_MEM_PREFETCH_BATCH_ASYNC)
}

/// `cuMemPrefetchBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchBatchAsync_ptsz() -> u32 {
    refused(op::CU_MEM_PREFETCH_BATCH_ASYNC)
}

/// `cuMemDiscardBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemDiscardBatchAsync() -> u32 {
    refused(op::CU_MEM_DISCARD_BATCH_ASYNC)
}

/// `cuMemDiscardBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemDiscardBatchAsync_ptsz() -> u32 {
    refused(op::CU_MEM_DISCARD_BATCH_ASYNC)
}

/// `cuMemDiscardAndPrefetchBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemDiscardAndPrefetchBatchAsync() -> u32 {
    refused(op::CU_MEM_DISCARD_AND_PREFETCH_BATCH_ASYNC)
}

/// `cuMemDiscardAndPrefetchBatchAsync`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemDiscardAndPrefetchBatchAsync_ptsz() -> u32 {
    refused(op::CU_MEM_DISCARD_AND_PREFETCH_BATCH_ASYNC)
}

/// `cuMemRangeGetAttribute`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemRangeGetAttribute() -> u32 {
    refused(op::CU_MEM_RANGE_GET_ATTRIBUTE)
}

/// `cuMemRangeGetAttributes`, CUDA 8.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemRangeGetAttributes() -> u32 {
    refused(op::CU_MEM_RANGE_GET_ATTRIBUTES)
}

/// `cuPointerSetAttribute`, CUDA 6.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerSetAttribute(value: *const c_void, attribute: u32, ptr: u64) -> u32 {
    guard(op::CU_POINTER_SET_ATTRIBUTE, || unsafe { crate::driver::unified::cuPointerSetAttribute(value, attribute, ptr) })
}

/// `cuPointerGetAttributes`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttributes(numAttributes: u32, attributes: *mut u32, data: *mut c_void, ptr: u64) -> u32 {
    guard(op::CU_POINTER_GET_ATTRIBUTES, || unsafe { crate::driver::unified::cuPointerGetAttributes(numAttributes, attributes, data, ptr) })
}
