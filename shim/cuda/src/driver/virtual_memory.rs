//! Virtual memory management: address ranges, noted here so that a pointer into one is known for what it is.

use super::{across, locations};
use crate::generated::virtual_memory as generated;
use core::ffi::c_void;
use ringway_api::{CudaError, Kind};
use ringway_client::contexts;
use ringway_client::handle;
use ringway_client::memory::{self, Allocation, Origin, Place};

pub unsafe fn cuMemAddressReserve(ptr: *mut u64, size: usize, alignment: usize, addr: u64, flags: u64) -> Result<(), CudaError> {
    // The flags are for later versions of CUDA and must be zero.
    if ptr.is_null() || size == 0 || flags != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let target = contexts::current()?;
    unsafe { generated::auto_cuMemAddressReserve(ptr, size, alignment, addr, flags) }?;
    memory::insert(Allocation {
        base: unsafe { ptr.read_unaligned() },
        bytes: size as u64,
        place: Place::Reserved,
        context: target.context,
        context_handle: contexts::current_handle(),
        gpu: target.lane,
        number: 0,
        origin: Origin::Other,
    });
    Ok(())
}

pub unsafe fn cuMemAddressFree(ptr: u64, size: usize) -> Result<(), CudaError> {
    let found = memory::find(ptr)
        .filter(|found| found.base == ptr && found.bytes == size as u64 && found.place == Place::Reserved)
        .ok_or(CudaError::INVALID_VALUE)?;
    at_range(ptr, || unsafe { generated::auto_cuMemAddressFree(ptr, size) })?;
    memory::remove(&found);
    Ok(())
}

/// Where a CUmemAllocationProp has its location.
const LOCATION: usize = 8;

pub unsafe fn cuMemCreate(allocation: *mut u64, size: usize, prop: *const c_void, flags: u64) -> Result<(), CudaError> {
    unsafe { locations::with_location::<32>(prop, LOCATION, |prop| generated::auto_cuMemCreate(allocation, size, prop, flags)) }
}

pub unsafe fn cuMemGetAllocationGranularity(granularity: *mut usize, prop: *const c_void, option: u32) -> Result<(), CudaError> {
    unsafe {
        locations::with_location::<32>(prop, LOCATION, |prop| generated::auto_cuMemGetAllocationGranularity(granularity, prop, option))
    }
}

pub unsafe fn cuMemGetAllocationPropertiesFromHandle(prop: *mut c_void, allocation: u64) -> Result<(), CudaError> {
    unsafe { generated::auto_cuMemGetAllocationPropertiesFromHandle(prop, allocation) }?;
    let lane = handle(Kind::Allocation, allocation)?.target.lane;
    // SAFETY: the call has just written it.
    locations::from_server(lane, unsafe { core::slice::from_raw_parts_mut(prop.cast(), 32) }, LOCATION)
}

/// Makes a call about a range where that is.
fn at_range(ptr: u64, call: impl FnOnce() -> Result<(), CudaError>) -> Result<(), CudaError> {
    match across::owner(ptr)? {
        Some(context) => across::within(context, call),
        None => call(),
    }
}

pub unsafe fn cuMemSetAccess(ptr: u64, size: usize, desc: *const c_void, count: usize) -> Result<(), CudaError> {
    at_range(ptr, || {
        let lane = contexts::current()?.lane;
        unsafe { locations::with_accesses(lane, desc, count, |desc| generated::auto_cuMemSetAccess(ptr, size, desc, count)) }
    })
}

pub unsafe fn cuMemGetAccess(flags: *mut u64, location: *const c_void, ptr: u64) -> Result<(), CudaError> {
    at_range(ptr, || {
        let lane = contexts::current()?.lane;
        unsafe { locations::with_location_of(lane, location, |location| generated::auto_cuMemGetAccess(flags, location, ptr)) }
    })
}

pub unsafe fn cuMemUnmap(ptr: u64, size: usize) -> Result<(), CudaError> {
    at_range(ptr, || unsafe { generated::auto_cuMemUnmap(ptr, size) })
}
