//! Written by ringway-api-gen from engine/api/table; do not edit.
//!
//! What this code uses, all written by hand elsewhere:
//! - `crate::guard(op, || -> Result<(), CudaError>) -> u32`: runs a body, turns a panic into CUDA_ERROR_UNKNOWN.
//! - `crate::refused(op) -> u32`: result of a function that is refused or planned; says the reason once.
//! - `crate::refused_legacy(op, symbol) -> u32`: the same for a form of CUDA 3.1 and before.
//! - `crate::stream_arg(stream, per_thread) -> u64`: a null stream handle of a per-thread variant becomes 2.
//! - `crate::driver::<family>::<function>`: handwritten bodies, `unsafe fn` with the same arguments (a stream already
//!   through `stream_arg`; `per_thread: bool` behind them where there are per-thread variants and no stream).
//! - `ringway_client::{posted, called, current, handle, handle_or_null, stream, device, create, destroyed, found}`, `ringway_client::functions::object`: of a CUfunction or CUkernel.
#![allow(non_snake_case, unsafe_op_in_unsafe_fn, unused_imports, clippy::missing_safety_doc, clippy::too_many_arguments)]
// Every block here is sound if the program keeps CUDA's contract for the call: each pointer is null or valid for what
// CUDA says the call reads and writes there. Null is checked before use.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::{guard, refused, refused_legacy, stream_arg};
use core::ffi::{CStr, c_char, c_void};
use ringway_api::{CudaError, Kind, op};
use ringway_client as client;
use ringway_wire::codec::{Malformed, Writer as _};

/// `cuMemcpy`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy(dst: u64, src: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY, || unsafe { crate::driver::copy::cuMemcpy(dst, src, ByteCount, false) })
}

/// `cuMemcpy`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy_ptds(dst: u64, src: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY, || unsafe { crate::driver::copy::cuMemcpy(dst, src, ByteCount, true) })
}

/// `cuMemcpyPeer`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeer(dstDevice: u64, dstContext: u64, srcDevice: u64, srcContext: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_PEER, || unsafe { crate::driver::copy::cuMemcpyPeer(dstDevice, dstContext, srcDevice, srcContext, ByteCount, false) })
}

/// `cuMemcpyPeer`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeer_ptds(dstDevice: u64, dstContext: u64, srcDevice: u64, srcContext: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_PEER, || unsafe { crate::driver::copy::cuMemcpyPeer(dstDevice, dstContext, srcDevice, srcContext, ByteCount, true) })
}

/// `cuMemcpyHtoD`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoD() -> u32 {
    refused_legacy(op::CU_MEMCPY_HTOD, "cuMemcpyHtoD")
}

/// `cuMemcpyHtoD`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(dstDevice: u64, srcHost: *const c_void, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_HTOD, || unsafe { crate::driver::copy::cuMemcpyHtoD(dstDevice, srcHost, ByteCount, false) })
}

/// `cuMemcpyHtoD`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2_ptds(dstDevice: u64, srcHost: *const c_void, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_HTOD, || unsafe { crate::driver::copy::cuMemcpyHtoD(dstDevice, srcHost, ByteCount, true) })
}

/// `cuMemcpyDtoH`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoH() -> u32 {
    refused_legacy(op::CU_MEMCPY_DTOH, "cuMemcpyDtoH")
}

/// `cuMemcpyDtoH`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(dstHost: *const c_void, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOH, || unsafe { crate::driver::copy::cuMemcpyDtoH(dstHost, srcDevice, ByteCount, false) })
}

/// `cuMemcpyDtoH`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2_ptds(dstHost: *const c_void, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOH, || unsafe { crate::driver::copy::cuMemcpyDtoH(dstHost, srcDevice, ByteCount, true) })
}

/// `cuMemcpyDtoD`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoD() -> u32 {
    refused_legacy(op::CU_MEMCPY_DTOD, "cuMemcpyDtoD")
}

/// `cuMemcpyDtoD`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoD_v2(dstDevice: u64, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOD, || unsafe { crate::driver::copy::cuMemcpyDtoD(dstDevice, srcDevice, ByteCount, false) })
}

/// `cuMemcpyDtoD`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoD_v2_ptds(dstDevice: u64, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOD, || unsafe { crate::driver::copy::cuMemcpyDtoD(dstDevice, srcDevice, ByteCount, true) })
}

/// `cuMemcpyDtoA`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoA() -> u32 {
    refused_legacy(op::CU_MEMCPY_DTOA, "cuMemcpyDtoA")
}

/// `cuMemcpyDtoA`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoA_v2(dstArray: u64, dstOffset: usize, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOA, || unsafe { crate::driver::copy::cuMemcpyDtoA(dstArray, dstOffset, srcDevice, ByteCount, false) })
}

/// `cuMemcpyDtoA`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoA_v2_ptds(dstArray: u64, dstOffset: usize, srcDevice: u64, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_DTOA, || unsafe { crate::driver::copy::cuMemcpyDtoA(dstArray, dstOffset, srcDevice, ByteCount, true) })
}

/// `cuMemcpyAtoD`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyAtoD() -> u32 {
    refused_legacy(op::CU_MEMCPY_ATOD, "cuMemcpyAtoD")
}

/// `cuMemcpyAtoD`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoD_v2(dstDevice: u64, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOD, || unsafe { crate::driver::copy::cuMemcpyAtoD(dstDevice, srcArray, srcOffset, ByteCount, false) })
}

/// `cuMemcpyAtoD`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoD_v2_ptds(dstDevice: u64, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOD, || unsafe { crate::driver::copy::cuMemcpyAtoD(dstDevice, srcArray, srcOffset, ByteCount, true) })
}

/// `cuMemcpyHtoA`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoA() -> u32 {
    refused_legacy(op::CU_MEMCPY_HTOA, "cuMemcpyHtoA")
}

/// `cuMemcpyHtoA`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoA_v2(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_HTOA, || unsafe { crate::driver::copy::cuMemcpyHtoA(dstArray, dstOffset, srcHost, ByteCount, false) })
}

/// `cuMemcpyHtoA`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoA_v2_ptds(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_HTOA, || unsafe { crate::driver::copy::cuMemcpyHtoA(dstArray, dstOffset, srcHost, ByteCount, true) })
}

/// `cuMemcpyAtoH`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyAtoH() -> u32 {
    refused_legacy(op::CU_MEMCPY_ATOH, "cuMemcpyAtoH")
}

/// `cuMemcpyAtoH`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoH_v2(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOH, || unsafe { crate::driver::copy::cuMemcpyAtoH(dstHost, srcArray, srcOffset, ByteCount, false) })
}

/// `cuMemcpyAtoH`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoH_v2_ptds(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOH, || unsafe { crate::driver::copy::cuMemcpyAtoH(dstHost, srcArray, srcOffset, ByteCount, true) })
}

/// `cuMemcpyAtoA`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyAtoA() -> u32 {
    refused_legacy(op::CU_MEMCPY_ATOA, "cuMemcpyAtoA")
}

/// `cuMemcpyAtoA`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoA_v2(dstArray: u64, dstOffset: usize, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOA, || unsafe { crate::driver::copy::cuMemcpyAtoA(dstArray, dstOffset, srcArray, srcOffset, ByteCount, false) })
}

/// `cuMemcpyAtoA`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoA_v2_ptds(dstArray: u64, dstOffset: usize, srcArray: u64, srcOffset: usize, ByteCount: usize) -> u32 {
    guard(op::CU_MEMCPY_ATOA, || unsafe { crate::driver::copy::cuMemcpyAtoA(dstArray, dstOffset, srcArray, srcOffset, ByteCount, true) })
}

/// `cuMemcpy2D`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy2D() -> u32 {
    refused_legacy(op::CU_MEMCPY2D, "cuMemcpy2D")
}

/// `cuMemcpy2D`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2D_v2(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY2D, || unsafe { crate::driver::copy::cuMemcpy2D(pCopy, false) })
}

/// `cuMemcpy2D`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2D_v2_ptds(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY2D, || unsafe { crate::driver::copy::cuMemcpy2D(pCopy, true) })
}

/// `cuMemcpy2DUnaligned`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy2DUnaligned() -> u32 {
    refused_legacy(op::CU_MEMCPY2D_UNALIGNED, "cuMemcpy2DUnaligned")
}

/// `cuMemcpy2DUnaligned`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DUnaligned_v2(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY2D_UNALIGNED, || unsafe { crate::driver::copy::cuMemcpy2DUnaligned(pCopy, false) })
}

/// `cuMemcpy2DUnaligned`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DUnaligned_v2_ptds(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY2D_UNALIGNED, || unsafe { crate::driver::copy::cuMemcpy2DUnaligned(pCopy, true) })
}

/// `cuMemcpy3D`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3D() -> u32 {
    refused_legacy(op::CU_MEMCPY3D, "cuMemcpy3D")
}

/// `cuMemcpy3D`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy3D_v2(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY3D, || unsafe { crate::driver::copy::cuMemcpy3D(pCopy, false) })
}

/// `cuMemcpy3D`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy3D_v2_ptds(pCopy: *const c_void) -> u32 {
    guard(op::CU_MEMCPY3D, || unsafe { crate::driver::copy::cuMemcpy3D(pCopy, true) })
}

/// `cuMemcpy3DPeer`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DPeer() -> u32 {
    refused(op::CU_MEMCPY3D_PEER)
}

/// `cuMemcpy3DPeer`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DPeer_ptds() -> u32 {
    refused(op::CU_MEMCPY3D_PEER)
}

/// `cuMemcpyAsync`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAsync(dst: u64, src: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_ASYNC, || unsafe { crate::driver::copy::cuMemcpyAsync(dst, src, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAsync_ptsz(dst: u64, src: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_ASYNC, || unsafe { crate::driver::copy::cuMemcpyAsync(dst, src, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyPeerAsync`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeerAsync(dstDevice: u64, dstContext: u64, srcDevice: u64, srcContext: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_PEER_ASYNC, || unsafe { crate::driver::copy::cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyPeerAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeerAsync_ptsz(dstDevice: u64, dstContext: u64, srcDevice: u64, srcContext: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_PEER_ASYNC, || unsafe { crate::driver::copy::cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyHtoDAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoDAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY_HTOD_ASYNC, "cuMemcpyHtoDAsync")
}

/// `cuMemcpyHtoDAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(dstDevice: u64, srcHost: *const c_void, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_HTOD_ASYNC, || unsafe { crate::driver::copy::cuMemcpyHtoDAsync(dstDevice, srcHost, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyHtoDAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2_ptsz(dstDevice: u64, srcHost: *const c_void, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_HTOD_ASYNC, || unsafe { crate::driver::copy::cuMemcpyHtoDAsync(dstDevice, srcHost, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyDtoHAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoHAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY_DTOH_ASYNC, "cuMemcpyDtoHAsync")
}

/// `cuMemcpyDtoHAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(dstHost: *const c_void, srcDevice: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_DTOH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyDtoHAsync(dstHost, srcDevice, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyDtoHAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2_ptsz(dstHost: *const c_void, srcDevice: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_DTOH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyDtoHAsync(dstHost, srcDevice, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyDtoDAsync`, CUDA 3.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY_DTOD_ASYNC, "cuMemcpyDtoDAsync")
}

/// `cuMemcpyDtoDAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(dstDevice: u64, srcDevice: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_DTOD_ASYNC, || unsafe { crate::driver::copy::cuMemcpyDtoDAsync(dstDevice, srcDevice, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyDtoDAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2_ptsz(dstDevice: u64, srcDevice: u64, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_DTOD_ASYNC, || unsafe { crate::driver::copy::cuMemcpyDtoDAsync(dstDevice, srcDevice, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyHtoAAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoAAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY_HTOA_ASYNC, "cuMemcpyHtoAAsync")
}

/// `cuMemcpyHtoAAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoAAsync_v2(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_HTOA_ASYNC, || unsafe { crate::driver::copy::cuMemcpyHtoAAsync(dstArray, dstOffset, srcHost, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyHtoAAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoAAsync_v2_ptsz(dstArray: u64, dstOffset: usize, srcHost: *const c_void, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_HTOA_ASYNC, || unsafe { crate::driver::copy::cuMemcpyHtoAAsync(dstArray, dstOffset, srcHost, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpyAtoHAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyAtoHAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY_ATOH_ASYNC, "cuMemcpyAtoHAsync")
}

/// `cuMemcpyAtoHAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoHAsync_v2(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_ATOH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyAtoHAsync(dstHost, srcArray, srcOffset, ByteCount, stream_arg(hStream, false)) })
}

/// `cuMemcpyAtoHAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAtoHAsync_v2_ptsz(dstHost: *const c_void, srcArray: u64, srcOffset: usize, ByteCount: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_ATOH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyAtoHAsync(dstHost, srcArray, srcOffset, ByteCount, stream_arg(hStream, true)) })
}

/// `cuMemcpy2DAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy2DAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY2D_ASYNC, "cuMemcpy2DAsync")
}

/// `cuMemcpy2DAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DAsync_v2(pCopy: *const c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY2D_ASYNC, || unsafe { crate::driver::copy::cuMemcpy2DAsync(pCopy, stream_arg(hStream, false)) })
}

/// `cuMemcpy2DAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DAsync_v2_ptsz(pCopy: *const c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY2D_ASYNC, || unsafe { crate::driver::copy::cuMemcpy2DAsync(pCopy, stream_arg(hStream, true)) })
}

/// `cuMemcpy3DAsync`, CUDA 2.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DAsync() -> u32 {
    refused_legacy(op::CU_MEMCPY3D_ASYNC, "cuMemcpy3DAsync")
}

/// `cuMemcpy3DAsync`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy3DAsync_v2(pCopy: *const c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY3D_ASYNC, || unsafe { crate::driver::copy::cuMemcpy3DAsync(pCopy, stream_arg(hStream, false)) })
}

/// `cuMemcpy3DAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy3DAsync_v2_ptsz(pCopy: *const c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY3D_ASYNC, || unsafe { crate::driver::copy::cuMemcpy3DAsync(pCopy, stream_arg(hStream, true)) })
}

/// `cuMemcpy3DPeerAsync`, CUDA 4.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DPeerAsync() -> u32 {
    refused(op::CU_MEMCPY3D_PEER_ASYNC)
}

/// `cuMemcpy3DPeerAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DPeerAsync_ptsz() -> u32 {
    refused(op::CU_MEMCPY3D_PEER_ASYNC)
}

/// `cuMemcpyBatchAsync`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyBatchAsync(dsts: *mut u64, srcs: *mut u64, sizes: *mut usize, count: usize, attrs: *mut c_void, attrsIdxs: *mut usize, numAttrs: usize, failIdx: *mut usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_BATCH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyBatchAsync(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, stream_arg(hStream, false)) })
}

/// `cuMemcpyBatchAsync`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyBatchAsync_ptsz(dsts: *mut u64, srcs: *mut u64, sizes: *mut usize, count: usize, attrs: *mut c_void, attrsIdxs: *mut usize, numAttrs: usize, failIdx: *mut usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_BATCH_ASYNC, || unsafe { crate::driver::copy::cuMemcpyBatchAsync(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, stream_arg(hStream, true)) })
}

/// `cuMemcpyBatchAsync_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyBatchAsync_v2(dsts: *mut u64, srcs: *mut u64, sizes: *mut usize, count: usize, attrs: *mut c_void, attrsIdxs: *mut usize, numAttrs: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_BATCH_ASYNC_V2, || unsafe { crate::driver::copy::cuMemcpyBatchAsync_v2(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, stream_arg(hStream, false)) })
}

/// `cuMemcpyBatchAsync_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyBatchAsync_v2_ptsz(dsts: *mut u64, srcs: *mut u64, sizes: *mut usize, count: usize, attrs: *mut c_void, attrsIdxs: *mut usize, numAttrs: usize, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_BATCH_ASYNC_V2, || unsafe { crate::driver::copy::cuMemcpyBatchAsync_v2(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, stream_arg(hStream, true)) })
}

/// `cuMemcpy3DBatchAsync`, CUDA 12.8.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DBatchAsync() -> u32 {
    refused(op::CU_MEMCPY3D_BATCH_ASYNC)
}

/// `cuMemcpy3DBatchAsync`, CUDA 12.8.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DBatchAsync_ptsz() -> u32 {
    refused(op::CU_MEMCPY3D_BATCH_ASYNC)
}

/// `cuMemcpy3DBatchAsync_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DBatchAsync_v2() -> u32 {
    refused(op::CU_MEMCPY3D_BATCH_ASYNC_V2)
}

/// `cuMemcpy3DBatchAsync_v2`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DBatchAsync_v2_ptsz() -> u32 {
    refused(op::CU_MEMCPY3D_BATCH_ASYNC_V2)
}

/// `cuMemcpyWithAttributesAsync`, CUDA 13.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyWithAttributesAsync(dst: u64, src: u64, size: usize, attr: *mut c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_WITH_ATTRIBUTES_ASYNC, || unsafe { crate::driver::copy::cuMemcpyWithAttributesAsync(dst, src, size, attr, stream_arg(hStream, false)) })
}

/// `cuMemcpyWithAttributesAsync`, CUDA 13.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyWithAttributesAsync_ptsz(dst: u64, src: u64, size: usize, attr: *mut c_void, hStream: u64) -> u32 {
    guard(op::CU_MEMCPY_WITH_ATTRIBUTES_ASYNC, || unsafe { crate::driver::copy::cuMemcpyWithAttributesAsync(dst, src, size, attr, stream_arg(hStream, true)) })
}

/// `cuMemcpy3DWithAttributesAsync`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DWithAttributesAsync() -> u32 {
    refused(op::CU_MEMCPY3D_WITH_ATTRIBUTES_ASYNC)
}

/// `cuMemcpy3DWithAttributesAsync`, CUDA 13.2.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpy3DWithAttributesAsync_ptsz() -> u32 {
    refused(op::CU_MEMCPY3D_WITH_ATTRIBUTES_ASYNC)
}
