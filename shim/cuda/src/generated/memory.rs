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

/// `cuMemGetInfo`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetInfo() -> u32 {
    refused_legacy(op::CU_MEM_GET_INFO, "cuMemGetInfo")
}

/// `cuMemGetInfo`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetInfo_v2() -> u32 {
    refused(op::CU_MEM_GET_INFO)
}

/// `cuMemAlloc`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAlloc() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC, "cuMemAlloc")
}

/// `cuMemAlloc`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAlloc_v2() -> u32 {
    refused(op::CU_MEM_ALLOC)
}

/// `cuMemAllocPitch`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocPitch() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC_PITCH, "cuMemAllocPitch")
}

/// `cuMemAllocPitch`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocPitch_v2() -> u32 {
    refused(op::CU_MEM_ALLOC_PITCH)
}

/// `cuMemFree`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree() -> u32 {
    refused_legacy(op::CU_MEM_FREE, "cuMemFree")
}

/// `cuMemFree`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2() -> u32 {
    refused(op::CU_MEM_FREE)
}

/// `cuMemGetAddressRange`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAddressRange() -> u32 {
    refused_legacy(op::CU_MEM_GET_ADDRESS_RANGE, "cuMemGetAddressRange")
}

/// `cuMemGetAddressRange`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAddressRange_v2() -> u32 {
    refused(op::CU_MEM_GET_ADDRESS_RANGE)
}

/// `cuMemAllocHost`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocHost() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC_HOST, "cuMemAllocHost")
}

/// `cuMemAllocHost`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocHost_v2() -> u32 {
    refused(op::CU_MEM_ALLOC_HOST)
}

/// `cuMemFreeHost`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeHost() -> u32 {
    refused(op::CU_MEM_FREE_HOST)
}

/// `cuMemHostAlloc`, CUDA 2.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostAlloc() -> u32 {
    refused(op::CU_MEM_HOST_ALLOC)
}

/// `cuMemHostGetDevicePointer`, CUDA 2.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostGetDevicePointer() -> u32 {
    refused_legacy(op::CU_MEM_HOST_GET_DEVICE_POINTER, "cuMemHostGetDevicePointer")
}

/// `cuMemHostGetDevicePointer`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostGetDevicePointer_v2() -> u32 {
    refused(op::CU_MEM_HOST_GET_DEVICE_POINTER)
}

/// `cuMemHostGetFlags`, CUDA 2.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostGetFlags() -> u32 {
    refused(op::CU_MEM_HOST_GET_FLAGS)
}

/// `cuMemAllocManaged`, CUDA 6.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocManaged() -> u32 {
    refused(op::CU_MEM_ALLOC_MANAGED)
}

/// `cuMemHostRegister`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostRegister() -> u32 {
    refused(op::CU_MEM_HOST_REGISTER)
}

/// `cuMemHostRegister`, CUDA 6.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostRegister_v2() -> u32 {
    refused(op::CU_MEM_HOST_REGISTER)
}

/// `cuMemHostUnregister`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostUnregister() -> u32 {
    refused(op::CU_MEM_HOST_UNREGISTER)
}

/// `cuMemGetHandleForAddressRange`, CUDA 11.7.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetHandleForAddressRange() -> u32 {
    refused(op::CU_MEM_GET_HANDLE_FOR_ADDRESS_RANGE)
}

/// `cuMemBatchDecompressAsync`, CUDA 12.6.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemBatchDecompressAsync() -> u32 {
    refused(op::CU_MEM_BATCH_DECOMPRESS_ASYNC)
}

/// `cuMemBatchDecompressAsync`, CUDA 12.6.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemBatchDecompressAsync_ptsz() -> u32 {
    refused(op::CU_MEM_BATCH_DECOMPRESS_ASYNC)
}

/// `cuMemGetLocationInfo`, CUDA 13.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetLocationInfo() -> u32 {
    refused(op::CU_MEM_GET_LOCATION_INFO)
}
