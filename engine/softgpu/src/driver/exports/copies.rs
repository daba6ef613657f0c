//! Copies and fills.

use crate::driver::abi::*;
use crate::driver::context::CONTEXTS;
use crate::driver::entry::export;
use crate::driver::memory::copy::{Copy3D, Fill, Wait, submit, submit_fill};
use crate::driver::result::{CUresult, R, ensure};

const LEGACY: CUstream = CUstream(0);

export! {
    cuMemcpy [cuMemcpy] [cuMemcpy_ptds] |d| (dst: CUdeviceptr, src: CUdeviceptr, byteCount: usize) {
        submit(Copy3D::linear(dst.0, src.0, byteCount as u64), false, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyAsync [cuMemcpyAsync] [cuMemcpyAsync_ptsz] |d| (dst: CUdeviceptr, src: CUdeviceptr, byteCount: usize, hStream: CUstream) {
        submit(Copy3D::linear(dst.0, src.0, byteCount as u64), false, false, hStream, d, Wait::Submitted)
    }
    cuMemcpyHtoD [cuMemcpyHtoD_v2] [cuMemcpyHtoD_v2_ptds] |d| (dstDevice: CUdeviceptr, srcHost: Host, byteCount: usize) {
        submit(Copy3D::linear(dstDevice.0, srcHost.0, byteCount as u64), false, true, LEGACY, d, Wait::Done)
    }
    cuMemcpyDtoH [cuMemcpyDtoH_v2] [cuMemcpyDtoH_v2_ptds] |d| (dstHost: Host, srcDevice: CUdeviceptr, byteCount: usize) {
        submit(Copy3D::linear(dstHost.0, srcDevice.0, byteCount as u64), true, false, LEGACY, d, Wait::Done)
    }
    cuMemcpyDtoD [cuMemcpyDtoD_v2] [cuMemcpyDtoD_v2_ptds] |d| (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, byteCount: usize) {
        submit(Copy3D::linear(dstDevice.0, srcDevice.0, byteCount as u64), true, true, LEGACY, d, Wait::Done)
    }
    cuMemcpyHtoDAsync [cuMemcpyHtoDAsync_v2] [cuMemcpyHtoDAsync_v2_ptsz] |d| (dstDevice: CUdeviceptr, srcHost: Host, byteCount: usize, hStream: CUstream) {
        submit(Copy3D::linear(dstDevice.0, srcHost.0, byteCount as u64), false, true, hStream, d, Wait::Submitted)
    }
    cuMemcpyDtoHAsync [cuMemcpyDtoHAsync_v2] [cuMemcpyDtoHAsync_v2_ptsz] |d| (dstHost: Host, srcDevice: CUdeviceptr, byteCount: usize, hStream: CUstream) {
        submit(Copy3D::linear(dstHost.0, srcDevice.0, byteCount as u64), true, false, hStream, d, Wait::Submitted)
    }
    cuMemcpyDtoDAsync [cuMemcpyDtoDAsync_v2] [cuMemcpyDtoDAsync_v2_ptsz] |d| (dstDevice: CUdeviceptr, srcDevice: CUdeviceptr, byteCount: usize, hStream: CUstream) {
        submit(Copy3D::linear(dstDevice.0, srcDevice.0, byteCount as u64), true, true, hStream, d, Wait::Submitted)
    }
    cuMemcpyPeer [cuMemcpyPeer] [cuMemcpyPeer_ptds] |d| (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, byteCount: usize) {
        peers(&[dstContext, srcContext])?;
        submit(Copy3D::linear(dstDevice.0, srcDevice.0, byteCount as u64), true, true, LEGACY, d, Wait::Done)
    }
    cuMemcpyPeerAsync [cuMemcpyPeerAsync] [cuMemcpyPeerAsync_ptsz] |d| (dstDevice: CUdeviceptr, dstContext: CUcontext, srcDevice: CUdeviceptr, srcContext: CUcontext, byteCount: usize, hStream: CUstream) {
        peers(&[dstContext, srcContext])?;
        submit(Copy3D::linear(dstDevice.0, srcDevice.0, byteCount as u64), true, true, hStream, d, Wait::Submitted)
    }
    cuMemcpy2D [cuMemcpy2D_v2] [cuMemcpy2D_v2_ptds] |d| (pCopy: In<CUDA_MEMCPY2D>) { two(pCopy, LEGACY, d, Wait::Done) }
    cuMemcpy2DUnaligned [cuMemcpy2DUnaligned_v2] [cuMemcpy2DUnaligned_v2_ptds] |d| (pCopy: In<CUDA_MEMCPY2D>) { two(pCopy, LEGACY, d, Wait::Done) }
    cuMemcpy2DAsync [cuMemcpy2DAsync_v2] [cuMemcpy2DAsync_v2_ptsz] |d| (pCopy: In<CUDA_MEMCPY2D>, hStream: CUstream) { two(pCopy, hStream, d, Wait::Submitted) }
    cuMemcpy3D [cuMemcpy3D_v2] [cuMemcpy3D_v2_ptds] |d| (pCopy: In<CUDA_MEMCPY3D>) { three(pCopy, LEGACY, d, Wait::Done) }
    cuMemcpy3DAsync [cuMemcpy3DAsync_v2] [cuMemcpy3DAsync_v2_ptsz] |d| (pCopy: In<CUDA_MEMCPY3D>, hStream: CUstream) { three(pCopy, hStream, d, Wait::Submitted) }
    cuMemcpy3DPeer [cuMemcpy3DPeer] [cuMemcpy3DPeer_ptds] |d| (pCopy: In<CUDA_MEMCPY3D>) {
        let p = pCopy.get()?;
        peers(&[p.dstContext, p.srcContext])?;
        three(pCopy, LEGACY, d, Wait::Done)
    }
    cuMemcpy3DPeerAsync [cuMemcpy3DPeerAsync] [cuMemcpy3DPeerAsync_ptsz] |d| (pCopy: In<CUDA_MEMCPY3D>, hStream: CUstream) {
        let p = pCopy.get()?;
        peers(&[p.dstContext, p.srcContext])?;
        three(pCopy, hStream, d, Wait::Submitted)
    }
    cuMemsetD8 [cuMemsetD8_v2] [cuMemsetD8_v2_ptds] |d| (dstDevice: CUdeviceptr, value: u8, n: usize) { fill(dstDevice, 0, u32::from(value), 1, n, 1, LEGACY, d, Wait::Done) }
    cuMemsetD16 [cuMemsetD16_v2] [cuMemsetD16_v2_ptds] |d| (dstDevice: CUdeviceptr, value: u16, n: usize) { fill(dstDevice, 0, u32::from(value), 2, n, 1, LEGACY, d, Wait::Done) }
    cuMemsetD32 [cuMemsetD32_v2] [cuMemsetD32_v2_ptds] |d| (dstDevice: CUdeviceptr, value: u32, n: usize) { fill(dstDevice, 0, value, 4, n, 1, LEGACY, d, Wait::Done) }
    cuMemsetD2D8 [cuMemsetD2D8_v2] [cuMemsetD2D8_v2_ptds] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u8, width: usize, height: usize) { fill(dstDevice, dstPitch, u32::from(value), 1, width, height, LEGACY, d, Wait::Done) }
    cuMemsetD2D16 [cuMemsetD2D16_v2] [cuMemsetD2D16_v2_ptds] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u16, width: usize, height: usize) { fill(dstDevice, dstPitch, u32::from(value), 2, width, height, LEGACY, d, Wait::Done) }
    cuMemsetD2D32 [cuMemsetD2D32_v2] [cuMemsetD2D32_v2_ptds] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u32, width: usize, height: usize) { fill(dstDevice, dstPitch, value, 4, width, height, LEGACY, d, Wait::Done) }
    cuMemsetD8Async [cuMemsetD8Async] [cuMemsetD8Async_ptsz] |d| (dstDevice: CUdeviceptr, value: u8, n: usize, hStream: CUstream) { fill(dstDevice, 0, u32::from(value), 1, n, 1, hStream, d, Wait::Submitted) }
    cuMemsetD16Async [cuMemsetD16Async] [cuMemsetD16Async_ptsz] |d| (dstDevice: CUdeviceptr, value: u16, n: usize, hStream: CUstream) { fill(dstDevice, 0, u32::from(value), 2, n, 1, hStream, d, Wait::Submitted) }
    cuMemsetD32Async [cuMemsetD32Async] [cuMemsetD32Async_ptsz] |d| (dstDevice: CUdeviceptr, value: u32, n: usize, hStream: CUstream) { fill(dstDevice, 0, value, 4, n, 1, hStream, d, Wait::Submitted) }
    cuMemsetD2D8Async [cuMemsetD2D8Async] [cuMemsetD2D8Async_ptsz] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u8, width: usize, height: usize, hStream: CUstream) { fill(dstDevice, dstPitch, u32::from(value), 1, width, height, hStream, d, Wait::Submitted) }
    cuMemsetD2D16Async [cuMemsetD2D16Async] [cuMemsetD2D16Async_ptsz] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u16, width: usize, height: usize, hStream: CUstream) { fill(dstDevice, dstPitch, u32::from(value), 2, width, height, hStream, d, Wait::Submitted) }
    cuMemsetD2D32Async [cuMemsetD2D32Async] [cuMemsetD2D32Async_ptsz] |d| (dstDevice: CUdeviceptr, dstPitch: usize, value: u32, width: usize, height: usize, hStream: CUstream) { fill(dstDevice, dstPitch, value, 4, width, height, hStream, d, Wait::Submitted) }
}

fn two(copy: In<CUDA_MEMCPY2D>, stream: CUstream, default: CUstream, wait: Wait) -> R {
    let p = copy.get()?;
    let copy = Copy3D::from_2d(&p)?;
    copy.note();
    submit(copy, p.srcMemoryType == 2, p.dstMemoryType == 2, stream, default, wait)
}

fn three(copy: In<CUDA_MEMCPY3D>, stream: CUstream, default: CUstream, wait: Wait) -> R {
    let p = copy.get()?;
    let copy = Copy3D::from_3d(&p)?;
    copy.note();
    submit(copy, p.srcMemoryType == 2, p.dstMemoryType == 2, stream, default, wait)
}

fn peers(contexts: &[CUcontext]) -> R {
    ensure(contexts.iter().all(|c| CONTEXTS.find(c.0).is_some()), CUresult::INVALID_CONTEXT)
}

#[allow(clippy::too_many_arguments)]
fn fill(dst: CUdeviceptr, pitch: usize, value: u32, element: u32, width: usize, height: usize, stream: CUstream, default: CUstream, wait: Wait) -> R {
    let fill = Fill { dst: dst.0, pitch: pitch as u64, value, element, width: width as u64, height: height as u64 };
    submit_fill(fill, stream, default, wait)
}
