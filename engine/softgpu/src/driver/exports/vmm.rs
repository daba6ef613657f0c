//! Virtual memory management.

use crate::driver::abi::*;
use crate::driver::entry::export;
use crate::driver::memory::vmm;
use crate::driver::result::{CUresult, R, ensure};

export! {
    cuMemAddressReserve [cuMemAddressReserve] [] |_d| (ptr: Out<CUdeviceptr>, size: usize, alignment: usize, addr: CUdeviceptr, flags: u64) {
        ptr.required()?;
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        ptr.put(CUdeviceptr(vmm::reserve(size as u64, alignment as u64, addr.0)?))
    }
    cuMemAddressFree [cuMemAddressFree] [] |_d| (ptr: CUdeviceptr, size: usize) { vmm::free_address(ptr.0, size as u64) }
    cuMemCreate [cuMemCreate] [] |_d| (handle: Out<CUmemGenericAllocationHandle>, size: usize, prop: In<CUmemAllocationProp>, flags: u64) {
        handle.required()?;
        handle.put(CUmemGenericAllocationHandle(vmm::create(size as u64, &prop.get()?, flags)?))
    }
    cuMemRelease [cuMemRelease] [] |_d| (handle: CUmemGenericAllocationHandle) {
        vmm::PHYSICAL.remove(handle.0).map(drop).map_err(|_| CUresult::INVALID_VALUE)
    }
    cuMemMap [cuMemMap] [] |_d| (ptr: CUdeviceptr, size: usize, offset: usize, handle: CUmemGenericAllocationHandle, flags: u64) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        vmm::map(ptr.0, size as u64, offset as u64, handle.0)
    }
    cuMemUnmap [cuMemUnmap] [] |_d| (ptr: CUdeviceptr, size: usize) { vmm::unmap(ptr.0, size as u64) }
    cuMemSetAccess [cuMemSetAccess] [] |_d| (ptr: CUdeviceptr, size: usize, desc: In<CUmemAccessDesc>, count: usize) {
        vmm::set_access(ptr.0, size as u64, &desc.list(count)?)
    }
    cuMemGetAccess [cuMemGetAccess] [] |_d| (flags: Out<u64>, location: In<CUmemLocation>, ptr: CUdeviceptr) {
        let location = location.get()?;
        ensure(location.kind == 1, CUresult::NOT_SUPPORTED)?;
        flags.put(vmm::get_access(ptr.0, location.id)?)
    }
    cuMemGetAllocationGranularity [cuMemGetAllocationGranularity] [] |_d| (granularity: Out<usize>, prop: In<CUmemAllocationProp>, option: u32) {
        crate::driver::device::driver()?;
        let prop = prop.get()?;
        ensure(option <= 1 && prop.kind == 1, CUresult::INVALID_VALUE)?;
        granularity.put(vmm::GRANULARITY as usize)
    }
    cuMemGetAllocationPropertiesFromHandle [cuMemGetAllocationPropertiesFromHandle] [] |_d| (prop: Out<CUmemAllocationProp>, handle: CUmemGenericAllocationHandle) {
        prop.put(vmm::PHYSICAL.find(handle.0).ok_or(CUresult::INVALID_VALUE)?.prop)
    }
    cuMemRetainAllocationHandle [cuMemRetainAllocationHandle] [] |_d| (handle: Out<CUmemGenericAllocationHandle>, addr: Host) {
        handle.required()?;
        handle.put(CUmemGenericAllocationHandle(vmm::handle_at(addr.0)?))
    }
    cuMemExportToShareableHandle [cuMemExportToShareableHandle] [] |_d| (shareableHandle: Out<i32>, handle: CUmemGenericAllocationHandle, handleType: u32, flags: u64) {
        shareableHandle.required()?;
        shareableHandle.put(vmm::export(handle.0, handleType, flags)?)
    }
    cuMemImportFromShareableHandle [cuMemImportFromShareableHandle] [] |_d| (handle: Out<CUmemGenericAllocationHandle>, osHandle: Host, shHandleType: u32) {
        handle.required()?;
        let descriptor = i32::try_from(osHandle.0).map_err(|_| CUresult::INVALID_VALUE)?;
        handle.put(CUmemGenericAllocationHandle(vmm::import(descriptor, shHandleType)?))
    }
}
