//! Device memory, and host memory that the program pins.

use super::{capture, put, put_if};
use core::ffi::c_void;
use ringway_api::{CudaError, op};
use ringway_client::contexts::{self, Target};
use ringway_client::memory::{self, Allocation, Origin, Place};
use ringway_client::{called, memory_ranges, pinned, session, transfers};

/// Notes device memory that the server has given.
pub(crate) fn note(base: u64, bytes: usize, target: Target, origin: Origin) {
    memory::insert(Allocation {
        base,
        bytes: bytes as u64,
        place: Place::Device,
        context: target.context,
        context_handle: contexts::current_handle(),
        gpu: target.lane,
        number: 0,
        origin,
    });
}

pub unsafe fn cuMemGetInfo(free: *mut usize, total: *mut usize) -> Result<(), CudaError> {
    let target = contexts::current()?;
    let (left, all) = called(
        op::CU_MEM_GET_INFO,
        target.without_work(),
        0,
        |_| (),
        |r| Ok((r.u64()?, r.u64()?)),
    )?;
    // What is kept here of the slice is free to this program.
    let left = left.saturating_add(memory_ranges::free_bytes(target.lane)).min(all);
    unsafe { put(free, left as usize) }?;
    unsafe { put(total, all as usize) }
}

pub unsafe fn cuMemAlloc(dptr: *mut u64, bytesize: usize) -> Result<(), CudaError> {
    let target = contexts::current()?;
    if dptr.is_null() || bytesize == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    if bytesize as u64 > session()?.devices[target.lane as usize].memory_bytes {
        return Err(CudaError::OUT_OF_MEMORY);
    }
    let (base, origin) = memory_ranges::allocate(target, bytesize as u64)?;
    note(base, bytesize, target, origin);
    unsafe { put(dptr, base) }
}

pub unsafe fn cuMemAllocPitch(
    dptr: *mut u64,
    pPitch: *mut usize,
    WidthInBytes: usize,
    Height: usize,
    ElementSizeBytes: u32,
) -> Result<(), CudaError> {
    contexts::current()?;
    if pPitch.is_null()
        || WidthInBytes == 0
        || Height == 0
        || !matches!(ElementSizeBytes, 4 | 8 | 16)
    {
        return Err(CudaError::INVALID_VALUE);
    }
    // Rows begin where textures and coalesced accesses want them: at multiples of 512 bytes, as the drivers do it.
    let pitch = WidthInBytes
        .checked_next_multiple_of(512)
        .ok_or(CudaError::INVALID_VALUE)?;
    let bytes = pitch.checked_mul(Height).ok_or(CudaError::OUT_OF_MEMORY)?;
    unsafe { cuMemAlloc(dptr, bytes) }?;
    unsafe { put(pPitch, pitch) }
}

pub unsafe fn cuMemFree(dptr: u64) -> Result<(), CudaError> {
    if dptr == 0 {
        return session().map(|_| ());
    }
    let found =
        memory::find(dptr).filter(|found| found.base == dptr && found.place == Place::Device);
    let found = found.ok_or(CudaError::INVALID_VALUE)?;
    // Forgotten before it is freed: the address may be given to another thread at once. Of two threads that free it one is too late.
    memory::remove(&found).ok_or(CudaError::INVALID_VALUE)?;
    memory_ranges::free(&found, capture::any())
}

pub unsafe fn cuMemGetAddressRange(
    pbase: *mut u64,
    psize: *mut usize,
    dptr: u64,
) -> Result<(), CudaError> {
    session()?;
    let found = memory::find(dptr)
        .filter(|found| found.place == Place::Device)
        .ok_or(CudaError::NOT_FOUND)?;
    unsafe { put_if(pbase, found.base) };
    unsafe { put_if(psize, found.bytes as usize) };
    Ok(())
}

const PAGE: usize = 4096;

pub unsafe fn cuMemHostAlloc(
    pp: *mut c_void,
    bytesize: usize,
    Flags: u32,
) -> Result<(), CudaError> {
    let target = contexts::current()?;
    // PORTABLE 1, DEVICEMAP 2, WRITECOMBINED 4
    if pp.is_null() || bytesize == 0 || Flags & !7 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let length = bytesize
        .checked_next_multiple_of(PAGE)
        .ok_or(CudaError::OUT_OF_MEMORY)?;
    let at = match pinned::allocate(target, bytesize) {
        Some(at) => at.cast::<c_void>(),
        // SAFETY: a fresh private mapping; the result is checked.
        None => unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        },
    };
    if at == libc::MAP_FAILED {
        return Err(CudaError::OUT_OF_MEMORY);
    }
    memory::insert(Allocation {
        base: at as u64,
        bytes: bytesize as u64,
        place: Place::PinnedHost(Flags),
        context: target.context,
        context_handle: contexts::current_handle(),
        gpu: target.lane,
        number: 0,
        origin: Origin::Other,
    });
    unsafe { put(pp.cast(), at) }
}

pub unsafe fn cuMemAllocHost(pp: *mut c_void, bytesize: usize) -> Result<(), CudaError> {
    unsafe { cuMemHostAlloc(pp, bytesize, 0) }
}

pub unsafe fn cuMemFreeHost(p: *const c_void) -> Result<(), CudaError> {
    session()?;
    let found = memory::find(p as u64)
        .filter(|found| found.base == p as u64 && matches!(found.place, Place::PinnedHost(_)));
    let found = found.ok_or(CudaError::INVALID_VALUE)?;
    // CUDA waits for work that still uses the memory; a copy into it may be under way.
    if contexts::current().is_ok() {
        unsafe { super::context::cuCtxSynchronize() }?;
    }
    transfers::release(found.base, found.bytes);
    let target = Target { context: found.context, lane: found.gpu, stream: 0 };
    unpin(&found, Some(target));
    Ok(())
}

/// Forgets pinned memory that no transfer uses any more, and frees what cuMemHostAlloc allocated. `context`: in which that was, unless
/// it is gone.
pub(super) fn unpin(found: &Allocation, context: Option<Target>) {
    memory::remove(found);
    if matches!(found.place, Place::PinnedHost(_)) && !pinned::free(found.base, found.bytes as usize, context) {
        // SAFETY: the very mapping that cuMemHostAlloc made, which the program gives up by freeing it or by ending its context.
        unsafe {
            libc::munmap(
                found.base as *mut c_void,
                (found.bytes as usize).next_multiple_of(PAGE),
            )
        };
    }
}

pub unsafe fn cuMemHostGetDevicePointer(
    pdptr: *mut u64,
    p: *const c_void,
    _flags: u32,
) -> Result<(), CudaError> {
    session()?;
    if pdptr.is_null() || p.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // The memory of this machine is not in the GPU's address space (CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY is 0).
    Err(CudaError::NOT_SUPPORTED)
}

pub unsafe fn cuMemHostGetFlags(pFlags: *mut u32, p: *const c_void) -> Result<(), CudaError> {
    session()?;
    match memory::find(p as u64).map(|found| found.place) {
        Some(Place::PinnedHost(flags) | Place::RegisteredHost(flags)) => unsafe {
            put(pFlags, flags)
        },
        _ => Err(CudaError::INVALID_VALUE),
    }
}

pub unsafe fn cuMemAllocManaged(
    dptr: *mut u64,
    bytesize: usize,
    flags: u32,
) -> Result<(), CudaError> {
    contexts::current()?;
    if dptr.is_null() || bytesize == 0 || !matches!(flags, 1 | 2) {
        return Err(CudaError::INVALID_VALUE);
    }
    // CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY is 0.
    Err(CudaError::NOT_SUPPORTED)
}

pub unsafe fn cuMemHostRegister(
    p: *const c_void,
    bytesize: usize,
    Flags: u32,
) -> Result<(), CudaError> {
    let target = contexts::current()?;
    // PORTABLE 1, DEVICEMAP 2, IOMEMORY 4, READ_ONLY 8
    if p.is_null()
        || bytesize == 0
        || Flags & !15 != 0
        || (p as usize).checked_add(bytesize).is_none()
    {
        return Err(CudaError::INVALID_VALUE);
    }
    if Flags & 4 != 0 {
        return Err(CudaError::NOT_SUPPORTED);
    }
    let last = p as u64 + bytesize as u64 - 1;
    if memory::find(p as u64).is_some() || memory::find(last).is_some() {
        return Err(CudaError::HOST_MEMORY_ALREADY_REGISTERED);
    }
    memory::insert(Allocation {
        base: p as u64,
        bytes: bytesize as u64,
        place: Place::RegisteredHost(Flags),
        context: target.context,
        context_handle: contexts::current_handle(),
        gpu: target.lane,
        number: 0,
        origin: Origin::Other,
    });
    Ok(())
}

pub unsafe fn cuMemHostUnregister(p: *const c_void) -> Result<(), CudaError> {
    session()?;
    let found = memory::find(p as u64)
        .filter(|found| found.base == p as u64 && matches!(found.place, Place::RegisteredHost(_)));
    let found = found.ok_or(CudaError::HOST_MEMORY_NOT_REGISTERED)?;
    if contexts::current().is_ok() {
        unsafe { super::context::cuCtxSynchronize() }?;
    }
    transfers::release(found.base, found.bytes);
    unpin(&found, None);
    Ok(())
}
