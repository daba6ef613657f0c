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

/// `cuMemFreeAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync(dptr: u64, hStream: u64) -> u32 {
    guard(op::CU_MEM_FREE_ASYNC, || unsafe { crate::driver::mempool::cuMemFreeAsync(dptr, stream_arg(hStream, false)) })
}

/// `cuMemFreeAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync_ptsz(dptr: u64, hStream: u64) -> u32 {
    guard(op::CU_MEM_FREE_ASYNC, || unsafe { crate::driver::mempool::cuMemFreeAsync(dptr, stream_arg(hStream, true)) })
}

/// `cuMemAllocAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(dptr: *mut u64, bytesize: usize, hStream: u64) -> u32 {
    guard(op::CU_MEM_ALLOC_ASYNC, || unsafe { crate::driver::mempool::cuMemAllocAsync(dptr, bytesize, stream_arg(hStream, false)) })
}

/// `cuMemAllocAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync_ptsz(dptr: *mut u64, bytesize: usize, hStream: u64) -> u32 {
    guard(op::CU_MEM_ALLOC_ASYNC, || unsafe { crate::driver::mempool::cuMemAllocAsync(dptr, bytesize, stream_arg(hStream, true)) })
}

/// `cuMemPoolTrimTo`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolTrimTo(pool: u64, minBytesToKeep: usize) -> u32 {
    guard(op::CU_MEM_POOL_TRIM_TO, || unsafe { auto_cuMemPoolTrimTo(pool, minBytesToKeep) })
}

unsafe fn auto_cuMemPoolTrimTo(pool: u64, minBytesToKeep: usize) -> Result<(), CudaError> {
    let pool = client::handle(Kind::MemPool, pool)?;
    let aim = pool.target;
    client::posted(op::CU_MEM_POOL_TRIM_TO, aim, 16, |w| {
        w.u64(pool.id);
        w.usize(minBytesToKeep);
    })?;
    Ok(())
}

/// `cuMemPoolSetAttribute`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolSetAttribute(pool: u64, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_MEM_POOL_SET_ATTRIBUTE, || unsafe { crate::driver::mempool::cuMemPoolSetAttribute(pool, attr, value) })
}

/// `cuMemPoolGetAttribute`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolGetAttribute(pool: u64, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_MEM_POOL_GET_ATTRIBUTE, || unsafe { crate::driver::mempool::cuMemPoolGetAttribute(pool, attr, value) })
}

/// `cuMemPoolSetAccess`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolSetAccess(pool: u64, map: *const c_void, count: usize) -> u32 {
    guard(op::CU_MEM_POOL_SET_ACCESS, || unsafe { crate::driver::mempool::cuMemPoolSetAccess(pool, map, count) })
}

pub(crate) unsafe fn auto_cuMemPoolSetAccess(pool: u64, map: *const c_void, count: usize) -> Result<(), CudaError> {
    let pool = client::handle(Kind::MemPool, pool)?;
    if map.is_null() && count != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let map_in = client::slice(map.cast::<[u8; 12]>(), count as usize)?;
    let aim = pool.target;
    client::called(op::CU_MEM_POOL_SET_ACCESS, aim, 16 + 4 + map_in.len().saturating_mul(12), |w| {
        w.u64(pool.id);
        w.u32(u32::try_from(map_in.len()).unwrap_or(u32::MAX));
        for v in map_in.iter() {
            w.put(v);
        }
        w.usize(count);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemPoolGetAccess`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolGetAccess(flags: *mut u32, memPool: u64, location: *const c_void) -> u32 {
    guard(op::CU_MEM_POOL_GET_ACCESS, || unsafe { crate::driver::mempool::cuMemPoolGetAccess(flags, memPool, location) })
}

pub(crate) unsafe fn auto_cuMemPoolGetAccess(flags: *mut u32, memPool: u64, location: *const c_void) -> Result<(), CudaError> {
    if flags.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let memPool = client::handle(Kind::MemPool, memPool)?;
    if location.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = memPool.target;
    client::called(op::CU_MEM_POOL_GET_ACCESS, aim, 16, |w| {
        w.u64(memPool.id);
        w.put(&location.cast::<[u8; 8]>().read());
    }, |r| {
        let v = r.u32()?;
        flags.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemPoolCreate`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolCreate(pool: *mut u64, poolProps: *const c_void) -> u32 {
    guard(op::CU_MEM_POOL_CREATE, || unsafe { crate::driver::mempool::cuMemPoolCreate(pool, poolProps) })
}

pub(crate) unsafe fn auto_cuMemPoolCreate(pool: *mut u64, poolProps: *const c_void) -> Result<(), CudaError> {
    if pool.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if poolProps.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let pool_new = client::create(Kind::MemPool, aim)?;
    client::called(op::CU_MEM_POOL_CREATE, aim, 96, |w| {
        w.u64(pool_new.id());
        w.put(&poolProps.cast::<[u8; 88]>().read());
    }, |_| Ok(()))?;
    pool.write_unaligned(pool_new.keep());
    Ok(())
}

/// `cuMemPoolDestroy`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolDestroy(pool: u64) -> u32 {
    guard(op::CU_MEM_POOL_DESTROY, || unsafe { auto_cuMemPoolDestroy(pool) })
}

unsafe fn auto_cuMemPoolDestroy(pool: u64) -> Result<(), CudaError> {
    let pool = client::handle(Kind::MemPool, pool)?;
    let aim = pool.target;
    client::posted(op::CU_MEM_POOL_DESTROY, aim, 8, |w| {
        w.u64(pool.id);
    })?;
    client::destroyed(Kind::MemPool, pool.id);
    Ok(())
}

/// `cuMemGetDefaultMemPool`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetDefaultMemPool(pool_out: *mut u64, location: *const c_void, kind: u32) -> u32 {
    guard(op::CU_MEM_GET_DEFAULT_MEM_POOL, || unsafe { crate::driver::mempool::cuMemGetDefaultMemPool(pool_out, location, kind) })
}

pub(crate) unsafe fn auto_cuMemGetDefaultMemPool(pool_out: *mut u64, location: *const c_void, kind: u32) -> Result<(), CudaError> {
    if pool_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if location.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_MEM_GET_DEFAULT_MEM_POOL, aim, 12, |w| {
        w.put(&location.cast::<[u8; 8]>().read());
        w.u32(kind);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::MemPool, v, aim).map_err(|_| Malformed::Value(v))? };
        pool_out.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemGetMemPool`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetMemPool(pool: *mut u64, location: *const c_void, kind: u32) -> u32 {
    guard(op::CU_MEM_GET_MEM_POOL, || unsafe { crate::driver::mempool::cuMemGetMemPool(pool, location, kind) })
}

pub(crate) unsafe fn auto_cuMemGetMemPool(pool: *mut u64, location: *const c_void, kind: u32) -> Result<(), CudaError> {
    if pool.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if location.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_MEM_GET_MEM_POOL, aim, 12, |w| {
        w.put(&location.cast::<[u8; 8]>().read());
        w.u32(kind);
    }, |r| {
        let v = r.u64()?;
        let v = if v == 0 { 0 } else { client::found(Kind::MemPool, v, aim).map_err(|_| Malformed::Value(v))? };
        pool.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemSetMemPool`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemSetMemPool(location: *const c_void, kind: u32, pool: u64) -> u32 {
    guard(op::CU_MEM_SET_MEM_POOL, || unsafe { crate::driver::mempool::cuMemSetMemPool(location, kind, pool) })
}

pub(crate) unsafe fn auto_cuMemSetMemPool(location: *const c_void, kind: u32, pool: u64) -> Result<(), CudaError> {
    if location.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let pool = client::handle(Kind::MemPool, pool)?;
    let aim = pool.target;
    client::called(op::CU_MEM_SET_MEM_POOL, aim, 20, |w| {
        w.put(&location.cast::<[u8; 8]>().read());
        w.u32(kind);
        w.u64(pool.id);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemAllocFromPoolAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocFromPoolAsync(dptr: *mut u64, bytesize: usize, pool: u64, hStream: u64) -> u32 {
    guard(op::CU_MEM_ALLOC_FROM_POOL_ASYNC, || unsafe { crate::driver::mempool::cuMemAllocFromPoolAsync(dptr, bytesize, pool, stream_arg(hStream, false)) })
}

/// `cuMemAllocFromPoolAsync`, CUDA 11.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocFromPoolAsync_ptsz(dptr: *mut u64, bytesize: usize, pool: u64, hStream: u64) -> u32 {
    guard(op::CU_MEM_ALLOC_FROM_POOL_ASYNC, || unsafe { crate::driver::mempool::cuMemAllocFromPoolAsync(dptr, bytesize, pool, stream_arg(hStream, true)) })
}

/// `cuMemPoolExportToShareableHandle`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPoolExportToShareableHandle() -> u32 {
    refused(op::CU_MEM_POOL_EXPORT_TO_SHAREABLE_HANDLE)
}

/// `cuMemPoolImportFromShareableHandle`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPoolImportFromShareableHandle() -> u32 {
    refused(op::CU_MEM_POOL_IMPORT_FROM_SHAREABLE_HANDLE)
}

/// `cuMemPoolExportPointer`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPoolExportPointer() -> u32 {
    refused(op::CU_MEM_POOL_EXPORT_POINTER)
}

/// `cuMemPoolImportPointer`, CUDA 11.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPoolImportPointer() -> u32 {
    refused(op::CU_MEM_POOL_IMPORT_POINTER)
}
