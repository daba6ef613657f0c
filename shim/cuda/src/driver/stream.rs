//! Streams: waiting, asking, callbacks.

use super::{late, put};
use crate::generated::stream as generated;
use core::ffi::c_void;
use ringway_api::{CudaError, Kind, op};
use ringway_client::contexts::{self, Target};
use ringway_client::host_functions::{self, Function, StreamCallback};
use ringway_client::servers::are_apart;
use ringway_client::submit::posted_in_lane;
use ringway_client::{called, completion, gates, handle, objects, posted, stream};
use ringway_wire::codec::Writer as _;

/// Handle of the context that a stream is in.
fn context_of(stream: u64) -> Result<(u64, Target), CudaError> {
    let object = ringway_client::stream(stream)?;
    let number = object.target.context;
    // A context's handle holds its number as index; the live one is found by it.
    let current = contexts::current_handle();
    if contexts::number(current) == Ok(number) {
        return Ok((current, object.target));
    }
    let live = objects::of_context(Kind::Context, 0);
    let found = live
        .into_iter()
        .find(|handle| *handle as u32 == number)
        .ok_or(CudaError::CONTEXT_IS_DESTROYED)?;
    Ok((found, object.target))
}

/// `CU_EVENT_WAIT_EXTERNAL`.
const EXTERNAL: u32 = 1;

/// `CU_STREAM_NON_BLOCKING`: no order with the legacy stream.
const NON_BLOCKING: u32 = 1;

/// Makes a stream by `make`; where that takes no notice of the legacy stream, a wait for that one says nothing of its work.
fn create(flags: u32, make: impl FnOnce() -> Result<(), CudaError>) -> Result<(), CudaError> {
    if flags & NON_BLOCKING != 0 {
        contexts::set_apart(contexts::current()?.context);
    }
    make()
}

pub unsafe fn cuStreamCreate(phStream: *mut u64, Flags: u32) -> Result<(), CudaError> {
    create(Flags, || unsafe { generated::auto_cuStreamCreate(phStream, Flags) })
}

pub unsafe fn cuStreamCreateWithPriority(phStream: *mut u64, flags: u32, priority: i32) -> Result<(), CudaError> {
    create(flags, || unsafe { generated::auto_cuStreamCreateWithPriority(phStream, flags, priority) })
}

pub unsafe fn cuStreamDestroy(hStream: u64) -> Result<(), CudaError> {
    let object = handle(Kind::Stream, hStream)?;
    if !completion::is_stream_done(object)? {
        // Its work goes on, and whether the legacy stream minds it any more is the driver's affair.
        contexts::set_apart(object.target.context);
    }
    unsafe { generated::auto_cuStreamDestroy(hStream) }
}

pub unsafe fn cuStreamGetDevice(hStream: u64, device: *mut i32) -> Result<(), CudaError> {
    let target = stream(hStream)?.target;
    unsafe { put(device, target.lane as i32) }
}

pub unsafe fn cuStreamGetCtx(hStream: u64, pctx: *mut u64) -> Result<(), CudaError> {
    let (context, _) = context_of(hStream)?;
    unsafe { put(pctx, context) }
}

pub unsafe fn cuStreamGetCtx_v2(
    hStream: u64,
    pCtx: *mut u64,
    pGreenCtx: *mut c_void,
) -> Result<(), CudaError> {
    let (context, _) = context_of(hStream)?;
    unsafe { super::put_if(pGreenCtx.cast(), 0u64) };
    unsafe { put(pCtx, context) }
}

pub unsafe fn cuStreamWaitEvent(hStream: u64, hEvent: u64, Flags: u32) -> Result<(), CudaError> {
    let (on, event) = (stream(hStream)?, handle(Kind::Event, hEvent)?);
    if on.target.lane == event.target.lane && Flags & !EXTERNAL == 0 {
        return posted_in_lane(op::CU_STREAM_WAIT_EVENT, on.target, 20, |w| {
            w.u64(on.id);
            w.u64(event.id);
            w.u32(Flags);
        });
    }
    if are_apart(on.target.lane, event.target.lane) {
        if Flags & !EXTERNAL != 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        if late::captures(on) {
            // Another server's work is no part of a graph.
            return Err(CudaError::STREAM_CAPTURE_UNSUPPORTED);
        }
        return gates::wait_event(on, event);
    }
    unsafe { generated::auto_cuStreamWaitEvent(hStream, hEvent, Flags) }
}

pub unsafe fn cuStreamSynchronize(hStream: u64) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    completion::synchronise_stream(stream, |target| {
        called(op::CU_STREAM_SYNCHRONIZE, target, 8, |w| w.u64(stream.id), |_| Ok(()))
    })
}

pub unsafe fn cuStreamQuery(hStream: u64) -> Result<(), CudaError> {
    completion::query_stream(stream(hStream)?)
}

pub unsafe fn cuStreamAddCallback(
    hStream: u64,
    callback: *const c_void,
    userData: *const c_void,
    flags: u32,
) -> Result<(), CudaError> {
    let stream = stream(hStream)?;
    if callback.is_null() || flags != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: the program says that this is a CUstreamCallback.
    let callback = unsafe { core::mem::transmute::<*const c_void, StreamCallback>(callback) };
    let id = host_functions::register(
        Function::Callback(callback, hStream, userData as usize),
        false,
        stream.id,
        stream.target.lane,
    );
    posted(op::CU_STREAM_ADD_CALLBACK, stream.target, 16, |w| {
        w.u64(stream.id);
        w.u64(id);
    })
    .inspect_err(|_| host_functions::forget(id))?;
    ringway_client::submit::flush(stream.target)
}

pub unsafe fn cuStreamAttachMemAsync(
    hStream: u64,
    _dptr: u64,
    _length: usize,
    _flags: u32,
) -> Result<(), CudaError> {
    stream(hStream)?;
    // There is no managed memory to attach.
    Err(CudaError::NOT_SUPPORTED)
}
