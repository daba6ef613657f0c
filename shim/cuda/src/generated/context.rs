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
pub extern "C" fn cuDevicePrimaryCtxRetain() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_RETAIN)
}

/// `cuDevicePrimaryCtxRelease`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_RELEASE)
}

/// `cuDevicePrimaryCtxRelease`, CUDA 11.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_RELEASE)
}

/// `cuDevicePrimaryCtxSetFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxSetFlags() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_SET_FLAGS)
}

/// `cuDevicePrimaryCtxSetFlags`, CUDA 11.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxSetFlags_v2() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_SET_FLAGS)
}

/// `cuDevicePrimaryCtxGetState`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxGetState() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_GET_STATE)
}

/// `cuDevicePrimaryCtxReset`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxReset() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_RESET)
}

/// `cuDevicePrimaryCtxReset`, CUDA 11.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxReset_v2() -> u32 {
    refused(op::CU_DEVICE_PRIMARY_CTX_RESET)
}

/// `cuCtxCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxCreate() -> u32 {
    refused_legacy(op::CU_CTX_CREATE, "cuCtxCreate")
}

/// `cuCtxCreate`, CUDA 3.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxCreate_v2() -> u32 {
    refused(op::CU_CTX_CREATE)
}

/// `cuCtxCreate_v3`, CUDA 11.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxCreate_v3() -> u32 {
    refused(op::CU_CTX_CREATE_V3)
}

/// `cuCtxCreate_v4`, CUDA 12.5.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxCreate_v4() -> u32 {
    refused(op::CU_CTX_CREATE_V4)
}

/// `cuCtxDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxDestroy() -> u32 {
    refused(op::CU_CTX_DESTROY)
}

/// `cuCtxDestroy`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxDestroy_v2() -> u32 {
    refused(op::CU_CTX_DESTROY)
}

/// `cuCtxPushCurrent`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPushCurrent() -> u32 {
    refused(op::CU_CTX_PUSH_CURRENT)
}

/// `cuCtxPushCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPushCurrent_v2() -> u32 {
    refused(op::CU_CTX_PUSH_CURRENT)
}

/// `cuCtxPopCurrent`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPopCurrent() -> u32 {
    refused(op::CU_CTX_POP_CURRENT)
}

/// `cuCtxPopCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPopCurrent_v2() -> u32 {
    refused(op::CU_CTX_POP_CURRENT)
}

/// `cuCtxSetCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent() -> u32 {
    refused(op::CU_CTX_SET_CURRENT)
}

/// `cuCtxGetCurrent`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetCurrent() -> u32 {
    refused(op::CU_CTX_GET_CURRENT)
}

/// `cuCtxGetDevice`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetDevice() -> u32 {
    refused(op::CU_CTX_GET_DEVICE)
}

/// `cuCtxGetDevice_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetDevice_v2() -> u32 {
    refused(op::CU_CTX_GET_DEVICE_V2)
}

/// `cuCtxGetFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetFlags() -> u32 {
    refused(op::CU_CTX_GET_FLAGS)
}

/// `cuCtxSetFlags`, CUDA 12.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetFlags() -> u32 {
    refused(op::CU_CTX_SET_FLAGS)
}

/// `cuCtxGetId`, CUDA 12.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxGetId() -> u32 {
    refused(op::CU_CTX_GET_ID)
}

/// `cuCtxSynchronize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> u32 {
    refused(op::CU_CTX_SYNCHRONIZE)
}

/// `cuCtxSynchronize_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize_v2() -> u32 {
    refused(op::CU_CTX_SYNCHRONIZE_V2)
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
pub extern "C" fn cuCtxGetApiVersion() -> u32 {
    refused(op::CU_CTX_GET_API_VERSION)
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
    guard(op::CU_CTX_RECORD_EVENT, || unsafe { auto_cuCtxRecordEvent(hCtx, hEvent) })
}

unsafe fn auto_cuCtxRecordEvent(hCtx: u64, hEvent: u64) -> Result<(), CudaError> {
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
pub extern "C" fn cuCtxAttach() -> u32 {
    refused(op::CU_CTX_ATTACH)
}

/// `cuCtxDetach`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxDetach() -> u32 {
    refused(op::CU_CTX_DETACH)
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
