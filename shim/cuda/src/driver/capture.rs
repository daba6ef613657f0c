//! Stream capture. The server captures; here it is only known whether any capture is under way.

use super::{put, put_if};
use core::cell::Cell;
use ringway_api::{CudaError, Kind, op};
use ringway_client::{called, create, stream};
use ringway_wire::codec::Writer as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// Captures under way.
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Whether any capture is under way in this process.
pub(crate) fn any() -> bool {
    ACTIVE.load(Ordering::Relaxed) > 0
}

pub unsafe fn cuStreamBeginCapture(hStream: u64, mode: u32) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if mode > 2 {
        return Err(CudaError::INVALID_VALUE);
    }
    called(
        op::CU_STREAM_BEGIN_CAPTURE,
        on.target,
        12,
        |w| {
            w.u64(on.id);
            w.u32(mode);
        },
        |_| Ok(()),
    )?;
    ACTIVE.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(0) };
}

pub unsafe fn cuThreadExchangeStreamCaptureMode(mode: *mut u32) -> Result<(), CudaError> {
    if mode.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let new = unsafe { mode.read_unaligned() };
    if new > 2 {
        return Err(CudaError::INVALID_VALUE);
    }
    unsafe { put(mode, MODE.replace(new)) }
}

pub unsafe fn cuStreamEndCapture(hStream: u64, phGraph: *mut u64) -> Result<(), CudaError> {
    let on = stream(hStream)?;
    if phGraph.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let graph = create(Kind::Graph, on.target)?;
    let ended = called(
        op::CU_STREAM_END_CAPTURE,
        on.target,
        16,
        |w| {
            w.u64(on.id);
            w.u64(graph.id());
        },
        |_| Ok(()),
    );
    if !matches!(
        ended,
        Err(CudaError::ILLEGAL_STATE
            | CudaError::STREAM_CAPTURE_WRONG_THREAD
            | CudaError::STREAM_CAPTURE_UNMATCHED)
    ) {
        let _ = ACTIVE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |active| {
            active.checked_sub(1)
        });
    }
    ended?;
    unsafe { put(phGraph, graph.keep()) }
}

fn status(hStream: u64) -> Result<(u32, u64), CudaError> {
    let on = stream(hStream)?;
    if !any() {
        return Ok((0, 0));
    }
    called(
        op::CU_STREAM_GET_CAPTURE_INFO,
        on.target,
        8,
        |w| w.u64(on.id),
        |r| Ok((r.u32()?, r.u64()?)),
    )
}

pub unsafe fn cuStreamIsCapturing(hStream: u64, captureStatus: *mut u32) -> Result<(), CudaError> {
    let (state, _) = status(hStream)?;
    unsafe { put(captureStatus, state) }
}

pub unsafe fn cuStreamGetCaptureInfo(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
) -> Result<(), CudaError> {
    let (state, id) = status(hStream)?;
    unsafe { put(captureStatus_out, state) }?;
    unsafe { put_if(id_out, id) };
    Ok(())
}

pub unsafe fn cuStreamGetCaptureInfo_v2(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
    graph_out: *mut u64,
    dependencies_out: *mut core::ffi::c_void,
    numDependencies_out: *mut usize,
) -> Result<(), CudaError> {
    let (state, id) = status(hStream)?;
    if state == 1
        && (!graph_out.is_null() || !dependencies_out.is_null() || !numDependencies_out.is_null())
    {
        // The graph under construction is not handed out.
        return Err(CudaError::NOT_SUPPORTED);
    }
    unsafe { put(captureStatus_out, state) }?;
    unsafe { put_if(id_out, id) };
    Ok(())
}

pub unsafe fn cuStreamGetCaptureInfo_v3(
    hStream: u64,
    captureStatus_out: *mut u32,
    id_out: *mut u64,
    graph_out: *mut u64,
    dependencies_out: *mut core::ffi::c_void,
    _edgeData_out: *mut core::ffi::c_void,
    numDependencies_out: *mut usize,
) -> Result<(), CudaError> {
    unsafe {
        cuStreamGetCaptureInfo_v2(
            hStream,
            captureStatus_out,
            id_out,
            graph_out,
            dependencies_out,
            numDependencies_out,
        )
    }
}
