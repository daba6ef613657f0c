//! Stream-ordered allocation.

use super::memory::note;
use super::put;
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, handle, memory, posted, stream};
use ringway_wire::codec::Writer as _;

pub unsafe fn cuMemFreeAsync(dptr: u64, hStream: u64) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    if dptr == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    if memory::find(dptr).is_some_and(|found| found.base == dptr) {
        memory::remove(dptr);
    } else {
        return Err(CudaError::INVALID_VALUE);
    }
    posted(op::CU_MEM_FREE_ASYNC, stream.target, 16, |w| {
        w.u64(dptr);
        w.u64(stream.id);
    })
}

pub unsafe fn cuMemAllocAsync(
    dptr: *mut u64,
    bytesize: usize,
    hStream: u64,
) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    if dptr.is_null() || bytesize == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let base = called(
        op::CU_MEM_ALLOC_ASYNC,
        stream.target,
        16,
        |w| {
            w.usize(bytesize);
            w.u64(stream.id);
        },
        |r| r.u64(),
    )?;
    note(base, bytesize, stream.target, true);
    unsafe { put(dptr, base) }
}

pub unsafe fn cuMemAllocFromPoolAsync(
    dptr: *mut u64,
    bytesize: usize,
    pool: u64,
    hStream: u64,
) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    let pool = handle(Kind::MemPool, pool)?;
    if dptr.is_null() || bytesize == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let base = called(
        op::CU_MEM_ALLOC_FROM_POOL_ASYNC,
        stream.target,
        24,
        |w| {
            w.usize(bytesize);
            w.u64(pool.id);
            w.u64(stream.id);
        },
        |r| r.u64(),
    )?;
    note(base, bytesize, stream.target, true);
    unsafe { put(dptr, base) }
}

/// Bytes of a pool attribute's value: the first three are `int`, the others `cuuint64_t`.
fn attribute_bytes(attr: u32) -> Result<usize, CudaError> {
    match attr {
        1..=3 => Ok(4),
        4..=12 => Ok(8),
        _ => Err(CudaError::INVALID_VALUE),
    }
}

pub unsafe fn cuMemPoolSetAttribute(
    pool: u64,
    attr: u32,
    value: *const c_void,
) -> Result<(), CudaError> {
    let pool = handle(Kind::MemPool, pool)?;
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let word = match attribute_bytes(attr)? {
        4 => u64::from(unsafe { value.cast::<u32>().read_unaligned() }),
        _ => unsafe { value.cast::<u64>().read_unaligned() },
    };
    posted(op::CU_MEM_POOL_SET_ATTRIBUTE, pool.target, 20, |w| {
        w.u64(pool.id);
        w.u32(attr);
        w.u64(word);
    })
}

pub unsafe fn cuMemPoolGetAttribute(
    pool: u64,
    attr: u32,
    value: *const c_void,
) -> Result<(), CudaError> {
    let pool = handle(Kind::MemPool, pool)?;
    let bytes = attribute_bytes(attr)?;
    let word = called(
        op::CU_MEM_POOL_GET_ATTRIBUTE,
        pool.target,
        12,
        |w| {
            w.u64(pool.id);
            w.u32(attr);
        },
        |r| r.u64(),
    )?;
    let value = value.cast_mut();
    if bytes == 4 {
        unsafe { put(value.cast(), word as u32) }
    } else {
        unsafe { put(value.cast(), word) }
    }
}
