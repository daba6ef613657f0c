//! Stream-ordered allocation and memory pools.

use crate::driver::abi::*;
use crate::driver::device::{device, driver};
use crate::driver::entry::export;
use crate::driver::exports::memory::{Any, write_any};
use crate::driver::memory::{pool, space, vmm};
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::{capture, stream};
use std::sync::atomic::Ordering;

export! {
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
        ensure(props.location.kind == 1 && props.handleTypes & !vmm::FILE_DESCRIPTOR == 0, CUresult::NOT_SUPPORTED)?;
        pool.put(CUmemoryPool(pool::create(device(props.location.id)?, props.maxSize as u64, props.handleTypes != 0)?))
    }
    cuMemPoolDestroy [cuMemPoolDestroy] [] |_d| (pool: CUmemoryPool) { pool::destroy(pool.0) }
    cuMemPoolTrimTo [cuMemPoolTrimTo] [] |_d| (pool: CUmemoryPool, minBytesToKeep: usize) {
        pool::POOLS.get(pool.0)?.trim(minBytesToKeep as u64);
        Ok(())
    }
    cuMemPoolSetAttribute [cuMemPoolSetAttribute] [] |_d| (pool: CUmemoryPool, attr: u32, value: Any) {
        let pool = pool::POOLS.get(pool.0)?;
        let value = if pool::wide(attr) { In(value.0 as *const u64).get()? } else { u64::from(In(value.0 as *const u32).get()?) };
        pool.set_attribute(attr, value)
    }
    cuMemPoolGetAttribute [cuMemPoolGetAttribute] [] |_d| (pool: CUmemoryPool, attr: u32, value: Any) {
        let now = pool::POOLS.get(pool.0)?.attribute(attr)?;
        if pool::wide(attr) { write_any(value, now) } else { write_any(value, now as u32) }
    }
    cuMemPoolSetAccess [cuMemPoolSetAccess] [] |_d| (pool: CUmemoryPool, map: In<CUmemAccessDesc>, count: usize) {
        let pool = pool::POOLS.get(pool.0)?;
        for access in map.list(count)? {
            ensure(access.location.kind == 1, CUresult::NOT_SUPPORTED)?;
            let bit = 1 << device(access.location.id)?.ordinal;
            // A pool's own device always has access to it.
            ensure(access.flags != 0 || access.location.id as u32 != pool.device, CUresult::INVALID_DEVICE)?;
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
    cuMemPoolExportToShareableHandle [cuMemPoolExportToShareableHandle] [] |_d| (handle_out: Out<i32>, pool: CUmemoryPool, handleType: u32, flags: u64) {
        handle_out.required()?;
        handle_out.put(pool::export(pool.0, handleType, flags)?)
    }
    cuMemPoolImportFromShareableHandle [cuMemPoolImportFromShareableHandle] [] |_d| (pool_out: Out<CUmemoryPool>, handle: Host, handleType: u32, flags: u64) {
        pool_out.required()?;
        let descriptor = i32::try_from(handle.0).map_err(|_| CUresult::INVALID_VALUE)?;
        pool_out.put(CUmemoryPool(pool::import(descriptor, handleType, flags)?))
    }
    cuMemPoolExportPointer [cuMemPoolExportPointer] [] |_d| (shareData_out: Out<CUmemPoolPtrExportData>, ptr: CUdeviceptr) {
        shareData_out.required()?;
        shareData_out.put(CUmemPoolPtrExportData { bytes: pool::export_pointer(ptr.0)? })
    }
    cuMemPoolImportPointer [cuMemPoolImportPointer] [] |_d| (ptr_out: Out<CUdeviceptr>, pool: CUmemoryPool, shareData: In<CUmemPoolPtrExportData>) {
        ptr_out.required()?;
        ptr_out.put(CUdeviceptr(pool::import_pointer(pool.0, &shareData.get()?.bytes)?))
    }
}

fn pinned_device(location: In<CUmemLocation>, kind: u32) -> R<&'static crate::driver::device::Device> {
    let location = location.get()?;
    ensure(location.kind == 1 && kind == 1, CUresult::NOT_SUPPORTED)?;
    device(location.id)
}

fn alloc_async(dptr: Out<CUdeviceptr>, len: usize, pool: u64, stream: &std::sync::Arc<stream::Stream>, ctx: &crate::driver::context::Context) -> R {
    dptr.required()?;
    let start = pool::allocate(ctx, pool, len as u64)?;
    capture::note_alloc(stream, start, len as u64)?;
    dptr.put(CUdeviceptr(start))
}
