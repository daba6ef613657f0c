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

/// `cuFuncSetBlockShape`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuFuncSetBlockShape() -> u32 {
    refused(op::CU_FUNC_SET_BLOCK_SHAPE)
}

/// `cuFuncSetSharedSize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuFuncSetSharedSize() -> u32 {
    refused(op::CU_FUNC_SET_SHARED_SIZE)
}

/// `cuParamSetSize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuParamSetSize() -> u32 {
    refused(op::CU_PARAM_SET_SIZE)
}

/// `cuParamSeti`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuParamSeti() -> u32 {
    refused(op::CU_PARAM_SETI)
}

/// `cuParamSetf`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuParamSetf() -> u32 {
    refused(op::CU_PARAM_SETF)
}

/// `cuParamSetv`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuParamSetv() -> u32 {
    refused(op::CU_PARAM_SETV)
}

/// `cuLaunch`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunch() -> u32 {
    refused(op::CU_LAUNCH)
}

/// `cuLaunchGrid`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchGrid() -> u32 {
    refused(op::CU_LAUNCH_GRID)
}

/// `cuLaunchGridAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchGridAsync() -> u32 {
    refused(op::CU_LAUNCH_GRID_ASYNC)
}

/// `cuLaunchCooperativeKernelMultiDevice`, CUDA 9.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchCooperativeKernelMultiDevice() -> u32 {
    refused(op::CU_LAUNCH_COOPERATIVE_KERNEL_MULTI_DEVICE)
}

/// `cuParamSetTexRef`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuParamSetTexRef() -> u32 {
    refused(op::CU_PARAM_SET_TEX_REF)
}

/// `cuFuncSetSharedMemConfig`, CUDA 4.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetSharedMemConfig(hfunc: u64, config: u32) -> u32 {
    guard(op::CU_FUNC_SET_SHARED_MEM_CONFIG, || unsafe { auto_cuFuncSetSharedMemConfig(hfunc, config) })
}

unsafe fn auto_cuFuncSetSharedMemConfig(hfunc: u64, config: u32) -> Result<(), CudaError> {
    let hfunc = client::functions::object(hfunc)?;
    let aim = hfunc.target;
    client::posted(op::CU_FUNC_SET_SHARED_MEM_CONFIG, aim, 12, |w| {
        w.u64(hfunc.id);
        w.u32(config);
    })?;
    Ok(())
}
