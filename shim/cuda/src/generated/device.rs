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

/// `cuDeviceGet`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut i32, ordinal: i32) -> u32 {
    guard(op::CU_DEVICE_GET, || unsafe { crate::driver::device::cuDeviceGet(device, ordinal) })
}

/// `cuDeviceGetCount`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut i32) -> u32 {
    guard(op::CU_DEVICE_GET_COUNT, || unsafe { crate::driver::device::cuDeviceGetCount(count) })
}

/// `cuDeviceGetName`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_void, len: i32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_NAME, || unsafe { crate::driver::device::cuDeviceGetName(name, len, dev) })
}

/// `cuDeviceGetUuid`, CUDA 9.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut c_void, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_UUID, || unsafe { crate::driver::device::cuDeviceGetUuid(uuid, dev) })
}

/// `cuDeviceGetUuid`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut c_void, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_UUID, || unsafe { crate::driver::device::cuDeviceGetUuid(uuid, dev) })
}

/// `cuDeviceGetLuid`, CUDA 10.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetLuid() -> u32 {
    refused(op::CU_DEVICE_GET_LUID)
}

/// `cuDeviceTotalMem`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceTotalMem() -> u32 {
    refused_legacy(op::CU_DEVICE_TOTAL_MEM, "cuDeviceTotalMem")
}

/// `cuDeviceTotalMem`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, dev: i32) -> u32 {
    guard(op::CU_DEVICE_TOTAL_MEM, || unsafe { crate::driver::device::cuDeviceTotalMem(bytes, dev) })
}

/// `cuDeviceGetTexture1DLinearMaxWidth`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetTexture1DLinearMaxWidth(maxWidthInElements: *mut usize, format: u32, numChannels: u32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_TEXTURE1D_LINEAR_MAX_WIDTH, || unsafe { auto_cuDeviceGetTexture1DLinearMaxWidth(maxWidthInElements, format, numChannels, dev) })
}

unsafe fn auto_cuDeviceGetTexture1DLinearMaxWidth(maxWidthInElements: *mut usize, format: u32, numChannels: u32, dev: i32) -> Result<(), CudaError> {
    if maxWidthInElements.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let dev = client::device(dev)?;
    let aim = dev.target;
    client::called(op::CU_DEVICE_GET_TEXTURE1D_LINEAR_MAX_WIDTH, aim, 12, |w| {
        w.u32(format);
        w.u32(numChannels);
        w.i32(dev.ordinal);
    }, |r| {
        let v = r.usize()?;
        maxWidthInElements.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuDeviceGetAttribute`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(pi: *mut i32, attrib: u32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_ATTRIBUTE, || unsafe { crate::driver::device::cuDeviceGetAttribute(pi, attrib, dev) })
}

/// `cuDeviceGetHostAtomicCapabilities`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetHostAtomicCapabilities() -> u32 {
    refused(op::CU_DEVICE_GET_HOST_ATOMIC_CAPABILITIES)
}

/// `cuDeviceGetNvSciSyncAttributes`, CUDA 10.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetNvSciSyncAttributes() -> u32 {
    refused(op::CU_DEVICE_GET_NV_SCI_SYNC_ATTRIBUTES)
}

/// `cuDeviceSetMemPool`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceSetMemPool(dev: i32, pool: u64) -> u32 {
    guard(op::CU_DEVICE_SET_MEM_POOL, || unsafe { auto_cuDeviceSetMemPool(dev, pool) })
}

unsafe fn auto_cuDeviceSetMemPool(dev: i32, pool: u64) -> Result<(), CudaError> {
    let dev = client::device(dev)?;
    let pool = client::handle(Kind::MemPool, pool)?;
    let aim = pool.target;
    client::called(op::CU_DEVICE_SET_MEM_POOL, aim, 12, |w| {
        w.i32(dev.ordinal);
        w.u64(pool.id);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuDeviceGetMemPool`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetMemPool(pool: *mut u64, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_MEM_POOL, || unsafe { auto_cuDeviceGetMemPool(pool, dev) })
}

unsafe fn auto_cuDeviceGetMemPool(pool: *mut u64, dev: i32) -> Result<(), CudaError> {
    if pool.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let dev = client::device(dev)?;
    let aim = dev.target;
    client::called(op::CU_DEVICE_GET_MEM_POOL, aim, 4, |w| {
        w.i32(dev.ordinal);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::MemPool, v, aim).map_err(|_| Malformed::Value(v))? };
        pool.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuDeviceGetDefaultMemPool`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetDefaultMemPool(pool_out: *mut u64, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_DEFAULT_MEM_POOL, || unsafe { auto_cuDeviceGetDefaultMemPool(pool_out, dev) })
}

unsafe fn auto_cuDeviceGetDefaultMemPool(pool_out: *mut u64, dev: i32) -> Result<(), CudaError> {
    if pool_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let dev = client::device(dev)?;
    let aim = dev.target;
    client::called(op::CU_DEVICE_GET_DEFAULT_MEM_POOL, aim, 4, |w| {
        w.i32(dev.ordinal);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::MemPool, v, aim).map_err(|_| Malformed::Value(v))? };
        pool_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuDeviceGetExecAffinitySupport`, CUDA 11.4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetExecAffinitySupport(pi: *mut i32, kind: u32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_EXEC_AFFINITY_SUPPORT, || unsafe { auto_cuDeviceGetExecAffinitySupport(pi, kind, dev) })
}

unsafe fn auto_cuDeviceGetExecAffinitySupport(pi: *mut i32, kind: u32, dev: i32) -> Result<(), CudaError> {
    if pi.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let dev = client::device(dev)?;
    let aim = dev.target;
    client::called(op::CU_DEVICE_GET_EXEC_AFFINITY_SUPPORT, aim, 8, |w| {
        w.u32(kind);
        w.i32(dev.ordinal);
    }, |r| {
        let v = r.i32()?;
        pi.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuFlushGPUDirectRDMAWrites`, CUDA 11.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFlushGPUDirectRDMAWrites(target: u32, scope: u32) -> u32 {
    guard(op::CU_FLUSH_GPU_DIRECT_RDMA_WRITES, || unsafe { auto_cuFlushGPUDirectRDMAWrites(target, scope) })
}

unsafe fn auto_cuFlushGPUDirectRDMAWrites(target: u32, scope: u32) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_FLUSH_GPU_DIRECT_RDMA_WRITES, aim, 8, |w| {
        w.u32(target);
        w.u32(scope);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuDeviceGetProperties`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetProperties(prop: *mut c_void, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_PROPERTIES, || unsafe { crate::driver::device::cuDeviceGetProperties(prop, dev) })
}

/// `cuDeviceComputeCapability`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceComputeCapability(major: *mut i32, minor: *mut i32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_COMPUTE_CAPABILITY, || unsafe { crate::driver::device::cuDeviceComputeCapability(major, minor, dev) })
}

/// `cuDeviceRegisterAsyncNotification`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceRegisterAsyncNotification() -> u32 {
    refused(op::CU_DEVICE_REGISTER_ASYNC_NOTIFICATION)
}

/// `cuDeviceUnregisterAsyncNotification`, CUDA 12.4.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceUnregisterAsyncNotification() -> u32 {
    refused(op::CU_DEVICE_UNREGISTER_ASYNC_NOTIFICATION)
}

/// `cuDeviceGetByPCIBusId`, CUDA 4.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetByPCIBusId(dev: *mut i32, pciBusId: *const c_char) -> u32 {
    guard(op::CU_DEVICE_GET_BY_PCI_BUS_ID, || unsafe { crate::driver::device::cuDeviceGetByPCIBusId(dev, pciBusId) })
}

/// `cuDeviceGetPCIBusId`, CUDA 4.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetPCIBusId(pciBusId: *mut c_void, len: i32, dev: i32) -> u32 {
    guard(op::CU_DEVICE_GET_PCI_BUS_ID, || unsafe { crate::driver::device::cuDeviceGetPCIBusId(pciBusId, len, dev) })
}
