//! Virtual memory management: address ranges, noted here so that a pointer into one is known for what it is.

use crate::generated::virtual_memory as generated;
use ringway_api::CudaError;
use ringway_client::contexts;
use ringway_client::memory::{self, Allocation, Place};

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
        pooled: false,
    });
    Ok(())
}

pub unsafe fn cuMemAddressFree(ptr: u64, size: usize) -> Result<(), CudaError> {
    memory::find(ptr)
        .filter(|found| found.base == ptr && found.bytes == size as u64 && found.place == Place::Reserved)
        .ok_or(CudaError::INVALID_VALUE)?;
    unsafe { generated::auto_cuMemAddressFree(ptr, size) }?;
    memory::remove(ptr);
    Ok(())
}
