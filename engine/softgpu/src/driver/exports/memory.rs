//! Allocation of device, host and managed memory; pointer attributes; pools.

use crate::driver::abi::*;
use crate::driver::context::{current, wait_for_all};
use crate::driver::device::driver;
use crate::driver::entry::export;
use crate::driver::memory::vmm::{self, FILE_DESCRIPTOR};
use crate::driver::memory::{self, Allocation, Backing, Kind, New, arena::round_up, pool, space};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::capture;
use std::sync::atomic::Ordering;

/// A `void*` the caller provides for a value whose size depends on another argument.
pub type Any = Host;

/// Writes a value of the size that the attribute has.
pub fn write_any<T: Copy>(data: Any, value: T) -> R {
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
        // Memory of other PCI devices: there is none that a processor's thread reaches in another way.
        ensure(flags & 4 == 0, CUresult::NOT_SUPPORTED)?;
        let end = p.0.checked_add(bytesize as u64).ok_or(CUresult::INVALID_VALUE)?;
        ensure(!memory::copy::is_device_address(p.0), CUresult::INVALID_VALUE)?;
        let mut clash = false;
        space().each(|a| clash |= a.start < end && p.0 < a.end());
        ensure(!clash, CUresult::HOST_MEMORY_ALREADY_REGISTERED)?;
        ensure(memory::host_mapped(p.0, end, flags & memory::REGISTERED_READ_ONLY == 0), CUresult::INVALID_VALUE)?;
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
    cuPointerSetAttribute [cuPointerSetAttribute] [] |_d| (value: Host, attribute: u32, ptr: CUdeviceptr) {
        driver()?;
        ensure(attribute == 6, CUresult::INVALID_VALUE)?;
        let a = space().find(ptr.0).filter(|a| !a.on_host()).ok_or(CUresult::INVALID_VALUE)?;
        a.sync_memops.store(In(value.0 as *const u32).get()? != 0, Ordering::Relaxed);
        Ok(())
    }
}

fn allocate(len: u64) -> R<u64> {
    let ctx = current()?;
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    capture::forbid_unsafe()?;
    let start = pool::allocate_or_wait(&ctx, ctx.device, len, 0)?;
    space().insert(New { start, len, kind: Kind::Device, device: ctx.device.ordinal, ctx: ctx.handle, flags: 0, pool: 0 });
    Ok(start)
}

fn host_alloc(pp: Out<Host>, len: usize, flags: u32) -> R {
    pp.required()?;
    let ctx = current()?;
    ensure(len > 0, CUresult::INVALID_VALUE)?;
    let start = memory::map_host(len as u64)?;
    space().insert(New { start, len: len as u64, kind: Kind::Pinned, device: ctx.device.ordinal, ctx: ctx.handle, flags, pool: 0 });
    pp.put(Host(start))
}

/// Writes one `CUpointer_attribute`. For memory that is not ours the plural form answers with neutral values.
fn pointer_attribute(data: Any, attribute: u32, address: u64, allocation: Option<&Allocation>) -> R {
    let Some(a) = allocation else {
        return match attribute {
            3 | 4 => write_any(data, 0u64),
            9 => write_any(data, -2i32),
            1 | 5 | 7 | 11 | 12 | 14 | 17..=20 => write_any(data, 0u64),
            2 | 6 | 8 | 10 | 13 | 15 | 16 => write_any(data, 0u32),
            _ => Err(CUresult::INVALID_VALUE),
        };
    };
    match attribute {
        1 => write_any(data, CUcontext(if a.kind == Kind::Mapped { 0 } else { a.ctx })),
        2 => write_any(data, if a.on_host() { 1u32 } else { 2u32 }),
        3 => write_any(data, CUdeviceptr(address)),
        4 => write_any(data, Host(if a.on_host() || a.kind == Kind::Managed { address } else { 0 })).and(ensure(a.on_host() || a.kind == Kind::Managed, CUresult::INVALID_VALUE)),
        5 => Err(CUresult::NOT_SUPPORTED),          // P2P tokens
        6 => write_any(data, u32::from(a.sync_memops.load(Ordering::Relaxed))),
        7 => write_any(data, a.id),                 // BUFFER_ID
        8 => write_any(data, u32::from(a.kind == Kind::Managed)),
        9 => write_any(data, a.device as i32),      // DEVICE_ORDINAL
        10 => write_any(data, u32::from(a.kind == Kind::Device)),   // legacy IPC capable
        11 => write_any(data, CUdeviceptr(a.start)),
        12 => write_any(data, a.len as usize),
        13 => write_any(data, 1u32),                // MAPPED
        14 => write_any(data, u64::from(shareable(a))), // ALLOWED_HANDLE_TYPES
        15 => write_any(data, 0u32),                // GPU_DIRECT_RDMA_CAPABLE
        16 => write_any(data, access_flags(a)),
        17 => write_any(data, CUmemoryPool(a.pool)),
        18 => write_any(data, if a.kind == Kind::Mapped { a.len } else { 0 }),
        19 => write_any(data, if a.kind == Kind::Mapped { a.start } else { 0 }),
        20 => write_any(data, if a.kind == Kind::Mapped { a.id } else { 0 }),
        _ => Err(CUresult::INVALID_VALUE),
    }
}

/// CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: how the memory can be handed to another process.
fn shareable(a: &Allocation) -> u32 {
    match (&a.backing, a.kind) {
        (Backing::Pool(_), _) => FILE_DESCRIPTOR,
        (_, Kind::Mapped) => vmm::shareable_at(a.start),
        _ => 0,
    }
}

/// CU_POINTER_ATTRIBUTE_ACCESS_FLAGS for the current context's device: 3 read and write, 1 read, 0 none.
fn access_flags(a: &Allocation) -> u32 {
    let Ok(ctx) = current() else { return 3 };
    let range = space().snapshot(ctx.device.ordinal, ctx.reachable()).find(a.start);
    range.map_or(0, |range| if range.writable { 3 } else { 1 })
}
