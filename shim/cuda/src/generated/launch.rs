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
pub extern "C" fn cuLaunchKernel() -> u32 {
    refused(op::CU_LAUNCH_KERNEL)
}

/// `cuLaunchKernel`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernel_ptsz() -> u32 {
    refused(op::CU_LAUNCH_KERNEL)
}

/// `cuLaunchKernelEx`, CUDA 11.6.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernelEx() -> u32 {
    refused(op::CU_LAUNCH_KERNEL_EX)
}

/// `cuLaunchKernelEx`, CUDA 11.6.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernelEx_ptsz() -> u32 {
    refused(op::CU_LAUNCH_KERNEL_EX)
}

/// `cuLaunchCooperativeKernel`, CUDA 9.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchCooperativeKernel() -> u32 {
    refused(op::CU_LAUNCH_COOPERATIVE_KERNEL)
}

/// `cuLaunchCooperativeKernel`, CUDA 9.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchCooperativeKernel_ptsz() -> u32 {
    refused(op::CU_LAUNCH_COOPERATIVE_KERNEL)
}

/// `cuLaunchHostFunc`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchHostFunc() -> u32 {
    refused(op::CU_LAUNCH_HOST_FUNC)
}

/// `cuLaunchHostFunc`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchHostFunc_ptsz() -> u32 {
    refused(op::CU_LAUNCH_HOST_FUNC)
}

/// `cuLaunchHostFunc_v2`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchHostFunc_v2() -> u32 {
    refused(op::CU_LAUNCH_HOST_FUNC_V2)
}

/// `cuLaunchHostFunc_v2`, CUDA 13.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchHostFunc_v2_ptsz() -> u32 {
    refused(op::CU_LAUNCH_HOST_FUNC_V2)
}
