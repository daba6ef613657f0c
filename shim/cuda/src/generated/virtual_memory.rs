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

/// `cuMemAddressReserve`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAddressReserve(ptr: *mut u64, size: usize, alignment: usize, addr: u64, flags: u64) -> u32 {
    guard(op::CU_MEM_ADDRESS_RESERVE, || unsafe { crate::driver::virtual_memory::cuMemAddressReserve(ptr, size, alignment, addr, flags) })
}

pub(crate) unsafe fn auto_cuMemAddressReserve(ptr: *mut u64, size: usize, alignment: usize, addr: u64, flags: u64) -> Result<(), CudaError> {
    if ptr.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_MEM_ADDRESS_RESERVE, aim, 32, |w| {
        w.usize(size);
        w.usize(alignment);
        w.u64(addr);
        w.u64(flags);
    }, |r| {
        let v = r.u64()?;
        ptr.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemAddressFree`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAddressFree(ptr: u64, size: usize) -> u32 {
    guard(op::CU_MEM_ADDRESS_FREE, || unsafe { crate::driver::virtual_memory::cuMemAddressFree(ptr, size) })
}

pub(crate) unsafe fn auto_cuMemAddressFree(ptr: u64, size: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_MEM_ADDRESS_FREE, aim, 16, |w| {
        w.u64(ptr);
        w.usize(size);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemCreate`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemCreate(handle: *mut u64, size: usize, prop: *const c_void, flags: u64) -> u32 {
    guard(op::CU_MEM_CREATE, || unsafe { crate::driver::virtual_memory::cuMemCreate(handle, size, prop, flags) })
}

pub(crate) unsafe fn auto_cuMemCreate(handle: *mut u64, size: usize, prop: *const c_void, flags: u64) -> Result<(), CudaError> {
    if handle.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if prop.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let handle_new = client::create(Kind::Allocation, aim)?;
    client::called(op::CU_MEM_CREATE, aim, 56, |w| {
        w.u64(handle_new.id());
        w.usize(size);
        w.put(&prop.cast::<[u8; 32]>().read());
        w.u64(flags);
    }, |_| Ok(()))?;
    handle.write_unaligned(handle_new.keep());
    Ok(())
}

/// `cuMemRelease`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemRelease(handle: u64) -> u32 {
    guard(op::CU_MEM_RELEASE, || unsafe { auto_cuMemRelease(handle) })
}

unsafe fn auto_cuMemRelease(handle: u64) -> Result<(), CudaError> {
    let handle = client::handle(Kind::Allocation, handle)?;
    let aim = handle.target;
    client::called(op::CU_MEM_RELEASE, aim, 8, |w| {
        w.u64(handle.id);
    }, |_| Ok(()))?;
    client::destroyed(Kind::Allocation, handle.id);
    Ok(())
}

/// `cuMemMap`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemMap(ptr: u64, size: usize, offset: usize, handle: u64, flags: u64) -> u32 {
    guard(op::CU_MEM_MAP, || unsafe { auto_cuMemMap(ptr, size, offset, handle, flags) })
}

unsafe fn auto_cuMemMap(ptr: u64, size: usize, offset: usize, handle: u64, flags: u64) -> Result<(), CudaError> {
    let handle = client::handle(Kind::Allocation, handle)?;
    let aim = handle.target;
    client::called(op::CU_MEM_MAP, aim, 40, |w| {
        w.u64(ptr);
        w.usize(size);
        w.usize(offset);
        w.u64(handle.id);
        w.u64(flags);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemMapArrayAsync`, CUDA 11.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemMapArrayAsync() -> u32 {
    refused(op::CU_MEM_MAP_ARRAY_ASYNC)
}

/// `cuMemMapArrayAsync`, CUDA 11.1.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemMapArrayAsync_ptsz() -> u32 {
    refused(op::CU_MEM_MAP_ARRAY_ASYNC)
}

/// `cuMemUnmap`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemUnmap(ptr: u64, size: usize) -> u32 {
    guard(op::CU_MEM_UNMAP, || unsafe { crate::driver::virtual_memory::cuMemUnmap(ptr, size) })
}

pub(crate) unsafe fn auto_cuMemUnmap(ptr: u64, size: usize) -> Result<(), CudaError> {
    let aim = client::current()?;
    client::called(op::CU_MEM_UNMAP, aim, 16, |w| {
        w.u64(ptr);
        w.usize(size);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemSetAccess`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemSetAccess(ptr: u64, size: usize, desc: *const c_void, count: usize) -> u32 {
    guard(op::CU_MEM_SET_ACCESS, || unsafe { crate::driver::virtual_memory::cuMemSetAccess(ptr, size, desc, count) })
}

pub(crate) unsafe fn auto_cuMemSetAccess(ptr: u64, size: usize, desc: *const c_void, count: usize) -> Result<(), CudaError> {
    if desc.is_null() && count != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let desc_in = client::slice(desc.cast::<[u8; 12]>(), count as usize)?;
    let aim = client::current()?;
    client::called(op::CU_MEM_SET_ACCESS, aim, 24 + 4 + desc_in.len().saturating_mul(12), |w| {
        w.u64(ptr);
        w.usize(size);
        w.u32(u32::try_from(desc_in.len()).unwrap_or(u32::MAX));
        for v in desc_in.iter() {
            w.put(v);
        }
        w.usize(count);
    }, |_| Ok(()))?;
    Ok(())
}

/// `cuMemGetAccess`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAccess(flags: *mut u64, location: *const c_void, ptr: u64) -> u32 {
    guard(op::CU_MEM_GET_ACCESS, || unsafe { crate::driver::virtual_memory::cuMemGetAccess(flags, location, ptr) })
}

pub(crate) unsafe fn auto_cuMemGetAccess(flags: *mut u64, location: *const c_void, ptr: u64) -> Result<(), CudaError> {
    if flags.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if location.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_MEM_GET_ACCESS, aim, 16, |w| {
        w.put(&location.cast::<[u8; 8]>().read());
        w.u64(ptr);
    }, |r| {
        let v = r.u64()?;
        flags.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemExportToShareableHandle`, CUDA 10.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemExportToShareableHandle() -> u32 {
    refused(op::CU_MEM_EXPORT_TO_SHAREABLE_HANDLE)
}

/// `cuMemImportFromShareableHandle`, CUDA 10.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemImportFromShareableHandle() -> u32 {
    refused(op::CU_MEM_IMPORT_FROM_SHAREABLE_HANDLE)
}

/// `cuMemGetAllocationGranularity`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAllocationGranularity(granularity: *mut usize, prop: *const c_void, option: u32) -> u32 {
    guard(op::CU_MEM_GET_ALLOCATION_GRANULARITY, || unsafe { crate::driver::virtual_memory::cuMemGetAllocationGranularity(granularity, prop, option) })
}

pub(crate) unsafe fn auto_cuMemGetAllocationGranularity(granularity: *mut usize, prop: *const c_void, option: u32) -> Result<(), CudaError> {
    if granularity.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if prop.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    client::called(op::CU_MEM_GET_ALLOCATION_GRANULARITY, aim, 36, |w| {
        w.put(&prop.cast::<[u8; 32]>().read());
        w.u32(option);
    }, |r| {
        let v = r.usize()?;
        granularity.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemGetAllocationPropertiesFromHandle`, CUDA 10.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAllocationPropertiesFromHandle(prop: *mut c_void, handle: u64) -> u32 {
    guard(op::CU_MEM_GET_ALLOCATION_PROPERTIES_FROM_HANDLE, || unsafe { crate::driver::virtual_memory::cuMemGetAllocationPropertiesFromHandle(prop, handle) })
}

pub(crate) unsafe fn auto_cuMemGetAllocationPropertiesFromHandle(prop: *mut c_void, handle: u64) -> Result<(), CudaError> {
    if prop.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let handle = client::handle(Kind::Allocation, handle)?;
    let aim = handle.target;
    client::called(op::CU_MEM_GET_ALLOCATION_PROPERTIES_FROM_HANDLE, aim, 8, |w| {
        w.u64(handle.id);
    }, |r| {
        let v = r.array::<32>()?;
        prop.cast::<[u8; 32]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuMemRetainAllocationHandle`, CUDA 11.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemRetainAllocationHandle() -> u32 {
    refused(op::CU_MEM_RETAIN_ALLOCATION_HANDLE)
}
