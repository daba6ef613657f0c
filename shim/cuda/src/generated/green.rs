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

/// `cuGreenCtxCreate`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxCreate() -> u32 {
    refused(op::CU_GREEN_CTX_CREATE)
}

/// `cuGreenCtxDestroy`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxDestroy() -> u32 {
    refused(op::CU_GREEN_CTX_DESTROY)
}

/// `cuCtxFromGreenCtx`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxFromGreenCtx() -> u32 {
    refused(op::CU_CTX_FROM_GREEN_CTX)
}

/// `cuDeviceGetDevResource`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetDevResource() -> u32 {
    refused(op::CU_DEVICE_GET_DEV_RESOURCE)
}

/// `cuCtxGetDevResource`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetDevResource() -> u32 {
    refused(op::CU_CTX_GET_DEV_RESOURCE)
}

/// `cuGreenCtxGetDevResource`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxGetDevResource() -> u32 {
    refused(op::CU_GREEN_CTX_GET_DEV_RESOURCE)
}

/// `cuDevSmResourceSplitByCount`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevSmResourceSplitByCount() -> u32 {
    refused(op::CU_DEV_SM_RESOURCE_SPLIT_BY_COUNT)
}

/// `cuDevSmResourceSplit`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevSmResourceSplit() -> u32 {
    refused(op::CU_DEV_SM_RESOURCE_SPLIT)
}

/// `cuDevResourceGenerateDesc`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevResourceGenerateDesc() -> u32 {
    refused(op::CU_DEV_RESOURCE_GENERATE_DESC)
}

/// `cuGreenCtxRecordEvent`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxRecordEvent() -> u32 {
    refused(op::CU_GREEN_CTX_RECORD_EVENT)
}

/// `cuGreenCtxWaitEvent`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxWaitEvent() -> u32 {
    refused(op::CU_GREEN_CTX_WAIT_EVENT)
}

/// `cuStreamGetGreenCtx`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetGreenCtx() -> u32 {
    refused(op::CU_STREAM_GET_GREEN_CTX)
}

/// `cuGreenCtxStreamCreate`, CUDA 12.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxStreamCreate() -> u32 {
    refused(op::CU_GREEN_CTX_STREAM_CREATE)
}

/// `cuGreenCtxGetId`, CUDA 12.9.
#[unsafe(no_mangle)]
pub extern "C" fn cuGreenCtxGetId() -> u32 {
    refused(op::CU_GREEN_CTX_GET_ID)
}

/// `cuStreamGetDevResource`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetDevResource() -> u32 {
    refused(op::CU_STREAM_GET_DEV_RESOURCE)
}

/// `cuStreamGetDevResource`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamGetDevResource_ptsz() -> u32 {
    refused(op::CU_STREAM_GET_DEV_RESOURCE)
}
