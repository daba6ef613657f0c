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

/// `cuFuncGetAttribute`, CUDA 2.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(pi: *mut i32, attrib: u32, hfunc: u64) -> u32 {
    guard(op::CU_FUNC_GET_ATTRIBUTE, || unsafe { crate::driver::function::cuFuncGetAttribute(pi, attrib, hfunc) })
}

/// `cuFuncSetAttribute`, CUDA 9.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(hfunc: u64, attrib: u32, value: i32) -> u32 {
    guard(op::CU_FUNC_SET_ATTRIBUTE, || unsafe { crate::driver::function::cuFuncSetAttribute(hfunc, attrib, value) })
}

/// `cuFuncSetCacheConfig`, CUDA 3.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetCacheConfig(hfunc: u64, config: u32) -> u32 {
    guard(op::CU_FUNC_SET_CACHE_CONFIG, || unsafe { auto_cuFuncSetCacheConfig(hfunc, config) })
}

unsafe fn auto_cuFuncSetCacheConfig(hfunc: u64, config: u32) -> Result<(), CudaError> {
    let hfunc = client::functions::object(hfunc)?;
    if config > 3 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hfunc.target;
    client::posted(op::CU_FUNC_SET_CACHE_CONFIG, aim, 12, |w| {
        w.u64(hfunc.id);
        w.u32(config);
    })?;
    Ok(())
}

/// `cuFuncGetModule`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetModule(hmod: *mut u64, hfunc: u64) -> u32 {
    guard(op::CU_FUNC_GET_MODULE, || unsafe { crate::driver::function::cuFuncGetModule(hmod, hfunc) })
}

/// `cuFuncGetName`, CUDA 12.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetName(name: *mut c_void, hfunc: u64) -> u32 {
    guard(op::CU_FUNC_GET_NAME, || unsafe { crate::driver::function::cuFuncGetName(name, hfunc) })
}

/// `cuFuncGetParamInfo`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetParamInfo(func: u64, paramIndex: usize, paramOffset: *mut usize, paramSize: *mut usize) -> u32 {
    guard(op::CU_FUNC_GET_PARAM_INFO, || unsafe { crate::driver::function::cuFuncGetParamInfo(func, paramIndex, paramOffset, paramSize) })
}

/// `cuFuncGetParamCount`, CUDA 13.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetParamCount(func: u64, paramCount: *mut usize) -> u32 {
    guard(op::CU_FUNC_GET_PARAM_COUNT, || unsafe { crate::driver::function::cuFuncGetParamCount(func, paramCount) })
}

/// `cuFuncIsLoaded`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncIsLoaded(state: *mut u32, function: u64) -> u32 {
    guard(op::CU_FUNC_IS_LOADED, || unsafe { auto_cuFuncIsLoaded(state, function) })
}

unsafe fn auto_cuFuncIsLoaded(state: *mut u32, function: u64) -> Result<(), CudaError> {
    if state.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let function = client::functions::object(function)?;
    let aim = function.target;
    client::called(op::CU_FUNC_IS_LOADED, aim, 8, |w| {
        w.u64(function.id);
    }, |r| {
        let v = r.u32()?;
        state.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuFuncLoad`, CUDA 12.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncLoad(function: u64) -> u32 {
    guard(op::CU_FUNC_LOAD, || unsafe { auto_cuFuncLoad(function) })
}

unsafe fn auto_cuFuncLoad(function: u64) -> Result<(), CudaError> {
    let function = client::functions::object(function)?;
    let aim = function.target;
    client::called(op::CU_FUNC_LOAD, aim, 8, |w| {
        w.u64(function.id);
    }, |_| Ok(()))?;
    Ok(())
}
