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

/// `cuEventCreate`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(phEvent: *mut u64, Flags: u32) -> u32 {
    guard(op::CU_EVENT_CREATE, || unsafe { auto_cuEventCreate(phEvent, Flags) })
}

unsafe fn auto_cuEventCreate(phEvent: *mut u64, Flags: u32) -> Result<(), CudaError> {
    if phEvent.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    if Flags & !0x7 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = client::current()?.without_work();
    let phEvent_new = client::create(Kind::Event, aim)?;
    client::posted(op::CU_EVENT_CREATE, aim, 12, |w| {
        w.u64(phEvent_new.id());
        w.u32(Flags);
    })?;
    phEvent.write_unaligned(phEvent_new.keep());
    Ok(())
}

/// `cuEventRecord`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(hEvent: u64, hStream: u64) -> u32 {
    guard(op::CU_EVENT_RECORD, || unsafe { crate::driver::event::cuEventRecord(hEvent, stream_arg(hStream, false)) })
}

/// `cuEventRecord`, CUDA 7.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord_ptsz(hEvent: u64, hStream: u64) -> u32 {
    guard(op::CU_EVENT_RECORD, || unsafe { crate::driver::event::cuEventRecord(hEvent, stream_arg(hStream, true)) })
}

pub(crate) unsafe fn auto_cuEventRecord(hEvent: u64, hStream: u64) -> Result<(), CudaError> {
    let hEvent = client::handle(Kind::Event, hEvent)?;
    let hStream = client::stream(hStream)?;
    let aim = hStream.target;
    client::posted(op::CU_EVENT_RECORD, aim, 16, |w| {
        w.u64(hEvent.id);
        w.u64(hStream.id);
    })?;
    Ok(())
}

/// `cuEventRecordWithFlags`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecordWithFlags(hEvent: u64, hStream: u64, flags: u32) -> u32 {
    guard(op::CU_EVENT_RECORD_WITH_FLAGS, || unsafe { crate::driver::event::cuEventRecordWithFlags(hEvent, stream_arg(hStream, false), flags) })
}

/// `cuEventRecordWithFlags`, CUDA 11.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecordWithFlags_ptsz(hEvent: u64, hStream: u64, flags: u32) -> u32 {
    guard(op::CU_EVENT_RECORD_WITH_FLAGS, || unsafe { crate::driver::event::cuEventRecordWithFlags(hEvent, stream_arg(hStream, true), flags) })
}

pub(crate) unsafe fn auto_cuEventRecordWithFlags(hEvent: u64, hStream: u64, flags: u32) -> Result<(), CudaError> {
    let hEvent = client::handle(Kind::Event, hEvent)?;
    let hStream = client::stream(hStream)?;
    if flags & !0x1 != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let aim = hStream.target;
    client::posted(op::CU_EVENT_RECORD_WITH_FLAGS, aim, 20, |w| {
        w.u64(hEvent.id);
        w.u64(hStream.id);
        w.u32(flags);
    })?;
    Ok(())
}

/// `cuEventQuery`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventQuery(hEvent: u64) -> u32 {
    guard(op::CU_EVENT_QUERY, || unsafe { crate::driver::event::cuEventQuery(hEvent) })
}

/// `cuEventSynchronize`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(hEvent: u64) -> u32 {
    guard(op::CU_EVENT_SYNCHRONIZE, || unsafe { crate::driver::event::cuEventSynchronize(hEvent) })
}

/// `cuEventDestroy`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy(hEvent: u64) -> u32 {
    guard(op::CU_EVENT_DESTROY, || unsafe { auto_cuEventDestroy(hEvent) })
}

/// `cuEventDestroy`, CUDA 4.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(hEvent: u64) -> u32 {
    guard(op::CU_EVENT_DESTROY, || unsafe { auto_cuEventDestroy(hEvent) })
}

unsafe fn auto_cuEventDestroy(hEvent: u64) -> Result<(), CudaError> {
    let hEvent = client::handle(Kind::Event, hEvent)?;
    let aim = hEvent.target.without_work();
    client::posted(op::CU_EVENT_DESTROY, aim, 8, |w| {
        w.u64(hEvent.id);
    })?;
    client::destroyed(Kind::Event, hEvent.id);
    Ok(())
}

/// `cuEventElapsedTime`, CUDA 2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(pMilliseconds: *mut f32, hStart: u64, hEnd: u64) -> u32 {
    guard(op::CU_EVENT_ELAPSED_TIME, || unsafe { auto_cuEventElapsedTime(pMilliseconds, hStart, hEnd) })
}

/// `cuEventElapsedTime`, CUDA 12.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime_v2(pMilliseconds: *mut f32, hStart: u64, hEnd: u64) -> u32 {
    guard(op::CU_EVENT_ELAPSED_TIME, || unsafe { auto_cuEventElapsedTime(pMilliseconds, hStart, hEnd) })
}

unsafe fn auto_cuEventElapsedTime(pMilliseconds: *mut f32, hStart: u64, hEnd: u64) -> Result<(), CudaError> {
    if pMilliseconds.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let hStart = client::handle(Kind::Event, hStart)?;
    let hEnd = client::handle(Kind::Event, hEnd)?;
    let aim = hStart.target;
    client::called(op::CU_EVENT_ELAPSED_TIME, aim, 16, |w| {
        w.u64(hStart.id);
        w.u64(hEnd.id);
    }, |r| {
        let v = r.f32()?;
        pMilliseconds.write_unaligned(v);
        Ok(())
    })?;
    Ok(())
}
