//! Stream-ordered allocation.

use super::memory::note;
use super::{late, locations, put};
use crate::generated::mempool as generated;
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::Target;
use ringway_client::servers::are_apart;
use ringway_client::memory::{self, Origin};
use ringway_client::{called, handle, memory_ranges, posted, stream};
use ringway_wire::codec::Writer as _;

pub unsafe fn cuMemFreeAsync(dptr: u64, hStream: u64) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    if dptr == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let found = memory::find_from(stream.target.lane, dptr).filter(|found| found.base == dptr);
    let found = found.ok_or(CudaError::INVALID_VALUE)?;
    if found.origin == Origin::Slab && late::captures(stream) {
        // What cuMemAlloc gave is no part of a graph.
        return Err(CudaError::INVALID_VALUE);
    }
    memory::remove(&found).ok_or(CudaError::INVALID_VALUE)?;
    if found.origin == Origin::Slab {
        memory_ranges::free_in_order(&found);
        return Ok(());
    }
    if are_apart(found.gpu, stream.target.lane) {
        // The stream's server has nothing to free: what the stream does before is waited for.
        unsafe { super::stream::cuStreamSynchronize(hStream) }?;
        let target = Target { context: found.context, lane: found.gpu, stream: 0 };
        return called(op::CU_MEM_FREE, target, 8, |w| w.u64(dptr), |_| Ok(()));
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
    note(base, bytesize, stream.target, Origin::Pool);
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
    note(base, bytesize, stream.target, Origin::Pool);
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

pub unsafe fn cuMemPoolCreate(pool: *mut u64, poolProps: *const c_void) -> Result<(), CudaError> {
    // CUmemPoolProps has its location behind two words of 32 bits.
    unsafe { locations::with_location::<88>(poolProps, 8, |props| generated::auto_cuMemPoolCreate(pool, props)) }
}

pub unsafe fn cuMemPoolSetAccess(pool: u64, map: *const c_void, count: usize) -> Result<(), CudaError> {
    let lane = handle(Kind::MemPool, pool)?.target.lane;
    unsafe { locations::with_accesses(lane, map, count, |map| generated::auto_cuMemPoolSetAccess(pool, map, count)) }
}

pub unsafe fn cuMemPoolGetAccess(flags: *mut u32, memPool: u64, location: *const c_void) -> Result<(), CudaError> {
    let lane = handle(Kind::MemPool, memPool)?.target.lane;
    unsafe { locations::with_location_of(lane, location, |location| generated::auto_cuMemPoolGetAccess(flags, memPool, location)) }
}

pub unsafe fn cuMemGetDefaultMemPool(pool_out: *mut u64, location: *const c_void, kind: u32) -> Result<(), CudaError> {
    unsafe { locations::with_location::<8>(location, 0, |location| generated::auto_cuMemGetDefaultMemPool(pool_out, location, kind)) }
}

pub unsafe fn cuMemGetMemPool(pool: *mut u64, location: *const c_void, kind: u32) -> Result<(), CudaError> {
    unsafe { locations::with_location::<8>(location, 0, |location| generated::auto_cuMemGetMemPool(pool, location, kind)) }
}

pub unsafe fn cuMemSetMemPool(location: *const c_void, kind: u32, pool: u64) -> Result<(), CudaError> {
    let lane = handle(Kind::MemPool, pool)?.target.lane;
    unsafe { locations::with_location_of(lane, location, |location| generated::auto_cuMemSetMemPool(location, kind, pool)) }
}
