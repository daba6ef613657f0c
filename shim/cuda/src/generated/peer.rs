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

/// `cuDeviceCanAccessPeer`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceCanAccessPeer(canAccessPeer: *mut i32, dev: i32, peerDev: i32) -> u32 {
    guard(op::CU_DEVICE_CAN_ACCESS_PEER, || unsafe { crate::driver::peer::cuDeviceCanAccessPeer(canAccessPeer, dev, peerDev) })
}

pub(crate) unsafe fn auto_cuDeviceCanAccessPeer(canAccessPeer: *mut i32, dev: i32, peerDev: i32) -> Result<(), CudaError> {
    if canAccessPeer.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let dev = client::device(dev)?;
    let peerDev = client::device(peerDev)?;
    let aim = dev.target;
    client::called(op::CU_DEVICE_CAN_ACCESS_PEER, aim, 8, |w| {
        w.i32(dev.ordinal);
        w.i32(peerDev.ordinal);
    }, |r| {
        let v = r.i32()?;
        canAccessPeer.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuCtxEnablePeerAccess`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxEnablePeerAccess(peerContext: u64, Flags: u32) -> u32 {
    guard(op::CU_CTX_ENABLE_PEER_ACCESS, || unsafe { crate::driver::peer::cuCtxEnablePeerAccess(peerContext, Flags) })
}

/// `cuCtxDisablePeerAccess`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDisablePeerAccess(peerContext: u64) -> u32 {
    guard(op::CU_CTX_DISABLE_PEER_ACCESS, || unsafe { crate::driver::peer::cuCtxDisablePeerAccess(peerContext) })
}

/// `cuDeviceGetP2PAttribute`, CUDA 8.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetP2PAttribute(value: *mut i32, attrib: u32, srcDevice: i32, dstDevice: i32) -> u32 {
    guard(op::CU_DEVICE_GET_P2P_ATTRIBUTE, || unsafe { crate::driver::peer::cuDeviceGetP2PAttribute(value, attrib, srcDevice, dstDevice) })
}

pub(crate) unsafe fn auto_cuDeviceGetP2PAttribute(value: *mut i32, attrib: u32, srcDevice: i32, dstDevice: i32) -> Result<(), CudaError> {
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let srcDevice = client::device(srcDevice)?;
    let dstDevice = client::device(dstDevice)?;
    let aim = srcDevice.target;
    client::called(op::CU_DEVICE_GET_P2P_ATTRIBUTE, aim, 12, |w| {
        w.u32(attrib);
        w.i32(srcDevice.ordinal);
        w.i32(dstDevice.ordinal);
    }, |r| {
        let v = r.i32()?;
        value.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuDeviceGetP2PAtomicCapabilities`, CUDA 13.0.
#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetP2PAtomicCapabilities() -> u32 {
    refused(op::CU_DEVICE_GET_P2P_ATOMIC_CAPABILITIES)
}
