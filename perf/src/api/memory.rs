//! Calls about memory: allocation, fills, copies, pools, virtual memory, pointers.

use super::Given;
use super::calls::{Calls, cycles};
use std::ffi::{c_int, c_uint, c_void};

type P = *mut c_void;

/// Bytes of the copies and fills: what is measured is the call.
const BYTES: usize = 256;
/// Bytes of allocations.
const ALLOCATION: usize = 64 << 10;

/// Adds them.
pub fn add(calls: &mut Calls<'_>, given: &Given<'_>) {
    allocation(calls, given);
    fills(calls, given);
    copies(calls, given);
    pools(calls, given);
    virtual_memory(calls, given);
}

fn allocation(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, b) = (given.scratch.slot(), given.scratch.slot());
    let (device, host) = (
        given.scratch.slot().cast::<u64>(),
        given.scratch.slot().cast::<P>(),
    );
    let (memory, pinned, page) = (given.device, given.pinned, given.page);
    // CU_POINTER_ATTRIBUTE_MEMORY_TYPE; CU_POINTER_ATTRIBUTE_SYNC_MEMOPS is 6.
    let attributes = given.scratch.words(&[2]);
    let data = given.scratch.words(&[a as u64]);
    let on = given.scratch.words(&[1]);
    cycles!(calls;
        [cuMemGetInfo_v2(a => P, b => P)],
        [cuMemAlloc_v2(device.cast() => P, ALLOCATION => usize), cuMemFree_v2(*device => u64)],
        [cuMemAllocPitch_v2(device.cast() => P, a => P, 256 => usize, 16 => usize, 4 => c_uint), @aside cuMemFree_v2(*device => u64)],
        [cuMemGetAddressRange_v2(a => P, b => P, memory => u64)],
        [cuMemAllocHost_v2(host.cast() => P, ALLOCATION => usize), cuMemFreeHost(*host => P)],
        [cuMemHostAlloc(host.cast() => P, ALLOCATION => usize, 0 => c_uint), @aside cuMemFreeHost(*host => P)],
        [cuMemHostGetDevicePointer_v2(a => P, pinned => P, 0 => c_uint)],
        [cuMemHostGetFlags(a => P, pinned => P)],
        [cuMemHostRegister_v2(page => P, 4096 => usize, 0 => c_uint), cuMemHostUnregister(page => P)],
        [cuPointerGetAttribute(a => P, 2 => c_uint, memory => u64)],
        [cuPointerGetAttributes(1 => c_uint, attributes => P, data => P, memory => u64)],
        [cuPointerSetAttribute(on => P, 6 => c_uint, memory => u64)],
    );
}

fn fills(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (d, s) = (given.device, given.stream);
    cycles!(calls;
        [cuMemsetD8_v2(d => u64, 1 => u8, BYTES => usize)],
        [cuMemsetD16_v2(d => u64, 1 => u16, BYTES / 2 => usize)],
        [cuMemsetD32_v2(d => u64, 1 => c_uint, BYTES / 4 => usize)],
        [cuMemsetD2D8_v2(d => u64, 512 => usize, 1 => u8, 16 => usize, 16 => usize)],
        [cuMemsetD2D16_v2(d => u64, 512 => usize, 1 => u16, 8 => usize, 16 => usize)],
        [cuMemsetD2D32_v2(d => u64, 512 => usize, 1 => c_uint, 4 => usize, 16 => usize)],
        [cuMemsetD8Async(d => u64, 1 => u8, BYTES => usize, s => P)],
        [cuMemsetD16Async(d => u64, 1 => u16, BYTES / 2 => usize, s => P)],
        [cuMemsetD32Async(d => u64, 1 => c_uint, BYTES / 4 => usize, s => P)],
        [cuMemsetD2D8Async(d => u64, 512 => usize, 1 => u8, 16 => usize, 16 => usize, s => P)],
        [cuMemsetD2D16Async(d => u64, 512 => usize, 1 => u16, 8 => usize, 16 => usize, s => P)],
        [cuMemsetD2D32Async(d => u64, 512 => usize, 1 => c_uint, 4 => usize, 16 => usize, s => P)],
    );
}

/// CUDA_MEMCPY2D, from host to device: CU_MEMORYTYPE_HOST is 1, CU_MEMORYTYPE_DEVICE is 2.
fn rows_to_device(given: &Given<'_>) -> P {
    let (pinned, pitch) = (given.pinned as u64, 64);
    given.scratch.words(&[
        0,
        0,
        1,
        pinned,
        0,
        0,
        pitch, // source: x, y, type, host, device, array, pitch
        0,
        0,
        2,
        0,
        given.device,
        0,
        pitch, // destination
        16,
        4, // width in bytes, height
    ])
}

fn copies(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (d, e, s, c) = (
        given.device,
        given.device + given.device_bytes / 2,
        given.stream,
        given.context,
    );
    let (pageable, pinned, rows) = (given.scratch.slot(), given.pinned, rows_to_device(given));
    cycles!(calls;
        [cuMemcpy(e => u64, d => u64, BYTES => usize)],
        [cuMemcpyAsync(e => u64, d => u64, BYTES => usize, s => P)],
        [cuMemcpyPeer(e => u64, c => P, d => u64, c => P, BYTES => usize)],
        [cuMemcpyPeerAsync(e => u64, c => P, d => u64, c => P, BYTES => usize, s => P)],
        [cuMemcpyHtoD_v2(d => u64, pageable => P, BYTES => usize)],
        [cuMemcpyDtoH_v2(pageable => P, d => u64, BYTES => usize)],
        [cuMemcpyDtoD_v2(e => u64, d => u64, BYTES => usize)],
        [cuMemcpyHtoDAsync_v2(d => u64, pinned => P, BYTES => usize, s => P)],
        [cuMemcpyDtoHAsync_v2(pinned => P, d => u64, BYTES => usize, s => P)],
        [cuMemcpyDtoDAsync_v2(e => u64, d => u64, BYTES => usize, s => P)],
        [cuMemcpy2D_v2(rows => P)],
        [cuMemcpy2DUnaligned_v2(rows => P)],
        [cuMemcpy2DAsync_v2(rows => P, s => P)],
    );
}

fn pools(calls: &mut Calls<'_>, given: &Given<'_>) {
    let (a, device) = (given.scratch.slot(), given.scratch.slot().cast::<u64>());
    let (made, pool, s) = (given.scratch.slot().cast::<P>(), given.pool, given.stream);
    // CUmemPoolProps: allocation type pinned (1), no handles, location device (1) 0. CUmemLocation: the same. CUmemAccessDesc:
    // location and read-write (3). The release threshold is attribute 4.
    let properties = given.scratch.words(&[1, 1]);
    let location = given.scratch.words(&[1]);
    let access = given.scratch.words(&[1, 3]);
    let threshold = given.scratch.words(&[0]);
    cycles!(calls;
        [cuMemAllocAsync(device.cast() => P, ALLOCATION => usize, s => P), cuMemFreeAsync(*device => u64, s => P)],
        [cuMemAllocFromPoolAsync(device.cast() => P, ALLOCATION => usize, pool => P, s => P), @aside cuMemFreeAsync(*device => u64, s => P)],
        [cuMemPoolCreate(made.cast() => P, properties => P), cuMemPoolDestroy(*made => P)],
        [cuMemPoolTrimTo(pool => P, 1 << 30 => usize)],
        [cuMemPoolSetAttribute(pool => P, 4 => c_uint, threshold => P)],
        [cuMemPoolGetAttribute(pool => P, 4 => c_uint, a => P)],
        [cuMemPoolSetAccess(pool => P, access => P, 1 => usize)],
        [cuMemPoolGetAccess(a => P, pool => P, location => P)],
        [cuMemGetDefaultMemPool(a => P, location => P, 1 => c_int)],
        [cuMemGetMemPool(a => P, location => P, 1 => c_int)],
    );
}

fn virtual_memory(calls: &mut Calls<'_>, given: &Given<'_>) {
    const GRANULE: usize = 2 << 20;
    let a = given.scratch.slot();
    let (at, handle) = (
        given.scratch.slot().cast::<u64>(),
        given.scratch.slot().cast::<u64>(),
    );
    // CUmemAllocationProp: type pinned (1), no handles, location device (1) 0.
    let properties = given.scratch.words(&[1, 1]);
    let (location, access) = (given.scratch.words(&[1]), given.scratch.words(&[1, 3]));
    cycles!(calls;
        [cuMemGetAllocationGranularity(a => P, properties => P, 0 => c_uint)],
        [
            cuMemAddressReserve(at.cast() => P, GRANULE => usize, 0 => usize, 0 => u64, 0 => u64),
            cuMemCreate(handle.cast() => P, GRANULE => usize, properties => P, 0 => u64),
            cuMemGetAllocationPropertiesFromHandle(a => P, *handle => u64),
            cuMemMap(*at => u64, GRANULE => usize, 0 => usize, *handle => u64, 0 => u64),
            cuMemSetAccess(*at => u64, GRANULE => usize, access => P, 1 => usize),
            cuMemGetAccess(a => P, location => P, *at => u64),
            cuMemUnmap(*at => u64, GRANULE => usize),
            cuMemRelease(*handle => u64),
            cuMemAddressFree(*at => u64, GRANULE => usize),
        ],
    );
}
