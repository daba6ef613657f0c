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
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> u32 {
    guard(op::CU_MEM_GET_INFO, || unsafe { crate::driver::memory::cuMemGetInfo(free, total) })
}

/// `cuMemAlloc`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAlloc() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC, "cuMemAlloc")
}

/// `cuMemAlloc`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(dptr: *mut u64, bytesize: usize) -> u32 {
    guard(op::CU_MEM_ALLOC, || unsafe { crate::driver::memory::cuMemAlloc(dptr, bytesize) })
}

/// `cuMemAllocPitch`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocPitch() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC_PITCH, "cuMemAllocPitch")
}

/// `cuMemAllocPitch`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocPitch_v2(dptr: *mut u64, pPitch: *mut usize, WidthInBytes: usize, Height: usize, ElementSizeBytes: u32) -> u32 {
    guard(op::CU_MEM_ALLOC_PITCH, || unsafe { crate::driver::memory::cuMemAllocPitch(dptr, pPitch, WidthInBytes, Height, ElementSizeBytes) })
}

/// `cuMemFree`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree() -> u32 {
    refused_legacy(op::CU_MEM_FREE, "cuMemFree")
}

/// `cuMemFree`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(dptr: u64) -> u32 {
    guard(op::CU_MEM_FREE, || unsafe { crate::driver::memory::cuMemFree(dptr) })
}

/// `cuMemGetAddressRange`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAddressRange() -> u32 {
    refused_legacy(op::CU_MEM_GET_ADDRESS_RANGE, "cuMemGetAddressRange")
}

/// `cuMemGetAddressRange`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAddressRange_v2(pbase: *mut u64, psize: *mut usize, dptr: u64) -> u32 {
    guard(op::CU_MEM_GET_ADDRESS_RANGE, || unsafe { crate::driver::memory::cuMemGetAddressRange(pbase, psize, dptr) })
}

/// `cuMemAllocHost`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocHost() -> u32 {
    refused_legacy(op::CU_MEM_ALLOC_HOST, "cuMemAllocHost")
}

/// `cuMemAllocHost`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocHost_v2(pp: *mut c_void, bytesize: usize) -> u32 {
    guard(op::CU_MEM_ALLOC_HOST, || unsafe { crate::driver::memory::cuMemAllocHost(pp, bytesize) })
}

/// `cuMemFreeHost`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(p: *const c_void) -> u32 {
    guard(op::CU_MEM_FREE_HOST, || unsafe { crate::driver::memory::cuMemFreeHost(p) })
}

/// `cuMemHostAlloc`, CUDA 2.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(pp: *mut c_void, bytesize: usize, Flags: u32) -> u32 {
    guard(op::CU_MEM_HOST_ALLOC, || unsafe { crate::driver::memory::cuMemHostAlloc(pp, bytesize, Flags) })
}

/// `cuMemHostGetDevicePointer`, CUDA 2.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostGetDevicePointer() -> u32 {
    refused_legacy(op::CU_MEM_HOST_GET_DEVICE_POINTER, "cuMemHostGetDevicePointer")
}

/// `cuMemHostGetDevicePointer`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostGetDevicePointer_v2(pdptr: *mut u64, p: *const c_void, Flags: u32) -> u32 {
    guard(op::CU_MEM_HOST_GET_DEVICE_POINTER, || unsafe { crate::driver::memory::cuMemHostGetDevicePointer(pdptr, p, Flags) })
}

/// `cuMemHostGetFlags`, CUDA 2.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostGetFlags(pFlags: *mut u32, p: *const c_void) -> u32 {
    guard(op::CU_MEM_HOST_GET_FLAGS, || unsafe { crate::driver::memory::cuMemHostGetFlags(pFlags, p) })
}

/// `cuMemAllocManaged`, CUDA 6.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocManaged(dptr: *mut u64, bytesize: usize, flags: u32) -> u32 {
    guard(op::CU_MEM_ALLOC_MANAGED, || unsafe { crate::driver::memory::cuMemAllocManaged(dptr, bytesize, flags) })
}

/// `cuMemHostRegister`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostRegister(p: *const c_void, bytesize: usize, Flags: u32) -> u32 {
    guard(op::CU_MEM_HOST_REGISTER, || unsafe { crate::driver::memory::cuMemHostRegister(p, bytesize, Flags) })
}

/// `cuMemHostRegister`, CUDA 6.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostRegister_v2(p: *const c_void, bytesize: usize, Flags: u32) -> u32 {
    guard(op::CU_MEM_HOST_REGISTER, || unsafe { crate::driver::memory::cuMemHostRegister(p, bytesize, Flags) })
}

/// `cuMemHostUnregister`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostUnregister(p: *const c_void) -> u32 {
    guard(op::CU_MEM_HOST_UNREGISTER, || unsafe { crate::driver::memory::cuMemHostUnregister(p) })
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
