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

/// `cuDevicePrimaryCtxRetain`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(pctx: *mut u64, dev: i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_RETAIN, || unsafe { crate::driver::context::cuDevicePrimaryCtxRetain(pctx, dev) })
}

/// `cuDevicePrimaryCtxRelease`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease(dev: i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_RELEASE, || unsafe { crate::driver::context::cuDevicePrimaryCtxRelease(dev) })
}

/// `cuDevicePrimaryCtxRelease`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(dev: i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_RELEASE, || unsafe { crate::driver::context::cuDevicePrimaryCtxRelease(dev) })
}

/// `cuDevicePrimaryCtxSetFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxSetFlags(dev: i32, flags: u32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_SET_FLAGS, || unsafe { crate::driver::context::cuDevicePrimaryCtxSetFlags(dev, flags) })
}

/// `cuDevicePrimaryCtxSetFlags`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxSetFlags_v2(dev: i32, flags: u32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_SET_FLAGS, || unsafe { crate::driver::context::cuDevicePrimaryCtxSetFlags(dev, flags) })
}

/// `cuDevicePrimaryCtxGetState`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxGetState(dev: i32, flags: *mut u32, active: *mut i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_GET_STATE, || unsafe { crate::driver::context::cuDevicePrimaryCtxGetState(dev, flags, active) })
}

/// `cuDevicePrimaryCtxReset`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset(dev: i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_RESET, || unsafe { crate::driver::context::cuDevicePrimaryCtxReset(dev) })
}

/// `cuDevicePrimaryCtxReset`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset_v2(dev: i32) -> u32 {
    guard(op::CU_DEVICE_PRIMARY_CTX_RESET, || unsafe { crate::driver::context::cuDevicePrimaryCtxReset(dev) })
}

/// `cuCtxCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxCreate() -> u32 {
    refused_legacy(op::CU_CTX_CREATE, "cuCtxCreate")
}

/// `cuCtxCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v2(pctx: *mut u64, flags: u32, dev: i32) -> u32 {
    guard(op::CU_CTX_CREATE, || unsafe { crate::driver::context::cuCtxCreate(pctx, flags, dev) })
}

/// `cuCtxCreate_v3`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v3(pctx: *mut u64, paramsArray: *mut c_void, numParams: i32, flags: u32, dev: i32) -> u32 {
    guard(op::CU_CTX_CREATE_V3, || unsafe { crate::driver::context::cuCtxCreate_v3(pctx, paramsArray, numParams, flags, dev) })
}

/// `cuCtxCreate_v4`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v4(pctx: *mut u64, ctxCreateParams: *mut c_void, flags: u32, dev: i32) -> u32 {
    guard(op::CU_CTX_CREATE_V4, || unsafe { crate::driver::context::cuCtxCreate_v4(pctx, ctxCreateParams, flags, dev) })
}

/// `cuCtxDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDestroy(ctx: u64) -> u32 {
    guard(op::CU_CTX_DESTROY, || unsafe { crate::driver::context::cuCtxDestroy(ctx) })
}

/// `cuCtxDestroy`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDestroy_v2(ctx: u64) -> u32 {
    guard(op::CU_CTX_DESTROY, || unsafe { crate::driver::context::cuCtxDestroy(ctx) })
}

/// `cuCtxPushCurrent`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPushCurrent(ctx: u64) -> u32 {
    guard(op::CU_CTX_PUSH_CURRENT, || unsafe { crate::driver::context::cuCtxPushCurrent(ctx) })
}

/// `cuCtxPushCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPushCurrent_v2(ctx: u64) -> u32 {
    guard(op::CU_CTX_PUSH_CURRENT, || unsafe { crate::driver::context::cuCtxPushCurrent(ctx) })
}

/// `cuCtxPopCurrent`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPopCurrent(pctx: *mut u64) -> u32 {
    guard(op::CU_CTX_POP_CURRENT, || unsafe { crate::driver::context::cuCtxPopCurrent(pctx) })
}

/// `cuCtxPopCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPopCurrent_v2(pctx: *mut u64) -> u32 {
    guard(op::CU_CTX_POP_CURRENT, || unsafe { crate::driver::context::cuCtxPopCurrent(pctx) })
}

/// `cuCtxSetCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(ctx: u64) -> u32 {
    guard(op::CU_CTX_SET_CURRENT, || unsafe { crate::driver::context::cuCtxSetCurrent(ctx) })
}

/// `cuCtxGetCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(pctx: *mut u64) -> u32 {
    guard(op::CU_CTX_GET_CURRENT, || unsafe { crate::driver::context::cuCtxGetCurrent(pctx) })
}

/// `cuCtxGetDevice`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut i32) -> u32 {
    guard(op::CU_CTX_GET_DEVICE, || unsafe { crate::driver::context::cuCtxGetDevice(device) })
}

/// `cuCtxGetDevice_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice_v2(device: *mut i32, ctx: u64) -> u32 {
    guard(op::CU_CTX_GET_DEVICE_V2, || unsafe { crate::driver::context::cuCtxGetDevice_v2(device, ctx) })
}

/// `cuCtxGetFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetFlags(flags: *mut u32) -> u32 {
    guard(op::CU_CTX_GET_FLAGS, || unsafe { crate::driver::context::cuCtxGetFlags(flags) })
}

/// `cuCtxSetFlags`, CUDA 12.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetFlags(flags: u32) -> u32 {
    guard(op::CU_CTX_SET_FLAGS, || unsafe { crate::driver::context::cuCtxSetFlags(flags) })
}

/// `cuCtxGetId`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetId(ctx: u64, ctxId: *mut u64) -> u32 {
    guard(op::CU_CTX_GET_ID, || unsafe { crate::driver::context::cuCtxGetId(ctx, ctxId) })
}

/// `cuCtxSynchronize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> u32 {
    guard(op::CU_CTX_SYNCHRONIZE, || unsafe { crate::driver::context::cuCtxSynchronize() })
}

/// `cuCtxSynchronize_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize_v2(ctx: u64) -> u32 {
    guard(op::CU_CTX_SYNCHRONIZE_V2, || unsafe { crate::driver::context::cuCtxSynchronize_v2(ctx) })
}

/// `cuCtxSetLimit`, CUDA 3.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetLimit(limit: u32, value: usize) -> u32 {
    guard(op::CU_CTX_SET_LIMIT, || unsafe { auto_cuCtxSetLimit(limit, value) })
}

unsafe fn auto_cuCtxSetLimit(limit: u32, value: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_CTX_SET_LIMIT, aim, 12, |w| {
        w.u32(limit);
        w.usize(value);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuCtxGetLimit`, CUDA 3.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetLimit(pvalue: *mut usize, limit: u32) -> u32 {
    guard(op::CU_CTX_GET_LIMIT, || unsafe { auto_cuCtxGetLimit(pvalue, limit) })
}

unsafe fn auto_cuCtxGetLimit(pvalue: *mut usize, limit: u32) -> Result<(), CudaError> {
    if pvalue.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_CTX_GET_LIMIT, aim, 4, |w| {
        w.u32(limit);
    }, |r| {
        let v = r.usize()?;
        pvalue.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxGetCacheConfig`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCacheConfig(pconfig: *mut u32) -> u32 {
    guard(op::CU_CTX_GET_CACHE_CONFIG, || unsafe { auto_cuCtxGetCacheConfig(pconfig) })
}

unsafe fn auto_cuCtxGetCacheConfig(pconfig: *mut u32) -> Result<(), CudaError> {
    if pconfig.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_CTX_GET_CACHE_CONFIG, aim, 0, |_| (), |r| {
        let v = r.u32()?;
        pconfig.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxSetCacheConfig`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCacheConfig(config: u32) -> u32 {
    guard(op::CU_CTX_SET_CACHE_CONFIG, || unsafe { auto_cuCtxSetCacheConfig(config) })
}

unsafe fn auto_cuCtxSetCacheConfig(config: u32) -> Result<(), CudaError> {
    if config > 3 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::posted(op::CU_CTX_SET_CACHE_CONFIG, aim, 4, |w| {
        w.u32(config);
    })?;
    Ok(())
}

/// `cuCtxGetApiVersion`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetApiVersion(ctx: u64, version: *mut u32) -> u32 {
    guard(op::CU_CTX_GET_API_VERSION, || unsafe { crate::driver::context::cuCtxGetApiVersion(ctx, version) })
}

/// `cuCtxGetStreamPriorityRange`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetStreamPriorityRange(leastPriority: *mut i32, greatestPriority: *mut i32) -> u32 {
    guard(op::CU_CTX_GET_STREAM_PRIORITY_RANGE, || unsafe { auto_cuCtxGetStreamPriorityRange(leastPriority, greatestPriority) })
}

unsafe fn auto_cuCtxGetStreamPriorityRange(leastPriority: *mut i32, greatestPriority: *mut i32) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_CTX_GET_STREAM_PRIORITY_RANGE, aim, 0, |_| (), |r| {
        let v = r.i32()?;
        if !leastPriority.is_null() {
            leastPriority.write_unaligned(v);
        }
        let v = r.i32()?;
        if !greatestPriority.is_null() {
            greatestPriority.write_unaligned(v);
        }
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxResetPersistingL2Cache`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxResetPersistingL2Cache() -> u32 {
    guard(op::CU_CTX_RESET_PERSISTING_L2_CACHE, || unsafe { auto_cuCtxResetPersistingL2Cache() })
}

unsafe fn auto_cuCtxResetPersistingL2Cache() -> Result<(), CudaError> {
    let aim = client::current()?;
    client::posted(op::CU_CTX_RESET_PERSISTING_L2_CACHE, aim, 0, |_| ())?;
    Ok(())
}

/// `cuCtxGetExecAffinity`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetExecAffinity(pExecAffinity: *mut c_void, kind: u32) -> u32 {
    guard(op::CU_CTX_GET_EXEC_AFFINITY, || unsafe { auto_cuCtxGetExecAffinity(pExecAffinity, kind) })
}

unsafe fn auto_cuCtxGetExecAffinity(pExecAffinity: *mut c_void, kind: u32) -> Result<(), CudaError> {
    if pExecAffinity.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_CTX_GET_EXEC_AFFINITY, aim, 4, |w| {
        w.u32(kind);
    }, |r| {
        let v = r.array::<8>()?;
        pExecAffinity.cast::<[u8; 8]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxRecordEvent`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxRecordEvent(hCtx: u64, hEvent: u64) -> u32 {
    guard(op::CU_CTX_RECORD_EVENT, || unsafe { crate::driver::context::cuCtxRecordEvent(hCtx, hEvent) })
}

pub(crate) unsafe fn auto_cuCtxRecordEvent(hCtx: u64, hEvent: u64) -> Result<(), CudaError> {
    let hCtx = client::handle(Kind::Context, hCtx)?;
    let hEvent = client::handle(Kind::Event, hEvent)?;
    let aim = hCtx.target;
    client::posted(op::CU_CTX_RECORD_EVENT, aim, 16, |w| {
        w.u64(hCtx.id);
        w.u64(hEvent.id);
    })?;
    Ok(())
}

/// `cuCtxWaitEvent`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxWaitEvent(hCtx: u64, hEvent: u64) -> u32 {
    guard(op::CU_CTX_WAIT_EVENT, || unsafe { auto_cuCtxWaitEvent(hCtx, hEvent) })
}

unsafe fn auto_cuCtxWaitEvent(hCtx: u64, hEvent: u64) -> Result<(), CudaError> {
    let hCtx = client::handle(Kind::Context, hCtx)?;
    let hEvent = client::handle(Kind::Event, hEvent)?;
    let aim = hCtx.target;
    client::posted(op::CU_CTX_WAIT_EVENT, aim, 16, |w| {
        w.u64(hCtx.id);
        w.u64(hEvent.id);
    })?;
    Ok(())
}

/// `cuCtxAttach`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxAttach(pctx: *mut u64, flags: u32) -> u32 {
    guard(op::CU_CTX_ATTACH, || unsafe { crate::driver::context::cuCtxAttach(pctx, flags) })
}

/// `cuCtxDetach`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDetach(ctx: u64) -> u32 {
    guard(op::CU_CTX_DETACH, || unsafe { crate::driver::context::cuCtxDetach(ctx) })
}

/// `cuCtxGetSharedMemConfig`, CUDA 4.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetSharedMemConfig(pConfig: *mut u32) -> u32 {
    guard(op::CU_CTX_GET_SHARED_MEM_CONFIG, || unsafe { auto_cuCtxGetSharedMemConfig(pConfig) })
}

unsafe fn auto_cuCtxGetSharedMemConfig(pConfig: *mut u32) -> Result<(), CudaError> {
    if pConfig.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_CTX_GET_SHARED_MEM_CONFIG, aim, 0, |_| (), |r| {
        let v = r.u32()?;
        pConfig.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxSetSharedMemConfig`, CUDA 4.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetSharedMemConfig(config: u32) -> u32 {
    guard(op::CU_CTX_SET_SHARED_MEM_CONFIG, || unsafe { auto_cuCtxSetSharedMemConfig(config) })
}

unsafe fn auto_cuCtxSetSharedMemConfig(config: u32) -> Result<(), CudaError> {
    if config > 2 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::posted(op::CU_CTX_SET_SHARED_MEM_CONFIG, aim, 4, |w| {
        w.u32(config);
    })?;
    Ok(())
}
