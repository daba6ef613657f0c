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

/// `cuStreamCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(phStream: *mut u64, Flags: u32) -> u32 {
    guard(op::CU_STREAM_CREATE, || unsafe { crate::driver::stream::cuStreamCreate(phStream, Flags) })
}

pub(crate) unsafe fn auto_cuStreamCreate(phStream: *mut u64, Flags: u32) -> Result<(), CudaError> {
    if phStream.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if Flags & !0x1 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let phStream_new = client::create(Kind::Stream, aim)?;
    client::posted(op::CU_STREAM_CREATE, aim, 12, |w| {
        w.u64(phStream_new.id());
        w.u32(Flags);
    })?;
    phStream.write_unaligned(phStream_new.keep());
    Ok(())
}

/// `cuStreamCreateWithPriority`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(phStream: *mut u64, flags: u32, priority: i32) -> u32 {
    guard(op::CU_STREAM_CREATE_WITH_PRIORITY, || unsafe { crate::driver::stream::cuStreamCreateWithPriority(phStream, flags, priority) })
}

pub(crate) unsafe fn auto_cuStreamCreateWithPriority(phStream: *mut u64, flags: u32, priority: i32) -> Result<(), CudaError> {
    if phStream.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if flags & !0x1 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?;
    let phStream_new = client::create(Kind::Stream, aim)?;
    client::posted(op::CU_STREAM_CREATE_WITH_PRIORITY, aim, 16, |w| {
        w.u64(phStream_new.id());
        w.u32(flags);
        w.i32(priority);
    })?;
    phStream.write_unaligned(phStream_new.keep());
    Ok(())
}

/// `cuStreamGetPriority`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetPriority(hStream: u64, priority: *mut i32) -> u32 {
    guard(op::CU_STREAM_GET_PRIORITY, || unsafe { auto_cuStreamGetPriority(stream_arg(hStream, false), priority) })
}

/// `cuStreamGetPriority`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetPriority_ptsz(hStream: u64, priority: *mut i32) -> u32 {
    guard(op::CU_STREAM_GET_PRIORITY, || unsafe { auto_cuStreamGetPriority(stream_arg(hStream, true), priority) })
}

unsafe fn auto_cuStreamGetPriority(hStream: u64, priority: *mut i32) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    if priority.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::called(op::CU_STREAM_GET_PRIORITY, aim, 8, |w| {
        w.u64(hStream.id);
    }, |r| {
        let v = r.i32()?;
        priority.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuStreamGetDevice`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetDevice(hStream: u64, device: *mut i32) -> u32 {
    guard(op::CU_STREAM_GET_DEVICE, || unsafe { crate::driver::stream::cuStreamGetDevice(stream_arg(hStream, false), device) })
}

/// `cuStreamGetDevice`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetDevice_ptsz(hStream: u64, device: *mut i32) -> u32 {
    guard(op::CU_STREAM_GET_DEVICE, || unsafe { crate::driver::stream::cuStreamGetDevice(stream_arg(hStream, true), device) })
}

/// `cuStreamGetFlags`, CUDA 5.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetFlags(hStream: u64, flags: *mut u32) -> u32 {
    guard(op::CU_STREAM_GET_FLAGS, || unsafe { auto_cuStreamGetFlags(stream_arg(hStream, false), flags) })
}

/// `cuStreamGetFlags`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetFlags_ptsz(hStream: u64, flags: *mut u32) -> u32 {
    guard(op::CU_STREAM_GET_FLAGS, || unsafe { auto_cuStreamGetFlags(stream_arg(hStream, true), flags) })
}

unsafe fn auto_cuStreamGetFlags(hStream: u64, flags: *mut u32) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    if flags.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::called(op::CU_STREAM_GET_FLAGS, aim, 8, |w| {
        w.u64(hStream.id);
    }, |r| {
        let v = r.u32()?;
        flags.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuStreamGetId`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetId(hStream: u64, streamId: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_ID, || unsafe { auto_cuStreamGetId(stream_arg(hStream, false), streamId) })
}

/// `cuStreamGetId`, CUDA 12.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetId_ptsz(hStream: u64, streamId: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_ID, || unsafe { auto_cuStreamGetId(stream_arg(hStream, true), streamId) })
}

unsafe fn auto_cuStreamGetId(hStream: u64, streamId: *mut u64) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    if streamId.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::called(op::CU_STREAM_GET_ID, aim, 8, |w| {
        w.u64(hStream.id);
    }, |r| {
        let v = r.u64()?;
        streamId.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuStreamGetCtx`, CUDA 9.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx(hStream: u64, pctx: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_CTX, || unsafe { crate::driver::stream::cuStreamGetCtx(stream_arg(hStream, false), pctx) })
}

/// `cuStreamGetCtx`, CUDA 9.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx_ptsz(hStream: u64, pctx: *mut u64) -> u32 {
    guard(op::CU_STREAM_GET_CTX, || unsafe { crate::driver::stream::cuStreamGetCtx(stream_arg(hStream, true), pctx) })
}

/// `cuStreamGetCtx_v2`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx_v2(hStream: u64, pCtx: *mut u64, pGreenCtx: *mut c_void) -> u32 {
    guard(op::CU_STREAM_GET_CTX_V2, || unsafe { crate::driver::stream::cuStreamGetCtx_v2(stream_arg(hStream, false), pCtx, pGreenCtx) })
}

/// `cuStreamGetCtx_v2`, CUDA 12.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx_v2_ptsz(hStream: u64, pCtx: *mut u64, pGreenCtx: *mut c_void) -> u32 {
    guard(op::CU_STREAM_GET_CTX_V2, || unsafe { crate::driver::stream::cuStreamGetCtx_v2(stream_arg(hStream, true), pCtx, pGreenCtx) })
}

/// `cuStreamWaitEvent`, CUDA 3.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(hStream: u64, hEvent: u64, Flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_EVENT, || unsafe { crate::driver::stream::cuStreamWaitEvent(stream_arg(hStream, false), hEvent, Flags) })
}

/// `cuStreamWaitEvent`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent_ptsz(hStream: u64, hEvent: u64, Flags: u32) -> u32 {
    guard(op::CU_STREAM_WAIT_EVENT, || unsafe { crate::driver::stream::cuStreamWaitEvent(stream_arg(hStream, true), hEvent, Flags) })
}

pub(crate) unsafe fn auto_cuStreamWaitEvent(hStream: u64, hEvent: u64, Flags: u32) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    let hEvent = client::handle(Kind::Event, hEvent)?;
    if Flags & !0x1 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::posted(op::CU_STREAM_WAIT_EVENT, aim, 20, |w| {
        w.u64(hStream.id);
        w.u64(hEvent.id);
        w.u32(Flags);
    })?;
    Ok(())
}

/// `cuStreamAddCallback`, CUDA 5.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAddCallback(hStream: u64, callback: *const c_void, userData: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_ADD_CALLBACK, || unsafe { crate::driver::stream::cuStreamAddCallback(stream_arg(hStream, false), callback, userData, flags) })
}

/// `cuStreamAddCallback`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAddCallback_ptsz(hStream: u64, callback: *const c_void, userData: *const c_void, flags: u32) -> u32 {
    guard(op::CU_STREAM_ADD_CALLBACK, || unsafe { crate::driver::stream::cuStreamAddCallback(stream_arg(hStream, true), callback, userData, flags) })
}

/// `cuStreamBeginRecaptureToGraph`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginRecaptureToGraph() -> u32 {
    refused(op::CU_STREAM_BEGIN_RECAPTURE_TO_GRAPH)
}

/// `cuStreamBeginRecaptureToGraph`, CUDA 13.3.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginRecaptureToGraph_ptsz() -> u32 {
    refused(op::CU_STREAM_BEGIN_RECAPTURE_TO_GRAPH)
}

/// `cuStreamAttachMemAsync`, CUDA 6.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAttachMemAsync(hStream: u64, dptr: u64, length: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_ATTACH_MEM_ASYNC, || unsafe { crate::driver::stream::cuStreamAttachMemAsync(stream_arg(hStream, false), dptr, length, flags) })
}

/// `cuStreamAttachMemAsync`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAttachMemAsync_ptsz(hStream: u64, dptr: u64, length: usize, flags: u32) -> u32 {
    guard(op::CU_STREAM_ATTACH_MEM_ASYNC, || unsafe { crate::driver::stream::cuStreamAttachMemAsync(stream_arg(hStream, true), dptr, length, flags) })
}

/// `cuStreamQuery`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamQuery(hStream: u64) -> u32 {
    guard(op::CU_STREAM_QUERY, || unsafe { crate::driver::stream::cuStreamQuery(stream_arg(hStream, false)) })
}

/// `cuStreamQuery`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamQuery_ptsz(hStream: u64) -> u32 {
    guard(op::CU_STREAM_QUERY, || unsafe { crate::driver::stream::cuStreamQuery(stream_arg(hStream, true)) })
}

/// `cuStreamSynchronize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(hStream: u64) -> u32 {
    guard(op::CU_STREAM_SYNCHRONIZE, || unsafe { crate::driver::stream::cuStreamSynchronize(stream_arg(hStream, false)) })
}

/// `cuStreamSynchronize`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize_ptsz(hStream: u64) -> u32 {
    guard(op::CU_STREAM_SYNCHRONIZE, || unsafe { crate::driver::stream::cuStreamSynchronize(stream_arg(hStream, true)) })
}

/// `cuStreamDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy(hStream: u64) -> u32 {
    guard(op::CU_STREAM_DESTROY, || unsafe { crate::driver::stream::cuStreamDestroy(hStream) })
}

/// `cuStreamDestroy`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(hStream: u64) -> u32 {
    guard(op::CU_STREAM_DESTROY, || unsafe { crate::driver::stream::cuStreamDestroy(hStream) })
}

pub(crate) unsafe fn auto_cuStreamDestroy(hStream: u64) -> Result<(), CudaError> {
    let hStream = client::handle(Kind::Stream, hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_STREAM_DESTROY, aim, 8, |w| {
        w.u64(hStream.id);
    })?;
    client::destroyed(Kind::Stream, hStream.id);
    Ok(())
}

/// `cuStreamCopyAttributes`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCopyAttributes(dst: u64, src: u64) -> u32 {
    guard(op::CU_STREAM_COPY_ATTRIBUTES, || unsafe { auto_cuStreamCopyAttributes(stream_arg(dst, false), src) })
}

/// `cuStreamCopyAttributes`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCopyAttributes_ptsz(dst: u64, src: u64) -> u32 {
    guard(op::CU_STREAM_COPY_ATTRIBUTES, || unsafe { auto_cuStreamCopyAttributes(stream_arg(dst, true), src) })
}

unsafe fn auto_cuStreamCopyAttributes(dst: u64, src: u64) -> Result<(), CudaError> {
    let dst = client::stream(dst)?;
    let src = client::stream(src)?;
    let aim = dst.target;
    client::posted(op::CU_STREAM_COPY_ATTRIBUTES, aim, 16, |w| {
        w.u64(dst.id);
        w.u64(src.id);
    })?;
    Ok(())
}

/// `cuStreamGetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetAttribute(hStream: u64, attr: u32, value_out: *mut c_void) -> u32 {
    guard(op::CU_STREAM_GET_ATTRIBUTE, || unsafe { auto_cuStreamGetAttribute(stream_arg(hStream, false), attr, value_out) })
}

/// `cuStreamGetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetAttribute_ptsz(hStream: u64, attr: u32, value_out: *mut c_void) -> u32 {
    guard(op::CU_STREAM_GET_ATTRIBUTE, || unsafe { auto_cuStreamGetAttribute(stream_arg(hStream, true), attr, value_out) })
}

unsafe fn auto_cuStreamGetAttribute(hStream: u64, attr: u32, value_out: *mut c_void) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    if value_out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::called(op::CU_STREAM_GET_ATTRIBUTE, aim, 12, |w| {
        w.u64(hStream.id);
        w.u32(attr);
    }, |r| {
        let v = r.array::<64>()?;
        value_out.cast::<[u8; 64]>().write(v);
        Ok(())
    })?;
    Ok(())
}

/// `cuStreamSetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSetAttribute(hStream: u64, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_STREAM_SET_ATTRIBUTE, || unsafe { auto_cuStreamSetAttribute(stream_arg(hStream, false), attr, value) })
}

/// `cuStreamSetAttribute`, CUDA 11.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSetAttribute_ptsz(hStream: u64, attr: u32, value: *const c_void) -> u32 {
    guard(op::CU_STREAM_SET_ATTRIBUTE, || unsafe { auto_cuStreamSetAttribute(stream_arg(hStream, true), attr, value) })
}

unsafe fn auto_cuStreamSetAttribute(hStream: u64, attr: u32, value: *const c_void) -> Result<(), CudaError> {
    let hStream = client::stream(hStream)?;
    if value.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::posted(op::CU_STREAM_SET_ATTRIBUTE, aim, 76, |w| {
        w.u64(hStream.id);
        w.u32(attr);
        w.put(&value.cast::<[u8; 64]>().read());
    })?;
    Ok(())
}
