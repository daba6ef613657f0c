//! Allocation of device, host and managed memory; pointer attributes; pools.

use crate::driver::abi::*;
use crate::driver::context::{current, wait_for_all};
use crate::driver::device::{device, driver};
use crate::driver::entry::export;
use crate::driver::memory::{self, Allocation, Kind, New, arena::round_up, pool, space};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::{capture, stream};
use std::sync::atomic::Ordering;

/// A `void*` the caller provides for a value whose size depends on another argument.
pub type Any = Host;

fn write_any<T: Copy>(data: Any, value: T) -> R {
    Out(data.0 as *mut T).put(value)
}

export! {
    cuMemGetInfo [cuMemGetInfo_v2] [] |_d| (free: Out<usize>, total: Out<usize>) {
        let (all, left) = current()?.device.arena.capacity_and_free();
        free.give(left as usize);
        total.give(all as usize);
        Ok(())
    }
    cuMemAlloc [cuMemAlloc_v2] [] |_d| (dptr: Out<CUdeviceptr>, bytesize: usize) {
        dptr.required()?;
        dptr.put(CUdeviceptr(allocate(bytesize as u64)?))
    }
    cuMemAllocPitch [cuMemAllocPitch_v2] [] |_d| (dptr: Out<CUdeviceptr>, pPitch: Out<usize>, widthInBytes: usize, height: usize, elementSizeBytes: u32) {
        dptr.required()?;
        ensure(matches!(elementSizeBytes, 4 | 8 | 16) && widthInBytes > 0 && height > 0, CUresult::INVALID_VALUE)?;
        let pitch = round_up(widthInBytes as u64, 512).ok_or(CUresult::INVALID_VALUE)?;
        pPitch.put(pitch as usize)?;
        dptr.put(CUdeviceptr(allocate(pitch.checked_mul(height as u64).ok_or(CUresult::OUT_OF_MEMORY)?)?))
    }
    cuMemFree [cuMemFree_v2] [] |_d| (dptr: CUdeviceptr) {
        if dptr.0 == 0 {
            return current().map(drop);
        }
        capture::forbid_unsafe()?;
        pool::free(dptr.0)
    }
    cuMemGetAddressRange [cuMemGetAddressRange_v2] [] |_d| (pbase: Out<CUdeviceptr>, psize: Out<usize>, dptr: CUdeviceptr) {
        current()?;
        let a = space().find(dptr.0).ok_or(CUresult::NOT_FOUND)?;
        pbase.give(CUdeviceptr(a.start));
        psize.give(a.len as usize);
        Ok(())
    }
    cuMemAllocManaged [cuMemAllocManaged] [] |_d| (dptr: Out<CUdeviceptr>, bytesize: usize, flags: u32) {
        dptr.required()?;
        let ctx = current()?;
        ensure(matches!(flags, 1 | 2) && bytesize > 0, CUresult::INVALID_VALUE)?;
        capture::forbid_unsafe()?;
        let start = driver()?.managed.allocate(bytesize as u64, 4096)?;
        space().insert(New { start, len: bytesize as u64, kind: Kind::Managed, device: ctx.device.ordinal, ctx: ctx.handle, flags, pool: 0 });
        dptr.put(CUdeviceptr(start))
    }
    cuMemHostAlloc [cuMemHostAlloc] [] |_d| (pp: Out<Host>, bytesize: usize, flags: u32) {
        ensure(flags & !7 == 0, CUresult::INVALID_VALUE)?;
        host_alloc(pp, bytesize, flags)
    }
    cuMemAllocHost [cuMemAllocHost_v2] [] |_d| (pp: Out<Host>, bytesize: usize) { host_alloc(pp, bytesize, 0) }
    cuMemFreeHost [cuMemFreeHost] [] |_d| (p: Host) {
        current()?;
        if p.0 == 0 {
            return Ok(());
        }
        ensure(space().find(p.0).is_some_and(|a| a.start == p.0 && a.kind == Kind::Pinned), CUresult::INVALID_VALUE)?;
        wait_for_all();
        if let Some(gone) = space().remove(p.0, |a| a.kind == Kind::Pinned) {
            memory::free_backing(&gone);
        }
        Ok(())
    }
    cuMemHostRegister [cuMemHostRegister_v2] [] |_d| (p: Host, bytesize: usize, flags: u32) {
        let ctx = current()?;
        ensure(p.0 != 0 && bytesize > 0 && flags & !0xf == 0, CUresult::INVALID_VALUE)?;
        let end = p.0.checked_add(bytesize as u64).ok_or(CUresult::INVALID_VALUE)?;
        ensure(!memory::copy::is_device_address(p.0), CUresult::INVALID_VALUE)?;
        let mut clash = false;
        space().each(|a| clash |= a.start < end && p.0 < a.end());
        ensure(!clash, CUresult::HOST_MEMORY_ALREADY_REGISTERED)?;
        space().insert(New { start: p.0, len: bytesize as u64, kind: Kind::Registered, device: ctx.device.ordinal, ctx: ctx.handle, flags, pool: 0 });
        Ok(())
    }
    cuMemHostUnregister [cuMemHostUnregister] [] |_d| (p: Host) {
        current()?;
        ensure(space().find(p.0).is_some_and(|a| a.start == p.0 && a.kind == Kind::Registered), CUresult::HOST_MEMORY_NOT_REGISTERED)?;
        wait_for_all();
        space().remove(p.0, |a| a.kind == Kind::Registered);
        Ok(())
    }
    cuMemHostGetDevicePointer [cuMemHostGetDevicePointer_v2] [] |_d| (pdptr: Out<CUdeviceptr>, p: Host, flags: u32) {
        current()?;
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        ensure(space().find(p.0).is_some_and(|a| a.on_host()), CUresult::INVALID_VALUE)?;
        pdptr.put(CUdeviceptr(p.0))
    }
    cuMemHostGetFlags [cuMemHostGetFlags] [] |_d| (pFlags: Out<u32>, p: Host) {
        current()?;
        let a = space().find(p.0).filter(|a| a.kind == Kind::Pinned).ok_or(CUresult::INVALID_VALUE)?;
        // Unified addressing maps all pinned memory.
        pFlags.put(a.flags | 2)
    }
    cuPointerGetAttribute [cuPointerGetAttribute] [] |_d| (data: Any, attribute: u32, ptr: CUdeviceptr) {
        driver()?;
        ensure(data.0 != 0, CUresult::INVALID_VALUE)?;
        let a = space().find(ptr.0).ok_or(CUresult::INVALID_VALUE)?;
        pointer_attribute(data, attribute, ptr.0, Some(&a))
    }
    cuPointerGetAttributes [cuPointerGetAttributes] [] |_d| (numAttributes: u32, attributes: In<u32>, data: In<Host>, ptr: CUdeviceptr) {
        driver()?;
        let a = space().find(ptr.0);
        let (wanted, places) = (attributes.list(numAttributes as usize)?, data.list(numAttributes as usize)?);
        for (attribute, place) in wanted.into_iter().zip(places) {
            // Asked for with others, an address that does not apply is null and no error.
            let outcome = pointer_attribute(place, attribute, ptr.0, a.as_deref());
            if !matches!(attribute, 3 | 4) {
                outcome?;
            }
        }
        Ok(())
    }
    cuPointerSetAttribute [cuPointerSetAttribute] [] |_d| (_value: Host, attribute: u32, ptr: CUdeviceptr) {
        driver()?;
        ensure(attribute == 6 && space().find(ptr.0).is_some(), CUresult::INVALID_VALUE)
    }
    cuMemAdvise [cuMemAdvise] [] |_d| (devPtr: CUdeviceptr, count: usize, _advice: u32, _dev: CUdevice) { managed(devPtr, count) }
    cuMemAdvise_v2 [cuMemAdvise_v2] [] |_d| (devPtr: CUdeviceptr, count: usize, _advice: u32, _location: CUmemLocation) { managed(devPtr, count) }
    cuMemPrefetchAsync [cuMemPrefetchAsync] [cuMemPrefetchAsync_ptsz] |d| (devPtr: CUdeviceptr, count: usize, _dstDevice: CUdevice, hStream: CUstream) {
        stream::resolve(hStream, d)?;
        managed(devPtr, count)
    }
    cuMemPrefetchAsync_v2 [cuMemPrefetchAsync_v2] [cuMemPrefetchAsync_v2_ptsz] |d| (devPtr: CUdeviceptr, count: usize, _location: CUmemLocation, _flags: u32, hStream: CUstream) {
        stream::resolve(hStream, d)?;
        managed(devPtr, count)
    }
    cuMemRangeGetAttribute [cuMemRangeGetAttribute] [] |_d| (data: Any, dataSize: usize, attribute: u32, devPtr: CUdeviceptr, count: usize) {
        managed(devPtr, count)?;
        range_attribute(data, dataSize, attribute)
    }
    cuMemRangeGetAttributes [cuMemRangeGetAttributes] [] |_d| (data: In<Host>, dataSizes: In<usize>, attributes: In<u32>, numAttributes: usize, devPtr: CUdeviceptr, count: usize) {
        managed(devPtr, count)?;
        let (places, sizes) = (data.list(numAttributes)?, dataSizes.list(numAttributes)?);
        for ((place, size), attribute) in places.into_iter().zip(sizes).zip(attributes.list(numAttributes)?) {
            range_attribute(place, size, attribute)?;
        }
        Ok(())
    }
    cuStreamAttachMemAsync [cuStreamAttachMemAsync] [cuStreamAttachMemAsync_ptsz] |d| (hStream: CUstream, dptr: CUdeviceptr, _length: usize, flags: u32) {
        stream::resolve(hStream, d)?;
        ensure(matches!(flags, 1 | 2 | 4), CUresult::INVALID_VALUE)?;
        ensure(space().find(dptr.0).is_some_and(|a| a.kind == Kind::Managed), CUresult::INVALID_VALUE)
    }
    cuMemAllocAsync [cuMemAllocAsync] [cuMemAllocAsync_ptsz] |d| (dptr: Out<CUdeviceptr>, bytesize: usize, hStream: CUstream) {
        let (stream, ctx) = stream::resolve(hStream, d)?;
        alloc_async(dptr, bytesize, ctx.device.pools.current_pool(ctx.device), &stream, &ctx)
    }
    cuMemAllocFromPoolAsync [cuMemAllocFromPoolAsync] [cuMemAllocFromPoolAsync_ptsz] |d| (dptr: Out<CUdeviceptr>, bytesize: usize, pool: CUmemoryPool, hStream: CUstream) {
        let (stream, ctx) = stream::resolve(hStream, d)?;
        alloc_async(dptr, bytesize, pool.0, &stream, &ctx)
    }
    cuMemFreeAsync [cuMemFreeAsync] [cuMemFreeAsync_ptsz] |d| (dptr: CUdeviceptr, hStream: CUstream) {
        let (stream, _ctx) = stream::resolve(hStream, d)?;
        pool::free_async(dptr.0, &stream)
    }
    cuMemPoolCreate [cuMemPoolCreate] [] |_d| (pool: Out<CUmemoryPool>, poolProps: In<CUmemPoolProps>) {
        driver()?;
        pool.required()?;
        let props = poolProps.get()?;
        ensure(props.allocType == 1, CUresult::INVALID_VALUE)?;
        ensure(props.location.kind == 1 && props.handleTypes == 0, CUresult::NOT_SUPPORTED)?;
        pool.put(CUmemoryPool(pool::create(device(props.location.id)?.ordinal, false, props.maxSize as u64)))
    }
    cuMemPoolDestroy [cuMemPoolDestroy] [] |_d| (pool: CUmemoryPool) { pool::destroy(pool.0) }
    cuMemPoolTrimTo [cuMemPoolTrimTo] [] |_d| (pool: CUmemoryPool, minBytesToKeep: usize) {
        pool::POOLS.get(pool.0)?.trim(minBytesToKeep as u64);
        Ok(())
    }
    cuMemPoolSetAttribute [cuMemPoolSetAttribute] [] |_d| (pool: CUmemoryPool, attr: u32, value: Any) {
        let pool = pool::POOLS.get(pool.0)?;
        let value = if attr <= 3 { u64::from(In(value.0 as *const u32).get()?) } else { In(value.0 as *const u64).get()? };
        pool.set_attribute(attr, value)
    }
    cuMemPoolGetAttribute [cuMemPoolGetAttribute] [] |_d| (pool: CUmemoryPool, attr: u32, value: Any) {
        let now = pool::POOLS.get(pool.0)?.attribute(attr)?;
        if attr <= 3 { write_any(value, now as u32) } else { write_any(value, now) }
    }
    cuMemPoolSetAccess [cuMemPoolSetAccess] [] |_d| (pool: CUmemoryPool, map: In<CUmemAccessDesc>, count: usize) {
        let pool = pool::POOLS.get(pool.0)?;
        for access in map.list(count)? {
            ensure(access.location.kind == 1, CUresult::NOT_SUPPORTED)?;
            let bit = 1 << device(access.location.id)?.ordinal;
            match access.flags {
                0 => pool.visible.fetch_and(!bit, Ordering::Relaxed),
                3 => pool.visible.fetch_or(bit, Ordering::Relaxed),
                _ => return Err(CUresult::INVALID_VALUE),
            };
        }
        let mask = pool.visible.load(Ordering::Relaxed);
        let mut list = Vec::new();
        space().each(|a| if a.pool == pool.handle { list.push(std::sync::Arc::clone(a)) });
        list.iter().for_each(|a| space().set_visible(a, mask));
        Ok(())
    }
    cuMemPoolGetAccess [cuMemPoolGetAccess] [] |_d| (flags: Out<u32>, memPool: CUmemoryPool, location: In<CUmemLocation>) {
        let pool = pool::POOLS.get(memPool.0)?;
        let location = location.get()?;
        ensure(location.kind == 1, CUresult::NOT_SUPPORTED)?;
        let seen = pool.device == device(location.id)?.ordinal || pool.visible.load(Ordering::Relaxed) >> location.id & 1 == 1;
        flags.put(if seen { 3 } else { 0 })
    }
    cuDeviceGetDefaultMemPool [cuDeviceGetDefaultMemPool] [] |_d| (pool_out: Out<CUmemoryPool>, dev: CUdevice) {
        let d = device(dev.0)?;
        pool_out.put(CUmemoryPool(d.pools.default_pool(d)))
    }
    cuDeviceGetMemPool [cuDeviceGetMemPool] [] |_d| (pool: Out<CUmemoryPool>, dev: CUdevice) {
        let d = device(dev.0)?;
        pool.put(CUmemoryPool(d.pools.current_pool(d)))
    }
    cuDeviceSetMemPool [cuDeviceSetMemPool] [] |_d| (dev: CUdevice, pool: CUmemoryPool) {
        let d = device(dev.0)?;
        d.pools.set_current(d, pool.0)
    }
    cuMemGetDefaultMemPool [cuMemGetDefaultMemPool] [] |_d| (pool_out: Out<CUmemoryPool>, location: In<CUmemLocation>, kind: u32) {
        let d = pinned_device(location, kind)?;
        pool_out.put(CUmemoryPool(d.pools.default_pool(d)))
    }
    cuMemGetMemPool [cuMemGetMemPool] [] |_d| (pool: Out<CUmemoryPool>, location: In<CUmemLocation>, kind: u32) {
        let d = pinned_device(location, kind)?;
        pool.put(CUmemoryPool(d.pools.current_pool(d)))
    }
    cuMemSetMemPool [cuMemSetMemPool] [] |_d| (location: In<CUmemLocation>, kind: u32, pool: CUmemoryPool) {
        let d = pinned_device(location, kind)?;
        d.pools.set_current(d, pool.0)
    }
}

fn pinned_device(location: In<CUmemLocation>, kind: u32) -> R<&'static crate::driver::device::Device> {
    let location = location.get()?;
    ensure(location.kind == 1 && kind == 1, CUresult::NOT_SUPPORTED)?;
    device(location.id)
}

fn allocate(len: u64) -> R<u64> {
    let ctx = current()?;
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    capture::forbid_unsafe()?;
    let start = pool::allocate_or_wait(&ctx, ctx.device, len, 0)?;
    space().insert(New { start, len, kind: Kind::Device, device: ctx.device.ordinal, ctx: ctx.handle, flags: 0, pool: 0 });
    Ok(start)
}

fn alloc_async(dptr: Out<CUdeviceptr>, len: usize, pool: u64, stream: &std::sync::Arc<stream::Stream>, ctx: &crate::driver::context::Context) -> R {
    dptr.required()?;
    let start = pool::allocate(ctx, pool, len as u64)?;
    capture::note_alloc(stream, start, len as u64)?;
    dptr.put(CUdeviceptr(start))
}

fn host_alloc(pp: Out<Host>, len: usize, flags: u32) -> R {
    pp.required()?;
    let ctx = current()?;
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    let start = memory::map_host(len as u64)?;
    space().insert(New { start, len: len as u64, kind: Kind::Pinned, device: ctx.device.ordinal, ctx: ctx.handle, flags, pool: 0 });
    pp.put(Host(start))
}

fn managed(address: CUdeviceptr, count: usize) -> R {
    driver()?;
    ensure(count > 0, CUresult::INVALID_VALUE)?;
    space().check(address.0, count as u64)?;
    ensure(space().find(address.0).is_some_and(|a| a.kind == Kind::Managed), CUresult::INVALID_VALUE)
}

fn range_attribute(data: Any, size: usize, attribute: u32) -> R {
    let value: i32 = match attribute {
        1 => 0,             // read mostly
        2 | 4 => -2,        // preferred location, last prefetch location: none
        3 => {              // accessed by: none
            for i in 0..size / 4 {
                Out(data.0 as *mut i32).put_at(i, -2);
            }
            return ensure(data.0 != 0 && size >= 4, CUresult::INVALID_VALUE);
        }
        5 | 7 => 0,         // location types: invalid
        6 | 8 => 0,
        _ => return Err(CUresult::INVALID_VALUE),
    };
    ensure(size == 4, CUresult::INVALID_VALUE)?;
    write_any(data, value)
}

/// Writes one `CUpointer_attribute`. For memory that is not ours the plural form answers with neutral values.
fn pointer_attribute(data: Any, attribute: u32, address: u64, allocation: Option<&Allocation>) -> R {
    let Some(a) = allocation else {
        return match attribute {
            3 | 4 => write_any(data, 0u64),
            9 | 12 => write_any(data, -2i32),
            10 | 11 | 1 | 5 | 7 | 17 => write_any(data, 0u64),
            2 | 8 | 13 | 14 | 15 | 16 => write_any(data, 0u32),
            _ => Err(CUresult::INVALID_VALUE),
        };
    };
    match attribute {
        1 => write_any(data, CUcontext(if a.kind == Kind::Mapped { 0 } else { a.ctx })),
        2 => write_any(data, if a.on_host() { 1u32 } else { 2u32 }),
        3 => write_any(data, CUdeviceptr(address)),
        4 => write_any(data, Host(if a.on_host() || a.kind == Kind::Managed { address } else { 0 })).and(ensure(a.on_host() || a.kind == Kind::Managed, CUresult::INVALID_VALUE)),
        5 => Err(CUresult::NOT_SUPPORTED),          // P2P tokens
        6 => write_any(data, 1u32),                 // SYNC_MEMOPS
        7 => write_any(data, a.id),                 // BUFFER_ID
        8 => write_any(data, u32::from(a.kind == Kind::Managed)),
        9 => write_any(data, a.device as i32),      // DEVICE_ORDINAL
        10 => write_any(data, 0u32),                // legacy IPC capable
        11 => write_any(data, CUdeviceptr(a.start)),
        12 => write_any(data, a.len as usize),
        13 => write_any(data, 1u32),                // MAPPED
        14 => write_any(data, 0u32),                // ALLOWED_HANDLE_TYPES
        15 => write_any(data, 0u32),                // GPU_DIRECT_RDMA_CAPABLE
        16 => write_any(data, 3u32),                // ACCESS_FLAGS: read and write
        17 => write_any(data, CUmemoryPool(a.pool)),
        18 => write_any(data, if a.kind == Kind::Mapped { a.len } else { 0 }),
        19 => write_any(data, if a.kind == Kind::Mapped { a.start } else { 0 }),
        20 => write_any(data, if a.kind == Kind::Mapped { a.id } else { 0 }),
        _ => Err(CUresult::INVALID_VALUE),
    }
}
