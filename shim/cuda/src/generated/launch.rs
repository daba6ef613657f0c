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

/// `cuLaunchKernel`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(f: u64, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: u64, kernelParams: *mut c_void, extra: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_KERNEL, || unsafe { crate::driver::launch::cuLaunchKernel(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, stream_arg(hStream, false), kernelParams, extra) })
}

/// `cuLaunchKernel`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel_ptsz(f: u64, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: u64, kernelParams: *mut c_void, extra: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_KERNEL, || unsafe { crate::driver::launch::cuLaunchKernel(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, stream_arg(hStream, true), kernelParams, extra) })
}

/// `cuLaunchKernelEx`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx(config: *const c_void, f: u64, kernelParams: *mut c_void, extra: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_KERNEL_EX, || unsafe { crate::driver::launch::cuLaunchKernelEx(config, f, kernelParams, extra, false) })
}

/// `cuLaunchKernelEx`, CUDA 11.6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx_ptsz(config: *const c_void, f: u64, kernelParams: *mut c_void, extra: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_KERNEL_EX, || unsafe { crate::driver::launch::cuLaunchKernelEx(config, f, kernelParams, extra, true) })
}

/// `cuLaunchCooperativeKernel`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchCooperativeKernel(f: u64, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: u64, kernelParams: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_COOPERATIVE_KERNEL, || unsafe { crate::driver::launch::cuLaunchCooperativeKernel(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, stream_arg(hStream, false), kernelParams) })
}

/// `cuLaunchCooperativeKernel`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchCooperativeKernel_ptsz(f: u64, gridDimX: u32, gridDimY: u32, gridDimZ: u32, blockDimX: u32, blockDimY: u32, blockDimZ: u32, sharedMemBytes: u32, hStream: u64, kernelParams: *mut c_void) -> u32 {
    guard(op::CU_LAUNCH_COOPERATIVE_KERNEL, || unsafe { crate::driver::launch::cuLaunchCooperativeKernel(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, stream_arg(hStream, true), kernelParams) })
}

/// `cuLaunchHostFunc`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc(hStream: u64, fn_: *const c_void, userData: *const c_void) -> u32 {
    guard(op::CU_LAUNCH_HOST_FUNC, || unsafe { crate::driver::launch::cuLaunchHostFunc(stream_arg(hStream, false), fn_, userData) })
}

/// `cuLaunchHostFunc`, CUDA 10.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc_ptsz(hStream: u64, fn_: *const c_void, userData: *const c_void) -> u32 {
    guard(op::CU_LAUNCH_HOST_FUNC, || unsafe { crate::driver::launch::cuLaunchHostFunc(stream_arg(hStream, true), fn_, userData) })
}

/// `cuLaunchHostFunc_v2`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc_v2(hStream: u64, fn_: *const c_void, userData: *const c_void, syncMode: u32) -> u32 {
    guard(op::CU_LAUNCH_HOST_FUNC_V2, || unsafe { crate::driver::launch::cuLaunchHostFunc_v2(stream_arg(hStream, false), fn_, userData, syncMode) })
}

/// `cuLaunchHostFunc_v2`, CUDA 13.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc_v2_ptsz(hStream: u64, fn_: *const c_void, userData: *const c_void, syncMode: u32) -> u32 {
    guard(op::CU_LAUNCH_HOST_FUNC_V2, || unsafe { crate::driver::launch::cuLaunchHostFunc_v2(stream_arg(hStream, true), fn_, userData, syncMode) })
}
