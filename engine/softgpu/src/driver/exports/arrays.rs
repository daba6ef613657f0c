//! Arrays and mipmapped arrays, and the linear copies with them.

use crate::driver::abi::*;
use crate::driver::context::current;
use crate::driver::device::device;
use crate::driver::entry::export;
use crate::driver::memory::array::{self, ARRAYS, End, MIPMAPS, Mipmap};
use crate::driver::memory::copy::{Copy3D, Wait, submit};
use crate::driver::result::{CUresult, R, ensure};
use std::sync::Arc;

const LEGACY: CUstream = CUstream(0);

export! {
    cuArrayCreate [cuArrayCreate_v2] [] |_d| (pHandle: Out<CUarray>, pAllocateArray: In<CUDA_ARRAY_DESCRIPTOR>) {
        pHandle.required()?;
        let d = pAllocateArray.get()?;
        let d = CUDA_ARRAY3D_DESCRIPTOR { Width: d.Width, Height: d.Height, Depth: 0, Format: d.Format, NumChannels: d.NumChannels, Flags: 0 };
        pHandle.put(CUarray(array::create(&d)?))
    }
    cuArray3DCreate [cuArray3DCreate_v2] [] |_d| (pHandle: Out<CUarray>, pAllocateArray: In<CUDA_ARRAY3D_DESCRIPTOR>) {
        pHandle.required()?;
        pHandle.put(CUarray(array::create(&pAllocateArray.get()?)?))
    }
    cuArrayGetDescriptor [cuArrayGetDescriptor_v2] [] |_d| (pArrayDescriptor: Out<CUDA_ARRAY_DESCRIPTOR>, hArray: CUarray) {
        current()?;
        let d = ARRAYS.get(hArray.0)?.descriptor;
        pArrayDescriptor.put(CUDA_ARRAY_DESCRIPTOR { Width: d.Width, Height: d.Height, Format: d.Format, NumChannels: d.NumChannels })
    }
    cuArray3DGetDescriptor [cuArray3DGetDescriptor_v2] [] |_d| (pArrayDescriptor: Out<CUDA_ARRAY3D_DESCRIPTOR>, hArray: CUarray) {
        current()?;
        pArrayDescriptor.put(ARRAYS.get(hArray.0)?.descriptor)
    }
    cuArrayDestroy [cuArrayDestroy] [] |_d| (hArray: CUarray) { array::destroy(hArray.0) }
    cuArrayGetPlane [cuArrayGetPlane] [] |_d| (pPlaneArray: Out<CUarray>, hArray: CUarray, _planeIdx: u32) {
        current()?;
        pPlaneArray.required()?;
        ARRAYS.get(hArray.0)?;
        // No array here has planes: planar formats are refused when the array is made.
        Err(CUresult::INVALID_VALUE)
    }
    cuArrayGetMemoryRequirements [cuArrayGetMemoryRequirements] [] |_d| (memoryRequirements: Out<CUDA_ARRAY_MEMORY_REQUIREMENTS>, array: CUarray, dev: CUdevice) {
        current()?;
        memoryRequirements.required()?;
        device(dev.0)?;
        ARRAYS.get(array.0)?;
        // Only arrays with deferred mapping have requirements (CUDA driver API), and those are refused when made.
        Err(CUresult::INVALID_VALUE)
    }
    cuMipmappedArrayGetMemoryRequirements [cuMipmappedArrayGetMemoryRequirements] [] |_d| (memoryRequirements: Out<CUDA_ARRAY_MEMORY_REQUIREMENTS>, mipmap: CUmipmappedArray, dev: CUdevice) {
        current()?;
        memoryRequirements.required()?;
        device(dev.0)?;
        MIPMAPS.get(mipmap.0)?;
        Err(CUresult::INVALID_VALUE)
    }
    cuArrayGetSparseProperties [cuArrayGetSparseProperties] [] |_d| (sparseProperties: Out<CUDA_ARRAY_SPARSE_PROPERTIES>, array: CUarray) {
        current()?;
        sparseProperties.required()?;
        ARRAYS.get(array.0)?;
        // Sparse arrays are refused when made.
        Err(CUresult::INVALID_VALUE)
    }
    cuMipmappedArrayGetSparseProperties [cuMipmappedArrayGetSparseProperties] [] |_d| (sparseProperties: Out<CUDA_ARRAY_SPARSE_PROPERTIES>, mipmap: CUmipmappedArray) {
        current()?;
        sparseProperties.required()?;
        MIPMAPS.get(mipmap.0)?;
        Err(CUresult::INVALID_VALUE)
    }
    cuMipmappedArrayCreate [cuMipmappedArrayCreate] [] |_d| (pHandle: Out<CUmipmappedArray>, pMipmappedArrayDesc: In<CUDA_ARRAY3D_DESCRIPTOR>, numMipmapLevels: u32) {
        pHandle.required()?;
        pHandle.put(CUmipmappedArray(array::create_mipmap(&pMipmappedArrayDesc.get()?, numMipmapLevels)?))
    }
    cuMipmappedArrayGetLevel [cuMipmappedArrayGetLevel] [] |_d| (pLevelArray: Out<CUarray>, hMipmappedArray: CUmipmappedArray, level: u32) {
        current()?;
        pLevelArray.required()?;
        let mipmap: Arc<Mipmap> = MIPMAPS.get(hMipmappedArray.0)?;
        pLevelArray.put(CUarray(mipmap.level(level)?))
    }
    cuMipmappedArrayDestroy [cuMipmappedArrayDestroy] [] |_d| (hMipmappedArray: CUmipmappedArray) { array::destroy_mipmap(hMipmappedArray.0) }

    cuMemcpyDtoA [cuMemcpyDtoA_v2] [cuMemcpyDtoA_v2_ptds] |d| (dstArray: CUarray, dstOffset: usize, srcDevice: CUdeviceptr, byteCount: usize) {
        let end = End::linear(dstArray.0, dstOffset, byteCount)?;
        submit(Copy3D::with_arrays(0, Some(end), srcDevice.0, None, byteCount as u64), true, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyAtoD [cuMemcpyAtoD_v2] [cuMemcpyAtoD_v2_ptds] |d| (dstDevice: CUdeviceptr, srcArray: CUarray, srcOffset: usize, byteCount: usize) {
        let end = End::linear(srcArray.0, srcOffset, byteCount)?;
        submit(Copy3D::with_arrays(dstDevice.0, None, 0, Some(end), byteCount as u64), false, true, LEGACY, d, Wait::Done)
    }
    cuMemcpyHtoA [cuMemcpyHtoA_v2] [cuMemcpyHtoA_v2_ptds] |d| (dstArray: CUarray, dstOffset: usize, srcHost: Host, byteCount: usize) {
        let end = End::linear(dstArray.0, dstOffset, byteCount)?;
        submit(Copy3D::with_arrays(0, Some(end), srcHost.0, None, byteCount as u64), false, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyAtoH [cuMemcpyAtoH_v2] [cuMemcpyAtoH_v2_ptds] |d| (dstHost: Host, srcArray: CUarray, srcOffset: usize, byteCount: usize) {
        let end = End::linear(srcArray.0, srcOffset, byteCount)?;
        submit(Copy3D::with_arrays(dstHost.0, None, 0, Some(end), byteCount as u64), false, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyAtoA [cuMemcpyAtoA_v2] [cuMemcpyAtoA_v2_ptds] |d| (dstArray: CUarray, dstOffset: usize, srcArray: CUarray, srcOffset: usize, byteCount: usize) {
        let (to, from) = (End::linear(dstArray.0, dstOffset, byteCount)?, End::linear(srcArray.0, srcOffset, byteCount)?);
        ensure(to.array.format.bytes() == from.array.format.bytes(), CUresult::INVALID_VALUE)?;
        submit(Copy3D::with_arrays(0, Some(to), 0, Some(from), byteCount as u64), false, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyHtoAAsync [cuMemcpyHtoAAsync_v2] [cuMemcpyHtoAAsync_v2_ptsz] |d| (dstArray: CUarray, dstOffset: usize, srcHost: Host, byteCount: usize, hStream: CUstream) {
        let end = End::linear(dstArray.0, dstOffset, byteCount)?;
        submit(Copy3D::with_arrays(0, Some(end), srcHost.0, None, byteCount as u64), false, false, hStream, d, Wait::Submitted)
    }
    cuMemcpyAtoHAsync [cuMemcpyAtoHAsync_v2] [cuMemcpyAtoHAsync_v2_ptsz] |d| (dstHost: Host, srcArray: CUarray, srcOffset: usize, byteCount: usize, hStream: CUstream) {
        let end = End::linear(srcArray.0, srcOffset, byteCount)?;
        submit(Copy3D::with_arrays(dstHost.0, None, 0, Some(end), byteCount as u64), false, false, hStream, d, Wait::Submitted)
    }
}
